//! What the async driver consists of, and an attempt that is over at once; turns, for those who poll.
//!
//! A future polled after its end panics, whatever is in it, and inside a loop the optimiser cannot tell that this does
//! not happen. So the driver's futures are looked at apart: see `futures`.

use core::{
    cell::UnsafeCell,
    future::{Future, Pending, pending, poll_fn},
    pin::pin,
    task::{Context, Poll, Waker},
};

use tidegate_core::{
    Call, Entropy, Gate, Instant, Next, Outcome, Step, Ticket,
    breaker::BreakerMode,
    drive::{Clock, Driver, Lock, Permit, Returns, Turn, Turnstile},
};

type Inside = Turnstile<Gate, 8>;

/// A clock that stands still.
pub struct Still(Instant);

impl Clock for Still {
    type Sleep = Pending<()>;

    fn now(&self) -> Instant {
        self.0
    }

    fn sleep_until(&self, _at: Instant) -> Self::Sleep {
        pending()
    }
}

/// A lock for one thread, which trusts that it is not taken from within.
pub struct Alone(UnsafeCell<Inside>);

impl Lock for Alone {
    type Inside = Inside;

    fn with<R>(&self, f: impl FnOnce(&mut Inside) -> R) -> R {
        // SAFETY: not `Sync`, and by the contract of `Lock` not called from within `f`.
        f(unsafe { &mut *self.0.get() })
    }
}

#[unsafe(no_mangle)]
pub fn proven_turnstile_new(gate: Gate) -> Inside {
    Turnstile::new(gate)
}

#[unsafe(no_mangle)]
pub fn proven_turnstile_control(turnstile: &mut Inside, mode: BreakerMode) -> ((), Option<Waker>) {
    Turnstile::control(turnstile, |gate| Gate::set_breaker_mode(gate, mode))
}

#[unsafe(no_mangle)]
pub fn proven_turnstile_gate(turnstile: &Inside) -> u16 {
    Gate::limit(Turnstile::gate(turnstile))
}

#[unsafe(no_mangle)]
pub fn proven_driver_control(clock: &Still, shared: &Alone, mode: BreakerMode) {
    let driver = Driver::new(clock, shared);
    Driver::control(&Driver::clone(&driver), |gate| Gate::set_breaker_mode(gate, mode));
}

#[unsafe(no_mangle)]
pub fn proven_turnstile_cancel(turnstile: &mut Inside, now: Instant, ticket: Ticket) -> Option<Waker> {
    Turnstile::cancel(turnstile, now, ticket)
}

#[unsafe(no_mangle)]
pub fn proven_driver_attempt_begins<'d>(
    driver: Driver<'d, Still, Alone>,
    permit: Permit<'d, Still, Alone>,
    call: &mut Call<'_>,
    context: &mut Context<'_>,
) -> Poll<(Next, Option<u32>)> {
    let attempt = |_| poll_fn(|_| Poll::Ready((Outcome::Failure, 7)));
    pin!(driver.attempt(permit, call, || Entropy::new(7), attempt)).poll(context)
}

#[unsafe(no_mangle)]
pub fn proven_permit_settle(
    permit: Permit<'_, Still, Alone>,
    call: &mut Call<'_>,
    outcome: Outcome,
    entropy: Entropy,
) -> Next {
    Permit::settle(permit, call, outcome, entropy)
}

#[unsafe(no_mangle)]
pub fn proven_permit_drop(permit: Permit<'_, Still, Alone>) {
    drop(permit);
}

#[unsafe(no_mangle)]
pub fn proven_permit_look(permit: &Permit<'_, Still, Alone>, call: &Call<'_>) -> (Instant, Instant) {
    (Permit::started(permit), Permit::attempt_deadline(permit, call))
}

#[unsafe(no_mangle)]
pub fn proven_turn_new(shared: &Alone) -> Turn<'_, Alone> {
    Turn::new(shared)
}

#[unsafe(no_mangle)]
pub fn proven_turn_poll(turn: &mut Turn<'_, Alone>, now: Instant, call: &mut Call<'_>, waker: &Waker) -> Step {
    Turn::poll(turn, now, call, waker)
}

#[unsafe(no_mangle)]
pub fn proven_turn_attempt_deadline(turn: &Turn<'_, Alone>, call: &Call<'_>, ticket: &Ticket) -> Instant {
    Turn::attempt_deadline(turn, call, ticket)
}

#[unsafe(no_mangle)]
pub fn proven_turn_settle(
    turn: &Turn<'_, Alone>,
    now: Instant,
    call: &mut Call<'_>,
    ticket: Ticket,
    outcome: Outcome,
    entropy: Entropy,
) -> Next {
    Turn::settle(turn, now, call, ticket, outcome, entropy)
}

#[unsafe(no_mangle)]
pub fn proven_turn_drop(turn: Turn<'_, Alone>) {
    drop(turn);
}
