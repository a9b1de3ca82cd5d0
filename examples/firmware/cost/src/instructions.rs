//! Instructions per operation of the core, exact and the same on every run.
//!
//! Run with `-icount shift=10`, QEMU makes each instruction take 1,024 ns of virtual time. SysTick counts that time, so
//! its difference around an operation, less that around none, is the number of instructions. Instructions are not
//! cycles: a division takes up to 12 of those, and flash has wait states that are not emulated.
#![no_std]
#![no_main]

use core::hint::black_box as hidden;

use cortex_m::peripheral::{SYST, syst::SystClkSource};
use semihosting::println;
use tidegate_core::{Entropy, Instant, time::TickExtender};

/// Operations per measurement: the counter's tick is shorter than an instruction, so this rounds to hundredths.
const REPEAT: u32 = 100;
/// `-icount shift=10`.
const INSTRUCTION_NS: u64 = 1 << 10;

#[board::entry]
fn main() -> ! {
    let mut counter = cortex_m::Peripherals::take().expect("nothing has taken them before main").SYST;
    counter.set_clock_source(SystClkSource::Core);
    counter.set_reload(COUNTER_MASK);
    counter.clear_current();
    counter.enable_counter();

    let nothing = measure(|| {});
    let row = |name: &str, total: u32| {
        let hundredths = total.saturating_sub(nothing) * 100 / REPEAT;
        println!("{:>5}.{:02}  {name}", hundredths / 100, hundredths % 100);
    };

    row("check: 100 instructions that do nothing", measure(hundred_nops));
    row("Instant::from_ticks at 1 kHz", measure(|| Instant::from_ticks(hidden(123_456_789), 1_000)));
    row("Instant::from_ticks at any rate", measure(|| Instant::from_ticks(hidden(123_456_789), hidden(32_768))));
    row("Entropy::mix", measure(|| Entropy::mix(hidden(7), hidden(8), hidden(9))));
    let mut ticks = TickExtender::new();
    row("TickExtender::extend", measure(|| ticks.extend(hidden(77))));

    println!(
        "bytes: Instant {}, Entropy {}, TickExtender {}",
        size_of::<Instant>(),
        size_of::<Entropy>(),
        size_of::<TickExtender>()
    );
    board::host::exit(true)
}

/// Instructions that [`REPEAT`] operations take, with the loop around them.
#[inline(never)]
fn measure<R>(mut operation: impl FnMut() -> R) -> u32 {
    let before = SYST::get_current();
    for _ in 0..REPEAT {
        hidden(operation());
    }
    let cycles = before.wrapping_sub(SYST::get_current()) & COUNTER_MASK;
    let ns = u64::from(cycles) * 1_000_000_000 / u64::from(board::CORE_HZ);
    ((ns + INSTRUCTION_NS / 2) / INSTRUCTION_NS) as u32
}

fn hundred_nops() {
    // SAFETY: they do nothing.
    unsafe { core::arch::asm!(".rept 100", "nop", ".endr") }
}

const COUNTER_MASK: u32 = 0x00ff_ffff;
