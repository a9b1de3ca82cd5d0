//! Timers for deadlines that are hardly ever reached.
//!
//! Every attempt has one, ten seconds away, and nearly all are dropped within milliseconds. A reactor is told of each: with
//! async-io's that is a write to wake it, its wait, a read, and three calls to set it up again, more than a request costs
//! otherwise. Here one thread sleeps until the earliest. Setting a timer for later than that wakes nobody, nor does dropping
//! one: the thread may then wake once for nothing.
//!
//! **When it harms**: where timers are set for ever earlier instants, each wakes the thread. And it is one thread for the
//! process, so whatever a waker does runs there; those of executors only put a task into a queue, and those of idle
//! connections close them.

use std::{
    collections::BTreeMap,
    future::Future,
    mem,
    pin::Pin,
    sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    task::{Context, Poll, Waker},
    thread,
    time::Instant,
};

use async_io::Timer;

/// Ready at an instant; never, where there is none.
#[derive(Debug)]
pub(crate) struct Alarm {
    at: Option<Instant>,
    /// Under which number it is kept, once it has been waited for.
    number: Option<u64>,
    /// Instead, where the system had no thread to give.
    fallback: Option<Timer>,
}

impl Alarm {
    pub(crate) const fn new(at: Option<Instant>) -> Self {
        Self { at, number: None, fallback: None }
    }
}

impl Future for Alarm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Pending };
        if Instant::now() >= at {
            return Poll::Ready(());
        }
        if !TIMERS.are_running() {
            let timer = self.fallback.get_or_insert_with(|| Timer::at(at));
            return Pin::new(timer).poll(context).map(|_| ());
        }
        self.number = Some(TIMERS.set(at, self.number, context.waker()));
        Poll::Pending
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let (Some(at), Some(number)) = (self.at, self.number) {
            TIMERS.forget(at, number);
        }
    }
}

static TIMERS: Timers = Timers {
    state: Mutex::new(State { waiting: BTreeMap::new(), numbers: 0, asleep_until: None }),
    earlier: Condvar::new(),
    running: OnceLock::new(),
};

/// What all alarms of the process share.
struct Timers {
    state: Mutex<State>,
    /// Told of an alarm that is earlier than what the thread waits for.
    earlier: Condvar,
    /// Whether there is a thread.
    running: OnceLock<bool>,
}

/// Invariant: the thread is awake, or sleeps no longer than until the first of `waiting`.
struct State {
    /// By their time; the number tells apart those of the same instant.
    waiting: BTreeMap<(Instant, u64), Waker>,
    numbers: u64,
    /// Until when the thread sleeps; `None` while it does not, or does so until it is told.
    asleep_until: Option<Instant>,
}

impl Timers {
    /// Starts the thread when it is first needed.
    fn are_running(&'static self) -> bool {
        *self.running.get_or_init(|| {
            let thread = thread::Builder::new().name("tidegate-timers".to_owned()).stack_size(STACK_BYTES);
            thread.spawn(|| self.run()).is_ok()
        })
    }

    /// Keeps a waker until `at`, in the place of the one that has this number.
    fn set(&self, at: Instant, number: Option<u64>, waker: &Waker) -> u64 {
        let mut state = self.lock();
        let number = number.unwrap_or_else(|| {
            state.numbers += 1;
            state.numbers
        });
        let outdated = state.waiting.insert((at, number), waker.clone());
        let is_earlier = state.asleep_until.is_none_or(|until| at < until);
        if is_earlier {
            // The next one is compared with this, also before the thread has had its turn.
            state.asleep_until = Some(at);
        }
        drop(state);
        if is_earlier {
            self.earlier.notify_one();
        }
        // Not under the lock: the last waker of a task drops the task, and that its alarms.
        drop(outdated);
        number
    }

    fn forget(&self, at: Instant, number: u64) {
        let waker = self.lock().waiting.remove(&(at, number));
        drop(waker);
    }

    /// The life of the thread, which is that of the process.
    fn run(&self) {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let later = state.waiting.split_off(&(now, u64::MAX));
            let due = mem::replace(&mut state.waiting, later);
            if !due.is_empty() {
                drop(state);
                due.into_values().for_each(Waker::wake);
                state = self.lock();
                continue;
            }
            let first = state.waiting.first_key_value().map(|((at, _), _)| *at);
            state.asleep_until = first;
            state = match first {
                None => self.earlier.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    let waited = self.earlier.wait_timeout(state, at.saturating_duration_since(now));
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// It wakes tasks, and a task's waker pushes to a queue.
const STACK_BYTES: usize = 128 * 1024;

#[cfg(test)]
mod tests {
    use std::{pin::pin, sync::Arc, sync::mpsc, task::Wake, time::Duration};

    use smol::future::{block_on, poll_once};

    use super::*;

    fn after(ms: u64) -> Alarm {
        Alarm::new(Some(Instant::now() + Duration::from_millis(ms)))
    }

    #[test]
    fn an_earlier_alarm_does_not_wait_for_a_later_one_and_each_rings() {
        let (rung, order) = mpsc::channel();
        let waiting: Vec<_> = [40, 5, 20]
            .into_iter()
            .map(|ms| {
                let (rung, alarm) = (rung.clone(), after(ms));
                thread::spawn(move || {
                    let at = alarm.at.expect("given");
                    block_on(alarm);
                    rung.send((Instant::now() >= at, ms)).expect("the test waits");
                })
            })
            .collect();
        waiting.into_iter().for_each(|thread| thread.join().expect("no panic"));
        let mut rung: Vec<(bool, u64)> = order.try_iter().collect();
        rung.sort_unstable();
        assert_eq!(rung, [(true, 5), (true, 20), (true, 40)], "each rings, none before its time");
    }

    #[test]
    fn a_dropped_alarm_is_forgotten_with_its_waker() {
        struct Task;
        impl Wake for Task {
            fn wake(self: Arc<Self>) {}
        }
        let task = Arc::new(Task);
        let waker = Waker::from(Arc::clone(&task));
        let mut alarm = Box::pin(after(3_600_000));
        assert!(alarm.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert!(alarm.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(Arc::strong_count(&task), 3, "kept once, however often it is polled");
        drop(alarm);
        assert_eq!(Arc::strong_count(&task), 2);
    }

    #[test]
    fn an_alarm_in_the_past_is_ready_and_one_without_an_instant_never_is() {
        block_on(async {
            assert_eq!(poll_once(Alarm::new(Some(Instant::now()))).await, Some(()));
            assert_eq!(poll_once(pin!(Alarm::new(None))).await, None);
        });
    }

    #[test]
    fn a_task_that_holds_an_alarm_may_die_by_the_waker_of_another() {
        /// Drops an alarm together with the last waker, as a task does.
        struct Holder {
            _alarm: Mutex<Option<Pin<Box<Alarm>>>>,
        }
        impl Wake for Holder {
            fn wake(self: Arc<Self>) {}
        }
        let mut held = Box::pin(after(3_600_000));
        assert!(held.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let waker = Waker::from(Arc::new(Holder { _alarm: Mutex::new(Some(held)) }));
        let mut alarm = Box::pin(after(3_600_000));
        assert!(alarm.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        // The last reference goes with this, inside of `forget`: it must not lock twice.
        drop(alarm);
    }
}
