//! The table of [`Outcome`], measured.

use std::{format, iter, string::String, vec::Vec};

use super::*;
use crate::{
    call::{Call, CallConfig, CallPolicy, Next, Step},
    outcome::Refusal,
};

/// Each outcome with each column as the gate shows it. "late" is after the slow limit. What is cut or raised is said with
/// the number of such outcomes in a row that it takes.
const TABLE: &str = "
outcome         | breaker      | half-open  | budget  | rate           | limit       | then
Success         | success      | closes     | deposit | rises after 11 | +1 after 40 | done
Success late    | slow         | closes     | deposit | rises after 11 | +1 after 40 | done
Empty           | success      | closes     | deposit | rises after 11 | +1 after 40 | done
Failure         | failure      | reopens    | -       | -              | cut after 22| retried
Failure late    | slow failure | reopens    | -       | -              | cut after 22| retried
Timeout         | slow failure | reopens    | -       | -              | cut after 6 | retried
Throttled       | -            | closes     | -       | cut after 1    | -           | retried
Throttled 5 s   | -            | closes     | -       | cut, pause 5 s | -           | retried in 5 s
Refused access  | -            | closes     | -       | -              | -           | done
Refused request | -            | closes     | -       | -              | -           | done
Cancelled       | -            | place back | -       | -              | -           | done
Cancelled late  | slow failure | reopens    | -       | -              | -           | done
Unsent          | -            | place back | refund  | refund         | -           | done
";

const ROWS: [(&str, Outcome, bool); 13] = [
    ("Success", Outcome::Success, false),
    ("Success late", Outcome::Success, true),
    ("Empty", Outcome::Empty, false),
    ("Failure", Outcome::Failure, false),
    ("Failure late", Outcome::Failure, true),
    ("Timeout", Outcome::Timeout, false),
    ("Throttled", Outcome::Throttled { retry_after: None }, false),
    ("Throttled 5 s", Outcome::Throttled { retry_after: Some(Duration::from_secs(5)) }, false),
    ("Refused access", Outcome::Refused(Refusal::Access), false),
    ("Refused request", Outcome::Refused(Refusal::Request), false),
    ("Cancelled", Outcome::Cancelled, false),
    ("Cancelled late", Outcome::Cancelled, true),
    ("Unsent", Outcome::Unsent, false),
];

/// Slow after 15 s, so that an outcome can be late without running into the lease.
const CONFIG: GateConfig = GateConfig { slow_after: Duration::from_secs(15), ..PLAIN };

fn settled_at(now: Instant, late: bool) -> Instant {
    if late { now.saturating_add(CONFIG.slow_after) } else { now }
}

#[test]
fn every_outcome_means_to_every_policy_what_the_table_says() {
    let mut measured: Vec<String> = Vec::new();
    for (name, outcome, late) in ROWS {
        measured.push(format!(
            "{name:<15} | {:<12} | {:<10} | {:<7} | {:<14} | {:<11} | {}",
            breaker(outcome, late),
            half_open(outcome, late),
            budget(outcome, late),
            rate(outcome, late),
            limit(outcome, late),
            then(outcome)
        ));
    }
    let stated = TABLE.trim().lines().skip(1).map(|line| line.replace("22|", "22 |"));
    for (stated, measured) in stated.zip(&measured) {
        let columns = |line: &str| line.split('|').map(|cell| String::from(cell.trim())).collect::<Vec<_>>();
        assert_eq!(columns(&stated), columns(measured), "left: as stated, right: as measured");
    }
    assert_eq!(measured.len(), TABLE.trim().lines().count() - 1);
}

fn breaker(outcome: Outcome, late: bool) -> &'static str {
    let mut gate = gate(CONFIG);
    let ticket = go(&mut gate, START, Try::First);
    let now = settled_at(START, late);
    gate.settle(now, ticket, outcome, ENTROPY);
    assert_eq!(gate.in_flight(), 0, "{outcome:?} kept its place");
    let counts = gate.breaker.counts(now);
    match (counts.calls, counts.failed, counts.slow) {
        (0, 0, 0) => "-",
        (1, 0, 0) => "success",
        (1, 0, 1) => "slow",
        (1, 1, 0) => "failure",
        (1, 1, 1) => "slow failure",
        other => panic!("one {outcome:?} was counted as {other:?}"),
    }
}

fn half_open(outcome: Outcome, late: bool) -> &'static str {
    let mut gate = gate(CONFIG);
    trip(&mut gate, START);
    let probe = go(&mut gate, secs(10), Try::First);
    assert!(probe.is_probe());
    let now = settled_at(secs(10), late);
    gate.settle(now, probe, outcome, ENTROPY);
    match gate.breaker().state() {
        BreakerState::Closed { .. } => "closes",
        BreakerState::Open { until, .. } => {
            assert_eq!(until, now.saturating_add(Duration::from_secs(20)), "twice as long as before");
            "reopens"
        }
        BreakerState::HalfOpen { outstanding, succeeded, .. } => {
            assert_eq!((outstanding, succeeded), (0, 0), "a neutral probe gives its place back and counts for nothing");
            "place back"
        }
    }
}

