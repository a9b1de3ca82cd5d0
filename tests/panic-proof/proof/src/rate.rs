//! The rate limiters.

use core::time::Duration;

use tidegate_core::{
    Instant,
    rate::{
        AdaptiveRate, AdaptiveRateConfig, AdaptiveRateError, Grant, Pacing, Rate, RateConfig, RateConfigError,
        RateLimiter,
    },
};

#[unsafe(no_mangle)]
pub fn proven_rate_new(config: RateConfig) -> Result<RateLimiter, RateConfigError> {
    RateLimiter::new(config)
}

#[unsafe(no_mangle)]
pub fn proven_rate_unlimited() -> RateLimiter {
    RateLimiter::unlimited()
}

#[unsafe(no_mangle)]
pub fn proven_rate_per_second(count: u32) -> Rate {
    Rate::per_second(count)
}

#[unsafe(no_mangle)]
pub fn proven_rate_try_acquire(limiter: &mut RateLimiter, now: Instant, cells: u32) -> Pacing {
    RateLimiter::try_acquire(limiter, now, cells)
}

#[unsafe(no_mangle)]
pub fn proven_rate_refund(limiter: &mut RateLimiter, taken_at: Instant, cells: u32) {
    RateLimiter::refund(limiter, taken_at, cells);
}

#[unsafe(no_mangle)]
pub fn proven_rate_pause(limiter: &mut RateLimiter, until: Instant) {
    RateLimiter::pause_until(limiter, until);
}

#[unsafe(no_mangle)]
pub fn proven_rate_change(limiter: &mut RateLimiter, now: Instant, config: RateConfig) -> Result<(), RateConfigError> {
    RateLimiter::set_rate(limiter, now, config)
}

#[unsafe(no_mangle)]
pub fn proven_rate_look(limiter: &RateLimiter) -> (Instant, u32, Duration) {
    (RateLimiter::next_at(limiter), RateLimiter::burst(limiter), RateLimiter::interval(limiter))
}

#[unsafe(no_mangle)]
pub fn proven_adaptive_new(config: AdaptiveRateConfig) -> Result<AdaptiveRate, AdaptiveRateError> {
    AdaptiveRate::new(config)
}

#[unsafe(no_mangle)]
pub fn proven_adaptive_try_acquire(rate: &mut AdaptiveRate, now: Instant) -> Result<Grant, Instant> {
    AdaptiveRate::try_acquire(rate, now)
}

#[unsafe(no_mangle)]
pub fn proven_adaptive_success(rate: &mut AdaptiveRate, now: Instant, grant: Grant) {
    AdaptiveRate::on_success(rate, now, grant);
}

#[unsafe(no_mangle)]
pub fn proven_adaptive_throttled(rate: &mut AdaptiveRate, now: Instant, grant: Grant, retry_after: Option<Duration>) {
    AdaptiveRate::on_throttled(rate, now, grant, retry_after);
}

#[unsafe(no_mangle)]
pub fn proven_adaptive_refund(rate: &mut AdaptiveRate, grant: Grant) {
    AdaptiveRate::refund(rate, grant);
}

#[unsafe(no_mangle)]
pub fn proven_adaptive_pause(rate: &mut AdaptiveRate, until: Instant) -> Duration {
    AdaptiveRate::pause_until(rate, until);
    AdaptiveRate::interval(rate)
}
