//! The driver's queue and permits.

use std::{
    future::poll_fn,
    task::{Poll, Wake, Waker},
    time::Duration,
};

use shuttle::{
    future::block_on,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, Thread},
};
use tidegate_core::{
    Call, CallConfig, CallPolicy, Entropy, Gate, GateConfig, Instant, Next, Outcome, RateControl, Step,
    breaker::{BreakerConfig, BreakerMode},
    call::End,
    drive::{Clock, Driver, Lock, Turn, Turnstile},
    limit::LimitConfig,
};

use crate::time::Watch;

/// A place for each caller that a scenario has, and no more.
const PLACES: usize = 3;

struct Shared(Mutex<Turnstile<Gate, PLACES>>);

impl Lock for Shared {
    type Inside = Turnstile<Gate, PLACES>;

    fn with<R>(&self, f: impl FnOnce(&mut Self::Inside) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

/// A gate, its queue, a clock, and a count of what is in flight.
struct World {
    clock: Watch,
    shared: Shared,
    in_flight: AtomicUsize,
    most: AtomicUsize,
}

/// `limit` at once; the breaker does what it is told, and nothing else is in the way.
fn config(limit: u16) -> GateConfig {
    GateConfig {
        breaker: BreakerConfig { mode: BreakerMode::ForcedClosed, ..BreakerConfig::DEFAULT },
        rate: RateControl::Unlimited,
        limit: LimitConfig::fixed(limit),
        budget: None,
        ..GateConfig::DEFAULT
    }
}

impl World {
    fn new(limit: u16) -> Arc<Self> {
        let gate = Gate::new(config(limit)).unwrap();
        Arc::new(Self {
            clock: Watch::default(),
            shared: Shared(Mutex::new(Turnstile::new(gate))),
            in_flight: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        })
    }

    fn driver(&self) -> Driver<'_, Watch, Shared> {
        Driver::new(&self.clock, &self.shared)
    }

    /// One call of one attempt, which does `within` while it is in flight.
    async fn call(&self, within: impl AsyncFn()) -> End {
        let policy = CallPolicy::new(CallConfig { attempts: 1, ..CallConfig::DEFAULT }).unwrap();
        let mut call = Call::new(&policy, Instant::MAX);
        let attempt = async |_until: Instant| {
            let _inside = Inside::enter(self);
            within().await;
            (Outcome::Success, ())
        };
        let (end, _) = self.driver().run(&mut call, || Entropy::new(7), attempt).await;
        end
    }

    /// The same without futures: this thread parks until its turn has come.
    fn call_parked(&self, within: impl Fn()) -> End {
        let policy = CallPolicy::new(CallConfig { attempts: 1, ..CallConfig::DEFAULT }).unwrap();
        let (mut call, mut turn) = (Call::new(&policy, Instant::MAX), Turn::new(&self.shared));
        let waker = Waker::from(std::sync::Arc::new(Unpark(thread::current())));
        loop {
            match turn.poll(self.clock.now(), &mut call, &waker) {
                Step::Attempt(ticket) => {
                    {
                        let _inside = Inside::enter(self);
                        within();
                    }
                    match turn.settle(self.clock.now(), &mut call, ticket, Outcome::Success, Entropy::new(7)) {
                        Next::Retry { .. } => {}
                        Next::Done(end) => return end,
                    }
                }
                Step::Wait { .. } | Step::Full { .. } => thread::park(),
                Step::Done(end) => return end,
            }
        }
    }

    /// What must hold when everybody has gone: nothing in flight, every place free, and a new call goes through.
    fn check_at_rest(&self, most: usize) {
        assert!(self.most.load(Ordering::SeqCst) <= most, "{:?} in flight of {most}", self.most);
        assert_eq!(self.shared.with(|turnstile| turnstile.gate().in_flight()), 0, "a ticket was lost");
        for _ in 0..=PLACES {
            assert_eq!(block_on(self.call(async || {})), End::Succeeded, "a place was lost");
        }
        self.clock.0.end();
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.unpark();
    }
}

/// Counts who is in flight, also when an attempt is dropped or panics.
struct Inside<'w>(&'w World);

