//! Proof, by linking, that no panic can be reached.
//!
//! Each function here exports one or more functions of the core, at an instantiation that is shipped, with arguments and
//! state that the compiler knows nothing about. The panic handler calls a function that nobody defines. If a single
//! path to a panic (an overflow, an index, a division, an unwrap) survives optimisation anywhere below, the program
//! does not link.
//!
//! State comes in by reference, so it is any value that its type allows, whether it can be reached or not. A function
//! that would overflow in a state that cannot be reached is not proven.
//!
//! What it does not show: that loops end, that the stack suffices, that the logic is right, that other instantiations,
//! targets, optimisation levels or compilers do as well.
//!
//! The functions of the core are called as `Type::function`, so that the listing beside this crate can see which are.
#![no_std]

use core::panic::PanicInfo;

mod breaker;
mod call;
mod client;
mod drive;
#[cfg(feature = "futures")]
mod futures;
mod gate;
mod hosts;
mod http;
mod latency;
mod limits;
mod rate;
mod tile;
mod time;
mod trace;

/// What a panic comes to: an undefined symbol.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn a_panic_can_be_reached() -> !;
    }
    // SAFETY: a program in which this call survives does not link.
    unsafe { a_panic_can_be_reached() }
}

/// The negative control: may overflow.
#[cfg(feature = "bad")]
#[unsafe(no_mangle)]
pub fn proven_bad(a: u32, b: u32) -> u32 {
    a + b
}
