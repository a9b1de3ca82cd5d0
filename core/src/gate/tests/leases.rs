//! No ticket is lost for good, and one that comes back too late or to the wrong gate changes nothing.

use std::vec::Vec;

use super::*;

/// One place; a lease of 30 s is counted in cells of 10 s.
const ONE_PLACE: GateConfig = GateConfig { limit: LimitConfig::fixed(1), ..PLAIN };

#[test]
fn a_lost_ticket_gives_its_place_back_when_its_lease_ends() {
    let mut gate = gate(ONE_PLACE);
    let _lost = go(&mut gate, START, Try::First);
    let full = Admission::Full { until: secs(40), why: Why::InFlight { in_flight: 1, limit: 1 } };
    for now in [START, secs(30), Instant::from_nanos(secs(40).as_nanos() - 1)] {
        assert_eq!(gate.poll(now, Try::First), full);
    }
    let _next = go(&mut gate, secs(40), Try::First);
    assert_eq!(gate.in_flight(), 1);
}

#[test]
fn a_place_is_reclaimed_not_before_its_lease_ends_and_at_most_a_third_later() {
    for lease_ms in [21_000u64, 30_000, 30_001, 60_000, 1_000_000] {
        let mut gate = gate(GateConfig { lease: Duration::from_millis(lease_ms), ..PLAIN });
        let mut starts: Vec<Instant> = Vec::new();
        let mut now = START;
        for step in 0..2_000 {
            let entropy = Entropy::mix(lease_ms, step, 0);
            now = now.plus_ns(entropy.up_to(lease_ms * 1_000_000 / 20));
            if entropy.derive(1).up_to(2) == 0
                && let Admission::Go(lost) = gate.poll(now, Try::First)
            {
                starts.push(lost.started());
            }
            let _: Option<Admission> = gate.peek(now, Try::First);
            let out = |span_ns: u64| starts.iter().filter(|start| now.since_ns(**start) <= span_ns).count();
            let (lease_ns, third_ns) = (lease_ms * 1_000_000, lease_ms * 1_000_000 / 3 + 4_000_000);
            let in_flight = usize::from(gate.in_flight());
            // A ticket whose lease runs is always counted, one whose lease ended long ago never.
            assert!(in_flight >= out(lease_ns - 1), "{lease_ms} ms, step {step}: reclaimed too early");
            assert!(in_flight <= out(lease_ns + third_ns), "{lease_ms} ms, step {step}: reclaimed too late");
        }
        assert!(starts.len() > 400);
    }
}

#[test]
fn full_names_the_instant_at_which_the_oldest_lease_runs_out() {
    for age_s in 0..40 {
        let mut gate = gate(GateConfig { limit: LimitConfig::fixed(2), ..PLAIN });
        let _first = go(&mut gate, START, Try::First);
        let _second = go(&mut gate, secs(age_s), Try::First);
        let Admission::Full { until, .. } = gate.poll(secs(age_s), Try::First) else { panic!("both places are taken") };
        let almost = Instant::from_nanos(until.as_nanos() - 1);
        assert!(matches!(gate.poll(almost, Try::First), Admission::Full { .. }), "second at {age_s} s: too late named");
        let _third = go(&mut gate, until, Try::First);
    }
}

#[test]
fn a_ticket_that_was_reclaimed_changes_nothing() {
    for outcome in all_outcomes() {
        for age_s in [40, 41, 100, 2_559, 2_560, 2_561, 2_565, 2_600, 5_120, 1_000_000] {
            let mut gates = [(); 2].map(|()| gate(GateConfig { rate: SLOW_SERVER, budget: BUDGET, ..PLAIN }));
            let lost = gates.each_mut().map(|gate| go(gate, START, Try::First));
            // Cells turn only while something is out: one ticket each ten seconds keeps them turning.
            for at_s in (10..=age_s.min(6_000)).step_by(10) {
                gates.iter_mut().for_each(|gate| call(gate, secs(at_s - 5), Outcome::Success));
                let _kept_turning = gates.each_mut().map(|gate| go(gate, secs(at_s), Try::First));
            }
            let [mut settled, mut untouched] = gates;
            let [late, _dropped] = lost;
            settled.settle(secs(age_s), late, outcome, ENTROPY);
            let _: Instant = untouched.advance(secs(age_s));
            assert_eq!(settled, untouched, "{outcome:?} of a ticket reclaimed after {age_s} s");
        }
    }
}

