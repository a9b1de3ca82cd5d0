//! What a concurrency limit promises.

extern crate std;

use super::*;
use crate::{entropy::Entropy, share::Share};

const AIMD: LimitConfig = LimitConfig { start: 50, ..LimitConfig::AIMD };
const GRADIENT: LimitConfig = LimitConfig::DEFAULT;

/// Fills the limit and settles one call after another, each refilled at once; the mean limit seen.
fn saturate(limit: &mut ConcurrencyLimit, calls: u64, mut load: impl FnMut(u64, u16) -> Load) -> u64 {
    let mut slots = std::collections::VecDeque::new();
    let mut sum = 0;
    for call in 0..calls {
        while let Ok(slot) = limit.try_acquire() {
            slots.push_back(slot);
        }
        let oldest = slots.pop_front().expect("the floor is at least 1");
        let load = load(call, limit.limit());
        limit.settle(oldest, load, Duration::from_millis(20));
        sum += u64::from(limit.limit());
    }
    // Nothing is lost: what is still out comes back without a say.
    slots.into_iter().for_each(|slot| limit.settle(slot, Load::Neutral, Duration::ZERO));
    sum / calls
}

fn random(failures_percent: u64) -> impl FnMut(u64, u16) -> Load {
    move |call, _limit| {
        let fails = Entropy::mix(failures_percent, call, 0).up_to(99) < failures_percent;
        if fails { Load::Failed } else { Load::Carried }
    }
}

#[test]
fn random_failures_do_not_collapse_it() {
    for percent in [0, 2, 10, 20] {
        let mut limit = ConcurrencyLimit::new(AIMD).expect("valid");
        let mean = saturate(&mut limit, 20_000, random(percent));
        assert!(mean >= 35, "a mean of {mean} at {percent} % random failures");
    }
}

#[test]
fn an_overloaded_server_cuts_it_down_and_a_good_one_lets_it_grow() {
    let mut limit = ConcurrencyLimit::new(AIMD).expect("valid");
    // A server that answers nothing in time while more than 20 are with it.
    let mean = saturate(&mut limit, 20_000, |_, limit| if limit > 20 { Load::TimedOut } else { Load::Carried });
    assert!((14..=22).contains(&mean), "settled at {mean}");
    saturate(&mut limit, 5_000, |_, _| Load::Carried);
    assert_eq!(limit.limit(), 50);
}

#[test]
fn it_never_leaves_its_bounds() {
    for kind in [AIMD, GRADIENT] {
        let mut limit = ConcurrencyLimit::new(kind).expect("valid");
        saturate(&mut limit, 5_000, |_, _| Load::Failed);
        assert_eq!((limit.limit(), limit.learnt()), (2, 2));
        saturate(&mut limit, 50_000, |_, _| Load::Carried);
        assert_eq!(limit.learnt(), 50);
    }
}

#[test]
fn a_flight_of_failures_cuts_once() {
    let mut limit = ConcurrencyLimit::new(AIMD).expect("valid");
    let slots: std::vec::Vec<Slot> = core::iter::from_fn(|| limit.try_acquire().ok()).collect();
    assert_eq!(slots.len(), 50);
    slots.into_iter().for_each(|slot| limit.settle(slot, Load::Failed, Duration::ZERO));
    assert_eq!(limit.limit(), 50 - 12, "50 failures of one flight are one piece of news");
}

#[test]
fn it_does_not_grow_while_it_is_not_used() {
    for kind in [AIMD, GRADIENT] {
        let mut limit = ConcurrencyLimit::new(LimitConfig { start: 10, ..kind }).expect("valid");
        for _ in 0..10_000 {
            let slot = limit.try_acquire().expect("nothing else in flight");
            limit.settle(slot, Load::Carried, Duration::ZERO);
        }
        assert_eq!(limit.learnt(), 10);
    }
}

/// A server that works on `workers` calls at once for `work` each and lets the others wait: the limits under which it was asked, and
/// what was learnt meanwhile.
fn serve(limit: &mut ConcurrencyLimit, calls: usize, workers: u16, work: Duration) -> std::vec::Vec<(u16, u16)> {
    let mut slots = std::collections::VecDeque::new();
    let seen = (0..calls).map(|_| {
        while let Ok(slot) = limit.try_acquire() {
            let latency = work * u32::from(limit.in_flight().max(workers)) / u32::from(workers);
            slots.push_back((slot, latency));
        }
        let (slot, latency) = slots.pop_front().expect("the floor is at least 1");
        limit.settle(slot, Load::Carried, latency);
        (limit.limit(), limit.learnt())
    });
    let seen = seen.collect();
    slots.into_iter().for_each(|(slot, _)| limit.settle(slot, Load::Neutral, Duration::ZERO));
    seen
}

