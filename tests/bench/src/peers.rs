//! The crates that a user would take instead, each set up as its documentation shows, on the same path: what it does is
//! admitted and goes well.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::hint::black_box;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use failsafe::{CircuitBreaker, backoff, failure_policy};
use governor::{Quota, RateLimiter, clock::FakeRelativeClock};
use hdrhistogram::Histogram;
use tower::retry::{
    Policy, Retry,
    budget::{Budget, TpsBudget},
};
use tower::{Service, limit::ConcurrencyLimit, limit::RateLimit, limit::rate, service_fn};

use crate::{Operation, Step};

/// What one attempt needs of them: together they do about what [`ours::WHOLE`](crate::ours::WHOLE) does.
pub const PARTS: [&str; 5] = [FAILSAFE, GOVERNOR, TOWER_LIMIT, TOWER_BUDGET, HDRHISTOGRAM];

/// Every row.
pub const ALL: &[Operation] = &[
    Operation { name: FAILSAFE, start: || call_failsafe(by_success_rate()) },
    Operation { name: "failsafe: call, consecutive failures", start: || call_failsafe(by_consecutive_failures()) },
    Operation { name: GOVERNOR, start: governor_direct },
    Operation { name: "governor: check, keyed", start: governor_keyed },
    Operation { name: TOWER_LIMIT, start: || call_tower(ConcurrencyLimit::new(service_fn(nothing), 10)) },
    Operation { name: "tower: rate limit around nothing", start: tower_rate },
    Operation {
        name: "tower: retry around nothing",
        start: || call_tower(Retry::new(Budgeted::new(), service_fn(nothing))),
    },
    Operation { name: "tower: retry, concurrency limit and rate limit around nothing", start: tower_stack },
    Operation { name: TOWER_BUDGET, start: tower_deposit },
    Operation { name: HDRHISTOGRAM, start: hdrhistogram },
    Operation { name: "backon: a delay with jitter", start: backon_delay },
    Operation { name: "backon: build, and a delay with jitter", start: backon_build },
    Operation { name: "reliakit: rolling breaker allow, success", start: reliakit_breaker },
    Operation { name: "reliakit: rate acquire", start: reliakit_rate },
    Operation { name: "reliakit: bulkhead acquire, release", start: reliakit_bulkhead },
    Operation { name: "reliakit: backoff with full jitter", start: reliakit_backoff },
];

const FAILSAFE: &str = "failsafe: call, success rate over 30 s";
const GOVERNOR: &str = "governor: check";
const TOWER_LIMIT: &str = "tower: concurrency limit around nothing";
const TOWER_BUDGET: &str = "tower: budget deposit";
const HDRHISTOGRAM: &str = "hdrhistogram: record";

fn by_success_rate() -> impl CircuitBreaker {
    let backoff = backoff::equal_jittered(Duration::from_secs(5), Duration::from_secs(60));
    let policy = failure_policy::success_rate_over_time_window(0.5, 16, Duration::from_secs(30), backoff);
    failsafe::Config::new().failure_policy(policy).build()
}

fn by_consecutive_failures() -> impl CircuitBreaker {
    let backoff = backoff::equal_jittered(Duration::from_secs(5), Duration::from_secs(60));
    failsafe::Config::new().failure_policy(failure_policy::consecutive_failures(5, backoff)).build()
}

fn call_failsafe(breaker: impl CircuitBreaker + 'static) -> Step {
    Box::new(move || {
        let result = black_box(&breaker).call(|| black_box(Ok::<(), Infallible>(())));
        assert!(result.is_ok());
    })
}

/// So much that it is never used up: what is measured is a check that admits.
fn quota() -> Quota {
    Quota::per_second(NonZeroU32::new(1_000_000).expect("not zero")).allow_burst(NonZeroU32::MAX)
}

fn governor_direct() -> Step {
    let limiter = RateLimiter::direct_with_clock(quota(), FakeRelativeClock::default());
    Box::new(move || assert!(black_box(&limiter).check().is_ok()))
}

fn governor_keyed() -> Step {
    let limiter = RateLimiter::hashmap_with_clock(quota(), FakeRelativeClock::default());
    Box::new(move || assert!(black_box(&limiter).check_key(&black_box(7_u32)).is_ok()))
}

fn tower_rate() -> Step {
    let runtime = runtime();
    let service = {
        let _inside = runtime.enter();
        RateLimit::new(service_fn(nothing), unlimited())
    };
    let mut step = call_tower(service);
    Box::new(move || {
        let _kept = &runtime;
        step();
    })
}

