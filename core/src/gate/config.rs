//! What a gate can be told.

use core::{fmt, time::Duration};

use crate::{
    breaker::{BreakerConfig, BreakerError},
    budget::{RetryBudgetConfig, RetryBudgetError},
    limit::{LimitConfig, LimitError},
    rate::{AdaptiveRateConfig, AdaptiveRateError, RateConfig, RateConfigError},
};

/// How often a gate lets something through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum RateControl {
    /// As often as it is asked. The gate can still be paused.
    Unlimited,
    /// At a given rate.
    Fixed(RateConfig),
    /// At a rate that it finds.
    Adaptive(AdaptiveRateConfig),
}

/// Settings of a [`Gate`](crate::Gate).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct GateConfig {
    /// When to stop asking. Its own lease is replaced by that of the gate.
    pub breaker: BreakerConfig,
    /// How often.
    pub rate: RateControl,
    /// How many at once.
    pub limit: LimitConfig,
    /// How many retries; unlimited where absent.
    pub budget: Option<RetryBudgetConfig>,
    /// How long one attempt may take, from its admission: 1 ms to 49 days.
    pub attempt_timeout: Duration,
    /// From when on an attempt is slow: 1 ms to `attempt_timeout`. Attempts that are still out are looked at once in each
    /// third of the lease, so one that hangs may count a third of a lease later than that, or two where the next third begins
    /// late.
    pub slow_after: Duration,
    /// From when on a ticket that did not come back is given up: longer than `attempt_timeout`, at most 49 days. It is
    /// given up at most a third later.
    pub lease: Duration,
    /// Tells the tickets of gates apart whose tickets could be mixed up.
    pub id: u16,
}

impl GateConfig {
    /// For bulk work: half of the last 32 calls open the breaker for 5 s doubling to 60 s; a rate that seeks the server's
    /// limit; 2 to 50 in flight; retries for half of the answers; 10 s for an attempt, slow from then on, lease 20 s.
    pub const DEFAULT: Self = Self {
        breaker: BreakerConfig::DEFAULT,
        rate: RateControl::Adaptive(AdaptiveRateConfig::DEFAULT),
        limit: LimitConfig::DEFAULT,
        budget: Some(RetryBudgetConfig::DEFAULT),
        attempt_timeout: Duration::from_secs(10),
        slow_after: Duration::from_secs(10),
        lease: Duration::from_secs(20),
        id: 0,
    };
}

impl Default for GateConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Why a [`GateConfig`] was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum GateError {
    /// The breaker.
    Breaker(BreakerError),
    /// The fixed rate.
    Rate(RateConfigError),
    /// The adaptive rate.
    AdaptiveRate(AdaptiveRateError),
    /// The concurrency limit.
    Limit(LimitError),
    /// The retry budget.
    Budget(RetryBudgetError),
    /// An attempt timeout of zero or above 49 days.
    AttemptTimeout,
    /// A slow limit of zero or above the attempt timeout.
    SlowAfter,
    /// A lease that ends before an attempt may, or after 49 days.
    Lease,
}

impl fmt::Display for GateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Breaker(error) => write!(f, "breaker: {error}"),
            Self::Rate(error) => write!(f, "rate: {error}"),
            Self::AdaptiveRate(error) => write!(f, "rate: {error}"),
            Self::Limit(error) => write!(f, "concurrency: {error}"),
            Self::Budget(error) => write!(f, "retry budget: {error}"),
            Self::AttemptTimeout => f.write_str("an attempt may take 1 ms to 49 days: change attempt_timeout"),
            Self::SlowAfter => {
                f.write_str("an attempt is slow from 1 ms up to its timeout: lower slow_after or raise attempt_timeout")
            }
            Self::Lease => f.write_str(
                "a lease is longer than an attempt may take, and at most 49 days: raise lease or lower attempt_timeout",
            ),
        }
    }
}

impl core::error::Error for GateError {}
