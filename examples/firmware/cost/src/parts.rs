//! Parts that stand alone.

use core::{hint::black_box as hidden, time::Duration};

use crate::counter::Counter;
use tidegate_core::{
    Entropy, Instant,
    backoff::{Backoff, BackoffConfig},
    latency::{LatencyConfig, RotatingBuckets},
    time::TickExtender,
};

pub(crate) fn measure(counter: &mut Counter) {
    counter.row("check: 100 instructions that do nothing, and a call", hundred_nops);
    counter.row("Instant::from_ticks at 1 kHz", || Instant::from_ticks(hidden(123_456_789), 1_000));
    counter.row("Instant::from_ticks at any rate", || Instant::from_ticks(hidden(123_456_789), hidden(32_768)));
    counter.row("Entropy::mix", || Entropy::mix(hidden(7), hidden(8), hidden(9)));
    let mut ticks = TickExtender::new();
    counter.row("TickExtender::extend", || ticks.extend(hidden(77)));

    let backoff = Backoff::new(BackoffConfig::DEFAULT).expect("valid");
    let mut failures = 0;
    counter.row("Backoff::delay, of 1 to 9 failures", || {
        failures = failures % 9 + 1;
        backoff.delay(hidden(failures), Duration::ZERO, Entropy::new(hidden(0x1234_5678)))
    });

    let mut latencies = RotatingBuckets::<{ LATENCY.cells() }>::new(LATENCY, Duration::from_secs(10)).expect("valid");
    let mut started = Instant::from_secs(1);
    counter.row("RotatingBuckets::record_since", || {
        started = started.saturating_add(Duration::from_millis(1));
        latencies.record_since(hidden(started.saturating_add(Duration::from_millis(20))), hidden(started));
    });
}

/// Not inlined: they would lie between a function and its constants, farther than a Cortex-M0 can reach.
#[inline(never)]
fn hundred_nops() {
    // SAFETY: they do nothing.
    unsafe { core::arch::asm!(".rept 100", "nop", ".endr") }
}

const LATENCY: LatencyConfig = LatencyConfig::DEFAULT;
