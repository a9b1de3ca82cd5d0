//! An hour of timers on the executor and clock of the firmware: none early, none late.
//!
//! Sleeps of milliseconds, of seconds beyond what SysTick's 24 bits hold, and of minutes run side by side.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU32, Ordering};

use embassy_executor::Spawner;
use embassy_time::{Duration, Instant, Timer};
use semihosting::println;

const HOUR: Duration = Duration::from_secs(3_600);

/// Timers that ended too early or too late, in all tasks.
static WRONG: AtomicU32 = AtomicU32::new(0);
/// Timers that ended.
static ENDED: AtomicU32 = AtomicU32::new(0);

#[board::entry]
fn main() -> ! {
    let counter = cortex_m::Peripherals::take().expect("nothing has taken them before main").SYST;
    board::time::start(counter);
    board::executor::run(|spawner| {
        for every in [Duration::from_millis(777), Duration::from_secs(11), Duration::from_secs(601)] {
            start(spawner, every);
        }
        spawner.spawn(end().expect("one task of this kind"));
    })
}

fn start(spawner: Spawner, every: Duration) {
    spawner.spawn(sleeper(every).expect("the pool has a place for each"));
}

#[embassy_executor::task(pool_size = 3)]
async fn sleeper(every: Duration) {
    loop {
        let due = Instant::now() + every;
        Timer::at(due).await;
        let late = Instant::now().checked_duration_since(due);
        // Counters without compare-and-swap: tasks do not interrupt each other.
        ENDED.store(ENDED.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        if late.is_none_or(|late| late > Duration::from_millis(1)) {
            WRONG.store(WRONG.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }
}

#[embassy_executor::task]
async fn end() {
    Timer::at(Instant::MIN + HOUR).await;
    let now = Instant::now().as_millis();
    let (ended, wrong) = (ENDED.load(Ordering::Relaxed), WRONG.load(Ordering::Relaxed));
    println!("timers {ended} ended, {wrong} early or late, at {now} ms");
    board::host::exit(wrong == 0 && ended > 4_000)
}