#[test]
fn a_ticket_of_another_gate_changes_nothing() {
    for outcome in all_outcomes() {
        let [mut settled, mut untouched] =
            [(); 2].map(|()| gate(GateConfig { id: 1, rate: SLOW_SERVER, budget: BUDGET, ..PLAIN }));
        let mut other = gate(GateConfig { id: 2, ..PLAIN });
        let foreign = go(&mut other, START, Try::Again);
        let _own = [&mut settled, &mut untouched].map(|gate| go(gate, START, Try::First));
        settled.settle(START, foreign, outcome, ENTROPY);
        assert_eq!(settled, untouched, "{outcome:?} of another gate's ticket");
    }
}

#[test]
fn a_ticket_of_a_gate_with_the_same_id_changes_nothing_where_nothing_is_out() {
    for outcome in all_outcomes() {
        let [mut settled, mut untouched] = [(); 2].map(|()| {
            let mut gate = gate(GateConfig { rate: SLOW_SERVER, budget: BUDGET, ..PLAIN });
            call(&mut gate, START, Outcome::Success);
            gate
        });
        let foreign = go(&mut gate(PLAIN), START, Try::Again);
        settled.settle(secs(1), foreign, outcome, ENTROPY);
        let _: Instant = untouched.advance(secs(1));
        assert_eq!(settled, untouched, "{outcome:?}");
    }
}

#[test]
fn a_ticket_of_an_earlier_era_settles_everything_but_the_breaker() {
    let config = GateConfig { rate: SLOW_SERVER, budget: BUDGET, ..PLAIN };
    let rate = RateConfig { rate: Rate::per_second(1), burst: 100 };
    let mut gate = gate(GateConfig { rate: RateControl::Fixed(rate), ..config });
    let stragglers = [(); 4].map(|()| go(&mut gate, START, Try::First));
    trip(&mut gate, START);
    let state = gate.breaker().state();
    let outcomes = [
        Outcome::Success,
        Outcome::Failure,
        Outcome::Timeout,
        Outcome::Throttled { retry_after: Some(Duration::from_secs(60)) },
    ];
    for (straggler, outcome) in stragglers.into_iter().zip(outcomes) {
        gate.settle(secs(1), straggler, outcome, ENTROPY);
        assert_eq!(gate.breaker().state(), state, "{outcome:?} decided an era in which it was not sent");
    }
    assert_eq!(gate.in_flight(), 0, "each gave its place back");
    assert!(gate.paused_until() >= secs(61), "the server's wish counts whenever it was heard");
    assert_eq!(gate.budget.as_mut().expect("given").try_withdraw(secs(1)), Ok(()), "the reserve");
    (0..1).for_each(|_| gate.budget.as_mut().expect("given").deposit());
    assert_eq!(gate.budget.as_mut().expect("given").try_withdraw(secs(1)), Ok(()), "two answers, one by a straggler");
}

#[test]
fn every_place_comes_back_whatever_happens_to_its_ticket() {
    for seed in 0..50 {
        let mut gate = gate(GateConfig { limit: LimitConfig::fixed(7), ..PLAIN });
        let mut out: Vec<Ticket> = Vec::new();
        let mut now = START;
        for step in 0..500 {
            let entropy = Entropy::mix(seed, step, 0);
            now = now.plus_ns(entropy.up_to(4_000_000_000));
            match entropy.derive(1).up_to(3) {
                0 | 1 => {
                    if let Admission::Go(ticket) = gate.poll(now, Try::First) {
                        out.push(ticket);
                    }
                }
                2 if !out.is_empty() => {
                    let ticket = out.remove(entropy.derive(2).up_to(out.len() as u64 - 1) as usize);
                    let outcome = all_outcomes()[entropy.derive(3).up_to(9) as usize];
                    gate.settle(now, ticket, outcome, entropy.derive(4));
                    gate.readmit();
                }
                _ if !out.is_empty() => drop(out.swap_remove(0)),
                _ => {}
            }
            let counted: u16 = gate.leases.counted();
            assert_eq!(gate.in_flight(), counted, "seed {seed}, step {step}: places and leases differ");
        }
        drop(out);
        let _: Option<Admission> = gate.peek(now.plus_ns(40_000_000_000), Try::First);
        assert_eq!(gate.in_flight(), 0, "seed {seed}: a place was lost for good");
    }
}

