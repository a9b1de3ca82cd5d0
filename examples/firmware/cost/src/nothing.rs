//! What the others are compared with: the same start and end, and nothing in between.
#![no_std]
#![no_main]

mod footprint;

use core::hint::black_box as hidden;

use static_cell::ConstStaticCell;

static STATE: ConstStaticCell<u32> = ConstStaticCell::new(1);

#[board::entry]
fn main() -> ! {
    hidden(STATE.take());
    footprint::end()
}
