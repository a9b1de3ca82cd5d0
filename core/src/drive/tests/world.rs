//! A clock that moves when nobody has anything to do, and an executor that counts how often it is woken.

use core::{
    pin::Pin,
    task::{Context, Poll},
};
use std::{
    boxed::Box,
    collections::{BTreeMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc, Mutex, MutexGuard, TryLockError,
        atomic::{AtomicUsize, Ordering},
    },
    task::Wake,
    vec::Vec,
};

use super::*;

pub(super) const START: Instant = Instant::from_secs(1_000);

pub(super) fn secs(after_start: u64) -> Instant {
    START.saturating_add(Duration::from_secs(after_start))
}

pub(super) fn millis(after_start: u64) -> Instant {
    START.saturating_add(Duration::from_millis(after_start))
}

/// Virtual time. Every reading may be made late by a given span, as that of a coarse or shaky clock is.
pub(super) struct Time {
    state: Mutex<TimeState>,
}

struct TimeState {
    now: Instant,
    late_ns: u64,
    next_id: u64,
    timers: BTreeMap<(Instant, u64), Waker>,
}

impl Time {
    fn new() -> Self {
        let state = TimeState { now: START, late_ns: 0, next_id: 0, timers: BTreeMap::new() };
        Self { state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, TimeState> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Readings are late by so much from here on; the time itself goes on.
    pub(super) fn read_late(&self, late: Duration) {
        self.state().late_ns = late.as_nanos() as u64;
    }

    /// Wakers are dropped outside the lock: the last one may own a task that reads the clock when it is dropped.
    fn forget(&self, id: u64) {
        let mut state = self.state();
        let key = state.timers.keys().find(|(_, known)| *known == id).copied();
        let waker = key.and_then(|key| state.timers.remove(&key));
        drop(state);
        drop(waker);
    }

    /// Sleeps that somebody waits for.
    pub(super) fn timers(&self) -> usize {
        self.state().timers.len()
    }
}

impl Clock for Arc<Time> {
    type Sleep = Sleep;

    fn now(&self) -> Instant {
        let state = self.state();
        Instant::from_nanos(state.now.as_nanos() - state.late_ns)
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        Sleep { time: Arc::clone(self), at, registered: None }
    }
}

pub(super) struct Sleep {
    time: Arc<Time>,
    at: Instant,
    registered: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let time = Arc::clone(&self.time);
        if let Some(id) = self.registered {
            time.forget(id);
        }
        let mut state = time.state();
        // A sleep goes by the clock that its caller reads.
        if state.now.as_nanos() - state.late_ns >= self.at.as_nanos() {
            return Poll::Ready(());
        }
        let id = *self.registered.get_or_insert_with(|| {
            state.next_id += 1;
            state.next_id
        });
        let fires_at = self.at.plus_ns(state.late_ns);
        if self.at < Instant::MAX {
            state.timers.insert((fires_at, id), context.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(id) = self.registered {
            self.time.forget(id);
        }
    }
}

/// A lock that says so where it is taken from within, instead of hanging.
pub(super) struct Guarded<T>(Mutex<T>);

impl<T> Lock for Guarded<T> {
    type Inside = T;

    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        match self.0.try_lock() {
            Ok(mut inside) => f(&mut inside),
            Err(TryLockError::Poisoned(poisoned)) => f(&mut poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {
                panic!("the lock was taken from within: a waker was woken or dropped there")
            }
        }
    }
}

/// A gate, its queue of `N` places, and the time.
pub(super) struct World<const N: usize = 64> {
    pub(super) time: Arc<Time>,
    pub(super) shared: Guarded<Turnstile<Gate, N>>,
}

impl<const N: usize> World<N> {
    pub(super) fn new(config: GateConfig) -> Self {
        let gate = Gate::new(config).expect("valid settings");
        Self { time: Arc::new(Time::new()), shared: Guarded(Mutex::new(Turnstile::new(gate))) }
    }

    pub(super) fn driver(&self) -> Driver<'_, Arc<Time>, Guarded<Turnstile<Gate, N>>> {
        Driver::new(&self.time, &self.shared)
    }

    pub(super) fn in_flight(&self) -> u16 {
        self.shared.with(|turnstile| turnstile.gate().in_flight())
    }

    pub(super) fn waiting(&self) -> usize {
        self.shared.with(|turnstile| turnstile.queue.len())
    }
}

struct TaskWaker {
    id: usize,
    ready: Arc<Mutex<VecDeque<usize>>>,
    wakes: AtomicUsize,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
        self.ready.lock().expect("nothing panics under it").push_back(self.id);
    }
}

struct Task<'w> {
    future: Option<Pin<Box<dyn Future<Output = ()> + 'w>>>,
    waker: Arc<TaskWaker>,
    /// Where it may not, its panic is one of the test.
    may_panic: bool,
}

