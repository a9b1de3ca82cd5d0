//! Time as embassy-time keeps it: conversions, and its timer queue as a clock for [`drive`](crate::drive).
//!
//! embassy counts ticks of a rate that is fixed when the firmware is built. Rates that divide a second into whole nanoseconds
//! (1 kHz, 1 MHz) convert with one multiplication; others, like 32,768 Hz, with divisions. Sleeping rounds up to the next tick:
//! rather a tick late than one early.

use embassy_time::{TICK_HZ, Timer};

use crate::{drive::Clock, time::Instant};

impl From<embassy_time::Instant> for Instant {
    fn from(at: embassy_time::Instant) -> Self {
        match WHOLE_NS_PER_TICK {
            Some(ns) => Self::from_nanos(at.as_ticks().saturating_mul(ns)),
            None => Self::from_ticks(at.as_ticks(), TICK_HZ as u32),
        }
    }
}

/// The first tick that is not before `at`.
impl From<Instant> for embassy_time::Instant {
    fn from(at: Instant) -> Self {
        let ns = at.as_nanos();
        Self::from_ticks(match WHOLE_NS_PER_TICK {
            Some(ns_per_tick) => ns.div_ceil(ns_per_tick),
            None => {
                let (secs, rest_ns) = (ns / NS_PER_S, ns % NS_PER_S);
                // A rate fits 32 bits, so neither product overflows before it saturates.
                secs.saturating_mul(TICK_HZ).saturating_add((rest_ns * TICK_HZ).div_ceil(NS_PER_S))
            }
        })
    }
}

/// The clock of embassy-time, counted from its own start.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct EmbassyClock;

impl Clock for EmbassyClock {
    type Sleep = Timer;

    fn now(&self) -> Instant {
        embassy_time::Instant::now().into()
    }

    fn sleep_until(&self, at: Instant) -> Timer {
        Timer::at(at.into())
    }
}

const NS_PER_S: u64 = 1_000_000_000;
const WHOLE_NS_PER_TICK: Option<u64> = if NS_PER_S.is_multiple_of(TICK_HZ) { Some(NS_PER_S / TICK_HZ) } else { None };
const _: () = assert!(TICK_HZ > 0 && TICK_HZ <= u32::MAX as u64, "a tick rate of 1 Hz to 4 GHz");
