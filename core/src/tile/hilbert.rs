//! Tiles in one line: the id that PMTiles archives are sorted by.
//!
//! Neighbours on the map are mostly neighbours in the line, so a download in this order asks a server for what lies
//! together, and an archive in this order finds it together. It gives the place away like column and row do.
//!
//! The id is the number of tiles in all lower zooms, (4^z − 1) / 3, plus the tile's place on the Hilbert curve of its
//! own (PMTiles specification, version 3; Hilbert, "Über die stetige Abbildung einer Linie auf ein Flächenstück",
//! 1891). Each level contributes a base-4 digit, 3·right xor lower, and turns what lies below it: upper quarters
//! swap the axes, and the upper right one mirrors both first. PMTiles stops at zoom 31, this at 30.

use super::{TileError, TileId};

/// The id of the last tile at the highest zoom.
pub(super) const ID_MAX: u64 = first_of(TileId::ZOOM_MAX + 1) - 1;

impl TileId {
    /// The id of this tile in PMTiles archives: all of a zoom before the next, in the order of a Hilbert curve. It is
    /// the place itself: for archives, not for logs.
    pub const fn hilbert_id(self) -> u64 {
        let (mut x, mut y, mut along) = (self.x, self.y, 0);
        let mut level = self.z;
        while let Some(below) = level.checked_sub(1) {
            level = below;
            let (right, lower) = (x >> (below & 31) & 1, y >> (below & 31) & 1);
            along = along << 2 | ((3 * right) ^ lower) as u64;
            // The whole words are turned; the bits above this level are not looked at again.
            (x, y) = turn(x, y, right, lower, u32::MAX);
        }
        first_of(self.z).wrapping_add(along)
    }

    /// The tile with this id.
    ///
    /// # Errors
    /// [`TileError::Id`] beyond the last tile of [`TileId::ZOOM_MAX`], which is 1,537,228,672,809,129,300.
    pub const fn from_hilbert_id(id: u64) -> Result<Self, TileError> {
        if id > ID_MAX {
            return Err(TileError::Id { id });
        }
        // Zoom z holds the ids whose 3·id + 1 is from 4^z to below 4^(z+1).
        let z = ((63 - (3 * id + 1).leading_zeros()) >> 1) as u8;
        let mut along = id.wrapping_sub(first_of(z));
        let (mut x, mut y, mut level) = (0, 0, 0);
        while level < z {
            let digit = (along & 3) as u32;
            let right = digit >> 1;
            let lower = (digit ^ right) & 1;
            let side = 1u32.wrapping_shl(level as u32);
            (x, y) = turn(x, y, right, lower, side.wrapping_sub(1));
            (x, y) = (x | right.wrapping_mul(side), y | lower.wrapping_mul(side));
            along >>= 2;
            level += 1;
        }
        Ok(Self { z, x, y })
    }
}

/// Turns what lies within one quarter of the square; `mask` covers its bits. Its own inverse.
const fn turn(x: u32, y: u32, right: u32, lower: u32, mask: u32) -> (u32, u32) {
    match (lower, right) {
        (0, 0) => (y, x),
        (0, _) => (y ^ mask, x ^ mask),
        _ => (x, y),
    }
}

/// The id of the first tile of a zoom: (4^z − 1) / 3, which in binary is a one in every even place below 2z.
const fn first_of(z: u8) -> u64 {
    let tiles = 1u64.wrapping_shl(2 * (z & 31) as u32);
    0x5555_5555_5555_5555 & tiles.wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_ids_come_out() {
        let vectors = [
            (0, 0, 0, 0),
            (1, 0, 0, 1),
            (1, 0, 1, 2),
            (1, 1, 1, 3),
            (1, 1, 0, 4),
            (2, 0, 0, 5),
            (12, 3423, 1763, 19_078_479),
        ];
        for (z, x, y, id) in vectors {
            let tile = TileId::new(z, x, y).expect("in the grid");
            assert_eq!(tile.hilbert_id(), id, "{z}/{x}/{y}");
            assert_eq!(TileId::from_hilbert_id(id), Ok(tile));
        }
    }

    #[test]
    fn every_id_up_to_zoom_9_names_one_tile_and_consecutive_ones_touch() {
        let mut before: Option<TileId> = None;
        for id in 0..first_of(10) {
            let tile = TileId::from_hilbert_id(id).expect("far below the last");
            assert!(TileId::new(tile.z, tile.x, tile.y).is_ok(), "id {id} is inside its grid");
            assert_eq!(tile.hilbert_id(), id);
            // This, the start in the north-west and the end in the north-east make it the Hilbert curve.
            if let Some(before) = before.filter(|before| before.z == tile.z) {
                assert_eq!(before.x.abs_diff(tile.x) + before.y.abs_diff(tile.y), 1, "from id {} to {id}", id - 1);
            } else {
                assert_eq!((tile.x, tile.y), (0, 0), "zoom {} starts in the north-west", tile.z);
            }
            before = Some(tile);
        }
        let last = before.expect("there were tiles");
        assert_eq!((last.z, last.x, last.y), (9, 511, 0), "and ends in the north-east");
    }

    #[test]
    fn the_corners_of_every_zoom_go_there_and_back() {
        let mut count = 0u64;
        for z in 0..=TileId::ZOOM_MAX {
            let last = (1u32 << z) - 1;
            assert_eq!(TileId { z, x: 0, y: 0 }.hilbert_id(), count, "zoom {z} starts after all lower ones");
            count += 1 << (2 * u32::from(z));
            assert_eq!(TileId { z, x: last, y: 0 }.hilbert_id(), count - 1, "zoom {z} ends in the north-east");
            for (x, y) in [(0, 0), (last, 0), (0, last), (last, last), (last / 3, last / 7)] {
                let tile = TileId { z, x, y };
                assert_eq!(TileId::from_hilbert_id(tile.hilbert_id()), Ok(tile));
            }
        }
        assert_eq!(ID_MAX, 1_537_228_672_809_129_300);
        assert_eq!(TileId::from_hilbert_id(ID_MAX + 1), Err(TileError::Id { id: ID_MAX + 1 }));
        assert_eq!(TileId::from_hilbert_id(u64::MAX), Err(TileError::Id { id: u64::MAX }));
    }
}
