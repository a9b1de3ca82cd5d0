//! Half-open breakers.

use super::*;

#[test]
fn a_half_open_breaker_admits_its_probes_and_no_stampede() {
    for probes in [1, 3] {
        let config = config();
        let mut gate = gate(GateConfig { breaker: BreakerConfig { probes, ..config.breaker }, ..config });
        trip(&mut gate, START);
        assert_eq!(all(&mut gate, secs(10)).len(), usize::from(probes), "of ten thousand that came at once");
        assert_eq!(all(&mut gate, secs(11)).len(), 0, "and nobody more while they are out");
    }
}

#[test]
fn a_probe_that_is_never_settled_gives_its_place_back_when_its_lease_ends() {
    let mut gate = gate(config());
    trip(&mut gate, START);
    let _dropped_in_a_select = go(&mut gate, secs(10));
    let (until, why) = told(&mut gate, secs(10));
    assert_eq!(why, Why::Probing { outstanding: 1, probes: 1 });
    assert_eq!(until, secs(10 + 20), "the lease of a ticket");
    call(&mut gate, until, Outcome::Success);
    assert!(is_closed(&gate));
}

#[test]
fn a_thousand_cancelled_probes_do_not_wedge_it() {
    for outcome in [Outcome::Cancelled, Outcome::Unsent] {
        let mut gate = gate(config());
        trip(&mut gate, START);
        (0..1_000).for_each(|_| call(&mut gate, secs(10), outcome));
        call(&mut gate, secs(10), Outcome::Success);
        assert!(is_closed(&gate), "after a thousand times {outcome:?}");
    }
}

#[test]
fn a_cancelled_probe_decides_nothing() {
    let mut gate = gate(config());
    trip(&mut gate, START);
    call(&mut gate, secs(10), Outcome::Cancelled);
    assert!(matches!(gate.breaker().state(), BreakerState::HalfOpen { outstanding: 0, succeeded: 0, .. }));
}

#[test]
fn a_result_of_a_call_that_was_no_probe_frees_no_probe() {
    let mut gate = gate(config());
    let stragglers: Vec<Ticket> = (0..5).map(|_| go(&mut gate, START)).collect();
    trip(&mut gate, START);
    let _probe = go(&mut gate, secs(10));
    for straggler in stragglers {
        gate.settle(secs(10), straggler, Outcome::Cancelled, ENTROPY);
        assert_eq!(all(&mut gate, secs(10)).len(), 0, "a second probe on the permit of a call that took none");
    }
}

#[test]
fn a_result_from_before_decides_nothing() {
    for outcome in [Outcome::Success, Outcome::Failure, Outcome::Timeout, Outcome::Empty] {
        let mut gate = gate(config());
        let [one, two, three] = [(); 3].map(|()| go(&mut gate, START));
        trip(&mut gate, START);
        gate.settle(secs(5), one, outcome, ENTROPY);
        assert_eq!(told(&mut gate, secs(5)).0, secs(10), "{outcome:?} from before it opened moved its end");
        let _probe = go(&mut gate, secs(10));
        gate.settle(secs(10), two, outcome, ENTROPY);
        let state = gate.breaker().state();
        assert!(matches!(state, BreakerState::HalfOpen { outstanding: 1, succeeded: 0, .. }), "{outcome:?}: {state:?}");
        gate.settle(secs(11), three, outcome, ENTROPY);
        assert_eq!(gate.breaker().state(), state);
    }
}

#[test]
fn one_probe_at_a_time_can_still_be_asked_for_three_successes() {
    let config = config();
    let breaker = BreakerConfig { probes: 1, successes: 3, ..config.breaker };
    let mut gate = gate(GateConfig { breaker, ..config });
    trip(&mut gate, START);
    for success in 1..=3 {
        assert!(!is_closed(&gate), "closed after {} successes of 3", success - 1);
        call(&mut gate, secs(10), Outcome::Success);
    }
    assert!(is_closed(&gate));
}

#[test]
fn calls_that_hang_open_the_breaker_before_they_return() {
    let config = config();
    let breaker = BreakerConfig { slow: Some(Share::of(1, 2)), ..config.breaker };
    let mut gate = gate(GateConfig { breaker, slow_after: Duration::from_secs(2), ..config });
    let hung: Vec<Ticket> = (0..6).map(|_| go(&mut gate, START)).collect();
    // Every second somebody asks; none of the six has come back.
    let opened = (1..20).find(|at| matches!(gate.poll(secs(*at), Try::First), Admission::Wait { .. }));
    assert!(opened.is_some_and(|at| at < 20), "nobody noticed six calls that hang");
    drop(hung);
}
