//! Other settings while running: what is owed stays owed, what is outstanding stays outstanding.

use std::vec::Vec;

use super::*;

#[track_caller]
fn reconfigure(gate: &mut Gate, now: Instant, config: GateConfig) {
    gate.reconfigure(now, config).expect("valid settings");
}

#[test]
fn what_is_in_flight_drains_under_a_lower_limit() {
    let mut gate = gate(GateConfig { limit: LimitConfig::fixed(5), ..PLAIN });
    let out = [(); 5].map(|()| go(&mut gate, START, Try::First));
    reconfigure(&mut gate, START, GateConfig { limit: LimitConfig::fixed(2), ..PLAIN });
    assert_eq!((gate.in_flight(), gate.limit()), (5, 2));
    for (left, ticket) in (0..5).rev().zip(out) {
        assert!(matches!(gate.poll(START, Try::First), Admission::Full { .. }), "{} are out", left + 1);
        gate.settle(START, ticket, Outcome::Success, ENTROPY);
        assert_eq!(gate.in_flight(), left, "a ticket from before settles as before");
        if left < 2 {
            break;
        }
    }
    let _next = go(&mut gate, START, Try::First);
}

#[test]
fn the_next_instant_stays_and_a_slower_rate_spends_the_burst() {
    let fixed = |per_second, burst| RateControl::Fixed(RateConfig { rate: Rate::per_second(per_second), burst });
    let mut gate = gate(GateConfig { rate: fixed(1, 1), ..PLAIN });
    let _out = go(&mut gate, START, Try::First);
    reconfigure(&mut gate, START, GateConfig { rate: RateControl::Unlimited, ..PLAIN });
    let refused = gate.poll(START, Try::First);
    assert!(matches!(refused, Admission::Wait { until, .. } if until == secs(1)), "an amnesty: {refused:?}");
    let _burst = [(); 50].map(|()| go(&mut gate, secs(60), Try::First));
    reconfigure(&mut gate, secs(60), GateConfig { rate: fixed(2, 50), ..PLAIN });
    assert!(matches!(gate.poll(secs(60), Try::First), Admission::Wait { until, .. } if until == millis(60_500)));
}

#[test]
fn a_pause_and_a_pace_stay() {
    let mut gate = gate(PLAIN);
    gate.pause_until(START, secs(60));
    reconfigure(&mut gate, secs(1), GateConfig { rate: SLOW_SERVER, limit: LimitConfig::fixed(3), ..PLAIN });
    assert!(
        matches!(gate.poll(secs(59), Try::First), Admission::Wait { until, why: Why::Paused { .. } } if until == secs(60))
    );
}

#[test]
fn an_open_breaker_stays_open_and_a_forced_one_forced() {
    let mut gate = gate(PLAIN);
    trip(&mut gate, START);
    let wider = BreakerConfig { window: 64, calls_min: 64, ..PLAIN.breaker };
    reconfigure(&mut gate, START, GateConfig { breaker: wider, ..PLAIN });
    assert!(matches!(gate.poll(secs(9), Try::First), Admission::Wait { until, .. } if until == secs(10)));
    assert!(go(&mut gate, secs(10), Try::First).is_probe());
    gate.set_breaker_mode(BreakerMode::ForcedOpen);
    reconfigure(&mut gate, secs(10), PLAIN);
    assert_eq!(gate.breaker().mode(), BreakerMode::ForcedOpen);
}

#[test]
fn probes_that_are_out_are_counted_under_the_new_settings() {
    let two = BreakerConfig { probes: 2, ..PLAIN.breaker };
    let mut gate = gate(GateConfig { breaker: two, ..PLAIN });
    trip(&mut gate, START);
    let [first, second] = [(); 2].map(|()| go(&mut gate, secs(10), Try::First));
    reconfigure(&mut gate, secs(10), PLAIN);
    let probing = Why::Probing { outstanding: 2, probes: 1 };
    assert!(matches!(gate.poll(secs(10), Try::First), Admission::Wait { why, .. } if why == probing));
    gate.settle(secs(10), first, Outcome::Cancelled, ENTROPY);
    assert!(
        matches!(gate.poll(secs(10), Try::First), Admission::Wait { .. }),
        "one is still out of the one there may be"
    );
    gate.settle(secs(10), second, Outcome::Success, ENTROPY);
    assert!(gate.is_healthy());
}

