//! Backoff, retry budget and concurrency limit.

use core::time::Duration;

use tidegate_core::{
    Entropy, Instant, Share,
    backoff::{Backoff, BackoffConfig, BackoffError},
    budget::{Exhausted, RetryBudget, RetryBudgetConfig, RetryBudgetError},
    limit::{ConcurrencyLimit, Full, LimitConfig, LimitError, Load, Slot},
};

#[unsafe(no_mangle)]
pub fn proven_backoff_new(config: BackoffConfig) -> Result<Backoff, BackoffError> {
    Backoff::new(config)
}

#[unsafe(no_mangle)]
pub fn proven_backoff_delay(backoff: &Backoff, failures: u32, previous: Duration, entropy: Entropy) -> Duration {
    Backoff::delay(backoff, failures, previous, entropy)
}

#[unsafe(no_mangle)]
pub fn proven_budget_new(config: RetryBudgetConfig) -> Result<RetryBudget, RetryBudgetError> {
    RetryBudget::new(config)
}

#[unsafe(no_mangle)]
pub fn proven_budget_available(budget: &RetryBudget, now: Instant) -> u32 {
    RetryBudget::available(budget, now)
}

#[unsafe(no_mangle)]
pub fn proven_budget(budget: &mut RetryBudget, now: Instant) -> Result<(), Exhausted> {
    RetryBudget::deposit(budget);
    RetryBudget::refund(budget);
    RetryBudget::try_withdraw(budget, now)
}

#[unsafe(no_mangle)]
pub fn proven_limit_new(config: LimitConfig) -> Result<ConcurrencyLimit, LimitError> {
    ConcurrencyLimit::new(config)
}

#[unsafe(no_mangle)]
pub fn proven_limit_fixed(limit: u16) -> LimitConfig {
    LimitConfig::fixed(limit)
}

#[unsafe(no_mangle)]
pub fn proven_limit_try_acquire(limit: &mut ConcurrencyLimit) -> Result<Slot, Full> {
    ConcurrencyLimit::try_acquire(limit)
}

#[unsafe(no_mangle)]
pub fn proven_limit_settle(limit: &mut ConcurrencyLimit, slot: Slot, load: Load, latency: Duration) {
    ConcurrencyLimit::settle(limit, slot, load, latency);
}

#[unsafe(no_mangle)]
pub fn proven_limit_bounds(limit: &mut ConcurrencyLimit, floor: u16, ceiling: u16) -> Result<(), LimitError> {
    ConcurrencyLimit::set_bounds(limit, floor, ceiling)
}

#[unsafe(no_mangle)]
pub fn proven_limit_look(limit: &ConcurrencyLimit) -> (u16, u16, u16) {
    (ConcurrencyLimit::limit(limit), ConcurrencyLimit::learnt(limit), ConcurrencyLimit::in_flight(limit))
}

#[unsafe(no_mangle)]
pub fn proven_share(part: u8, whole: u8) -> Share {
    Share::of(part, whole)
}
