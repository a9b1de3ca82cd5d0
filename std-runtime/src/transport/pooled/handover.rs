//! Where workers wait for requests.
//!
//! A channel of crossbeam would do, but for its haste: before it sleeps, a receiver spins and yields, in the hope of something
//! within microseconds. An answer over a network takes longer than that, so each idle worker would take the processor from
//! those that have something to do: two `sched_yield` per tile were seen, and most of their time.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::lock;

/// A bounded queue with many takers, who sleep while there is nothing.
///
/// Invariant: after `close` nothing comes in, and what is inside is still given out.
#[derive(Debug)]
pub(super) struct Handover<T> {
    room: usize,
    state: Mutex<State<T>>,
    something: Condvar,
}

#[derive(Debug)]
struct State<T> {
    queue: VecDeque<T>,
    closed: bool,
}

/// What a taker got.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken<T> {
    One(T),
    /// The time is over.
    NothingYet,
    /// There will be nothing any more.
    Closed,
}

impl<T> Handover<T> {
    /// With room for so many.
    pub(super) fn new(room: usize) -> Self {
        let state = State { queue: VecDeque::with_capacity(room), closed: false };
        Self { room, state: Mutex::new(state), something: Condvar::new() }
    }

    /// Gives one to whoever takes next; back where there is no room, or it is closed.
    pub(super) fn give(&self, one: T) -> Result<(), T> {
        let mut state = lock(&self.state);
        if state.closed || state.queue.len() >= self.room {
            return Err(one);
        }
        state.queue.push_back(one);
        drop(state);
        self.something.notify_one();
        Ok(())
    }

    /// Takes one, waiting for no longer than `limit`, where there is one.
    pub(super) fn take(&self, limit: Option<Duration>) -> Taken<T> {
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let mut state = lock(&self.state);
        loop {
            if let Some(one) = state.queue.pop_front() {
                return Taken::One(one);
            }
            if state.closed {
                return Taken::Closed;
            }
            state = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => self.something.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => return Taken::NothingYet,
                Some(left) => self.something.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }

    /// Lets nothing in any more, and tells everybody who waits.
    pub(super) fn close(&self) {
        lock(&self.state).closed = true;
        self.something.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_the_order_of_giving_and_no_more_than_there_is_room_for() {
        let handover = Handover::new(2);
        assert_eq!([handover.give(1), handover.give(2), handover.give(3)], [Ok(()), Ok(()), Err(3)]);
        assert_eq!(handover.take(None), Taken::One(1));
        assert_eq!(handover.give(4), Ok(()));
        assert_eq!([handover.take(None), handover.take(None)], [Taken::One(2), Taken::One(4)]);
        assert_eq!(handover.take(Some(Duration::from_millis(1))), Taken::NothingYet);
    }

    #[test]
    fn closing_lets_nothing_in_and_the_rest_out() {
        let handover = Handover::new(2);
        assert_eq!(handover.give(1), Ok(()));
        handover.close();
        assert_eq!(handover.give(2), Err(2));
        assert_eq!([handover.take(None), handover.take(None)], [Taken::One(1), Taken::Closed]);
    }

    #[test]
    fn closing_wakes_everybody_who_waits() {
        let handover = Handover::<u8>::new(1);
        std::thread::scope(|scope| {
            let waiting: Vec<_> = (0..3).map(|_| scope.spawn(|| handover.take(None))).collect();
            handover.close();
            for thread in waiting {
                assert_eq!(thread.join().expect("no panic"), Taken::Closed);
            }
        });
    }
}
