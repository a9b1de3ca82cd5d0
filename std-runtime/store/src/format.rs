//! What tiles are made of: told by their first bytes, named as each kind of archive names it.

use std::borrow::Cow;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

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

    /// The tile as an archive holds it: a vector tile that came without compression is gzipped.
    pub(crate) fn pack(self, tile: &[u8]) -> Cow<'_, [u8]> {
        if self == Self::Mvt && !tile.starts_with(&GZIP_MAGIC) { Cow::Owned(gzip(tile)) } else { Cow::Borrowed(tile) }
    }
}

/// `bytes` as a gzip stream. The same bytes give the same stream: no time and no name in it.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.unwrap_or_else(|error| unreachable!("a vector takes every write: {error}"))
}

#[cfg(test)]
mod tests {
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
    fn only_bare_vector_tiles_are_packed() {
        assert_eq!(TileFormat::Mvt.pack(b"\x1a\x00")[..2], GZIP_MAGIC);
        assert_eq!(TileFormat::Mvt.pack(b"\x1f\x8b..")[..], *b"\x1f\x8b..");
        assert_eq!(TileFormat::Png.pack(b"\x89PNG")[..], *b"\x89PNG");
    }
}
