//! embassy's executor, sleeping with WFI.
//!
//! embassy's own `executor-thread` sleeps with WFE, which QEMU's Cortex-M treats as a no-op: an idle guest burns a core of
//! the host, and virtual time does not skip ahead. With WFI an idle hour costs nothing. On silicon both idle alike.

use core::{
    ptr,
    sync::atomic::{AtomicBool, Ordering},
};

use embassy_executor::{Spawner, raw::Executor};
use static_cell::StaticCell;

/// Some task has been woken since the executor was last polled. True at first: newly spawned tasks want their turn.
static WOKEN: AtomicBool = AtomicBool::new(true);

/// What embassy calls, from tasks and interrupts alike, when a task becomes ready.
#[unsafe(export_name = "__pender")]
fn pender(_context: *mut ()) {
    WOKEN.store(true, Ordering::Release);
}

/// Runs what `spawn` spawns, for ever, and sleeps while no task is ready.
///
/// # Panics
/// If it is called twice: there is one processor.
pub fn run(spawn: impl FnOnce(Spawner)) -> ! {
    run_idling(spawn, cortex_m::asm::wfi)
}

/// As [`run`], with something else to do while no task is ready: `idle` is called then, with interrupts masked, and may wake
/// tasks.
///
/// # Panics
/// If it is called twice: there is one processor.
pub fn run_idling(spawn: impl FnOnce(Spawner), mut idle: impl FnMut()) -> ! {
    static EXECUTOR: StaticCell<Executor> = StaticCell::new();
    let executor: &'static Executor = EXECUTOR.init(Executor::new(ptr::null_mut()));
    spawn(executor.spawner());
    loop {
        // With interrupts masked nothing can wake a task between the question and the sleep; WFI ends on a pending
        // interrupt even so, and unmasking lets its handler run.
        cortex_m::interrupt::disable();
        if !WOKEN.load(Ordering::Acquire) {
            idle();
        }
        WOKEN.store(false, Ordering::Release);
        // SAFETY: interrupts were masked above, by this loop and nobody else.
        unsafe { cortex_m::interrupt::enable() };
        // SAFETY: the executor is polled here only, and this function runs once.
        unsafe { executor.poll() };
    }
}
