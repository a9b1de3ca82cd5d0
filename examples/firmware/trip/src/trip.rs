//! Which tile is next, and how each ended.

use core::time::Duration;

use tidegate_core::{End, Instant};

use crate::{
    later::Later,
    route::{Errand, Route},
    tally::Tiles,
};

/// A drive along a route, with at most `N` failed tiles kept for later.
///
/// Invariant: `requested` tiles were handed out or passed, and each of them is in somebody's hands, waits for another try, or
/// has one end. There is a place to wait for each that is in somebody's hands: with none to spare, what lies ahead stays
/// there.
#[derive(Debug)]
pub struct Trip<const N: usize> {
    route: Route,
    /// The number of the first tile that nobody has asked for.
    next: u32,
    later: Later<N>,
    tiles: Tiles,
    in_hand: u32,
}

/// What there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an errand in hand has to be concluded"]
pub enum Next {
    /// Fetch this tile, then [conclude](Trip::conclude) it.
    Fetch(Errand),
    /// Nothing before this instant.
    Wait {
        /// When to ask again.
        until: Instant,
    },
    /// Nothing any more, but for what is in the hands of others: they see to it themselves should it fail.
    Over,
}

/// What became of an errand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Fate {
    /// Received and sound.
    Fetched,
    /// There is nothing there.
    Empty,
    /// Another try at this instant.
    Later {
        /// When.
        at: Instant,
    },
    /// The vehicle gets there, or got there, first.
    Behind,
    /// Given up.
    Failed,
}

impl<const N: usize> Trip<N> {
    /// At the beginning of a route.
    pub const fn new(route: Route) -> Self {
        let tiles = Tiles { requested: 0, fetched: 0, empty: 0, failed: 0, behind: 0 };
        Self { route, next: 0, later: Later::new(), tiles, in_hand: 0 }
    }

    /// What there is to do now. What failed before goes first: it is needed sooner than what has only come into view. What
    /// the vehicle has passed is dropped here.
    pub fn next(&mut self, now: Instant) -> Next {
        loop {
            let errand = match (self.later.due(now), self.route.errand(self.next)) {
                (Some(errand), _) => errand,
                (None, Some(errand)) if errand.known_at <= now && (self.has_place() || errand.needed_at <= now) => {
                    self.next = self.next.saturating_add(1);
                    self.tiles.requested += 1;
                    errand
                }
                (None, ahead) => {
                    // Already in view, but without a place: when the vehicle has passed it, it can be dropped.
                    let next_at =
                        |errand: Errand| if errand.known_at > now { errand.known_at } else { errand.needed_at };
                    let ahead_at = ahead.map(next_at);
                    let until = [ahead_at, self.later.next_at()].into_iter().flatten().min();
                    return until.map_or(Next::Over, |until| Next::Wait { until });
                }
            };
            if now < errand.needed_at {
                self.in_hand += 1;
                return Next::Fetch(errand);
            }
            self.tiles.behind += 1;
        }
    }

    /// Says how the call for an errand ended.
    pub fn conclude(&mut self, now: Instant, errand: Errand, end: End) -> Fate {
        self.in_hand = self.in_hand.saturating_sub(1);
        let fate = match end {
            End::Succeeded => Fate::Fetched,
            End::Empty => Fate::Empty,
            End::Refused(_) | End::Barred(_) => Fate::Failed,
            End::OutOfTime { .. } => Fate::Behind,
            End::Exhausted { resume_at, .. } | End::OutOfPatience { resume_at, .. } => {
                self.keep(resume_at.max(now.saturating_add(PAUSE_MIN)), errand)
            }
            End::QueueFull | End::Cancelled => self.keep(now.saturating_add(PAUSE_MIN), errand),
        };
        match fate {
            Fate::Fetched => self.tiles.fetched += 1,
            Fate::Empty => self.tiles.empty += 1,
            Fate::Failed => self.tiles.failed += 1,
            Fate::Behind => self.tiles.behind += 1,
            Fate::Later { .. } => {}
        }
        fate
    }

    fn has_place(&self) -> bool {
        self.later.len() + (self.in_hand as usize) < N
    }

    fn keep(&mut self, at: Instant, errand: Errand) -> Fate {
        if at >= errand.needed_at {
            return Fate::Behind;
        }
        self.later.push(at, errand).map_or(Fate::Failed, |()| Fate::Later { at })
    }

    /// What became of the tiles so far.
    pub fn tiles(&self) -> Tiles {
        self.tiles
    }

    /// Whether each tile that has come into view is accounted for.
    pub fn balances(&self) -> bool {
        self.tiles.requested as usize == self.tiles.settled() as usize + self.later.len() + self.in_hand as usize
    }
}

