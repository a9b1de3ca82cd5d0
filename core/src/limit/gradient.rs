//! Whether more at once would be carried, told by what it does to latency.
//!
//! A limit that is driven by latency has to tell waiting from work. What popular ones compare with is kept for long: a mean
//! of all times drifts up with the very queue that it should reveal, and the shortest time ever seen is a rare stroke of
//! luck where service times vary, beside which everything looks slow. Here two limits are tried one after the other and
//! their mean latencies are compared, which is a measure of the slope, and both with a third one, taken at half the limit
//! every eighth time, which is a measure of the height.
//!
//! With `l` at once and half as many more, `h = l + l/2`, mean latencies `Rₗ` and `Rₕ`, and `R₀` at `l/2`:
//!
//! | `Rₗ / R₀` | one step up where |
//! |---|---|
//! | below 5/4 | always |
//! | below 3/2 | `Rₕ/Rₗ − 1 < 5/4 · (h/l − 1)` |
//! | below 7/4 | `Rₕ/Rₗ − 1 < 1/4 · (h/l − 1)` |
//! | from there | never |
//!
//! Otherwise one step down. By Little's law latency grows as the number at once does where the server carries no more
//! (`Rₕ/Rₗ = h/l`), and not at all where it does; `Rₗ` is twice `R₀` where even half of it is too many. A step is an eighth,
//! a quarter down in the last row, and half up until the first step down or the ceiling.
//!
//! - A mean is that of 64, 128 or 256 answers to requests that were all sent under the same limit; half as many in the
//!   beginning. A time beyond four times the last `Rₗ` counts as that much: rare long ones say little about load.
//! - `R₀` is replaced by each new measure, so it follows a server that became slower or faster for good within eight
//!   verdicts, or two of the last row; in between it only falls, by a quarter of the difference to a lower `Rₗ`. Where it
//!   changed to less than half or more than twice, everything starts anew.
//! - So it does where other bounds, or what was learnt before a restart, change how many may be in flight: no mean was taken
//!   under that limit, nor at half of it. A cut for failures keeps `R₀`, where there is one, and goes on with `l`.
//! - Half the limit for a seventeenth of the time is what the measure costs.

use crate::time::Compact;

/// What was seen since the last verdict. 12 bytes.
///
/// Invariant: `gathered` is the sum of at most 256 times of at most 2^23 units each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Evidence {
    /// Latencies, in units of 4.1 µs; in the other kinds of limit successes towards the next place.
    pub(super) gathered: u32,
    /// `Rₗ`.
    low: Compact,
    /// `R₀`.
    rest: Compact,
    /// Latencies in `gathered`.
    count: u8,
    pub(super) trial: Trial,
    /// Outcomes judged together: those that are good …
    good: u8,
    /// … and those that are not.
    pub(super) bad: u8,
}

/// Which limit is tried.
///
/// The number counts through a round: 0 at half, then eight times as it is and at half as many more. The start is a round
/// of its own that repeats its last two. Limits of the other kinds try nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Trial(u8);

/// What follows from what was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Another limit is tried.
    Try,
    /// A step from the present limit.
    Up {
        /// How many more.
        step: u16,
    },
    /// A step from the present limit.
    Down {
        /// How many fewer.
        step: u16,
    },
}

impl Evidence {
    /// Nothing was seen before this trial.
    pub(super) const fn before(trial: Trial) -> Self {
        Self { gathered: 0, low: Compact::MAX, rest: Compact::MAX, count: 0, trial, good: 0, bad: 0 }
    }

    /// How many may be in flight now, where `learnt` is what was found.
    pub(super) const fn tried(&self, learnt: u16, floor: u16, ceiling: u16) -> u16 {
        if self.trial.is_low() || self.trial.is_none() {
            learnt
        } else if self.trial.is_high() {
            raised(learnt, ceiling)
        } else if learnt / 2 > floor {
            learnt / 2
        } else {
            floor
        }
    }

