//! What a trace promises.

extern crate std;

use core::time::Duration;
use std::{string::ToString, vec::Vec};

use super::*;
use crate::{
    breaker::BreakerConfig,
    call::{Call, CallConfig, CallPolicy, End, Next, Step},
    gate::{Gate, GateConfig, RateControl, Why},
    limit::LimitConfig,
    outcome::Refusal,
    rate::{Rate, RateConfig},
};

const START: Instant = Instant::from_secs(1_000);

/// Small enough that everything is in the way now and then.
const TIGHT: GateConfig = GateConfig {
    breaker: BreakerConfig { window: 8, calls_min: 4, ..BreakerConfig::DEFAULT },
    limit: LimitConfig { start: 3, floor: 1, ceiling: 6, ..LimitConfig::DEFAULT },
    ..GateConfig::DEFAULT
};

fn gate(config: GateConfig) -> Gate {
    Gate::new(config).expect("valid settings")
}

fn outcome(entropy: Entropy) -> Outcome {
    match entropy.up_to(15) {
        0..=6 => Outcome::Success,
        7 => Outcome::Empty,
        8..=10 => Outcome::Failure,
        11 => Outcome::Timeout,
        12 => Outcome::Throttled { retry_after: None },
        13 => Outcome::Throttled { retry_after: Some(Duration::from_millis(700)) },
        14 => Outcome::Refused(Refusal::Request),
        _ => Outcome::Unsent,
    }
}

/// A random story of 300 steps, with late readings of the clock, lost tickets and bursts at one instant.
fn story<const R: usize>(seed: u64, config: GateConfig) -> Traced<Gate, R> {
    let mut traced = Traced::new(gate(config));
    let mut out: Vec<Ticket> = Vec::new();
    let mut now = START;
    for step in 0..300 {
        let entropy = Entropy::mix(seed, step, 6);
        now = now.plus_ns([0, 0, 1_000_000, 200_000_000, 4_000_000_000][entropy.up_to(4) as usize]);
        let late = Instant::from_nanos(now.as_nanos() - entropy.derive(1).up_to(1_000_000));
        let attempt = if entropy.derive(2).up_to(2) == 0 { Try::Again } else { Try::First };
        match entropy.derive(3).up_to(9) {
            0..=4 => {
                if let Admission::Go(ticket) = traced.poll(late, attempt) {
                    out.push(ticket);
                }
            }
            5 => drop(traced.peek(late, attempt)),
            6 => drop(out.pop().map(|ticket| traced.cancel(late, ticket))),
            _ if !out.is_empty() => {
                let ticket = out.remove(entropy.derive(4).up_to(out.len() as u64 - 1) as usize);
                traced.settle(late, ticket, outcome(entropy.derive(5)), entropy.derive(6));
            }
            _ => {}
        }
    }
    traced
}

#[test]
fn what_was_recorded_is_replayed_identically_and_leaves_the_gate_where_it_stood() {
    for seed in 0..100 {
        let traced = story::<300>(seed, TIGHT);
        let mut again = gate(TIGHT);
        assert_eq!(traced.replay(&mut again), Ok(traced.hash()), "seed {seed}");
        assert_eq!(&again, traced.gate(), "seed {seed}");
    }
}

#[test]
fn the_stories_told_are_rich() {
    let all: Vec<_> = (0..100).flat_map(|seed| story::<300>(seed, TIGHT).records().collect::<Vec<_>>()).collect();
    let told = |found: fn(&Event) -> bool| all.iter().any(|record| found(&record.event));
    assert!(told(|event| matches!(event, Event::Polled { decision: Decision::Go(_), .. })));
    assert!(told(|event| matches!(event, Event::Polled { decision: Decision::Wait { .. }, .. })));
    assert!(told(|event| matches!(event, Event::Polled { decision: Decision::Full { .. }, .. })));
    assert!(told(|event| matches!(event, Event::Peeked { decision: Decision::Clear, .. })));
    assert!(told(|event| matches!(event, Event::Peeked { decision: Decision::Wait { .. }, .. })));
    assert!(told(|event| matches!(event, Event::Settled { .. })));
    assert!(told(|event| matches!(event, Event::Cancelled { .. })));
}

#[test]
fn another_configuration_is_reported_at_the_first_decision_that_differs() {
    let config = GateConfig { rate: RateControl::Unlimited, limit: LimitConfig::fixed(2), ..TIGHT };
    let mut traced: Traced<Gate, 8> = Traced::new(gate(config));
    let tickets: Vec<_> = (0..3).map(|_| traced.poll(START, Try::First)).collect();
    assert!(matches!(tickets.last(), Some(Admission::Full { .. })));
    let error = traced.replay(&mut gate(GateConfig { limit: LimitConfig::fixed(1), ..config })).expect_err("fewer");
    let ReplayError::Differs(difference) = error else { panic!("{error}") };
    assert_eq!(difference.index, 1, "the first attempt is admitted by both");
    assert_eq!(Some(difference.recorded), traced.records().nth(1));
    assert_eq!(
        error.to_string(),
        "record 1 differs: at 1000.000000000 s: asked for a first attempt: go with First ticket of 1000.000000000 s \
         (gate 0, era 0, cell 0, cuts 0 and 0); replayed: full until 1026.668000000 s (1 of 1 in flight)"
    );
}

