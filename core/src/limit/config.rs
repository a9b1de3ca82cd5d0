//! What a concurrency limit can be told.

use core::fmt;

use crate::share::Share;

/// How a [`ConcurrencyLimit`](super::ConcurrencyLimit) behaves.
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
    /// Up while more at once does not make each take longer, down while it does; a quarter less when too many fail.
    Gradient {
        /// The share of failures that is put up with.
        tolerated: Share,
    },
}

/// Settings of a [`ConcurrencyLimit`](super::ConcurrencyLimit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct LimitConfig {
    /// How it behaves.
    pub kind: LimitKind,
    /// The limit at first, from `floor` to `ceiling`. A gradient begins with a measure at half of it.
    pub start: u16,
    /// What it never goes below, at least 1.
    pub floor: u16,
    /// What it never goes above, at most 10,000.
    pub ceiling: u16,
}

impl LimitConfig {
    /// By the gradient of latency from 10 between 2 and 50, putting up with a third of failures.
    pub const DEFAULT: Self =
        Self { kind: LimitKind::Gradient { tolerated: Share::of(1, 3) }, start: 10, floor: 2, ceiling: 50 };

    /// AIMD with the same bounds and tolerance: for latencies that say nothing about load.
    pub const AIMD: Self = Self { kind: LimitKind::Aimd { tolerated: Share::of(1, 3) }, ..Self::DEFAULT };

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
