//! A rate limiter and nothing else.
#![no_std]
#![no_main]

mod footprint;

use core::{hint::black_box as hidden, time::Duration};

use static_cell::ConstStaticCell;
use tidegate_core::{
    Instant,
    rate::{Pacing, RateConfig, RateLimiter},
};

static LIMITER: ConstStaticCell<RateLimiter> = ConstStaticCell::new(match RateLimiter::new(RateConfig::DEFAULT) {
    Ok(limiter) => limiter,
    Err(_) => panic!("the default is valid"),
});

#[board::entry]
fn main() -> ! {
    let limiter = LIMITER.take();
    let mut now = hidden(Instant::from_secs(1));
    for _ in 0..hidden(100) {
        now = match limiter.try_acquire(now, 1) {
            Pacing::Go => now.saturating_add(hidden(Duration::from_millis(1))),
            Pacing::NotBefore(until) => until,
            Pacing::Never { .. } => break,
        };
    }
    footprint::end()
}
