//! What can be broken.

use tidegate_core::Why;
use tidegate_core::gate::SnapshotError;

/// A promise that was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// More in flight than may be.
    #[error("an attempt was admitted with {in_flight} in flight where {limit} may be")]
    OverLimit {
        /// In flight before it.
        in_flight: u32,
        /// How many may be.
        limit: u16,
    },
    /// A limit beyond what is configured.
    #[error("the limit in flight is {limit}, but was to stay from {floor} to {ceiling}")]
    LimitOutOfBounds {
        /// As the gate has it.
        limit: u16,
        /// The least that is configured.
        floor: u16,
        /// The most.
        ceiling: u16,
    },
    /// A rate beyond what is configured.
    #[error("the interval between requests is {interval_ns} ns, but was to stay from {fastest_ns} to {slowest_ns} ns")]
    RateOutOfBounds {
        /// As the gate has it.
        interval_ns: u64,
        /// The shortest that is configured.
        fastest_ns: u64,
        /// The longest.
        slowest_ns: u64,
    },
    /// The gate's own count is not that of those who saw it.
    #[error("the gate counts {counted} in flight, but {seen} are")]
    Miscounted {
        /// By the gate.
        counted: u16,
        /// In truth.
        seen: u32,
    },
    /// An attempt while the breaker is open.
    #[error("an attempt was admitted {early_ns} ns before the breaker's open time is over")]
    WhileOpen {
        /// How long before.
        early_ns: u64,
    },
    /// More probes than may be out.
    #[error("a probe was admitted with {out} of {probes} out")]
    Probes {
        /// Out before it.
        out: u32,
        /// How many may be.
        probes: u8,
    },
    /// An attempt while the server wants to be left alone.
    #[error("an attempt was admitted {early_ns} ns before the server's pause is over")]
    WhilePaused {
        /// How long before.
        early_ns: u64,
    },
    /// An attempt at a server that refused access too often.
    #[error("an attempt was admitted after access was refused {in_a_row} times in a row")]
    WhileDenied {
        /// Refusals without an answer in between.
        in_a_row: u8,
    },
    /// A retry before the time that the server gave.
    #[error("a call tried again {early_ns} ns before the server's hint")]
    BeforeHint {
        /// How long before.
        early_ns: u64,
    },
    /// An attempt at or after the call's deadline.
    #[error("an attempt was admitted {late_ns} ns after the call's deadline")]
    PastDeadline {
        /// How long after.
        late_ns: u64,
    },
    /// More attempts than the call may make.
    #[error("attempt {attempt} of a call that may make {attempts}")]
    TooManyAttempts {
        /// Which one.
        attempt: u32,
        /// How many there may be.
        attempts: u8,
    },
    /// A retry that nothing paid for.
    #[error("a retry was admitted with {saved} of {cost} saved, {early_ns} ns before the reserve has one")]
    OverBudget {
        /// What answers earned and nobody spent.
        saved: u64,
        /// What a retry costs of it.
        cost: u64,
        /// How long before.
        early_ns: u64,
    },
    /// An attempt before its time at the fixed rate, or at the highest that an adaptive one may reach.
    #[error("an attempt was admitted {early_ns} ns before the rate allows it")]
    OverRate {
        /// How long before.
        early_ns: u64,
    },
    /// A refusal for a reason that is none: something was held back although nothing was in the way.
    #[error("an attempt was refused for no reason: {0}")]
    HeldBack(Why),
    /// "Come back" later than what is in the way will be gone.
    #[error("told to come back {late_ns} ns after the reason is gone: {why}")]
    TooLate {
        /// How long after.
        late_ns: u64,
        /// What was in the way.
        why: Why,
    },
    /// The gate gave its server up although access was not refused often enough.
    #[error("the gate admits nothing any more after access was refused {in_a_row} times in a row")]
    Barred {
        /// Refusals without an answer in between.
        in_a_row: u8,
    },
    /// "Come back" at a time that is not in the future: a driver would spin.
    #[error("told to come back {behind_ns} ns ago")]
    WaitInThePast {
        /// How long ago; zero is now.
        behind_ns: u64,
    },
    /// A gate does not take what one like it has just saved.
    #[error("a snapshot was not taken back: {0}")]
    NotRestored(SnapshotError),
    /// Calls, attempts or requests that are neither ended nor in progress.
    #[error("{began} began, {ended} ended and {alive} are in progress: {} are lost", (*.began).abs_diff(*.ended + *.alive))]
    Unbalanced {
        /// Calls, attempts or requests.
        began: u64,
        /// Of these.
        ended: u64,
        /// Of these.
        alive: u64,
    },
}
