//! A place in the queue that is given back when it is dropped, however that happens.

use core::task::Waker;

use super::{Lock, Returns, Turnstile, queue::Place, wake};
use crate::{
    call::{Call, Step},
    gate::Gatekeeper,
    time::Instant,
};

#[derive(Debug)]
pub(super) struct Seat<'d, L>
where
    L: Lock<Inside: Returns>,
{
    shared: &'d L,
    place: Place,
}

impl<'d, L, G, const N: usize> Seat<'d, L>
where
    L: Lock<Inside = Turnstile<G, N>>,
    G: Gatekeeper,
{
    /// Takes a place at the tail; `None` where all are taken.
    pub(super) fn take(shared: &'d L) -> Option<Self> {
        let place = shared.with(|turnstile| turnstile.queue.enter())?;
        Some(Self { shared, place })
    }

    /// Asks, under the same hold of the lock that registers `waker`, for `call`.
    pub(super) fn ask(&self, now: impl FnOnce() -> Instant, call: &mut Call<'_>, waker: &Waker) -> Step {
        let (outdated, (step, next)) = self.shared.with(|turnstile| {
            let outdated = turnstile.queue.register(self.place, waker);
            (outdated, turnstile.ask(now(), self.place, call))
        });
        drop(outdated);
        wake(next);
        step
    }
}

impl<L> Drop for Seat<'_, L>
where
    L: Lock<Inside: Returns>,
{
    fn drop(&mut self) {
        let left = self.shared.with(|turnstile| turnstile.leave(self.place));
        drop(left.own);
        wake(left.next);
    }
}
