//! Rates, quotas, budgets: never more than allowed, never less than there is.

use std::collections::VecDeque;

use tidegate_core::{
    budget::{RetryBudget, RetryBudgetConfig},
    limit::{ConcurrencyLimit, Load},
    rate::{AdaptiveRate, AdaptiveRateConfig, Pacing, RateLimiter},
};

use super::*;

const THROTTLED: Outcome = Outcome::Throttled { retry_after: Some(Duration::from_secs(30)) };

#[test]
fn a_429_slows_every_call_of_its_server() {
    let mut gate = gate(config());
    let _others: Vec<Ticket> = (0..20).map(|_| go(&mut gate, START)).collect();
    call(&mut gate, START, THROTTLED);
    let (until, why) = told(&mut gate, secs(1));
    assert!(until >= secs(30) && matches!(why, Why::Paused { .. }), "{until:?}: {why}");
}

#[test]
fn a_429_slows_no_other_server() {
    let (mut one, mut other) = (gate(config()), gate(config()));
    call(&mut one, START, THROTTLED);
    assert_eq!(told(&mut one, START).0, one.paused_until());
    assert_eq!(all(&mut other, START).len(), 1_000);
}

#[test]
fn a_flight_of_refusals_cuts_once() {
    for config in [AdaptiveRateConfig::DEFAULT, AdaptiveRateConfig::AIMD] {
        let mut rate = AdaptiveRate::new(config).expect("valid settings");
        let before = rate.interval();
        let mut now = START;
        let flight: Vec<_> = std::iter::repeat_with(|| {
            loop {
                match rate.try_acquire(now) {
                    Ok(grant) => break grant,
                    Err(until) => now = until,
                }
            }
        })
        .take(50)
        .collect();
        flight.into_iter().for_each(|grant| rate.on_throttled(now, grant, None));
        assert!(rate.interval() > before && rate.interval() <= before * 2, "{:?} after {before:?}", rate.interval());
    }
}

#[test]
fn six_retries_in_ten_answers_are_six() {
    let config =
        RetryBudgetConfig { retries: 6, answers: 10, saved_max: 1_000, reserve: 1, ..RetryBudgetConfig::DEFAULT };
    let mut budget = RetryBudget::new(config).expect("valid settings");
    assert!(budget.try_withdraw(START).is_ok(), "the reserve");
    (0..100).for_each(|_| budget.deposit());
    let retries = (0..100).filter(|_| budget.try_withdraw(START).is_ok()).count();
    assert_eq!(retries, 60, "of a hundred answers");
}

#[test]
fn a_drained_budget_comes_back_by_answers_and_by_time() {
    assert!(GateConfig::DEFAULT.budget.is_some(), "a budget is there unless it is taken away");
    let config = RetryBudgetConfig::POLITE;
    let mut budget = RetryBudget::new(config).expect("valid settings");
    let drain = |budget: &mut RetryBudget, now| (0..1_000).filter(|_| budget.try_withdraw(now).is_ok()).count();
    assert_eq!(drain(&mut budget, START), 3);
    (0..10).for_each(|_| budget.deposit());
    assert_eq!(drain(&mut budget, START), 1, "ten answers earn one");
    assert_eq!(drain(&mut budget, secs(10)), 1, "ten seconds give one back");
    assert_eq!(drain(&mut budget, secs(1_000)), 3, "a rest gives back the reserve");
}

#[test]
fn no_second_sees_more_than_burst_and_rate() {
    let (rate, burst) = (10, 3);
    let mut gate = gate(GateConfig { rate: per_second(rate, burst), ..config() });
    let mut starts: Vec<Instant> = Vec::new();
    for now in (0..5_000).map(millis) {
        starts.extend(all(&mut gate, now).iter().map(Ticket::started));
    }
    for (index, from) in starts.iter().enumerate() {
        let within =
            starts.iter().skip(index).take_while(|start| start.saturating_since(*from) < Duration::from_secs(1));
        assert!(within.count() <= (rate + burst) as usize, "in the second from {from:?}");
    }
    // And never less than there is: five seconds' worth, and the burst.
    assert!(starts.len() >= 50, "{} in five seconds", starts.len());
}

#[test]
fn what_one_policy_refuses_takes_nothing_from_the_others() {
    let config = config();
    let mut gate = gate(GateConfig { rate: per_second(1, 5), limit: LimitConfig::fixed(2), ..config });
    let out = all(&mut gate, START);
    assert_eq!(out.len(), 2, "all places are taken");
    (0..1_000).for_each(|_| assert!(matches!(gate.poll(START, Try::First), Admission::Full { .. })));
    out.into_iter().for_each(|ticket| gate.settle(START, ticket, Outcome::Success, ENTROPY));
    assert_eq!(all(&mut gate, START).len(), 2, "a thousand refusals would have emptied a bucket of five");
}