#[test]
fn what_the_budget_saved_stays_up_to_its_new_cap_and_its_reserve_stays_spent() {
    let retries = |gate: &mut Gate| {
        let out = core::iter::from_fn(|| match gate.poll(START, Try::Again) {
            Admission::Go(ticket) => Some(ticket),
            _ => None,
        });
        out.count()
    };
    for (saved_max, expected) in [(5, 3), (2, 2), (0, 0)] {
        let mut gate = gate(GateConfig { budget: BUDGET, ..PLAIN });
        let _reserve = go(&mut gate, START, Try::Again);
        (0..6).for_each(|_| call(&mut gate, START, Outcome::Success));
        let budget = BUDGET.map(|budget| RetryBudgetConfig { saved_max, answers: 3, ..budget });
        reconfigure(&mut gate, START, GateConfig { budget, ..PLAIN });
        assert_eq!(retries(&mut gate), expected, "three were saved, a cap of {saved_max}");
    }
}

#[test]
fn tickets_settle_as_before_under_another_lease() {
    for (before_s, after_s) in [(600, 10), (30, 300), (30, 21), (86_400, 1_500)] {
        let lease = |lease_s: u64| GateConfig {
            attempt_timeout: Duration::from_millis(9_000),
            slow_after: Duration::from_millis(9_000),
            lease: Duration::from_secs(lease_s),
            limit: LimitConfig::fixed(1),
            ..PLAIN
        };
        let mut gate = gate(lease(before_s));
        let ticket = go(&mut gate, START, Try::First);
        reconfigure(&mut gate, START, lease(after_s));
        for late in [before_s * 1_000_000_000 / 3 - 1, before_s * 1_000_000_000 - 1].map(|ns| START.plus_ns(ns)) {
            assert!(
                matches!(gate.poll(late, Try::First), Admission::Full { .. }),
                "{before_s} s to {after_s} s, {late:?}"
            );
        }
        gate.settle(START.plus_ns(before_s * 1_000_000_000 - 1), ticket, Outcome::Success, ENTROPY);
        assert_eq!(gate.in_flight(), 0, "from {before_s} s to {after_s} s: the place is kept until the lease ends");
    }
}

#[test]
fn another_lease_holds_from_when_nothing_is_out() {
    for (before_s, after_s) in [(86_400, 30), (30, 86_400)] {
        let lease = |lease_s: u64| GateConfig { lease: Duration::from_secs(lease_s), ..PLAIN };
        for settled_before in [true, false] {
            let mut gate = gate(lease(before_s));
            let first = go(&mut gate, START, Try::First);
            let mut settle = Some(first);
            if settled_before {
                gate.settle(START, settle.take().expect("the first"), Outcome::Success, ENTROPY);
            }
            reconfigure(&mut gate, START, lease(after_s));
            if let Some(first) = settle {
                gate.settle(secs(1), first, Outcome::Success, ENTROPY);
            }
            let _lost = go(&mut gate, secs(2), Try::First);
            let ends = 2 + after_s;
            assert_eq!((gate.advance(secs(ends)), gate.in_flight()), (secs(ends), 1), "{before_s} s to {after_s} s");
            assert_eq!((gate.advance(secs(ends + after_s / 3 + 1)), gate.in_flight()).1, 0);
        }
    }
}

