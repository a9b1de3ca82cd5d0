//! Who stays, who goes, and what is said where nobody can.

extern crate std;

use core::time::Duration;
use std::{format, vec::Vec as List};

use super::*;
use crate::{
    backoff::{BackoffConfig, Growth, Jitter},
    breaker::{BreakerConfig, BreakerMode, WindowError},
    entropy::Entropy,
    gate::{Admission, RateControl, Try},
    limit::LimitConfig,
    outcome::{Outcome, Refusal},
    rate::{Rate, RateConfig},
    ticket::Ticket,
};

const START: Instant = Instant::from_secs(1_000);
const ENTROPY: Entropy = Entropy::new(0);

/// Opens for 10 s after one failure and ramps up again; nothing is owed.
const PLAIN: GateConfig = GateConfig {
    breaker: BreakerConfig {
        window: 1,
        calls_min: 1,
        open: BackoffConfig {
            growth: Growth::Constant,
            base: Duration::from_secs(10),
            cap: Duration::from_secs(10),
            jitter: Jitter::None,
        },
        ..BreakerConfig::DEFAULT
    },
    rate: RateControl::Unlimited,
    limit: LimitConfig::fixed(100),
    budget: None,
    attempt_timeout: Duration::from_secs(20),
    slow_after: Duration::from_secs(20),
    lease: Duration::from_secs(30),
    id: 0,
};
const SLOW: GateConfig =
    GateConfig { rate: RateControl::Fixed(RateConfig { rate: Rate::per_second(1), burst: 4 }), ..PLAIN };

fn secs(after_start: u64) -> Instant {
    START.saturating_add(Duration::from_secs(after_start))
}

#[track_caller]
fn go(gate: &mut Gate, now: Instant) -> Ticket {
    match gate.poll(now, Try::First) {
        Admission::Go(ticket) => ticket,
        refused => panic!("at {now:?} the gate refused with {refused:?}"),
    }
}

#[track_caller]
fn call(gate: &mut Gate, now: Instant, outcome: Outcome) {
    let ticket = go(gate, now);
    gate.settle(now, ticket, outcome, ENTROPY);
}

/// What a table of one place says to a newcomer at `now`, after `story` happened to the host in it at `START`.
#[track_caller]
fn newcomer(config: GateConfig, now: Instant, story: impl FnOnce(&mut Gate)) -> Result<(), HostError> {
    let mut table: HostTable<u8, 1> = HostTable::new();
    story(table.gate(START, 1, config).expect("there is room"));
    let told = table.gate(now, 2, config).map(drop);
    let present: List<u8> = table.iter().map(|(key, _)| *key).collect();
    assert_eq!(present, [if told.is_ok() { 2 } else { 1 }], "{told:?}");
    told
}

fn full(until: Instant, held: Held) -> Result<(), HostError> {
    Err(HostError::Full { until, held })
}

#[test]
fn the_least_recently_used_neutral_host_goes() {
    let mut table: HostTable<u8, 3> = HostTable::new();
    for key in [1, 2, 3] {
        table.gate(START, key, PLAIN).expect("there is room");
    }
    table.gate(START, 1, PLAIN).expect("it is there");
    assert!(table.get(&2).is_some(), "a look-up is a use");
    table.gate(START, 4, PLAIN).expect("3 goes");
    table.gate(START, 5, PLAIN).expect("1 goes");
    assert_eq!([1, 2, 3, 4, 5].map(|key| table.iter().any(|(k, _)| *k == key)), [false, true, false, true, true]);
    assert_eq!(table.len(), 3);
}

#[test]
fn a_host_with_calls_in_flight_stays_until_they_are_settled_or_given_up() {
    let start = |gate: &mut Gate| drop(go(gate, START));
    assert_eq!(newcomer(PLAIN, START, start), full(secs(40), Held::InFlight { in_flight: 1 }));
    assert_eq!(newcomer(PLAIN, secs(39), start), full(secs(40), Held::InFlight { in_flight: 1 }));
    assert_eq!(newcomer(PLAIN, secs(40), start), Ok(()), "the lease has ended");
    assert_eq!(newcomer(PLAIN, START, |gate| call(gate, START, Outcome::Success)), Ok(()));
}

