//! Instants, ticks and entropy.

use core::time::Duration;

use tidegate_core::{Entropy, Instant, time::TickExtender};

#[unsafe(no_mangle)]
pub fn proven_time_make(count: u64, hz: u32) -> [Instant; 5] {
    [
        Instant::from_nanos(count),
        Instant::from_micros(count),
        Instant::from_millis(count),
        Instant::from_secs(count),
        Instant::from_ticks(count, hz),
    ]
}

#[unsafe(no_mangle)]
pub fn proven_time_add(instant: Instant, span: Duration) -> u64 {
    Instant::as_nanos(Instant::saturating_add(instant, span))
}

#[unsafe(no_mangle)]
pub fn proven_time_since(instant: Instant, earlier: Instant) -> Duration {
    Instant::saturating_since(instant, earlier)
}

#[unsafe(no_mangle)]
pub fn proven_time_extend(ticks: &mut TickExtender, reading: u32) -> u64 {
    TickExtender::extend(ticks, reading)
}

#[unsafe(no_mangle)]
pub fn proven_time_extender() -> TickExtender {
    TickExtender::new()
}

#[unsafe(no_mangle)]
pub fn proven_entropy(word: u32, seed: u64, device: u64, count: u64) -> [Entropy; 2] {
    [Entropy::new(word), Entropy::mix(seed, device, count)]
}
