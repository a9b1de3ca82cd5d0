//! Several sources of the same tiles: the healthiest first, and a sick one tried with what matters least.
//!
//! A source is sick while its breaker is not closed, or while a quarter of its recent attempts went wrong. It gets no more
//! than probes then: those that its breaker asks for, or one tile in [`PROBE_EVERY`] where the breaker is closed. A probe is a
//! tile of the deepest zoom seen so far that was not tried before: the smallest piece of the map, which a parent can stand in
//! for, and not one that has already been unlucky.
//!
//! Among healthy sources the one that can take an attempt now goes first, then the one named first: further sources are there
//! for an overflow as well as for an outage. How much healthier one is than another does not count there, because what is
//! known of a source that gets no attempts grows old.
//!
//! **When it harms**: with sources that bill by the request, since an overflow goes to each of them.

use std::sync::{Mutex, PoisonError};

use tidegate::{
    fetch::{Attempt, Choice, Fault, Wanted},
    upstream::View,
};
use tidegate_core::{Instant, Try};

/// Chooses the healthiest of several sources.
///
/// ```
/// use std::sync::Arc;
/// use tidegate::fetch::{Choice, Wanted};
/// use tidegate::upstream::View;
/// use tidegate_core::{Instant, TileId, Try};
/// use tidegate_store::sources::Healthiest;
///
/// let choice = Healthiest::of(2);
/// let wanted = Wanted { tile: TileId::new(0, 0, 0)?, attempt: Try::First };
/// assert_eq!(choice.choose(wanted, &[Some(View::Free), Some(View::Free)]), 0);
/// assert_eq!(choice.choose(wanted, &[Some(View::Busy), Some(View::Free)]), 1);
/// assert_eq!(choice.choose(wanted, &[Some(View::Open { until: Instant::from_secs(5) }), Some(View::Busy)]), 1);
/// # Ok::<(), tidegate_core::tile::TileError>(())
/// ```
#[derive(Debug)]
pub struct Healthiest(Mutex<State>);

#[derive(Debug)]
struct State {
    sources: Vec<Health>,
    deepest: u8,
}

/// Invariant: `failures` is at most [`WHOLE`].
#[derive(Clone, Copy, Debug, Default)]
struct Health {
    /// The share of attempts that went wrong, each counting a thirty-second less than the one after it.
    failures: u32,
    /// Attempts settled anywhere since this source had one.
    passed_over: u32,
}

impl Healthiest {
    /// For so many sources, of which nothing is known yet: all count as healthy.
    #[must_use]
    pub fn of(sources: usize) -> Self {
        Self(Mutex::new(State { sources: vec![Health::default(); sources], deepest: 0 }))
    }
}

impl Choice for Healthiest {
    fn choose(&self, wanted: Wanted, views: &[Option<View>]) -> usize {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.deepest = state.deepest.max(wanted.tile.z());
        let matters_least = wanted.attempt == Try::First && wanted.tile.z() == state.deepest;
        let candidates = || views.iter().enumerate().filter_map(|(source, view)| Some((source, (*view)?)));
        let probed = candidates().find(|&(source, view)| state.wants_probe(source, view));
        match probed {
            Some((source, _)) if matters_least => source,
            Some(_) | None => {
                candidates().min_by_key(|&(source, view)| state.rank(source, view)).map_or(0, |best| best.0)
            }
        }
    }

    fn settled(&self, _now: Instant, attempt: &Attempt) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for health in &mut state.sources {
            health.passed_over = health.passed_over.saturating_add(1);
        }
        let Some(health) = state.sources.get_mut(attempt.source) else { return };
        health.passed_over = 0;
        match attempt.fault {
            // What was cut off by its own caller says nothing about the source.
            Some(Fault::CutOff | Fault::Overtaken) => {}
            Some(_) => health.failures += (WHOLE - health.failures) / MEMORY,
            // Up: it comes down to nothing.
            None => health.failures -= health.failures.div_ceil(MEMORY),
        }
    }
}

impl State {
    fn health(&self, source: usize) -> Health {
        self.sources.get(source).copied().unwrap_or_default()
    }

    fn wants_probe(&self, source: usize, view: View) -> bool {
        let Health { failures, passed_over } = self.health(source);
        match view {
            View::Probe => true,
            View::Free => failures >= SICK && passed_over >= PROBE_EVERY,
            View::Busy | View::Open { .. } | View::Paused { .. } | View::Barred => false,
        }
    }

