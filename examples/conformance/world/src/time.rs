//! Virtual time that any runtime can keep under its own lock.

use core::{
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tidegate_core::{
    Instant,
    drive::{Clock, Lock},
};

use crate::TASKS;

/// The time, and who waits for it. A task waits for a call to be given up, for its attempt to be over, and for the answer.
///
/// Invariant: no alarm is earlier than `now`.
#[derive(Debug)]
pub struct Alarms {
    now: Instant,
    alarms: [Option<Alarm>; 3 * TASKS as usize],
    asked: u32,
}

#[derive(Debug)]
struct Alarm {
    key: Key,
    waker: Waker,
}

/// When, then whose, then which of that task's: the order in which alarms go off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    at: Instant,
    task: u8,
    asked: u32,
}

impl Alarms {
    /// No time has passed, and nobody waits.
    pub const fn new() -> Self {
        Self { now: Instant::ORIGIN, alarms: [const { None }; 3 * TASKS as usize], asked: 0 }
    }

    /// Sets an alarm, or renews it. Returns the waker before, to be dropped outside the lock.
    fn set(&mut self, key: Key, waker: &Waker) -> Option<Waker> {
        let known = self.alarms.iter_mut().flatten().find(|alarm| alarm.key == key);
        if let Some(alarm) = known {
            return Some(mem::replace(&mut alarm.waker, waker.clone()));
        }
        let place = self.alarms.iter_mut().find(|alarm| alarm.is_none()).expect("three alarms for each task");
        *place = Some(Alarm { key, waker: waker.clone() });
        None
    }

    fn take(&mut self, key: Key) -> Option<Waker> {
        let place = self.alarms.iter_mut().find(|alarm| alarm.as_ref().is_some_and(|alarm| alarm.key == key))?;
        place.take().map(|alarm| alarm.waker)
    }

    /// Moves time to the first alarm and takes it.
    fn next(&mut self) -> Option<Waker> {
        let key = self.alarms.iter().flatten().map(|alarm| alarm.key).min()?;
        self.now = self.now.max(key.at);
        self.take(key)
    }
}

impl Default for Alarms {
    fn default() -> Self {
        Self::new()
    }
}

pub(crate) fn advance(time: &impl Lock<Inside = Alarms>) -> bool {
    let next = time.with(Alarms::next);
    next.map(Waker::wake).is_some()
}

/// The clock as one task sees it.
#[derive(Debug)]
pub struct TaskClock<'t, T> {
    time: &'t T,
    task: u8,
}

impl<'t, T> TaskClock<'t, T> {
    pub(crate) const fn new(time: &'t T, task: u8) -> Self {
        Self { time, task }
    }
}

impl<'t, T: Lock<Inside = Alarms>> Clock for TaskClock<'t, T> {
    type Sleep = Sleep<'t, T>;

    fn now(&self) -> Instant {
        self.time.with(|alarms| alarms.now)
    }

    fn sleep_until(&self, at: Instant) -> Sleep<'t, T> {
        let asked = self.time.with(|alarms| {
            alarms.asked += 1;
            alarms.asked
        });
        Sleep { time: self.time, key: Key { at, task: self.task, asked } }
    }
}

/// Ready when time has come to its instant.
#[derive(Debug)]
pub struct Sleep<'t, T: Lock<Inside = Alarms>> {
    time: &'t T,
    key: Key,
}

impl<T: Lock<Inside = Alarms>> Future for Sleep<'_, T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let (is_over, outdated) = self.time.with(|alarms| match self.key.at {
            at if at <= alarms.now => (true, None),
            // The end of time never comes.
            Instant::MAX => (false, None),
            _ => (false, alarms.set(self.key, context.waker())),
        });
        drop(outdated);
        if is_over { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl<T: Lock<Inside = Alarms>> Drop for Sleep<'_, T> {
    fn drop(&mut self) {
        drop(self.time.with(|alarms| alarms.take(self.key)));
    }
}
