//! One upstream: the core's gate, behind a mutex, with whoever waits for it.

use std::{
    future::Future,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering},
    },
};

use tidegate_core::{
    Admission, Barred, Call, CallPolicy, End, Entropy, Gate, Instant, Outcome, Try, Why,
    breaker::BreakerState,
    drive::{Clock, Driver, Lock, Turnstile},
};

use crate::clock::SystemClock;

/// How many calls may wait for one upstream. A fetcher keeps far fewer alive; who runs calls of his own beyond that is
/// told so by [`End::QueueFull`].
pub const PLACES: usize = 1024;

/// A gate shared by everything that talks to one upstream, on a clock.
///
/// ```
/// use tidegate::upstream::Upstream;
/// use tidegate_core::{CallConfig, CallPolicy, End, Entropy, Gate, GateConfig, Outcome};
///
/// let gate = Gate::new(GateConfig::DEFAULT).expect("the default is valid");
/// let policy = CallPolicy::new(CallConfig::DEFAULT).expect("the default is valid");
/// let upstream = Upstream::new(gate);
/// let mut entropy = std::iter::repeat(Entropy::new(7));
/// let (end, value) = smol::block_on(upstream.run(
///     &policy,
///     upstream.deadline_in(std::time::Duration::from_secs(30)),
///     || entropy.next().unwrap_or(Entropy::new(0)),
///     |_until| async { (Outcome::Success, "any operation") },
/// ));
/// assert_eq!((end, value), (End::Succeeded, Some("any operation")));
/// ```
#[derive(Debug)]
pub struct Upstream<C = SystemClock> {
    clock: C,
    shared: Guarded,
}

impl Upstream {
    /// An upstream behind `gate`, on the machine's clock.
    #[must_use]
    pub fn new(gate: Gate) -> Self {
        Self::on(SystemClock::start(), gate)
    }
}

impl<C: Clock> Upstream<C> {
    /// An upstream behind `gate`, on `clock`.
    pub fn on(clock: C, gate: Gate) -> Self {
        Self { clock, shared: Guarded::new(gate) }
    }

    /// Runs any operation under the gate, with retries as `policy` says, until `deadline`.
    ///
    /// `attempt` is told when it has to be over, and returns what came of it beside its value. It is dropped at that time.
    pub async fn run<F, T>(
        &self,
        policy: &CallPolicy,
        deadline: Instant,
        entropy: impl FnMut() -> Entropy,
        attempt: impl FnMut(Instant) -> F,
    ) -> (End, Option<T>)
    where
        F: Future<Output = (Outcome, T)>,
    {
        self.driver().run(&mut Call::new(policy, deadline), entropy, attempt).await
    }

    /// The core's driver of this gate, for run loops of one's own.
    pub const fn driver(&self) -> Driver<'_, C, Guarded> {
        Driver::new(&self.clock, &self.shared)
    }

    /// The clock that everything here goes by.
    pub const fn clock(&self) -> &C {
        &self.clock
    }

    /// The instant `span` from now.
    pub fn deadline_in(&self, span: std::time::Duration) -> Instant {
        self.clock.now().saturating_add(span)
    }

    /// Changes the gate (a pause, other settings) and wakes whoever waits for it.
    pub fn control<R>(&self, change: impl FnOnce(&mut Gate) -> R) -> R {
        self.driver().control(change)
    }

    /// What the gate would say to an attempt now. Nothing is taken.
    pub fn view(&self, attempt: Try) -> View {
        let now = self.clock.now();
        let look = |gate: &mut Gate| (gate.peek(now, attempt), gate.breaker().state());
        let (refused, breaker) = self.control(look);
        View::of(refused, breaker)
    }

    /// What the gate would say to an attempt now, where it would not let it go. Nothing is taken.
    pub fn refusal(&self, attempt: Try) -> Option<Admission> {
        let now = self.clock.now();
        self.control(|gate| gate.peek(now, attempt))
    }

    /// What the gate looks like now.
    pub fn status(&self) -> Status {
        let now = self.clock.now();
        let Watch { opened, half_opened, closed, in_flight_max, rate_cuts, limit_cuts, .. } = &self.shared.watch;
        self.shared.with(|turnstile| {
            let gate = turnstile.gate();
            Status {
                breaker: gate.breaker().state(),
                limit: gate.learnt_limit(),
                in_flight: gate.in_flight(),
                in_flight_max: in_flight_max.load(Ordering::Relaxed),
                interval: gate.interval(),
                retries_available: gate.retries_available(now),
                paused_until: gate.paused_until(),
                opened: opened.load(Ordering::Relaxed),
                half_opened: half_opened.load(Ordering::Relaxed),
                closed: closed.load(Ordering::Relaxed),
                rate_cuts: rate_cuts.load(Ordering::Relaxed),
                limit_cuts: limit_cuts.load(Ordering::Relaxed),
            }
        })
    }
}

/// What a gate would say to an attempt: enough to choose among several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Go.
    Free,
    /// Go, but it would be one of the few that try whether a breaker may close again.
    Probe,
    /// Soon: the rate, the limit or the budget is used up.
    Busy,
    /// Not before `until`: the breaker is open, or all its probes are out.
    Open {
        /// When to ask again.
        until: Instant,
    },
    /// Not before `until`: the server asked to be left alone.
    Paused {
        /// When to ask again.
        until: Instant,
    },
    /// Never: access was refused too often.
    Barred,
}

