//! A pool of workers with a bounded queue, worked out in advance.
//!
//! First come, first served, and the time of each piece of work is known when it arrives. So it is known then when it
//! will be done, and no task has to stand in a queue.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

/// When each worker is free, and what waits for one.
#[derive(Debug)]
pub(crate) struct Workers {
    /// The times at which the busy workers become free, the earliest on top; one for each worker.
    free_at: BinaryHeap<Reverse<Duration>>,
    /// When each waiting piece of work will begin, in order; at most `queue_max`.
    starts: VecDeque<Duration>,
    queue_max: usize,
}

impl Workers {
    pub(crate) fn new(workers: u32, queue_max: u32) -> Self {
        Self {
            free_at: (0..workers).map(|_| Reverse(Duration::ZERO)).collect(),
            starts: VecDeque::new(),
            queue_max: queue_max as usize,
        }
    }

    /// Takes on work of this length. Gives the time until it is done, or nothing if the queue is full.
    pub(crate) fn take_on(&mut self, now: Duration, service: Duration) -> Option<Duration> {
        self.take_on_until(now, |start| start + service)
    }

    /// Takes on work that is done at `done_at(start)`, not before its start. Gives the time until then, or nothing if the
    /// queue is full.
    pub(crate) fn take_on_until(
        &mut self,
        now: Duration,
        done_at: impl FnOnce(Duration) -> Duration,
    ) -> Option<Duration> {
        while self.starts.front().is_some_and(|start| *start <= now) {
            self.starts.pop_front();
        }
        let mut earliest = self.free_at.peek_mut()?;
        let start = earliest.0.max(now);
        if start > now {
            if self.starts.len() >= self.queue_max {
                return None;
            }
            // Nothing that came before begins later, so the queue stays in order.
            self.starts.push_back(start);
        }
        let done = done_at(start);
        *earliest = Reverse(done);
        Some(done - now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What arrives at these milliseconds is done after how many, with work of 100 ms.
    fn done_after(workers: u32, queue: u32, at_ms: &[u64]) -> Vec<Option<u128>> {
        let mut pool = Workers::new(workers, queue);
        let service = Duration::from_millis(100);
        at_ms.iter().map(|ms| pool.take_on(Duration::from_millis(*ms), service).map(|span| span.as_millis())).collect()
    }

    #[test]
    fn work_waits_for_a_free_worker() {
        assert_eq!(done_after(1, 9, &[0, 0, 10, 500]), [Some(100), Some(200), Some(290), Some(100)]);
        assert_eq!(done_after(2, 9, &[0, 0, 0, 50]), [Some(100), Some(100), Some(200), Some(150)]);
    }

    #[test]
    fn what_does_not_fit_into_the_queue_is_turned_away_until_a_place_is_free() {
        assert_eq!(
            done_after(1, 2, &[0, 0, 0, 0, 99, 100, 100]),
            [Some(100), Some(200), Some(300), None, None, Some(300), None]
        );
        assert_eq!(done_after(2, 0, &[0, 0, 0, 100]), [Some(100), Some(100), None, Some(100)]);
    }

    #[test]
    fn what_is_turned_away_costs_nothing() {
        assert_eq!(done_after(1, 0, &[0, 1, 2, 3, 100]), [Some(100), None, None, None, Some(100)]);
    }
}
