//! How often and how patiently a call tries.

use core::{fmt, num::NonZeroU8, time::Duration};

use crate::{
    backoff::{Backoff, BackoffConfig, BackoffError},
    time::nanos,
};

/// Settings of a [`CallPolicy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct CallConfig {
    /// Attempts in all, the first included: 1 never retries.
    pub attempts: u8,
    /// The delay after a failure or a timeout.
    pub backoff: BackoffConfig,
    /// The delay after being throttled without a hint.
    pub throttled: BackoffConfig,
    /// How long it is worth waiting for an open breaker, a pause or an empty budget, before each attempt; up to the call's
    /// deadline where absent.
    pub patience: Option<Duration>,
}

impl CallConfig {
    /// 9 attempts, 250 ms doubling up to 20 s, 1 s doubling up to 30 s when throttled, patient to the deadline.
    pub const DEFAULT: Self =
        Self { attempts: 9, backoff: BackoffConfig::DEFAULT, throttled: BackoffConfig::THROTTLED, patience: None };
}

impl Default for CallConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Why a [`CallConfig`] was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum CallError {
    /// No attempt at all.
    AttemptsIsZero,
    /// The backoff.
    Backoff(BackoffError),
    /// The backoff when throttled.
    Throttled(BackoffError),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AttemptsIsZero => f.write_str("a call of 0 attempts does nothing: give at least 1"),
            Self::Backoff(error) => error.fmt(f),
            Self::Throttled(error) => write!(f, "when throttled: {error}"),
        }
    }
}

impl core::error::Error for CallError {}

/// How often and how patiently a call tries: without state, shared by all calls that are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct CallPolicy {
    pub(super) backoff: Backoff,
    pub(super) throttled: Backoff,
    pub(super) patience_ns: Option<u64>,
    pub(super) attempts: NonZeroU8,
}

impl CallPolicy {
    /// Checks the settings.
    ///
    /// # Errors
    /// No attempt at all, or a backoff that is none.
    pub const fn new(config: CallConfig) -> Result<Self, CallError> {
        let Some(attempts) = NonZeroU8::new(config.attempts) else { return Err(CallError::AttemptsIsZero) };
        let backoff = match Backoff::new(config.backoff) {
            Ok(backoff) => backoff,
            Err(error) => return Err(CallError::Backoff(error)),
        };
        let throttled = match Backoff::new(config.throttled) {
            Ok(backoff) => backoff,
            Err(error) => return Err(CallError::Throttled(error)),
        };
        let patience_ns = match config.patience {
            Some(patience) => Some(nanos(patience)),
            None => None,
        };
        Ok(Self { backoff, throttled, patience_ns, attempts })
    }

    /// Attempts in all.
    pub const fn attempts(&self) -> u8 {
        self.attempts.get()
    }
}

const _: () = assert!(size_of::<CallPolicy>() <= 48);
