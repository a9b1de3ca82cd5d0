//! A server that misbehaves by a script, on whatever time it is told.
//!
//! It answers in a second of virtual time what a mock on the host would take a second for, and draws its faults from a seed,
//! so a rehearsal is the same each time. It keeps its own counts, to compare with those of whoever asked, and notices when
//! it is asked although it wanted to be left alone.

use core::time::Duration;

use fastrand::Rng;
use tidegate_core::{Instant, TileId};

use crate::tally::Attempts;

/// The server.
#[derive(Clone, Debug)]
pub struct Script {
    draws: Rng,
    /// Until when it wants to be left alone.
    quiet_until: Instant,
    counts: Attempts,
    trespasses: u32,
}

/// What it does with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A tile of this size.
    Tile {
        /// In bytes.
        size: u32,
    },
    /// 404: there is none.
    Nothing,
    /// 503.
    Unavailable,
    /// 429 with `Retry-After`.
    Throttled {
        /// What the field says.
        seconds: u32,
    },
    /// The connection is reset in place of an answer.
    Reset,
    /// There is no server to connect to.
    Down,
    /// No answer ever.
    Silence,
}

impl Script {
    /// A server that draws from `seed`.
    pub fn new(seed: u64) -> Self {
        let counts = Attempts::default();
        Self { draws: Rng::with_seed(seed), quiet_until: Instant::ORIGIN, counts, trespasses: 0 }
    }

    /// Takes a request that arrives at `now`: what it will do with it, and how much later.
    pub fn ask(&mut self, now: Instant, tile: TileId) -> (Duration, What) {
        self.counts.begun += 1;
        if now < self.quiet_until {
            self.trespasses += 1;
        }
        let what = self.what(now, tile);
        // A silent one is counted by whoever gives up: it ends as no answer.
        if let Some(count) = self.count(what) {
            *count += 1;
        }
        let latency = match what {
            What::Down => Duration::from_millis(1),
            _ => Duration::from_millis(self.draws.u64(LATENCY_MS)),
        };
        (latency, what)
    }

    /// Takes note that its wish to be left alone has arrived at `now`: from here on it counts.
    pub fn told(&mut self, now: Instant, seconds: u32) {
        self.quiet_until = self.quiet_until.max(now.saturating_add(Duration::from_secs(seconds.into())));
    }

    /// What it did, in the words of whoever asked.
    pub fn counts(&self) -> Attempts {
        self.counts
    }

    /// How often it was asked although it wanted to be left alone.
    pub fn trespasses(&self) -> u32 {
        self.trespasses
    }

    fn what(&mut self, now: Instant, tile: TileId) -> What {
        let is_in = |(from, until): (u64, u64)| (Instant::from_secs(from)..Instant::from_secs(until)).contains(&now);
        if is_in(DOWN_S) {
            return What::Down;
        }
        if is_in(SILENT_S) {
            return What::Silence;
        }
        match self.draws.u32(0..100) {
            0..10 => What::Unavailable,
            10..14 => What::Reset,
            14..16 => What::Throttled { seconds: self.draws.u32(RETRY_AFTER_S) },
            16..18 => What::Silence,
            // The same tiles each time they are asked for.
            _ if tile.x().wrapping_add(tile.y()).is_multiple_of(5) => What::Nothing,
            _ => What::Tile { size: self.draws.u32(SIZE_BYTES) },
        }
    }

    fn count(&mut self, what: What) -> Option<&mut u32> {
        Some(match what {
            What::Tile { .. } => &mut self.counts.tiles,
            What::Nothing => &mut self.counts.empty,
            What::Unavailable => &mut self.counts.unavailable,
            What::Throttled { .. } => &mut self.counts.throttled,
            What::Reset => &mut self.counts.broken,
            What::Down => &mut self.counts.unconnected,
            What::Silence => return None,
        })
    }
}

/// When there is no server, in seconds since the start: longer than a tile of the rehearsal is known ahead.
pub const DOWN_S: (u64, u64) = (600, 840);
/// When it accepts and never answers.
pub const SILENT_S: (u64, u64) = (1_800, 1_860);
const LATENCY_MS: core::ops::Range<u64> = 30..400;
const RETRY_AFTER_S: core::ops::Range<u32> = 5..40;
const SIZE_BYTES: core::ops::Range<u32> = 200..60_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(x: u32) -> TileId {
        TileId::new(10, x, 0).expect("on the grid")
    }

    #[test]
    fn the_same_seed_answers_the_same_and_another_one_does_not() {
        let answers = |seed| {
            let mut script = Script::new(seed);
            core::array::from_fn::<_, 64, _>(|x| script.ask(Instant::from_secs(x as u64), tile(x as u32)))
        };
        assert_eq!(answers(1), answers(1));
        assert_ne!(answers(1), answers(2));
    }

    #[test]
    fn every_fault_comes_about_as_often_as_it_should() {
        let mut script = Script::new(7);
        let asked = 10_000;
        for x in 0..asked {
            let _ = script.ask(Instant::from_secs(1), tile(x % 1_024));
        }
        let counts = script.counts();
        assert_eq!(counts.begun, asked);
        let seen = [counts.unavailable, counts.broken, counts.throttled, counts.cut_off(), counts.empty];
        for (seen, expected) in seen.into_iter().zip([1_000, 400, 200, 200, 1_640]) {
            // Five roots of a count are more than five of its standard deviations.
            assert!(seen.abs_diff(expected) < 5 * expected.isqrt(), "{seen} where {expected} are expected");
        }
    }

    #[test]
    fn it_is_down_and_silent_when_the_script_says_so() {
        let mut script = Script::new(7);
        assert_eq!(script.ask(Instant::from_secs(DOWN_S.0), tile(1)).1, What::Down);
        assert_ne!(script.ask(Instant::from_secs(DOWN_S.1), tile(1)).1, What::Down);
        assert_eq!(script.ask(Instant::from_secs(SILENT_S.1 - 1), tile(1)).1, What::Silence);
        assert_eq!(script.counts().unconnected, 1);
    }

    #[test]
    fn a_request_inside_its_pause_is_a_trespass_and_one_at_its_end_is_not() {
        let mut script = Script::new(7);
        script.told(Instant::from_secs(10), 5);
        script.told(Instant::from_secs(11), 1);
        let _ = script.ask(Instant::from_millis(14_999), tile(1));
        assert_eq!(script.trespasses(), 1);
        let _ = script.ask(Instant::from_secs(15), tile(1));
        assert_eq!(script.trespasses(), 1);
    }
}