#[test]
fn calls_that_are_overdue_open_the_breaker_before_they_return() {
    let config = GateConfig {
        breaker: BreakerConfig { slow: Some(Share::of(1, 2)), ..PLAIN.breaker },
        slow_after: Duration::from_secs(5),
        ..PLAIN
    };
    let mut gate = gate(config);
    let hung = [(); 4].map(|()| go(&mut gate, START, Try::First));
    let _: Option<Admission> = gate.peek(secs(10), Try::First);
    assert!(matches!(gate.breaker().state(), BreakerState::Closed { .. }), "the youngest may be 0 s old by this count");
    let refused = gate.poll(secs(20), Try::First);
    assert_eq!(refused, Admission::Wait { until: secs(30), why: Why::Open { bad: 4, calls: 4 } });
    hung.into_iter().for_each(|ticket| gate.settle(secs(20), ticket, Outcome::Success, ENTROPY));
    assert_eq!(gate.in_flight(), 0);
}

#[test]
fn calls_that_hang_since_before_a_probe_succeeded_do_not_open_the_breaker_again() {
    let config = GateConfig {
        breaker: BreakerConfig { slow: Some(Share::of(1, 2)), ..PLAIN.breaker },
        slow_after: Duration::from_secs(5),
        attempt_timeout: Duration::from_secs(299),
        lease: Duration::from_secs(300),
        ..PLAIN
    };
    let mut gate = gate(config);
    let _hung = [(); 8].map(|()| go(&mut gate, START, Try::First));
    // Cells of 100 s: overdue from the second turn on.
    let Admission::Wait { until, .. } = gate.poll(secs(200), Try::First) else { panic!("eight calls are overdue") };
    call(&mut gate, until, Outcome::Success);
    assert!(matches!(gate.breaker().state(), BreakerState::Closed { .. }), "the server is back");
    for at_s in (220..400).step_by(10) {
        call(&mut gate, secs(at_s), Outcome::Success);
        let state = gate.breaker().state();
        assert!(
            matches!(state, BreakerState::Closed { .. }),
            "at {at_s} s calls of an earlier era opened it: {state:?}"
        );
    }
}

#[test]
fn calls_that_hang_in_the_present_era_open_it_again() {
    let config = GateConfig {
        breaker: BreakerConfig { slow: Some(Share::of(1, 2)), ..PLAIN.breaker },
        slow_after: Duration::from_secs(5),
        ..PLAIN
    };
    let mut gate = gate(config);
    let _old = [(); 8].map(|()| go(&mut gate, START, Try::First));
    trip(&mut gate, START);
    call(&mut gate, secs(10), Outcome::Success);
    // The cell in which an era's first ticket starts may hold older ones too: those of the next cell count.
    call(&mut gate, secs(20), Outcome::Success);
    let _new = [(); 4].map(|()| go(&mut gate, secs(30), Try::First));
    let _: Option<Admission> = gate.peek(secs(40), Try::First);
    assert!(matches!(gate.breaker().state(), BreakerState::Closed { .. }));
    let Admission::Wait { why, .. } = gate.poll(secs(50), Try::First) else { panic!("four calls are overdue") };
    assert_eq!(why, Why::Open { bad: 4, calls: 5 });
}

#[test]
fn calls_that_hang_count_from_the_first_cell_that_is_all_of_their_era() {
    let config = GateConfig {
        breaker: BreakerConfig { slow: Some(Share::of(1, 2)), ..PLAIN.breaker },
        slow_after: Duration::from_secs(5),
        ..PLAIN
    };
    let mut gate = gate(config);
    let _of_an_earlier_era = [(); 8].map(|()| go(&mut gate, START, Try::First));
    // Each begins an era, and no ticket is taken in between.
    [BreakerMode::ForcedClosed, BreakerMode::Enforce].into_iter().for_each(|mode| gate.set_breaker_mode(mode));
    call(&mut gate, secs(1), Outcome::Success);
    let _hung = [(); 4].map(|()| go(&mut gate, secs(10), Try::First));
    let _: Option<Admission> = gate.peek(secs(20), Try::First);
    assert!(matches!(gate.breaker().state(), BreakerState::Closed { .. }), "the youngest may be 0 s old by this count");
    let Admission::Wait { why, .. } = gate.poll(secs(30), Try::First) else { panic!("four calls are overdue") };
    assert_eq!(why, Why::Open { bad: 4, calls: 5 });
}

