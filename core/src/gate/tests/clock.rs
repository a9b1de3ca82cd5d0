//! Time that stands still, runs backwards, jumps, or began elsewhere.

use std::{format, string::String, vec::Vec};

use super::*;
use crate::outcome::Refusal;

/// Everything that a gate has, with jitter, so that a story touches each part.
fn config(seed: u64) -> GateConfig {
    let pick = |salt: u32, limit: u64| Entropy::mix(seed, 77, 0).derive(salt).up_to(limit);
    let rate = match pick(1, 2) {
        0 => RateControl::Unlimited,
        1 => SLOW_SERVER,
        _ => RateControl::Adaptive(AdaptiveRateConfig::DEFAULT),
    };
    let jitter = if pick(2, 1) == 0 { Jitter::None } else { Jitter::Equal };
    GateConfig {
        breaker: BreakerConfig {
            slow: (pick(3, 1) == 0).then_some(Share::of(1, 2)),
            probes: 1 + pick(4, 1) as u8,
            open: BackoffConfig { jitter, ..PLAIN.breaker.open },
            after_closing: if pick(5, 1) == 0 { AfterClosing::Ramp } else { AfterClosing::FullTraffic },
            ..PLAIN.breaker
        },
        rate,
        limit: LimitConfig { start: 3, floor: 1, ceiling: 6, ..LimitConfig::DEFAULT },
        budget: BUDGET,
        attempt_timeout: Duration::from_secs(8),
        slow_after: Duration::from_secs(2),
        lease: Duration::from_secs(9),
        ..PLAIN
    }
}

fn outcome(entropy: Entropy) -> Outcome {
    let outcomes = all_outcomes();
    outcomes.get(entropy.up_to(9) as usize).copied().unwrap_or(Outcome::Success)
}

/// A random story told from `origin`: every answer, with its instants counted from the origin.
fn story(seed: u64, origin: Instant) -> Vec<String> {
    let mut gate = gate(config(seed));
    let mut out: Vec<Ticket> = Vec::new();
    let mut told = Vec::new();
    let mut now = origin.plus_ns(Entropy::mix(seed, 0, 9).up_to(700_000_000));
    for step in 0..150 {
        let entropy = Entropy::mix(seed, step, 1);
        now = now.plus_ns([0, 0, 1_000_000, 400_000_000, 3_000_000_000, 40_000_000_000][entropy.up_to(5) as usize]);
        let since = |until: Instant| if until == Instant::MAX { i64::MAX } else { until.signed() - origin.signed() };
        match entropy.derive(1).up_to(9) {
            0..=4 => {
                let attempt = if entropy.derive(2).up_to(2) == 0 { Try::Again } else { Try::First };
                told.push(match gate.poll(now, attempt) {
                    Admission::Go(ticket) => {
                        let line = format!("go at {} probe {}", since(ticket.started()), ticket.is_probe());
                        out.push(ticket);
                        line
                    }
                    Admission::Wait { until, why } => format!("wait {} {why:?}", since(until)),
                    Admission::Full { until, why } => format!("full {} {why:?}", since(until)),
                    Admission::Never { why } => format!("never {why:?}"),
                });
            }
            5..=7 if !out.is_empty() => {
                let ticket = out.remove(entropy.derive(3).up_to(out.len() as u64 - 1) as usize);
                gate.settle(now, ticket, outcome(entropy.derive(4)), entropy.derive(5));
            }
            8 => gate.pause_until(now, now.plus_ns(entropy.derive(6).up_to(5_000_000_000))),
            9 => {
                let remaining = entropy.derive(7).up_to(15) as u32;
                gate.observe_quota(now, Quota { remaining, limit: Some(40), resets_in: Duration::from_secs(3) });
                if entropy.derive(8).up_to(7) == 0 {
                    gate.readmit();
                }
            }
            _ => {}
        }
        told.push(format!("{} {} {:?}", gate.in_flight(), gate.limit(), gate.interval()));
    }
    told
}

#[test]
fn shifting_all_times_by_a_constant_changes_no_decision() {
    for seed in 0..60 {
        let told = story(seed, Instant::ORIGIN);
        for shift in [1, 999_999_999, 86_400_000_000_000, 1 << 61, (1 << 62) + 12_345] {
            let shifted = story(seed, Instant::from_nanos(shift));
            for (step, (told, shifted)) in told.iter().zip(&shifted).enumerate() {
                assert_eq!(told, shifted, "seed {seed}, shifted by {shift} ns: decision {step} differs");
            }
        }
    }
}

#[test]
fn the_stories_told_are_rich() {
    let all: Vec<String> = (0..60).flat_map(|seed| story(seed, Instant::ORIGIN)).collect();
    for word in ["go", "probe true", "Open {", "Probing", "Paused", "Rate", "Budget", "InFlight", "never"] {
        assert!(all.iter().any(|line| line.contains(word)), "no story in which anything is {word}");
    }
}

