//! A rate limiter that keeps one instant.
//!
//! A server that answers 429 has already spent work on refusing; keeping below its limit is cheaper for both.
//!
//! **When it harms**: a limit below what the server would give wastes it, and a fixed limit shared by many clients holds
//! for none of them. Where the limit is not known, use [`AdaptiveRate`](super::AdaptiveRate).
//!
//! The algorithm is GCRA (ITU-T I.371, "Generic Cell Rate Algorithm") with interval `t = period / count` and burst
//! tolerance `τ = t·(burst − 1)`. Deviation: instead of the theoretical arrival time it keeps `next = TAT − τ`, the
//! earliest instant at which one cell conforms, so that a pause, a refusal and a change of rate read and write the same
//! number:
//!
//! > admit `n` cells when `now ≥ next + (n − 1)·t`; then `next = max(next, now − τ) + n·t`
//!
//! The interval is whole nanoseconds, rounded up so that the rate is never exceeded: exact to 1 ns per cell, which is
//! 0.1 % at a million cells a second and nothing that can be measured at a thousand.

use core::{fmt, num::NonZeroU32, time::Duration};

use crate::time::{Instant, nanos};

/// `count` cells per `period`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Rate {
    /// Cells per period, at least 1.
    pub count: u32,
    /// The period. At least `count` microseconds (a million cells a second), at most a year.
    pub period: Duration,
}

impl Rate {
    /// `count` cells per second.
    pub const fn per_second(count: u32) -> Self {
        Self { count, period: Duration::from_secs(1) }
    }

    /// Nanoseconds from cell to cell, rounded up: the rate is never exceeded.
    pub(crate) const fn interval_ns(self) -> Result<u64, RateConfigError> {
        let period_ns = nanos(self.period);
        if self.count == 0 {
            return Err(RateConfigError::CountIsZero);
        }
        if period_ns > YEAR_NS {
            return Err(RateConfigError::PeriodTooLong);
        }
        if period_ns < self.count as u64 * INTERVAL_NS_MIN {
            return Err(RateConfigError::TooFast);
        }
        Ok(period_ns.div_ceil(self.count as u64))
    }
}

/// Settings of a [`RateLimiter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RateConfig {
    /// How often.
    pub rate: Rate,
    /// How many cells may go at once after a rest: 1 spaces them evenly. At least 1.
    pub burst: u32,
}

impl RateConfig {
    /// 4 per second, burst 8: what a public tile server can be asked for.
    pub const DEFAULT: Self = Self { rate: Rate::per_second(4), burst: 8 };
}

impl Default for RateConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Why a [`RateConfig`] was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum RateConfigError {
    /// No cell per period.
    CountIsZero,
    /// A burst of no cell.
    BurstIsZero,
    /// More than a million cells a second.
    TooFast,
    /// A period longer than a year.
    PeriodTooLong,
    /// `burst` cells take longer than 146 years at this rate.
    BurstTooLarge,
}

impl fmt::Display for RateConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CountIsZero => "the rate allows nothing: give a count of at least 1, or do not send at all",
            Self::BurstIsZero => "a burst of 0 admits nothing: give at least 1",
            Self::TooFast => "the rate is above a million a second: lower the count or lengthen the period",
            Self::PeriodTooLong => "the period is longer than a year: shorten it",
            Self::BurstTooLarge => "the burst takes longer than 146 years to refill: lower it",
        })
    }
}

impl core::error::Error for RateConfigError {}

/// Whether cells may go, and if not, when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "the cells were taken only if this says `Go`"]
pub enum Pacing {
    /// The cells were taken.
    Go,
    /// Nothing was taken; the same cells conform at this instant if nobody else takes any.
    NotBefore(Instant),
    /// More cells at once than the burst holds: never, whatever the time. Ask for at most the burst.
    Never {
        /// The most cells that can go at once.
        burst: u32,
    },
}

/// Not yet, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shortage {
    pub(crate) until: Instant,
}

/// A rate limiter. 32 bytes, not `Copy`: a copied limiter is a second limiter.
///
/// Invariant: in any span of time `T` at most `burst + T / t` of the cells that it admitted are used (not refunded),
/// whatever the order of readings.
///
/// ```
/// use tidegate_core::{Instant, rate::{Pacing, Rate, RateConfig, RateLimiter}};
///
/// // 10 a second, at most 2 at once: t = 100 ms, τ = 100 ms.
/// let mut limiter = RateLimiter::new(RateConfig { rate: Rate::per_second(10), burst: 2 }).expect("valid");
/// let now = Instant::from_secs(1);
/// assert_eq!(limiter.try_acquire(now, 1), Pacing::Go);
/// assert_eq!(limiter.try_acquire(now, 1), Pacing::Go);
/// assert_eq!(limiter.try_acquire(now, 1), Pacing::NotBefore(Instant::from_millis(1_100)));
/// assert_eq!(limiter.try_acquire(now, 3), Pacing::Never { burst: 2 });
/// ```
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Clone, Hash))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RateLimiter {
    /// The earliest instant at which one cell conforms; signed, since a full burst reaches back before the origin.
    next_ns: i64,
    interval_ns: u64,
    /// τ: how far back in time a rest counts.
    tolerance_ns: u64,
    /// What was taken before this is not refunded: others have built on it since.
    refundable_from: Instant,
}

