//! How long to wait before trying again.
//!
//! A client that retries at once adds load exactly when a server has least to spare, and clients that failed together
//! retry together. So the delay grows with every failure in a row, and jitter spreads it.
//!
//! **When it harms**: backoff only postpones load. Under an overload that lasts, retries arrive later but all of them
//! arrive; what reduces load is a [retry budget](crate::budget) or a [breaker](crate::breaker).
//!
//! The `n`-th delay, `n` counting from 1, from a base `b` up to a cap `c`:
//!
//! | growth | upper end `d` | without jitter | [`Jitter::Full`] | [`Jitter::Equal`] |
//! |---|---|---|---|---|
//! | [`Constant`](Growth::Constant) | `min(c, b)` | `d` | `0 … d` | `d/2 … d` |
//! | [`Linear`](Growth::Linear) | `min(c, n·b)` | `d` | `0 … d` | `d/2 … d` |
//! | [`Exponential`](Growth::Exponential) | `min(c, 2ⁿ⁻¹·b)` | `d` | `0 … d` | `d/2 … d` |
//! | [`Decorrelated`](Growth::Decorrelated) | `3·max(b, previous)` | `min(c, b … d)` | – | – |
//!
//! Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. The decorrelated kind cuts what it
//! drew at the cap, as its source does, so that its delays bunch there: choose a cap that is rarely reached.
//!
//! The jitter is drawn inside the bound, never added behind it: **no delay is longer than the cap**.

use core::{fmt, time::Duration};

use crate::{
    entropy::Entropy,
    time::{Millis, nanos},
};

/// How a delay grows from failure to failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Growth {
    /// The base each time.
    Constant,
    /// Once, twice, three times the base.
    Linear,
    /// Once, twice, four times the base.
    Exponential,
    /// Uniform between the base and three times the delay before. Draws its own jitter.
    Decorrelated,
}

/// How a delay is spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Jitter {
    /// Not at all: clients that failed together come back together.
    None,
    /// Over the whole of it, down to nothing. Fewest calls for the same work.
    Full,
    /// Over its upper half, where a minimum wait matters.
    Equal,
}

/// Settings of a [`Backoff`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BackoffConfig {
    /// How the delay grows.
    pub growth: Growth,
    /// The first delay, 1 ms to 49 days. Kept in whole milliseconds, rounded up.
    pub base: Duration,
    /// What no delay exceeds, from `base` to 49 days. Kept in whole milliseconds, rounded up.
    pub cap: Duration,
    /// How the delay is spread.
    pub jitter: Jitter,
}

impl BackoffConfig {
    /// 250 ms, doubling, at most 20 s, full jitter.
    pub const DEFAULT: Self = Self {
        growth: Growth::Exponential,
        base: Duration::from_millis(250),
        cap: Duration::from_secs(20),
        jitter: Jitter::Full,
    };

    /// For a server that says it is asked too often but not when to come back: 1 s, doubling, at most 30 s, equal
    /// jitter, because coming back at once is what it complained about.
    pub const THROTTLED: Self = Self {
        growth: Growth::Exponential,
        base: Duration::from_secs(1),
        cap: Duration::from_secs(30),
        jitter: Jitter::Equal,
    };
}

impl Default for BackoffConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Why a [`BackoffConfig`] was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum BackoffError {
    /// The base is zero.
    BaseIsZero,
    /// The cap is below the base.
    CapBelowBase,
    /// The cap is longer than 49 days.
    CapTooLong,
    /// Decorrelated growth together with another jitter.
    JitterTwice,
}

impl fmt::Display for BackoffError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BaseIsZero => "the backoff base is zero: give at least 1 ms, or allow a single attempt instead",
            Self::CapBelowBase => "the backoff cap is below its base: raise the cap or lower the base",
            Self::CapTooLong => "the backoff cap is longer than 49 days: lower it",
            Self::JitterTwice => "decorrelated backoff draws its own jitter: set jitter to none",
        })
    }
}

impl core::error::Error for BackoffError {}

/// A backoff policy: pure, without state. 10 bytes.
///
/// Invariant: base ≤ every upper end and every delay ≤ cap, at any number of failures. Upper ends are at most the cap too, but
/// for decorrelated growth, where what was drawn is cut.
///
/// ```
/// use core::time::Duration;
/// use tidegate_core::{Entropy, backoff::{Backoff, BackoffConfig, Growth, Jitter}};
///
/// const PLAIN: Backoff = match Backoff::new(BackoffConfig {
///     growth: Growth::Exponential,
///     base: Duration::from_secs(1),
///     cap: Duration::from_secs(5),
///     jitter: Jitter::None,
/// }) {
///     Ok(backoff) => backoff,
///     Err(_) => panic!("rejected at compile time"),
/// };
/// let delays = [1, 2, 3, 4, u32::MAX].map(|n| PLAIN.delay(n, Duration::ZERO, Entropy::new(7)).as_secs());
/// assert_eq!(delays, [1, 2, 4, 5, 5]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
// Without the two bytes that would round it up to a multiple of four: a breaker has two others for them.
#[repr(C, packed(2))]
pub struct Backoff {
    base: Millis,
    cap: Millis,
    growth: Growth,
    jitter: Jitter,
}

