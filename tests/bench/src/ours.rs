//! The core: its gate as a whole, its call, and each policy alone.
//!
//! The settings are the defaults, those of bulk work: breaker over the last 32 calls, a rate that seeks, a limit that
//! adapts, a retry budget, buckets of 1 ms to 60 s in two windows.

use std::hint::black_box;
use std::time::Duration;

use tidegate_core::{
    Admission, Call, CallConfig, CallPolicy, End, Entropy, Gate, GateConfig, Instant, LatencyConfig, Next, Outcome,
    RateControl, RotatingBuckets, Step as Move, Try,
    backoff::{Backoff, BackoffConfig},
    breaker::{BreakerConfig, CircuitBreaker, Verdict},
    budget::{RetryBudget, RetryBudgetConfig},
    limit::{ConcurrencyLimit, LimitConfig, Load},
    rate::{Pacing, Rate, RateConfig, RateLimiter},
};

use crate::{Operation, Step};

/// The row that has a goal: the whole decision path of one attempt with breaker, limiter, adaptive limit and budget. Its rate is
/// fixed, as that of the peers is.
pub const WHOLE: &str = "tidegate: gate poll, settle, latency record, at a fixed rate";

/// What of that row is none of the decisions: instants made, arguments hidden from the compiler, two calls.
pub const AROUND: &str = "tidegate: arguments and empty calls of that alone";

/// Every row.
pub const ALL: &[Operation] = &[
    Operation { name: WHOLE, start: || whole_attempt(GateConfig { rate: FIXED, ..GateConfig::DEFAULT }) },
    Operation { name: AROUND, start: around_an_attempt },
    Operation { name: "tidegate: gate poll, settle, latency record", start: || whole_attempt(GateConfig::DEFAULT) },
    Operation { name: "tidegate: call poll, settle, latency record", start: whole_call },
    Operation { name: "tidegate: call poll, settle, latency record, one in four is retried", start: retried_call },
    Operation { name: "tidegate: gate poll, settle", start: || attempts(|_| Outcome::Success) },
    Operation { name: "tidegate: gate poll, settle, one in four fails", start: || attempts(one_in_four_fails) },
    Operation { name: "tidegate: gate poll, open breaker refuses", start: refused_by_the_breaker },
    Operation { name: "tidegate: gate poll, rate refuses", start: refused_by_the_rate },
    Operation { name: "tidegate: breaker acquire, settle", start: breaker },
    Operation { name: "tidegate: rate acquire", start: rate },
    Operation { name: "tidegate: limit acquire, settle", start: limit },
    Operation { name: "tidegate: budget deposit", start: deposit },
    Operation { name: "tidegate: budget deposit and withdrawal", start: withdrawal },
    Operation { name: "tidegate: latency record", start: record },
    Operation { name: "tidegate: backoff with full jitter", start: backoff },
];

fn whole_attempt(config: GateConfig) -> Step {
    let mut gate = Gate::new(config).expect("valid");
    let (mut buckets, mut times) = (buckets(), Times::default());
    Box::new(move || {
        let (now, later) = times.next();
        let gate = black_box(&mut gate);
        let ticket = admitted(gate.poll(now, black_box(Try::First)));
        gate.settle(later, ticket, black_box(Outcome::Success), black_box(ENTROPY));
        black_box(&mut buckets).record_since(later, now);
    })
}

fn around_an_attempt() -> Step {
    let (mut gate, mut buckets, mut times) = (gate(), buckets(), Times::default());
    Box::new(move || {
        let (now, later) = times.next();
        let gate = black_box(&mut gate);
        let ticket = empty_poll(gate, now, black_box(Try::First));
        empty_settle(gate, later, ticket, black_box(Outcome::Success), black_box(ENTROPY));
        black_box(black_box(&mut buckets));
    })
}

/// As much in and out as [`Gate::poll`].
#[inline(never)]
fn empty_poll(_gate: &mut Gate, now: Instant, _attempt: Try) -> Option<(Instant, u64)> {
    Some((now, 0))
}

/// As much in as [`Gate::settle`].
#[inline(never)]
fn empty_settle(_gate: &mut Gate, _now: Instant, ticket: Option<(Instant, u64)>, _outcome: Outcome, _entropy: Entropy) {
    // So that it is called at all.
    black_box(ticket.is_some());
}

fn whole_call() -> Step {
    calls(|_| Outcome::Success)
}

fn retried_call() -> Step {
    calls(one_in_four_fails)
}

/// Calls whose first attempt ends as `outcome` says, and any other well.
fn calls(outcome: fn(u64) -> Outcome) -> Step {
    let policy = CallPolicy::new(CallConfig::DEFAULT).expect("the default is valid");
    let policy: &'static CallPolicy = Box::leak(Box::new(policy));
    let (mut gate, mut buckets, mut times) = (gate(), buckets(), Times::default());
    Box::new(move || {
        let (mut now, _) = times.next();
        let mut outcome = outcome(times.count);
        let mut call = Call::new(black_box(policy), now.saturating_add(Duration::from_secs(3_600)));
        loop {
            let gate = black_box(&mut gate);
            let Move::Attempt(ticket) = call.poll(now, gate) else { panic!("refused at {now:?}") };
            let later = now.saturating_add(LATENCY);
            let next = call.settle(later, gate, ticket, black_box(outcome), black_box(ENTROPY));
            black_box(&mut buckets).record_since(later, now);
            match next {
                Next::Retry { at } => (now, outcome) = (at, Outcome::Success),
                Next::Done(end) => break assert_eq!(end, End::Succeeded),
            }
        }
    })
}

