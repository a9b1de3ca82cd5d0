//! What is tried again, when, and how often.

use std::vec::Vec;

use super::*;

const HINT: Duration = Duration::from_secs(30);

#[test]
fn one_two_four_seconds_then_it_gives_up() {
    let policy = policy(CALM);
    let mut gate = gate(OPEN_GATE);
    let mut call = Call::new(&policy, secs(600));
    let mut now = START;
    for delay_s in [1, 2, 4] {
        let at = now.saturating_add(Duration::from_secs(delay_s));
        assert_eq!(make(&mut call, now, &mut gate, Outcome::Failure), Next::Retry { at });
        now = at;
    }
    let end = End::Exhausted { attempts: 4, resume_at: secs(7 + 8) };
    assert_eq!(make(&mut call, now, &mut gate, Outcome::Timeout), Next::Done(end));
    assert_eq!(call.poll(secs(100), &mut gate), Step::Done(end), "an end is for good");
    assert_eq!(call.attempts(), 4);
}

#[test]
fn while_it_backs_off_it_says_until_when() {
    let policy = policy(CALM);
    let mut gate = gate(OPEN_GATE);
    let mut call = Call::new(&policy, secs(600));
    assert_eq!(call.before_asking(START), None, "it has not begun");
    let _: Next = make(&mut call, START, &mut gate, Outcome::Failure);
    let why = Why::Backoff { attempt: 2, attempts: 4 };
    for now in [START, millis(999)] {
        assert_eq!(call.before_asking(now), Some(Step::Wait { until: secs(1), why }));
    }
    assert_eq!(call.before_asking(secs(1)), None, "it is due");
    call.end(End::Cancelled);
    assert_eq!(call.before_asking(START), Some(Step::Done(End::Cancelled)), "it is over");
}

#[test]
fn an_answer_ends_it() {
    let ends = [
        (Outcome::Success, End::Succeeded),
        (Outcome::Empty, End::Empty),
        (Outcome::Refused(Refusal::Access), End::Refused(Refusal::Access)),
        (Outcome::Refused(Refusal::Request), End::Refused(Refusal::Request)),
        (Outcome::Cancelled, End::Cancelled),
        (Outcome::Unsent, End::Cancelled),
    ];
    for (outcome, end) in ends {
        let policy = policy(CALM);
        let mut gate = gate(OPEN_GATE);
        let mut call = Call::new(&policy, secs(600));
        assert_eq!(make(&mut call, START, &mut gate, Outcome::Failure), Next::Retry { at: secs(1) });
        assert_eq!(make(&mut call, secs(1), &mut gate, outcome), Next::Done(end));
        assert_eq!(call.poll(secs(1), &mut gate), Step::Done(end));
        assert_eq!(gate.in_flight(), 0);
    }
}

#[test]
fn being_throttled_without_a_hint_has_a_longer_backoff_of_its_own() {
    let policy = policy(CallConfig { attempts: 9, ..CALM });
    let mut gate = gate(OPEN_GATE);
    let mut call = Call::new(&policy, secs(600));
    let throttled = Outcome::Throttled { retry_after: None };
    let mut now = START;
    // The two counts do not add up: the second failure is the second, whatever was throttled in between.
    for (outcome, delay_s) in [
        (Outcome::Failure, 1),
        (throttled, 10),
        (Outcome::Failure, 2),
        (throttled, 20),
        (throttled, 40),
        (Outcome::Timeout, 4),
    ] {
        let at = now.saturating_add(Duration::from_secs(delay_s));
        assert_eq!(make(&mut call, now, &mut gate, outcome), Next::Retry { at }, "{outcome:?}");
        now = at;
    }
}

#[test]
fn a_long_wait_when_throttled_does_not_stretch_a_decorrelated_backoff() {
    let backoff = BackoffConfig {
        growth: Growth::Decorrelated,
        base: Duration::from_secs(1),
        cap: Duration::from_secs(600),
        jitter: Jitter::None,
    };
    let policy = policy(CallConfig { backoff, ..CALM });
    let mut gate = gate(OPEN_GATE);
    let mut call = Call::new(&policy, secs(600));
    assert_eq!(
        make(&mut call, START, &mut gate, Outcome::Throttled { retry_after: None }),
        Next::Retry { at: secs(10) }
    );
    let ticket = attempt(&mut call, secs(10), &mut gate);
    let Next::Retry { at } = call.settle(secs(10), &mut gate, ticket, Outcome::Failure, Entropy::new(u32::MAX)) else {
        panic!("there are attempts left")
    };
    let delay = at.saturating_since(secs(10));
    assert!(delay <= Duration::from_secs(3), "the first failure waits base to three times the base, not {delay:?}");
}

