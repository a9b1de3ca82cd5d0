//! A heap of 4 KiB.

use embedded_alloc::LlffHeap;

#[global_allocator]
static HEAP: LlffHeap = LlffHeap::empty();

/// To be called once, before anything is allocated.
pub(crate) fn start() {
    const SIZE: usize = 4 * 1024;
    static mut MEMORY: [u8; SIZE] = [0; SIZE];
    // SAFETY: nobody else knows this memory, and programs call this once.
    unsafe { HEAP.init((&raw mut MEMORY) as usize, SIZE) }
}