impl<'w> Inside<'w> {
    fn enter(world: &'w World) -> Self {
        let now = world.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        world.most.fetch_max(now, Ordering::SeqCst);
        Self(world)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

fn spawn(world: &Arc<World>, body: impl FnOnce(&World) + Send + 'static) -> thread::JoinHandle<()> {
    let world = Arc::clone(world);
    thread::spawn(move || body(&world))
}

async fn for_a_second(world: &World) {
    let second = world.clock.now().saturating_add(Duration::from_secs(1));
    world.clock.sleep_until(second).await;
}

/// Polls `work` `times` times and drops it: before the gate granted anything, after, or between the grant and the next poll,
/// as the schedule has it.
async fn given_up_after<T>(times: u32, work: impl Future<Output = T>) {
    let mut polls = 0;
    let mut work = std::pin::pin!(work);
    poll_fn(|context| {
        polls += 1;
        if polls > times {
            return Poll::Ready(());
        }
        // Comes back at the scheduler's pleasure, whether or not there is anything new.
        context.waker().wake_by_ref();
        work.as_mut().poll(context).map(drop)
    })
    .await;
}

pub(crate) fn everybody_gets_through() {
    let world = World::new(1);
    let callers: Vec<_> = (0..PLACES)
        .map(|_| {
            spawn(&world, |world| assert_eq!(block_on(world.call(|| async { thread::yield_now() })), End::Succeeded))
        })
        .collect();
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    world.check_at_rest(1);
}

pub(crate) fn parked_threads_are_woken() {
    let world = World::new(1);
    let mut callers: Vec<_> = (0..PLACES - 1)
        .map(|_| spawn(&world, |world| assert_eq!(world.call_parked(thread::yield_now), End::Succeeded)))
        .collect();
    callers.push(spawn(&world, |world| {
        assert_eq!(block_on(world.call(async || thread::yield_now())), End::Succeeded);
    }));
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    world.check_at_rest(1);
}

pub(crate) fn giving_up_passes_on() {
    let world = World::new(1);
    let time = spawn(&world, |world| world.clock.0.pass());
    let holder = spawn(&world, |world| {
        block_on(world.call(async || for_a_second(world).await));
    });
    // Dropped while it waits, or when the permit that comes back has already woken it: then that must pass on.
    let fickle = spawn(&world, |world| block_on(given_up_after(2, world.call(async || {}))));
    let patient = spawn(&world, |world| assert_eq!(block_on(world.call(async || {})), End::Succeeded));
    for caller in [holder, fickle, patient] {
        caller.join().unwrap();
    }
    world.check_at_rest(1);
    time.join().unwrap();
}

pub(crate) fn dropped_in_flight() {
    let world = World::new(1);
    let fickle = spawn(&world, |world| {
        block_on(given_up_after(1, world.call(async || std::future::pending().await)));
    });
    let patient = spawn(&world, |world| assert_eq!(block_on(world.call(async || {})), End::Succeeded));
    for caller in [fickle, patient] {
        caller.join().unwrap();
    }
    world.check_at_rest(1);
}

pub(crate) fn lowered_limit_drains() {
    let world = World::new(2);
    let time = spawn(&world, |world| world.clock.0.pass());
    let mut callers: Vec<_> = (0..PLACES)
        .map(|_| {
            spawn(&world, |world| {
                let end = block_on(world.call(async || for_a_second(world).await));
                assert_eq!(end, End::Succeeded);
            })
        })
        .collect();
    callers.push(spawn(&world, |world| {
        let now = world.clock.now();
        world.driver().control(|gate| gate.reconfigure(now, config(1))).unwrap();
    }));
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    assert_eq!(world.shared.with(|turnstile| turnstile.gate().limit()), 1);
    world.check_at_rest(2);
    time.join().unwrap();
}

pub(crate) fn opened_gate_wakes_all() {
    let world = World::new(1);
    world.driver().control(|gate| gate.set_breaker_mode(BreakerMode::ForcedOpen));
    let mut callers: Vec<_> =
        (0..2).map(|_| spawn(&world, |world| assert_eq!(block_on(world.call(async || {})), End::Succeeded))).collect();
    callers.push(spawn(&world, |world| {
        world.driver().control(|gate| gate.set_breaker_mode(BreakerMode::ForcedClosed));
    }));
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    world.check_at_rest(1);
}

/// Says once that all is over.
#[derive(Default)]
struct Shutdown(Mutex<(bool, Vec<Waker>)>);

impl Shutdown {
    fn begin(&self) {
        let listeners = {
            let mut state = self.0.lock().unwrap();
            state.0 = true;
            std::mem::take(&mut state.1)
        };
        listeners.into_iter().for_each(Waker::wake);
    }

    async fn begun(&self) {
        poll_fn(|context| {
            let mut state = self.0.lock().unwrap();
            if state.0 {
                return Poll::Ready(());
            }
            state.1.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

pub(crate) fn shutdown_races_with_acquire() {
    let world = World::new(1);
    let shutdown = Arc::new(Shutdown::default());
    let time = spawn(&world, |world| world.clock.0.pass());
    let callers: Vec<_> = (0..2)
        .map(|_| {
            let shutdown = Arc::clone(&shutdown);
            spawn(&world, move |world| {
                let call = async {
                    let _however = world.call(async || for_a_second(world).await).await;
                };
                block_on(futures_lite::future::or(shutdown.begun(), call));
            })
        })
        .collect();
    shutdown.begin();
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    world.check_at_rest(1);
    time.join().unwrap();
}
