//! What a breaker can be told.

use core::{fmt, time::Duration};

use super::{BreakerMode, WindowError};
use crate::{
    backoff::{Backoff, BackoffConfig, BackoffError, Growth, Jitter},
    share::Share,
    time::Millis,
};

/// What follows when the probes have succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum AfterClosing {
    /// Few calls at once, doubling with each round of successes: a server that just came back is not hit by everything that
    /// waited for it.
    Ramp,
    /// Everything at once.
    FullTraffic,
}

/// Settings of a [`CircuitBreaker`](super::CircuitBreaker).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BreakerConfig {
    /// How many of the last calls are remembered, 1 to 64. Not used by a breaker over a period.
    pub window: u8,
    /// How many calls must be remembered before it can open, 1 to `window`.
    pub calls_min: u16,
    /// It opens when at least this share of them failed.
    pub failed: Share,
    /// It opens when at least this share of them was slow; never for that reason where absent.
    pub slow: Option<Share>,
    /// How long it stays open: the first delay after the first trip, the next one when a probe fails, and so on.
    pub open: BackoffConfig,
    /// How many probes may be out at once while half-open, 1 to 100.
    pub probes: u8,
    /// How many of them must succeed before it closes, 1 to 100.
    pub successes: u8,
    /// How long a probe may stay out before its place is given to another, 1 ms to 49 days. In a gate: the gate's lease.
    pub lease: Duration,
    /// What follows when it closes.
    pub after_closing: AfterClosing,
    /// What it does with its verdict at first.
    pub mode: BreakerMode,
}

impl BreakerConfig {
    /// Half of the last 32 calls, judged from 16 on; open 5 s, doubling up to 60 s, the upper half of it drawn; one probe
    /// at a time with a lease of 30 s, one success; a ramp afterwards.
    pub const DEFAULT: Self = Self {
        window: 32,
        calls_min: 16,
        failed: Share::of(1, 2),
        slow: None,
        open: BackoffConfig {
            growth: Growth::Exponential,
            base: Duration::from_secs(5),
            cap: Duration::from_secs(60),
            jitter: Jitter::Equal,
        },
        probes: 1,
        successes: 1,
        lease: Duration::from_secs(30),
        after_closing: AfterClosing::Ramp,
        mode: BreakerMode::Enforce,
    };

    pub(super) const fn checked_open(&self) -> Result<(Backoff, Millis), BreakerError> {
        if self.calls_min == 0 {
            return Err(BreakerError::CallsMinIsZero);
        }
        if !self.failed.is_valid() {
            return Err(BreakerError::FailedShare);
        }
        if let Some(slow) = self.slow
            && !slow.is_valid()
        {
            return Err(BreakerError::SlowShare);
        }
        if self.probes == 0 || self.probes > PROBES_MAX || self.successes == 0 || self.successes > PROBES_MAX {
            return Err(BreakerError::ProbesOutOfRange);
        }
        if matches!(self.open.growth, Growth::Decorrelated) {
            return Err(BreakerError::OpenDecorrelated);
        }
        match (Backoff::new(self.open), Millis::round_up(self.lease)) {
            (Ok(open), Some(lease)) if !lease.is_zero() => Ok((open, lease)),
            (Err(error), _) => Err(BreakerError::Open(error)),
            (Ok(_), Some(_) | None) => Err(BreakerError::LeaseOutOfRange),
        }
    }
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Why a [`BreakerConfig`] was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum BreakerError {
    /// The window is out of range.
    Window(WindowError),
    /// Judged from zero calls on.
    CallsMinIsZero,
    /// Judged from more calls on than are remembered: it would never open.
    CallsMinAboveWindow,
    /// The share of failures is zero or more than all.
    FailedShare,
    /// The share of slow calls is zero or more than all.
    SlowShare,
    /// Probes or successes out of 1 to 100.
    ProbesOutOfRange,
    /// The open time is no backoff.
    Open(BackoffError),
    /// The open time is decorrelated, which remembers a delay that a breaker does not keep.
    OpenDecorrelated,
    /// A lease of zero or more than 49 days.
    LeaseOutOfRange,
}

impl fmt::Display for BreakerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Window(error) => return error.fmt(f),
            Self::Open(error) => return write!(f, "the breaker's open time: {error}"),
            Self::CallsMinIsZero => "a breaker that judges from zero calls on: give calls_min of at least 1",
            Self::CallsMinAboveWindow => "the breaker would never open: lower calls_min to at most the window",
            Self::FailedShare => "the share of failures must be more than 0 and at most 1: change its part or whole",
            Self::SlowShare => "the share of slow calls must be more than 0 and at most 1: change its part or whole",
            Self::ProbesOutOfRange => "a breaker has 1 to 100 probes at once and needs 1 to 100 successes",
            Self::OpenDecorrelated => "the open time cannot be decorrelated: use exponential growth with jitter",
            Self::LeaseOutOfRange => "the lease of a probe is 1 ms to 49 days: change lease",
        })
    }
}

impl core::error::Error for BreakerError {}

const PROBES_MAX: u8 = 100;
