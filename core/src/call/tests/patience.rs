//! What patience is spent on: an open breaker, a pause, an empty budget; and what not: the rate, places, the queue.

use super::*;

const TEN_SECONDS: CallConfig = CallConfig { patience: Some(Duration::from_secs(10)), ..CALM };

fn one_each(seconds: u64) -> RateControl {
    RateControl::Fixed(RateConfig { rate: Rate { count: 1, period: Duration::from_secs(seconds) }, burst: 1 })
}

#[test]
fn what_certainly_outlasts_patience_is_not_waited_for() {
    let policy = policy(TEN_SECONDS);
    for (pause_s, waits) in [(9, true), (10, false), (60, false)] {
        let mut gate = gate(GATE);
        gate.pause_until(START, secs(pause_s));
        let mut call = Call::new(&policy, secs(600));
        match call.poll(START, &mut gate) {
            Step::Wait { until, .. } => assert!(waits && until == secs(pause_s), "waits for {pause_s} s"),
            Step::Done(End::OutOfPatience { why: Why::Paused { .. }, resume_at }) => {
                assert!(!waits && resume_at == secs(pause_s), "gave up on {pause_s} s");
            }
            step => panic!("{step:?}"),
        }
    }
}

#[test]
fn no_patience_gives_up_at_once_and_only_where_patience_is_asked_for() {
    let policy = policy(CallConfig { patience: Some(Duration::ZERO), ..CALM });
    let call = || Call::new(&policy, secs(600));
    let mut open = gate(GATE);
    elsewhere(&mut open, START, Outcome::Failure);
    let end = End::OutOfPatience { why: Why::Open { bad: 1, calls: 1 }, resume_at: secs(10) };
    assert_eq!(call().poll(START, &mut open), Step::Done(end));
    let mut slow = gate(GateConfig { rate: one_each(20), ..GATE });
    elsewhere(&mut slow, START, Outcome::Success);
    assert!(matches!(call().poll(START, &mut slow), Step::Wait { until, why: Why::Rate { .. } } if until == secs(20)));
    let mut full = gate(GateConfig { limit: LimitConfig::fixed(1), ..GATE });
    let _out = full.poll(START, Try::First);
    assert!(matches!(call().poll(START, &mut full), Step::Full { why: Why::InFlight { .. }, .. }));
    assert!(matches!(call().poll_behind(START, &mut gate(GATE)), Step::Full { why: Why::Queued, .. }));
}

#[test]
fn what_may_end_earlier_is_waited_for_as_long_as_patience_lasts() {
    let policy = policy(TEN_SECONDS);
    let budget =
        RetryBudgetConfig { reserve: 1, reserve_refill: Duration::from_secs(100), ..RetryBudgetConfig::POLITE };
    let mut gate = gate(GateConfig { budget: Some(budget), ..OPEN_GATE });
    let _reserve = gate.poll(START, Try::Again);
    let mut call = Call::new(&policy, secs(600));
    assert_eq!(make(&mut call, START, &mut gate, Outcome::Failure), Next::Retry { at: secs(1) });
    let Step::Wait { until, why } = call.poll(secs(1), &mut gate) else { panic!("the budget is empty") };
    assert_eq!((until, why), (secs(11), Why::Budget { saved: 0, cost: 10 }), "an answer may come within the patience");
    let end = End::OutOfPatience { why: Why::Budget { saved: 0, cost: 10 }, resume_at: secs(100) };
    assert_eq!(call.poll(secs(11), &mut gate), Step::Done(end));
}

#[test]
fn waiting_for_the_rate_or_for_places_spends_nothing() {
    let policy = policy(TEN_SECONDS);
    let mut slow = gate(GateConfig { rate: one_each(60), ..GATE });
    elsewhere(&mut slow, START, Outcome::Success);
    let mut call = Call::new(&policy, secs(600));
    assert!(matches!(call.poll(START, &mut slow), Step::Wait { until, why: Why::Rate { .. } } if until == secs(60)));
    slow.pause_until(secs(60), secs(68));
    let step = call.poll(secs(60), &mut slow);
    assert!(
        matches!(step, Step::Wait { until, why: Why::Paused { .. } } if until == secs(68)),
        "a minute for the rate left no patience for a pause of 8 s: {step:?}"
    );

    let mut full = gate(GateConfig { limit: LimitConfig::fixed(1), ..GATE });
    let Admission::Go(out) = full.poll(START, Try::First) else { panic!("nothing is in the way") };
    let mut call = Call::new(&policy, secs(600));
    for now in [START, secs(5), secs(15)] {
        assert!(matches!(call.poll(now, &mut full), Step::Full { .. }));
    }
    full.settle(secs(15), out, Outcome::Success, ENTROPY);
    full.pause_until(secs(15), secs(23));
    let step = call.poll(secs(15), &mut full);
    assert!(
        matches!(step, Step::Wait { until, why: Why::Paused { .. } } if until == secs(23)),
        "15 s for a place left no patience for a pause of 8 s: {step:?}"
    );
}

