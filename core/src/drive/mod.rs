//! The run loop of every async runtime, written once.
//!
//! A runtime supplies two things: a [`Clock`], to know the time and sleep until an instant, and a [`Lock`] around a
//! [`Turnstile`], which is a gate with its queue. [`Driver::run`] does the rest: queue, permits, timers, attempt timeouts,
//! backoff, cancellation. Nothing here allocates, and there is one timer per call.
//!
//! Where nothing is async (a superloop, threads that block), a [`Turn`] per call is polled instead of awaited: the same queue
//! and the same rules, and the time comes as an argument.
//!
//! **When it harms**: where there is never more than one call, the queue is in the way: [`Call::poll`] it directly.
//!
//! Three rules make it right, each broken by the obvious alternative:
//! 1. The gate is asked and the waker registered under one hold of the lock; otherwise a settle in between is missed.
//! 2. Every settle wakes the head of the queue, and whoever leaves the head wakes the next; otherwise the queue stalls. Only
//!    the head asks the gate: calls are served in the order of their arrival, and no herd wakes up for one place. Those behind
//!    it are woken, one by the other, only when a wait begins or ceases to cost patience: each counts its own.
//! 3. Wakers are taken out of the lock before they are woken or dropped: the last waker may own a task whose permit locks
//!    again when it is dropped.
//!
//! A call backs off outside the queue and then enters at the tail; at the head it would block everybody. A retry that finds the
//! budget empty when it gets to the head steps aside: first attempts, which earn what it lacks, must not wait behind it. It
//! keeps its place, behind those that stepped aside before; the first of them asks the gate before the head does, and is the
//! one that a settle wakes, so that a retry that was earned goes at once and wakes nobody else.

mod permit;
mod queue;
mod race;
mod seat;
mod turn;

pub use permit::{Permit, Returns};
pub use turn::Turn;

use core::{
    cell::RefCell,
    future::{Future, poll_fn},
    pin::pin,
    task::{Poll, Waker},
};

use crate::{
    call::{Call, End, Next, Step},
    entropy::Entropy,
    gate::{Admission, Gate, Gatekeeper, Try, Why},
    outcome::Outcome,
    ticket::Ticket,
    time::Instant,
};
use queue::{Place, Queue, Stand};
use race::{first, until_polled_again};

/// Knows the time and sleeps.
pub trait Clock {
    /// Ready at the instant asked for, or a little later, never before.
    type Sleep: Future<Output = ()>;
    /// The present time, since an origin that stays the same.
    fn now(&self) -> Instant;
    /// Sleeps until `at`; for ever where that is [`Instant::MAX`].
    fn sleep_until(&self, at: Instant) -> Self::Sleep;
}

impl<C: Clock> Clock for &C {
    type Sleep = C::Sleep;

    fn now(&self) -> Instant {
        (**self).now()
    }

    fn sleep_until(&self, at: Instant) -> Self::Sleep {
        (**self).sleep_until(at)
    }
}

/// Keeps what is inside for one at a time: a mutex, a critical section, or a `RefCell` where there is one thread.
pub trait Lock {
    /// What it keeps.
    type Inside;
    /// Runs `f` alone with what is inside. Never called from within `f`. A lock that can be poisoned by a panic gives out what
    /// is inside all the same: a permit that is dropped during a panic comes here.
    fn with<R>(&self, f: impl FnOnce(&mut Self::Inside) -> R) -> R;
}

impl<L: Lock> Lock for &L {
    type Inside = L::Inside;

    fn with<R>(&self, f: impl FnOnce(&mut Self::Inside) -> R) -> R {
        (**self).with(f)
    }
}

/// A lock where there is one thread. It panics if it is taken from within, against the contract; a mutex would hang.
impl<T> Lock for RefCell<T> {
    type Inside = T;

    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.borrow_mut())
    }
}