#[test]
fn a_difference_is_found_wherever_it_is() {
    for seed in 0..20 {
        let traced = story::<300>(seed, TIGHT);
        for (index, record) in traced.records().enumerate() {
            let Event::Polled { attempt, .. } = record.event else { continue };
            let forged = Record { event: Event::Polled { attempt, decision: Decision::Clear }, ..record };
            let records = traced.records().enumerate().map(|(at, record)| if at == index { forged } else { record });
            match replay(records, &mut gate(TIGHT)) {
                Err(ReplayError::Differs(found)) => assert_eq!(found.index, index as u64, "seed {seed}"),
                other => panic!("seed {seed}: record {index} was forged, and the replay says {other:?}"),
            }
        }
    }
}

#[test]
fn the_hash_is_the_same_on_every_processor() {
    assert_eq!(Traced::<Gate, 1>::new(gate(TIGHT)).hash(), 0xaf63_bc4c_8601_b62c, "the version alone");
    let mut traced: Traced<Gate, 1> = Traced::new(gate(GateConfig { id: 7, ..TIGHT }));
    assert_eq!(traced.peek(START, Try::First), None);
    let Admission::Go(ticket) = traced.poll(START, Try::First) else { panic!("a fresh gate admits") };
    let throttled = Outcome::Throttled { retry_after: Some(Duration::from_millis(1_500)) };
    traced.settle(Instant::from_secs(1_001), ticket, throttled, Entropy::new(0x0102_0304));
    // Computed from the documented bytes by another program.
    assert_eq!(traced.hash(), 0xc203_51b7_badf_a8a0);
}

#[test]
fn records_that_differ_have_hashes_that_differ() {
    let hash = |record: Record| {
        let mut hash = TraceHash::new();
        hash.add(&record);
        hash.value()
    };
    let records: Vec<_> = (0..20).flat_map(|seed| story::<300>(seed, TIGHT).records().collect::<Vec<_>>()).collect();
    let mut seen: Vec<(u64, Record)> = records.into_iter().map(|record| (hash(record), record)).collect();
    seen.sort_by_key(|(hash, _)| *hash);
    for pair in seen.windows(2) {
        let [(before, one), (after, other)] = pair else { continue };
        assert!(before != after || one == other, "{one} and {other} have the same hash");
    }
}

#[test]
fn every_input_and_every_part_of_a_decision_is_in_the_hash() {
    let attempts = [Try::First, Try::Again];
    let controls = [
        Control::Pause { until: START },
        Control::Pause { until: Instant::MAX },
        Control::Breaker(crate::breaker::BreakerMode::ForcedOpen),
        Control::Breaker(crate::breaker::BreakerMode::ForcedClosed),
        Control::Readmit,
    ];
    let whys = [
        Why::ForcedOpen,
        Why::Queued,
        Why::InFlight { in_flight: 1, limit: 2 },
        Why::InFlight { in_flight: 2, limit: 1 },
        Why::Ramp { in_flight: 1, ramp: 2 },
    ];
    let waits = whys.into_iter().flat_map(|why| {
        [
            Decision::Wait { until: START, why },
            Decision::Full { until: START, why },
            Decision::Wait { until: Instant::MAX, why },
        ]
    });
    let decisions: Vec<Decision> = waits.chain([Decision::Clear]).collect();
    let asked = attempts.into_iter().flat_map(|attempt| {
        decisions
            .iter()
            .flat_map(move |&decision| [Event::Polled { attempt, decision }, Event::Peeked { attempt, decision }])
    });
    let events: Vec<Event> = controls
        .into_iter()
        .map(|control| Event::Controlled { control })
        .chain(asked)
        .chain([Event::Changed])
        .collect();
    let mut hashes: Vec<u64> = events
        .iter()
        .map(|&event| {
            let mut hash = TraceHash::new();
            hash.add(&Record { now: START, event });
            hash.value()
        })
        .collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), events.len(), "two records differ, and their hashes do not");
}

#[test]
fn a_trace_gives_attempts_the_time_that_its_gate_gives_them() {
    let traced: Traced<Gate, 1> = Traced::new(gate(TIGHT));
    assert_eq!(Gatekeeper::attempt_timeout(&traced), TIGHT.attempt_timeout);
}

#[test]
fn a_ring_that_wrapped_says_so_and_keeps_its_hash() {
    let (short, long) = (story::<16>(1, TIGHT), story::<300>(1, TIGHT));
    assert_eq!((short.hash(), short.recorded()), (long.hash(), long.recorded()));
    assert_eq!(short.records().count(), 16);
    let tail: Vec<_> = long.records().skip(long.recorded() as usize - 16).collect();
    assert_eq!(short.records().collect::<Vec<_>>(), tail);
    let error = short.replay(&mut gate(TIGHT)).expect_err("the beginning is lost");
    assert_eq!(error, ReplayError::Wrapped { recorded: short.recorded(), kept: 16 });
    assert!(error.to_string().contains("trace with a larger ring"), "{error}");
}