#[test]
fn the_gradient_settles_where_more_would_only_wait() {
    for (workers, work_us) in [(3, 20_000), (10, 100), (10, 20_000), (30, 3_000_000)] {
        let mut limit = ConcurrencyLimit::new(GRADIENT).expect("valid");
        let seen = serve(&mut limit, 40_000, workers, Duration::from_micros(work_us));
        for (_, learnt) in &seen[20_000..] {
            let is_near = (workers * 7 / 8..=workers * 7 / 4).contains(learnt);
            assert!(is_near, "learnt {learnt} at {workers} workers that take {work_us} µs");
        }
    }
}

#[test]
fn the_gradient_follows_a_server_that_became_slower_for_good() {
    let mut limit = ConcurrencyLimit::new(GRADIENT).expect("valid");
    for work_ms in [20, 400, 5, 60] {
        let seen = serve(&mut limit, 40_000, 10, Duration::from_millis(work_ms));
        let is_near = seen[20_000..].iter().all(|(_, learnt)| (9..=17).contains(learnt));
        assert!(is_near, "{:?} learnt at ten workers that take {work_ms} ms", seen.last());
    }
}

#[test]
fn the_gradient_stays_at_its_ceiling_while_nothing_waits() {
    let mut limit = ConcurrencyLimit::new(GRADIENT).expect("valid");
    let seen = serve(&mut limit, 20_000, 1_000, Duration::from_millis(20));
    assert!(seen[10_000..].iter().all(|(_, learnt)| *learnt == 50));
    // What this costs: half of it once in a round of seventeen means.
    let halved = seen[10_000..].iter().filter(|(tried, _)| *tried == 25).count();
    assert!((300..800).contains(&halved), "{halved} of 10,000 answers under half the limit");
    assert!(seen.iter().all(|(tried, _)| (5..=50).contains(tried)), "between half of the start and the ceiling");
}

#[test]
fn answers_that_take_no_time_or_for_ever_move_the_gradient_within_its_bounds() {
    for latency in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
        let mut limit = ConcurrencyLimit::new(GRADIENT).expect("valid");
        for _ in 0..100_000 {
            let slots: std::vec::Vec<Slot> = core::iter::from_fn(|| limit.try_acquire().ok()).collect();
            assert!((2..=50).contains(&slots.len()), "{} in flight", slots.len());
            slots.into_iter().for_each(|slot| limit.settle(slot, Load::Carried, latency));
        }
        assert_eq!(limit.in_flight(), 0);
    }
}

#[test]
fn answers_that_take_no_time_let_the_gradient_rise_to_its_ceiling() {
    let mut limit = ConcurrencyLimit::new(GRADIENT).expect("valid");
    for _ in 0..1_000 {
        let slots: std::vec::Vec<Slot> = core::iter::from_fn(|| limit.try_acquire().ok()).collect();
        slots.into_iter().for_each(|slot| limit.settle(slot, Load::Carried, Duration::ZERO));
    }
    assert_eq!(limit.learnt(), 50);
}

/// Answers one of so many calls in flight, `count` times.
fn answer(limit: &mut ConcurrencyLimit, in_flight: u16, count: u16) {
    for _ in 0..count {
        while limit.in_flight() < in_flight {
            let _out: Slot = limit.try_acquire().expect("below the limit");
        }
        limit.settle(Slot { cuts: limit.cuts }, Load::Carried, Duration::from_millis(20));
    }
}

#[test]
fn one_more_after_as_many_successes_as_there_are_places_if_half_of_them_are_used() {
    let mut limit = ConcurrencyLimit::new(LimitConfig { start: 10, ..AIMD }).expect("valid");
    answer(&mut limit, 4, 100);
    assert_eq!(limit.limit(), 10, "less than half of the places were used");
    answer(&mut limit, 5, 9);
    assert_eq!(limit.limit(), 10);
    answer(&mut limit, 5, 1);
    assert_eq!(limit.limit(), 11);
}

