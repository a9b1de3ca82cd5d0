//! Properties of the core for arbitrary settings and stories, against naive oracles.
//!
//! Each upper bound has a lower bound beside it: a limiter that never admits anything keeps every upper bound.

use std::time::Duration;

use proptest::prelude::*;
use tidegate_core::{
    Admission, Call, CallConfig, CallPolicy, Entropy, Gate, GateConfig, Instant, Next, Outcome, RateControl, Refusal,
    Share, Step, Ticket, Try,
    backoff::{Backoff, BackoffConfig, Growth, Jitter},
    breaker::{BreakerConfig, BreakerState, Counts, PeriodWindow, Sample, Window},
    budget::{RetryBudget, RetryBudgetConfig},
    gate::{Downtime, SNAPSHOT_BYTES},
    limit::LimitConfig,
    rate::{Pacing, Rate, RateConfig, RateLimiter},
};

const START: Instant = Instant::from_secs(1 << 20);

fn plus(now: Instant, span_ns: u64) -> Instant {
    now.saturating_add(Duration::from_nanos(span_ns))
}

prop_compose! {
    fn backoffs()(
        growth in prop_oneof![
            Just(Growth::Constant), Just(Growth::Linear), Just(Growth::Exponential), Just(Growth::Decorrelated)
        ],
        jitter in prop_oneof![Just(Jitter::None), Just(Jitter::Full), Just(Jitter::Equal)],
        base_ms in 1u64..100_000,
        over_ms in 0u64..10_000_000,
    ) -> BackoffConfig {
        let jitter = if matches!(growth, Growth::Decorrelated) { Jitter::None } else { jitter };
        BackoffConfig {
            growth,
            base: Duration::from_millis(base_ms),
            cap: Duration::from_millis(base_ms + over_ms),
            jitter,
        }
    }
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => Just(Outcome::Success),
        1 => Just(Outcome::Empty),
        3 => Just(Outcome::Failure),
        1 => Just(Outcome::Timeout),
        1 => (0u64..20_000).prop_map(|ms| Outcome::Throttled { retry_after: Some(Duration::from_millis(ms)) }),
        1 => Just(Outcome::Throttled { retry_after: None }),
        1 => Just(Outcome::Refused(Refusal::Request)),
        1 => Just(Outcome::Cancelled),
        1 => Just(Outcome::Unsent),
    ]
}

