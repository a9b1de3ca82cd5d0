//! Which tiles: boxes, corridors along routes and lists, in an order that fetches parents first.
//!
//! Nothing here holds tiles in memory. Each zoom is a walk down the quadtree that asks, node by node, whether any part
//! of the area lies below; so tiles come out one at a time, overlaps count once, and they come in Hilbert order, the
//! order of an archive and one in which neighbours are close. Counting takes whole branches at a time: the 357,913,941
//! tiles of the world to zoom 14 are counted in microseconds.

mod bbox;
mod capsule;
mod corridor;
mod drive;
mod estimate;
mod field;
mod list;
pub(crate) mod mercator;
mod node;
mod rect;
mod shard;
mod walk;
mod zooms;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

pub use bbox::{Bbox, BboxError};
pub use corridor::{Corridor, CorridorError};
pub use drive::Drive;
pub use estimate::{ByteEstimate, SizeEstimate};
use field::Field;
use list::List;
pub use list::{ListError, Listed};
pub use shard::{Shard, ShardError};
use walk::Walk;
pub use zooms::{ZoomError, ZoomSet};

use crate::{TileError, TileId};

/// The tiles of some regions at some zooms, or one shard of them.
///
/// ```
/// # use tidegate_store::area::{Area, Region};
/// let area = Area::new(vec![Region::Bbox("13.1,52.3,13.8,52.7".parse()?)], "0-12".parse()?);
/// assert_eq!(area.count(), 131);
/// let first = area.tiles().next().unwrap()?;
/// assert_eq!((first.z(), first.x(), first.y()), (0, 0, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Area {
    source: Source,
    shard: Shard,
}

#[derive(Clone, Debug)]
enum Source {
    Regions(Arc<[Region]>, ZoomSet),
    List(Arc<List>),
}

/// A part of an [`Area`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Region {
    /// A box.
    Bbox(Bbox),
    /// All that is near a line.
    Corridor(Corridor),
}

/// The tiles of an [`Area`], each once: by zoom, and within one zoom in Hilbert order.
pub struct Tiles {
    area: Area,
    zooms: Box<dyn Iterator<Item = u8> + Send>,
    now: Option<(u8, OneZoom)>,
}

/// The tiles of one zoom that are still to come.
enum OneZoom {
    Walk(Walk),
    Listed(Range<u64>),
}

