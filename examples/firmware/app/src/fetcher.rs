//! A few calls at once through one gate, until the trip is over.
//!
//! Every decision is the core's: whether an attempt goes now, how long to wait, whether another one is worth it. What is here
//! asks, waits, counts, and tells the log.

use core::cell::{Cell, RefCell};

use tidegate_core::{
    Call, End, Entropy, Gate, Instant, LatencyBuckets, LatencyConfig, Next, Outcome, Quantile, Traced,
    breaker::BreakerState,
    drive::{Clock as _, Driver, Turnstile},
    embassy::EmbassyClock,
    http,
    tile::{LogKey, TileId},
};
use tile_http::{Answer, Tile};
use trip::{Attempts, Errand, Fate, Trip};

use crate::{
    attempt::Failure,
    memory::Memory,
    policy::{CALL_POLICY, CALLS, LATER},
    transport::Transport,
};

/// The gate, and a hash of all it was asked and answered: two devices that show the same hash have decided the same.
pub type Recorded = Traced<Gate, 1>;

/// What the calls share. Tasks of one executor do not interrupt each other, so cells do, and none is borrowed across an
/// `await`.
pub struct Fetcher<T> {
    transport: T,
    shared: RefCell<Turnstile<Recorded, CALLS>>,
    trip: RefCell<Trip<LATER>>,
    attempts: RefCell<Attempts>,
    latencies: RefCell<LatencyBuckets<LATENCY_CELLS>>,
    memory: RefCell<Memory>,
    bytes: Cell<u32>,
    /// Under which tiles are told apart in the log, without telling where they are.
    log_key: LogKey,
    seed: u64,
    draws: Cell<u64>,
    breaker_was: Cell<Breaker>,
    running: Cell<usize>,
}

/// A task has nothing left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the last one says how it went"]
pub enum Ended {
    /// Others still have.
    BeforeOthers,
    /// Nor has any other.
    Last,
}

impl Ended {
    /// Whether the trip is over.
    pub fn is_last(self) -> bool {
        self == Self::Last
    }
}

/// Where the breaker stands, for the log.
#[derive(Clone, Copy, PartialEq, Eq, defmt::Format)]
enum Breaker {
    Closed,
    Open,
    HalfOpen,
}

/// How it went.
#[derive(Clone, Copy, defmt::Format)]
pub struct Summary {
    /// What became of the tiles.
    pub tiles: trip::Tiles,
    /// What became of the attempts for them.
    pub attempts: Attempts,
    /// Bytes of sound tiles.
    pub bytes: u32,
    /// Half of the answers came within so many milliseconds …
    pub p50_ms: u32,
    /// … and 19 of 20 within so many.
    pub p95_ms: u32,
    /// How often the page that survives a reset was written.
    pub saved: u32,
    /// The hash of all that the gate was asked and answered.
    pub decisions: u64,
}

impl<T: Transport> Fetcher<T> {
    /// Fetches the tiles of `trip` through `gate`. `seed` decides all jitter, and the tags of tiles in the log.
    pub fn new(transport: T, gate: Gate, trip: Trip<LATER>, memory: Memory, seed: u64) -> Self {
        let mut key = [0; 16];
        for (place, byte) in key.iter_mut().zip(seed.to_le_bytes().into_iter().cycle()) {
            *place = byte;
        }
        Self {
            transport,
            shared: RefCell::new(Turnstile::new(Recorded::new(gate))),
            trip: RefCell::new(trip),
            attempts: RefCell::default(),
            latencies: RefCell::new(
                LatencyBuckets::new(LatencyConfig::DEFAULT).expect("the default has as many cells"),
            ),
            memory: RefCell::new(memory),
            bytes: Cell::new(0),
            log_key: LogKey::new(key),
            seed,
            draws: Cell::new(0),
            breaker_was: Cell::new(Breaker::Closed),
            running: Cell::new(0),
        }
    }

    /// Makes one call after the other until nothing is left to do. Run it in up to [`CALLS`] tasks.
    pub async fn run_calls(&self) -> Ended {
        self.running.set(self.running.get() + 1);
        loop {
            // Its own statement: the borrow ends with it, before anything is awaited.
            let next = self.trip.borrow_mut().next(EmbassyClock.now());
            match next {
                trip::Next::Fetch(errand) => self.fetch(errand).await,
                trip::Next::Wait { until } => EmbassyClock.sleep_until(until).await,
                trip::Next::Over => break,
            }
        }
        self.running.set(self.running.get().saturating_sub(1));
        if self.running.get() == 0 { Ended::Last } else { Ended::BeforeOthers }
    }