proptest! {
    /// Not above the cap and not below the kind's lower end; without jitter the exact formula, in wider numbers.
    #[test]
    fn a_delay_keeps_to_both_of_its_bounds(
        config in backoffs(),
        failures in prop_oneof![0u32..70, any::<u32>()],
        previous_ms in 0u64..20_000_000,
        word in any::<u32>(),
    ) {
        let backoff = Backoff::new(config).expect("valid settings");
        let previous = Duration::from_millis(previous_ms);
        let delay = backoff.delay(failures, previous, Entropy::new(word)).as_nanos();
        let (base, cap) = (config.base.as_nanos(), config.cap.as_nanos());
        let n = u128::from(failures.max(1));
        let upper = cap.min(match config.growth {
            Growth::Constant => base,
            Growth::Linear => base * n,
            Growth::Exponential => base << (n - 1).min(60),
            Growth::Decorrelated => 3 * base.max(previous.as_nanos()),
        });
        let lower = match (config.growth, config.jitter) {
            (Growth::Decorrelated, _) => base,
            (_, Jitter::None) => upper,
            (_, Jitter::Full) => 0,
            (_, Jitter::Equal) => upper / 2,
        };
        prop_assert!(lower <= delay && delay <= upper, "{delay} not in {lower}..={upper}");
        // Both ends are reached, to one part in 2^31.
        let end = |word| backoff.delay(failures, previous, Entropy::new(word)).as_nanos();
        prop_assert!(end(0) <= lower + 1 && end(u32::MAX) + (upper >> 31) + 2 >= upper);
    }

    /// In any span at most the burst and the rate; and whoever always asks gets all of it.
    #[test]
    fn a_limiter_gives_what_is_allowed_no_more_and_no_less(
        count in 1u32..2_000,
        period_ms in 2u64..100_000,
        burst in 1u32..20,
        gaps_ns in prop::collection::vec(prop_oneof![Just(0u64), 0..5_000_000u64, 0..3_000_000_000u64], 1..300),
        lateness_ns in 0u64..10_000_000_000,
    ) {
        let period = Duration::from_millis(period_ms);
        let config = RateConfig { rate: Rate { count, period }, burst };
        prop_assume!(RateLimiter::new(config).is_ok());
        let mut limiter = RateLimiter::new(config).expect("valid settings");
        let interval_ns = limiter.interval().as_nanos() as u64;
        prop_assert_eq!(interval_ns, (period.as_nanos() as u64).div_ceil(u64::from(count)));
        let (mut now, mut admitted) = (START, Vec::new());
        for (step, gap_ns) in gaps_ns.iter().enumerate() {
            now = plus(now, *gap_ns);
            let late = Instant::from_nanos(now.as_nanos() - lateness_ns);
            let reading = if step % 3 == 2 { late } else { now };
            if limiter.try_acquire(reading, 1) == Pacing::Go {
                admitted.push(reading);
            }
        }
        admitted.sort_unstable();
        for (first, from) in admitted.iter().enumerate() {
            for (last, to) in admitted.iter().enumerate().skip(first) {
                let span_ns = to.saturating_since(*from).as_nanos() as u64;
                let (cells, allowed) = ((last - first + 1) as u64, u64::from(burst) + span_ns / interval_ns);
                prop_assert!(cells <= allowed, "{cells} in {span_ns} ns, {allowed} allowed");
            }
        }
        // Less: at the instants that it names itself, it admits; after a rest, the whole burst.
        let mut now = plus(now, interval_ns * u64::from(burst) * 2);
        for _ in 0..burst {
            prop_assert_eq!(limiter.try_acquire(now, 1), Pacing::Go);
        }
        for _ in 0..20 {
            let Pacing::NotBefore(until) = limiter.try_acquire(now, 1) else { return Err(TestCaseError::fail("early")) };
            prop_assert!(until > now && until.saturating_since(now).as_nanos() as u64 <= interval_ns);
            now = until;
            prop_assert_eq!(limiter.try_acquire(now, 1), Pacing::Go);
        }
    }

    /// Retries never exceed what answers and time earned, and what was earned can be spent.
    #[test]
    fn a_budget_gives_what_was_earned_no_more_and_no_less(
        retries in 0u16..20,
        answers in 1u16..20,
        saved_max in 0u16..30,
        reserve in 1u16..5,
        story in prop::collection::vec((0u8..4, 0u64..3_000), 1..300),
    ) {
        let refill = Duration::from_secs(1);
        let config = RetryBudgetConfig { retries, answers, saved_max, reserve, reserve_refill: refill };
        let mut budget = RetryBudget::new(config).expect("valid settings");
        let (mut now, mut deposits, mut spent) = (START, 0u64, 0u64);
        for (what, span_ms) in story {
            match what {
                0 => now = plus(now, span_ms * 1_000_000),
                1 => {
                    budget.deposit();
                    deposits += 1;
                }
                _ => spent += u64::from(budget.try_withdraw(now).is_ok()),
            }
            let seconds = now.saturating_since(START).as_secs();
            let allowed = deposits * u64::from(retries) / u64::from(answers) + u64::from(reserve) + seconds;
            prop_assert!(spent <= allowed, "{spent} retries, {allowed} earned");
        }
        let drain = |budget: &mut RetryBudget, now| (0..10_000).take_while(|_| budget.try_withdraw(now).is_ok()).count();
        drain(&mut budget, now);
        (0..answers).for_each(|_| budget.deposit());
        prop_assert_eq!(drain(&mut budget, now), usize::from(retries.min(saved_max)), "a round of answers");
        let rested = plus(now, 1_000_000_000 * u64::from(reserve));
        prop_assert_eq!(drain(&mut budget, rested), usize::from(reserve), "a rest");
    }

    /// All of the last nine tenths of the period, and nothing that is older than the period.
    #[test]
    fn a_period_window_holds_what_a_list_holds(
        period_ms in 10u64..100_000,
        story in prop::collection::vec((0u64..100_000, any::<bool>(), any::<bool>()), 1..200),
    ) {
        let period = Duration::from_millis(period_ms);
        let mut window = PeriodWindow::last(period).expect("in range");
        let (mut now, mut list) = (START, Vec::new());
        for (gap_us, failed, slow) in story {
            now = plus(now, gap_us * period_ms);
            window.record(now, Sample { failed, slow });
            list.push((now, failed, slow));
            let counts = window.counts(now);
            let within = |span: Duration| {
                let young = list.iter().filter(|(at, ..)| now.saturating_since(*at) < span);
                young.fold(Counts::default(), |sum, (_, failed, slow)| Counts {
                    calls: sum.calls + 1,
                    failed: sum.failed + u32::from(*failed),
                    slow: sum.slow + u32::from(*slow),
                })
            };
            let (least, most) = (within(period * 9 / 10), within(period + Duration::from_nanos(10)));
            for (least, count, most) in [
                (least.calls, counts.calls, most.calls),
                (least.failed, counts.failed, most.failed),
                (least.slow, counts.slow, most.slow),
            ] {
                prop_assert!(least <= count && count <= most, "{count} not in {least}..={most}");
            }
        }
    }
}

