//! governor's limiter, with the clock that is told the time: the part of a gate that it would take the place of is the rate.
#![no_std]
#![no_main]

extern crate alloc;

mod counter;
mod footprint;
mod on_heap;

use core::{hint::black_box as hidden, num::NonZeroU32, time::Duration};

use counter::{Counter, Samples};
use governor::{
    Quota, RateLimiter,
    clock::FakeRelativeClock,
    state::{InMemoryState, NotKeyed},
};
use semihosting::println;

type Limiter = RateLimiter<NotKeyed, InMemoryState, FakeRelativeClock>;

#[board::entry]
fn main() -> ! {
    on_heap::start();
    let clock = FakeRelativeClock::default();
    let quota = Quota::per_second(hidden(NonZeroU32::MIN));
    let limiter = Limiter::direct_with_clock(quota, &clock);
    let counter = Counter::start();
    let [mut granted, mut refused] = [const { Samples::new() }; 2];
    for _ in 0..hidden(500) {
        clock.advance(hidden(Duration::from_secs(1)));
        for (samples, expected) in [(&mut granted, true), (&mut refused, false)] {
            let (instructions, is_granted) = counter.count(|| limiter.check().is_ok());
            assert!(is_granted == expected, "one is granted each second, and one alone");
            samples.add(instructions);
        }
    }
    granted.print("governor: check, granted");
    refused.print("governor: check, refused");
    println!("  bytes  of");
    println!("{:>7}  governor: limiter, and 16 on the heap", size_of::<Limiter>());
    footprint::end()
}