#[test]
fn time_running_backwards_never_turns_a_refusal_into_an_admission() {
    for seed in 0..200 {
        let mut gate = gate(config(seed));
        let mut now = START;
        let mut out: Vec<Ticket> = Vec::new();
        let mut refusals = 0;
        for step in 0..200 {
            let entropy = Entropy::mix(seed, step, 2);
            now = now.plus_ns(entropy.up_to(1_500_000_000));
            let attempt = if entropy.derive(1).up_to(2) == 0 { Try::Again } else { Try::First };
            match gate.poll(now, attempt) {
                Admission::Go(ticket) => out.push(ticket),
                refused => {
                    refusals += 1;
                    for earlier in [Instant::ORIGIN, Instant::from_nanos(now.as_nanos() - 1), now] {
                        let seen = gate.peek(earlier, attempt);
                        let again = gate.poll(earlier, attempt);
                        assert_eq!(again, refused, "seed {seed}: refused at {now:?}, at {earlier:?} another answer");
                        assert_eq!(seen.as_ref(), Some(&refused), "seed {seed}: at {earlier:?} it looks otherwise");
                    }
                }
            }
            if entropy.derive(2).up_to(1) == 0
                && let Some(ticket) = out.pop()
            {
                // A reading that is late by up to an hour.
                let late = Instant::from_nanos(now.as_nanos() - entropy.derive(3).up_to(900_000_000_000));
                gate.settle(late, ticket, outcome(entropy.derive(4)), entropy.derive(5));
            }
        }
        assert!(refusals > 10, "seed {seed} tells of {refusals} refusals");
    }
}

#[test]
fn time_running_backwards_is_time_standing_still() {
    let (mut straight, mut crooked) = (gate(PLAIN), gate(PLAIN));
    for gate in [&mut straight, &mut crooked] {
        call(gate, START, Outcome::Success);
    }
    let ticket = go(&mut crooked, Instant::ORIGIN, Try::First);
    assert_eq!(ticket.started(), START, "an attempt does not start before the last one ended");
    crooked.settle(secs(0), ticket, Outcome::Failure, ENTROPY);
    call(&mut straight, START, Outcome::Failure);
    assert_eq!(straight, crooked);
}

#[test]
fn the_first_reading_decides_alone_in_any_state() {
    // Asked at `earlier` instead of `now`, from the same state: what is refused at `now` is refused earlier too.
    // Overdue calls are left out: that they are late is something only the later reading can know.
    for seed in 0..100 {
        for back_ns in [1, 1_000_000, 700_000_000, 20_000_000_000] {
            let replay = || {
                let config = config(seed);
                let mut gate = gate(GateConfig { breaker: BreakerConfig { slow: None, ..config.breaker }, ..config });
                let mut now = START;
                for step in 0..40 {
                    let entropy = Entropy::mix(seed, step, 3);
                    now = now.plus_ns(entropy.up_to(900_000_000));
                    if let Admission::Go(ticket) = gate.poll(now, Try::First)
                        && entropy.derive(1).up_to(3) > 0
                    {
                        gate.settle(now, ticket, outcome(entropy.derive(2)), entropy.derive(3));
                    }
                }
                (gate, now)
            };
            let ((mut early, seen), (mut late, _)) = (replay(), replay());
            let now = seen.plus_ns(Entropy::mix(seed, 4, back_ns).up_to(30_000_000_000));
            let earlier = Instant::from_nanos(now.as_nanos().saturating_sub(back_ns));
            let (early, late) = (early.poll(earlier, Try::Again), late.poll(now, Try::Again));
            let turned = matches!(early, Admission::Go(_)) && !matches!(late, Admission::Go(_));
            assert!(!turned, "seed {seed}: {late:?} at {now:?}, but {back_ns} ns earlier {early:?}");
        }
    }
}

#[test]
fn time_that_jumps_to_its_end_still_gives_an_answer() {
    for seed in 0..20 {
        let mut gate = gate(config(seed));
        let _lost = go(&mut gate, START, Try::First);
        for _ in 0..300 {
            let _: Option<Admission> = gate.peek(Instant::MAX, Try::Again);
            gate.pause_until(Instant::MAX, Instant::MAX);
            gate.observe_quota(Instant::MAX, Quota { remaining: 1, limit: None, resets_in: Duration::MAX });
            if let Admission::Go(ticket) = gate.poll(Instant::MAX, Try::First) {
                gate.settle(Instant::MAX, ticket, Outcome::Throttled { retry_after: Some(Duration::MAX) }, ENTROPY);
            }
            if let Admission::Go(ticket) = gate.poll(Instant::MAX, Try::Again) {
                gate.settle(Instant::MAX, ticket, Outcome::Refused(Refusal::Request), ENTROPY);
            }
        }
    }
}