/// A gate and the calls that wait for it, at most `N`: what a driver keeps under its lock.
#[derive(Debug)]
pub struct Turnstile<G = Gate, const N: usize = 64> {
    gate: G,
    queue: Queue<N>,
}

impl<G: Gatekeeper, const N: usize> Turnstile<G, N> {
    /// A gate that nobody waits for yet.
    pub const fn new(gate: G) -> Self {
        Self { gate, queue: Queue::new() }
    }

    /// The gate.
    pub const fn gate(&self) -> &G {
        &self.gate
    }

    /// Changes the gate (a pause, other settings) and says whom to wake outside the lock, since a change can make a wait
    /// shorter. [`Driver::control`] does both.
    #[must_use = "the waker is woken outside the lock, or whoever it belongs to waits for its timer"]
    pub fn control<R>(&mut self, change: impl FnOnce(&mut G) -> R) -> (R, Option<Waker>) {
        let result = change(&mut self.gate);
        (result, self.queue.wake_first())
    }

    /// Polls a call for whoever stands at `place`, and says whom to wake outside the lock.
    fn ask(&mut self, now: Instant, place: Place, call: &mut Call<'_>) -> (Step, Option<Waker>) {
        let stand = self.queue.stand(place);
        let step = match stand {
            Stand::Aside => call.poll_aside(now, &mut self.gate),
            Stand::Behind => call.poll_behind(now, &mut self.gate),
            Stand::Head if self.one_aside_is_first(now) => call.poll_behind(now, &mut self.gate),
            Stand::Head | Stand::FirstAside => call.poll(now, &mut self.gate),
        };
        let why = match &step {
            Step::Wait { why, until: _ } | Step::Full { why, until: _ } => *why,
            Step::Attempt(_) | Step::Done(_) => return (step, None),
        };
        match (stand, why) {
            // It leaves, and whoever leaves wakes the next.
            (_, Why::Backoff { .. }) => (step, None),
            (Stand::Head, Why::Budget { .. }) => {
                let new_head = self.queue.step_aside(place);
                let is_first = self.queue.stand(place) == Stand::FirstAside;
                (if is_first { step } else { call.poll_aside(now, &mut self.gate) }, new_head)
            }
            (Stand::Head | Stand::Behind, why) => (step, self.queue.pass_on(place, why.costs_patience())),
            (Stand::FirstAside, Why::Budget { .. }) => (step, self.queue.wake_head_after_aside()),
            (Stand::FirstAside, why) => {
                let head = self.queue.wake_head_after_aside();
                (step, head.or(self.queue.pass_on(place, why.costs_patience())))
            }
            (Stand::Aside, _) => (step, None),
        }
    }

    /// Whether the budget has a retry for the first of those aside: then it is its turn, not that of the head.
    fn one_aside_is_first(&mut self, now: Instant) -> bool {
        let is_empty = |refused| matches!(refused, Some(Admission::Wait { why: Why::Budget { .. }, until: _ }));
        self.queue.has_aside() && !is_empty(self.gate.peek(now, Try::Again))
    }

    /// Settles an attempt, and says whom to wake outside the lock.
    fn settle(
        &mut self,
        now: Instant,
        call: &mut Call<'_>,
        ticket: Ticket,
        outcome: Outcome,
        entropy: Entropy,
    ) -> (Next, Option<Waker>) {
        let next = call.settle(now, &mut self.gate, ticket, outcome, entropy);
        (next, self.queue.wake_first())
    }
}

/// Whether whoever hears this has nothing to do in the queue any more: it has its ticket, or an end, or backs off.
const fn gives_up_its_place(step: &Step) -> bool {
    match step {
        Step::Attempt(_) | Step::Done(_) | Step::Wait { why: Why::Backoff { .. }, until: _ } => true,
        Step::Wait { .. } | Step::Full { .. } => false,
    }
}