    /// Counts one answer; says whether there may be enough of them for a verdict.
    #[inline]
    pub(super) const fn add(&mut self, latency_ns: u64) -> bool {
        let longest = self.low.get_up_to_32_bits() >> 6;
        let time = if latency_ns >> TIME_NS_BITS == 0 { (latency_ns >> TIME_SHIFT) as u32 } else { TIME_MAX };
        // Up: no answer takes no time.
        self.gathered = self.gathered.wrapping_add(if time < longest { time } else { longest } + 1);
        self.count = self.count.wrapping_add(1);
        // Whatever the number of answers, it is a multiple of this.
        self.count & 31 == 0
    }

    /// What follows from the answers, once there are enough.
    pub(super) fn verdict(&mut self, learnt: u16, ceiling: u16) -> Option<Verdict> {
        let shift = self.answers_shift(learnt);
        // 256 and 0 are the same count here.
        if self.count != (1u16 << shift) as u8 {
            return None;
        }
        // In units of 16 ns: at most 256 · 2^23 of 4.1 µs, a division by a power of two.
        let mean = u64::from(self.gathered) << (MEAN_SHIFT - shift);
        (self.gathered, self.count) = (0, 0);
        Some(self.conclude(mean, learnt, ceiling))
    }

    /// Counts one success, for a limit of another kind.
    pub(super) const fn add_one(&mut self) -> u32 {
        self.gathered = self.gathered.wrapping_add(1);
        self.gathered
    }

    /// One outcome of a round that is good. A round is over after [`ROUND`].
    pub(super) const fn count_good_in_round(&mut self) {
        self.good = self.good.wrapping_add(1);
        self.end_round_in_time();
    }

    /// One outcome of a round that is bad; says how many were.
    pub(super) const fn count_bad_in_round(&mut self, weight: u8) -> u8 {
        self.bad = self.bad.wrapping_add(weight);
        let bad = self.bad;
        self.end_round_in_time();
        bad
    }

    const fn end_round_in_time(&mut self) {
        if self.good.wrapping_add(self.bad) >= ROUND {
            (self.good, self.bad) = (0, 0);
        }
    }

    /// Goes on with the present limit after it was cut for another reason; without an `R₀`, which it would be compared with,
    /// that comes first.
    pub(super) fn begin_again(&mut self) {
        (self.gathered, self.count, self.good, self.bad) = (0, 0, 0, 0);
        if !self.trial.is_none() {
            self.trial = if self.rest == Compact::MAX { Trial::START_REST } else { Trial::LOW };
        }
    }

    /// Forgets everything: nothing of it was seen under the limit that begins now.
    pub(super) const fn forget(&mut self) {
        *self = Self::before(if self.trial.is_none() { Trial::NONE } else { Trial::START_REST });
    }

    fn conclude(&mut self, mean: u64, learnt: u16, ceiling: u16) -> Verdict {
        if self.trial.is_rest() {
            let before = core::mem::replace(&mut self.rest, Compact::of(mean)).get();
            if mean > before * 2 || mean * 2 < before {
                self.trial = Trial::START_REST;
            }
        } else if !self.trial.is_high() {
            self.low = Compact::of(mean);
            let rest = self.rest.get();
            if mean < rest {
                self.rest = Compact::of(rest.saturating_sub((rest - mean) / 4));
            }
        } else {
            return self.judge(mean, learnt, ceiling);
        }
        self.trial = self.trial.next();
        Verdict::Try
    }

