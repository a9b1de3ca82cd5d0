//! Counts instructions by the time they take.

use core::hint::black_box as hidden;

use cortex_m::peripheral::{SYST, syst::SystClkSource};
use semihosting::println;

/// SysTick, and what reading it costs.
pub(crate) struct Counter {
    nothing: u32,
    _timer: SYST,
}

/// What an operation costs, time after time.
pub(crate) struct Samples {
    counts: [u16; SAMPLES_MAX],
    count: usize,
}

impl Counter {
    pub(crate) fn start() -> Self {
        let mut timer = cortex_m::Peripherals::take().expect("nothing has taken them before main").SYST;
        timer.set_clock_source(SystClkSource::Core);
        timer.set_reload(COUNTER_MASK);
        timer.clear_current();
        timer.enable_counter();
        let mut counter = Self { nothing: 0, _timer: timer };
        // The most that nothing ever took: an operation is rather counted one instruction too cheap than one for the clock.
        counter.nothing = (0..SAMPLES_MAX).map(|_| counter.count(|| {}).0).max().unwrap_or(0);
        counter
    }

    /// Instructions of one operation, and what it gave.
    pub(crate) fn count<R>(&self, operation: impl FnOnce() -> R) -> (u32, R) {
        let before = SYST::get_current();
        let result = operation();
        // By reference: to look at it costs nothing, to copy it would.
        hidden(&result);
        let cycles = before.wrapping_sub(SYST::get_current()) & COUNTER_MASK;
        let ns = u64::from(cycles) * 1_000_000_000 / u64::from(board::CORE_HZ);
        // A tick is shorter than an instruction, so rounding to the nearest one is exact.
        let instructions = ((ns + INSTRUCTION_NS / 2) / INSTRUCTION_NS) as u32;
        (instructions.saturating_sub(self.nothing), result)
    }

    /// A row for an operation that costs the same each time, or nearly.
    #[allow(dead_code, reason = "not every program has such an operation")]
    pub(crate) fn row<R>(&self, name: &str, mut operation: impl FnMut() -> R) {
        let mut samples = Samples::new();
        (0..SAMPLES_MAX).for_each(|_| samples.add(self.count(&mut operation).0));
        samples.print(name);
    }
}

impl Samples {
    pub(crate) const fn new() -> Self {
        Self { counts: [0; SAMPLES_MAX], count: 0 }
    }

    /// One more; those beyond the first [`SAMPLES_MAX`] count only where they cost more than the last of these.
    pub(crate) fn add(&mut self, instructions: u32) {
        let instructions = instructions.min(u32::from(u16::MAX)) as u16;
        if let Some(place) = self.counts.get_mut(self.count) {
            *place = instructions;
            self.count += 1;
        } else if let Some(most) = self.counts.iter_mut().max() {
            *most = instructions.max(*most);
        }
    }

    pub(crate) fn print(&mut self, name: &str) {
        let Some(counts) = self.counts.get_mut(..self.count) else { return };
        counts.sort_unstable();
        let usually = counts.get(counts.len() / 2).copied().unwrap_or(0);
        let most = counts.last().copied().unwrap_or(0);
        println!("{usually:>7}  {most:>7}  {name}");
    }
}

/// `-icount shift=10`.
const INSTRUCTION_NS: u64 = 1 << 10;
const COUNTER_MASK: u32 = 0x00ff_ffff;
const SAMPLES_MAX: usize = 500;
