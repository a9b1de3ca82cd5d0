//! Whether what was received is a tile.

use crate::{
    crc32::Crc32,
    gzip::{GzipCheck, GzipError},
};

/// What is known of a tile that was received whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Tile {
    /// Bytes received.
    pub size: u32,
    /// What they would inflate to.
    pub inflated: u64,
    /// CRC-32 of the bytes received (the one of gzip and PNG), to compare with the original elsewhere.
    pub crc32: u32,
}

/// Checks one tile while it streams: a gzip stream, complete, of at most a given size.
#[derive(Clone, Debug)]
pub struct TileCheck {
    gzip: GzipCheck,
    crc32: Crc32,
    size: u32,
    size_max: u32,
}

/// Why it is not a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum TileError {
    /// It is larger than was allowed.
    TooLarge,
    /// It is not a gzip stream: an error page, an image, or a damaged tile.
    Gzip(GzipError),
}

impl TileCheck {
    /// Nothing seen yet, of a tile of at most `size_max` bytes.
    pub const fn new(size_max: u32) -> Self {
        Self { gzip: GzipCheck::new(), crc32: Crc32::new(), size: 0, size_max }
    }

    /// Takes the next piece, of any size.
    ///
    /// # Errors
    /// The first thing that is wrong. Nothing may be pushed afterwards.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), TileError> {
        let size = u32::try_from(bytes.len()).ok().and_then(|more| self.size.checked_add(more));
        self.size = size.filter(|&size| size <= self.size_max).ok_or(TileError::TooLarge)?;
        self.crc32.update(bytes);
        self.gzip.push(bytes).map_err(TileError::Gzip)
    }

    /// The tile, now that all of it was pushed.
    ///
    /// # Errors
    /// [`GzipError::Incomplete`] where the stream goes on.
    pub fn finish(&self) -> Result<Tile, TileError> {
        let inflated = self.gzip.finish().map_err(TileError::Gzip)?;
        Ok(Tile { size: self.size, inflated, crc32: self.crc32.value() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    extern crate std;
    use std::{io::Write as _, vec::Vec};

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).expect("writing to memory");
        encoder.finish().expect("writing to memory")
    }

    #[test]
    fn a_tile_is_measured_as_received() {
        let stream = gzip(b"tile tile tile tile");
        let mut check = TileCheck::new(100);
        check.push(&stream).expect("a sound tile");
        let mut crc32 = flate2::Crc::new();
        crc32.update(&stream);
        assert_eq!(check.finish(), Ok(Tile { size: stream.len() as u32, inflated: 19, crc32: crc32.sum() }));
    }

    #[test]
    fn a_tile_of_the_limit_passes_and_one_byte_more_does_not() {
        let stream = gzip(b"tile");
        let limit = stream.len() as u32;
        assert_eq!(TileCheck::new(limit).push(&stream), Ok(()));
        assert_eq!(TileCheck::new(limit - 1).push(&stream), Err(TileError::TooLarge));
    }

    #[test]
    fn an_error_page_and_half_a_tile_are_no_tiles() {
        assert_eq!(TileCheck::new(100).push(b"<html>"), Err(TileError::Gzip(GzipError::Magic)));
        let stream = gzip(b"tile");
        let mut half = TileCheck::new(100);
        half.push(&stream[..12]).expect("sound so far");
        assert_eq!(half.finish(), Err(TileError::Gzip(GzipError::Incomplete)));
    }
}