    fn judge(&mut self, high: u64, learnt: u16, ceiling: u16) -> Verdict {
        // Means are below 2^31, limits below 2^14 and sixteenths at most 20: no product wraps.
        let (low, rest) = (self.low.get(), self.rest.get());
        let (fewer, more) = (u64::from(learnt), u64::from(raised(learnt, ceiling)));
        let allowed_sixteenths = if low * 4 < rest * 5 {
            u64::MAX
        } else if low * 2 < rest * 3 {
            20
        } else if low * 4 < rest * 7 {
            4
        } else {
            0
        };
        let steep = high.saturating_sub(low).wrapping_mul(fewer * 16);
        let is_carried = allowed_sixteenths == u64::MAX
            || steep < low.wrapping_mul(more.saturating_sub(fewer)).wrapping_mul(allowed_sixteenths);
        let starting = self.trial.is_starting();
        self.trial = match (is_carried, allowed_sixteenths) {
            (true, _) if more > fewer => self.trial.next(),
            // At the ceiling there is nothing more to start.
            (true, _) => self.trial.next_after_start(),
            (false, 0) => self.trial.next_with_rest_soon(),
            (false, _) => self.trial.next_after_start(),
        };
        match (is_carried, starting) {
            (true, true) => Verdict::Up { step: (learnt / 2).max(1) },
            (true, false) => Verdict::Up { step: (learnt / 8).max(1) },
            (false, _) if allowed_sixteenths == 0 => Verdict::Down { step: (learnt / 4).max(1) },
            (false, _) => Verdict::Down { step: (learnt / 8).max(1) },
        }
    }

    /// How many answers make a mean, as a power of two.
    const fn answers_shift(&self, learnt: u16) -> u32 {
        let shift = match learnt {
            0..=8 => 6,
            9..=16 => 7,
            17.. => 8,
        };
        if self.trial.is_starting() { shift - 1 } else { shift }
    }
}

impl Trial {
    const REST: Self = Self(0);
    const LOW: Self = Self(1);
    const LAST_HIGH: Self = Self(16);
    const START_LOW: Self = Self(17);
    const START_HIGH: Self = Self(18);
    pub(super) const START_REST: Self = Self(19);
    pub(super) const NONE: Self = Self(u8::MAX);

    pub(super) const fn is_none(self) -> bool {
        matches!(self, Self::NONE)
    }

    const fn is_low(self) -> bool {
        self.0 & 1 == 1 && self.0 < Self::START_REST.0
    }

    const fn is_high(self) -> bool {
        self.0 & 1 == 0 && self.0 > Self::REST.0
    }

    const fn is_rest(self) -> bool {
        matches!(self, Self::REST | Self::START_REST)
    }

    const fn is_starting(self) -> bool {
        self.0 >= Self::START_LOW.0
    }

    const fn next(self) -> Self {
        match self {
            Self::LAST_HIGH => Self::REST,
            Self::START_HIGH | Self::START_REST => Self::START_LOW,
            Self(trial) => Self(trial.wrapping_add(1)),
        }
    }

    /// The same, at least half a round further: what made it so high may be that `R₀` is not true any more.
    const fn next_with_rest_soon(self) -> Self {
        if self.0 >= Self::LAST_HIGH.0 / 2 { Self::REST } else { Self(self.next().0 + Self::LAST_HIGH.0 / 2) }
    }

    /// The same, where the start is over.
    const fn next_after_start(self) -> Self {
        if self.is_starting() { Self::REST } else { self.next() }
    }
}

/// Half as many more, at least one, at most the ceiling.
const fn raised(learnt: u16, ceiling: u16) -> u16 {
    let more = if learnt < 2 { 1 } else { learnt / 2 };
    let raised = learnt.wrapping_add(more);
    if raised > ceiling { ceiling } else { raised }
}

/// Outcomes judged together.
pub(super) const ROUND: u8 = 64;
/// Latencies are added up in units of 2^12 ns, 4.1 µs …
const TIME_SHIFT: u32 = 12;
/// … of which each counts for at most 2^23, 34 s.
const TIME_MAX: u32 = (1 << 23) - 1;
const TIME_NS_BITS: u32 = 23 + TIME_SHIFT;
/// Means have eight more bits than what they are made of.
const MEAN_SHIFT: u32 = 8;

const _: () = assert!(size_of::<Evidence>() == 12);

#[cfg(test)]
mod tests;
