//! Places for bodies, given out in the order in which they were asked for.
//!
//! A semaphore that lets newcomers overtake would do for the bound, but not for the tiles: one that backs off would come
//! back behind tiles that are begun later, again and again.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// A fixed number of places. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Slots(Arc<Mutex<State>>);

/// Invariant: where somebody waits, no place is free.
#[derive(Debug)]
struct State {
    free: usize,
    /// Who waits, by the order of asking.
    waiting: BTreeMap<u64, Waker>,
    /// Who was given a place and does not know it yet.
    granted: BTreeSet<u64>,
    asked: u64,
}

impl Slots {
    pub(super) fn new(count: usize) -> Self {
        let state = State { free: count, waiting: BTreeMap::new(), granted: BTreeSet::new(), asked: 0 };
        Self(Arc::new(Mutex::new(state)))
    }

    /// A place, as soon as everybody who asked before has had one.
    pub(super) fn acquire(&self) -> Acquire<'_> {
        Acquire { slots: self, number: None }
    }

    fn release(&self) {
        let next = {
            let mut state = self.lock();
            let next = state.waiting.pop_first();
            match &next {
                Some((number, _)) => {
                    state.granted.insert(*number);
                }
                None => state.free += 1,
            }
            next
        };
        if let Some((_, waker)) = next {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Slot(Slots);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.release();
    }
}

/// Waits for a place. Dropped, it lets the next one have it.
#[derive(Debug)]
pub(super) struct Acquire<'s> {
    slots: &'s Slots,
    /// Where it stands among those who wait.
    number: Option<u64>,
}

impl Future for Acquire<'_> {
    type Output = Slot;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Slot> {
        let mut state = self.slots.lock();
        let number = match self.number {
            None if state.free > 0 => {
                state.free -= 1;
                return Poll::Ready(Slot(self.slots.clone()));
            }
            None => {
                state.asked += 1;
                state.asked
            }
            Some(number) if state.granted.remove(&number) => {
                drop(state);
                self.number = None;
                return Poll::Ready(Slot(self.slots.clone()));
            }
            Some(number) => number,
        };
        let outdated = state.waiting.insert(number, context.waker().clone());
        // A waker may own a task that holds a place, which locks when it is dropped.
        drop(state);
        drop(outdated);
        self.number = Some(number);
        Poll::Pending
    }
}

impl Drop for Acquire<'_> {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let mut state = self.slots.lock();
        let outdated = state.waiting.remove(&number);
        let was_granted = state.granted.remove(&number);
        drop(state);
        drop(outdated);
        if was_granted {
            self.slots.release();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use smol::future::{block_on, poll_once};

    use super::*;

    #[test]
    fn nobody_overtakes_whoever_waits() {
        let slots = Slots::new(1);
        block_on(async {
            let held = slots.acquire().await;
            let mut first = pin!(slots.acquire());
            assert!(poll_once(&mut first).await.is_none());
            drop(held);
            assert!(poll_once(slots.acquire()).await.is_none(), "the place is spoken for");
            assert!(poll_once(&mut first).await.is_some());
            assert!(poll_once(slots.acquire()).await.is_some(), "and free again");
        });
    }

    #[test]
    fn a_place_given_to_somebody_who_has_left_goes_to_the_next() {
        let slots = Slots::new(1);
        block_on(async {
            let held = slots.acquire().await;
            let mut second = pin!(slots.acquire());
            {
                let mut first = pin!(slots.acquire());
                assert!(poll_once(&mut first).await.is_none());
                assert!(poll_once(&mut second).await.is_none());
                drop(held);
            }
            assert!(poll_once(&mut second).await.is_some());
        });
        let state = slots.lock();
        assert_eq!((state.free, state.waiting.len(), state.granted.len()), (1, 0, 0));
    }
}