/// Runs calls through the gate inside a lock, on a clock. Two references: copy it freely.
#[derive(Debug)]
pub struct Driver<'d, C, L> {
    clock: &'d C,
    shared: &'d L,
}

impl<C, L> Clone for Driver<'_, C, L> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C, L> Copy for Driver<'_, C, L> {}

impl<'d, C, L, G, const N: usize> Driver<'d, C, L>
where
    C: Clock,
    L: Lock<Inside = Turnstile<G, N>>,
    G: Gatekeeper,
{
    /// A driver of the gate in `shared`.
    pub const fn new(clock: &'d C, shared: &'d L) -> Self {
        Self { clock, shared }
    }

    /// Runs one call to its end: waits for the gate, makes attempts, backs off in between.
    ///
    /// `attempt` is given when the attempt has to be over and returns what came of it, with a value. It is dropped at that time
    /// if it is not ready, and counts as a timeout, or as cancelled where it was the call's own deadline that came first.
    /// The value is that of the last attempt that ended by itself. Dropping this future gives everything back.
    pub async fn run<F, T>(
        &self,
        call: &mut Call<'_>,
        mut entropy: impl FnMut() -> Entropy,
        mut attempt: impl FnMut(Instant) -> F,
    ) -> (End, Option<T>)
    where
        F: Future<Output = (Outcome, T)>,
    {
        let mut value = None;
        loop {
            let permit = match self.admit(call).await {
                Ok(permit) => permit,
                Err(end) => return (end, value),
            };
            let (next, made) = self.attempt(permit, call, &mut entropy, &mut attempt).await;
            value = made.or(value);
            match next {
                Next::Retry { at: _ } => {}
                Next::Done(end) => return (end, value),
            }
        }
    }

    /// Makes the one attempt that `permit` allows, within its time, and settles it: the part of [`Driver::run`] between the
    /// queue and the backoff, for drivers that have something of their own to do there.
    pub async fn attempt<F, T>(
        &self,
        permit: Permit<'d, C, L>,
        call: &mut Call<'_>,
        entropy: impl FnOnce() -> Entropy,
        attempt: impl FnOnce(Instant) -> F,
    ) -> (Next, Option<T>)
    where
        F: Future<Output = (Outcome, T)>,
    {
        let until = permit.attempt_deadline(call);
        // The attempt is dropped here, before its permit is settled: what it holds is free first.
        let ended = {
            let (work, limit) = (pin!(attempt(until)), pin!(self.clock.sleep_until(until)));
            first(work, limit).await
        };
        match ended {
            Some((outcome, value)) => (permit.settle(call, outcome, entropy()), Some(value)),
            None => {
                let outcome = call.cut_off(until);
                (permit.settle(call, outcome, entropy()), None)
            }
        }
    }

    /// Waits until the gate admits one attempt of `call`; first, and outside the queue, until it has backed off.
    ///
    /// # Errors
    /// How the call ended instead.
    pub async fn admit(&self, call: &mut Call<'_>) -> Result<Permit<'d, C, L>, End> {
        let mut turn = Turn::new(self.shared);
        loop {
            let ask = poll_fn(|context| Poll::Ready(turn.poll_at(|| self.clock.now(), call, context.waker())));
            match ask.await {
                Step::Attempt(ticket) => return Ok(Permit::new(*self, ticket)),
                Step::Done(end) => return Err(end),
                Step::Wait { until, why: Why::Backoff { .. } } => self.clock.sleep_until(until).await,
                Step::Wait { until, why: _ } | Step::Full { until, why: _ } => {
                    let (woken, sleep) = (pin!(until_polled_again()), pin!(self.clock.sleep_until(until)));
                    first(woken, sleep).await;
                }
            }
        }
    }

    /// Changes the gate and wakes whoever waits for it.
    pub fn control<R>(&self, change: impl FnOnce(&mut G) -> R) -> R {
        let (result, head) = self.shared.with(|turnstile| turnstile.control(change));
        wake(head);
        result
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests;
