//! Telling tiles apart in a log without saying where they are.
//!
//! The tag is SipHash-2-4 of the tile under a key that the process draws for itself (Aumasson and Bernstein, "SipHash:
//! a fast short-input PRF", 2012). Without the key the tag says nothing about the place; with it anyone can try all
//! tiles, so the key is drawn anew for each run and shown nowhere. The tag does not hide that two lines are about the
//! same tile, which is its purpose, nor the zoom.
//!
//! Two of n tiles share a tag with a chance of about n² / 2^65: one in 37 million for a million tiles.

use core::fmt;

use super::TileId;

/// The key under which tiles are labelled. `Debug` does not show it, and nothing returns it.
///
/// ```
/// use tidegate_core::tile::{LogKey, TileId};
///
/// let key = LogKey::new([7; 16]); // in earnest: 16 random bytes, drawn at the start of the process
/// let tile = TileId::new(12, 3423, 1763)?;
/// assert_eq!(tile.label(&key).to_string(), "z12-1b151ff0fdae43ce");
/// assert_eq!(format!("{key:?}"), "LogKey(..)");
/// # Ok::<(), tidegate_core::tile::TileError>(())
/// ```
#[derive(Clone)]
pub struct LogKey {
    low: u64,
    high: u64,
}

impl LogKey {
    /// A key from 16 random bytes.
    pub const fn new(bytes: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
        Self { low: u64::from_le_bytes([a, b, c, d, e, f, g, h]), high: u64::from_le_bytes([i, j, k, l, m, n, o, p]) }
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogKey(..)")
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for LogKey {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "LogKey(..)");
    }
}

/// A tile's zoom and keyed tag. Equal for equal tiles under one key. Made by [`TileId::label`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TileLabel {
    z: u8,
    tag: u64,
}

/// As it is displayed.
#[cfg(feature = "defmt")]
impl defmt::Format for TileLabel {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "z{=u8}-{=u64:016x}", self.z, self.tag);
    }
}

impl TileId {
    /// A tag for logs that tells this tile from others, but not where it is.
    pub const fn label(self, key: &LogKey) -> TileLabel {
        // A leading one, then column and row: no two tiles of any two zooms make the same word.
        let columns = 1u64.wrapping_shl(self.z as u32);
        let word = columns.wrapping_add(self.x as u64).wrapping_mul(columns).wrapping_add(self.y as u64);
        TileLabel { z: self.z, tag: sip_hash_2_4(key, word) }
    }
}

/// The zoom and 16 hexadecimal digits.
impl fmt::Display for TileLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "z{}-{:016x}", self.z, self.tag)
    }
}

/// SipHash-2-4 of the eight bytes of a word, least significant first.
const fn sip_hash_2_4(key: &LogKey, word: u64) -> u64 {
    // "somepseudorandomlygeneratedbytes", as the paper has it.
    let mut v = [
        key.low ^ 0x736f_6d65_7073_6575,
        key.high ^ 0x646f_7261_6e64_6f6d,
        key.low ^ 0x6c79_6765_6e65_7261,
        key.high ^ 0x7465_6462_7974_6573,
    ];
    v = compress(v, word);
    // The last block of a message holds its length, here 8, in its highest byte.
    v = compress(v, 8 << 56);
    v[2] ^= 0xff;
    v = round(round(round(round(v))));
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

const fn compress(mut v: [u64; 4], block: u64) -> [u64; 4] {
    v[3] ^= block;
    v = round(round(v));
    v[0] ^= block;
    v
}

const fn round([mut v0, mut v1, mut v2, mut v3]: [u64; 4]) -> [u64; 4] {
    v0 = v0.wrapping_add(v1);
    v1 = v1.rotate_left(13) ^ v0;
    v0 = v0.rotate_left(32);
    v2 = v2.wrapping_add(v3);
    v3 = v3.rotate_left(16) ^ v2;
    v0 = v0.wrapping_add(v3);
    v3 = v3.rotate_left(21) ^ v0;
    v2 = v2.wrapping_add(v1);
    v1 = v1.rotate_left(17) ^ v2;
    v2 = v2.rotate_left(32);
    [v0, v1, v2, v3]
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::{collections::HashSet, format, hash::Hasher, string::ToString};

    #[test]
    fn the_published_vector_comes_out() {
        // vectors.h of the reference implementation: key 00 01 … 0f, message 00 01 … 07.
        let key = LogKey::new([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        let word = u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(sip_hash_2_4(&key, word).to_le_bytes(), [0x62, 0x24, 0x93, 0x9a, 0x79, 0xf5, 0xf5, 0x93]);
    }

    #[test]
    #[expect(deprecated, reason = "the standard library's SipHash-2-4 is deprecated for maps, but right as an oracle")]
    fn other_keys_and_words_agree_with_the_standard_library() {
        let mut word = 1u64;
        for _ in 0..10_000 {
            let mut next = || {
                word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                word ^ word >> 29
            };
            let (key, message) = (LogKey { low: next(), high: next() }, next());
            let mut oracle = std::hash::SipHasher::new_with_keys(key.low, key.high);
            oracle.write(&message.to_le_bytes());
            assert_eq!(sip_hash_2_4(&key, message), oracle.finish());
        }
    }

    #[test]
    fn labels_differ_between_tiles_and_between_keys_and_are_stable() {
        let (key, other) = (LogKey::new([1; 16]), LogKey::new([2; 16]));
        let mut seen = HashSet::new();
        for id in 0..100_000 {
            let tile = TileId::from_hilbert_id(id).expect("a low id");
            let label = tile.label(&key);
            assert_eq!(label, tile.label(&key.clone()));
            assert_ne!(label, tile.label(&other));
            assert!(seen.insert(label), "id {id} has the tag of another tile");
        }
    }

    #[test]
    fn the_chance_of_a_shared_tag_is_the_one_stated() {
        let tiles = 1_000_000u128;
        assert_eq!((1u128 << 65) / (tiles * tiles) / 1_000_000, 36, "one in 36.9 million");
    }

    #[test]
    fn a_label_has_one_length_per_zoom_and_the_key_stays_hidden() {
        let key = LogKey::new(*b"a secret of ours");
        for id in 0..21 {
            let text = TileId::from_hilbert_id(id).expect("a low id").label(&key).to_string();
            assert_eq!(text.len(), "z0-0123456789abcdef".len(), "{text}");
        }
        assert_eq!(format!("{key:?} {key:#?}"), "LogKey(..) LogKey(..)");
    }
}