impl View {
    const fn of(refused: Option<Admission>, breaker: BreakerState) -> Self {
        match (refused, breaker) {
            (None | Some(Admission::Go(_)), BreakerState::Closed { .. }) => Self::Free,
            (None | Some(Admission::Go(_)), BreakerState::Open { .. } | BreakerState::HalfOpen { .. }) => Self::Probe,
            (Some(Admission::Never { why: Barred::Denied { .. } }), _) => Self::Barred,
            (Some(Admission::Full { .. }), _) => Self::Busy,
            (Some(Admission::Wait { until, why }), _) => match why {
                Why::Open { .. } | Why::ForcedOpen | Why::Probing { .. } => Self::Open { until },
                Why::Paused { .. } => Self::Paused { until },
                Why::Rate { .. }
                | Why::Budget { .. }
                | Why::InFlight { .. }
                | Why::Ramp { .. }
                | Why::Backoff { .. }
                | Why::Queued => Self::Busy,
            },
        }
    }
}

/// A gate, seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Where the breaker stands.
    pub breaker: BreakerState,
    /// How many attempts may be in flight.
    pub limit: u16,
    /// How many are.
    pub in_flight: u16,
    /// The most there ever were.
    pub in_flight_max: u16,
    /// The time between requests at the present rate; zero where the rate is not limited.
    pub interval: std::time::Duration,
    /// How many retries the budget has; `None` where there is no budget.
    pub retries_available: Option<u32>,
    /// Until when the server wants to be left alone; in the past where it does not.
    pub paused_until: Instant,
    /// How often the breaker opened …
    pub opened: u32,
    /// … became half-open …
    pub half_opened: u32,
    /// … and closed again.
    pub closed: u32,
    /// How often the rate was lowered …
    pub rate_cuts: u32,
    /// … and how often the limit was.
    pub limit_cuts: u32,
}

/// A turnstile in a mutex that watches what goes through.
#[derive(Debug)]
pub struct Guarded {
    turnstile: Mutex<Turnstile<Gate, PLACES>>,
    watch: Watch,
}

impl Guarded {
    fn new(gate: Gate) -> Self {
        let watch = Watch {
            state: AtomicU8::new(name_of(gate.breaker().state()) as u8),
            interval_ns: AtomicU64::new(whole_nanos(gate.interval())),
            limit: AtomicU16::new(gate.learnt_limit()),
            ..Watch::default()
        };
        Self { turnstile: Mutex::new(Turnstile::new(gate)), watch }
    }
}

impl Lock for Guarded {
    type Inside = Turnstile<Gate, PLACES>;

    fn with<R>(&self, f: impl FnOnce(&mut Self::Inside) -> R) -> R {
        // Poisoned by a panic elsewhere, the turnstile is whole all the same: no call of the core panics.
        let mut turnstile = self.turnstile.lock().unwrap_or_else(PoisonError::into_inner);
        let result = f(&mut turnstile);
        let change = self.watch.note(turnstile.gate());
        // Whoever reads the log may be slow, and nobody is to wait for that.
        drop(turnstile);
        if let Some(state) = change {
            tracing::info!(breaker = ?state, "breaker");
        }
        result
    }
}

/// What a gate does not count itself. Written under the lock, so plain stores are enough; read without it.
#[derive(Debug, Default)]
struct Watch {
    state: AtomicU8,
    opened: AtomicU32,
    half_opened: AtomicU32,
    closed: AtomicU32,
    in_flight_max: AtomicU16,
    interval_ns: AtomicU64,
    rate_cuts: AtomicU32,
    limit: AtomicU16,
    limit_cuts: AtomicU32,
}

/// An interval is at most a minute.
fn whole_nanos(interval: std::time::Duration) -> u64 {
    u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX)
}

#[derive(Clone, Copy)]
#[repr(u8)]
enum Name {
    Closed,
    Open,
    HalfOpen,
}

const fn name_of(state: BreakerState) -> Name {
    match state {
        BreakerState::Closed { .. } => Name::Closed,
        BreakerState::Open { .. } => Name::Open,
        BreakerState::HalfOpen { .. } => Name::HalfOpen,
    }
}

impl Watch {
    /// Takes down what is new, and says where the breaker stands if that is.
    fn note(&self, gate: &Gate) -> Option<BreakerState> {
        let in_flight = gate.in_flight();
        if in_flight > self.in_flight_max.load(Ordering::Relaxed) {
            self.in_flight_max.store(in_flight, Ordering::Relaxed);
        }
        let interval_ns = whole_nanos(gate.interval());
        if self.interval_ns.swap(interval_ns, Ordering::Relaxed) < interval_ns {
            self.rate_cuts.fetch_add(1, Ordering::Relaxed);
        }
        let limit = gate.learnt_limit();
        if self.limit.swap(limit, Ordering::Relaxed) > limit {
            self.limit_cuts.fetch_add(1, Ordering::Relaxed);
        }
        let state = gate.breaker().state();
        let name = name_of(state);
        if self.state.swap(name as u8, Ordering::Relaxed) == name as u8 {
            return None;
        }
        let count = match name {
            Name::Closed => &self.closed,
            Name::Open => &self.opened,
            Name::HalfOpen => &self.half_opened,
        };
        count.fetch_add(1, Ordering::Relaxed);
        Some(state)
    }
}
