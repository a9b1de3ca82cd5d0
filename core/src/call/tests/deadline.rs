//! Nothing starts at or after the deadline, and nobody waits for what cannot start before it.

use std::vec::Vec;

use super::*;

#[test]
fn a_backoff_past_the_deadline_ends_it_at_once() {
    let policy = policy(CALM);
    for (deadline, next) in [
        (millis(1_001), Next::Retry { at: secs(1) }),
        (secs(1), Next::Done(End::OutOfTime { resume_at: secs(1) })),
        (millis(1), Next::Done(End::OutOfTime { resume_at: secs(1) })),
    ] {
        let mut gate = gate(OPEN_GATE);
        let mut call = Call::new(&policy, deadline);
        assert_eq!(make(&mut call, START, &mut gate, Outcome::Failure), next, "deadline {deadline:?}");
    }
}

#[test]
fn a_hint_past_the_deadline_ends_it_at_once_and_says_when_to_come_back() {
    let policy = policy(CALM);
    for (hint, resume_at) in [(Duration::from_secs(120), secs(121)), (Duration::MAX, Instant::MAX)] {
        let mut gate = gate(OPEN_GATE);
        let mut call = Call::new(&policy, secs(60));
        let outcome = Outcome::Throttled { retry_after: Some(hint) };
        assert_eq!(make(&mut call, START, &mut gate, outcome), Next::Done(End::OutOfTime { resume_at }));
    }
}

#[test]
fn a_deadline_that_has_come_ends_it_whatever_it_waits_for() {
    let policy = policy(CALM);
    for now in [secs(5), secs(6), Instant::MAX] {
        let mut gate = gate(OPEN_GATE);
        let mut call = Call::new(&policy, secs(5));
        let end = End::OutOfTime { resume_at: now };
        assert_eq!(call.poll_behind(now, &mut gate), Step::Done(end));
        assert_eq!(call.poll(now, &mut gate), Step::Done(end));
    }
}