#[test]
fn requests_are_spaced_from_start_to_start() {
    let mut gate = gate(GateConfig { rate: per_second(1, 1), ..config() });
    let first = go(&mut gate, START);
    gate.settle(millis(900), first, Outcome::Success, ENTROPY);
    assert_eq!(go(&mut gate, secs(1)).started(), secs(1), "not a second after the first one ended");
}

#[test]
fn a_look_consumes_nothing() {
    let mut gate = gate(GateConfig { rate: per_second(1, 1), ..config() });
    (0..1_000).for_each(|_| assert_eq!(gate.peek(START, Try::First), None));
    let _still_there = go(&mut gate, START);
    assert!(gate.peek(START, Try::First).is_some());
}

#[test]
fn what_is_not_sent_is_given_back() {
    let mut gate = gate(GateConfig { rate: per_second(1, 1), ..config() });
    (0..100).for_each(|_| call(&mut gate, START, Outcome::Unsent));
    let _still_there = go(&mut gate, START);
    assert_eq!(told(&mut gate, START).0, secs(1));
}

#[test]
fn governor_5_124_097() {
    let hourly = RateConfig { rate: Rate { count: 1, period: Duration::from_secs(3_600) }, burst: 10 };
    let mut limiter = RateLimiter::new(hourly).expect("valid settings");
    for cells in [11, 5_124_096, 5_124_097, 5_124_098, u32::MAX] {
        assert_eq!(limiter.try_acquire(START, cells), Pacing::Never { burst: 10 }, "{cells} of a burst of 10");
    }
    assert_eq!(limiter.try_acquire(START, 10), Pacing::Go);
    assert!(matches!(limiter.try_acquire(START, 1), Pacing::NotBefore(_)));
}

#[test]
fn the_largest_burst_is_granted_in_full() {
    let hourly = |burst| RateConfig { rate: Rate { count: 1, period: Duration::from_secs(3_600) }, burst };
    assert!(RateLimiter::new(hourly(u32::MAX)).is_err(), "half a million years do not fit, and that is said");
    let most = 1_000_000;
    let mut limiter = RateLimiter::new(hourly(most)).expect("a hundred and fourteen years do");
    assert_eq!(limiter.try_acquire(START, most), Pacing::Go);
    assert_eq!(limiter.try_acquire(START, 1), Pacing::NotBefore(secs(3_600)));
}

/// What is learnt, and tried, by a client that always wants more from ten workers that take this long each.
fn ten_workers(limit: &mut ConcurrencyLimit, calls: usize, work: Duration) -> Vec<(u16, u16)> {
    let mut out = VecDeque::new();
    let ask = |_| {
        while let Ok(slot) = limit.try_acquire() {
            out.push_back((slot, work * u32::from(limit.in_flight().max(10)) / 10));
        }
        let (slot, latency) = out.pop_front().expect("the floor is at least 1");
        limit.settle(slot, Load::Carried, latency);
        (limit.learnt(), limit.limit())
    };
    let seen = (0..calls).map(ask).collect();
    out.into_iter().for_each(|(slot, _)| limit.settle(slot, Load::Neutral, Duration::ZERO));
    seen
}

#[test]
fn the_baseline_of_latency_follows_the_server_both_ways() {
    let mut limit = ConcurrencyLimit::new(LimitConfig::DEFAULT).expect("valid");
    for work_ms in [20, 400, 5, 60] {
        let seen = ten_workers(&mut limit, 40_000, Duration::from_millis(work_ms));
        let (least, most) = seen[20_000..]
            .iter()
            .fold((u16::MAX, 0), |(least, most), (learnt, _)| (least.min(*learnt), most.max(*learnt)));
        assert!(least >= 9 && most <= 17, "{least} to {most} at once for ten workers that take {work_ms} ms");
    }
}

#[test]
fn measuring_latency_at_rest_takes_half_the_places_for_a_moment() {
    let mut limit = ConcurrencyLimit::new(LimitConfig::DEFAULT).expect("valid");
    let seen = ten_workers(&mut limit, 60_000, Duration::from_millis(20));
    let settled = &seen[20_000..];
    assert!(settled.iter().all(|(learnt, tried)| *tried >= learnt / 2), "never less than half of what is carried");
    let held_back = settled.iter().filter(|(learnt, tried)| tried < learnt).count();
    assert!((1..settled.len() / 10).contains(&held_back), "{held_back} of {} answers", settled.len());
}
