//! What a gate promises, one room for each promise.

extern crate std;

mod admission;
mod clock;
mod control;
mod denials;
mod leases;
mod outcomes;
mod pauses;
mod quota;
mod settings;
mod snapshots;

use core::time::Duration;

use super::*;
use crate::{
    backoff::{BackoffConfig, Growth, Jitter},
    breaker::{AfterClosing, BreakerMode},
    budget::RetryBudgetConfig,
    limit::{LimitConfig, LimitKind},
    outcome::Quota,
    rate::{AdaptiveRateConfig, Rate, RateConfig},
    share::Share,
};

const START: Instant = Instant::from_secs(1_000);
const ENTROPY: Entropy = Entropy::new(u32::MAX / 2);

/// Nothing is jittered and nothing is in the way: each test adds the one thing that it is about.
///
/// The breaker opens for 10 s, doubling to 40 s, when half of at least 4 of the last 8 calls failed. A lease of 30 s is
/// counted in cells of 10 s.
const PLAIN: GateConfig = GateConfig {
    breaker: BreakerConfig {
        window: 8,
        calls_min: 4,
        open: BackoffConfig {
            growth: Growth::Exponential,
            base: Duration::from_secs(10),
            cap: Duration::from_secs(40),
            jitter: Jitter::None,
        },
        after_closing: AfterClosing::FullTraffic,
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

fn gate(config: GateConfig) -> Gate {
    Gate::new(config).expect("valid settings")
}

fn secs(after_start: u64) -> Instant {
    START.saturating_add(Duration::from_secs(after_start))
}

fn millis(after_start: u64) -> Instant {
    START.saturating_add(Duration::from_millis(after_start))
}

/// A ticket, or a message that says what was in the way.
#[track_caller]
fn go(gate: &mut Gate, now: Instant, attempt: Try) -> Ticket {
    match gate.poll(now, attempt) {
        Admission::Go(ticket) => ticket,
        refused => panic!("at {now:?} the gate refused with {refused:?}"),
    }
}

#[track_caller]
fn call(gate: &mut Gate, now: Instant, outcome: Outcome) {
    let ticket = go(gate, now, Try::First);
    gate.settle(now, ticket, outcome, ENTROPY);
}

/// Four failures: the breaker of `PLAIN` opens for 10 s.
#[track_caller]
fn trip(gate: &mut Gate, now: Instant) {
    (0..4).for_each(|_| call(gate, now, Outcome::Failure));
    assert!(matches!(gate.breaker().state(), BreakerState::Open { .. }), "{:?}", gate.breaker().state());
}

const SLOW_SERVER: RateControl = RateControl::Fixed(RateConfig { rate: Rate::per_second(1), burst: 2 });

/// One retry for two answers, 5 saved at most, and a reserve of one that comes back in 100 s.
const BUDGET: Option<RetryBudgetConfig> = Some(RetryBudgetConfig {
    retries: 1,
    answers: 2,
    saved_max: 5,
    reserve: 1,
    reserve_refill: Duration::from_secs(100),
});

fn all_outcomes() -> [Outcome; 10] {
    [
        Outcome::Success,
        Outcome::Empty,
        Outcome::Failure,
        Outcome::Timeout,
        Outcome::Throttled { retry_after: None },
        Outcome::Throttled { retry_after: Some(Duration::from_secs(5)) },
        Outcome::Refused(crate::outcome::Refusal::Access),
        Outcome::Refused(crate::outcome::Refusal::Request),
        Outcome::Cancelled,
        Outcome::Unsent,
    ]
}
