//! embassy's clock and alarms on SysTick, without a periodic tick.
//!
//! SysTick is a 24-bit down-counter that every Cortex-M has: it counts from LOAD to zero, raises its exception and
//! starts over. Here a period is as long as it is until the next alarm, so an idle hour has no interrupts but those of
//! the counter's own end (every 1.3 s at 12.5 MHz). A tick of 1 kHz instead would keep the processor, and an
//! emulator's host, from ever sleeping.
//!
//! LOAD is read when a period *ends*. So as soon as a period has begun, LOAD is set to the longest one: should
//! interrupts be masked when the alarm falls due, the counter goes on from there and no time is lost for another 1.3 s.
//!
//! Beginning a period loses the few cycles between reading the counter and clearing it, a microsecond at most. That is
//! fit for timeouts and not for a calendar.

use core::{cell::RefCell, task::Waker};

use cortex_m::peripheral::{SCB, SYST, syst::SystClkSource};
use critical_section::{CriticalSection, Mutex};
use embassy_time_driver::{Driver, TICK_HZ};
use embassy_time_queue_utils::Queue;

use crate::CORE_HZ;

/// Starts the clock at zero. Before, it stands still, and alarms set are kept.
pub fn start(mut counter: SYST) {
    counter.set_clock_source(SystClkSource::Core);
    counter.set_reload(PERIOD_MAX - 1);
    counter.clear_current();
    counter.enable_counter();
    counter.enable_interrupt();
    critical_section::with(|cs| {
        DRIVER.clock.borrow(cs).replace(Some(Clock { counter, ticks: 0, cycles: 0, period: PERIOD_MAX }));
        DRIVER.arm(cs);
    });
}

embassy_time_driver::time_driver_impl!(static DRIVER: SysTickDriver = SysTickDriver {
    clock: Mutex::new(RefCell::new(None)),
    alarms: Mutex::new(RefCell::new(Queue::new())),
});

struct SysTickDriver {
    /// Nothing until it is started.
    clock: Mutex<RefCell<Option<Clock>>>,
    alarms: Mutex<RefCell<Queue>>,
}

/// The counter, and what its reading is to be added to.
struct Clock {
    counter: SYST,
    /// The time at which the running period began, in ticks.
    ticks: u64,
    /// Cycles past `ticks` at that time: less than [`TICK_CYCLES`].
    cycles: u32,
    /// Cycles from the running period's start to its exception.
    period: u32,
}

impl Clock {
    /// Cycles since the running period began. Beyond its end too, until its exception is served.
    fn elapsed(&self) -> u32 {
        let left = SYST::get_current();
        if !SCB::is_pendst_pending() {
            // Zero is the end: the counter is past the zero at its start whenever this can be asked.
            return self.period - left;
        }
        // The period has ended, and the longest one has followed; the first reading may be from either side of it.
        match SYST::get_current() {
            0 => self.period,
            left => self.period + (PERIOD_MAX - left),
        }
    }

    /// Ticks, and cycles past them, `elapsed` cycles after the running period began.
    fn after(&self, elapsed: u32) -> (u64, u32) {
        let cycles = self.cycles + elapsed;
        (self.ticks + u64::from(cycles / TICK_CYCLES), cycles % TICK_CYCLES)
    }

    fn now(&self) -> u64 {
        self.after(self.elapsed()).0
    }

    /// Ends the running period and begins one that ends with tick `at`, or as near to it as the counter reaches.
    fn begin(&mut self, at: u64) {
        let (ticks, cycles) = self.after(self.elapsed());
        let ahead = at.saturating_sub(ticks).min(u64::from(PERIOD_MAX / TICK_CYCLES)) as u32;
        let period = (ahead * TICK_CYCLES).saturating_sub(cycles).max(PERIOD_MIN);

        let elapsed = self.elapsed();
        self.counter.set_reload(period - 1);
        self.counter.clear_current();
        SCB::clear_pendst();
        // The counter shows zero until its next clock edge, and must not be taken for ended.
        while SYST::get_current() == 0 {}
        self.counter.set_reload(PERIOD_MAX - 1);

        (self.ticks, self.cycles) = self.after(elapsed);
        self.period = period;
    }

    /// Takes note that the running period ended, and that the longest one follows.
    fn end(&mut self) {
        (self.ticks, self.cycles) = self.after(self.period);
        self.period = PERIOD_MAX;
    }
}

impl SysTickDriver {
    /// Wakes what is due, and begins a period that ends with the earliest alarm.
    fn arm(&self, cs: CriticalSection) {
        if let Some(clock) = self.clock.borrow_ref_mut(cs).as_mut() {
            let next = self.alarms.borrow_ref_mut(cs).next_expiration(clock.now());
            clock.begin(next);
        }
    }
}

impl Driver for SysTickDriver {
    fn now(&self) -> u64 {
        critical_section::with(|cs| self.clock.borrow_ref(cs).as_ref().map_or(0, Clock::now))
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|cs| {
            let earliest_may_differ = self.alarms.borrow_ref_mut(cs).schedule_wake(at, waker);
            if earliest_may_differ {
                self.arm(cs);
            }
        });
    }
}

/// The end of a period. It must not be preempted by a handler that asks for the time, which holds as long as all
/// interrupts keep the priority they have after reset.
#[cortex_m_rt::exception]
fn SysTick() {
    critical_section::with(|cs| {
        if let Some(clock) = DRIVER.clock.borrow_ref_mut(cs).as_mut() {
            clock.end();
        }
        DRIVER.arm(cs);
    });
}

/// The counter has 24 bits.
const PERIOD_MAX: u32 = 1 << 24;
/// Long enough to be seen running before it ends.
const PERIOD_MIN: u32 = 64;
const TICK_CYCLES: u32 = CORE_HZ / TICK_HZ as u32;
const _: () = assert!(CORE_HZ as u64 % TICK_HZ == 0, "choose a tick that the processor's clock is a multiple of");