#[test]
fn a_host_whose_breaker_is_not_closed_at_full_traffic_stays_for_as_long_as_that_takes() {
    let trip = |gate: &mut Gate| call(gate, START, Outcome::Failure);
    assert_eq!(newcomer(PLAIN, START, trip), full(secs(10), Held::Open));
    assert_eq!(newcomer(PLAIN, secs(10), trip), full(secs(20), Held::Open), "it may be probed, and nobody has");
    let forced = |gate: &mut Gate| gate.set_breaker_mode(BreakerMode::ForcedOpen);
    assert_eq!(newcomer(PLAIN, secs(9_999), forced), full(Instant::MAX, Held::Forced));
}

#[test]
fn a_host_in_trouble_that_nobody_asks_for_any_more_goes_when_it_has_had_its_rest() {
    let mut table: HostTable<u8, 1> = HostTable::new();
    let mut newcomer_at = |now, use_it: fn(&mut Gate, Instant)| {
        let told = table.gate(now, 2, PLAIN).map(drop);
        if told.is_err() {
            use_it(table.gate(now, 1, PLAIN).expect("it is there"), now);
        } else {
            assert!(table.remove(&2).is_some());
            use_it(table.gate(now, 1, PLAIN).expect("there is room"), now);
        }
        told
    };
    let trip: fn(&mut Gate, Instant) = |gate, now| call(gate, now, Outcome::Failure);
    let probe: fn(&mut Gate, Instant) = |gate, now| call(gate, now, Outcome::Success);
    let give_up: fn(&mut Gate, Instant) = |gate, now| {
        let ticket = go(gate, now);
        gate.cancel(now, ticket);
    };
    assert_eq!(newcomer_at(START, trip), Ok(()));
    assert_eq!(newcomer_at(secs(10), give_up), full(secs(20), Held::Open));
    // A probe that says nothing leaves it half-open; its lease would have ended at 40 s.
    assert_eq!(newcomer_at(secs(40), probe), full(secs(50), Held::Open));
    assert_eq!(newcomer_at(secs(49), probe), full(secs(50), Held::Ramp));
    assert_eq!(newcomer_at(secs(58), trip), full(secs(59), Held::Ramp), "it was asked for meanwhile");
    assert_eq!(newcomer_at(secs(77), |_, _| {}), full(secs(78), Held::Open));
    assert_eq!(newcomer_at(secs(86), |_, _| {}), full(secs(87), Held::Open), "a look is a use");
    assert_eq!(newcomer_at(secs(96), |_, _| {}), Ok(()), "10 s after the last use");
}

#[test]
fn a_host_that_is_removed_makes_room_whatever_held_it() {
    let mut table: HostTable<u8, 2> = HostTable::new();
    for key in [1, 2] {
        let gate = table.gate(START, key, PLAIN).expect("room");
        (0..3).for_each(|_| call(gate, START, Outcome::Refused(Refusal::Access)));
    }
    assert_eq!(table.gate(secs(9_999), 3, PLAIN).map(drop), full(Instant::MAX, Held::Denied));
    assert!(table.remove(&3).is_none());
    let removed = table.remove(&1).expect("it is there");
    assert!(!removed.is_healthy(), "with what it remembers");
    table.gate(START, 3, PLAIN).expect("there is room");
    assert!(table.remove(&3).is_some() && table.remove(&2).is_some() && table.is_empty());
}

#[test]
fn a_paused_host_stays_until_the_pause_ends() {
    let pause = |gate: &mut Gate| gate.pause_until(START, secs(600));
    assert_eq!(newcomer(PLAIN, secs(599), pause), full(secs(600), Held::Paused));
    assert_eq!(newcomer(PLAIN, secs(600), pause), Ok(()));
    let pause_in_flight = |gate: &mut Gate| {
        let _out = go(gate, START);
        gate.pause_until(START, secs(5));
    };
    assert_eq!(newcomer(PLAIN, secs(4), pause_in_flight), full(secs(40), Held::Paused));
    assert_eq!(newcomer(PLAIN, secs(5), pause_in_flight), full(secs(40), Held::InFlight { in_flight: 1 }));
}

#[test]
fn a_host_that_denied_access_stays_until_it_is_readmitted() {
    let denied = |gate: &mut Gate| (0..3).for_each(|_| call(gate, START, Outcome::Refused(Refusal::Access)));
    assert_eq!(newcomer(PLAIN, secs(9_999), denied), full(Instant::MAX, Held::Denied));
    let readmitted = |gate: &mut Gate| {
        denied(gate);
        gate.readmit();
    };
    assert_eq!(newcomer(PLAIN, START, readmitted), Ok(()));
}

