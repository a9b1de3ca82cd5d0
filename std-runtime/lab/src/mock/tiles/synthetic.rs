//! Vector tiles made on the spot, for benchmarks that need more tiles than an archive has.
//!
//! Each is a gzip stream of stored blocks, around a vector tile (Mapbox vector tile 2.1) with one
//! layer whose only value is a long text. It unpacks and decodes; it has the size that was asked for to the byte; the
//! text depends on the tile alone.

use tidegate_core::TileId;

use super::Tile;
use crate::mock::dice::{GOLDEN, mix, tile_bits};

/// The tile of this many bytes, at least [`BYTES_MIN`] and at most [`BYTES_MAX`].
pub(super) fn tile(key: TileId, bytes: usize) -> Tile {
    let blocks = bytes.saturating_sub(GZIP_FRAME).div_ceil(BLOCK_MAX + BLOCK_HEAD);
    let vector = vector_tile(key, bytes.saturating_sub(GZIP_FRAME + blocks * BLOCK_HEAD));
    let mut out = Vec::with_capacity(bytes);
    out.extend_from_slice(&GZIP_HEAD);
    // Evenly, so that there are as many blocks as were counted.
    let mut rest = vector.chunks(vector.len().div_ceil(blocks.max(1))).peekable();
    while let Some(block) = rest.next() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(u8::from(rest.peek().is_none()));
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
    }
    out.extend_from_slice(&crc32fast::hash(&vector).to_le_bytes());
    // At most `BYTES_MAX`, far below 2^32.
    out.extend_from_slice(&(vector.len() as u32).to_le_bytes());
    // The bytes follow from the place, so the place is as good a tag as the bytes.
    Tile::tagged(out, mix(tile_bits(key) ^ (bytes as u64).wrapping_mul(GOLDEN)))
}

/// A vector tile of exactly `size` bytes.
fn vector_tile(key: TileId, size: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(size);
    out.push(LAYER);
    push_rest(&mut out, size);
    out.extend_from_slice(LAYER_HEAD);
    out.push(VALUE);
    push_rest(&mut out, size);
    out.push(STRING);
    push_rest(&mut out, size);
    let mut state = mix(tile_bits(key) ^ GOLDEN);
    while out.len() < size {
        state = state.wrapping_add(GOLDEN);
        // Eight letters from `a` to `p` at once.
        let text = (mix(state) & 0x0f0f_0f0f_0f0f_0f0f) + 0x6161_6161_6161_6161;
        out.extend_from_slice(&text.to_le_bytes()[..8.min(size - out.len())]);
    }
    out
}

/// The length of all that follows up to `size`.
fn push_rest(out: &mut Vec<u8>, size: usize) {
    let rest = size - out.len() - 4;
    push_length(out, rest);
}

/// A protobuf length in four bytes whatever its value, so that the size of the whole is known beforehand.
fn push_length(out: &mut Vec<u8>, length: usize) {
    let byte = |shift: u32| (length >> shift & 0x7f) as u8;
    out.extend_from_slice(&[byte(0) | 0x80, byte(7) | 0x80, byte(14) | 0x80, byte(21)]);
}

/// Below this the frame alone would not fit.
pub(super) const BYTES_MIN: usize = 64;

/// No tile server sends more; four bytes of a protobuf length hold it.
pub(super) const BYTES_MAX: usize = 64 << 20;

/// Magic, deflate, no flags, no time, no extra flags, unknown system.
const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// The gzip head and, at the end, checksum and length.
const GZIP_FRAME: usize = GZIP_HEAD.len() + 8;

/// The most that a stored block holds.
const BLOCK_MAX: usize = 65_535;

/// What a stored block begins with: whether it is the last, its length and the complement of that.
const BLOCK_HEAD: usize = 5;

/// Field 3 of a tile: a layer.
const LAYER: u8 = 0x1a;
/// Version 2, name "synthetic".
const LAYER_HEAD: &[u8] = b"\x78\x02\x0a\x09synthetic";
/// Field 4 of a layer: a value.
const VALUE: u8 = 0x22;
/// Field 1 of a value: text.
const STRING: u8 = 0x0a;

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn key(text: &str) -> TileId {
        text.parse().expect("a tile")
    }

    #[test]
    fn each_has_the_size_that_was_asked_for_and_unpacks() {
        for bytes in [BYTES_MIN, 100, 8_192, 65_558, 65_559, 131_100, 500_000] {
            let tile = tile(key("14/8802/5373"), bytes);
            assert_eq!(tile.bytes().len(), bytes);
            let mut unpacked = Vec::new();
            let read = flate2::read::GzDecoder::new(tile.bytes()).read_to_end(&mut unpacked);
            assert!(read.is_ok(), "{bytes} bytes: {read:?}");
            assert_eq!(&unpacked[5..18], b"\x78\x02\x0a\x09synthetic".as_slice());
        }
    }

    #[test]
    fn lengths_inside_add_up() {
        let vector = vector_tile(key("5/1/2"), 1_000);
        let length = |at: usize| (0..4).rev().fold(0, |sum, byte| sum << 7 | usize::from(vector[at + byte] & 0x7f));
        assert_eq!((vector.len(), length(1)), (1_000, 995));
        assert_eq!((vector[18], length(19)), (VALUE, 1_000 - 23));
        assert_eq!((vector[23], length(24)), (STRING, 1_000 - 28));
    }

    #[test]
    fn the_bytes_depend_on_the_tile_alone() {
        let make = |text| tile(key(text), 256);
        assert_eq!(make("5/1/2").bytes(), make("5/1/2").bytes());
        assert_ne!(make("5/1/2").bytes(), make("5/2/1").bytes());
        assert_ne!(make("5/1/2").tag(), make("5/2/1").tag());
        assert_ne!(tile(key("5/1/2"), 256).tag(), tile(key("5/1/2"), 257).tag());
    }
}
