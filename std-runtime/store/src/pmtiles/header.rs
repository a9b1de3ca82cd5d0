//! The 127 bytes at the start of a PMTiles archive.

use crate::area::Bbox;
use crate::format::TileFormat;

pub(crate) const HEADER_BYTES: usize = 127;

/// Numbers for the compression of directories, metadata and tiles.
pub(crate) const COMPRESSION_NONE: u8 = 1;
pub(crate) const COMPRESSION_GZIP: u8 = 2;

/// A stretch of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// What the header says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Header {
    pub(crate) root: Section,
    pub(crate) metadata: Section,
    pub(crate) leaves: Section,
    pub(crate) data: Section,
    /// Tiles, entries and distinct contents; 0 is unknown.
    pub(crate) tile_count: u64,
    pub(crate) entry_count: u64,
    pub(crate) content_count: u64,
    pub(crate) clustered: bool,
    /// Of directories and metadata.
    pub(crate) internal_compression: u8,
    pub(crate) tile_compression: u8,
    pub(crate) format: TileFormat,
    pub(crate) zoom_min: u8,
    pub(crate) zoom_max: u8,
    /// West, south, east, north and the centre's longitude and latitude, in 1e-7 degrees.
    pub(crate) bounds: [i32; 4],
    pub(crate) center: [i32; 2],
    pub(crate) center_zoom: u8,
}

/// Why the first bytes of a file are no header of PMTiles 3.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// It begins with something else.
    #[error("it does not begin with `PMTiles`")]
    Magic,
    /// It is of another version.
    #[error("it is PMTiles version {0}; only version 3 can be read")]
    Version(u8),
}

/// Degrees as the header holds them.
pub(crate) fn e7(degrees: f64) -> i32 {
    // Longitudes and latitudes fit; the cast saturates for whatever else comes.
    (degrees * 1e7).round() as i32
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(b"PMTiles\x03");
        for section in [self.root, self.metadata, self.leaves, self.data] {
            put(&section.offset.to_le_bytes());
            put(&section.length.to_le_bytes());
        }
        for count in [self.tile_count, self.entry_count, self.content_count] {
            put(&count.to_le_bytes());
        }
        put(&[u8::from(self.clustered), self.internal_compression, self.tile_compression, self.format.pmtiles_code()]);
        put(&[self.zoom_min, self.zoom_max]);
        self.bounds.iter().for_each(|degrees| put(&degrees.to_le_bytes()));
        put(&[self.center_zoom]);
        self.center.iter().for_each(|degrees| put(&degrees.to_le_bytes()));
        out
    }

    pub(crate) fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, HeaderError> {
        if !bytes.starts_with(b"PMTiles") {
            return Err(HeaderError::Magic);
        }
        if bytes[7] != 3 {
            return Err(HeaderError::Version(bytes[7]));
        }
        let u64_at = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let i32_at = |at: usize| i32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let section = |at: usize| Section { offset: u64_at(at), length: u64_at(at + 8) };
        Ok(Self {
            root: section(8),
            metadata: section(24),
            leaves: section(40),
            data: section(56),
            tile_count: u64_at(72),
            entry_count: u64_at(80),
            content_count: u64_at(88),
            clustered: bytes[96] == 1,
            internal_compression: bytes[97],
            tile_compression: bytes[98],
            format: TileFormat::from_pmtiles_code(bytes[99]),
            zoom_min: bytes[100],
            zoom_max: bytes[101],
            bounds: [i32_at(102), i32_at(106), i32_at(110), i32_at(114)],
            center_zoom: bytes[118],
            center: [i32_at(119), i32_at(123)],
        })
    }

    /// The bounds as a box, where they are one.
    pub(crate) fn bbox(&self) -> Option<Bbox> {
        let [west, south, east, north] = self.bounds.map(|e7| f64::from(e7) / 1e7);
        Bbox::new(west, south, east, north).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_the_specification_puts_them_and_lead_back() {
        let header = Header {
            root: Section { offset: 127, length: 10 },
            metadata: Section { offset: 137, length: 11 },
            leaves: Section { offset: 148, length: 12 },
            data: Section { offset: 160, length: 13 },
            tile_count: 3,
            entry_count: 2,
            content_count: 1,
            clustered: true,
            internal_compression: COMPRESSION_GZIP,
            tile_compression: COMPRESSION_NONE,
            format: TileFormat::Png,
            zoom_min: 4,
            zoom_max: 9,
            bounds: [e7(-180.0), e7(-85.0), e7(180.0), e7(85.0)],
            center: [e7(13.4), e7(52.5)],
            center_zoom: 7,
        };
        let bytes = header.encode();
        assert_eq!(bytes[..9], *b"PMTiles\x03\x7f");
        assert_eq!((bytes[56], bytes[72], bytes[96], bytes[99], bytes[101], bytes[118]), (160, 3, 1, 2, 9, 7));
        assert_eq!(bytes[119..123], 134_000_000_i32.to_le_bytes());
        assert_eq!(Header::decode(&bytes).unwrap(), header);
    }

    #[test]
    fn other_files_and_versions_are_told_apart() {
        assert!(matches!(Header::decode(&[0; HEADER_BYTES]), Err(HeaderError::Magic)));
        let mut old = [0; HEADER_BYTES];
        old[..8].copy_from_slice(b"PMTiles\x02");
        assert!(matches!(Header::decode(&old), Err(HeaderError::Version(2))));
    }
}