#[test]
fn a_host_whose_burst_is_spent_stays_until_it_has_rested() {
    let spend = |gate: &mut Gate| (0..4).for_each(|_| call(gate, START, Outcome::Success));
    assert_eq!(newcomer(SLOW, START, spend), full(secs(4), Held::Owed));
    assert_eq!(newcomer(SLOW, secs(3), spend), full(secs(4), Held::Owed));
    assert_eq!(newcomer(SLOW, secs(4), spend), Ok(()));
}

#[test]
fn of_several_held_hosts_the_one_that_may_be_free_first_is_named() {
    let mut table: HostTable<u8, 3> = HostTable::new();
    table.gate(START, 1, PLAIN).expect("room").pause_until(START, secs(50));
    call(table.gate(START, 2, PLAIN).expect("room"), START, Outcome::Failure);
    let _out = go(table.gate(START, 3, PLAIN).expect("room"), START);
    let refused = table.gate(START, 4, PLAIN).map(drop).expect_err("all are held");
    assert_eq!(Err(refused), full(secs(10), Held::Open));
    assert!(format!("{refused}").contains("an open breaker"), "{refused}");
}

#[test]
fn a_ticket_that_comes_back_to_an_evicted_host_changes_nothing() {
    let mut table: HostTable<u8, 1> = HostTable::new();
    let lost = go(table.gate(START, 1, PLAIN).expect("room"), START);
    let now = secs(40);
    let successor = table.gate(now, 2, PLAIN).expect("the lease has ended");
    let _present = go(successor, now);
    successor.settle(now, lost, Outcome::Failure, ENTROPY);
    assert_eq!((successor.in_flight(), successor.is_healthy()), (1, true));
}

#[test]
fn a_ticket_changes_nothing_in_another_gate_over_a_period_either() {
    let window = PeriodWindow::last(Duration::from_secs(10)).expect("in range");
    let mut table: HostTable<u8, 2, PeriodWindow> = HostTable::new();
    let take = |gate: &mut Gate<PeriodWindow>| match gate.poll(START, Try::First) {
        Admission::Go(ticket) => ticket,
        refused => panic!("{refused:?}"),
    };
    let first = take(table.gate_over_period(START, 1, window, PLAIN).expect("room"));
    let second = table.gate_over_period(START, 2, window, PLAIN).expect("room");
    let _present = take(second);
    second.settle(START, first, Outcome::Failure, ENTROPY);
    assert_eq!((second.in_flight(), second.is_healthy()), (1, true));
}

#[test]
fn a_ticket_of_one_host_frees_no_place_of_another() {
    let mut table: HostTable<u8, 2> = HostTable::new();
    let [first, second] = [1, 2].map(|key| go(table.gate(START, key, PLAIN).expect("room"), START));
    let gate = table.get(&2).expect("it has a call in flight");
    gate.settle(START, first, Outcome::Success, ENTROPY);
    assert_eq!(gate.in_flight(), 1);
    gate.settle(START, second, Outcome::Success, ENTROPY);
    assert_eq!(gate.in_flight(), 0);
}

#[test]
fn ids_come_round_without_meeting_a_gate_that_is_there() {
    let mut table: HostTable<u32, 2> = HostTable::new();
    let stays = go(table.gate(START, 0, PLAIN).expect("room"), START);
    for key in 1..=70_000 {
        table.gate(START, key, PLAIN).expect("the other place is neutral");
        let ids: List<u16> = table.hosts.iter().map(|host| host.id).collect();
        assert!(ids.len() < 2 || ids[0] != ids[1], "host {key} has the id of host 0");
    }
    let gate = table.get(&0).expect("it has a call in flight");
    gate.settle(START, stays, Outcome::Success, ENTROPY);
    assert_eq!(gate.in_flight(), 0);
}

#[test]
fn settings_that_are_rejected_evict_nobody() {
    let mut table: HostTable<u8, 1> = HostTable::new();
    table.gate(START, 1, PLAIN).expect("room");
    let error = table.gate(START, 2, GateConfig { attempt_timeout: Duration::ZERO, ..PLAIN }).map(drop);
    assert_eq!(error, Err(HostError::Config(GateError::AttemptTimeout)));
    assert!(table.get(&1).is_some());
}

