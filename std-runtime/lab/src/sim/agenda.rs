//! What happens next, in a total order.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::reply::Reply;

/// Something that happens at a virtual instant.
///
/// What concerns a call carries the stamp that its place had when it was planned: a place that has moved on since then
/// ignores it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// The next call of an open loop is due.
    Arrival { client: u32, stamp: u32 },
    /// A user of a closed loop has thought enough.
    Thought { client: u32, stamp: u32 },
    /// A call's time has come: to ask again, to stop backing off, or to stop an attempt.
    Timer { place: u32, stamp: u32 },
    /// A request reaches its server.
    Request { server: u16, place: u32, stamp: u32 },
    /// An answer reaches its client.
    Answer { place: u32, stamp: u32, reply: Reply },
    /// A fleet loses its power, and what it had in memory.
    Down { fleet: u16, restart: u16 },
    /// It is back.
    Up { fleet: u16, restart: u16 },
}

/// The events to come. Those of the same instant happen in the order in which they were planned, so that the order is
/// total and a run can be repeated.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    heap: BinaryHeap<Entry>,
    planned: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    at: u64,
    number: u64,
    event: Event,
}

impl Agenda {
    /// Plans an event for `at`, in nanoseconds since the beginning.
    pub(super) fn plan(&mut self, at: u64, event: Event) {
        self.heap.push(Entry { at, number: self.planned, event });
        self.planned += 1;
    }

    /// The next event before `end`.
    pub(super) fn next(&mut self, end: u64) -> Option<(u64, Event)> {
        if self.heap.peek()?.at >= end {
            return None;
        }
        self.heap.pop().map(|entry| (entry.at, entry.event))
    }

    /// What was planned and has not happened, in no order.
    pub(super) fn left(&self) -> impl Iterator<Item = Event> {
        self.heap.iter().map(|entry| entry.event)
    }
}

impl Ord for Entry {
    /// The earliest is the greatest: the heap of the standard library gives the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_then_by_the_order_of_their_planning() {
        let mut agenda = Agenda::default();
        for (at, client) in [(5, 0), (3, 1), (5, 2), (3, 3), (9, 4)] {
            agenda.plan(at, Event::Arrival { client, stamp: 0 });
        }
        let order: Vec<_> = std::iter::from_fn(|| agenda.next(9))
            .map(|(at, event)| match event {
                Event::Arrival { client, .. } => (at, client),
                other => panic!("{other:?} was never planned"),
            })
            .collect();
        assert_eq!(order, [(3, 1), (3, 3), (5, 0), (5, 2)], "and nothing at or after the end");
    }
}
