//! Time in all its shapes, and calls in any order.

use std::{fs, path::Path};

use tidegate_core::{
    Quota, Refusal,
    breaker::BreakerMode,
    rate::{Pacing, RateLimiter},
    time::TickExtender,
};

use super::*;

#[test]
fn a_reading_one_millisecond_old_refills_nothing() {
    let mut limiter = RateLimiter::new(RateConfig { rate: Rate::per_second(10), burst: 100 }).expect("valid settings");
    assert_eq!(limiter.try_acquire(START, 100), Pacing::Go);
    // Two threads, one of which read the clock a millisecond before the other.
    let mut admitted = 0;
    for step in 0..10_000 {
        let now = millis(step / 10);
        let old = Instant::from_nanos(now.as_nanos() - 1_000_000);
        admitted += [old, now, old].into_iter().filter(|now| limiter.try_acquire(*now, 1) == Pacing::Go).count();
    }
    assert!((9..=10).contains(&admitted), "{admitted} in the second after the burst, at ten a second");
}

#[test]
fn a_late_reading_is_neither_better_nor_worse_off() {
    for late in [Duration::from_millis(1), Duration::from_secs(900)] {
        let mut gate = gate(GateConfig { rate: per_second(10, 5), ..config() });
        let early = Instant::from_nanos(START.as_nanos() - late.as_nanos() as u64);
        let _first = go(&mut gate, START);
        let rest: Vec<Ticket> = all(&mut gate, early);
        assert_eq!(rest.len(), 4, "denied although the burst is there, or granted although it is spent");
        assert_eq!(told(&mut gate, early).0, millis(100));
        assert!(rest.iter().all(|ticket| ticket.started() == START), "nothing starts before what came before it");
    }
}

/// What a gate on a device whose counter of milliseconds starts at `origin_ms` says to two minutes of traffic.
fn on_a_device(origin_ms: u32) -> Vec<(u64, bool)> {
    let config = config();
    let mut gate = gate(GateConfig { rate: per_second(2, 3), limit: LimitConfig::fixed(4), ..config });
    let mut ticks = TickExtender::new();
    let mut first = None;
    let mut said = Vec::new();
    for step in 0..1_200u32 {
        let extended = ticks.extend(origin_ms.wrapping_add(step * 100));
        let now = Instant::from_ticks(extended, 1_000);
        let origin = *first.get_or_insert(now);
        let since = now.saturating_since(origin).as_millis() as u64;
        let admission = gate.poll(now, Try::First);
        said.push((since, matches!(admission, Admission::Go(_))));
        if let Admission::Go(ticket) = admission {
            let outcome = if step % 200 < 60 { Outcome::Failure } else { Outcome::Success };
            gate.settle(now, ticket, outcome, ENTROPY);
        }
    }
    said
}

#[test]
fn nothing_happens_when_32_bits_of_milliseconds_wrap() {
    let plain = on_a_device(0);
    assert!(plain.iter().any(|(_, went)| *went) && plain.iter().any(|(_, went)| !*went));
    // 49.7 days, half of that, and every place within the two minutes at which the wrap can fall.
    for before_the_wrap in [1, 99, 100, 5_000, 60_000, 119_900, 1 << 31] {
        assert_eq!(on_a_device(0u32.wrapping_sub(before_the_wrap)), plain, "{before_the_wrap} ms before the wrap");
    }
}

#[test]
fn odd_rates_neither_truncate_nor_drift() {
    let day = Duration::from_secs(86_400);
    for (count, period) in [(60_000, day / 1_440), (7, day / 1_440), (999, day / 86_400), (1, day * 7), (3, day)] {
        let mut limiter =
            RateLimiter::new(RateConfig { rate: Rate { count, period }, burst: 1 }).expect("valid settings");
        let (mut now, mut cells) = (START, 0);
        let end = START.saturating_add(period * 10);
        while now < end {
            match limiter.try_acquire(now, 1) {
                Pacing::Go => cells += 1,
                Pacing::NotBefore(until) => now = until,
                never @ Pacing::Never { .. } => panic!("{never:?}"),
            }
        }
        assert!((count * 10 - 1..=count * 10).contains(&cells), "{cells} in ten times {period:?} at {count} each");
    }
}

