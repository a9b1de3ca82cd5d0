//! Takes the core's decisions on this processor and compares them with those of a host.
#![no_std]
#![no_main]

use semihosting::println;

#[board::entry]
fn main() -> ! {
    let digest = decisions::digest();
    let expected = decisions::EXPECTED;
    println!("decisions {digest:#018x}, expected {expected:#018x}");
    board::host::exit(digest == expected)
}
