//! Somebody looks at a map: the tiles that come into view with each step.

use std::collections::{HashSet, VecDeque};

use tidegate_core::TileId;

/// The tiles that a map asks for while somebody pans and zooms, without end. The same seed makes the same session.
///
/// A view of 5 × 4 tiles, a screen of 1,024 × 768 pixels and its margins, moves over the world: mostly a step further in
/// the direction it had, sometimes in another one, now and then one zoom closer or further away. Each tile that comes into
/// view is asked for, from the middle outwards, unless the map still has it: it keeps the last 200. After 120 steps
/// somebody else looks at some other place with an empty map.
///
/// What that has and tiles drawn at random have not: neighbours together, and the few low zooms again and again, as a
/// cache sees them.
#[derive(Clone, Debug)]
pub struct Session {
    chance: fastrand::Rng,
    zoom_max: u8,
    steps_left: u32,
    view: View,
    direction: (i8, i8),
    /// What the map still has, the oldest first.
    kept: VecDeque<TileId>,
    has: HashSet<TileId>,
    /// What came into view and was not asked for yet.
    ready: VecDeque<TileId>,
}

/// Where the map looks: its middle, in tiles of its zoom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct View {
    zoom: u8,
    x: u32,
    y: u32,
}

impl Session {
    /// A session that goes down to this zoom.
    pub fn new(zoom_max: u8, seed: u64) -> Self {
        Self {
            chance: fastrand::Rng::with_seed(seed),
            zoom_max: zoom_max.min(TileId::ZOOM_MAX),
            steps_left: 0,
            view: View { zoom: 0, x: 0, y: 0 },
            direction: (1, 0),
            kept: VecDeque::new(),
            has: HashSet::new(),
            ready: VecDeque::new(),
        }
    }

    fn step(&mut self) {
        if self.steps_left == 0 {
            self.begin_anew();
        } else {
            self.steps_left -= 1;
            self.go_on();
        }
        for tile in self.view.tiles() {
            if self.has.insert(tile) {
                self.kept.push_back(tile);
                self.ready.push_back(tile);
            }
        }
        while self.kept.len() > KEPT_MAX {
            if let Some(oldest) = self.kept.pop_front() {
                self.has.remove(&oldest);
            }
        }
    }

    fn begin_anew(&mut self) {
        let zoom = self.chance.u8(0..=self.zoom_max);
        let across = 1 << zoom;
        self.view = View { zoom, x: self.chance.u32(0..across), y: self.chance.u32(0..across) };
        self.steps_left = STEPS;
        self.kept.clear();
        self.has.clear();
    }

    /// Of 100 steps 70 go on, 14 turn, 8 come closer and 8 go further away.
    fn go_on(&mut self) {
        match self.chance.u8(0..100) {
            0..70 => self.view = self.view.moved(self.direction),
            70..84 => {
                let any = self.chance.choice(DIRECTIONS);
                self.direction = any.unwrap_or(self.direction);
                self.view = self.view.moved(self.direction);
            }
            84..92 if self.view.zoom < self.zoom_max => {
                let View { zoom, x, y } = self.view;
                self.view = View {
                    zoom: zoom + 1,
                    x: 2 * x + u32::from(self.chance.bool()),
                    y: 2 * y + u32::from(self.chance.bool()),
                };
            }
            84.. => {
                let View { zoom, x, y } = self.view;
                self.view = View { zoom: zoom.saturating_sub(1), x: x / 2, y: y / 2 };
            }
        }
    }
}

impl Iterator for Session {
    type Item = TileId;

    fn next(&mut self) -> Option<TileId> {
        // A map that holds the whole of a small world asks for nothing until somebody begins anew.
        for _ in 0..=STEPS {
            if self.ready.is_empty() {
                self.step();
            }
        }
        self.ready.pop_front()
    }
}

impl View {
    /// One tile further: round the world from west to east, and no further than the poles.
    fn moved(self, (east, south): (i8, i8)) -> Self {
        let across = 1_u32 << self.zoom;
        let x = self.x.wrapping_add_signed(east.into()) % across;
        let y = self.y.saturating_add_signed(south.into()).min(across - 1);
        Self { x, y, ..self }
    }

