//! The tiles that come into view on the way along a line.
//!
//! An [`Area`](super::Area) has them too, but in the order of an archive. Whoever tries out a server, or a cache, wants them as
//! a vehicle asks for them: ahead of it, a few at a time.

use std::collections::VecDeque;
use std::sync::Arc;

use super::capsule::Capsule;
use super::corridor::Corridor;
use super::mercator::index;
use crate::TileId;

/// The tiles of one zoom around somebody who goes along the middle of a [`Corridor`], in the order in which they come into
/// view: three by three, the tile of the place first. One that was in view shortly before is not asked for again.
///
/// ```
/// # use tidegate_store::area::Corridor;
/// let route = r#"{ "type": "LineString", "coordinates": [[13.10, 52.50], [13.20, 52.50]] }"#;
/// let drive: Vec<_> = Corridor::from_geojson(route, 100.0)?.drive(12).collect();
/// // From column 2197 to 2198: nine tiles, and three more.
/// assert_eq!(drive.len(), 12);
/// assert_eq!((drive[0].z(), drive[0].x(), drive[11].x()), (12, 2_197, 2_199));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Drive {
    pieces: Arc<[Capsule]>,
    zoom: u8,
    piece: usize,
    /// How many steps of the piece are made.
    step: u64,
    /// Where the last step led.
    place: Option<(u32, u32)>,
    /// What was in view, the oldest first.
    seen: VecDeque<TileId>,
    ready: VecDeque<TileId>,
}

impl Corridor {
    /// The tiles of `zoom` as they come into view on the way.
    pub fn drive(&self, zoom: u8) -> Drive {
        Drive {
            pieces: Arc::clone(&self.capsules),
            zoom: zoom.min(TileId::ZOOM_MAX),
            piece: 0,
            step: 0,
            place: None,
            seen: VecDeque::with_capacity(SEEN_MAX),
            ready: VecDeque::new(),
        }
    }
}

impl Drive {
    /// Goes half a tile further; false at the end of the way.
    fn go_on(&mut self) -> bool {
        let Some(piece) = self.pieces.get(self.piece) else { return false };
        let steps = (piece.length() * (1_u64 << self.zoom) as f64 * 2.0).ceil().max(1.0) as u64;
        let [across, down] = piece.at(self.step as f64 / steps as f64);
        let place = (index(across.rem_euclid(1.0), self.zoom), index(down, self.zoom));
        if self.place != Some(place) {
            self.place = Some(place);
            self.look_around(place);
        }
        (self.piece, self.step) = if self.step < steps { (self.piece, self.step + 1) } else { (self.piece + 1, 0) };
        true
    }

    fn look_around(&mut self, (x, y): (u32, u32)) {
        let across = 1_i64 << self.zoom;
        for (east, south) in VIEW {
            let x = (i64::from(x) + east).rem_euclid(across);
            let tile = u32::try_from(i64::from(y) + south).ok().and_then(|y| TileId::new(self.zoom, x as u32, y).ok());
            let Some(tile) = tile.filter(|tile| !self.seen.contains(tile)) else { continue };
            if self.seen.len() == SEEN_MAX {
                self.seen.pop_front();
            }
            self.seen.push_back(tile);
            self.ready.push_back(tile);
        }
    }
}

impl Iterator for Drive {
    type Item = TileId;

    fn next(&mut self) -> Option<TileId> {
        while self.ready.is_empty() && self.go_on() {}
        self.ready.pop_front()
    }
}

/// What is in view: steps to the east and to the south, the place itself first, then its sides, then the corners.
const VIEW: [(i64, i64); 9] = [(0, 0), (0, -1), (1, 0), (0, 1), (-1, 0), (1, -1), (1, 1), (-1, 1), (-1, -1)];
/// A turn round a block comes back to what is remembered.
const SEEN_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::super::{Area, Region};
    use super::*;

    fn along(coordinates: &str, zoom: u8) -> Vec<TileId> {
        let line = format!(r#"{{"type":"LineString","coordinates":{coordinates}}}"#);
        Corridor::from_geojson(&line, 1.0).unwrap().drive(zoom).collect()
    }

    #[test]
    fn a_drive_meets_every_tile_of_its_line_in_the_order_of_the_way() {
        let line = "[[8.55, 47.37], [8.31, 47.05], [8.95, 46.00]]";
        let drive = along(line, 12);
        let corridor =
            Corridor::from_geojson(&format!(r#"{{"type":"LineString","coordinates":{line}}}"#), 1.0).unwrap();
        let area = Area::new(vec![Region::Corridor(corridor)], "12".parse().unwrap());
        for tile in area.tiles().map(|tile| tile.unwrap()) {
            assert!(drive.contains(&tile), "{} is on the way", tile.show_location());
        }
        assert!(drive[0].y() < drive[drive.len() - 1].y(), "to the south");
        let apart = |pair: &[TileId]| pair[0].x().abs_diff(pair[1].x()).max(pair[0].y().abs_diff(pair[1].y()));
        assert!(drive.windows(2).all(|pair| apart(pair) <= 3), "each is near the one before");
    }

    #[test]
    fn what_was_in_view_shortly_before_is_not_asked_for_again() {
        let there = along("[[13.0, 52.5], [13.2, 52.5]]", 12);
        let and_back = along("[[13.0, 52.5], [13.2, 52.5], [13.0, 52.5]]", 12);
        assert_eq!(there, and_back, "15 tiles are remembered");
        let far = along("[[10.0, 52.5], [13.0, 52.5], [10.0, 52.5]]", 12);
        assert!(far.len() > along("[[10.0, 52.5], [13.0, 52.5]]", 12).len(), "a long way back shows them anew");
    }

    #[test]
    fn a_drive_goes_on_across_the_antimeridian_and_ends_at_the_pole() {
        let columns: Vec<u32> = along("[[179.9, -17.0], [-179.9, -17.0]]", 8).iter().map(|tile| tile.x()).collect();
        assert!(columns.contains(&255) && columns.contains(&0) && columns.contains(&1), "{columns:?}");
        assert!(columns.iter().all(|&x| x >= 254 || x <= 1), "{columns:?}");
        assert!(along("[[0.0, 84.0], [0.0, 90.0]]", 6).iter().any(|tile| tile.y() == 0));
        assert_eq!(along("[[0.0, 0.0], [1.0, 1.0]]", 0).len(), 1, "the whole world at once");
    }
}
