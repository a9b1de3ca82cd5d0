//! A rate that finds a server's hidden limit and follows it.
//!
//! A server rarely says what it allows. Guessed too low, its capacity is wasted; too high, every other request is a 429,
//! and some servers answer those with a ban.
//!
//! **When it harms**: it learns the limit by touching it, so a few refusals belong to it (under 5 % at the settings
//! below). Where the limit is known, a fixed [`RateLimiter`] slightly below it never touches it. Servers that count
//! refused requests against the client need a fixed one.
//!
//! # Seeking (the default)
//! Works on the interval `t` between requests. Each success adds its time's worth `min(t, 67 ms)`; for each 134 ms of it,
//! `dt` in units of 2^20 ns, there is a step. So growth follows use: a client that rests learns nothing, and one below 15
//! a second learns slowly.
//!
//! | phase | step, each 134 ms of use |
//! |---|---|
//! | never cut | `t −= t·dt / 2^11` (e-fold in 2.1 s) |
//! | slower than at the last cut | `t −= (t − t_cut)·dt / 2^12 + t·dt / 2^17` (towards it) |
//! | faster than that | `t −= t·dt / 2^max(17 − calm/8, 12)` (carefully, then bolder; `calm` counts these steps) |
//!
//! A cut happens on a refusal if at least two requests were refused since the last cut, and more than one beside each
//! `tolerance` accepted; at most once in 1.07 s and only for a request sent since the last cut (one cut per flight). It is
//! proportional:
//!
//! | refused, of those accepted | longer interval |
//! |---|---|
//! | up to 1/8 | `t += t/16` |
//! | up to 1/2 | `t += t/4` |
//! | up to twice | `t += t/2` |
//! | more | `t += t` |
//!
//! Where a refusal says when to come back, it costs that wait, during which nothing is sent, and is never put up with: then it is
//! the share of time that counts, and cuts may follow each other as soon as the wait is over.
//!
//! | time between two waits | longer interval |
//! |---|---|
//! | at least as long as the wait, or it is the first | `t += t/16` |
//! | at least a quarter of it | `t += t/4` |
//! | less | `t += t/2` |
//!
//! A cut also spends the burst, and nothing grows for 1.07 s after it: a server that counts by the second refuses all
//! that comes until its second is over, which is many short flights. The shape follows CUBIC (RFC 9438): fast far from
//! the last cut, slow near it; deviations: integers only, no cube root, and a tolerance for refusals that have nothing
//! to do with the rate.
//!
//! In the simulator, with 50 at once, latencies of 5 to 80 ms and the default settings, at limits of 20, 50 and 200 a
//! second that servers count in fixed or sliding windows or in buckets, it gets at least 94 % of the limit and under 4 % of
//! its requests are refused, in the worst of 8 seeds over a minute after the first 10 s; of servers that want a second of silence
//! for each refusal at least 60 %, or 95 % where their buckets hold a second's worth; at 5 a second, a tenth of where it
//! starts, 90 % and 5 %. With 2 % of refusals that have nothing to do with the rate it gets more than 200 a second.
//!
//! # AIMD
//! Multiplicative both ways, as popular clients do: 10 % faster after more than 10 successes, half at each refusal (once
//! per flight). Kept for comparison: at 50 a second in fixed windows it gets less than 35 % of the limit, since the refusals
//! of the rest of a second are several flights.

use core::{fmt, time::Duration};

use super::limiter::{Rate, RateConfigError, RateLimiter, Shortage};
use crate::time::{Compact, Instant, nanos};

/// How an [`AdaptiveRate`] adapts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum AdaptiveKind {
    /// Seeks the limit and stays near it.
    Seeking {
        /// Refusals that do not count as the limit: up to one beside this many requests that were accepted, 1 to 255.
        tolerance: u8,
    },
    /// ×1.1 after more than 10 successes, ×0.5 at a refusal.
    Aimd,
}

