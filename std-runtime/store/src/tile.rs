//! Tile addresses.

/// A tile of the Web Mercator quadtree: zoom, column from the west, row from the north.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TileId {
    z: u8,
    x: u32,
    y: u32,
}

/// A column, row or zoom outside the quadtree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such tile at zoom {zoom}: zoom is 0 to 30, column and row are below 2^zoom")]
pub struct TileError {
    zoom: u8,
}

impl TileId {
    /// The deepest zoom.
    pub const ZOOM_MAX: u8 = 30;

    /// The tile at zoom `z`, column `x` from the west, row `y` from the north.
    pub fn new(z: u8, x: u32, y: u32) -> Result<Self, TileError> {
        let inside = z <= Self::ZOOM_MAX && x < 1 << z && y < 1 << z;
        if inside { Ok(Self { z, x, y }) } else { Err(TileError { zoom: z }) }
    }

    /// Zoom.
    pub const fn z(self) -> u8 {
        self.z
    }

    /// Column from the west.
    pub const fn x(self) -> u32 {
        self.x
    }

    /// The number of the tile in a PMTiles archive: all tiles of the zooms above, then its place on the Hilbert curve.
    pub fn pmtiles_id(self) -> u64 {
        let (mut x, mut y, mut place) = (u64::from(self.x), u64::from(self.y), 0);
        for level in (0..self.z).rev() {
            let (right, down) = (x >> level & 1, y >> level & 1);
            place = place << 2 | (3 * right) ^ down;
            if down == 0 {
                if right == 1 {
                    (x, y) = (!x, !y);
                }
                (x, y) = (y, x);
            }
        }
        first_of_zoom(self.z) + place
    }

    /// The tile with that number in a PMTiles archive.
    pub fn from_pmtiles_id(id: u64) -> Result<Self, TileError> {
        let z =
            (0..=Self::ZOOM_MAX).find(|z| id < first_of_zoom(z + 1)).ok_or(TileError { zoom: Self::ZOOM_MAX + 1 })?;
        let place = id - first_of_zoom(z);
        let (mut x, mut y) = (0_u32, 0_u32);
        for level in 0..z {
            let step = place >> (2 * level) & 3;
            let (right, down) = (u32::from(step >= 2), u32::from(step == 1 || step == 2));
            if down == 0 {
                if right == 1 {
                    let mask = (1 << level) - 1;
                    (x, y) = (mask - x, mask - y);
                }
                (x, y) = (y, x);
            }
            (x, y) = (x | right << level, y | down << level);
        }
        Self::new(z, x, y)
    }

    /// Row from the north.
    pub const fn y(self) -> u32 {
        self.y
    }
}

impl core::fmt::Debug for TileId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "TileId(zoom {})", self.z)
    }
}

fn first_of_zoom(zoom: u8) -> u64 {
    ((1 << (2 * zoom)) - 1) / 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_match_the_specification_and_come_back() {
        for (z, x, y, id) in [(0, 0, 0, 0), (1, 0, 0, 1), (1, 0, 1, 2), (1, 1, 1, 3), (1, 1, 0, 4), (2, 0, 0, 5)] {
            assert_eq!(TileId::new(z, x, y).unwrap().pmtiles_id(), id);
        }
        assert_eq!(TileId::new(12, 3423, 1763).unwrap().pmtiles_id(), 19_078_479);
        for id in (0..100_000).chain([19_078_479, (1 << 62) / 3 - 1]) {
            assert_eq!(TileId::from_pmtiles_id(id).unwrap().pmtiles_id(), id);
        }
    }
}