#[test]
fn the_gradient_judges_what_came_while_seven_eighths_of_the_places_were_used() {
    let mut limit = ConcurrencyLimit::new(LimitConfig { start: 32, ..GRADIENT }).expect("valid");
    assert_eq!(limit.limit(), 16, "half of it first");
    answer(&mut limit, 13, 1_000);
    assert_eq!(limit.limit(), 16);
    answer(&mut limit, 14, 127);
    assert_eq!(limit.limit(), 16);
    answer(&mut limit, 14, 1);
    assert_eq!(limit.limit(), 32, "128 answers are a mean");
}

#[test]
fn a_higher_floor_raises_it() {
    let mut limit = ConcurrencyLimit::new(LimitConfig { start: 10, ..AIMD }).expect("valid");
    for (floor, learnt) in [(9, 10), (10, 10), (11, 11), (2, 11)] {
        limit.set_bounds(floor, 50).expect("valid");
        assert_eq!(limit.learnt(), learnt, "with a floor of {floor}");
    }
}

#[test]
fn a_lower_ceiling_drains_what_is_in_flight() {
    let mut limit = ConcurrencyLimit::new(LimitConfig::fixed(3)).expect("valid");
    let slots: std::vec::Vec<Slot> = core::iter::from_fn(|| limit.try_acquire().ok()).collect();
    limit.set_bounds(1, 1).expect("valid");
    assert_eq!((limit.in_flight(), limit.limit()), (3, 1));
    for slot in slots {
        assert!(limit.try_acquire().is_err());
        limit.settle(slot, Load::Carried, Duration::ZERO);
    }
    assert!(limit.try_acquire().is_ok());
    assert_eq!(limit.set_bounds(0, 5), Err(LimitError::FloorIsZero));
    assert_eq!(limit.limit(), 1, "a rejected change changes nothing");
}

/// Takes all places that are free.
fn fill(limit: &mut ConcurrencyLimit) -> std::vec::Vec<Slot> {
    core::iter::from_fn(|| limit.try_acquire().ok()).collect()
}

#[test]
fn what_was_sent_under_another_limit_does_not_cut_its_successor() {
    for kind in [AIMD, GRADIENT] {
        let mut old = ConcurrencyLimit::new(LimitConfig { start: 50, ..kind }).expect("valid");
        let out = fill(&mut old);
        let mut new = ConcurrencyLimit::new(LimitConfig { start: 10, ..kind }).expect("valid");
        let fresh = new.clone();
        new.succeed(&old);
        assert_eq!(new.in_flight(), old.in_flight());
        out.into_iter().for_each(|slot| new.settle(slot, Load::TimedOut, Duration::ZERO));
        assert_eq!((new.learnt(), new.in_flight()), (10, 0));
        assert_eq!(new.evidence, fresh.evidence);
    }
}

#[test]
fn what_was_sent_before_other_bounds_or_a_restored_limit_is_not_judged() {
    let lower: [fn(&mut ConcurrencyLimit); 2] =
        [|limit| limit.set_bounds(2, 10).expect("valid"), |limit| limit.restore(10)];
    for (kind, lower) in [AIMD, GRADIENT].into_iter().flat_map(|kind| lower.map(|lower| (kind, lower))) {
        let mut limit = ConcurrencyLimit::new(LimitConfig { start: 50, ..kind }).expect("valid");
        let out = fill(&mut limit);
        lower(&mut limit);
        let lowered = limit.clone();
        out.into_iter().for_each(|slot| limit.settle(slot, Load::TimedOut, Duration::ZERO));
        assert_eq!(limit, ConcurrencyLimit { in_flight: 0, ..lowered });
    }
}

#[test]
fn another_learnt_limit_is_news_even_where_as_many_may_be_in_flight() {
    let mut limit = ConcurrencyLimit::new(LimitConfig { start: 16, floor: 8, ..GRADIENT }).expect("valid");
    let out = fill(&mut limit);
    limit.restore(15);
    assert_eq!((out.len(), limit.limit(), limit.learnt()), (8, 8, 15), "half of it first, but not below the floor");
    out.into_iter().for_each(|slot| limit.settle(slot, Load::TimedOut, Duration::ZERO));
    assert_eq!(limit.learnt(), 15, "what was sent before is not judged");
}

