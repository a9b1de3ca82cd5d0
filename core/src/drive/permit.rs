//! Leave to make one attempt, returned however the attempt ends.

use super::{
    Clock, Driver, Lock, Turnstile,
    queue::{Left, Place},
    wake,
};
use crate::{
    call::{Call, End, Next},
    entropy::Entropy,
    gate::Gatekeeper,
    outcome::Outcome,
    ticket::Ticket,
    time::Instant,
};

/// A ticket that finds its own way back: dropped without [`Permit::settle`], by a cancelled task or a panic, it is settled as
/// cancelled.
#[derive(Debug)]
#[must_use = "dropping it cancels the attempt"]
pub struct Permit<'d, C, L>
where
    C: Clock,
    L: Lock<Inside: Returns>,
{
    driver: Driver<'d, C, L>,
    /// Taken when it is settled.
    ticket: Option<Ticket>,
    started: Instant,
}

/// Where permits and places go back to: a [`Turnstile`], whatever its gate and size.
pub trait Returns: sealed::Sealed {
    #[doc(hidden)]
    fn cancel(&mut self, now: Instant, ticket: Ticket) -> Option<core::task::Waker>;
    #[doc(hidden)]
    fn leave(&mut self, place: Place) -> Left;
}

mod sealed {
    pub trait Sealed {}
    impl<G, const N: usize> Sealed for super::Turnstile<G, N> {}
}

impl<G: Gatekeeper, const N: usize> Returns for Turnstile<G, N> {
    fn cancel(&mut self, now: Instant, ticket: Ticket) -> Option<core::task::Waker> {
        self.gate.cancel(now, ticket);
        self.queue.wake_first()
    }

    fn leave(&mut self, place: Place) -> Left {
        self.queue.leave(place)
    }
}

impl<'d, C, L, G, const N: usize> Permit<'d, C, L>
where
    C: Clock,
    L: Lock<Inside = Turnstile<G, N>>,
    G: Gatekeeper,
{
    pub(super) fn new(driver: Driver<'d, C, L>, ticket: Ticket) -> Self {
        let started = ticket.started();
        Self { driver, ticket: Some(ticket), started }
    }

    /// When the attempt has to be over.
    #[must_use = "the driver keeps the time"]
    pub fn attempt_deadline(&self, call: &Call<'_>) -> Instant {
        self.driver.shared.with(|turnstile| call.attempt_deadline(&turnstile.gate, self.started))
    }

    /// Says what came of the attempt and wakes whoever is next.
    pub fn settle(mut self, call: &mut Call<'_>, outcome: Outcome, entropy: Entropy) -> Next {
        let ticket = self.ticket.take();
        let Driver { clock, shared } = self.driver;
        let (next, head) = shared.with(|turnstile| match ticket {
            Some(ticket) => turnstile.settle(clock.now(), call, ticket, outcome, entropy),
            None => (Next::Done(End::Cancelled), None),
        });
        wake(head);
        next
    }
}

impl<C, L> Permit<'_, C, L>
where
    C: Clock,
    L: Lock<Inside: Returns>,
{
    /// When the attempt was admitted.
    pub const fn started(&self) -> Instant {
        self.started
    }
}

impl<C, L> Drop for Permit<'_, C, L>
where
    C: Clock,
    L: Lock<Inside: Returns>,
{
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            let Driver { clock, shared } = self.driver;
            let head = shared.with(|turnstile| turnstile.cancel(clock.now(), ticket));
            wake(head);
        }
    }
}