#[test]
fn a_hint_is_a_floor_to_which_jitter_only_adds() {
    let backoff = BackoffConfig { jitter: Jitter::Full, ..CALM.backoff };
    let policy = policy(CallConfig { backoff, ..CALM });
    let mut seen = Vec::new();
    for word in WORDS {
        let mut gate = gate(OPEN_GATE);
        let mut call = Call::new(&policy, secs(600));
        let ticket = attempt(&mut call, START, &mut gate);
        let outcome = Outcome::Throttled { retry_after: Some(HINT) };
        let Next::Retry { at } = call.settle(START, &mut gate, ticket, outcome, Entropy::new(word)) else {
            panic!("there is time left")
        };
        assert!(
            at >= secs(30) && at <= secs(31),
            "{at:?} with entropy {word}: the hint is 30 s and the backoff up to 1 s"
        );
        seen.push(at);
        // The gate spreads the pause by itself: no attempt goes before either is over.
        let again = match call.poll(at, &mut gate) {
            Step::Attempt(ticket) => ticket.started(),
            Step::Wait { until, why: Why::Paused { .. } } => attempt(&mut call, until, &mut gate).started(),
            step => panic!("{step:?}"),
        };
        assert!(again >= secs(30) && again >= gate.paused_until());
    }
    seen.dedup();
    assert!(seen.len() > 1, "no jitter at all");
}

#[test]
fn a_hint_in_the_past_or_of_no_time_is_none() {
    let policy = policy(CALM);
    let played = |retry_after| -> std::vec::Vec<Next> {
        let mut gate = gate(GATE);
        let mut call = Call::new(&policy, secs(3_600));
        let mut now = START;
        (0..3)
            .map(|_| {
                let next = make(&mut call, now, &mut gate, Outcome::Throttled { retry_after });
                if let Next::Retry { at } = next {
                    now = at;
                }
                next
            })
            .collect()
    };
    assert_eq!(played(Some(Duration::ZERO)), played(None), "the longer backoff, which grows");
}

#[test]
fn lost_tickets_are_attempts_too() {
    let policy = policy(CALM);
    let mut gate = gate(OPEN_GATE);
    let mut call = Call::new(&policy, secs(600));
    let lost: Vec<Ticket> = (0..4).map(|_| attempt(&mut call, START, &mut gate)).collect();
    let end = End::Exhausted { attempts: 4, resume_at: START };
    assert_eq!(call.poll(START, &mut gate), Step::Done(end), "a fifth ticket of four");
    for ticket in lost {
        let next = call.settle(START, &mut gate, ticket, Outcome::Failure, ENTROPY);
        assert_eq!(next, Next::Done(end), "what has ended does not begin again");
    }
}

#[test]
fn a_call_that_was_ended_is_not_retried_when_its_attempt_comes_back() {
    for outcome in [Outcome::Failure, Outcome::Throttled { retry_after: Some(HINT) }, Outcome::Success] {
        let policy = policy(CALM);
        let mut gate = gate(OPEN_GATE);
        let mut call = Call::new(&policy, secs(600));
        let ticket = attempt(&mut call, START, &mut gate);
        call.end(End::Cancelled);
        call.end(End::QueueFull);
        assert_eq!(call.settle(START, &mut gate, ticket, outcome, ENTROPY), Next::Done(End::Cancelled), "{outcome:?}");
        assert_eq!(call.poll(START, &mut gate), Step::Done(End::Cancelled), "the first end holds");
        assert_eq!(gate.in_flight(), 0, "the gate is told all the same");
    }
}

#[test]
fn a_retry_may_go_to_another_gate() {
    let policy = policy(CALM);
    let (mut mirror, mut other) = (gate(GATE), gate(GATE));
    let mut call = Call::new(&policy, secs(600));
    assert_eq!(make(&mut call, START, &mut mirror, Outcome::Failure), Next::Retry { at: secs(1) });
    assert!(matches!(call.poll(secs(1), &mut mirror), Step::Wait { why: Why::Open { .. }, .. }));
    assert_eq!(make(&mut call, secs(1), &mut other, Outcome::Success), Next::Done(End::Succeeded));
    assert_eq!(call.attempts(), 2);
}

#[test]
fn a_barred_gate_ends_every_call() {
    let policy = policy(CALM);
    let mut gate = gate(OPEN_GATE);
    (0..3).for_each(|_| elsewhere(&mut gate, START, Outcome::Refused(Refusal::Access)));
    let barred = Step::Done(End::Barred(Barred::Denied { in_a_row: 3, limit: 3 }));
    assert_eq!(Call::new(&policy, secs(600)).poll(START, &mut gate), barred);
    assert_eq!(Call::new(&policy, secs(600)).poll_behind(START, &mut gate), barred);
}

#[test]
fn an_attempt_ends_with_its_own_time_or_that_of_the_call() {
    let policy = policy(CALM);
    let gate = gate(OPEN_GATE);
    let call = Call::new(&policy, secs(15));
    assert_eq!(call.attempt_deadline(&gate, START), secs(10), "the gate gives an attempt 10 s");
    assert_eq!(call.attempt_deadline(&gate, secs(10)), secs(15));
}
