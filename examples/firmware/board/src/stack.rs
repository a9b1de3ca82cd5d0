//! How deep the stack ever was.
//!
//! cortex-m-rt's feature `paint-stack` fills the stack with a pattern before `main`. What still holds the pattern was
//! never written. A frame that reserves memory without writing it is not seen, so leave a margin.

use core::ptr::addr_of;

/// What cortex-m-rt paints with.
const PAINT: u32 = 0xcccc_cccc;

unsafe extern "C" {
    /// One past the highest word: the stack grows down from here.
    static _stack_start: u32;
    /// The lowest word: where the statics end.
    static _stack_end: u32;
}

/// Bytes there are for the stack: all RAM that no static takes.
pub fn size() -> usize {
    addr_of!(_stack_start) as usize - addr_of!(_stack_end) as usize
}

/// The most bytes of it that were in use at any time since boot.
pub fn high_water() -> usize {
    let top = addr_of!(_stack_start);
    let mut word = addr_of!(_stack_end);
    // SAFETY: aligned words of RAM between two symbols of the linker; reading them has no effect.
    while word < top && unsafe { word.read_volatile() } == PAINT {
        word = word.wrapping_add(1);
    }
    top as usize - word as usize
}
