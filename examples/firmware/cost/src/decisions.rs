//! Decisions of a gate and a call with every policy in them: adaptive rate, adaptive limit, breaker over the last 32 calls,
//! retry budget, leases.

use core::{hint::black_box as hidden, time::Duration};

use semihosting::println;
use tidegate_core::{
    Admission, Call, CallConfig, CallPolicy, Entropy, Gate, GateConfig, Instant, Outcome, RateControl, Step, Ticket,
    Try,
    breaker::{BreakerState, CircuitBreaker},
    budget::RetryBudget,
    latency::{LatencyConfig, RotatingBuckets},
    limit::{ConcurrencyLimit, LimitConfig},
    rate::{AdaptiveRate, RateLimiter},
};

use crate::counter::{Counter, Samples};

pub(crate) fn measure(counter: &mut Counter) {
    a_server_that_answers(counter);
    a_server_that_fails(counter);
    a_server_that_refuses(counter);
    calls(counter);
}

/// Bytes on this target.
pub(crate) fn sizes() {
    let row = |bytes: usize, name: &str| println!("{bytes:>7}  {name}");
    row(size_of::<Gate>(), "Gate");
    row(size_of::<Ticket>(), "Ticket");
    row(size_of::<Call<'_>>(), "Call");
    row(size_of::<CallPolicy>(), "CallPolicy");
    row(size_of::<CircuitBreaker>(), "CircuitBreaker");
    row(size_of::<RateLimiter>(), "RateLimiter");
    row(size_of::<AdaptiveRate>(), "AdaptiveRate");
    row(size_of::<ConcurrencyLimit>(), "ConcurrencyLimit");
    row(size_of::<RetryBudget>(), "RetryBudget");
    row(size_of::<RotatingBuckets<{ LatencyConfig::DEFAULT.cells() }>>(), "RotatingBuckets, 1 ms to 60 s to 12.5 %");
}

/// Attempts that overlap as they do in use, each answered 50 ms after it went; what a step of the adaptation costs is
/// among them.
fn a_server_that_answers(counter: &Counter) {
    let mut gate = gate(GateConfig::DEFAULT);
    let mut out: [Option<Ticket>; IN_FLIGHT] = [const { None }; IN_FLIGHT];
    let [mut admit, mut settle, mut both] = [const { Samples::new() }; 3];
    let mut now = Instant::from_secs(1);
    for step in 0..STEPS {
        now = hidden(now.saturating_add(SPACING));
        let Some(place) = out.get_mut(step % IN_FLIGHT) else { continue };
        let mut settling = 0;
        if let Some(ticket) = place.take() {
            let outcome = hidden(Outcome::Success);
            (settling, ()) = counter.count(|| gate.settle(now, ticket, outcome, ENTROPY));
            settle.add(settling);
        }
        let attempt = hidden(Try::First);
        let (admitting, admission) = counter.count(|| gate.poll(now, attempt));
        if let Admission::Go(ticket) = admission {
            *place = Some(ticket);
            admit.add(admitting);
            if settling > 0 {
                both.add(admitting + settling);
            }
        }
    }
    admit.print("Gate::poll, go");
    settle.print("Gate::settle, success");
    both.print("Gate, poll and settle of one attempt");
}

fn a_server_that_fails(counter: &Counter) {
    let [mut failure, mut trip, mut refused] = [const { Samples::new() }; 3];
    for _ in 0..FALLS {
        let mut gate = gate(GateConfig::DEFAULT);
        let mut now = Instant::from_secs(1);
        while !matches!(gate.breaker().state(), BreakerState::Open { .. }) {
            now = now.saturating_add(SPACING);
            let ticket = go(&mut gate, now, Try::First);
            now = now.saturating_add(SPACING);
            let (taken, ()) = counter.count(|| gate.settle(hidden(now), ticket, hidden(Outcome::Failure), ENTROPY));
            let opened = matches!(gate.breaker().state(), BreakerState::Open { .. });
            if opened { &mut trip } else { &mut failure }.add(taken);
        }
        refused.add(counter.count(|| gate.poll(hidden(now), hidden(Try::First))).0);
    }
    failure.print("Gate::settle, failure");
    trip.print("Gate::settle, failure that opens the breaker");
    refused.print("Gate::poll, refused while the breaker is open");
}

fn a_server_that_refuses(counter: &Counter) {
    let [mut throttled, mut early, mut full] = [const { Samples::new() }; 3];
    let mut gate = gate(GateConfig::DEFAULT);
    let mut now = Instant::from_secs(1);
    for _ in 0..STEPS {
        now = now.saturating_add(Duration::from_secs(2));
        let ticket = go(&mut gate, now, Try::First);
        early.add(counter.count(|| gate.poll(hidden(now), hidden(Try::First))).0);
        now = now.saturating_add(SPACING);
        let outcome = Outcome::Throttled { retry_after: None };
        throttled.add(counter.count(|| gate.settle(hidden(now), ticket, hidden(outcome), ENTROPY)).0);
    }
    let config = GateConfig { rate: RateControl::Unlimited, limit: LimitConfig::fixed(1), ..GateConfig::DEFAULT };
    let mut gate = self::gate(config);
    let ticket = go(&mut gate, now, Try::First);
    for _ in 0..STEPS {
        now = now.saturating_add(Duration::from_millis(1));
        full.add(counter.count(|| gate.poll(hidden(now), hidden(Try::First))).0);
    }
    gate.settle(now, ticket, Outcome::Success, ENTROPY);
    throttled.print("Gate::settle, throttled, with cuts of the rate");
    early.print("Gate::poll, refused for the rate");
    full.print("Gate::poll, refused because all places are taken");
}

fn calls(counter: &Counter) {
    let policy = CallPolicy::new(CallConfig::DEFAULT).expect("valid");
    let [mut polled, mut retried, mut done] = [const { Samples::new() }; 3];
    let mut gate = gate(GateConfig::DEFAULT);
    let mut now = Instant::from_secs(1);
    for _ in 0..STEPS {
        let mut call = Call::new(&policy, Instant::MAX);
        for outcome in [Outcome::Failure, Outcome::Success, Outcome::Success] {
            now = now.saturating_add(Duration::from_secs(30));
            let (polling, step) = counter.count(|| call.poll(hidden(now), &mut gate));
            let Step::Attempt(ticket) = step else { break };
            polled.add(polling);
            now = now.saturating_add(SPACING);
            let (settling, _) = counter.count(|| call.settle(hidden(now), &mut gate, ticket, hidden(outcome), ENTROPY));
            if outcome == Outcome::Failure { &mut retried } else { &mut done }.add(settling);
        }
    }
    polled.print("Call::poll, attempt");
    done.print("Call::settle, done");
    retried.print("Call::settle, failure with backoff");
}

fn gate(config: GateConfig) -> Gate {
    Gate::new(hidden(config)).expect("valid")
}

#[track_caller]
fn go(gate: &mut Gate, now: Instant, attempt: Try) -> Ticket {
    match gate.poll(now, attempt) {
        Admission::Go(ticket) => ticket,
        refused => panic!("nothing is in the way, but {refused:?}"),
    }
}

const ENTROPY: Entropy = Entropy::new(0x1234_5678);
/// Each attempt is out for ten steps.
const IN_FLIGHT: usize = 10;
const STEPS: usize = 4_000;
/// Above the interval that the adaptive rate starts with.
const SPACING: Duration = Duration::from_millis(21);
const FALLS: usize = 20;
