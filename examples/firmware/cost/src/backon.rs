//! backon's exponential backoff with jitter.
#![no_std]
#![no_main]

extern crate alloc;

mod counter;
mod footprint;
mod on_heap;

use core::{hint::black_box as hidden, time::Duration};

use alloc::boxed::Box;
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use counter::{Counter, Samples};
use semihosting::println;

#[board::entry]
fn main() -> ! {
    // Not that it needs one: so that all of these programs have the same beginning.
    on_heap::start();
    let counter = Counter::start();
    let mut delays = Samples::new();
    for seed in 0..hidden(50) {
        let builder = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(250))
            .with_max_delay(Duration::from_secs(20))
            .with_max_times(9)
            .with_jitter()
            .with_jitter_seed(hidden(seed));
        let mut backoff = Box::new(builder.build());
        for _ in 0..9 {
            delays.add(counter.count(|| backoff.next()).0);
        }
    }
    delays.print("backon: delay, of 1 to 9 failures");
    println!("  bytes  of");
    println!("{:>7}  backon: ExponentialBackoff", size_of::<ExponentialBackoff>());
    footprint::end()
}