#[test]
fn a_round_begins_with_its_first_failure() {
    let failures_to_a_cut = |good| {
        let mut limit = ConcurrencyLimit::new(AIMD).expect("valid");
        answer(&mut limit, 1, good);
        (1..100).find(|_| {
            let slot = limit.try_acquire().expect("free");
            limit.settle(slot, Load::Failed, Duration::ZERO);
            limit.learnt() < 50
        })
    };
    let at_once = failures_to_a_cut(0);
    assert!(at_once.is_some_and(|failures| failures > 1), "{at_once:?}");
    for good in 1..150 {
        assert_eq!(failures_to_a_cut(good), at_once, "after {good} answers");
    }
}

#[test]
fn places_that_nobody_gives_back_are_free_again() {
    let mut limit = ConcurrencyLimit::new(LimitConfig::fixed(3)).expect("valid");
    let _lost = fill(&mut limit);
    limit.reclaim(2);
    assert_eq!(limit.in_flight(), 1);
    limit.reclaim(2);
    assert_eq!(limit.in_flight(), 0, "never more than there are");
}

#[test]
fn a_mean_is_not_of_answers_from_before_and_after_other_bounds() {
    // A mean at the start is that of 128 answers at a limit of 50, and of 32 at 8.
    for before in [0, 1, 31, 100] {
        let mut limit = ConcurrencyLimit::new(LimitConfig { start: 50, ..GRADIENT }).expect("valid");
        answer(&mut limit, 25, before);
        limit.set_bounds(2, 8).expect("valid");
        limit.reclaim(25);
        assert_eq!((limit.limit(), limit.learnt()), (4, 8), "half of it first");
        answer(&mut limit, 4, 31);
        assert_eq!(limit.limit(), 4, "{before} answers before");
        answer(&mut limit, 4, 1);
        assert_eq!(limit.limit(), 8, "{before} answers before");
    }
}

#[test]
fn bounds_that_change_nothing_at_present_leave_a_mean_as_it_is() {
    let mut limit = ConcurrencyLimit::new(LimitConfig { start: 32, ..GRADIENT }).expect("valid");
    answer(&mut limit, 14, 100);
    limit.set_bounds(4, 40).expect("valid");
    answer(&mut limit, 14, 28);
    assert_eq!(limit.limit(), 32, "128 answers are a mean");
}

/// The most that is learnt of a server with four workers.
fn most_learnt_of_four(limit: &mut ConcurrencyLimit) -> u16 {
    let seen = serve(limit, 4_000, 4, Duration::from_millis(20));
    seen.iter().map(|(_, learnt)| *learnt).max().expect("4,000 of them")
}

#[test]
fn timeouts_before_the_first_measure_at_rest_do_not_let_the_gradient_rise() {
    let mut limit = ConcurrencyLimit::new(GRADIENT).expect("valid");
    assert_eq!(most_learnt_of_four(&mut limit), 10, "where it starts");
    let mut limit = ConcurrencyLimit::new(GRADIENT).expect("valid");
    for _ in 0..6 {
        let slot = limit.try_acquire().expect("free");
        limit.settle(slot, Load::TimedOut, Duration::from_secs(10));
    }
    assert_eq!(limit.learnt(), 8);
    assert_eq!(most_learnt_of_four(&mut limit), 8);
}

#[test]
fn what_was_measured_within_other_bounds_does_not_let_the_gradient_rise() {
    let mut limit = ConcurrencyLimit::new(LimitConfig { start: 50, ..GRADIENT }).expect("valid");
    let _measured_at_25: std::vec::Vec<_> = serve(&mut limit, 200, 4, Duration::from_millis(20));
    limit.set_bounds(2, 10).expect("valid");
    limit.set_bounds(2, 50).expect("valid");
    assert_eq!(most_learnt_of_four(&mut limit), 10);
}

#[test]
fn nonsense_is_rejected() {
    let error = |config| ConcurrencyLimit::new(config).expect_err("nonsense");
    assert_eq!(error(LimitConfig { floor: 0, ..AIMD }), LimitError::FloorIsZero);
    assert_eq!(error(LimitConfig { ceiling: 10_001, ..AIMD }), LimitError::CeilingTooHigh);
    assert!(ConcurrencyLimit::new(LimitConfig { ceiling: 10_000, ..AIMD }).is_ok());
    assert_eq!(error(LimitConfig { start: 51, ..AIMD }), LimitError::OutOfOrder);
    let kind = LimitKind::Aimd { tolerated: Share::of(2, 1) };
    assert_eq!(error(LimitConfig { kind, ..AIMD }), LimitError::Tolerance);
}
