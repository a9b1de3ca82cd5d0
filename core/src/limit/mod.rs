//! How many at once.
//!
//! More requests in flight than a server can work on only wait in its queue: latency grows, throughput does not, and
//! timeouts begin. A limit keeps them with the client, where they can still be cancelled, reordered or dropped.
//!
//! **When it harms**: a limit that adapts to failures takes every failure for overload. Random faults (a bad disk, a lossy
//! link) would shrink it to its floor, so it is cut only where their share exceeds a tolerance: one that is cut on *every*
//! failure keeps a fraction of its places at a few per cent of random failures.
//!
//! Two kinds adapt:
//!
//! - **Gradient** (the default) follows latency: up while more at once does not make each take longer. The module `gradient`
//!   has the formula; the idea is that of Little's law and of the concurrency limiters that compare a short mean of latency
//!   with a long one (Netflix's Gradient2, Envoy's adaptive concurrency, TCP Vegas). Deviations: what is compared was
//!   measured a moment ago at another limit, not long ago at an unknown one; means, not minima, of which rare long times
//!   are cut off; integers and no division.
//! - **AIMD** (Chiu and Jain, "Analysis of the Increase and Decrease Algorithms", 1989), as in TCP: one more after `limit`
//!   successes, and nothing but failures makes it less. It fills the server's queue until that overflows.
//!
//! In both too many failures take a quarter off. From the first failure on outcomes are judged 64 at a
//! time, or as soon as so many failed; a timeout weighs as much as four failures,
//! since it held its place for longest; what was sent before the last cut is not judged again (one cut per flight); a limit
//! that is not used does not grow.
//!
//! **When the gradient harms**: of `n` clients that share a server each sees an `n`-th of the slope that it causes, so from
//! about four on they find only the height, and may settle above what the server carries. Where latency has nothing to do with
//! load (a cache that warms up, requests of very different sizes) it wanders between its bounds. A verdict takes some
//! hundred answers: use it for thousands of requests, not for dozens.
//!
//! In the simulator, with a closed loop that is always hungry and service times that are exponential or lognormal, at servers
//! of 4, 16 and 32 workers, it gets at least 90 % of what the best fixed limit gets, at less than twice its latency, in the
//! worst of 8 seeds.

mod config;
mod gradient;

pub use config::{LimitConfig, LimitError, LimitKind};

use core::time::Duration;

use crate::time::nanos;
use gradient::{Evidence, ROUND, Trial, Verdict};

/// What came of a call, as a limit sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Load {
    /// It was answered.
    Carried,
    /// It failed.
    Failed,
    /// It ran out of time.
    TimedOut,
    /// It says nothing about load.
    Neutral,
}

/// A place for one call, to be handed back with what came of it. Not `Clone`: one call, one place.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Clone, Hash))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "settle it, or its place is lost"]
pub struct Slot {
    pub(crate) cuts: u8,
}

/// All places are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "nothing was taken"]
pub struct Full {
    /// Calls in flight.
    pub in_flight: u16,
    /// How many may be.
    pub limit: u16,
}

/// A limit on the number of calls at once. 24 bytes.
///
/// Invariant: `floor ≤ limit ≤ ceiling`, and a call is admitted only while fewer than `limit` are in flight. After a cut
/// more may be in flight than the limit: they drain, nothing is taken from them.
///
/// ```
/// use core::time::Duration;
/// use tidegate_core::limit::{ConcurrencyLimit, Full, LimitConfig, Load};
///
/// let mut limit = ConcurrencyLimit::new(LimitConfig::fixed(1)).expect("valid");
/// let slot = limit.try_acquire().expect("free");
/// assert_eq!(limit.try_acquire(), Err(Full { in_flight: 1, limit: 1 }));
/// limit.settle(slot, Load::Carried, Duration::from_millis(20));
/// assert!(limit.try_acquire().is_ok());
/// ```
#[derive(Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(Clone))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ConcurrencyLimit {
    /// How many may be in flight: what was learnt, or what is tried around it.
    limit: u16,
    learnt: u16,
    in_flight: u16,
    floor: u16,
    ceiling: u16,
    evidence: Evidence,
    /// So many failures in a round are too many; 0 where the limit is fixed.
    too_many: u8,
    pub(crate) cuts: u8,
}