    /// What is in view, from the middle outwards.
    fn tiles(self) -> impl Iterator<Item = TileId> {
        let across = 1_i64 << self.zoom;
        let (x, y) = (i64::from(self.x), i64::from(self.y));
        let offsets = (-HALF_WIDTH..=HALF_WIDTH).flat_map(|east| (-HALF_HEIGHT..HALF_HEIGHT).map(move |s| (east, s)));
        let mut offsets: Vec<(i64, i64)> = offsets.collect();
        offsets.sort_by_key(|(east, south)| (east.abs().max(south.abs()), *south, *east));
        offsets.into_iter().filter_map(move |(east, south)| {
            let (x, y) = ((x + east).rem_euclid(across), y + south);
            TileId::new(self.zoom, u32::try_from(x).ok()?, u32::try_from(y).ok()?).ok()
        })
    }
}

/// Five columns …
const HALF_WIDTH: i64 = 2;
/// … and four rows.
const HALF_HEIGHT: i64 = 2;
/// How many tiles a map keeps.
const KEPT_MAX: usize = 200;
/// How many steps somebody makes.
const STEPS: u32 = 120;
const DIRECTIONS: [(i8, i8); 8] = [(1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_makes_the_session() {
        let session = |seed| Session::new(14, seed).take(500).collect::<Vec<_>>();
        assert_eq!(session(7), session(7));
        assert_ne!(session(7), session(8));
    }

    #[test]
    fn a_session_never_ends_whatever_the_zoom() {
        for zoom in [0, 1, 2, 14, TileId::ZOOM_MAX, u8::MAX] {
            let tiles: Vec<TileId> = Session::new(zoom, 3).take(2_000).collect();
            assert_eq!(tiles.len(), 2_000, "zoom {zoom}");
            assert!(tiles.iter().all(|tile| tile.z() <= zoom));
        }
    }

    #[test]
    fn what_comes_next_is_near_what_came_before() {
        let tiles: Vec<TileId> = Session::new(14, 7).take(10_000).collect();
        let near = |pair: &&[TileId]| {
            let (a, b) = (pair[0], pair[1]);
            let across = |z| 1_u32 << z;
            let apart = a.x().abs_diff(b.x());
            a.z() == b.z() && apart.min(across(a.z()) - apart) <= 5 && a.y().abs_diff(b.y()) <= 5
        };
        let share = tiles.windows(2).filter(near).count() as f64 / 9_999.0;
        assert!(share > 0.9, "{share}");
    }

    #[test]
    fn what_the_map_still_has_is_not_asked_for_again() {
        // The first session alone: 120 steps and what came into view with each.
        let mut session = Session::new(10, 5);
        let mut asked: Vec<TileId> = Vec::new();
        loop {
            session.step();
            let recent: HashSet<TileId> = asked.iter().rev().take(KEPT_MAX).copied().collect();
            assert!(session.ready.iter().all(|tile| !recent.contains(tile)), "{:?}", session.ready);
            assert!(session.kept.len() <= KEPT_MAX && session.kept.len() == session.has.len());
            asked.extend(session.ready.drain(..));
            if session.steps_left == 0 {
                break;
            }
        }
        assert!(asked.len() > KEPT_MAX, "{}", asked.len());
    }

    #[test]
    fn a_view_is_five_by_four_and_goes_round_the_world_but_not_over_the_poles() {
        let view = View { zoom: 4, x: 0, y: 0 };
        let columns: HashSet<u32> = view.tiles().map(TileId::x).collect();
        assert_eq!(columns, HashSet::from([14, 15, 0, 1, 2]));
        assert_eq!(view.tiles().count(), 5 * 2, "half of it is beyond the pole");
        assert_eq!(View { y: 8, ..view }.tiles().count(), 20);
        assert_eq!(view.tiles().next().map(|tile| (tile.x(), tile.y())), Some((0, 0)), "the middle first");
        assert_eq!(view.moved((-1, -1)), View { zoom: 4, x: 15, y: 0 });
        assert_eq!(View { x: 15, y: 15, ..view }.moved((1, 1)), View { zoom: 4, x: 0, y: 15 });
    }
}
