//! A clock that a thread of the scenario moves, whenever the scheduler lets it.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use shuttle::sync::{Arc, Condvar, Mutex};
use tidegate_core::{Instant, drive::Clock};

/// The scenarios are over by then. A later timer (an attempt's timeout, a lease) never fires: it is there for what hangs, and
/// time that ran on to it would make everything hang.
const HORIZON: Instant = Instant::from_secs(5);

/// Virtual time. It moves from one sleeper's end to the next, at any moment: a timer may fire between any two steps.
#[derive(Default)]
pub(crate) struct Time {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    now: Instant,
    last_id: u64,
    sleepers: BTreeMap<(Instant, u64), Waker>,
    over: bool,
}

impl Time {
    /// Moves from sleeper to sleeper until [`Time::end`].
    pub(crate) fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        loop {
            if state.over {
                return;
            }
            if let Some(((at, _), waker)) = state.sleepers.pop_first() {
                state.now = state.now.max(at);
                drop(state);
                waker.wake();
                state = self.state.lock().unwrap();
            } else {
                state = self.changed.wait(state).unwrap();
            }
        }
    }

    /// Nobody sleeps any more.
    pub(crate) fn end(&self) {
        self.state.lock().unwrap().over = true;
        self.changed.notify_all();
    }
}

/// A handle, so that a sleep can outlive the place where it was begun.
#[derive(Clone, Default)]
pub(crate) struct Watch(pub(crate) Arc<Time>);

impl Clock for Watch {
    type Sleep = Sleep;

    fn now(&self) -> Instant {
        self.0.state.lock().unwrap().now
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        Sleep { time: Arc::clone(&self.0), at, id: None }
    }
}

pub(crate) struct Sleep {
    time: Arc<Time>,
    at: Instant,
    id: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let time = Arc::clone(&self.time);
        let mut state = time.state.lock().unwrap();
        if state.now >= self.at {
            return Poll::Ready(());
        }
        if self.at < HORIZON {
            let id = *self.id.get_or_insert_with(|| {
                state.last_id += 1;
                state.last_id
            });
            state.sleepers.insert((self.at, id), context.waker().clone());
            drop(state);
            time.changed.notify_all();
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            let outdated = self.time.state.lock().unwrap().sleepers.remove(&(self.at, id));
            drop(outdated);
        }
    }
}