prop_compose! {
    fn gates()(
        window in 1u8..=64,
        part in 1u8..=10,
        calls_min in 1u16..=64,
        slow in prop::option::of(1u8..=10),
        open in backoffs(),
        probes in 1u8..5,
        successes in 1u8..5,
        rate in prop_oneof![
            Just(RateControl::Unlimited),
            (1u32..100, 1u32..20)
                .prop_map(|(count, burst)| RateControl::Fixed(RateConfig { rate: Rate::per_second(count), burst })),
            Just(GateConfig::DEFAULT.rate),
        ],
        start in 1u16..20,
        room in 0u16..10,
        budget in prop::option::of(Just(RetryBudgetConfig::POLITE)),
        times in (1u64..5_000, 1u64..20_000, 1u64..100_000),
    ) -> GateConfig {
        let open = if matches!(open.growth, Growth::Decorrelated) { BreakerConfig::DEFAULT.open } else { open };
        let (slow_ms, timeout_ms, lease_ms) = (times.0, times.0 + times.1, times.0 + times.1 + times.2);
        GateConfig {
            breaker: BreakerConfig {
                window,
                calls_min: calls_min.min(u16::from(window)),
                failed: Share::of(part, 10),
                slow: slow.map(|part| Share::of(part, 10)),
                open,
                probes,
                successes,
                ..BreakerConfig::DEFAULT
            },
            rate,
            limit: LimitConfig { start, floor: 1, ceiling: start + room, ..LimitConfig::DEFAULT },
            budget,
            slow_after: Duration::from_millis(slow_ms),
            attempt_timeout: Duration::from_millis(timeout_ms),
            lease: Duration::from_millis(lease_ms),
            id: 0,
        }
    }
}

/// What happens to a gate: a gap in time, a poll or a settle or neither, and the word for it.
type Story = Vec<(u64, u8, Outcome, u32)>;

fn stories() -> impl Strategy<Value = Story> {
    let gaps = prop_oneof![3 => Just(0u64), 3 => 0..50_000_000u64, 1 => 0..30_000_000_000u64];
    prop::collection::vec((gaps, 0u8..8, outcomes(), any::<u32>()), 1..200)
}