impl RateLimiter {
    /// Checks the settings. The limiter starts rested: a full burst may go at once.
    ///
    /// # Errors
    /// A count or burst of zero, a rate above a million a second, a period above a year, a burst that takes longer than
    /// 146 years.
    pub const fn new(config: RateConfig) -> Result<Self, RateConfigError> {
        let mut limiter = Self::unlimited();
        match limiter.set_spacing(config) {
            Ok(()) => Ok(limiter),
            Err(error) => Err(error),
        }
    }

    /// A limiter that admits everything, but can still be paused.
    pub const fn unlimited() -> Self {
        Self { next_ns: i64::MIN / 2, interval_ns: 0, tolerance_ns: 0, refundable_from: Instant::ORIGIN }
    }

    /// A limiter that spaces cells by `interval_ns` and lets those that are late catch up within `tolerance_ns`.
    pub(crate) const fn spaced(interval_ns: u64, tolerance_ns: u64) -> Self {
        Self { interval_ns, tolerance_ns, ..Self::unlimited() }
    }

    /// A limiter as it was left; the tolerance is cut to what the arithmetic can hold.
    pub(crate) const fn resumed(next_ns: i64, interval_ns: u64, tolerance_ns: u64) -> Self {
        let tolerance_ns = if tolerance_ns > TOLERANCE_NS_MAX { TOLERANCE_NS_MAX } else { tolerance_ns };
        Self { next_ns, interval_ns, tolerance_ns, ..Self::unlimited() }
    }

    /// Takes over the pace of another limiter: the earliest next instant stays, and a slower pace spends the burst.
    pub(crate) const fn change_pacing(&mut self, now: Instant, pace: Self) {
        let before_ns = self.interval_ns;
        (self.interval_ns, self.tolerance_ns) = (pace.interval_ns, pace.tolerance_ns);
        if self.interval_ns > before_ns {
            self.spend_burst(now);
        }
    }

    /// Starts as it was left: one cell conforms `until_next_ns` from now, or later; negative where it is rested.
    pub(crate) fn restore(&mut self, now: Instant, until_next_ns: i64) {
        self.next_ns = self.next_ns.max(now.signed().saturating_add(until_next_ns));
    }

    /// The end of the latest pause, or the last cell that was taken where that is later.
    pub(crate) const fn held_until(&self) -> Instant {
        self.refundable_from
    }

    pub(crate) const fn next_ns(&self) -> i64 {
        self.next_ns
    }

    /// Takes `cells` cells at once, or says when they conform. Zero cells always go.
    pub const fn try_acquire(&mut self, now: Instant, cells: u32) -> Pacing {
        let Some(cells) = NonZeroU32::new(cells) else { return Pacing::Go };
        let extra_ns = self.interval_ns.saturating_mul(cells.get() as u64 - 1);
        if extra_ns > self.tolerance_ns {
            return Pacing::Never { burst: self.burst() };
        }
        // Both terms are below 2^62 in magnitude: the tolerance is bounded at construction.
        let due_ns = self.next_ns.saturating_add(extra_ns as i64);
        if now.signed() < due_ns {
            return Pacing::NotBefore(Instant::from_signed(due_ns));
        }
        self.take(now);
        self.next_ns = self.next_ns.saturating_add(extra_ns as i64);
        Pacing::Go
    }

    /// Gives back cells that were taken at `taken_at` but not used, as long as none was taken later and no pause came in
    /// between. After that nothing is given back: what came later was admitted on the strength of the time that passed,
    /// and paying that out again would let more through than the rate allows.
    ///
    /// ```
    /// # use tidegate_core::{Instant, rate::{Pacing, Rate, RateConfig, RateLimiter}};
    /// let mut limiter = RateLimiter::new(RateConfig { rate: Rate::per_second(1), burst: 1 }).expect("valid");
    /// let now = Instant::from_secs(5);
    /// assert_eq!(limiter.try_acquire(now, 1), Pacing::Go);
    /// limiter.refund(now, 1);
    /// assert_eq!(limiter.try_acquire(now, 1), Pacing::Go);
    /// ```
    pub const fn refund(&mut self, taken_at: Instant, cells: u32) {
        if taken_at.is_before(self.refundable_from) {
            return;
        }
        let span_ns = self.interval_ns.saturating_mul(cells as u64);
        let span_ns = if span_ns > Instant::MAX.as_nanos() { i64::MAX } else { span_ns as i64 };
        self.next_ns = self.next_ns.saturating_sub(span_ns);
    }