/// How long a tile rests at least that was given up for the moment.
const PAUSE_MIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use tidegate_core::{Refusal, gate::Why};

    use super::*;

    /// Two columns of one tile, 10 s apart, 30 s ahead; two places.
    fn trip() -> Trip<2> {
        with_places()
    }

    fn with_places<const N: usize>() -> Trip<N> {
        let route = Route {
            zoom: 3,
            row: 2,
            rows: 1,
            columns: 2,
            pace: Duration::from_secs(10),
            ahead: Duration::from_secs(30),
        };
        Trip::new(route.checked().expect("a route"))
    }

    fn secs(seconds: u64) -> Instant {
        Instant::from_secs(seconds)
    }

    fn fetch<const N: usize>(trip: &mut Trip<N>, now: Instant) -> Errand {
        match trip.next(now) {
            Next::Fetch(errand) => errand,
            other => panic!("{other:?} instead of a tile"),
        }
    }

    fn exhausted(resume_at: u64) -> End {
        End::Exhausted { attempts: 3, resume_at: secs(resume_at) }
    }

    #[test]
    fn tiles_are_asked_for_as_they_come_into_view() {
        let mut trip = trip();
        let first = fetch(&mut trip, secs(0));
        assert_eq!(trip.next(secs(9)), Next::Wait { until: secs(10) });
        let second = fetch(&mut trip, secs(10));
        assert_eq!(trip.next(secs(10)), Next::Over);
        assert_eq!(trip.conclude(secs(11), first, End::Succeeded), Fate::Fetched);
        assert_eq!(trip.conclude(secs(12), second, End::Empty), Fate::Empty);
        assert!(trip.tiles().balances());
    }

    #[test]
    fn what_failed_is_tried_again_when_it_is_worth_it() {
        let mut trip = trip();
        let errand = fetch(&mut trip, secs(0));
        assert_eq!(trip.conclude(secs(3), errand, exhausted(8)), Fate::Later { at: secs(8) });
        assert!(trip.balances() && !trip.tiles().balances(), "it waits");
        assert_eq!(trip.next(secs(7)), Next::Wait { until: secs(8) });
        assert_eq!(fetch(&mut trip, secs(8)), errand);
    }

    #[test]
    fn an_end_that_is_worth_another_try_at_once_rests_a_second() {
        let mut trip = trip();
        let errand = fetch(&mut trip, secs(0));
        let end = End::OutOfPatience { why: Why::ForcedOpen, resume_at: secs(0) };
        assert_eq!(trip.conclude(secs(3), errand, end), Fate::Later { at: secs(4) });
    }

    #[test]
    fn what_failed_goes_before_what_has_only_come_into_view() {
        let mut trip = trip();
        let first = fetch(&mut trip, secs(0));
        let _later = trip.conclude(secs(3), first, exhausted(8));
        assert_eq!(fetch(&mut trip, secs(20)), first);
        assert_ne!(fetch(&mut trip, secs(20)), first);
    }

    #[test]
    fn what_the_vehicle_has_passed_is_dropped_wherever_it_is() {
        let mut trip = trip();
        let first = fetch(&mut trip, secs(0));
        assert_eq!(trip.conclude(secs(3), first, exhausted(30)), Fate::Behind, "it would come too late");
        assert_eq!(trip.next(secs(40)), Next::Over, "the second one was passed at this very instant");
        assert_eq!((trip.tiles().behind, trip.tiles().requested), (2, 2));
        assert!(trip.tiles().balances());
    }

    #[test]
    fn one_that_waited_too_long_for_its_turn_is_dropped() {
        let mut trip = trip();
        let first = fetch(&mut trip, secs(0));
        let _later = trip.conclude(secs(3), first, exhausted(8));
        let second = fetch(&mut trip, secs(30));
        assert_ne!(second, first, "nobody asked between 8 s and 30 s");
        assert_eq!(trip.tiles().behind, 1);
    }

    #[test]
    fn nothing_new_is_handed_out_without_a_place_to_wait_in_should_it_fail() {
        let mut trip = with_places::<1>();
        let first = fetch(&mut trip, secs(0));
        assert_eq!(trip.next(secs(10)), Next::Wait { until: secs(40) }, "the second is in view, and needed at 40 s");
        assert_eq!(trip.conclude(secs(11), first, exhausted(20)), Fate::Later { at: secs(20) });
        assert_eq!(trip.next(secs(12)), Next::Wait { until: secs(20) });
        assert_eq!(fetch(&mut trip, secs(20)), first);
        assert_eq!(trip.conclude(secs(21), first, End::Succeeded), Fate::Fetched);
        assert_ne!(fetch(&mut trip, secs(21)), first, "its place is free");
        assert!(trip.balances());
    }

    #[test]
    fn what_was_passed_while_there_was_no_place_is_dropped() {
        let mut trip = with_places::<1>();
        let first = fetch(&mut trip, secs(0));
        assert_eq!(trip.next(secs(40)), Next::Over);
        assert_eq!((trip.tiles().behind, trip.balances()), (1, true));
        assert_eq!(trip.conclude(secs(41), first, exhausted(50)), Fate::Behind);
        assert!(trip.tiles().balances());
    }

    #[test]
    fn a_refusal_is_final() {
        let mut trip = trip();
        let errand = fetch(&mut trip, secs(0));
        assert_eq!(trip.conclude(secs(1), errand, End::Refused(Refusal::Request)), Fate::Failed);
        assert_eq!(trip.next(secs(1)), Next::Wait { until: secs(10) });
    }

    #[test]
    fn time_running_backwards_brings_nothing_into_view() {
        let mut trip = trip();
        let errand = fetch(&mut trip, secs(9));
        assert_eq!(trip.conclude(secs(9), errand, End::Succeeded), Fate::Fetched);
        assert_eq!(trip.next(secs(0)), Next::Wait { until: secs(10) });
    }
}