/// Plays a story from `origin` and notes every decision, with its instant counted from there.
fn play(gate: &mut Gate, origin: Instant, story: &Story, out: &mut Vec<Ticket>) -> Vec<String> {
    let since = |until: Instant| match until {
        Instant::MAX => None,
        until => Some(until.saturating_since(origin)),
    };
    let mut now = origin;
    let mut told = Vec::new();
    for (gap_ns, what, outcome, word) in story {
        now = plus(now, *gap_ns);
        let attempt = if word % 3 == 0 { Try::Again } else { Try::First };
        match what {
            0..=3 => told.push(match gate.poll(now, attempt) {
                Admission::Go(ticket) => {
                    let line = format!("go {:?} {}", since(ticket.started()), ticket.is_probe());
                    out.push(ticket);
                    line
                }
                Admission::Wait { until, why } => format!("wait {:?} {why}", since(until)),
                Admission::Full { until, why } => format!("full {:?} {why}", since(until)),
                Admission::Never { why } => format!("never {why}"),
            }),
            4..=6 if !out.is_empty() => {
                let ticket = out.swap_remove(*word as usize % out.len());
                gate.settle(now, ticket, *outcome, Entropy::new(*word));
            }
            _ => {
                let _lost = out.pop();
            }
        }
        told.push(format!("{} {} {:?}", gate.in_flight(), gate.limit(), gate.interval()));
    }
    told
}

