//! Any operation under a gate, not only tiles.

use std::{
    cell::Cell,
    future::{Future, pending},
    time::Duration,
};

use smol::Executor;
use tidegate::{
    testing::{self, VirtualClock},
    upstream::Upstream,
};
use tidegate_core::{
    CallConfig, CallPolicy, End, Entropy, Gate, GateConfig, Instant, Outcome, RateControl, Refusal,
    backoff::{BackoffConfig, Growth, Jitter},
    breaker::BreakerState,
    drive::Clock,
    limit::LimitConfig,
};

use crate::support::sleep;

fn run<T>(clock: &VirtualClock, work: impl Future<Output = T>) -> T {
    testing::run(clock, &Executor::new(), work).expect("it comes to an end")
}

fn upstream(clock: &VirtualClock, concurrency: u16) -> Upstream<VirtualClock> {
    let config = GateConfig {
        limit: LimitConfig::fixed(concurrency),
        rate: RateControl::Unlimited,
        budget: None,
        ..GateConfig::DEFAULT
    };
    Upstream::on(clock.clone(), Gate::new(config).expect("the gate is valid"))
}

/// Four attempts, exactly 1 s, 2 s and 4 s apart.
fn policy() -> CallPolicy {
    let backoff = BackoffConfig {
        growth: Growth::Exponential,
        base: Duration::from_secs(1),
        cap: Duration::from_secs(60),
        jitter: Jitter::None,
    };
    CallPolicy::new(CallConfig { attempts: 4, backoff, ..CallConfig::DEFAULT }).expect("the policy is valid")
}

fn entropy() -> Entropy {
    Entropy::new(0)
}

#[test]
fn an_operation_is_tried_until_it_succeeds() {
    let clock = VirtualClock::new();
    let (upstream, policy, tries) = (upstream(&clock, 1), policy(), Cell::new(0));
    let (end, value) = run(
        &clock,
        upstream.run(&policy, Instant::MAX, entropy, |_until| {
            tries.set(tries.get() + 1);
            let attempt = tries.get();
            async move { (if attempt < 3 { Outcome::Failure } else { Outcome::Success }, attempt) }
        }),
    );
    assert_eq!((end, value), (End::Succeeded, Some(3)));
    assert_eq!(clock.elapsed(), Duration::from_secs(1 + 2));
}

#[test]
fn an_operation_that_hangs_is_dropped_when_its_time_is_over() {
    let clock = VirtualClock::new();
    let (upstream, policy) = (upstream(&clock, 1), policy());
    let work = upstream.run(&policy, Instant::MAX, entropy, |_until| pending::<(Outcome, ())>());
    let (end, value) = run(&clock, work);
    assert!(matches!(end, End::Exhausted { attempts: 4, .. }), "{end:?}");
    assert_eq!(value, None);
    assert_eq!(clock.elapsed(), Duration::from_secs(4 * 10 + 1 + 2 + 4));
}

#[test]
fn what_will_never_work_is_not_tried_again() {
    let clock = VirtualClock::new();
    let (upstream, policy) = (upstream(&clock, 1), policy());
    let refused = |_until| async { (Outcome::Refused(Refusal::Request), "why") };
    let (end, value) = run(&clock, upstream.run(&policy, Instant::MAX, entropy, refused));
    assert_eq!((end, value), (End::Refused(Refusal::Request), Some("why")));
}

#[test]
fn no_more_run_at_once_than_the_gate_admits() {
    let clock = VirtualClock::new();
    let (upstream, policy) = (upstream(&clock, 3), policy());
    let (running, most) = (Cell::new(0u32), Cell::new(0u32));
    let call = || {
        upstream.run(&policy, Instant::MAX, entropy, |_until| async {
            running.set(running.get() + 1);
            most.set(most.get().max(running.get()));
            sleep(&clock, 1_000).await;
            running.set(running.get() - 1);
            (Outcome::Success, ())
        })
    };
    let executor = smol::LocalExecutor::new();
    let calls: Vec<_> = (0..9).map(|_| executor.spawn(call())).collect();
    let all = executor.run(async {
        for call in calls {
            assert_eq!(call.await.0, End::Succeeded);
        }
    });
    run(&clock, all);
    assert_eq!((most.get(), clock.elapsed()), (3, Duration::from_secs(3)));
    assert_eq!(upstream.status().in_flight_max, 3);
}

#[test]
fn a_pause_holds_everybody_back_and_the_status_counts_the_breaker() {
    let clock = VirtualClock::new();
    let (upstream, policy) = (upstream(&clock, 50), policy());
    upstream.control(|gate| gate.pause_until(clock.now(), Instant::ORIGIN.saturating_add(Duration::from_secs(30))));
    let (end, _) = run(&clock, upstream.run(&policy, Instant::MAX, entropy, |_until| async { (Outcome::Success, ()) }));
    assert_eq!((end, clock.elapsed()), (End::Succeeded, Duration::from_secs(30)));
    assert_eq!(upstream.status().opened, 0);
    for _ in 0..8 {
        let _ = run(&clock, upstream.run(&policy, Instant::MAX, entropy, |_until| async { (Outcome::Failure, ()) }));
    }
    let status = upstream.status();
    assert!(status.opened >= 1 && !matches!(status.breaker, BreakerState::Closed { .. }), "{status:?}");
}
