//! What tiles cover, told from the tiles.

use crate::TileId;
use crate::area::{Bbox, mercator};

/// The zooms of some tiles, and the rectangle around those of the deepest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) zoom_min: u8,
    pub(crate) zoom_max: u8,
    /// First and last column and row at `zoom_max`.
    pub(crate) columns: (u32, u32),
    pub(crate) rows: (u32, u32),
}

impl Extent {
    pub(crate) fn of(tile: TileId) -> Self {
        let (x, y) = (tile.x(), tile.y());
        Self { zoom_min: tile.z(), zoom_max: tile.z(), columns: (x, x), rows: (y, y) }
    }

    /// The extent of these tiles and one more.
    pub(crate) fn with(self, tile: TileId) -> Self {
        let zoom_min = self.zoom_min.min(tile.z());
        if tile.z() > self.zoom_max {
            return Self { zoom_min, ..Self::of(tile) };
        }
        if tile.z() < self.zoom_max {
            return Self { zoom_min, ..self };
        }
        let around = |(first, last): (u32, u32), new: u32| (first.min(new), last.max(new));
        Self { columns: around(self.columns, tile.x()), rows: around(self.rows, tile.y()), ..self }
    }

    /// The box around the tiles of the deepest zoom, in degrees: west, south, east, north.
    fn bounds(&self) -> [f64; 4] {
        let position = |index: u32| f64::from(index) / (1_u64 << self.zoom_max) as f64;
        [
            mercator::longitude(position(self.columns.0)),
            mercator::latitude(position(self.rows.1 + 1)),
            mercator::longitude(position(self.columns.1 + 1)),
            mercator::latitude(position(self.rows.0)),
        ]
    }

    /// West, south, east and north to write into an archive: those of `told` where there is one, else of the tiles.
    ///
    /// Viewers expect west to be less than east, so a box across the antimeridian becomes a belt around the world.
    pub(crate) fn bounds_or(&self, told: Option<Bbox>) -> [f64; 4] {
        let limit = |latitude: f64| latitude.clamp(-mercator::LATITUDE_MAX, mercator::LATITUDE_MAX);
        match told {
            None => self.bounds(),
            Some(bbox) if bbox.west() > bbox.east() => [-180.0, limit(bbox.south()), 180.0, limit(bbox.north())],
            Some(bbox) => [bbox.west(), limit(bbox.south()), bbox.east(), limit(bbox.north())],
        }
    }

    /// A zoom to show the middle of the tiles at.
    pub(crate) fn zoom_center(&self) -> u8 {
        self.zoom_min.midpoint(self.zoom_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(z: u8, x: u32, y: u32) -> TileId {
        TileId::new(z, x, y).unwrap()
    }

    #[test]
    fn the_deepest_zoom_gives_the_bounds() {
        let extent = Extent::of(tile(0, 0, 0)).with(tile(2, 2, 1)).with(tile(2, 1, 2)).with(tile(1, 0, 0));
        assert_eq!((extent.zoom_min, extent.zoom_max, extent.zoom_center()), (0, 2, 1));
        let [west, south, east, north] = extent.bounds_or(None);
        assert_eq!((west, east), (-90.0, 90.0));
        assert!((north - 66.513_26).abs() < 1e-5 && (south + 66.513_26).abs() < 1e-5);
    }

    #[test]
    fn a_box_across_the_antimeridian_becomes_a_belt() {
        let told = Bbox::new(170.0, -20.0, -170.0, 90.0).ok();
        assert_eq!(Extent::of(tile(0, 0, 0)).bounds_or(told), [-180.0, -20.0, 180.0, mercator::LATITUDE_MAX]);
    }
}