proptest! {
    /// Whatever happens, places are bounded, come back, and time and success lead back to health.
    #[test]
    fn a_gate_loses_no_place_and_always_recovers(config in gates(), story in stories()) {
        let mut gate = Gate::new(config).expect("valid settings");
        let mut out = Vec::new();
        play(&mut gate, START, &story, &mut out);
        prop_assert!(gate.in_flight() <= config.limit.ceiling.max(config.limit.start));
        let told: u64 = story.iter().map(|(gap_ns, ..)| gap_ns).sum();
        // Every lease has ended, and every pause and open time, which are at most three hours.
        let mut now = plus(START, told).saturating_add(config.lease * 2 + Duration::from_secs(3 * 3_600));
        drop(out);
        let _: Option<Admission> = gate.peek(now, Try::First);
        prop_assert_eq!(gate.in_flight(), 0, "a place was lost for good");
        let mut successes = 0;
        for _ in 0..2_000 {
            match gate.poll(now, Try::First) {
                Admission::Go(ticket) => {
                    gate.settle(now, ticket, Outcome::Success, Entropy::new(7));
                    successes += 1;
                }
                Admission::Wait { until, .. } | Admission::Full { until, .. } => now = until,
                Admission::Never { why } => return Err(TestCaseError::fail(format!("{why}"))),
            }
            if gate.is_healthy() && successes > 0 {
                break;
            }
        }
        let closed = matches!(gate.breaker().state(), BreakerState::Closed { .. });
        prop_assert!(closed && gate.is_healthy(), "{:?} after {successes} successes", gate.breaker().state());
    }

    /// The same story an age later is the same story.
    #[test]
    fn shifting_all_times_changes_no_decision(
        config in gates(),
        story in stories(),
        shift_ns in prop_oneof![0u64..100_000_000_000, 0u64..1 << 62],
    ) {
        let told = |origin| play(&mut Gate::new(config).expect("valid settings"), origin, &story, &mut Vec::new());
        prop_assert_eq!(told(Instant::ORIGIN), told(Instant::from_nanos(shift_ns)));
    }

    /// Refused stays refused for whoever reads an earlier time.
    #[test]
    fn an_earlier_reading_never_turns_a_refusal_into_an_admission(
        config in gates(),
        story in stories(),
        earlier_ns in prop::collection::vec(0u64..100_000_000_000, 1..5),
    ) {
        let mut gate = Gate::new(config).expect("valid settings");
        let mut out = Vec::new();
        play(&mut gate, START, &story, &mut out);
        let now = plus(START, story.iter().map(|(gap_ns, ..)| gap_ns).sum());
        let refused = loop {
            match gate.poll(now, Try::First) {
                Admission::Go(ticket) => out.push(ticket),
                refused => break refused,
            }
        };
        for span_ns in earlier_ns {
            let earlier = Instant::from_nanos(now.as_nanos() - span_ns);
            prop_assert_eq!(&gate.poll(earlier, Try::First), &refused);
        }
    }

    /// Any bytes are safe to load; a snapshot makes the loaded gate wait as the saved one would have.
    #[test]
    fn a_snapshot_carries_every_wait_and_damage_is_found(
        config in gates(),
        story in stories(),
        damage in prop::collection::vec((0..SNAPSHOT_BYTES, 1u8..), 1..4),
        bytes in prop::collection::vec(any::<u8>(), SNAPSHOT_BYTES),
    ) {
        let mut gate = Gate::new(config).expect("valid settings");
        let mut out = Vec::new();
        play(&mut gate, START, &story, &mut out);
        let now = plus(START, story.iter().map(|(gap_ns, ..)| gap_ns).sum());
        let saved = gate.snapshot(now);
        let mut loaded = Gate::new(config).expect("valid settings");
        loaded.restore(Instant::ORIGIN, &saved, Downtime::Unknown).expect("just saved");
        // What is in flight is not carried over, and a half-open breaker begins its probes anew: all else is.
        let waits = matches!(gate.breaker().state(), BreakerState::Closed { .. } | BreakerState::Open { .. });
        if let (Admission::Wait { until, .. }, true) = (gate.poll(now, Try::First), waits) {
            let left = until.saturating_since(now);
            match loaded.poll(Instant::ORIGIN, Try::First) {
                Admission::Wait { until, .. } => prop_assert_eq!(until.saturating_since(Instant::ORIGIN), left),
                other => return Err(TestCaseError::fail(format!("{left:?} were left, the loaded gate says {other:?}"))),
            }
        }
        let mut damaged = saved;
        damage.iter().for_each(|(index, bits)| damaged[*index] ^= bits);
        prop_assert!(damaged == saved || loaded.restore(now, &damaged, Downtime::Unknown).is_err());
        let mut random = [0; SNAPSHOT_BYTES];
        random.copy_from_slice(&bytes);
        let _: Result<(), _> = loaded.restore(now, &random, Downtime::AtLeast(Duration::MAX));
    }

    /// A call ends, in time, after at most its attempts, and never starts one before a hint is over.
    #[test]
    fn a_call_keeps_to_its_attempts_its_deadline_and_every_hint(
        config in gates(),
        backoff in backoffs(),
        attempts in 1u8..6,
        patience_ms in prop::option::of(0u64..60_000),
        deadline_ms in 0u64..200_000,
        outcomes in prop::collection::vec((outcomes(), any::<u32>(), 0u64..3_000), 6),
    ) {
        let patience = patience_ms.map(Duration::from_millis);
        let policy = CallPolicy::new(CallConfig { attempts, backoff, throttled: backoff, patience }).expect("valid settings");
        let mut gate = Gate::new(config).expect("valid settings");
        let deadline = plus(START, deadline_ms * 1_000_000);
        let mut call = Call::new(&policy, deadline);
        let (mut now, mut not_before, mut made) = (START, START, 0usize);
        for _ in 0..1_000 {
            match call.poll(now, &mut gate) {
                Step::Attempt(ticket) => {
                    let started = ticket.started();
                    prop_assert!(started < deadline && started >= not_before, "{started:?}: {not_before:?} to {deadline:?}");
                    prop_assert!(made < usize::from(attempts));
                    let (outcome, word, took_ms) = outcomes[made];
                    made += 1;
                    now = plus(now, took_ms * 1_000_000);
                    if let Outcome::Throttled { retry_after: Some(hint) } = outcome {
                        not_before = now.saturating_add(hint);
                    }
                    match call.settle(now, &mut gate, ticket, outcome, Entropy::new(word)) {
                        Next::Retry { at } => {
                            prop_assert!(at >= not_before && at < deadline);
                            now = at;
                        }
                        Next::Done(_) => return Ok(()),
                    }
                }
                Step::Wait { until, .. } | Step::Full { until, .. } => {
                    prop_assert!(until > now && until <= deadline);
                    now = until;
                }
                Step::Done(_) => return Ok(()),
            }
        }
        prop_assert!(false, "it never ends");
    }
}