/// Settings of an [`AdaptiveRate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct AdaptiveRateConfig {
    /// How it adapts.
    pub kind: AdaptiveKind,
    /// The first rate, between floor and ceiling.
    pub start: Rate,
    /// The rate it never goes below, at least one a minute. Kept as an interval in whole milliseconds, rounded up.
    pub floor: Rate,
    /// The rate it never goes above, at least one in 4 s.
    pub ceiling: Rate,
    /// For how long a rest may be caught up with: timers that fire late cost no rate. At most a minute.
    pub catch_up: Duration,
}

impl AdaptiveRateConfig {
    /// Seeking with a tolerance of 1 in 32 from 50/s, between 1/s and a million a second, catching up 16 ms.
    pub const DEFAULT: Self = Self {
        kind: AdaptiveKind::Seeking { tolerance: 32 },
        start: Rate::per_second(50),
        floor: Rate::per_second(1),
        ceiling: Rate::per_second(1_000_000),
        catch_up: Duration::from_millis(16),
    };

    /// AIMD from 10/s, between 1/s and 1,000/s.
    pub const AIMD: Self = Self {
        kind: AdaptiveKind::Aimd,
        start: Rate::per_second(10),
        floor: Rate::per_second(1),
        ceiling: Rate::per_second(1_000),
        catch_up: Duration::from_millis(16),
    };
}

impl Default for AdaptiveRateConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Why an [`AdaptiveRateConfig`] was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum AdaptiveRateError {
    /// One of the three rates is not a rate.
    Rate(RateConfigError),
    /// Not floor ≤ start ≤ ceiling.
    OutOfOrder,
    /// The floor is below one a minute.
    FloorTooLow,
    /// The ceiling is below one in 4 s.
    CeilingTooLow,
    /// A tolerance of 0, which no share exceeds.
    ToleranceIsZero,
    /// More than a minute of catching up.
    CatchUpTooLong,
}

impl fmt::Display for AdaptiveRateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate(error) => error.fmt(f),
            Self::OutOfOrder => f.write_str("the adaptive rate needs floor ≤ start ≤ ceiling: reorder the three"),
            Self::FloorTooLow => f.write_str("the floor of the adaptive rate is below one a minute: raise it"),
            Self::CeilingTooLow => {
                f.write_str("the ceiling of the adaptive rate is below one in 4 s: use a fixed rate instead")
            }
            Self::ToleranceIsZero => f.write_str("a tolerance of 0 divides by nothing: give 1 to 255 (one in so many)"),
            Self::CatchUpTooLong => f.write_str("the adaptive rate may catch up a minute at most: lower catch_up"),
        }
    }
}

impl core::error::Error for AdaptiveRateError {}

/// A rate limiter whose rate adapts. 56 bytes.
///
/// Invariant: the rate stays between floor and ceiling, and is cut at most once per flight.
///
/// A grant carries a count of cuts (`u8`), to be handed back with what came of it: what was sent before the last cut
/// changes nothing.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct AdaptiveRate {
    limiter: RateLimiter,
    adaptation: Adaptation,
}

impl AdaptiveRate {
    /// Checks the settings.
    ///
    /// # Errors
    /// A rate that is none, floor ≤ start ≤ ceiling violated, a floor below one a minute, a ceiling below one in 4 s, a
    /// tolerance of zero, more than a minute of catching up.
    pub const fn new(config: AdaptiveRateConfig) -> Result<Self, AdaptiveRateError> {
        match Adaptation::new(config) {
            Ok((limiter, adaptation)) => Ok(Self { limiter, adaptation }),
            Err(error) => Err(error),
        }
    }

    /// Takes one cell.
    ///
    /// # Errors
    /// Where none conforms: the instant at which one will, if nobody else takes it.
    pub const fn try_acquire(&mut self, now: Instant) -> Result<Grant, Instant> {
        match self.limiter.check(now) {
            Ok(()) => {
                self.limiter.take(now);
                Ok(Grant { taken_at: now, cuts: self.adaptation.cuts })
            }
            Err(Shortage { until }) => Err(until),
        }
    }

    /// The server answered.
    pub fn on_success(&mut self, now: Instant, grant: Grant) {
        self.adaptation.on_success(now, &mut self.limiter, grant.cuts);
    }