fn attempts(outcome: fn(u64) -> Outcome) -> Step {
    let (mut gate, mut times) = (gate(), Times::default());
    Box::new(move || {
        let (now, later) = times.next();
        let gate = black_box(&mut gate);
        let ticket = admitted(gate.poll(now, black_box(Try::First)));
        gate.settle(later, ticket, black_box(outcome(times.count)), black_box(ENTROPY));
    })
}

fn refused_by_the_breaker() -> Step {
    let (mut gate, mut times) = (gate(), Times::default());
    while let Admission::Go(ticket) = gate.poll(times.next().0, Try::First) {
        gate.settle(times.next().0, ticket, Outcome::Failure, ENTROPY);
    }
    let now = times.next().0;
    Box::new(move || refused(black_box(&mut gate).poll(black_box(now), black_box(Try::First))))
}

fn refused_by_the_rate() -> Step {
    let mut gate = gate();
    let now = Instant::from_secs(1);
    while let Admission::Go(ticket) = gate.poll(now, Try::First) {
        gate.settle(now, ticket, Outcome::Success, ENTROPY);
    }
    Box::new(move || refused(black_box(&mut gate).poll(black_box(now), black_box(Try::First))))
}

fn breaker() -> Step {
    let mut breaker = CircuitBreaker::new(BreakerConfig::DEFAULT).expect("the default is valid");
    let mut times = Times::default();
    Box::new(move || {
        let (now, later) = times.next();
        let breaker = black_box(&mut breaker);
        let pass = breaker.try_acquire(now).expect("closed");
        breaker.settle(later, pass, black_box(Verdict::Success), black_box(ENTROPY));
    })
}

fn rate() -> Step {
    let (mut limiter, mut times) = (RateLimiter::new(RATE).expect("valid"), Times::default());
    Box::new(move || {
        let pacing = black_box(&mut limiter).try_acquire(times.next().0, black_box(1));
        assert!(matches!(pacing, Pacing::Go));
    })
}

fn limit() -> Step {
    let mut limit = ConcurrencyLimit::new(LimitConfig::DEFAULT).expect("the default is valid");
    Box::new(move || {
        let limit = black_box(&mut limit);
        let slot = limit.try_acquire().expect("nothing else is in flight");
        limit.settle(slot, black_box(Load::Carried), black_box(LATENCY));
    })
}

fn deposit() -> Step {
    let mut budget = budget();
    Box::new(move || black_box(&mut budget).deposit())
}

fn withdrawal() -> Step {
    let (mut budget, mut times) = (budget(), Times::default());
    Box::new(move || {
        let budget = black_box(&mut budget);
        (0..ANSWERS_PER_RETRY).for_each(|_| budget.deposit());
        budget.try_withdraw(times.next().0).expect("deposited just now");
    })
}

fn record() -> Step {
    let (mut buckets, mut times) = (buckets(), Times::default());
    Box::new(move || {
        let (now, later) = times.next();
        black_box(&mut buckets).record_since(later, now);
    })
}

fn backoff() -> Step {
    let backoff = Backoff::new(BackoffConfig::DEFAULT).expect("the default is valid");
    Box::new(move || {
        black_box(black_box(&backoff).delay(black_box(3), Duration::ZERO, black_box(ENTROPY)));
    })
}

fn one_in_four_fails(count: u64) -> Outcome {
    if count.is_multiple_of(4) { Outcome::Failure } else { Outcome::Success }
}

fn admitted(admission: Admission) -> tidegate_core::Ticket {
    match admission {
        Admission::Go(ticket) => ticket,
        refused => panic!("{refused:?}"),
    }
}

fn refused(admission: Admission) {
    assert!(!matches!(black_box(admission), Admission::Go(_)));
}

fn gate() -> Gate {
    Gate::new(GateConfig::DEFAULT).expect("the default is valid")
}

fn budget() -> RetryBudget {
    RetryBudget::new(RetryBudgetConfig::DEFAULT).expect("the default is valid")
}

const LATENCIES: LatencyConfig = LatencyConfig::DEFAULT;

fn buckets() -> RotatingBuckets<{ LATENCIES.cells() }> {
    RotatingBuckets::new(LATENCIES, Duration::from_secs(60)).expect("the default is valid")
}

const RATE: RateConfig = RateConfig { rate: Rate::per_second(100), burst: 8 };
const FIXED: RateControl = RateControl::Fixed(RATE);

/// An attempt each 250 ms of virtual time, so that no rate is in the way; each takes [`LATENCY`].
#[derive(Default)]
struct Times {
    count: u64,
    at: Instant,
}

impl Times {
    fn next(&mut self) -> (Instant, Instant) {
        self.count += 1;
        self.at = Instant::from_nanos(self.at.as_nanos() + 250_000_000);
        (black_box(self.at), black_box(Instant::from_nanos(self.at.as_nanos() + 20_000_000)))
    }
}

const LATENCY: Duration = Duration::from_millis(20);
const ENTROPY: Entropy = Entropy::new(0x9e37_79b9);
/// The default budget allows half of the answers.
const ANSWERS_PER_RETRY: u32 = 2;