#[test]
fn the_end_of_time_is_an_answer_and_no_panic() {
    assert_eq!(Instant::MAX.saturating_add(Duration::MAX), Instant::MAX);
    assert_eq!(Instant::ORIGIN.saturating_since(Instant::MAX), Duration::ZERO);
    let mut gate = gate(GateConfig { rate: per_second(1, 1), ..config() });
    for now in [Instant::ORIGIN, Instant::MAX, START, Instant::MAX] {
        gate.pause_until(now, Instant::MAX);
        if let Admission::Go(ticket) = gate.poll(now, Try::First) {
            gate.settle(now, ticket, Outcome::Throttled { retry_after: Some(Duration::MAX) }, Entropy::new(u32::MAX));
        }
    }
}

#[test]
fn a_call_that_takes_no_time_at_all_gives_its_place_back() {
    let adaptive = LimitConfig { start: 2, floor: 1, ceiling: 4, ..LimitConfig::DEFAULT };
    let mut gate = gate(GateConfig { limit: adaptive, ..config() });
    for step in 0..1_000 {
        let ticket = go(&mut gate, START);
        // Settled at the instant of its start, and before it.
        let settled_at = if step % 2 == 0 { START } else { Instant::ORIGIN };
        gate.settle(settled_at, ticket, Outcome::Success, ENTROPY);
        assert_eq!(gate.in_flight(), 0, "a coarse clock leaked a place");
    }
}

#[test]
fn the_core_uses_no_atomics() {
    fn look(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).expect("the core's sources are there") {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() && !path.ends_with("tests") {
                look(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a readable source");
                let shipped = text.split("#[cfg(test)]").next().unwrap_or_default();
                if path.file_name().is_some_and(|name| name != "tests.rs") && shipped.contains("sync::atomic") {
                    found.push(path.display().to_string());
                }
            }
        }
    }
    let mut found = Vec::new();
    look(&Path::new(env!("CARGO_MANIFEST_DIR")).join("core/src"), &mut found);
    assert!(found.is_empty(), "a Cortex-M0 has no compare-and-swap: {found:?}");
}

#[test]
fn no_order_of_calls_panics() {
    let outcomes = [
        Outcome::Success,
        Outcome::Failure,
        Outcome::Timeout,
        Outcome::Throttled { retry_after: None },
        Outcome::Refused(Refusal::Access),
        Outcome::Cancelled,
        Outcome::Unsent,
    ];
    for seed in 0..200 {
        let config = GateConfig { id: 1, ..GateConfig::DEFAULT };
        let mut gates = [gate(config), gate(GateConfig { id: 2, ..config })];
        let mut out: Vec<Ticket> = Vec::new();
        for step in 0..300 {
            let pick = |salt: u64, among: u64| drawn(seed, step, salt, among) as usize;
            // Any reading of the clock, ever.
            let now = [Instant::ORIGIN, START, secs(step), secs(step * 1_000), Instant::MAX][pick(1, 5)];
            let gate = &mut gates[pick(2, 2)];
            match pick(3, 8) {
                0..=2 => {
                    if let Admission::Go(ticket) = gate.poll(now, if pick(4, 2) == 0 { Try::First } else { Try::Again })
                    {
                        out.push(ticket);
                    }
                }
                3 | 4 if !out.is_empty() => {
                    // The ticket of either gate, whatever became of it meanwhile.
                    let ticket = out.swap_remove(pick(5, out.len() as u64));
                    gate.settle(now, ticket, outcomes[pick(6, 7)], Entropy::mix(seed, step, 7));
                }
                5 => gate.pause_until(now, secs(step * 7)),
                6 => gate.observe_quota(
                    now,
                    Quota { remaining: pick(8, 3) as u32, limit: Some(0), resets_in: Duration::MAX },
                ),
                7 => gate.set_breaker_mode([BreakerMode::ForcedOpen, BreakerMode::Enforce][pick(9, 2)]),
                _ => gate.readmit(),
            }
        }
    }
}

#[test]
fn whoever_waits_as_told_is_never_told_the_same_instant_again() {
    let config = config();
    let third = Rate { count: 3, period: Duration::from_nanos(10_000_001) };
    let mut gate = gate(GateConfig { rate: RateControl::Fixed(RateConfig { rate: third, burst: 1 }), ..config });
    let (mut now, mut polls, mut went) = (START, 0, 0);
    while went < 1_000 {
        polls += 1;
        match gate.poll(now, Try::First) {
            Admission::Go(ticket) => {
                went += 1;
                gate.settle(now, ticket, Outcome::Success, ENTROPY);
            }
            Admission::Wait { until, .. } | Admission::Full { until, .. } => {
                assert!(until > now, "told at {now:?} to come back at {until:?}: a loop that sleeps for nothing");
                now = until;
            }
            never @ Admission::Never { .. } => panic!("{never:?}"),
        }
    }
    assert!(polls <= 2 * went, "{polls} polls for {went} requests");
}
