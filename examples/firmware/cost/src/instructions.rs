//! Instructions per operation of the core, exact and the same on every run, and the bytes that its parts take.
//!
//! Run with `-icount shift=10`, QEMU makes each instruction take 1,024 ns of virtual time. SysTick counts that time, so
//! its difference around an operation, less that around none, is the number of instructions. Instructions are not
//! cycles: a division takes up to 12 of those, and flash has wait states that are not emulated.
//!
//! Each operation is counted by itself, many times over, because what it costs depends on what the policies are in the
//! middle of: the table shows what it costs usually (half of the times it is not more) and at most.
#![no_std]
#![no_main]

mod counter;
mod decisions;
mod parts;

use counter::Counter;
use semihosting::println;

#[board::entry]
fn main() -> ! {
    let mut counter = Counter::start();
    println!("usually  at most  instructions for");
    parts::measure(&mut counter);
    decisions::measure(&mut counter);
    println!("  bytes  of");
    decisions::sizes();
    board::host::exit(true)
}