impl Backoff {
    /// Checks the settings.
    ///
    /// # Errors
    /// A zero base, a cap below the base or above 49 days, and decorrelated growth with a jitter of its own.
    pub const fn new(config: BackoffConfig) -> Result<Self, BackoffError> {
        if config.base.is_zero() {
            return Err(BackoffError::BaseIsZero);
        }
        if nanos(config.cap) < nanos(config.base) {
            return Err(BackoffError::CapBelowBase);
        }
        if matches!(config.growth, Growth::Decorrelated) && !matches!(config.jitter, Jitter::None) {
            return Err(BackoffError::JitterTwice);
        }
        match (Millis::round_up(config.base), Millis::round_up(config.cap)) {
            (Some(base), Some(cap)) => Ok(Self { base, cap, growth: config.growth, jitter: config.jitter }),
            (None, _) | (_, None) => Err(BackoffError::CapTooLong),
        }
    }

    /// The delay after `failures` failures in a row (1 after the first; 0 counts as 1).
    ///
    /// `previous` is the delay before this one, zero for the first; only the decorrelated kind uses it.
    #[must_use = "this is how long to wait"]
    pub const fn delay(&self, failures: u32, previous: Duration, entropy: Entropy) -> Duration {
        Duration::from_nanos(self.delay_ns(failures, nanos(previous), entropy))
    }

    pub(crate) const fn delay_ns(&self, failures: u32, previous_ns: u64, entropy: Entropy) -> u64 {
        let cap_ns = self.cap.ns();
        let upper_ns = self.upper_end_ns(failures, previous_ns);
        let lower_ns = match (self.growth, self.jitter) {
            (Growth::Decorrelated, _) => self.base.ns(),
            (_, Jitter::None) => upper_ns,
            (_, Jitter::Full) => 0,
            (_, Jitter::Equal) => upper_ns - upper_ns / 2,
        };
        // `up_to` never exceeds its limit, so the sum never exceeds the upper end.
        let drawn_ns = lower_ns.saturating_add(entropy.up_to(upper_ns.saturating_sub(lower_ns)));
        if drawn_ns > cap_ns { cap_ns } else { drawn_ns }
    }

    /// The longest delay that can be drawn.
    pub(crate) const fn longest_ns(&self, failures: u32) -> u64 {
        self.delay_ns(failures, 0, Entropy::new(u32::MAX))
    }

    /// At least the base; at most the cap, but for the decorrelated kind.
    const fn upper_end_ns(&self, failures: u32, previous_ns: u64) -> u64 {
        let base_ns = self.base.ns();
        let cap_ns = self.cap.ns();
        let step = failures.saturating_sub(1);
        let wanted_ns = match self.growth {
            Growth::Constant => base_ns,
            Growth::Linear => base_ns.saturating_mul(step as u64 + 1),
            // The base is below 2^52: a shift of up to 11 cannot overflow, and 2^11 steps up from 1 ms in two shifts
            // pass any cap.
            Growth::Exponential if step <= 11 => base_ns << step,
            Growth::Exponential if step >= 42 => cap_ns,
            Growth::Exponential => (base_ns << 11).saturating_mul(1 << (step - 11)),
            Growth::Decorrelated if previous_ns <= base_ns => return base_ns.saturating_mul(3),
            Growth::Decorrelated => return previous_ns.saturating_mul(3),
        };
        if wanted_ns > cap_ns { cap_ns } else { wanted_ns }
    }
}

/// By hand: what is derived would refer to fields that are not aligned.
#[cfg(feature = "defmt")]
impl defmt::Format for Backoff {
    fn format(&self, f: defmt::Formatter<'_>) {
        let Self { base, cap, growth, jitter } = *self;
        defmt::write!(f, "Backoff {{ base: {}, cap: {}, growth: {}, jitter: {} }}", base, cap, growth, jitter);
    }
}

const _: () = assert!(size_of::<Backoff>() == 10);

#[cfg(test)]
mod tests {
    use super::*;

    const GROWTHS: [Growth; 4] = [Growth::Constant, Growth::Linear, Growth::Exponential, Growth::Decorrelated];

    fn backoff(growth: Growth, base_ms: u64, cap_ms: u64, jitter: Jitter) -> Backoff {
        let (base, cap) = (Duration::from_millis(base_ms), Duration::from_millis(cap_ms));
        Backoff::new(BackoffConfig { growth, base, cap, jitter }).expect("valid settings")
    }

    fn millis(backoff: Backoff, failures: u32) -> u64 {
        backoff.delay_ns(failures, 0, Entropy::new(0)) / 1_000_000
    }

    #[test]
    fn each_growth_follows_its_sequence() {
        let sequence = |growth| [1, 2, 3, 4, 5].map(|n| millis(backoff(growth, 100, 700, Jitter::None), n));
        assert_eq!(sequence(Growth::Constant), [100, 100, 100, 100, 100]);
        assert_eq!(sequence(Growth::Linear), [100, 200, 300, 400, 500]);
        assert_eq!(sequence(Growth::Exponential), [100, 200, 400, 700, 700]);
    }

