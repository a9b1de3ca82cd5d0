//! The same scripted calls for every runtime, on a clock that moves only when all of them wait.
//!
//! A runtime brings its own tasks, its own parking and a lock. It runs [`TASKS`] tasks of [`World::task`], and calls
//! [`World::advance`] whenever none of them can go on. The gate inside records what it is asked and answers; that record,
//! and so its hash, is the same everywhere:
//!
//! - Time stands still while anything can run, then goes to the next alarm and wakes its owner alone.
//! - Alarms of the same instant go off in the order of their tasks' numbers, whoever asked first.
//! - A task that runs wakes at most one other, and all begin with an alarm. So there is never a choice of whom to run next,
//!   and it does not matter in which order a runtime takes what is ready.
//!
//! No heap and no I/O, so that a microcontroller runs it too.
#![no_std]
#![forbid(unsafe_code)]

mod script;
mod time;

pub use script::{CALLERS, PLACES, gate_config};
pub use time::{Alarms, Sleep, TaskClock};

use core::{
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
};

use tidegate_core::{
    Call, End, Entropy, Gatekeeper,
    drive::{Clock, Driver, Lock, Turnstile},
};

use script::Fate;

/// Tasks to run: the callers, and whoever tells the gate something from outside.
pub const TASKS: u8 = CALLERS + 1;

/// What all tasks share: the time and the gate, each under a lock of the runtime.
#[derive(Debug)]
pub struct World<T, S> {
    time: T,
    shared: S,
}

/// How many calls ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// With an answer, or the answer that there is nothing.
    pub answered: u16,
    /// Without one: refused, out of attempts, time or patience.
    pub given_up: u16,
    /// Dropped by their caller halfway.
    pub dropped: u16,
}

impl<T, S, G> World<T, S>
where
    T: Lock<Inside = Alarms>,
    S: Lock<Inside = Turnstile<G, PLACES>>,
    G: Gatekeeper,
{
    /// Calls that have not begun. `shared` holds a fresh gate with the settings of [`gate_config`].
    pub const fn new(time: T, shared: S) -> Self {
        Self { time, shared }
    }

    /// One task, from the beginning to its end. Each of the numbers below [`TASKS`] is to be run once.
    pub async fn task(&self, number: u8) -> Tally {
        let clock = TaskClock::new(&self.time, number);
        clock.sleep_until(script::START).await;
        if number < CALLERS { self.calls(&clock, number).await } else { self.tell(&clock).await }
    }

    /// To be called when no task can go on: moves time to the next alarm and wakes whoever set it. `false` where there is
    /// none: then all tasks have ended, or never will.
    pub fn advance(&self) -> bool {
        time::advance(&self.time)
    }

    /// Looks at the gate.
    pub fn gate<R>(&self, look: impl FnOnce(&G) -> R) -> R {
        self.shared.with(|turnstile| look(turnstile.gate()))
    }

    /// One call after the other.
    async fn calls(&self, clock: &TaskClock<'_, T>, caller: u8) -> Tally {
        let policy = script::policy();
        let driver = Driver::new(clock, &self.shared);
        let mut tally = Tally::ZERO;
        for (number, fates) in (0..).zip(script::calls(caller)) {
            clock.sleep_until(script::begins_at(caller, fates, clock.now())).await;
            let mut call = Call::new(&policy, clock.now().saturating_add(script::DEADLINE));
            let mut drawn = 0;
            let entropy = || {
                drawn += 1;
                Entropy::mix(u64::from(caller), number, drawn)
            };
            let mut attempts = fates.iter().filter(|&&letter| letter != b'w');
            let attempt = |_until| {
                let fate = Fate::of(attempts.next().copied(), u64::from(caller) + number);
                async move {
                    clock.sleep_until(fate.ready_at(clock.now())).await;
                    (fate.outcome, ())
                }
            };
            let run = pin!(driver.run(&mut call, entropy, attempt));
            let gives_up = pin!(clock.sleep_until(script::gives_up_at(fates, clock.now())));
            let end = unless(gives_up, run).await.map(|(end, _)| end);
            tally.count(end);
        }
        tally
    }

    /// What the gate is told from outside.
    async fn tell(&self, clock: &TaskClock<'_, T>) -> Tally {
        let driver = Driver::new(clock, &self.shared);
        for (at, control) in script::CONTROLS {
            clock.sleep_until(at).await;
            driver.control(|gate| gate.control(at, control));
        }
        Tally::ZERO
    }
}

impl Tally {
    /// No call has ended.
    pub const ZERO: Self = Self { answered: 0, given_up: 0, dropped: 0 };

    /// Adds what another task counted.
    pub const fn add(&mut self, other: Self) {
        self.answered += other.answered;
        self.given_up += other.given_up;
        self.dropped += other.dropped;
    }

    const fn count(&mut self, end: Option<End>) {
        match end {
            Some(End::Succeeded | End::Empty) => self.answered += 1,
            Some(_) => self.given_up += 1,
            None => self.dropped += 1,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answered, {} given up, {} dropped", self.answered, self.given_up, self.dropped)
    }
}

/// The output of `work`, unless `limit` is ready before it. Both stay where they are pinned: handed over by value, a future
/// takes its memory twice.
async fn unless<T>(
    mut limit: Pin<&mut impl Future<Output = ()>>,
    mut work: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => limit.as_mut().poll(context).map(|()| None),
    })
    .await
}