    /// The server said it is asked too often.
    ///
    /// `retry_after` is how long it wants to be left alone, where it says so: heed that with [`AdaptiveRate::pause_until`].
    pub fn on_throttled(&mut self, now: Instant, grant: Grant, retry_after: Option<Duration>) {
        self.adaptation.on_throttled(now, &mut self.limiter, grant.cuts, retry_after.map_or(0, nanos));
    }

    /// Gives back a cell that was taken but not used; nothing where another was taken since (see
    /// [`RateLimiter::refund`]).
    pub const fn refund(&mut self, grant: Grant) {
        let Grant { taken_at, cuts: _ } = grant;
        self.limiter.refund(taken_at, 1);
    }

    /// Admits nothing before `until`.
    pub const fn pause_until(&mut self, until: Instant) {
        self.limiter.pause_until(until);
    }

    /// Nanoseconds from cell to cell at present.
    pub const fn interval(&self) -> Duration {
        self.limiter.interval()
    }
}

/// What an [`AdaptiveRate`] granted, to be handed back with what came of it.
#[derive(Debug)]
#[must_use = "hand it back with what came of it"]
pub struct Grant {
    taken_at: Instant,
    cuts: u8,
}

/// What adapts a limiter: kept apart from it so that a gate has one limiter, adaptive or not. 24 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Adaptation {
    cut_at: Instant,
    fastest_ns: u32,
    /// The interval at the last cut, to a thousandth; zero before the first.
    cut_interval: Compact,
    /// In units of 4.1 µs.
    gathered: u16,
    slowest_ms: u16,
    kind: AdaptiveKind,
    good: u8,
    refused: u8,
    /// Steps since it became faster than at the last cut, or [`RESTORED`].
    calm: u8,
    pub(crate) cuts: u8,
}

impl Adaptation {
    pub(crate) const fn new(config: AdaptiveRateConfig) -> Result<(RateLimiter, Self), AdaptiveRateError> {
        let (start_ns, slowest_ns, fastest_ns) =
            match (config.start.interval_ns(), config.floor.interval_ns(), config.ceiling.interval_ns()) {
                (Ok(start_ns), Ok(slowest_ns), Ok(fastest_ns)) => (start_ns, slowest_ns, fastest_ns),
                (Err(error), _, _) | (_, Err(error), _) | (_, _, Err(error)) => {
                    return Err(AdaptiveRateError::Rate(error));
                }
            };
        if start_ns > slowest_ns || start_ns < fastest_ns {
            return Err(AdaptiveRateError::OutOfOrder);
        }
        if slowest_ns > SLOWEST_NS_MAX {
            return Err(AdaptiveRateError::FloorTooLow);
        }
        if fastest_ns > u32::MAX as u64 {
            return Err(AdaptiveRateError::CeilingTooLow);
        }
        if matches!(config.kind, AdaptiveKind::Seeking { tolerance: 0 }) {
            return Err(AdaptiveRateError::ToleranceIsZero);
        }
        let catch_up_ns = nanos(config.catch_up);
        if catch_up_ns > CATCH_UP_NS_MAX {
            return Err(AdaptiveRateError::CatchUpTooLong);
        }
        let adaptation = Self {
            cut_at: Instant::ORIGIN,
            fastest_ns: fastest_ns as u32,
            cut_interval: Compact::ZERO,
            gathered: 0,
            // A minute is 60,000 ms.
            slowest_ms: slowest_ns.div_ceil(1_000_000) as u16,
            kind: config.kind,
            good: 0,
            refused: 0,
            calm: 0,
            cuts: 0,
        };
        Ok((RateLimiter::spaced(start_ns, catch_up_ns), adaptation))
    }

    pub(crate) fn on_success(&mut self, now: Instant, limiter: &mut RateLimiter, cuts: u8) {
        if self.count_success(limiter, cuts) {
            self.step(now, limiter);
        }
    }

