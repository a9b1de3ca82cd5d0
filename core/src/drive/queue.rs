//! Who waits, in order.

use core::task::Waker;

/// A place in a [`Queue`], to be given back with [`Queue::leave`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(u16);

/// Waiting calls in the order of their arrival: a list linked by index through fixed places, so that entering, leaving from
/// anywhere and finding the head are O(1), without tombstones and without a heap.
///
/// Invariant: every place is either in the list or in the list of free ones, once.
#[derive(Debug)]
pub(super) struct Queue<const N: usize> {
    slots: [Slot; N],
    head: u16,
    tail: u16,
    free: u16,
}

#[derive(Debug)]
struct Slot {
    waker: Option<Waker>,
    previous: u16,
    next: u16,
}

/// No place. A queue has fewer places than this.
const NONE: u16 = u16::MAX;

impl<const N: usize> Queue<N> {
    const FITS: () = assert!(N > 0 && N < NONE as usize, "a queue has 1 to 65,534 places");

    pub(super) const fn new() -> Self {
        let () = Self::FITS;
        let mut slots = [const { Slot { waker: None, previous: NONE, next: NONE } }; N];
        let mut index = 0;
        while index + 1 < N {
            slots[index].next = index as u16 + 1;
            index += 1;
        }
        Self { slots, head: NONE, tail: NONE, free: 0 }
    }

    /// Takes a place at the tail; `None` where all are taken.
    pub(super) fn enter(&mut self) -> Option<Place> {
        let index = self.free;
        let tail = self.tail;
        let slot = self.slot(index)?;
        let next_free = slot.next;
        (slot.previous, slot.next) = (tail, NONE);
        self.free = next_free;
        match self.slot(tail) {
            Some(last) => last.next = index,
            None => self.head = index,
        }
        self.tail = index;
        Some(Place(index))
    }

    /// Gives a place back. Returns the waker that stood in it (to be dropped outside the lock) and, where the head left, that of
    /// the new head (to be woken outside the lock).
    pub(super) fn leave(&mut self, place: Place) -> Left {
        let was_head = self.is_head(place);
        let free = self.free;
        let Some(slot) = self.slot(place.0) else { return Left::default() };
        let (own, previous, next) = (slot.waker.take(), slot.previous, slot.next);
        (slot.previous, slot.next) = (NONE, free);
        self.free = place.0;
        match self.slot(previous) {
            Some(before) => before.next = next,
            None => self.head = next,
        }
        match self.slot(next) {
            Some(after) => after.previous = previous,
            None => self.tail = previous,
        }
        Left { own, next: if was_head { self.wake_head() } else { None } }
    }

    pub(super) const fn is_head(&self, place: Place) -> bool {
        self.head == place.0
    }

    /// Whoever stands here is woken by `waker` from now on. Returns the one before, to be dropped outside the lock.
    pub(super) fn register(&mut self, place: Place, waker: &Waker) -> Option<Waker> {
        let slot = self.slot(place.0)?;
        match &slot.waker {
            Some(known) if known.will_wake(waker) => None,
            Some(_) | None => slot.waker.replace(waker.clone()),
        }
    }

    /// The waker of the head, to be woken outside the lock. The head registers again when it asks.
    pub(super) fn wake_head(&mut self) -> Option<Waker> {
        let head = self.head;
        self.slot(head)?.waker.take()
    }

    fn slot(&mut self, index: u16) -> Option<&mut Slot> {
        self.slots.get_mut(usize::from(index))
    }
}

/// What a departure leaves to do outside the lock.
#[derive(Debug, Default)]
pub struct Left {
    pub(super) own: Option<Waker>,
    pub(super) next: Option<Waker>,
}

#[cfg(test)]
impl<const N: usize> Queue<N> {
    /// How many places are taken.
    pub(super) fn len(&self) -> usize {
        let following = |index: &u16| self.slots.get(usize::from(*index)).map(|slot| slot.next);
        core::iter::successors(Some(self.head), following).take_while(|index| *index != NONE).count()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{collections::VecDeque, sync::Arc, task::Wake};

    use super::*;
    use crate::entropy::Entropy;

    struct Idle;
    impl Wake for Idle {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn it_keeps_the_order_of_a_list_whoever_leaves() {
        let mut queue = Queue::<5>::new();
        let mut list: VecDeque<Place> = VecDeque::new();
        let waker = Waker::from(Arc::new(Idle));
        for step in 0..20_000 {
            let entropy = Entropy::mix(3, step, 0);
            if entropy.up_to(1) == 0 {
                let place = queue.enter();
                assert_eq!(place.is_some(), list.len() < 5, "step {step}");
                if let Some(place) = place {
                    assert!(!list.contains(&place), "a place was given twice");
                    assert!(queue.register(place, &waker).is_none());
                    list.push_back(place);
                }
            } else if !list.is_empty() {
                let at = entropy.derive(1).up_to(list.len() as u64 - 1) as usize;
                let left = queue.leave(list.remove(at).expect("in range"));
                assert!(left.own.is_some());
                let new_head = at == 0 && !list.is_empty();
                assert_eq!(left.next.is_some(), new_head, "step {step}: only a departing head wakes the next");
                if let (true, Some(&head)) = (new_head, list.front()) {
                    assert!(queue.register(head, &waker).is_none());
                }
            }
            for (index, &place) in list.iter().enumerate() {
                assert_eq!(queue.is_head(place), index == 0, "step {step}");
            }
        }
    }
}
