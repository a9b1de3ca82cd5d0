//! The table, the order of the trials, and what a mean is made of.

extern crate std;
use std::vec::Vec;

use super::*;

/// A limit whose means are made of 128 answers, and that is half as many more than 24.
const LEARNT: u16 = 16;
const CEILING: u16 = 50;
const LOW: Trial = Trial::LOW;
const HIGH: Trial = Trial(2);
const FRESH: Evidence = Evidence::before(Trial::START_REST);

/// Means are exact where all answers take a whole number of units.
fn mean_of(units: u64) -> Compact {
    Compact::of(units << MEAN_SHIFT)
}

fn evidence(trial: Trial, rest: u64, low: u64) -> Evidence {
    Evidence { rest: mean_of(rest), low: mean_of(low), trial, ..FRESH }
}

/// One answer, and what follows from it.
fn answer(evidence: &mut Evidence, learnt: u16, ceiling: u16, latency_ns: u64) -> Option<Verdict> {
    if evidence.add(latency_ns) { evidence.verdict(learnt, ceiling) } else { None }
}

/// Answers of so many units until there is a verdict: it, and how many there were.
fn answers(evidence: &mut Evidence, learnt: u16, ceiling: u16, units: u64) -> (Verdict, u32) {
    for count in 1..=256 {
        // The last started unit is a whole one.
        if let Some(verdict) = answer(evidence, learnt, ceiling, (units - 1) << TIME_SHIFT) {
            return (verdict, count);
        }
    }
    panic!("no verdict after 256 answers: {evidence:?}")
}

fn verdict(rest: u64, low: u64, high: u64) -> Verdict {
    answers(&mut evidence(HIGH, rest, low), LEARNT, CEILING, high).0
}

#[test]
fn steps_are_those_of_the_table() {
    let (up, down, far_down) = (Verdict::Up { step: 2 }, Verdict::Down { step: 2 }, Verdict::Down { step: 4 });
    // Half as many more: five quarters of that are 5/8, a quarter is 1/8.
    for (low, high, expected) in [
        (80, 320, up),
        (124, 496, up),
        (125, 203, up),
        (125, 204, down),
        (128, 207, up),
        (128, 208, down),
        (149, 242, up),
        (149, 243, down),
        (150, 168, up),
        (150, 169, down),
        (152, 170, up),
        (152, 171, down),
        (174, 195, up),
        (174, 196, down),
        (175, 175, far_down),
        (175, 100, far_down),
        (400, 400, far_down),
    ] {
        assert_eq!(verdict(100, low, high), expected, "100 at rest, {low} as it is, {high} with half as many more");
    }
}

#[test]
fn where_the_ceiling_leaves_less_room_less_waiting_is_allowed() {
    // A quarter more, up to 20: five quarters of that are 5/16.
    let judged = |high| answers(&mut evidence(HIGH, 100, 128), LEARNT, 20, high).0;
    assert_eq!([judged(167), judged(168)], [Verdict::Up { step: 2 }, Verdict::Down { step: 2 }]);
}

#[test]
fn steps_are_larger_until_the_first_down_or_the_ceiling() {
    let start = |high, ceiling| {
        let mut evidence = evidence(Trial::START_HIGH, 100, 130);
        (answers(&mut evidence, LEARNT, ceiling, high).0, evidence.trial)
    };
    assert_eq!(start(130, CEILING), (Verdict::Up { step: 8 }, Trial::START_LOW), "it goes on");
    assert_eq!(start(300, CEILING), (Verdict::Down { step: 2 }, Trial::REST), "the first step down");
    assert_eq!(start(129, LEARNT).1, Trial::REST, "the ceiling");
}

#[test]
fn a_round_is_once_half_and_eight_times_as_it_is_and_half_as_many_more() {
    let mut evidence = FRESH;
    let tried: Vec<u16> = (0..9)
        .map(|_| {
            let tried = evidence.tried(LEARNT, 2, CEILING);
            // Latency follows the number at once, so that each verdict is far down: the first ends the start.
            let _: (Verdict, u32) = answers(&mut evidence, LEARNT, CEILING, u64::from(tried) * 10);
            tried
        })
        .collect();
    assert_eq!(tried, [8, 16, 24, 8, 16, 24, 16, 24, 8], "half a round is left out after each verdict");
    let mut evidence = evidence_of_a_quiet_server();
    let tried: Vec<u16> = (0..34)
        .map(|_| {
            let tried = evidence.tried(LEARNT, 2, CEILING);
            let _: (Verdict, u32) = answers(&mut evidence, LEARNT, CEILING, 100);
            tried
        })
        .collect();
    let round = [[8].as_slice(), &[16, 24].repeat(8)].concat();
    assert_eq!(tried, round.repeat(2));
}