    /// The lowest is best: whether it may go at all, whether it is sick, whether it has to wait, until when.
    fn rank(&self, source: usize, view: View) -> (u8, bool, bool, Instant) {
        let (class, waits, until) = match view {
            View::Free => (0, false, Instant::ORIGIN),
            View::Busy => (0, true, Instant::ORIGIN),
            View::Probe => (1, false, Instant::ORIGIN),
            View::Open { until } | View::Paused { until } => (2, true, until),
            View::Barred => (3, true, Instant::MAX),
        };
        (class, self.health(source).failures >= SICK, waits, until)
    }
}

/// All attempts.
const WHOLE: u32 = 1 << 16;
/// How slowly failures are forgotten.
const MEMORY: u32 = 32;
/// From this share of failures on a source is sick.
const SICK: u32 = WHOLE / 4;
/// A sick source whose breaker is closed gets one attempt for so many elsewhere.
pub const PROBE_EVERY: u32 = 16;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tidegate_core::TileId;

    use super::*;

    fn wanted(zoom: u8, attempt: Try) -> Wanted {
        Wanted { tile: TileId::new(zoom, 0, 0).expect("the first tile of a zoom"), attempt }
    }

    fn settle(choice: &Healthiest, source: usize, fault: Option<Fault>, times: usize) {
        for _ in 0..times {
            choice.settled(
                Instant::ORIGIN,
                &Attempt { source, latency: Duration::ZERO, fault, again: false, hedge: false },
            );
        }
    }

    const BOTH_FREE: [Option<View>; 2] = [Some(View::Free), Some(View::Free)];

    #[test]
    fn a_sick_source_is_left_for_a_healthy_one_even_where_that_is_busy() {
        let choice = Healthiest::of(2);
        let other_is_busy = [Some(View::Free), Some(View::Busy)];
        settle(&choice, 0, Some(Fault::Timeout), 9);
        assert_eq!(choice.choose(wanted(3, Try::First), &other_is_busy), 0, "nine in a row are less than a quarter");
        settle(&choice, 0, Some(Fault::Timeout), 1);
        assert_eq!(choice.choose(wanted(3, Try::First), &other_is_busy), 1);
        assert_eq!(choice.choose(wanted(3, Try::First), &[Some(View::Free), Some(View::Barred)]), 0);
    }

    #[test]
    fn only_a_new_tile_of_the_deepest_zoom_probes() {
        let choice = Healthiest::of(2);
        let views = [Some(View::Probe), Some(View::Free)];
        assert_eq!(choice.choose(wanted(5, Try::First), &views), 0);
        assert_eq!(choice.choose(wanted(4, Try::First), &views), 1, "a parent matters more");
        assert_eq!(choice.choose(wanted(5, Try::Again), &views), 1, "a retry was unlucky once");
        assert_eq!(choice.choose(wanted(4, Try::First), &[Some(View::Probe), None]), 0, "where there is no other");
    }

    #[test]
    fn a_sick_source_with_a_closed_breaker_is_probed_now_and_then_and_recovers() {
        let choice = Healthiest::of(2);
        settle(&choice, 0, Some(Fault::Status(503)), 40);
        settle(&choice, 1, None, 15);
        assert_eq!(choice.choose(wanted(5, Try::First), &BOTH_FREE), 1);
        settle(&choice, 1, None, 1);
        assert_eq!(choice.choose(wanted(5, Try::First), &BOTH_FREE), 0, "one in 16");
        settle(&choice, 0, None, 200);
        assert_eq!(choice.choose(wanted(2, Try::Again), &BOTH_FREE), 0, "healthy again, and named first");
    }

    #[test]
    fn of_two_that_are_closed_the_one_that_opens_first_is_waited_for() {
        let choice = Healthiest::of(2);
        let open = |seconds| Some(View::Open { until: Instant::from_secs(seconds) });
        assert_eq!(choice.choose(wanted(1, Try::First), &[open(9), open(5)]), 1);
        assert_eq!(choice.choose(wanted(1, Try::First), &[open(9), Some(View::Barred)]), 0);
    }

    #[test]
    fn what_the_caller_cut_off_is_no_failure() {
        let choice = Healthiest::of(2);
        settle(&choice, 0, Some(Fault::CutOff), 100);
        assert_eq!(choice.choose(wanted(1, Try::First), &BOTH_FREE), 0);
    }
}
