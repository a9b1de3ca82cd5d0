//! A host that refuses access is left alone.

use super::*;
use crate::outcome::Refusal;

const DENIED: Outcome = Outcome::Refused(Refusal::Access);

#[test]
fn three_refusals_of_access_in_a_row_stop_the_gate_until_it_is_readmitted() {
    let mut gate = gate(PLAIN);
    (0..3).for_each(|_| call(&mut gate, START, DENIED));
    let never = Admission::Never { why: Barred::Denied { in_a_row: 3, limit: 3 } };
    for now in [START, secs(3_600), Instant::MAX] {
        assert_eq!(gate.poll(now, Try::First), never);
        assert_eq!(
            gate.peek(now, Try::Again),
            Some(Admission::Never { why: Barred::Denied { in_a_row: 3, limit: 3 } })
        );
    }
    assert!(!gate.is_healthy());
    gate.readmit();
    let _back = go(&mut gate, Instant::MAX, Try::First);
}

#[test]
fn an_answer_in_between_starts_the_count_again() {
    for answer in [Outcome::Success, Outcome::Empty, Outcome::Refused(Refusal::Request)] {
        let mut gate = gate(PLAIN);
        for _ in 0..10 {
            (0..2).for_each(|_| call(&mut gate, START, DENIED));
            call(&mut gate, START, answer);
        }
        let _still_asked = go(&mut gate, START, Try::First);
    }
}

#[test]
fn what_is_no_answer_does_not_interrupt_a_row() {
    let silent = [Outcome::Failure, Outcome::Timeout, Outcome::Cancelled, Outcome::Unsent];
    for outcome in silent.into_iter().chain([Outcome::Throttled { retry_after: None }]) {
        let mut gate = gate(PLAIN);
        call(&mut gate, START, DENIED);
        call(&mut gate, START, outcome);
        (0..2).for_each(|_| call(&mut gate, START, DENIED));
        assert!(matches!(gate.poll(START, Try::First), Admission::Never { .. }), "{outcome:?} hid a refusal");
    }
}

#[test]
fn an_answer_that_was_under_way_does_not_reopen_a_gate_that_stopped() {
    let mut gate = gate(PLAIN);
    let [straggler, another] = [(); 2].map(|()| go(&mut gate, START, Try::First));
    (0..3).for_each(|_| call(&mut gate, START, DENIED));
    gate.settle(START, straggler, Outcome::Success, ENTROPY);
    gate.settle(START, another, DENIED, ENTROPY);
    let never = Admission::Never { why: Barred::Denied { in_a_row: 3, limit: 3 } };
    assert_eq!(gate.poll(START, Try::First), never, "\"never\" is until somebody intervenes");
    assert_eq!(gate.in_flight(), 0, "the places come back all the same");
}

#[test]
fn a_bar_explains_itself() {
    let said = std::format!("{}", Barred::Denied { in_a_row: 3, limit: 3 });
    assert_eq!(said, "access refused 3 times in a row (the host is left alone from 3 on)");
}
