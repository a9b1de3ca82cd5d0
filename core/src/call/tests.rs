//! What a call promises, one room for each promise.

extern crate std;

mod deadline;
mod patience;
mod retries;

use core::time::Duration;

use super::*;
use crate::{
    backoff::{BackoffConfig, Growth, Jitter},
    breaker::{AfterClosing, BreakerConfig, BreakerMode},
    budget::RetryBudgetConfig,
    gate::{Gate, GateConfig, RateControl},
    limit::LimitConfig,
    rate::{Rate, RateConfig},
};

const START: Instant = Instant::from_secs(1_000);
const ENTROPY: Entropy = Entropy::new(u32::MAX / 2);
const WORDS: [u32; 5] = [0, 1, u32::MAX / 2, u32::MAX - 1, u32::MAX];

/// Opens for exactly 10 s after one failure, closes to full traffic; nothing else is in the way.
const GATE: GateConfig = GateConfig {
    breaker: BreakerConfig {
        window: 1,
        calls_min: 1,
        open: BackoffConfig {
            growth: Growth::Constant,
            base: Duration::from_secs(10),
            cap: Duration::from_secs(10),
            jitter: Jitter::None,
        },
        after_closing: AfterClosing::FullTraffic,
        ..BreakerConfig::DEFAULT
    },
    rate: RateControl::Unlimited,
    limit: LimitConfig::fixed(100),
    budget: None,
    ..GateConfig::DEFAULT
};

/// A gate in whose way nothing ever is.
const OPEN_GATE: GateConfig =
    GateConfig { breaker: BreakerConfig { mode: BreakerMode::ForcedClosed, ..GATE.breaker }, ..GATE };

const fn doubling(base: Duration, cap: Duration) -> BackoffConfig {
    BackoffConfig { growth: Growth::Exponential, base, cap, jitter: Jitter::None }
}

/// Four attempts, 1 s doubling to 60 s, throttled without a hint 10 s doubling to 60 s, no jitter, all the patience there is.
const CALM: CallConfig = CallConfig {
    attempts: 4,
    backoff: doubling(Duration::from_secs(1), Duration::from_secs(60)),
    throttled: doubling(Duration::from_secs(10), Duration::from_secs(60)),
    patience: None,
};

fn gate(config: GateConfig) -> Gate {
    Gate::new(config).expect("valid settings")
}

fn policy(config: CallConfig) -> CallPolicy {
    CallPolicy::new(config).expect("valid settings")
}

fn secs(after_start: u64) -> Instant {
    START.saturating_add(Duration::from_secs(after_start))
}

fn millis(after_start: u64) -> Instant {
    START.saturating_add(Duration::from_millis(after_start))
}

#[track_caller]
fn attempt(call: &mut Call<'_>, now: Instant, gate: &mut Gate) -> Ticket {
    match call.poll(now, gate) {
        Step::Attempt(ticket) => ticket,
        step => panic!("at {now:?}: {step:?}"),
    }
}

/// Makes an attempt that ends like this at once.
#[track_caller]
fn make(call: &mut Call<'_>, now: Instant, gate: &mut Gate, outcome: Outcome) -> Next {
    let ticket = attempt(call, now, gate);
    call.settle(now, gate, ticket, outcome, ENTROPY)
}

/// Somebody else's attempt.
#[track_caller]
fn elsewhere(gate: &mut Gate, now: Instant, outcome: Outcome) {
    match gate.poll(now, Try::First) {
        Admission::Go(ticket) => gate.settle(now, ticket, outcome, ENTROPY),
        refused => panic!("{refused:?}"),
    }
}

#[test]
fn time_running_backwards_makes_a_call_wait() {
    let policy = policy(CallConfig { patience: Some(Duration::from_secs(60)), ..CALM });
    let mut gate = gate(OPEN_GATE);
    let mut call = Call::new(&policy, secs(600));
    assert_eq!(make(&mut call, START, &mut gate, Outcome::Failure), Next::Retry { at: secs(1) });
    for earlier in [Instant::ORIGIN, Instant::from_secs(999), START] {
        let wait = Step::Wait { until: secs(1), why: Why::Backoff { attempt: 2, attempts: 4 } };
        assert_eq!(call.poll(earlier, &mut gate), wait);
        assert_eq!(call.poll_behind(earlier, &mut gate), wait);
    }
    gate.pause_until(START, secs(30));
    assert!(matches!(call.poll(secs(1), &mut gate), Step::Wait { until, .. } if until == secs(30)));
    assert!(matches!(call.poll(START, &mut gate), Step::Wait { until, .. } if until == secs(1)));
    let _second = attempt(&mut call, secs(30), &mut gate);
}

#[test]
fn nonsense_is_rejected_with_what_to_change() {
    let error = |config| CallPolicy::new(config).expect_err("nonsense");
    assert_eq!(error(CallConfig { attempts: 0, ..CALM }), CallError::AttemptsIsZero);
    let zero = BackoffConfig { base: Duration::ZERO, ..CALM.backoff };
    assert_eq!(
        error(CallConfig { backoff: zero, ..CALM }),
        CallError::Backoff(crate::backoff::BackoffError::BaseIsZero)
    );
    let throttled = error(CallConfig { throttled: zero, ..CALM });
    assert_eq!(throttled, CallError::Throttled(crate::backoff::BackoffError::BaseIsZero));
    assert!(std::format!("{throttled}").starts_with("when throttled: "));
}

#[test]
fn every_end_says_what_happened() {
    let resume_at = START;
    let why = Why::ForcedOpen;
    let ends = [
        (End::Succeeded, "succeeded"),
        (End::Empty, "nothing there"),
        (End::Refused(Refusal::Access), "access refused"),
        (End::Refused(Refusal::Request), "request refused"),
        (End::Exhausted { attempts: 4, resume_at }, "gave up after 4 attempts"),
        (End::OutOfTime { resume_at }, "out of time"),
        (End::OutOfPatience { why, resume_at }, "not worth waiting for: breaker forced open"),
        (End::QueueFull, "too many calls are waiting"),
        (End::Cancelled, "cancelled"),
    ];
    ends.iter().for_each(|(end, said)| assert_eq!(&std::format!("{end}"), said));
}
