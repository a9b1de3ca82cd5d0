//! A backoff and nothing else: what a device pays that only wants to know when to try again.
#![no_std]
#![no_main]

mod footprint;

use core::{hint::black_box as hidden, time::Duration};

use static_cell::ConstStaticCell;
use tidegate_core::{
    Entropy,
    backoff::{Backoff, BackoffConfig},
};

static BACKOFF: ConstStaticCell<Backoff> = ConstStaticCell::new(match Backoff::new(BackoffConfig::DEFAULT) {
    Ok(backoff) => backoff,
    Err(_) => panic!("the default is valid"),
});

#[board::entry]
fn main() -> ! {
    let backoff = BACKOFF.take();
    let mut delay = Duration::ZERO;
    for failures in 1..hidden(9) {
        delay = hidden(backoff.delay(failures, delay, Entropy::mix(1, 2, failures.into())));
    }
    footprint::end()
}
