//! Plain threads, one for each task, that park themselves. One runs at a time: which of two threads is faster is no decision.

use std::{
    collections::VecDeque,
    future::Future,
    pin::pin,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
    thread,
};

use conformance_world::{TASKS, Tally};

use super::World;

pub(super) fn run(world: &Arc<World>) -> Tally {
    let turns = Arc::new(Turns {
        state: Mutex::new(State { ready: (0..TASKS).collect(), running: None }),
        changed: Condvar::new(),
    });
    let mut tally = Tally::ZERO;
    thread::scope(|scope| {
        let spawn = |number| {
            let turns = &turns;
            scope.spawn(move || turns.block_on(number, world, world.task(number)))
        };
        let threads: Vec<_> = (0..TASKS).map(spawn).collect();
        turns.pass(world);
        for thread in threads {
            tally.add(thread.join().expect("no task panics"));
        }
    });
    tally
}

/// Whose turn it is, and who is ready for one.
struct Turns {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    ready: VecDeque<u8>,
    running: Option<u8>,
}

impl Turns {
    fn block_on<T>(self: &Arc<Self>, number: u8, world: &World, task: impl Future<Output = T>) -> T {
        let mut task = pin!(task);
        let waker = Waker::from(Arc::new(Unpark { number, turns: Arc::clone(self) }));
        loop {
            self.park_until_its_turn(number);
            let polled = task.as_mut().poll(&mut Context::from_waker(&waker));
            self.pass(world);
            if let Poll::Ready(output) = polled {
                return output;
            }
        }
    }

    fn park_until_its_turn(&self, number: u8) {
        let waits = |state: &mut State| state.running != Some(number);
        let turn = self.changed.wait_while(self.lock(), waits);
        drop(turn.unwrap_or_else(PoisonError::into_inner));
    }

    /// Gives the turn to whoever has been ready for longest; if nobody is, all are parked, and time moves on.
    fn pass(&self, world: &World) {
        while self.lock().ready.is_empty() && world.advance() {}
        let mut state = self.lock();
        state.running = state.ready.pop_front();
        drop(state);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Unpark {
    number: u8,
    turns: Arc<Turns>,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        let mut state = self.turns.lock();
        if !state.ready.contains(&self.number) {
            state.ready.push_back(self.number);
        }
    }
}
