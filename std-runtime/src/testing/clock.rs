//! A clock that is moved, not read.

use std::{
    collections::BTreeMap,
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tidegate_core::{Instant, drive::Clock};

/// Time that moves only when it is told to. Clones are the same clock.
#[derive(Clone, Debug, Default)]
pub struct VirtualClock(Arc<Mutex<State>>);

/// Invariant: no timer is due before `now`, but for those that were not polled yet.
#[derive(Debug, Default)]
struct State {
    now: Instant,
    /// Who waits, by when and then by who asked first.
    timers: BTreeMap<(Instant, u64), Waker>,
    asked: u64,
}

impl VirtualClock {
    /// A clock that stands at [`Instant::ORIGIN`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How much time has passed since the clock was made.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.lock().now.saturating_since(Instant::ORIGIN)
    }

    /// Moves time by `span` and wakes whoever is due by then, in order.
    pub fn advance(&self, span: Duration) {
        let due = {
            let mut state = self.lock();
            let now = state.now.saturating_add(span);
            state.now = now;
            let later = state.timers.split_off(&(now, u64::MAX));
            mem::replace(&mut state.timers, later)
        };
        due.into_values().for_each(Waker::wake);
    }

    /// Goes to the next timer and wakes it alone; `false` where there is none.
    pub(super) fn go_to_next(&self) -> bool {
        let first = {
            let mut state = self.lock();
            let first = state.timers.pop_first();
            if let Some(((at, _), _)) = &first {
                state.now = state.now.max(*at);
            }
            first
        };
        first.map(|(_, waker)| waker.wake()).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for VirtualClock {
    type Sleep = VirtualSleep;

    fn now(&self) -> Instant {
        self.lock().now
    }

    fn sleep_until(&self, at: Instant) -> VirtualSleep {
        let mut state = self.lock();
        state.asked += 1;
        VirtualSleep { clock: self.clone(), at, asked: state.asked }
    }
}

/// Ready when the clock has come to its instant.
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct VirtualSleep {
    clock: VirtualClock,
    at: Instant,
    asked: u64,
}

impl Future for VirtualSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.clock.lock();
        if state.now >= self.at {
            return Poll::Ready(());
        }
        // The end of time never comes.
        if self.at < Instant::MAX {
            let outdated = state.timers.insert((self.at, self.asked), context.waker().clone());
            // A waker may own a task that sleeps, and would lock again.
            drop(state);
            drop(outdated);
        }
        Poll::Pending
    }
}

impl Drop for VirtualSleep {
    fn drop(&mut self) {
        let outdated = self.clock.lock().timers.remove(&(self.at, self.asked));
        drop(outdated);
    }
}
