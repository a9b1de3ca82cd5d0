//! Threads that park: a clock, a lock, and the loop that polls a future on its thread.

use std::{
    cell::Cell,
    future::Future,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Wake},
    thread::{self, Thread},
    time,
};

use tidegate_core::{
    Instant,
    drive::{Clock, Lock},
};

/// The monotonic clock. A sleep on it is an alarm of the thread that polls it.
pub(crate) struct Parked {
    origin: time::Instant,
}

thread_local! {
    /// When this thread is to poll again if nobody wakes it before.
    static ALARM: Cell<Option<time::Instant>> = const { Cell::new(None) };
}

impl Parked {
    /// A clock that starts now.
    pub(crate) fn start() -> Self {
        Self { origin: time::Instant::now() }
    }
}

impl Clock for Parked {
    type Sleep = Sleep;

    fn now(&self) -> Instant {
        Instant::ORIGIN.saturating_add(self.origin.elapsed())
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        Sleep(self.origin.checked_add(at.saturating_since(Instant::ORIGIN)))
    }
}

/// Without an instant it lasts for ever.
pub(crate) struct Sleep(Option<time::Instant>);

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.0 else { return Poll::Pending };
        if at <= time::Instant::now() {
            return Poll::Ready(());
        }
        ALARM.set(Some(ALARM.get().map_or(at, |alarm| alarm.min(at))));
        Poll::Pending
    }
}

/// A mutex as the driver wants it: what a panicking thread has left is whole all the same.
pub(crate) struct Guarded<T>(pub(crate) Mutex<T>);

impl<T> Lock for Guarded<T> {
    type Inside = T;

    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs `future` on this thread, which parks until it is woken or its alarm is due.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Arc::new(Unpark(thread::current())).into();
    loop {
        ALARM.set(None);
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        match ALARM.get() {
            Some(alarm) => thread::park_timeout(alarm.saturating_duration_since(time::Instant::now())),
            None => thread::park(),
        }
    }
}