#[test]
fn where_nothing_is_out_calls_that_hang_count_from_the_present_cell_on() {
    let config = GateConfig {
        breaker: BreakerConfig { slow: Some(Share::of(1, 2)), ..PLAIN.breaker },
        slow_after: Duration::from_secs(5),
        ..PLAIN
    };
    let mut gate = gate(config);
    let of_an_earlier_era = go(&mut gate, START, Try::First);
    [BreakerMode::ForcedClosed, BreakerMode::Enforce].into_iter().for_each(|mode| gate.set_breaker_mode(mode));
    call(&mut gate, secs(1), Outcome::Success);
    gate.settle(secs(1), of_an_earlier_era, Outcome::Success, ENTROPY);
    let _hung = [(); 4].map(|()| go(&mut gate, secs(2), Try::First));
    let Admission::Wait { why, .. } = gate.poll(secs(20), Try::First) else { panic!("four calls are overdue") };
    assert_eq!(why, Why::Open { bad: 4, calls: 5 });
}

#[test]
fn calls_that_hang_count_again_once_a_changed_lease_holds_for_all_cells() {
    let config = GateConfig {
        breaker: BreakerConfig { slow: Some(Share::of(1, 2)), ..PLAIN.breaker },
        slow_after: Duration::from_secs(5),
        ..PLAIN
    };
    let mut gate = gate(config);
    let mut kept = go(&mut gate, START, Try::First);
    gate.reconfigure(START, GateConfig { lease: Duration::from_secs(60), ..config }).expect("valid settings");
    // One cell of 10 s, then seven of 20 s; somebody is always out.
    for begins_s in (10..=150).step_by(20) {
        let next = go(&mut gate, secs(begins_s), Try::First);
        gate.settle(secs(begins_s), core::mem::replace(&mut kept, next), Outcome::Unsent, ENTROPY);
    }
    let _hung = [(); 4].map(|()| go(&mut gate, secs(150), Try::First));
    gate.settle(secs(150), kept, Outcome::Unsent, ENTROPY);
    let _: Option<Admission> = gate.peek(secs(170), Try::First);
    assert!(matches!(gate.breaker().state(), BreakerState::Closed { .. }), "the youngest may be 0 s old by this count");
    let Admission::Wait { why, .. } = gate.poll(secs(190), Try::First) else { panic!("four calls are overdue") };
    assert_eq!(why, Why::Open { bad: 4, calls: 4 });
}

#[test]
fn calls_that_hang_count_however_short_the_lease_is() {
    for (slow_s, lease_s) in [(10, 11), (10, 14), (10, 20), (20, 29)] {
        let slow = Some(Share::of(1, 2));
        let times = Duration::from_secs(slow_s);
        let mut gate = gate(GateConfig {
            breaker: BreakerConfig { slow, ..PLAIN.breaker },
            attempt_timeout: times,
            slow_after: times,
            lease: Duration::from_secs(lease_s),
            ..PLAIN
        });
        let _hanging: std::vec::Vec<_> =
            (0..20).map(|number| go(&mut gate, millis(100 * number), Try::First)).collect();
        let opened = (0..100).map(|tenth| millis(2_000 + 1_000 * tenth)).find(|now| {
            let _refused = gate.peek(*now, Try::First);
            matches!(gate.breaker().state(), BreakerState::Open { .. })
        });
        let latest = secs(2 + slow_s + lease_s.div_ceil(3) * 2);
        assert!(
            opened.is_some_and(|at| at >= secs(slow_s) && at <= latest),
            "slow {slow_s}, lease {lease_s}: {opened:?}"
        );
    }
}

#[test]
fn at_the_end_of_time_the_limit_still_holds() {
    let mut gate = gate(GateConfig { limit: LimitConfig::fixed(1), ..PLAIN });
    let _held = go(&mut gate, Instant::MAX, Try::First);
    assert!(!matches!(gate.poll(Instant::MAX, Try::First), Admission::Go(_)));
}