fn evidence_of_a_quiet_server() -> Evidence {
    evidence(Trial::REST, 100, 100)
}

#[test]
fn too_high_for_its_rest_is_measured_at_rest_within_half_a_round() {
    for (trial, next) in [(2, 11), (4, 13), (6, 15), (8, 0), (10, 0), (16, 0)] {
        let mut evidence = evidence(Trial(trial), 100, 200);
        assert_eq!(answers(&mut evidence, LEARNT, CEILING, 200).0, Verdict::Down { step: 4 });
        assert_eq!(evidence.trial, Trial(next), "after trial {trial}");
    }
}

#[test]
fn rest_that_changed_to_less_than_half_or_more_than_twice_starts_everything_anew() {
    for (rest, next) in [(201, Trial::START_LOW), (200, LOW), (150, LOW), (100, LOW), (50, LOW), (49, Trial::START_LOW)]
    {
        let mut evidence = evidence(Trial::REST, 100, 100);
        assert_eq!(answers(&mut evidence, LEARNT, CEILING, rest), (Verdict::Try, 128));
        assert_eq!((evidence.rest, evidence.trial), (mean_of(rest), next), "100 before, {rest} now");
    }
}

#[test]
fn in_between_rest_only_falls_by_a_quarter_of_the_difference() {
    for (low, rest) in [(60, 90), (96, 99), (100, 100), (140, 100)] {
        let mut evidence = evidence(LOW, 100, 100);
        assert_eq!(answers(&mut evidence, LEARNT, CEILING, low).0, Verdict::Try);
        assert_eq!((evidence.low, evidence.rest, evidence.trial), (mean_of(low), mean_of(rest), HIGH));
    }
}

#[test]
fn a_mean_is_that_of_64_128_or_256_answers_and_of_half_as_many_at_the_start() {
    for (learnt, count) in [(1, 64), (8, 64), (9, 128), (16, 128), (17, 256), (10_000, 256)] {
        for (trial, expected) in [(LOW, count), (Trial::START_LOW, count / 2)] {
            let mut evidence = evidence(trial, 100, 100);
            assert_eq!(answers(&mut evidence, learnt, 10_000, 70).1, expected, "at a limit of {learnt}");
            assert_eq!(evidence.low, mean_of(70), "however many there were");
        }
    }
}

#[test]
fn rare_long_times_count_for_four_of_the_usual() {
    let mut evidence = evidence(HIGH, 100, 130);
    let mut verdict = None;
    for count in 0..128 {
        let units = if count % 16 == 0 { 100_000 } else { 130 };
        verdict = verdict.or(answer(&mut evidence, LEARNT, CEILING, units << TIME_SHIFT));
    }
    // A mean of 154; with times as they are it would be 6,371.
    assert_eq!(verdict, Some(Verdict::Up { step: 2 }));
}

#[test]
fn the_longest_time_is_34_s_and_the_shortest_is_not_nothing() {
    let gathered = |latency_ns| {
        let mut evidence = FRESH;
        assert!(!evidence.add(latency_ns), "one is not enough");
        evidence.gathered
    };
    assert_eq!([gathered(u64::MAX), gathered(1 << TIME_NS_BITS), gathered(0)], [1 << 23, 1 << 23, 1]);
    assert_eq!((1u64 << (23 + TIME_SHIFT)) / 1_000_000_000, 34);
}

#[test]
fn a_cut_for_another_reason_begins_with_the_limit_as_it_is() {
    let mut evidence = evidence(Trial(5), 100, 100);
    assert!(!evidence.add(1 << 20), "one is not enough");
    evidence.begin_again();
    assert_eq!((evidence.gathered, evidence.count, evidence.trial), (0, 0, LOW));
}

#[test]
fn a_cut_before_the_first_measure_at_rest_begins_with_that_measure() {
    let mut evidence = FRESH;
    assert!(!evidence.add(1 << 20), "one is not enough");
    evidence.begin_again();
    assert_eq!(evidence, FRESH);
}

#[test]
fn half_is_not_below_the_floor_and_half_as_many_more_not_above_the_ceiling() {
    let rest = evidence(Trial::REST, 100, 100);
    assert_eq!(
        [(16, 2), (16, 8), (12, 10), (1, 1)].map(|(learnt, floor)| rest.tried(learnt, floor, 50)),
        [8, 8, 10, 1]
    );
    assert_eq!([1, 2, 3, 16, 40, 50].map(|learnt| raised(learnt, 50)), [2, 3, 4, 24, 50, 50]);
}