/// Why a tile of an area did not come out.
#[derive(Debug, thiserror::Error)]
pub enum AreaError {
    /// The list could not be read.
    #[error(transparent)]
    List(#[from] ListError),
    /// There is no such tile.
    #[error(transparent)]
    Tile(#[from] TileError),
}

impl Area {
    /// All tiles of `regions` at each of `zooms`.
    pub fn new(regions: Vec<Region>, zooms: ZoomSet) -> Self {
        Self { source: Source::Regions(regions.into(), zooms), shard: Shard::ALL }
    }

    /// The tiles listed in a file, one `z/x/y` a line. What comes after a `#`, and empty lines, are passed over.
    ///
    /// The list may be longer than memory and need not be in order: it is sorted on disk, in the folder for temporary
    /// files.
    ///
    /// # Errors
    /// When the file cannot be read or a line is no tile.
    pub fn from_list(path: &Path) -> Result<Self, ListError> {
        Ok(Self { source: Source::List(Arc::new(List::open(path)?)), shard: Shard::ALL })
    }

    /// Only that shard of it.
    #[must_use = "the area is moved by value"]
    pub fn shard(self, shard: Shard) -> Self {
        Self { shard, ..self }
    }

    /// How many tiles there are. At once for boxes and lists; for a corridor it takes a visit of all its tiles.
    pub fn count(&self) -> u64 {
        self.counts().map(|(_, count)| count).sum()
    }

    /// How many tiles there are at each zoom.
    pub fn counts(&self) -> impl Iterator<Item = (u8, u64)> {
        self.zooms().into_iter().map(|zoom| {
            let range = self.shard.of(self.whole_count(zoom));
            (zoom, range.end - range.start)
        })
    }

    /// The tiles themselves.
    pub fn tiles(&self) -> Tiles {
        Tiles { area: self.clone(), zooms: Box::new(self.zooms().into_iter()), now: None }
    }

    /// Up to `count` tiles of each zoom, evenly spread along the curve: what to fetch first in order to
    /// [estimate](SizeEstimate) the rest.
    pub fn sample(&self, count: u64) -> impl Iterator<Item = Result<TileId, AreaError>> {
        self.zooms().into_iter().flat_map(move |zoom| {
            let range = self.shard.of(self.whole_count(zoom));
            let length = range.end - range.start;
            let number = count.min(length);
            // In the middle of each of `number` equal stretches. The quotient is below the length.
            let ordinal =
                move |n: u64| range.start + ((2 * n + 1) as u128 * u128::from(length) / (2 * number) as u128) as u64;
            (0..number).filter_map(move |n| {
                let ordinal = ordinal(n);
                self.one_zoom(zoom, ordinal..ordinal + 1).next(zoom, &self.source)
            })
        })
    }

    fn zooms(&self) -> Vec<u8> {
        match &self.source {
            Source::Regions(_, zooms) => zooms.iter().collect(),
            Source::List(list) => list.zooms().collect(),
        }
    }

    /// The shard's tiles of one zoom.
    fn shard_of_zoom(&self, zoom: u8) -> OneZoom {
        if self.shard == Shard::ALL && matches!(self.source, Source::Regions(..)) {
            // Counting a corridor takes as long as visiting it: not just to know where it ends.
            return self.one_zoom(zoom, 0..u64::MAX);
        }
        self.one_zoom(zoom, self.shard.of(self.whole_count(zoom)))
    }

    /// Those tiles of one zoom.
    fn one_zoom(&self, zoom: u8, range: Range<u64>) -> OneZoom {
        match &self.source {
            Source::Regions(regions, _) => {
                OneZoom::Walk(Walk::new(Field::new(regions, zoom), range.start, range.end - range.start))
            }
            Source::List(list) => {
                let first = list.range_of_zoom(zoom).start;
                OneZoom::Listed(first + range.start..first + range.end)
            }
        }
    }

    /// How many tiles all shards have together at one zoom.
    fn whole_count(&self, zoom: u8) -> u64 {
        match &self.source {
            Source::Regions(regions, _) => {
                let field = Field::new(regions, zoom);
                field.count(&node::Node::ROOT, &field.cover_root())
            }
            Source::List(list) => {
                let range = list.range_of_zoom(zoom);
                range.end - range.start
            }
        }
    }
}

impl OneZoom {
    fn next(&mut self, zoom: u8, source: &Source) -> Option<Result<TileId, AreaError>> {
        match (self, source) {
            (Self::Walk(walk), _) => walk.next().map(|(x, y)| Ok(TileId::new(zoom, x, y)?)),
            (Self::Listed(range), Source::List(list)) => range.next().map(|index| list.tile(index)),
            (Self::Listed(_), Source::Regions(..)) => None,
        }
    }
}

impl Iterator for Tiles {
    type Item = Result<TileId, AreaError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((zoom, tiles)) = &mut self.now
                && let Some(tile) = tiles.next(*zoom, &self.area.source)
            {
                return Some(tile);
            }
            let zoom = self.zooms.next()?;
            self.now = Some((zoom, self.area.shard_of_zoom(zoom)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn area(boxes: &[&str], zooms: &str) -> Area {
        let regions = boxes.iter().map(|text| Region::Bbox(text.parse().unwrap())).collect();
        Area::new(regions, zooms.parse().unwrap())
    }

    fn listed(area: &Area) -> Vec<(u8, u32, u32)> {
        area.tiles().map(|tile| tile.unwrap()).map(|tile| (tile.z(), tile.x(), tile.y())).collect()
    }

    #[test]
    fn the_world_to_zoom_14_is_counted_without_visiting_it() {
        assert_eq!(area(&["-180,-90,180,90"], "0-14").count(), 357_913_941);
        assert_eq!(area(&["-180,-90,180,90"], "0-30").count(), (4_u64.pow(31) - 1) / 3);
    }

    #[test]
    fn parents_come_before_children_and_zooms_follow_the_curve() {
        let tiles = listed(&area(&["-180,-90,180,90"], "0-1"));
        assert_eq!(tiles, [(0, 0, 0), (1, 0, 0), (1, 0, 1), (1, 1, 1), (1, 1, 0)]);
    }

    #[test]
    fn overlapping_boxes_give_each_tile_once() {
        let berlin = "13.1,52.3,13.8,52.7";
        assert_eq!(listed(&area(&[berlin], "8-11")), listed(&area(&[berlin, berlin], "8-11")));
    }

    #[test]
    fn a_box_across_the_antimeridian_has_the_tiles_on_both_sides() {
        let tiles: BTreeSet<_> = listed(&area(&["170,-20,-170,-10"], "5")).into_iter().collect();
        assert_eq!(tiles, BTreeSet::from([(5, 0, 16), (5, 0, 17), (5, 31, 16), (5, 31, 17)]));
    }

    #[test]
    fn a_shard_of_a_deep_world_starts_at_once() {
        let shard = area(&["-180,-90,180,90"], "24").shard(Shard::new(700, 1000).unwrap());
        let first = shard.tiles().next().unwrap().unwrap();
        // The point 69.9 % along the curve is in the third quadrant, which is the bottom right one.
        assert!(first.x() >= 1 << 23 && first.y() >= 1 << 23);
    }

    #[test]
    fn a_sample_is_spread_over_each_zoom_and_stays_within_the_shard() {
        let world = area(&["-180,-90,180,90"], "0-3");
        let sampled = |area: &Area| area.sample(4).map(|tile| tile.unwrap()).collect::<Vec<_>>();
        let zooms: Vec<_> = sampled(&world).iter().map(|tile| tile.z()).collect();
        assert_eq!(zooms, [0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
        let quadrants: BTreeSet<_> = sampled(&world)[9..].iter().map(|tile| (tile.x() / 4, tile.y() / 4)).collect();
        assert_eq!(quadrants.len(), 4, "one of each quarter of the curve");
        let shard = world.shard(Shard::new(2, 3).unwrap());
        let own: BTreeSet<_> = shard.tiles().map(|tile| tile.unwrap()).collect();
        assert!(sampled(&shard).iter().all(|tile| own.contains(tile)));
    }

    fn any_box() -> impl Strategy<Value = Region> {
        (-180.0..180.0, -90.0..90.0, -180.0..180.0, -90.0..90.0).prop_map(|(west, a, east, b): (f64, f64, f64, f64)| {
            Region::Bbox(Bbox::new(west, a.min(b), east, a.max(b)).unwrap())
        })
    }

    proptest! {
        #[test]
        fn the_walk_gives_what_testing_every_tile_gives(
            regions in prop::collection::vec(any_box(), 1..4), zoom in 0..6_u8,
        ) {
            let rects = |region: &Region| match region {
                Region::Bbox(bbox) => bbox.rects(zoom).collect(),
                Region::Corridor(_) => Vec::new(),
            };
            let rects: Vec<_> = regions.iter().flat_map(rects).collect();
            let all = (0..1 << zoom).flat_map(|x| (0..1 << zoom).map(move |y| (x, y)));
            let naive: BTreeSet<_> = all
                .filter(|(x, y)| {
                    rects.iter().any(|r| (r.left..=r.right).contains(x) && (r.top..=r.bottom).contains(y))
                })
                .map(|(x, y)| (zoom, x, y))
                .collect();
            let area = Area::new(regions, ZoomSet::range(zoom, zoom).unwrap());
            let tiles = listed(&area);
            prop_assert_eq!(area.count(), tiles.len() as u64);
            prop_assert_eq!(tiles.len(), naive.len(), "each tile once");
            prop_assert_eq!(tiles.into_iter().collect::<BTreeSet<_>>(), naive);
        }

        #[test]
        fn shards_joined_at_each_zoom_are_the_whole_in_order(
            regions in prop::collection::vec(any_box(), 1..4), of in 1..6_u32,
        ) {
            let whole = Area::new(regions, ZoomSet::range(0, 5).unwrap());
            let shards: Vec<_> = (1..=of).map(|k| whole.clone().shard(Shard::new(k, of).unwrap())).collect();
            for shard in &shards {
                prop_assert_eq!(shard.count(), listed(shard).len() as u64);
            }
            let mut joined: Vec<_> = shards.iter().flat_map(listed).collect();
            joined.sort_by_key(|tile| tile.0); // stable: keeps the order of shards within a zoom
            prop_assert_eq!(joined, listed(&whole));
        }
    }
}