    /// The common case of [`Adaptation::on_success`]. Says whether a step is due.
    #[inline]
    pub(crate) fn count_success(&mut self, limiter: &RateLimiter, cuts: u8) -> bool {
        if cuts != self.cuts {
            return false;
        }
        match self.kind {
            AdaptiveKind::Seeking { .. } => {
                self.count(1, 0);
                self.gather(limiter.interval_ns())
            }
            AdaptiveKind::Aimd => {
                self.good = self.good.saturating_add(1);
                self.good > AIMD_SUCCESSES
            }
        }
    }

    /// The step that is due.
    #[inline(never)]
    pub(crate) fn step(&mut self, now: Instant, limiter: &mut RateLimiter) {
        match self.kind {
            AdaptiveKind::Seeking { .. } => self.step_towards_limit(now, limiter),
            AdaptiveKind::Aimd => {
                self.good = 0;
                let interval_ns = limiter.interval_ns();
                // 10/11 of it without a division: 5958 / 2^16 is 1/11 to four digits.
                self.set_interval(limiter, interval_ns.saturating_sub(interval_ns.saturating_mul(5_958) >> 16));
            }
        }
    }

    pub(crate) fn on_throttled(&mut self, now: Instant, limiter: &mut RateLimiter, cuts: u8, wait_ns: u64) {
        if cuts != self.cuts {
            return;
        }
        let interval_ns = limiter.interval_ns();
        let step_ns = match self.kind {
            AdaptiveKind::Seeking { tolerance } => {
                self.count(0, 1);
                let was_cut = self.was_cut() && self.calm != RESTORED;
                let since_ns = now.since_ns(self.cut_at);
                match wait_ns {
                    _ if was_cut && since_ns < REST_NS && (wait_ns == 0 || since_ns < wait_ns) => return,
                    0 if !self.is_too_many(tolerance) => return,
                    0 => interval_ns >> self.share_of_refused(),
                    _ if was_cut => interval_ns >> share_of_waiting(since_ns, wait_ns),
                    _ => interval_ns >> 4,
                }
            }
            AdaptiveKind::Aimd => interval_ns,
        };
        self.cut(now, limiter, interval_ns.saturating_add(step_ns));
    }

    /// Whether more were refused than may have nothing to do with the rate.
    fn is_too_many(&self, tolerance: u8) -> bool {
        self.refused >= 2 && u16::from(self.refused) * u16::from(tolerance) > u16::from(self.good)
    }

    /// By how much to cut, as a power of two: by the share that was refused since the last cut.
    fn share_of_refused(&self) -> u32 {
        let (good, refused) = (u16::from(self.good), u16::from(self.refused));
        if refused * 8 <= good {
            4
        } else if refused * 2 <= good {
            2
        } else if refused <= good * 2 {
            1
        } else {
            0
        }
    }

    /// Begins anew where another one stood, or none: what was sent before does not cut.
    pub(crate) fn succeeding(mut self, other: Option<&Self>) -> Self {
        self.cuts = other.map_or(CUTS_AFTER_NONE, |other| other.cuts.wrapping_add(1));
        self
    }

    /// The interval at the last cut; zero before the first.
    pub(crate) const fn cut_interval_ns(&self) -> u64 {
        self.cut_interval.get()
    }

    /// Starts from an interval that was learnt before. Only a longer one than the present counts: what is remembered is
    /// never more permissive than what is configured.
    pub(crate) fn restore(&mut self, now: Instant, limiter: &mut RateLimiter, interval_ns: u64, cut_interval_ns: u64) {
        if interval_ns > limiter.interval_ns() {
            self.set_interval(limiter, interval_ns);
            self.cut_interval = Compact::of(cut_interval_ns.min(limiter.interval_ns()));
            // Growth rests as after a cut; the first cut does not, as it would not in a fresh one.
            (self.cut_at, self.calm) = (now, RESTORED);
        }
    }

    fn was_cut(&self) -> bool {
        self.cut_interval != Compact::ZERO
    }

    /// Both counts are halved when one of them is full: old evidence fades.
    fn count(&mut self, good: u8, refused: u8) {
        if self.good == u8::MAX || self.refused == u8::MAX {
            self.good >>= 1;
            self.refused >>= 1;
        }
        self.good += good;
        self.refused += refused;
    }