/// What a retry with this outcome did to a budget of which an answer earns two retries.
fn budget(outcome: Outcome, late: bool) -> &'static str {
    let config = RetryBudgetConfig { retries: 2, answers: 1, ..BUDGET.expect("given") };
    let mut gate = gate(GateConfig { budget: Some(config), ..CONFIG });
    (0..2).for_each(|_| call(&mut gate, START, Outcome::Success));
    let retry = go(&mut gate, START, Try::Again);
    let now = settled_at(START, late);
    gate.settle(now, retry, outcome, ENTROPY);
    // Three of four saved, and the reserve.
    match iter::from_fn(|| gate.budget.as_mut()?.try_withdraw(now).ok()).count() {
        4 => "-",
        5 => "refund",
        6 => "deposit",
        other => panic!("one {outcome:?} left {other} retries"),
    }
}

fn rate(outcome: Outcome, late: bool) -> String {
    let mut refunding = gate(GateConfig { rate: SLOW_SERVER, ..CONFIG });
    let fresh = refunding.limiter.next_ns();
    let ticket = go(&mut refunding, START, Try::First);
    let taken = refunding.limiter.next_ns();
    refunding.settle(settled_at(START, late), ticket, outcome, ENTROPY);
    // The burst is 2: one refund after one cell makes it whole again.
    if refunding.limiter.next_ns() < taken {
        assert!(fresh < refunding.limiter.next_ns());
        return String::from("refund");
    }
    let pause = refunding.paused_until().saturating_since(settled_at(START, late)).as_secs();
    let mut adapting = gate(GateConfig { rate: RateControl::Adaptive(AdaptiveRateConfig::AIMD), ..CONFIG });
    let (mut now, before) = (START, adapting.interval());
    for step in 1..=20 {
        let ticket = go(&mut adapting, now, Try::First);
        adapting.settle(settled_at(now, late), ticket, outcome, ENTROPY);
        if adapting.interval() < before {
            return format!("rises after {step}");
        }
        if adapting.interval() > before {
            assert_eq!(adapting.interval(), before * 2);
            return if pause == 0 { format!("cut after {step}") } else { format!("cut, pause {pause} s") };
        }
        // Beyond any open time, lease and refusal in a row: only the rate is asked here.
        adapting.readmit();
        now = now.saturating_add(Duration::from_secs(100));
    }
    assert_eq!(pause, 0);
    String::from("-")
}

/// A limit of 40 that is always full.
fn limit(outcome: Outcome, late: bool) -> String {
    let kind = LimitKind::Aimd { tolerated: Share::of(1, 3) };
    let limit = LimitConfig { kind, start: 40, floor: 2, ceiling: 50 };
    // A breaker that does not open: only the limit is asked here.
    let breaker = BreakerConfig { mode: BreakerMode::ForcedClosed, ..PLAIN.breaker };
    let mut gate = gate(GateConfig { limit, breaker, ..CONFIG });
    let mut now = START;
    for step in 1..=100 {
        let mut out: Vec<Ticket> = Vec::new();
        while let Admission::Go(ticket) = gate.poll(now, Try::First) {
            out.push(ticket);
        }
        assert_eq!(out.len(), 40, "{outcome:?} lost or made a place");
        now = settled_at(now, late);
        gate.settle(now, out.pop().expect("full"), outcome, ENTROPY);
        match gate.limit() {
            40 => {}
            41 => return format!("+1 after {step}"),
            30 => return format!("cut after {step}"),
            other => panic!("{outcome:?} took the limit from 40 to {other}"),
        }
        // The others come back unsent, which says nothing about load.
        out.into_iter().for_each(|ticket| gate.settle(now, ticket, Outcome::Unsent, ENTROPY));
        gate.readmit();
        now = now.saturating_add(Duration::from_secs(100));
    }
    String::from("-")
}

fn then(outcome: Outcome) -> &'static str {
    let plain = BackoffConfig { jitter: Jitter::None, ..BackoffConfig::DEFAULT };
    let throttled = BackoffConfig { jitter: Jitter::None, ..BackoffConfig::THROTTLED };
    let policy = CallPolicy::new(CallConfig { backoff: plain, throttled, ..CallConfig::DEFAULT }).expect("valid");
    let mut gate = gate(CONFIG);
    let mut call = Call::new(&policy, secs(600));
    let Step::Attempt(ticket) = call.poll(START, &mut gate) else { panic!("nothing is in the way") };
    match call.settle(START, &mut gate, ticket, outcome, ENTROPY) {
        Next::Done(_) => "done",
        Next::Retry { at } if at == millis(5_250) => "retried in 5 s",
        Next::Retry { at } if at == millis(250) || at == secs(1) => "retried",
        Next::Retry { at } => panic!("{outcome:?} is retried at {at:?}"),
    }
}

#[test]
fn the_retries_that_are_shown_are_those_that_are_admitted() {
    let mut gate = gate(GateConfig { budget: BUDGET, ..PLAIN });
    assert_eq!(gate.retries_available(START), Some(1), "the reserve");
    (0..4).for_each(|_| call(&mut gate, START, Outcome::Success));
    assert_eq!(gate.retries_available(START), Some(3), "and what four answers have earned");
    for left in [2, 1, 0] {
        let _ticket = go(&mut gate, secs(50), Try::Again);
        assert_eq!(gate.retries_available(secs(50)), Some(left));
    }
    assert!(!matches!(gate.poll(secs(50), Try::Again), Admission::Go(_)));
    assert_eq!(gate.retries_available(secs(150)), Some(1), "the reserve is back");
    // An earlier reading means that no time has passed.
    let _ticket = go(&mut gate, secs(300), Try::Again);
    assert_eq!(gate.retries_available(secs(10)), gate.retries_available(secs(300)));
    assert_eq!(super::gate(PLAIN).retries_available(START), None, "without a budget nothing counts them");
}