fn tower_stack() -> Step {
    // Retry clones what is inside it, which a rate limit cannot be: it goes around the whole.
    let runtime = runtime();
    let service = {
        let _inside = runtime.enter();
        let inner = ConcurrencyLimit::new(service_fn(nothing), 10);
        RateLimit::new(Retry::new(Budgeted::new(), inner), unlimited())
    };
    let mut step = call_tower(service);
    Box::new(move || {
        let _kept = &runtime;
        step();
    })
}

/// A request through a service that is ready at once and answers at once.
fn call_tower<S>(mut service: S) -> Step
where
    S: Service<(), Response = (), Error = Infallible> + 'static,
{
    Box::new(move || {
        let cx = &mut Context::from_waker(Waker::noop());
        let service = black_box(&mut service);
        assert!(matches!(service.poll_ready(cx), Poll::Ready(Ok(()))));
        let response = pin!(service.call(()));
        assert!(matches!(response.poll(cx), Poll::Ready(Ok(()))));
    })
}

fn nothing((): ()) -> Ready<Result<(), Infallible>> {
    ready(black_box(Ok(())))
}

/// The policy of tower's documentation: retries errors as far as a budget allows.
#[derive(Clone)]
struct Budgeted(Arc<TpsBudget>);

impl Budgeted {
    fn new() -> Self {
        Self(Arc::default())
    }
}

impl Policy<(), (), Infallible> for Budgeted {
    type Future = Ready<()>;

    fn retry(&mut self, (): &mut (), result: &mut Result<(), Infallible>) -> Option<Self::Future> {
        match result {
            Ok(()) => {
                self.0.deposit();
                None
            }
            Err(_) => self.0.withdraw().then(|| ready(())),
        }
    }

    fn clone_request(&mut self, (): &()) -> Option<()> {
        Some(())
    }
}

fn tower_deposit() -> Step {
    let budget = TpsBudget::default();
    Box::new(move || black_box(&budget).deposit())
}

fn unlimited() -> rate::Rate {
    rate::Rate::new(u64::MAX, Duration::from_secs(1))
}

/// tower's rate limit wants a timer, although it does not use it here.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime of one thread")
}

/// The same range as our buckets, 1 ms to 60 s, at the precision of two digits that its documentation suggests.
fn hdrhistogram() -> Step {
    let mut histogram = Histogram::<u32>::new_with_bounds(1_000, 60_000_000, 2).expect("valid bounds");
    Box::new(move || black_box(&mut histogram).record(black_box(20_000)).expect("within the bounds"))
}

fn backon() -> ExponentialBuilder {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(250))
        .with_max_delay(Duration::from_secs(20))
        .without_max_times()
        .with_jitter()
        .with_jitter_seed(7)
}

fn backon_delay() -> Step {
    let mut delays = backon().build();
    Box::new(move || assert!(black_box(&mut delays).next().is_some()))
}

fn backon_build() -> Step {
    Box::new(|| assert!(black_box(backon()).build().next().is_some()))
}

fn reliakit_breaker() -> Step {
    let mut breaker = reliakit::circuit::RollingBreaker::<32>::new(16, 5_000);
    Box::new(move || {
        let breaker = black_box(&mut breaker);
        assert!(breaker.allow(black_box(1_000)));
        breaker.on_success();
    })
}

fn reliakit_rate() -> Step {
    let mut limiter = reliakit::ratelimit::RateLimiter::new(8, 1, 10);
    let mut now = 0;
    Box::new(move || {
        now += 250;
        assert!(black_box(&mut limiter).try_acquire(black_box(now), black_box(1)));
    })
}

fn reliakit_bulkhead() -> Step {
    let mut bulkhead = reliakit::bulkhead::Bulkhead::new(10);
    Box::new(move || {
        let bulkhead = black_box(&mut bulkhead);
        assert!(bulkhead.try_acquire_one());
        bulkhead.release_one();
    })
}

fn reliakit_backoff() -> Step {
    let backoff =
        reliakit::backoff::Backoff::exponential(Duration::from_millis(250), 2).with_max_delay(Duration::from_secs(20));
    Box::new(move || {
        let delay = black_box(&backoff).delay(black_box(3)).expect("no limit to the retries");
        black_box(reliakit::backoff::full_jitter(delay, black_box(0x9e37_79b9)));
    })
}