    /// Admits nothing before `until`. Afterwards cells are spaced again: a pause leaves no burst behind.
    pub const fn pause_until(&mut self, until: Instant) {
        self.refundable_from = self.refundable_from.max(until);
        if self.next_ns < until.signed() {
            self.next_ns = until.signed();
        }
    }

    /// Changes the rate. The earliest next instant stays; a lower rate also spends the burst, so that what follows is
    /// spaced by at least the new interval from now.
    ///
    /// # Errors
    /// As [`RateLimiter::new`]; the old rate stays.
    pub const fn set_rate(&mut self, now: Instant, config: RateConfig) -> Result<(), RateConfigError> {
        let mut changed = Self::unlimited();
        match changed.set_spacing(config) {
            Ok(()) => {
                self.change_pacing(now, changed);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The earliest instant at which one cell conforms; in the past where it already does.
    #[must_use = "this is when to come back"]
    pub const fn next_at(&self) -> Instant {
        Instant::from_signed(self.next_ns)
    }

    /// The most cells that can go at once.
    pub const fn burst(&self) -> u32 {
        match self.tolerance_ns.checked_div(self.interval_ns) {
            Some(extra) if extra < u32::MAX as u64 => extra as u32 + 1,
            Some(_) | None => u32::MAX,
        }
    }

    /// Nanoseconds from cell to cell; zero for an unlimited limiter.
    pub const fn interval(&self) -> Duration {
        Duration::from_nanos(self.interval_ns)
    }

    pub(crate) const fn interval_ns(&self) -> u64 {
        self.interval_ns
    }

    pub(crate) const fn set_interval_ns(&mut self, interval_ns: u64) {
        self.interval_ns = interval_ns;
    }

    pub(crate) const fn conforms(&self, now: Instant) -> bool {
        now.signed() >= self.next_ns
    }

    /// Takes one cell that conforms.
    pub(crate) const fn take(&mut self, now: Instant) {
        let refundable_from = self.refundable_from;
        self.take_in_order(now);
        self.refundable_from = refundable_from.max(now);
    }

    /// Takes one cell that conforms, where no reading of the clock is earlier than the last.
    #[inline]
    pub(crate) const fn take_in_order(&mut self, now: Instant) {
        let rested_ns = now.signed().wrapping_sub(self.tolerance_ns as i64);
        let from_ns = if self.next_ns > rested_ns { self.next_ns } else { rested_ns };
        self.next_ns = match from_ns.checked_add(self.interval_ns as i64) {
            Some(next_ns) => next_ns,
            None => i64::MAX,
        };
        self.refundable_from = now;
    }

    /// What follows is spaced by at least an interval from now.
    pub(crate) const fn spend_burst(&mut self, now: Instant) {
        self.pause_until(now.plus_ns(self.interval_ns));
    }

    pub(crate) const fn check(&self, now: Instant) -> Result<(), Shortage> {
        if self.conforms(now) { Ok(()) } else { Err(Shortage { until: self.next_at() }) }
    }

    const fn set_spacing(&mut self, config: RateConfig) -> Result<(), RateConfigError> {
        let interval_ns = match config.rate.interval_ns() {
            Ok(interval_ns) => interval_ns,
            Err(error) => return Err(error),
        };
        if config.burst == 0 {
            return Err(RateConfigError::BurstIsZero);
        }
        let tolerance_ns = interval_ns.saturating_mul(config.burst as u64 - 1);
        if tolerance_ns > TOLERANCE_NS_MAX {
            return Err(RateConfigError::BurstTooLarge);
        }
        self.interval_ns = interval_ns;
        self.tolerance_ns = tolerance_ns;
        Ok(())
    }
}

/// A million cells a second: rounding the interval to a nanosecond costs 0.1 % there.
const INTERVAL_NS_MIN: u64 = 1_000;
const YEAR_NS: u64 = 366 * 86_400 * 1_000_000_000;
/// So that no sum of an instant, a tolerance and an interval leaves the signed range.
const TOLERANCE_NS_MAX: u64 = 1 << 62;

const _: () = assert!(size_of::<RateLimiter>() == 32);

#[cfg(test)]
mod tests;