#[test]
fn however_the_lease_changes_each_ticket_is_settled_or_reclaimed_once_and_not_early() {
    let config = |lease_ms: u64| GateConfig {
        attempt_timeout: Duration::from_millis(20),
        slow_after: Duration::from_millis(20),
        lease: Duration::from_millis(lease_ms),
        ..PLAIN
    };
    let leases_ms = [30, 30, 60, 300, 3_000, 30_000];
    for seed in 0..300 {
        let mut lease_ms = 30;
        let mut gate = gate(config(lease_ms));
        // In the order of their starts, with the lease that they were promised; and those that came back too late.
        let (mut out, mut lost) = (Vec::<(Ticket, u64)>::new(), Vec::<Ticket>::new());
        let mut now = START;
        for step in 0..600 {
            let entropy = Entropy::mix(seed, step, 0);
            now = now.plus_ns(entropy.up_to(15_000_000));
            if entropy.derive(1).up_to(150) == 0 {
                lease_ms = leases_ms[entropy.derive(2).up_to(5) as usize];
                reconfigure(&mut gate, now, config(lease_ms));
            }
            let _: Instant = gate.advance(now);
            while out.len() > usize::from(gate.in_flight()) {
                let (ticket, promised_ms) = out.remove(0);
                let age_ms = now.since_ns(ticket.started()) / 1_000_000;
                assert!(
                    age_ms >= promised_ms,
                    "seed {seed}, step {step}: reclaimed after {age_ms} of {promised_ms} ms"
                );
                lost.push(ticket);
            }
            let pick = |length: usize| entropy.derive(3).up_to(length as u64 - 1) as usize;
            match entropy.derive(4).up_to(5) {
                0..=2 => out.extend(match gate.poll(now, Try::First) {
                    Admission::Go(ticket) => Some((ticket, lease_ms)),
                    _ => None,
                }),
                3 if !out.is_empty() => {
                    let (ticket, _) = out.remove(pick(out.len()));
                    gate.settle(now, ticket, Outcome::Success, ENTROPY);
                }
                4 if !lost.is_empty() => {
                    let untouched = gate.clone();
                    gate.settle(now, lost.remove(pick(lost.len())), Outcome::Success, ENTROPY);
                    assert_eq!(gate, untouched, "seed {seed}, step {step}: a reclaimed ticket changed something");
                }
                _ => {}
            }
            assert_eq!((usize::from(gate.in_flight()), gate.leases.counted()), (out.len(), gate.in_flight()));
        }
        let _: Instant = gate.advance(now.saturating_add(Duration::from_secs(70)));
        assert_eq!(gate.in_flight(), 0, "seed {seed}: seven thirds of the longest lease later");
    }
}

#[test]
fn forced_open_is_not_healthy_and_one_that_only_observes_says_what_it_would_do() {
    let mut gate = gate(PLAIN);
    gate.set_breaker_mode(BreakerMode::ForcedOpen);
    assert!(!gate.is_healthy());
    gate.set_breaker_mode(BreakerMode::ObserveOnly);
    assert!(gate.is_healthy());
    for failures in 1..=4 {
        call(&mut gate, START, Outcome::Failure);
        let counts = gate.breaker_counts(START);
        assert_eq!((counts.calls, counts.failed, counts.slow), (failures, failures, 0));
        assert_eq!(gate.would_open(START), failures >= 4);
    }
    let _still_admitted = go(&mut gate, START, Try::First);
}

