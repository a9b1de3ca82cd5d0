//! Virtual time: for testing what an application decides, without sleeping and the same way each time.
//!
//! A [`VirtualClock`] stands still while anything can run, and then goes straight to the next timer. An hour of backoff
//! passes in microseconds, and a timeout never fires because the machine was busy. [`run`] drives it, with a
//! [`Runtime`](crate::runtime::Runtime) without threads where tasks are spawned.
//!
//! How long does a call take that is tried three times against a service that is down?
//!
//! ```
//! use std::time::Duration;
//! use tidegate::{runtime::Runtime, testing::{VirtualClock, run}, upstream::Upstream};
//! use tidegate_core::{
//!     CallConfig, CallPolicy, End, Entropy, Gate, GateConfig, Instant, Outcome,
//!     backoff::{BackoffConfig, Growth, Jitter},
//!     drive::Clock,
//! };
//!
//! let clock = VirtualClock::new();
//! let upstream = Upstream::on(clock.clone(), Gate::new(GateConfig::DEFAULT)?);
//! let backoff = BackoffConfig {
//!     growth: Growth::Exponential,
//!     base: Duration::from_secs(60),
//!     cap: Duration::from_secs(3_600),
//!     jitter: Jitter::None,
//! };
//! let policy = CallPolicy::new(CallConfig { attempts: 3, backoff, ..CallConfig::DEFAULT })?;
//! let mut attempts = 0;
//! let call = upstream.run(&policy, Instant::MAX, || Entropy::new(0), |_until| {
//!     attempts += 1;
//!     let clock = clock.clone();
//!     async move {
//!         clock.sleep_until(clock.now().saturating_add(Duration::from_secs(1))).await;
//!         (Outcome::Failure, ())
//!     }
//! });
//! let (end, _) = run(&clock, Runtime::start(0)?.executor(), call)?;
//!
//! assert!(matches!(end, End::Exhausted { attempts: 3, .. }));
//! assert_eq!(attempts, 3);
//! // Three attempts of one second, 60 s and 120 s in between.
//! assert_eq!(clock.elapsed(), Duration::from_secs(3 + 60 + 120));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A [`Rig`] is a whole fetcher in that way: some lines say how many sources it has, how they answer, and how long they take.
//!
//! What it does not do: speed up code that reads another clock, or wait for other threads. A transport that goes with
//! it is [`Scripted`](crate::transport::Scripted). Decisions are recorded by [`Traced`](tidegate_core::Traced), and [`golden`]
//! keeps them from changing unnoticed. `examples/test_a_policy.rs` has all of that together.

mod clock;
mod golden;
mod rig;

pub use clock::{VirtualClock, VirtualSleep};
pub use golden::{GoldenError, RENEW, golden};
pub use rig::{Rig, RigConfig, RigError};

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use smol::Executor;
use thiserror::Error;

/// Runs `work`, and the tasks of `executor`, on this thread until `work` is done. Time moves when nothing else can.
///
/// # Errors
/// [`Stuck`] where `work` waits for something that will never happen. What was spawned stays as it is, and another `run`
/// goes on with it.
pub fn run<T>(clock: &VirtualClock, executor: &Executor<'_>, work: impl Future<Output = T>) -> Result<T, Stuck> {
    let mut work = pin!(work);
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    loop {
        if woken.0.swap(false, Ordering::AcqRel)
            && let Poll::Ready(output) = work.as_mut().poll(&mut Context::from_waker(&waker))
        {
            return Ok(output);
        }
        let can_go_on = executor.try_tick() || woken.0.load(Ordering::Acquire) || clock.go_to_next();
        if !can_go_on {
            return Err(Stuck);
        }
    }
}

/// Nothing can happen any more: no task is ready and nobody waits for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("nothing can happen any more: every task waits, and none for a time; look for what was to wake them")]
pub struct Stuck;

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, time::Duration};

    use tidegate_core::{Instant, drive::Clock};

    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ORIGIN.saturating_add(Duration::from_secs(seconds))
    }

    #[test]
    fn time_moves_only_when_nothing_else_can() {
        let (clock, executor) = (VirtualClock::new(), Executor::new());
        let seen = RefCell::new(Vec::new());
        let count = async {
            for _ in 0..3 {
                smol::future::yield_now().await;
                seen.borrow_mut().push(clock.now());
            }
        };
        let sleep = async {
            clock.sleep_until(at(60)).await;
            seen.borrow_mut().push(clock.now());
        };
        run(&clock, &executor, smol::future::zip(count, sleep)).expect("both end");
        assert_eq!(*seen.borrow(), [at(0), at(0), at(0), at(60)]);
    }

    #[test]
    fn whoever_asked_first_for_an_instant_wakes_first() {
        let (clock, executor) = (VirtualClock::new(), Executor::new());
        let (sender, receiver) = smol::channel::unbounded();
        let sleepers: Vec<_> = [(1, 5), (2, 3), (3, 5), (4, 5)]
            .into_iter()
            .map(|(who, seconds)| {
                let (sleep, sender) = (clock.sleep_until(at(seconds)), sender.clone());
                executor.spawn(async move {
                    sleep.await;
                    sender.send(who).await
                })
            })
            .collect();
        let order = run(&clock, &executor, async {
            for sleeper in sleepers {
                sleeper.await.expect("somebody listens");
            }
            std::iter::from_fn(|| receiver.try_recv().ok()).collect::<Vec<_>>()
        });
        assert_eq!(order, Ok(vec![2, 1, 3, 4]));
    }

    #[test]
    fn a_sleep_that_nobody_waits_for_any_more_moves_no_time() {
        let (clock, executor) = (VirtualClock::new(), Executor::new());
        let short = async { clock.sleep_until(at(1)).await };
        let long = async { clock.sleep_until(at(1_000)).await };
        assert_eq!(run(&clock, &executor, smol::future::or(long, short)), Ok(()));
        assert_eq!(run(&clock, &executor, smol::future::pending::<()>()), Err(Stuck));
        assert_eq!(clock.elapsed(), Duration::from_secs(1));
    }

    #[test]
    fn the_past_is_ready_and_the_end_of_time_never_is() {
        let (clock, executor) = (VirtualClock::new(), Executor::new());
        clock.advance(Duration::from_secs(10));
        assert_eq!(run(&clock, &executor, clock.sleep_until(at(5))), Ok(()));
        assert_eq!(clock.now(), at(10));
        assert_eq!(run(&clock, &executor, clock.sleep_until(Instant::MAX)), Err(Stuck));
    }

    #[test]
    fn advancing_by_hand_wakes_whoever_is_due() {
        let (clock, executor) = (VirtualClock::new(), Executor::new());
        let task = executor.spawn(clock.sleep_until(at(5)));
        assert!(executor.try_tick());
        clock.advance(Duration::from_secs(4));
        assert!(!executor.try_tick() && !task.is_finished());
        clock.advance(Duration::from_secs(1));
        assert!(executor.try_tick() && task.is_finished());
    }
}
