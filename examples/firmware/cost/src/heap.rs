//! As `nothing`, with a heap and the counter of instructions: what the peers' programs are compared with.
#![no_std]
#![no_main]

extern crate alloc;

mod counter;
mod footprint;
mod on_heap;

use core::hint::black_box as hidden;

use alloc::boxed::Box;
use counter::{Counter, Samples};
use semihosting::println;

#[board::entry]
fn main() -> ! {
    on_heap::start();
    let mut samples = Samples::new();
    samples.add(Counter::start().count(|| Box::new(hidden(1))).0);
    samples.print("an allocation");
    println!("  bytes  of");
    println!("{:>7}  Box", size_of::<Box<u32>>());
    footprint::end()
}