impl ConcurrencyLimit {
    /// Checks the settings.
    ///
    /// # Errors
    /// A floor of zero, a ceiling above 10,000, floor ≤ start ≤ ceiling violated, a tolerance that is no share.
    pub const fn new(config: LimitConfig) -> Result<Self, LimitError> {
        let (trial, tolerated) = match config.kind {
            LimitKind::Fixed => (Trial::NONE, None),
            LimitKind::Aimd { tolerated } => (Trial::NONE, Some(tolerated)),
            LimitKind::Gradient { tolerated } => (Trial::START_REST, Some(tolerated)),
        };
        let too_many = match tolerated {
            None => 0,
            Some(share) if share.is_valid() => share.of_up(ROUND),
            Some(_) => return Err(LimitError::Tolerance),
        };
        let LimitConfig { kind: _, start, floor, ceiling } = config;
        if let Err(error) = check(start, floor, ceiling) {
            return Err(error);
        }
        let evidence = Evidence::before(trial);
        let limit = evidence.tried(start, floor, ceiling);
        Ok(Self { limit, learnt: start, in_flight: 0, floor, ceiling, evidence, too_many, cuts: 0 })
    }

    /// Takes a place.
    ///
    /// # Errors
    /// Where all are taken.
    pub const fn try_acquire(&mut self) -> Result<Slot, Full> {
        if self.in_flight >= self.limit() {
            return Err(Full { in_flight: self.in_flight, limit: self.limit() });
        }
        self.take();
        Ok(Slot { cuts: self.cuts })
    }

    /// Gives a place back and says what came of the call. `latency` is for kinds that are driven by it.
    pub fn settle(&mut self, slot: Slot, load: Load, latency: Duration) {
        self.on_settled(slot.cuts, load, nanos(latency));
    }

    /// Changes floor and ceiling. What is in flight stays; above the new ceiling it drains. Where that changes how many may be
    /// in flight, what is out is not judged, and a gradient begins with a measure at half, as at first.
    ///
    /// # Errors
    /// As [`ConcurrencyLimit::new`]; the old bounds stay.
    pub const fn set_bounds(&mut self, floor: u16, ceiling: u16) -> Result<(), LimitError> {
        let learnt = if self.learnt < floor {
            floor
        } else if self.learnt > ceiling {
            ceiling
        } else {
            self.learnt
        };
        if let Err(error) = check(learnt, floor, ceiling) {
            return Err(error);
        }
        (self.floor, self.ceiling) = (floor, ceiling);
        self.stand_at(learnt);
        Ok(())
    }

    /// How many calls may be in flight now.
    pub const fn limit(&self) -> u16 {
        self.limit
    }

    /// The limit that it has found so far. [`ConcurrencyLimit::limit`] is the same, but for the gradient kind, which tries half of
    /// it and half as many more in turn.
    pub const fn learnt(&self) -> u16 {
        self.learnt
    }

    /// How many calls are in flight.
    pub const fn in_flight(&self) -> u16 {
        self.in_flight
    }

    /// Starts again from a limit that was learnt before, cut to the bounds. Only a limit below the present one counts: what
    /// is remembered is never more permissive than what is configured.
    pub(crate) fn restore(&mut self, limit: u16) {
        self.stand_at(limit.clamp(self.floor, self.learnt.max(self.floor)));
    }

    /// Stands where another one stood, with its own bounds: what is in flight stays, and is not judged.
    pub(crate) const fn succeed(&mut self, other: &Self) {
        (self.in_flight, self.cuts) = (other.in_flight, other.cuts.wrapping_add(1));
    }

    /// Only where fewer are in flight than may be.
    pub(crate) const fn take(&mut self) {
        self.in_flight = self.in_flight.wrapping_add(1);
    }

    /// Places that nobody will give back.
    pub(crate) const fn reclaim(&mut self, lost: u16) {
        self.in_flight = self.in_flight.saturating_sub(lost);
    }