#[test]
fn a_ring_that_is_just_full_is_replayed() {
    let mut traced: Traced<Gate, 2> = Traced::new(gate(TIGHT));
    for _ in 0..2 {
        let _: Option<Admission> = traced.peek(START, Try::First);
    }
    assert_eq!(traced.replay(&mut gate(TIGHT)), Ok(traced.hash()));
}

#[test]
fn a_replay_ends_where_the_gate_was_changed_from_outside() {
    let mut traced: Traced<Gate, 8> = Traced::new(gate(TIGHT));
    let _: Option<Admission> = traced.peek(START, Try::First);
    traced.change(START, |gate| gate.pause_until(START, Instant::MAX));
    assert!(matches!(traced.poll(START, Try::First), Admission::Wait { .. }));
    assert_eq!(traced.replay(&mut gate(TIGHT)), Err(ReplayError::Changed { index: 1 }));
}

#[test]
fn records_that_no_gate_wrote_do_no_harm() {
    // As they may come from a file: tickets that were never granted, in any order, many times over.
    let records: Vec<_> = (0..10).flat_map(|seed| story::<300>(seed, TIGHT).records().collect::<Vec<_>>()).collect();
    let mut gate =
        gate(GateConfig { rate: RateControl::Fixed(RateConfig { rate: Rate::per_second(1), burst: 1 }), ..TIGHT });
    for record in records.iter().rev().chain(&records) {
        let _: Result<u64, ReplayError> = replay([*record], &mut gate);
    }
    assert!(gate.in_flight() <= 6, "{} in flight", gate.in_flight());
}

#[test]
fn a_call_runs_through_a_traced_gate_as_through_a_plain_one() {
    let policy = CallPolicy::new(CallConfig { attempts: 3, ..CallConfig::DEFAULT }).expect("valid");
    fn run<G: Gatekeeper>(policy: &CallPolicy, gate: &mut G) -> (End, Instant) {
        let mut now = START;
        let mut call = Call::new(policy, START.saturating_add(Duration::from_secs(60)));
        let mut outcomes = [Outcome::Failure, Outcome::Timeout, Outcome::Success].into_iter();
        loop {
            match call.poll(now, gate) {
                Step::Attempt(ticket) => {
                    now = now.plus_ns(30_000_000);
                    let outcome = outcomes.next().unwrap_or(Outcome::Unsent);
                    match call.settle(now, gate, ticket, outcome, Entropy::new(77)) {
                        Next::Retry { at } => now = at,
                        Next::Done(end) => return (end, now),
                    }
                }
                Step::Wait { until, .. } | Step::Full { until, .. } => now = until,
                Step::Done(end) => return (end, now),
            }
        }
    }
    let (mut plain, mut traced) = (gate(TIGHT), Traced::<Gate, 64>::new(gate(TIGHT)));
    let ends = (run(&policy, &mut plain), run(&policy, &mut traced));
    assert_eq!(ends.0, ends.1);
    assert_eq!(ends.0.0, End::Succeeded);
    assert_eq!(&plain, traced.gate());
    assert_eq!(traced.replay(&mut gate(TIGHT)), Ok(traced.hash()));
}

#[test]
fn time_running_backwards_is_recorded_as_it_came() {
    let mut traced: Traced<Gate, 4> = Traced::new(gate(TIGHT));
    for now in [START, Instant::ORIGIN, START] {
        let _: Option<Admission> = traced.peek(now, Try::First);
    }
    let read: Vec<_> = traced.records().map(|record| record.now).collect();
    assert_eq!(read, [START, Instant::ORIGIN, START]);
    assert_eq!(traced.replay(&mut gate(TIGHT)), Ok(traced.hash()));
}

#[test]
fn what_a_gate_is_told_is_replayed_and_hashed() {
    let told = |seconds: u64| {
        let mut traced: Traced<Gate, 16> = Traced::new(gate(TIGHT));
        let quota = crate::outcome::Quota { remaining: 3, limit: Some(100), resets_in: Duration::from_secs(9) };
        traced.control(START, Control::Quota(quota));
        traced.control(START, Control::Pause { until: START.saturating_add(Duration::from_secs(seconds)) });
        traced.control(START, Control::Breaker(crate::breaker::BreakerMode::ObserveOnly));
        traced.control(START, Control::Readmit);
        assert!(matches!(traced.poll(START, Try::First), Admission::Wait { .. }));
        assert_eq!(traced.replay(&mut gate(TIGHT)), Ok(traced.hash()));
        traced.hash()
    };
    assert_ne!(told(1), told(3_600), "two pauses with the same hash");
}
