//! How many at once.
//!
//! More requests in flight than a server can work on only wait in its queue: latency grows, throughput does not, and
//! timeouts begin. A limit keeps them with the client, where they can still be cancelled, reordered or dropped.
//!
//! **When it harms**: a limit that adapts to failures takes every failure for overload. Random faults (a bad disk, a lossy
//! link) would shrink it to its floor, so it is cut only where their share exceeds a tolerance: one that is cut on *every*
//! failure keeps a fraction of its places at a few per cent of random failures.
//!
//! The adaptive kind is AIMD (Chiu and Jain, "Analysis of the Increase and Decrease Algorithms", 1989), as in TCP:
//! one more after `limit` successes, a quarter less after a bad round. Deviations: outcomes are judged 32 at a time; a
//! timeout weighs as much as four failures, since it held its place for longest; what was sent before the last cut is
//! not judged again (one cut per flight); a limit that is not used to at least half does not grow.

use core::{fmt, time::Duration};

use crate::{share::Share, time::nanos};

/// How a [`ConcurrencyLimit`] behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum LimitKind {
    /// Stays where it starts.
    Fixed,
    /// One more after a round of successes, a quarter less when too many fail.
    Aimd {
        /// The share of failures that is put up with.
        tolerated: Share,
    },
}

/// Settings of a [`ConcurrencyLimit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct LimitConfig {
    /// How it behaves.
    pub kind: LimitKind,
    /// The limit at first, from `floor` to `ceiling`.
    pub start: u16,
    /// What it never goes below, at least 1.
    pub floor: u16,
    /// What it never goes above, at most 10,000.
    pub ceiling: u16,
}

impl LimitConfig {
    /// AIMD from 10 between 2 and 50, putting up with a third of failures.
    pub const DEFAULT: Self =
        Self { kind: LimitKind::Aimd { tolerated: Share::of(1, 3) }, start: 10, floor: 2, ceiling: 50 };

    /// `limit` at once, always.
    pub const fn fixed(limit: u16) -> Self {
        Self { kind: LimitKind::Fixed, start: limit, floor: limit, ceiling: limit }
    }
}

impl Default for LimitConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Why a [`LimitConfig`] was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum LimitError {
    /// A floor of zero: nothing could ever be learnt again.
    FloorIsZero,
    /// Not floor ≤ start ≤ ceiling.
    OutOfOrder,
    /// A ceiling above 10,000.
    CeilingTooHigh,
    /// A tolerance of nothing, or of more than everything.
    Tolerance,
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FloorIsZero => "a concurrency limit of 0 lets nothing through: give at least 1",
            Self::OutOfOrder => "the concurrency limit needs floor ≤ start ≤ ceiling: reorder the three",
            Self::CeilingTooHigh => "more than 10,000 at once: lower the ceiling of the concurrency limit",
            Self::Tolerance => "the tolerated share must be more than 0 and at most 1: change its part or whole",
        })
    }
}

impl core::error::Error for LimitError {}

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

/// A limit on the number of calls at once. 16 bytes.
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
    limit: u16,
    in_flight: u16,
    floor: u16,
    ceiling: u16,
    /// Successes towards the next place.
    credit: u16,
    good: u8,
    bad: u8,
    kind: LimitKind,
    pub(crate) cuts: u8,
}

impl ConcurrencyLimit {
    /// Checks the settings.
    ///
    /// # Errors
    /// A floor of zero, a ceiling above 10,000, floor ≤ start ≤ ceiling violated, a tolerance that is no share.
    pub const fn new(config: LimitConfig) -> Result<Self, LimitError> {
        if config.floor == 0 {
            return Err(LimitError::FloorIsZero);
        }
        if config.ceiling > CEILING_MAX {
            return Err(LimitError::CeilingTooHigh);
        }
        if config.start < config.floor || config.start > config.ceiling {
            return Err(LimitError::OutOfOrder);
        }
        if let LimitKind::Aimd { tolerated } = config.kind
            && !tolerated.is_valid()
        {
            return Err(LimitError::Tolerance);
        }
        let LimitConfig { kind, start, floor, ceiling } = config;
        Ok(Self { limit: start, in_flight: 0, floor, ceiling, credit: 0, good: 0, bad: 0, kind, cuts: 0 })
    }