    pub(crate) fn on_settled(&mut self, cuts: u8, load: Load, latency_ns: u64) {
        let weight = match load {
            Load::Carried => {
                if self.count_carried(cuts, latency_ns) {
                    self.take_step();
                }
                return;
            }
            Load::Neutral => 0,
            Load::Failed => 1,
            Load::TimedOut => TIMEOUT_WEIGHT,
        };
        // A slot of another limit changes nothing.
        let Some(others) = self.in_flight.checked_sub(1) else { return };
        self.in_flight = others;
        if weight > 0 && self.judges(cuts) {
            self.count_failure(weight);
        }
    }

    /// A call was answered: the common case. Says whether a step is due.
    #[inline]
    pub(crate) fn count_carried(&mut self, cuts: u8, latency_ns: u64) -> bool {
        let in_flight = self.in_flight;
        let Some(others) = in_flight.checked_sub(1) else { return false };
        self.in_flight = others;
        if !self.judges(cuts) {
            return false;
        }
        // Most of the time nothing failed shortly before.
        if self.evidence.bad > 0 {
            self.evidence.count_good_in_round();
        }
        if self.evidence.trial.is_none() {
            // AIMD: one more after as many successes as may be in flight, if at least half of the places are used.
            in_flight >= self.learnt - self.learnt / 2 && self.evidence.add_one() >= u32::from(self.learnt)
        } else {
            // Gradient: latencies under one limit after another, if seven eighths of the places are used.
            in_flight >= self.limit - self.limit / 8 && self.evidence.add(latency_ns)
        }
    }

    /// The step that is due.
    #[inline(never)]
    pub(crate) fn take_step(&mut self) {
        if self.evidence.trial.is_none() {
            self.evidence.gathered = 0;
            return self.raise(1);
        }
        match self.evidence.verdict(self.learnt, self.ceiling) {
            None => {}
            Some(Verdict::Try) => {
                self.cuts = self.cuts.wrapping_add(1);
                self.learn(self.learnt);
            }
            Some(Verdict::Up { step }) => {
                self.cuts = self.cuts.wrapping_add(1);
                self.raise(step);
            }
            Some(Verdict::Down { step }) => self.lower(step),
        }
    }

    /// Whether what was sent after so many cuts says something about this limit.
    const fn judges(&self, cuts: u8) -> bool {
        self.too_many > 0 && cuts == self.cuts
    }

    /// A round begins with a failure and ends with too many of them, or after so many outcomes.
    fn count_failure(&mut self, weight: u8) {
        if self.evidence.count_bad_in_round(weight) >= self.too_many {
            self.evidence.begin_again();
            self.lower((self.learnt / 4).max(1));
        }
    }

    fn raise(&mut self, step: u16) {
        self.learn(self.ceiling.min(self.learnt.saturating_add(step)));
    }

    /// What was sent before belongs to another limit and is not judged any more.
    fn lower(&mut self, step: u16) {
        self.cuts = self.cuts.wrapping_add(1);
        self.learn(self.floor.max(self.learnt.saturating_sub(step)));
    }

    /// Somebody else says how many may be in flight. Where that is news, what was sent and seen before belongs to another limit.
    const fn stand_at(&mut self, learnt: u16) {
        let (before, tried) = (self.learnt, self.limit);
        self.learn(learnt);
        if self.learnt != before || self.limit != tried {
            self.cuts = self.cuts.wrapping_add(1);
            self.evidence.forget();
            self.learn(learnt);
        }
    }

    /// The one place where it changes how many may be in flight.
    const fn learn(&mut self, learnt: u16) {
        self.learnt = learnt;
        self.limit = self.evidence.tried(learnt, self.floor, self.ceiling);
    }
}

const fn check(start: u16, floor: u16, ceiling: u16) -> Result<(), LimitError> {
    if floor == 0 {
        return Err(LimitError::FloorIsZero);
    }
    if ceiling > CEILING_MAX {
        return Err(LimitError::CeilingTooHigh);
    }
    if start < floor || start > ceiling {
        return Err(LimitError::OutOfOrder);
    }
    Ok(())
}

const TIMEOUT_WEIGHT: u8 = 4;
const CEILING_MAX: u16 = 10_000;

const _: () = assert!(size_of::<ConcurrencyLimit>() == 24);

#[cfg(test)]
mod tests;