    /// Adds one success's worth of time; says whether a step is due.
    fn gather(&mut self, interval_ns: u64) -> bool {
        // An interval is at most a minute. Up: above 244,000 a second it grows rather faster than by the clock.
        let gathered = ((interval_ns >> GATHER_SHIFT) as u32).clamp(1, GATHERED_MAX) as u16;
        // Below two steps: it does not wrap.
        self.gathered = self.gathered.wrapping_add(gathered);
        self.gathered >= STEP
    }

    fn step_towards_limit(&mut self, now: Instant, limiter: &mut RateLimiter) {
        let interval_ns = limiter.interval_ns();
        let dt = u64::from(self.gathered >> (20 - GATHER_SHIFT));
        self.gathered = 0;
        if self.was_cut() && now.since_ns(self.cut_at) < REST_NS {
            return;
        }
        if self.calm == RESTORED {
            self.calm = 0;
        }
        // An interval is at most a minute, below 2^36, and dt below 2^8: no product wraps.
        let step_ns = if !self.was_cut() {
            interval_ns.wrapping_mul(dt) >> 11
        } else if interval_ns > self.cut_interval_ns() {
            ((interval_ns - self.cut_interval_ns()).wrapping_mul(dt) >> 12) + (interval_ns.wrapping_mul(dt) >> 17)
        } else {
            let bolder = (self.calm / 8).min(5);
            self.calm = self.calm.saturating_add(1).min(RESTORED - 1);
            interval_ns.wrapping_mul(dt) >> (17 - bolder)
        };
        self.set_interval(limiter, interval_ns.saturating_sub(step_ns));
    }

    fn cut(&mut self, now: Instant, limiter: &mut RateLimiter, interval_ns: u64) {
        self.cut_interval = Compact::of(limiter.interval_ns());
        self.cut_at = now;
        self.cuts = self.cuts.wrapping_add(1);
        (self.good, self.refused, self.calm, self.gathered) = (0, 0, 0, 0);
        self.set_interval(limiter, interval_ns);
        limiter.spend_burst(now);
    }

    fn set_interval(&self, limiter: &mut RateLimiter, interval_ns: u64) {
        let slowest_ns = u64::from(self.slowest_ms) * 1_000_000;
        // The fastest is at most the slowest, which was rounded up.
        limiter.set_interval_ns(interval_ns.min(slowest_ns).max(u64::from(self.fastest_ns)));
    }
}

/// By how much to cut, as a power of two, where each refusal costs a wait: by how little time there was between two of them.
const fn share_of_waiting(since_ns: u64, wait_ns: u64) -> u32 {
    let sent_ns = since_ns.saturating_sub(wait_ns);
    if sent_ns >= wait_ns {
        4
    } else if sent_ns >= wait_ns >> 2 {
        2
    } else {
        1
    }
}

/// At most one cut in this time, 1.07 s, and no growth for as long after one: the second by which servers count.
const REST_NS: u64 = 1 << 30;
/// What one success adds to the time's worth of use at most: 67 ms.
const GATHER_NS_MAX: u64 = 1 << 26;
/// What is gathered is counted in units of 2^12 ns.
const GATHER_SHIFT: u32 = 12;
const GATHERED_MAX: u32 = (GATHER_NS_MAX >> GATHER_SHIFT) as u32;
/// The time's worth of use between steps: 134 ms.
const STEP: u16 = 1 << (27 - GATHER_SHIFT);
const AIMD_SUCCESSES: u8 = 10;
/// In place of a number of steps: taken up from a snapshot, and not cut since.
const RESTORED: u8 = u8::MAX;
/// Not 0, which a ticket carries where no rate adapts, and far from the few cuts of a rate that adapted before that.
const CUTS_AFTER_NONE: u8 = 128;
const SLOWEST_NS_MAX: u64 = 60 * 1_000_000_000;
const CATCH_UP_NS_MAX: u64 = 60 * 1_000_000_000;

const _: () = assert!(size_of::<Adaptation>() == 24);
const _: () = assert!(size_of::<AdaptiveRate>() == 56);

#[cfg(test)]
mod tests;