#[test]
fn nonsense_changes_nothing() {
    let mut gates = [(); 2].map(|()| gate(PLAIN));
    let nonsense = [
        GateConfig { attempt_timeout: Duration::ZERO, ..PLAIN },
        GateConfig { attempt_timeout: Duration::from_secs(86_400 * 50), ..PLAIN },
        GateConfig { slow_after: Duration::from_secs(21), ..PLAIN },
        GateConfig { slow_after: Duration::ZERO, ..PLAIN },
        GateConfig { lease: Duration::from_secs(20), ..PLAIN },
        GateConfig { lease: Duration::MAX, ..PLAIN },
        GateConfig { limit: LimitConfig::fixed(0), ..PLAIN },
        GateConfig { breaker: BreakerConfig { probes: 0, ..PLAIN.breaker }, ..PLAIN },
        GateConfig { rate: RateControl::Fixed(RateConfig { rate: Rate::per_second(0), burst: 1 }), ..PLAIN },
        GateConfig {
            rate: RateControl::Adaptive(AdaptiveRateConfig {
                floor: Rate::per_second(60),
                ..AdaptiveRateConfig::DEFAULT
            }),
            ..PLAIN
        },
        GateConfig { budget: BUDGET.map(|budget| RetryBudgetConfig { reserve: 0, ..budget }), ..PLAIN },
    ];
    let errors = nonsense.map(|config| {
        let [changed, untouched] = &mut gates;
        let error = changed.reconfigure(START, config).expect_err("nonsense");
        let _: Instant = untouched.advance(START);
        assert_eq!(changed, untouched, "{error}");
        assert_eq!(Gate::new(config).expect_err("nonsense"), error, "the same rule at construction");
        std::format!("{error}")
    });
    let named = ["attempt_timeout", "attempt_timeout", "slow_after", "slow_after", "lease", "lease", "concurrency"];
    for (error, name) in errors.iter().zip(named.into_iter().chain(["breaker", "rate", "rate", "retry budget"])) {
        assert!(error.contains(name), "\"{error}\" does not name {name}");
    }
}

#[test]
fn a_gate_over_a_period_can_be_changed_too() {
    let window = |secs| PeriodWindow::last(Duration::from_secs(secs)).expect("in range");
    let mut gate = Gate::over_period(window(10), PLAIN).expect("valid settings");
    let Admission::Go(ticket) = gate.poll(START, Try::First) else { panic!("nothing is in the way") };
    let smaller = GateConfig { limit: LimitConfig::fixed(1), ..PLAIN };
    gate.reconfigure_over_period(START, window(60), smaller).expect("valid settings");
    assert!(matches!(gate.poll(START, Try::First), Admission::Full { .. }));
    gate.settle(START, ticket, Outcome::Success, ENTROPY);
    assert_eq!(gate.in_flight(), 0);
}

#[test]
fn sizes_are_as_stated() {
    assert_eq!(size_of::<Gate>(), 224);
    assert_eq!(size_of::<Gate<PeriodWindow>>(), 224 + 64);
    assert_eq!((size_of::<Ticket>(), size_of::<Admission>()), (16, 24));
}

#[test]
fn what_a_gate_under_quota_or_without_reserve_holds_is_not_neutral() {
    let mut paced = gate(PLAIN);
    paced.observe_quota(START, Quota { remaining: 3, limit: None, resets_in: Duration::from_secs(30) });
    assert_eq!(paced.held_until(START, START), Some(secs(30)));
    assert!(!paced.is_neutral(START));
    assert!(paced.is_neutral(secs(30)));
    let mut spent = gate(GateConfig { budget: BUDGET, ..PLAIN });
    while let Admission::Go(ticket) = spent.poll(START, Try::Again) {
        spent.settle(START, ticket, Outcome::Cancelled, ENTROPY);
    }
    let until = spent.held_until(START, START);
    assert!(until.is_some_and(|until| until > START && until < Instant::MAX), "{until:?}");
}

#[test]
fn other_settings_keep_how_often_the_breaker_opened_and_take_up_the_new_times() {
    let mut gate = gate(PLAIN);
    trip(&mut gate, START);
    call(&mut gate, secs(10), Outcome::Failure);
    // Opened twice: 20 s. Under new settings a third time, for 40 s.
    let times = Duration::from_secs(5);
    reconfigure(&mut gate, secs(11), GateConfig { attempt_timeout: times, slow_after: times, ..PLAIN });
    assert_eq!(gate.attempt_timeout(), times);
    call(&mut gate, secs(30), Outcome::Failure);
    assert!(matches!(gate.breaker().state(), BreakerState::Open { until, .. } if until == secs(70)));
    // And once it has closed, it begins with 10 s again.
    call(&mut gate, secs(70), Outcome::Success);
    trip(&mut gate, secs(70));
    assert!(matches!(gate.breaker().state(), BreakerState::Open { until, .. } if until == secs(80)));
}