#[test]
fn patience_is_spent_bit_by_bit_on_one_attempt_and_anew_on_the_next() {
    let policy = policy(TEN_SECONDS);
    let mut gate = gate(OPEN_GATE);
    let mut call = Call::new(&policy, secs(600));
    // 6 s of pause, 100 s of a full house, 3 s of pause: one second is left.
    gate.pause_until(START, secs(6));
    assert!(matches!(call.poll(START, &mut gate), Step::Wait { until, .. } if until == secs(6)));
    gate.reconfigure(secs(6), GateConfig { limit: LimitConfig::fixed(1), ..OPEN_GATE }).expect("valid settings");
    let Admission::Go(out) = gate.poll(secs(6), Try::First) else { panic!("the pause is over") };
    assert!(matches!(call.poll(secs(6), &mut gate), Step::Full { .. }));
    gate.settle(secs(16), out, Outcome::Success, ENTROPY);
    gate.pause_until(secs(16), secs(19));
    assert!(matches!(call.poll(secs(16), &mut gate), Step::Wait { until, .. } if until == secs(19)));
    gate.pause_until(secs(19), secs(21));
    let spent = call.poll(secs(19), &mut gate);
    assert!(matches!(spent, Step::Done(End::OutOfPatience { resume_at, .. }) if resume_at == secs(21)), "{spent:?}");

    let mut other = Call::new(&policy, secs(600));
    assert!(matches!(other.poll(secs(19), &mut gate), Step::Wait { until, .. } if until == secs(21)));
    assert_eq!(make(&mut other, secs(21), &mut gate, Outcome::Failure), Next::Retry { at: secs(22) });
    gate.pause_until(secs(22), secs(31));
    assert!(
        matches!(other.poll(secs(22), &mut gate), Step::Wait { until, .. } if until == secs(31)),
        "anew: 9 of 10 s"
    );
}

#[test]
fn behind_the_head_it_watches_its_own_time_and_takes_nothing() {
    let policy = policy(TEN_SECONDS);
    let mut paused = gate(GATE);
    paused.pause_until(START, secs(8));
    let mut call = Call::new(&policy, secs(600));
    let step = call.poll_behind(START, &mut paused);
    assert!(matches!(step, Step::Wait { until, why: Why::Paused { .. } } if until == secs(10)), "{step:?}");
    let free = call.poll_behind(secs(8), &mut paused);
    assert!(matches!(free, Step::Full { until, why: Why::Queued } if until == secs(600)), "{free:?}");
    assert_eq!((paused.in_flight(), call.attempts()), (0, 0));

    // The head sees to the rate, the places and their leases: nobody behind it wakes up for them.
    let mut slow = gate(GateConfig { rate: one_each(20), ..GATE });
    elsewhere(&mut slow, START, Outcome::Success);
    let mut full = gate(GateConfig { limit: LimitConfig::fixed(1), ..GATE });
    let _out = full.poll(START, Try::First);
    for mut gate in [slow, full] {
        let step = Call::new(&policy, secs(600)).poll_behind(START, &mut gate);
        assert!(matches!(step, Step::Full { until, .. } if until == secs(600)), "a herd at the lease's end: {step:?}");
    }
}

#[test]
fn behind_the_head_an_obstacle_costs_no_more_patience_than_it_lasted() {
    let policy = policy(TEN_SECONDS);
    let mut gate = gate(GATE);
    gate.pause_until(START, secs(2));
    let mut call = Call::new(&policy, secs(600));
    assert!(matches!(call.poll_behind(START, &mut gate), Step::Wait { until, .. } if until == secs(10)));
    // It looks again only at 10 s; the pause was over at 2 s.
    assert!(matches!(call.poll_behind(secs(10), &mut gate), Step::Full { .. }));
    gate.pause_until(secs(11), secs(18));
    let step = call.poll(secs(11), &mut gate);
    assert!(matches!(step, Step::Wait { until, .. } if until == secs(18)), "2 + 7 of 10 s: {step:?}");
}

#[test]
fn a_probe_that_is_out_is_waited_for_within_patience() {
    let policy = policy(TEN_SECONDS);
    let mut gate = gate(GATE);
    elsewhere(&mut gate, START, Outcome::Failure);
    let Admission::Go(probe) = gate.poll(secs(10), Try::First) else { panic!("half-open") };
    let mut call = Call::new(&policy, secs(600));
    let step = call.poll(secs(10), &mut gate);
    assert!(matches!(step, Step::Wait { until, why: Why::Probing { .. } } if until == secs(20)), "{step:?}");
    gate.settle(secs(12), probe, Outcome::Success, ENTROPY);
    let _ticket = attempt(&mut call, secs(12), &mut gate);
}
