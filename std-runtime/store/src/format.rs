//! What tiles are made of: told by their first bytes, named as each kind of archive names it.

use std::borrow::Cow;

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// What the tiles of an archive are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TileFormat {
    /// Mapbox vector tiles; archives hold them gzipped.
    Mvt,
    /// PNG images.
    Png,
    /// JPEG images.
    Jpeg,
    /// WebP images.
    Webp,
    /// AVIF images.
    Avif,
    /// Anything else, kept as it came.
    Other,
}

/// The first two bytes of a gzip stream. No vector tile and no image begins with them.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

impl TileFormat {
    const ALL: [Self; 6] = [Self::Mvt, Self::Png, Self::Jpeg, Self::Webp, Self::Avif, Self::Other];

    /// What a tile is, by its first bytes. Whatever is gzipped is taken for a vector tile.
    pub fn of(tile: &[u8]) -> Self {
        match tile {
            // A vector tile begins with a layer: field 3, length-delimited.
            [0x1a, ..] => Self::Mvt,
            _ if tile.starts_with(&GZIP_MAGIC) => Self::Mvt,
            _ if tile.starts_with(b"\x89PNG\r\n\x1a\n") => Self::Png,
            _ if tile.starts_with(b"\xff\xd8\xff") => Self::Jpeg,
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Self::Webp,
            [_, _, _, _, b'f', b't', b'y', b'p', b'a', b'v', b'i', b'f' | b's', ..] => Self::Avif,
            _ => Self::Other,
        }
    }

    /// The usual extension of a file with one tile: `pbf`, `png`, `jpg`, `webp`, `avif`, `bin`.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Mvt => "pbf",
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::Webp => "webp",
            Self::Avif => "avif",
            Self::Other => "bin",
        }
    }

    /// The value of `format` in the metadata of MBTiles: a short name where the specification has one, else a media type.
    pub(crate) fn mbtiles_name(self) -> &'static str {
        match self {
            Self::Mvt | Self::Png | Self::Jpeg | Self::Webp => self.extension(),
            Self::Avif => "image/avif",
            Self::Other => "application/octet-stream",
        }
    }

    pub(crate) fn from_mbtiles_name(name: &str) -> Self {
        let name = if name == "jpeg" { "jpg" } else { name };
        Self::ALL.into_iter().find(|format| format.mbtiles_name() == name).unwrap_or(Self::Other)
    }

    /// The tile type in the header of PMTiles.
    pub(crate) fn pmtiles_code(self) -> u8 {
        match self {
            Self::Other => 0,
            Self::Mvt => 1,
            Self::Png => 2,
            Self::Jpeg => 3,
            Self::Webp => 4,
            Self::Avif => 5,
        }
    }

    pub(crate) fn from_pmtiles_code(code: u8) -> Self {
        Self::ALL.into_iter().find(|format| format.pmtiles_code() == code).unwrap_or(Self::Other)
    }

    /// Whether a tile of that format can stand in an archive of this one: any can where the archive's is not known here.
    pub(crate) fn takes(self, tile: Self) -> bool {
        self == Self::Other || self == tile
    }

    /// The tile as an archive holds it: a vector tile that came without compression is gzipped.
    pub(crate) fn pack(self, tile: &[u8]) -> Cow<'_, [u8]> {
        if self == Self::Mvt && !tile.starts_with(&GZIP_MAGIC) { Cow::Owned(gzip(tile)) } else { Cow::Borrowed(tile) }
    }
}

/// `bytes` as a gzip stream. The same bytes give the same stream: no time and no name in it.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    Gzip::new().pack(bytes)
}

/// Makes one gzip stream after the other with the same 380 KB of memory. To take and give it back for each of many
/// streams would tear holes into the heap.
pub(crate) struct Gzip(Compress);

impl Gzip {
    pub(crate) fn new() -> Self {
        Self(Compress::new(Compression::default(), false))
    }

    pub(crate) fn pack(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.0.reset();
        // RFC 1952: deflate, no flags, no time, unknown system.
        let mut out = vec![GZIP_MAGIC[0], GZIP_MAGIC[1], 8, 0, 0, 0, 0, 0, 0, 255];
        loop {
            out.reserve(bytes.len() / 2 + 64);
            let rest = bytes.get(self.0.total_in() as usize..).unwrap_or_default();
            match self.0.compress_vec(rest, &mut out, FlushCompress::Finish) {
                Ok(Status::Ok | Status::BufError) => {}
                Ok(Status::StreamEnd) => break,
                Err(error) => unreachable!("compressing memory to memory does not fail: {error}"),
            }
        }
        let mut crc = Crc::new();
        crc.update(bytes);
        out.extend_from_slice(&crc.sum().to_le_bytes());
        // Modulo 2^32, says the specification.
        out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn formats_are_told_by_their_first_bytes() {
        for (bytes, format) in [
            (&b"\x1f\x8b\x08"[..], TileFormat::Mvt),
            (b"\x1a\x05", TileFormat::Mvt),
            (b"\x89PNG\r\n\x1a\n", TileFormat::Png),
            (b"\xff\xd8\xff\xe0", TileFormat::Jpeg),
            (b"RIFF\0\0\0\0WEBPVP8 ", TileFormat::Webp),
            (b"\0\0\0\x20ftypavif", TileFormat::Avif),
            (b"<html>", TileFormat::Other),
            (b"", TileFormat::Other),
        ] {
            assert_eq!(TileFormat::of(bytes), format, "{bytes:?}");
        }
    }

    #[test]
    fn names_and_codes_lead_back() {
        for format in TileFormat::ALL {
            assert_eq!(TileFormat::from_mbtiles_name(format.mbtiles_name()), format);
            assert_eq!(TileFormat::from_pmtiles_code(format.pmtiles_code()), format);
        }
        assert_eq!(TileFormat::from_mbtiles_name("jpeg"), TileFormat::Jpeg);
    }

    #[test]
    fn what_is_gzipped_unpacks_to_the_same_one_stream_after_the_other() {
        let mut gzip = Gzip::new();
        let noise = |length: u32| (0..length).map(|n| (n.wrapping_mul(0x9e37_79b9) >> 13) as u8).collect::<Vec<_>>();
        for bytes in [Vec::new(), b"a".to_vec(), vec![0; 200_000], noise(200_000), noise(77)] {
            let mut unpacked = Vec::new();
            GzDecoder::new(&gzip.pack(&bytes)[..]).read_to_end(&mut unpacked).unwrap();
            assert!(unpacked == bytes, "{} bytes", bytes.len());
        }
    }

    #[test]
    fn only_bare_vector_tiles_are_packed() {
        assert_eq!(TileFormat::Mvt.pack(b"\x1a\x00")[..2], GZIP_MAGIC);
        assert_eq!(TileFormat::Mvt.pack(b"\x1f\x8b..")[..], *b"\x1f\x8b..");
        assert_eq!(TileFormat::Png.pack(b"\x89PNG")[..], *b"\x89PNG");
    }
}