    async fn fetch(&self, errand: Errand) {
        let driver = Driver::new(&EmbassyClock, &self.shared);
        let mut call = Call::new(&CALL_POLICY, errand.needed_at);
        let end = loop {
            let permit = match driver.admit(&mut call).await {
                Ok(permit) => permit,
                Err(end) => break end,
            };
            let attempt = |until| self.attempt(errand.tile, until);
            let (next, tile) = driver.attempt(permit, &mut call, || self.entropy(), attempt).await;
            match tile {
                Some(Some(tile)) => self.received(errand.tile, tile),
                Some(None) => {}
                None => defmt::warn!("{}: cut off", errand.tile.label(&self.log_key)),
            }
            self.remember(&driver);
            match next {
                Next::Retry { at: _ } => {}
                Next::Done(end) => break end,
            }
        };
        self.conclude(errand, end);
    }

    /// Makes one attempt and says what its outcome is.
    async fn attempt(&self, tile: TileId, until: Instant) -> (Outcome, Option<Tile>) {
        let began = EmbassyClock.now();
        self.attempts.borrow_mut().begun += 1;
        let result = self.transport.ask(tile, until).await;
        let mut attempts = self.attempts.borrow_mut();
        match result {
            Ok(Answer { status, retry_after, date, tile: received }) => {
                let hint = retry_after.as_deref().and_then(|value| http::retry_after(value, date.as_deref()));
                let outcome = match http::outcome(status, hint) {
                    // 206, for one: an answer, and nothing that could have been checked.
                    Outcome::Success if received.is_none() => Outcome::Failure,
                    outcome => outcome,
                };
                attempts.answered(outcome);
                if matches!(outcome, Outcome::Success | Outcome::Empty) {
                    self.latencies.borrow_mut().record_since(EmbassyClock.now(), began);
                } else {
                    defmt::warn!("{}: status {=u16}, {}", tile.label(&self.log_key), status, outcome);
                }
                (outcome, received)
            }
            Err(failure) => {
                defmt::warn!("{}: {}", tile.label(&self.log_key), failure);
                match failure {
                    Failure::NoSocket => {
                        attempts.begun -= 1;
                        (Outcome::Unsent, None)
                    }
                    Failure::Connect(_) => {
                        attempts.unconnected += 1;
                        (Outcome::Failure, None)
                    }
                    Failure::Answer(_) => {
                        attempts.broken += 1;
                        (Outcome::Failure, None)
                    }
                }
            }
        }
    }

    fn received(&self, tile: TileId, received: Tile) {
        self.bytes.set(self.bytes.get().saturating_add(received.size));
        defmt::info!("{}: {}", tile.label(&self.log_key), received);
    }

    fn conclude(&self, errand: Errand, end: End) {
        let mut trip = self.trip.borrow_mut();
        let fate = trip.conclude(EmbassyClock.now(), errand, end);
        defmt::debug_assert!(trip.balances(), "a tile is lost");
        match fate {
            Fate::Fetched | Fate::Empty => {}
            Fate::Later { .. } | Fate::Behind | Fate::Failed => {
                defmt::warn!("{}: {}, so {}", errand.tile.label(&self.log_key), end, fate);
            }
        }
    }

    /// Keeps what the gate has learnt that a reset must not make it forget, and tells the log where the breaker stands.
    fn remember(&self, driver: &Driver<'_, EmbassyClock, RefCell<Turnstile<Recorded, CALLS>>>) {
        let now = EmbassyClock.now();
        let state = self.shared.borrow().gate().gate().breaker().state();
        let (breaker, open_until) = match state {
            BreakerState::Closed { .. } => (Breaker::Closed, Instant::ORIGIN),
            BreakerState::HalfOpen { .. } => (Breaker::HalfOpen, Instant::ORIGIN),
            BreakerState::Open { until, .. } => (Breaker::Open, until),
        };
        if self.breaker_was.replace(breaker) != breaker {
            defmt::info!("breaker: {}", state);
        }
        let paused_until = self.shared.borrow().gate().gate().paused_until();
        let mut memory = self.memory.borrow_mut();
        if memory.lacks(now, paused_until.max(open_until)) {
            let snapshot = driver.control(|traced| traced.change(now, |gate| gate.snapshot(now)));
            memory.keep(paused_until.max(open_until), &snapshot);
        }
    }

    /// A word that no other draw of this device has, and no device with another seed.
    fn entropy(&self) -> Entropy {
        let draw = self.draws.get();
        self.draws.set(draw.wrapping_add(1));
        Entropy::mix(self.seed, 0, draw)
    }

    /// How it went, once all calls are over.
    pub fn summary(&self) -> Summary {
        let latencies = self.latencies.borrow();
        let ms = |quantile| latencies.view().quantile(quantile).map_or(0, |latency| latency.as_millis() as u32);
        Summary {
            tiles: self.trip.borrow().tiles(),
            attempts: *self.attempts.borrow(),
            bytes: self.bytes.get(),
            p50_ms: ms(Quantile::P50),
            p95_ms: ms(Quantile::P95),
            saved: self.memory.borrow().saved(),
            decisions: self.shared.borrow().gate().hash(),
        }
    }

    /// What it asks.
    pub fn transport(&self) -> &T {
        &self.transport
    }
}

const LATENCY_CELLS: usize = LatencyConfig::DEFAULT.cells();