/// Each kind of obstacle that lasts to a known instant: 10 s from the start.
fn obstructed() -> [(Gate, &'static str); 3] {
    let mut open = gate(GATE);
    elsewhere(&mut open, START, Outcome::Failure);
    let mut paused = gate(GATE);
    paused.pause_until(START, secs(10));
    let rate = RateConfig { rate: Rate { count: 1, period: Duration::from_secs(10) }, burst: 1 };
    let mut slow = gate(GateConfig { rate: RateControl::Fixed(rate), ..GATE });
    elsewhere(&mut slow, START, Outcome::Success);
    [(open, "open"), (paused, "paused"), (slow, "rate")]
}

#[test]
fn what_lasts_past_the_deadline_is_not_waited_for() {
    let policy = policy(CALM);
    for (mut gate, name) in obstructed() {
        let mut late = Call::new(&policy, secs(10));
        let end = Step::Done(End::OutOfTime { resume_at: secs(10) });
        assert_eq!(late.poll(secs(1), &mut gate), end, "{name}: it would have waited nine seconds for nothing");
        let mut behind = Call::new(&policy, secs(10));
        assert_eq!(behind.poll_behind(secs(1), &mut gate), end, "{name}, behind the head");
        let mut in_time = Call::new(&policy, millis(10_001));
        assert!(matches!(in_time.poll(secs(1), &mut gate), Step::Wait { until, .. } if until == secs(10)), "{name}");
        assert!(attempt(&mut in_time, secs(10), &mut gate).started() < in_time.deadline());
    }
}

#[test]
fn what_may_end_earlier_is_waited_for_until_the_deadline() {
    let policy = policy(CALM);
    // A place may come back at any time, whatever its lease says.
    let mut full = gate(GateConfig { limit: LimitConfig::fixed(1), ..GATE });
    let Admission::Go(out) = full.poll(START, Try::First) else { panic!("nothing is in the way") };
    let mut call = Call::new(&policy, secs(5));
    assert!(matches!(call.poll(START, &mut full), Step::Full { until, .. } if until == secs(5)));
    full.settle(secs(4), out, Outcome::Success, ENTROPY);
    let _ticket = attempt(&mut call, secs(4), &mut full);

    let mut forced = gate(GATE);
    forced.set_breaker_mode(BreakerMode::ForcedOpen);
    let mut call = Call::new(&policy, secs(5));
    assert!(matches!(call.poll(START, &mut forced), Step::Wait { until, why: Why::ForcedOpen } if until == secs(5)));
    assert_eq!(call.poll(secs(5), &mut forced), Step::Done(End::OutOfTime { resume_at: secs(5) }));
}

#[test]
fn no_attempt_starts_at_or_after_the_deadline_and_none_beyond_its_number() {
    let config = CallConfig {
        attempts: 5,
        backoff: BackoffConfig { jitter: Jitter::Full, ..CALM.backoff },
        throttled: BackoffConfig { jitter: Jitter::Equal, ..CALM.throttled },
        patience: Some(Duration::from_secs(8)),
    };
    let policy = policy(config);
    let mut ends: Vec<core::mem::Discriminant<End>> = Vec::new();
    for seed in 0..2_000 {
        let drawn = |salt: u32, limit: u64| Entropy::mix(seed, 1, 1).derive(salt).up_to(limit);
        let rate = RateConfig { rate: Rate::per_second(1), burst: 2 };
        let budget =
            RetryBudgetConfig { reserve: 1, reserve_refill: Duration::from_secs(15), ..RetryBudgetConfig::POLITE };
        let mut gate = gate(GateConfig {
            breaker: BreakerConfig { window: 4, calls_min: 3, ..GATE.breaker },
            rate: if drawn(1, 1) == 0 { RateControl::Unlimited } else { RateControl::Fixed(rate) },
            budget: (drawn(2, 1) == 0).then_some(budget),
            ..GATE
        });
        let deadline = START.plus_ns(drawn(3, 60_000_000_000));
        let mut call = Call::new(&policy, deadline);
        let mut now = START;
        let mut starts = 0;
        let end = loop {
            let entropy = Entropy::mix(seed, now.as_nanos(), 2);
            match call.poll(now, &mut gate) {
                Step::Attempt(ticket) => {
                    starts += 1;
                    assert!(
                        ticket.started() < deadline,
                        "seed {seed}: started at {:?} of {deadline:?}",
                        ticket.started()
                    );
                    assert!(starts <= 5, "seed {seed}: a sixth attempt of five");
                    now = now.plus_ns(entropy.up_to(3_000_000_000));
                    let outcome = match entropy.derive(1).up_to(9) {
                        0 => Outcome::Success,
                        1 => Outcome::Empty,
                        2..=4 => Outcome::Failure,
                        5 => Outcome::Timeout,
                        6 => Outcome::Throttled { retry_after: None },
                        7 => Outcome::Throttled { retry_after: Some(Duration::from_secs(entropy.derive(2).up_to(40))) },
                        8 => Outcome::Refused(Refusal::Request),
                        _ => Outcome::Cancelled,
                    };
                    match call.settle(now, &mut gate, ticket, outcome, entropy.derive(3)) {
                        Next::Retry { at } => {
                            assert!(at >= now && at < deadline, "seed {seed}: a retry at {at:?} of {deadline:?}");
                            now = at;
                        }
                        Next::Done(end) => break end,
                    }
                }
                Step::Wait { until, .. } | Step::Full { until, .. } => {
                    assert!(until > now && until <= deadline, "seed {seed}: told to wait until {until:?} at {now:?}");
                    now = until;
                }
                Step::Done(end) => break end,
            }
        };
        ends.push(core::mem::discriminant(&end));
        assert_eq!(call.attempts(), starts);
        assert_eq!(gate.in_flight(), 0, "seed {seed}: {end:?} left a place taken");
    }
    let resume_at = START;
    for end in [
        End::Succeeded,
        End::Exhausted { attempts: 5, resume_at },
        End::OutOfPatience { why: Why::Queued, resume_at },
        End::OutOfTime { resume_at },
    ] {
        assert!(ends.contains(&core::mem::discriminant(&end)), "no story ended with {end:?}");
    }
}

#[test]
fn a_gate_that_has_seen_a_later_time_starts_nothing_after_the_deadline() {
    let policy = policy(CALM);
    let mut gate = gate(GATE);
    elsewhere(&mut gate, secs(100), Outcome::Success);
    let mut call = Call::new(&policy, secs(60));
    let step = call.poll(secs(50), &mut gate);
    assert_eq!(step, Step::Done(End::OutOfTime { resume_at: secs(100) }));
    assert_eq!(gate.in_flight(), 0);
}
