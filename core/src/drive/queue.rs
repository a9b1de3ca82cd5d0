//! Who waits, in order.

use core::task::Waker;

/// A place in a [`Queue`], to be given back with [`Queue::leave`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(u16);

/// Where somebody stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    /// First in the line.
    Head,
    /// Behind it.
    Behind,
    /// First of those that have stepped aside.
    FirstAside,
    /// Behind that one.
    Aside,
}

/// Waiting calls in the order of their arrival: the line, and beside it those that were at its head and stepped aside. Both are
/// lists linked by index through the same fixed places, so that entering, leaving from anywhere and finding a head are O(1),
/// without tombstones and without a heap.
///
/// Whatever happens wakes one waiter, who looks and wakes one more where that one has to look too: first the first of those
/// aside, then the head of the line, then, where there is news for all of them, each behind it.
///
/// Invariant: every place is either in the line, aside or in the list of free ones, once.
#[derive(Debug)]
pub(super) struct Queue<const N: usize> {
    slots: [Slot; N],
    line: List,
    aside: List,
    free: u16,
    /// Whether the head of the line is to look when the first of those aside has.
    head_is_due: bool,
    /// Whether what is in the way costs patience, as the line was last told …
    costs_patience: bool,
    /// … and who is to hear of it next.
    told_next: u16,
}

#[derive(Debug)]
struct Slot {
    waker: Option<Waker>,
    previous: u16,
    next: u16,
    is_aside: bool,
}

#[derive(Debug)]
struct List {
    head: u16,
    tail: u16,
}

/// No place. A queue has fewer places than this.
const NONE: u16 = u16::MAX;

impl<const N: usize> Queue<N> {
    const FITS: () = assert!(N > 0 && N < NONE as usize, "a queue has 1 to 65,534 places");

    pub(super) const fn new() -> Self {
        let () = Self::FITS;
        let mut slots = [const { Slot { waker: None, previous: NONE, next: NONE, is_aside: false } }; N];
        let mut index = 0;
        while index + 1 < N {
            slots[index].next = index as u16 + 1;
            index += 1;
        }
        Self {
            slots,
            line: List::EMPTY,
            aside: List::EMPTY,
            free: 0,
            head_is_due: false,
            costs_patience: false,
            told_next: NONE,
        }
    }

    /// Takes a place at the tail of the line; `None` where all are taken.
    pub(super) fn enter(&mut self) -> Option<Place> {
        let index = self.free;
        self.free = self.slot(index)?.next;
        self.append(index, false);
        Some(Place(index))
    }

    /// Gives a place back. Returns the waker that stood in it (to be dropped outside the lock) and that of whoever has to look
    /// now (to be woken outside the lock).
    pub(super) fn leave(&mut self, place: Place) -> Left {
        let next = self.unlink(place.0);
        let free = self.free;
        let Some(slot) = self.slot(place.0) else { return Left::default() };
        let own = slot.waker.take();
        (slot.previous, slot.next) = (NONE, free);
        self.free = place.0;
        Left { own, next }
    }

    /// The head of the line steps aside, behind those that did before. Returns the waker of the new head.
    pub(super) fn step_aside(&mut self, place: Place) -> Option<Waker> {
        let next = self.unlink(place.0);
        self.append(place.0, true);
        next
    }

    pub(super) fn stand(&self, place: Place) -> Stand {
        let is_aside = self.slots.get(usize::from(place.0)).is_some_and(|slot| slot.is_aside);
        match is_aside {
            false if self.line.head == place.0 => Stand::Head,
            false => Stand::Behind,
            true if self.aside.head == place.0 => Stand::FirstAside,
            true => Stand::Aside,
        }
    }

    /// Whether anybody has stepped aside.
    pub(super) const fn has_aside(&self) -> bool {
        self.aside.head != NONE
    }

    /// Whoever stands here is woken by `waker` from now on. Returns the one before, to be dropped outside the lock.
    pub(super) fn register(&mut self, place: Place, waker: &Waker) -> Option<Waker> {
        let slot = self.slot(place.0)?;
        match &slot.waker {
            Some(known) if known.will_wake(waker) => None,
            Some(_) | None => slot.waker.replace(waker.clone()),
        }
    }

    /// The waker of whoever has to look first when something has happened, to be woken outside the lock. Whoever is woken
    /// registers again when it asks.
    pub(super) fn wake_first(&mut self) -> Option<Waker> {
        self.head_is_due = self.has_aside();
        if self.head_is_due { self.take_waker(self.aside.head) } else { self.wake_head() }
    }

    /// The first of those aside has looked: the waker of the head of the line, where that is to look after it.
    pub(super) fn wake_head_after_aside(&mut self) -> Option<Waker> {
        if core::mem::take(&mut self.head_is_due) { self.wake_head() } else { None }
    }

    fn wake_head(&mut self) -> Option<Waker> {
        self.take_waker(self.line.head)
    }

    /// Whoever stays at `place` has seen whether what is in the way costs patience. Where that is news, each in the line has to
    /// look, to know since when: returns the waker of the next one.
    pub(super) fn pass_on(&mut self, place: Place, costs_patience: bool) -> Option<Waker> {
        if self.costs_patience != costs_patience {
            self.costs_patience = costs_patience;
            self.told_next = self.line.head;
        } else if self.told_next != place.0 {
            return None;
        }
        if self.told_next == place.0 {
            self.told_next = self.slot(place.0)?.next;
        }
        self.take_waker(self.told_next)
    }

    /// Takes a place out of its list. Returns the waker of whoever has to look instead.
    fn unlink(&mut self, index: u16) -> Option<Waker> {
        let slot = self.slot(index)?;
        let (previous, next, is_aside) = (slot.previous, slot.next, slot.is_aside);
        match self.slot(previous) {
            Some(before) => before.next = next,
            None => self.list(is_aside).head = next,
        }
        match self.slot(next) {
            Some(after) => after.previous = previous,
            None => self.list(is_aside).tail = previous,
        }
        let was_told_next = self.told_next == index;
        if was_told_next {
            self.told_next = next;
        }
        match (previous == NONE, is_aside) {
            (true, true) => self.wake_first(),
            (true, false) => self.wake_head(),
            (false, _) if was_told_next => self.take_waker(next),
            (false, _) => None,
        }
    }

    fn append(&mut self, index: u16, is_aside: bool) {
        let tail = core::mem::replace(&mut self.list(is_aside).tail, index);
        match self.slot(tail) {
            Some(last) => last.next = index,
            None => self.list(is_aside).head = index,
        }
        if let Some(slot) = self.slot(index) {
            (slot.previous, slot.next, slot.is_aside) = (tail, NONE, is_aside);
        }
    }

    fn take_waker(&mut self, index: u16) -> Option<Waker> {
        self.slot(index)?.waker.take()
    }

    const fn list(&mut self, is_aside: bool) -> &mut List {
        if is_aside { &mut self.aside } else { &mut self.line }
    }

    fn slot(&mut self, index: u16) -> Option<&mut Slot> {
        self.slots.get_mut(usize::from(index))
    }
}

impl List {
    const EMPTY: Self = Self { head: NONE, tail: NONE };
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
        let count = |head| core::iter::successors(Some(head), following).take_while(|index| *index != NONE).count();
        count(self.line.head) + count(self.aside.head)
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
                let expected = if index == 0 { Stand::Head } else { Stand::Behind };
                assert_eq!(queue.stand(place), expected, "step {step}");
            }
        }
    }
}