/// Runs tasks in the order in which they were woken, and moves the clock when all of them wait.
pub(super) struct Executor<'w> {
    time: Arc<Time>,
    tasks: Vec<Task<'w>>,
    ready: Arc<Mutex<VecDeque<usize>>>,
}

impl<'w> Executor<'w> {
    pub(super) fn new<const N: usize>(world: &'w World<N>) -> Self {
        Self { time: Arc::clone(&world.time), tasks: Vec::new(), ready: Arc::default() }
    }

    /// The task's number, counted from zero.
    pub(super) fn spawn(&mut self, future: impl Future<Output = ()> + 'w) -> usize {
        let id = self.tasks.len();
        let waker = Arc::new(TaskWaker { id, ready: Arc::clone(&self.ready), wakes: AtomicUsize::new(0) });
        self.tasks.push(Task { future: Some(Box::pin(future)), waker, may_panic: false });
        self.ready.lock().expect("nothing panics under it").push_back(id);
        id
    }

    /// This task may panic, and the others go on.
    pub(super) fn may_panic(&mut self, id: usize) {
        self.tasks[id].may_panic = true;
    }

    /// Drops a task wherever it stands.
    pub(super) fn cancel(&mut self, id: usize) {
        self.tasks[id].future = None;
    }

    pub(super) fn has_ended(&self, id: usize) -> bool {
        self.tasks[id].future.is_none()
    }

    /// How often a task was woken since it was spawned.
    pub(super) fn wakes(&self, id: usize) -> usize {
        self.tasks[id].waker.wakes.load(Ordering::Relaxed)
    }

    pub(super) fn waker(&self, id: usize) -> Waker {
        Waker::from(Arc::clone(&self.tasks[id].waker))
    }

    /// Runs what is ready, and does not move the clock. A task that may panic and does ends.
    pub(super) fn run_ready(&mut self) {
        loop {
            let Some(id) = self.ready.lock().expect("nothing panics under it").pop_front() else { return };
            let waker = self.waker(id);
            let Some(future) = &mut self.tasks[id].future else { continue };
            let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut Context::from_waker(&waker))));
            match polled {
                Ok(Poll::Pending) => {}
                Ok(Poll::Ready(())) => self.tasks[id].future = None,
                Err(_) if self.tasks[id].may_panic => self.tasks[id].future = None,
                Err(panic) => resume_unwind(panic),
            }
        }
    }

    /// Runs everything that happens up to `until`, and moves the clock there.
    pub(super) fn run_until(&mut self, until: Instant) {
        self.run_ready();
        while self.fire_next(until) {
            self.run_ready();
        }
        let mut state = self.time.state();
        state.now = state.now.max(until);
    }

    /// Runs until nobody waits for the clock. The tasks that have not ended then never will by themselves.
    pub(super) fn run(&mut self) -> Vec<usize> {
        self.run_ready();
        while self.fire_next(Instant::MAX) {
            self.run_ready();
        }
        let waiting = self.tasks.iter().enumerate().filter(|(_, task)| task.future.is_some());
        waiting.map(|(id, _)| id).collect()
    }

    fn fire_next(&mut self, until: Instant) -> bool {
        let mut state = self.time.state();
        let Some((&(at, _), _)) = state.timers.first_key_value() else { return false };
        if at > until {
            return false;
        }
        state.now = state.now.max(at);
        let Some((_, waker)) = state.timers.pop_first() else { return false };
        drop(state);
        waker.wake();
        true
    }
}