#[test]
fn a_table_can_judge_stretches_of_time() -> Result<(), WindowError> {
    let window = PeriodWindow::last(Duration::from_secs(10))?;
    let mut table: HostTable<u8, 1, PeriodWindow> = HostTable::new();
    assert!(table.is_empty());
    let gate = table.gate_over_period(START, 1, window, PLAIN).expect("room");
    gate.pause_until(START, secs(5));
    assert!(!table.is_empty());
    assert_eq!(table.gate_over_period(secs(4), 2, window, PLAIN).map(drop), full(secs(5), Held::Paused));
    assert!(table.gate_over_period(secs(5), 2, window, PLAIN).is_ok());
    Ok(())
}

#[test]
fn time_running_backwards_evicts_nobody_that_would_have_stayed() {
    let mut table: HostTable<u8, 1> = HostTable::new();
    table.gate(START, 1, PLAIN).expect("room").pause_until(START, secs(600));
    for earlier in [Instant::ORIGIN, START, secs(599)] {
        assert_eq!(table.gate(earlier, 2, PLAIN).map(drop), full(secs(600), Held::Paused), "at {earlier:?}");
    }
    // What was said at a later reading holds at an earlier one.
    assert!(table.gate(secs(600), 2, PLAIN).is_ok());
    assert!(table.gate(START, 1, PLAIN).is_ok());
}

#[test]
fn it_agrees_with_a_list_of_hosts_in_the_order_of_their_use() {
    let (mut evictions, mut refusals) = (0, 0);
    for seed in 0..200 {
        let mut table: HostTable<u64, 3> = HostTable::new();
        let mut by_use: List<u64> = List::new();
        let mut out: List<(u64, Ticket)> = List::new();
        let mut now = START;
        for step in 0..200 {
            let entropy = Entropy::mix(seed, step, 5);
            now = now.plus_ns([0, 50_000_000, 3_000_000_000][entropy.up_to(2) as usize]);
            let key = entropy.derive(1).up_to(5);
            let neutral: List<u64> = table
                .hosts
                .iter_mut()
                .filter_map(|host| host.gate.held_until(now, host.used_at).is_none().then_some(host.key))
                .collect();
            let expected = if by_use.contains(&key) || by_use.len() < 3 {
                Some(None)
            } else {
                by_use.iter().find(|key| neutral.contains(key)).map(|key| Some(*key))
            };
            let told = table.gate(now, key, SLOW);
            assert_eq!(told.is_ok(), expected.is_some(), "seed {seed}, step {step}: host {key}: {told:?}");
            match (told, expected) {
                (Ok(gate), Some(evicted)) => {
                    evictions += usize::from(evicted.is_some());
                    by_use.retain(|host| *host != key && Some(*host) != evicted);
                    by_use.push(key);
                    match entropy.derive(2).up_to(9) {
                        0 => gate.pause_until(now, now.plus_ns(2_000_000_000)),
                        1..=6 => {
                            if let Admission::Go(ticket) = gate.poll(now, Try::First) {
                                out.push((key, ticket));
                            }
                        }
                        _ => {}
                    }
                }
                (Err(HostError::Full { until, .. }), _) => {
                    refusals += 1;
                    assert!(until > now, "seed {seed}, step {step}: to ask again at {until:?} is of no use");
                }
                (Err(error), _) => panic!("{error}"),
                (Ok(_), None) => unreachable!("compared above"),
            }
            if entropy.derive(3).up_to(2) > 0
                && let Some((key, ticket)) = out.pop()
                && let Some(gate) = table.get(&key)
            {
                let outcome = if entropy.derive(4).up_to(15) == 0 { Outcome::Failure } else { Outcome::Success };
                gate.settle(now, ticket, outcome, ENTROPY);
                by_use.retain(|host| *host != key);
                by_use.push(key);
            }
            let mut present: List<u64> = table.iter().map(|(key, _)| *key).collect();
            let mut listed = by_use.clone();
            present.sort_unstable();
            listed.sort_unstable();
            assert_eq!(present, listed, "seed {seed}, step {step}");
        }
    }
    assert!(evictions > 500 && refusals > 500, "{evictions} evictions, {refusals} refusals: the stories are poor");
}