    #[test]
    fn no_delay_leaves_its_bounds_at_any_number_of_failures() {
        let failures = (0..70).chain([255, 256, 65_535, u32::MAX - 1, u32::MAX]);
        let words = [0, 1, u32::MAX / 3, u32::MAX / 2, u32::MAX - 1, u32::MAX];
        for n in failures {
            for growth in GROWTHS {
                for jitter in [Jitter::None, Jitter::Full, Jitter::Equal] {
                    for (base_ms, cap_ms) in
                        [(1, 1), (1, 3), (1, 4_294_967_295), (250, 20_000), (4_294_967_295, 4_294_967_295)]
                    {
                        if matches!(growth, Growth::Decorrelated) && jitter != Jitter::None {
                            continue;
                        }
                        let policy = backoff(growth, base_ms, cap_ms, jitter);
                        for word in words {
                            for previous in [0, 1, base_ms * 1_000_000, cap_ms * 1_000_000, u64::MAX] {
                                check_bounds(policy, n, previous, Entropy::new(word));
                            }
                        }
                    }
                }
            }
        }
    }

    fn check_bounds(policy: Backoff, failures: u32, previous_ns: u64, entropy: Entropy) {
        let delay = policy.delay_ns(failures, previous_ns, entropy);
        let (base, cap) = (policy.base.ns(), policy.cap.ns());
        let lower = match (policy.growth, policy.jitter) {
            (_, Jitter::Full) => 0,
            (_, Jitter::Equal) => base / 2,
            (_, Jitter::None) => base,
        };
        assert!(lower <= delay && delay <= cap, "{policy:?}, {failures} failures: {delay} not in {lower}..={cap}");
    }

    #[test]
    fn the_exponential_kind_is_exact_until_the_cap_and_stays_there() {
        let policy = backoff(Growth::Exponential, 1, 4_294_967_295, Jitter::None);
        for n in 1..=32 {
            assert_eq!(millis(policy, n), 1 << (n - 1), "after {n} failures");
        }
        for n in (33..300).chain([u32::MAX - 1, u32::MAX]) {
            assert_eq!(millis(policy, n), 4_294_967_295, "after {n} failures");
        }
    }

    #[test]
    fn jitter_uses_both_ends_of_its_range() {
        let (low, high) = (Entropy::new(0), Entropy::new(u32::MAX));
        let second = 1_000_000_000;
        let full = backoff(Growth::Constant, 1_000, 1_000, Jitter::Full);
        assert_eq!((full.delay_ns(1, 0, low), full.delay_ns(1, 0, high)), (0, second));
        let equal = backoff(Growth::Constant, 1_000, 1_000, Jitter::Equal);
        assert_eq!((equal.delay_ns(1, 0, low), equal.delay_ns(1, 0, high)), (second / 2, second));
        let decorrelated = backoff(Growth::Decorrelated, 1_000, 60_000, Jitter::None);
        assert_eq!(decorrelated.delay_ns(1, 0, low), second);
        assert!(3 * second - decorrelated.delay_ns(1, 0, high) <= 1, "nothing went before: up to three times the base");
        assert_eq!(decorrelated.delay_ns(2, 2 * second, low), second);
        // One part in 2^32 below the upper end.
        assert!(6 * second - decorrelated.delay_ns(2, 2 * second, high) <= 2);
        assert_eq!(decorrelated.delay_ns(9, 50 * second, high), 60 * second, "cut at the cap");
    }

    #[test]
    fn jitter_is_drawn_below_the_cap_and_does_not_bunch_at_it() {
        let half = Entropy::new(u32::MAX / 2 + 1);
        for growth in [Growth::Linear, Growth::Exponential] {
            for failures in [11, 20, 60, u32::MAX] {
                let full = millis_drawn(backoff(growth, 1_000, 10_000, Jitter::Full), failures, half);
                let equal = millis_drawn(backoff(growth, 1_000, 10_000, Jitter::Equal), failures, half);
                assert_eq!((full, equal), (5_000, 7_500), "{growth:?}: the middle of 0 to 10 s, and of 5 to 10 s");
            }
        }
    }

    fn millis_drawn(backoff: Backoff, failures: u32, entropy: Entropy) -> u64 {
        backoff.delay_ns(failures, 0, entropy) / 1_000_000
    }

    #[test]
    fn nonsense_is_rejected_with_what_to_change() {
        let second = Duration::from_secs(1);
        let base = BackoffConfig::DEFAULT;
        let error = |config| Backoff::new(config).expect_err("nonsense");
        assert_eq!(error(BackoffConfig { base: Duration::ZERO, ..base }), BackoffError::BaseIsZero);
        assert_eq!(error(BackoffConfig { base: second * 21, ..base }), BackoffError::CapBelowBase);
        assert_eq!(error(BackoffConfig { cap: second * 86_400 * 50, ..base }), BackoffError::CapTooLong);
        assert_eq!(error(BackoffConfig { growth: Growth::Decorrelated, ..base }), BackoffError::JitterTwice);
    }
}