    /// Takes a place.
    ///
    /// # Errors
    /// Where all are taken.
    pub const fn try_acquire(&mut self) -> Result<Slot, Full> {
        if self.in_flight >= self.limit {
            return Err(Full { in_flight: self.in_flight, limit: self.limit });
        }
        self.take();
        Ok(Slot { cuts: self.cuts })
    }

    /// Gives a place back and says what came of the call. `latency` is for kinds that are driven by it.
    pub fn settle(&mut self, slot: Slot, load: Load, latency: Duration) {
        self.on_settled(slot.cuts, load, nanos(latency));
    }

    /// Changes floor and ceiling. What is in flight stays; above the new ceiling it drains.
    ///
    /// # Errors
    /// As [`ConcurrencyLimit::new`]; the old bounds stay.
    pub const fn set_bounds(&mut self, floor: u16, ceiling: u16) -> Result<(), LimitError> {
        let start = if self.limit < floor {
            floor
        } else if self.limit > ceiling {
            ceiling
        } else {
            self.limit
        };
        match Self::new(LimitConfig { kind: self.kind, start, floor, ceiling }) {
            Ok(changed) => {
                let old = core::mem::replace(self, changed);
                self.succeed(&old);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// How many calls may be in flight.
    pub const fn limit(&self) -> u16 {
        self.limit
    }

    /// How many calls are in flight.
    pub const fn in_flight(&self) -> u16 {
        self.in_flight
    }

    /// Starts again from a limit that was learnt before, cut to the bounds. Only a limit below the present one counts: what
    /// is remembered is never more permissive than what is configured.
    pub(crate) fn restore(&mut self, limit: u16) {
        self.limit = limit.clamp(self.floor, self.limit.max(self.floor));
    }

    /// Stands where another one stood, with its own bounds: what is in flight stays.
    pub(crate) const fn succeed(&mut self, other: &Self) {
        (self.in_flight, self.cuts) = (other.in_flight, other.cuts);
    }

    pub(crate) const fn take(&mut self) {
        self.in_flight = self.in_flight.saturating_add(1);
    }

    /// Places that nobody will give back.
    pub(crate) const fn reclaim(&mut self, lost: u16) {
        self.in_flight = self.in_flight.saturating_sub(lost);
    }

    pub(crate) fn on_settled(&mut self, cuts: u8, load: Load, _latency_ns: u64) {
        let used = self.in_flight >= self.limit - self.limit / 2;
        self.in_flight = self.in_flight.saturating_sub(1);
        let LimitKind::Aimd { tolerated } = self.kind else { return };
        if cuts != self.cuts {
            return;
        }
        match load {
            Load::Neutral => return,
            Load::Carried => {
                self.good = self.good.saturating_add(1);
                self.credit = self.credit.saturating_add(u16::from(used));
                if self.credit >= self.limit {
                    self.credit = 0;
                    self.limit = self.ceiling.min(self.limit.saturating_add(1));
                }
            }
            Load::Failed => self.bad = self.bad.saturating_add(1),
            Load::TimedOut => self.bad = self.bad.saturating_add(TIMEOUT_WEIGHT),
        }
        let judged = self.good.saturating_add(self.bad);
        if judged >= ROUND {
            let too_many = tolerated.is_reached(u32::from(self.bad), u32::from(judged));
            (self.good, self.bad) = (0, 0);
            if too_many {
                self.credit = 0;
                self.cuts = self.cuts.wrapping_add(1);
                self.limit = self.floor.max(self.limit.saturating_sub((self.limit / 4).max(1)));
            }
        }
    }
}

/// Outcomes judged together.
const ROUND: u8 = 32;
const TIMEOUT_WEIGHT: u8 = 4;
const CEILING_MAX: u16 = 10_000;

const _: () = assert!(size_of::<ConcurrencyLimit>() == 16);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Entropy;

    const AIMD: LimitConfig = LimitConfig { start: 50, ..LimitConfig::DEFAULT };

    /// Fills the limit and settles one call after another, each refilled at once; the mean limit seen.
    fn saturate(limit: &mut ConcurrencyLimit, calls: u64, mut load: impl FnMut(u64, u16) -> Load) -> u64 {
        let mut slots = std::collections::VecDeque::new();
        let mut sum = 0;
        for call in 0..calls {
            while let Ok(slot) = limit.try_acquire() {
                slots.push_back(slot);
            }
            let oldest = slots.pop_front().expect("the floor is at least 1");
            let load = load(call, limit.limit());
            limit.settle(oldest, load, Duration::from_millis(20));
            sum += u64::from(limit.limit());
        }
        // Nothing is lost: what is still out comes back without a say.
        slots.into_iter().for_each(|slot| limit.settle(slot, Load::Neutral, Duration::ZERO));
        sum / calls
    }

    fn random(failures_percent: u64) -> impl FnMut(u64, u16) -> Load {
        move |call, _limit| {
            let fails = Entropy::mix(failures_percent, call, 0).up_to(99) < failures_percent;
            if fails { Load::Failed } else { Load::Carried }
        }
    }

    #[test]
    fn random_failures_do_not_collapse_it() {
        for percent in [0, 2, 10, 20] {
            let mut limit = ConcurrencyLimit::new(AIMD).expect("valid");
            let mean = saturate(&mut limit, 20_000, random(percent));
            assert!(mean >= 35, "a mean of {mean} at {percent} % random failures");
        }
    }

    #[test]
    fn an_overloaded_server_cuts_it_down_and_a_good_one_lets_it_grow() {
        let mut limit = ConcurrencyLimit::new(AIMD).expect("valid");
        // A server that answers nothing in time while more than 20 are with it.
        let mean = saturate(&mut limit, 20_000, |_, limit| if limit > 20 { Load::TimedOut } else { Load::Carried });
        assert!((14..=22).contains(&mean), "settled at {mean}");
        saturate(&mut limit, 5_000, |_, _| Load::Carried);
        assert_eq!(limit.limit(), 50);
    }

    #[test]
    fn it_never_leaves_its_bounds() {
        let mut limit = ConcurrencyLimit::new(AIMD).expect("valid");
        saturate(&mut limit, 5_000, |_, _| Load::Failed);
        assert_eq!(limit.limit(), 2);
        saturate(&mut limit, 50_000, |_, _| Load::Carried);
        assert_eq!(limit.limit(), 50);
    }

    #[test]
    fn a_flight_of_failures_cuts_once() {
        let mut limit = ConcurrencyLimit::new(AIMD).expect("valid");
        let slots: std::vec::Vec<Slot> = core::iter::from_fn(|| limit.try_acquire().ok()).collect();
        assert_eq!(slots.len(), 50);
        slots.into_iter().for_each(|slot| limit.settle(slot, Load::Failed, Duration::ZERO));
        assert_eq!(limit.limit(), 50 - 12, "50 failures of one flight are one piece of news");
    }

    #[test]
    fn it_does_not_grow_while_it_is_not_used() {
        let mut limit = ConcurrencyLimit::new(LimitConfig { start: 10, ..AIMD }).expect("valid");
        for _ in 0..10_000 {
            let slot = limit.try_acquire().expect("nothing else in flight");
            limit.settle(slot, Load::Carried, Duration::ZERO);
        }
        assert_eq!(limit.limit(), 10);
    }

    #[test]
    fn a_lower_ceiling_drains_what_is_in_flight() {
        let mut limit = ConcurrencyLimit::new(LimitConfig::fixed(3)).expect("valid");
        let slots: std::vec::Vec<Slot> = core::iter::from_fn(|| limit.try_acquire().ok()).collect();
        limit.set_bounds(1, 1).expect("valid");
        assert_eq!((limit.in_flight(), limit.limit()), (3, 1));
        for slot in slots {
            assert!(limit.try_acquire().is_err());
            limit.settle(slot, Load::Carried, Duration::ZERO);
        }
        assert!(limit.try_acquire().is_ok());
        assert_eq!(limit.set_bounds(0, 5), Err(LimitError::FloorIsZero));
        assert_eq!(limit.limit(), 1, "a rejected change changes nothing");
    }

    #[test]
    fn nonsense_is_rejected() {
        let error = |config| ConcurrencyLimit::new(config).expect_err("nonsense");
        assert_eq!(error(LimitConfig { floor: 0, ..AIMD }), LimitError::FloorIsZero);
        assert_eq!(error(LimitConfig { ceiling: 10_001, ..AIMD }), LimitError::CeilingTooHigh);
        assert_eq!(error(LimitConfig { start: 51, ..AIMD }), LimitError::OutOfOrder);
        let kind = LimitKind::Aimd { tolerated: Share::of(2, 1) };
        assert_eq!(error(LimitConfig { kind, ..AIMD }), LimitError::Tolerance);
    }

    extern crate std;
}
