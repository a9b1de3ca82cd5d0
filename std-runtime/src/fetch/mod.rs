//! Fetching tiles: one, many in order, or a bounded stream as they arrive.
//!
//! Data flows one way: a tile becomes a URL, the gate admits an attempt, the transport brings a response, verification
//! looks into it, and a [`TileReport`] says what came of it. Every decision in between is the core's. With a [`Cache`], what
//! is kept comes before all of that.
//!
//! What is bounded, and by what: attempts in flight by the gate; bodies held by the most attempts the gate can ever admit;
//! calls alive, those that back off included, by [`ALIVE_PER_SLOT`] times that.

mod attempt;
mod cache;
mod call;
mod hedge;
mod report;
mod route;
mod slots;
mod stock;
mod stream;
mod tile;

pub use attempt::{Made, judge};
pub use cache::{Cache, CacheMode, Caching, Degrade, Exchange, Kept, Part, Saved, Validity};
pub use hedge::HEDGE_SAMPLES_MIN;
pub(crate) use report::{ACCESS_REFUSED, BARRED, USAGE_POLICY};
pub use report::{Attempt, CorrelationId, Failure, Fault, Fetched, TileOutcome, TileReport};
pub use route::{Choice, MIRRORS_MAX, Mirror, Routes, Wanted, Watch};
pub use stream::TileStream;

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use event_listener::Event;
use smol::Executor;
use tidegate_core::{CallPolicy, Instant, TileId, drive::Clock};

use self::{
    hedge::Hedges,
    slots::{Slot, Slots},
    tile::not_begun,
};
use crate::{
    clock::{Chance, SystemClock},
    ledger::Ledger,
    stop::Stop,
    template::UrlTemplate,
    transport::Transport,
    upstream::Upstream,
    verify::Expect,
};

/// What a [`Fetcher`] is made of.
#[derive(Debug)]
pub struct Parts<T, C = SystemClock> {
    /// How requests get to the server.
    pub transport: T,
    /// The gate they go through.
    pub upstream: Upstream<C>,
    /// How often a tile is tried.
    pub policy: CallPolicy,
    /// Where a tile is.
    pub template: UrlTemplate,
    /// What is expected of a tile's bytes.
    pub expect: Expect,
    /// Where jitter comes from.
    pub chance: Chance,
    /// Whether requests to the first source carry their correlation id: only to hosts that are ours.
    pub send_correlation_id: bool,
    /// Whether logs say where tiles lie: only where nobody else reads them.
    pub log_locations: bool,
}

/// Fetches tiles of one source. Cheap to clone; clones share everything.
#[derive(Debug)]
pub struct Fetcher<T, C = SystemClock> {
    shared: Arc<Shared<T, C>>,
}

impl<T, C> Clone for Fetcher<T, C> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

#[derive(Debug)]
struct Shared<T, C> {
    parts: Parts<T, C>,
    routes: Routes<C>,
    /// Notified when an attempt went wrong: another source may be the better one now.
    turned: Event,
    /// How many streams and single tiles were begun: each is a run of its own in correlation ids.
    runs: AtomicU64,
    /// One for each body that may be held.
    slots: Slots,
    slot_count: usize,
    stop: Stop,
    /// How long sources take, where slow attempts are hedged.
    hedges: Option<Hedges>,
    /// What was asked for after it had been handed over.
    afterwards: Mutex<Ledger>,
}

/// What came of one tile.
struct Done {
    report: TileReport,
    /// The place of its body.
    slot: Option<Slot>,
    /// It is to be asked for now that it is handed over.
    refresh: bool,
}

/// How many calls are alive for each attempt that may be in flight: those that back off hold no place, and others use
/// theirs in the meantime.
pub const ALIVE_PER_SLOT: usize = 4;

impl<T, C> Fetcher<T, C>
where
    T: Transport,
    C: Clock<Sleep: Send> + Send + Sync + 'static,
{
    /// A fetcher of these parts. `concurrency` is the most attempts that the gate can ever admit at once.
    pub fn new(parts: Parts<T, C>, concurrency: u16) -> Self {
        Self::routed(parts, Routes::default(), concurrency)
    }

    /// A fetcher with further sources. `concurrency` is the most attempts that all gates together are to admit at once: it
    /// bounds the bodies held, whatever the gates allow.
    pub fn routed(parts: Parts<T, C>, mut routes: Routes<C>, concurrency: u16) -> Self {
        routes.mirrors.truncate(MIRRORS_MAX);
        let slot_count = usize::from(concurrency.max(1));
        let (runs, slots) = (AtomicU64::new(0), Slots::new(slot_count));
        let (turned, stop, afterwards) = (Event::new(), Stop::new(), Mutex::default());
        let hedges = if routes.hedge { Hedges::new(1 + routes.mirrors.len()) } else { None };
        let shared = Shared { parts, routes, turned, runs, slots, slot_count, stop, hedges, afterwards };
        Self { shared: Arc::new(shared) }
    }

    /// The gates of all sources, the first one's first.
    pub fn upstreams(&self) -> impl Iterator<Item = &Upstream<C>> {
        (0..self.shared.sources()).map(|source| self.shared.upstream(source))
    }

    /// The gate of the first source, and the clock of all.
    #[must_use]
    pub fn upstream(&self) -> &Upstream<C> {
        &self.shared.parts.upstream
    }

    /// The transport.
    #[must_use]
    pub fn transport(&self) -> &T {
        &self.shared.parts.transport
    }

    /// The stop that all its work heeds.
    #[must_use]
    pub fn stop(&self) -> &Stop {
        &self.shared.stop
    }

    /// What came of the tiles that streams asked for in the background, as [`CacheMode::Refresh`] wants it. Their reports
    /// were handed over before, so none of it is in those.
    #[must_use]
    pub fn refreshed(&self) -> Ledger {
        self.shared.afterwards().clone()
    }

    /// Fetches one tile, beginning its last attempt before `deadline`.
    pub async fn fetch(&self, tile: TileId, deadline: Instant) -> TileReport {
        let id = CorrelationId { run: self.shared.next_run(), index: 0 };
        self.shared.fetch(id, tile, deadline, false).await.report
    }

    /// Fetches tiles as they come, in no order, as tasks on `executor`. Tiles are taken from the iterator as they are needed.
    ///
    /// At `deadline`, and when [`Fetcher::stop`] is asked to drain, no tile is begun any more; what has begun is reported.
    pub fn stream(
        &self,
        executor: &Arc<Executor<'static>>,
        tiles: impl Iterator<Item = TileId> + Send + 'static,
        deadline: Instant,
    ) -> TileStream {
        stream::start(&self.shared, executor, tiles, deadline)
    }

    /// Fetches each tile at its own time, in ascending order, whatever became of those before it: an open loop. One that is
    /// due while [`Fetcher::alive_max`] calls are alive is not sent, and counted by [`TileStream::not_sent`].
    ///
    /// For load tests. Work that has to be done wants [`Fetcher::stream`], which waits instead. [`TileReport::late`] says how
    /// far behind its time a tile was begun.
    pub fn stream_on_time(
        &self,
        executor: &Arc<Executor<'static>>,
        tiles: impl Iterator<Item = (Instant, TileId)> + Send + 'static,
        deadline: Instant,
    ) -> TileStream {
        stream::start_on_time(&self.shared, executor, tiles, deadline)
    }

    /// The most calls that a stream keeps alive: [`ALIVE_PER_SLOT`] for each attempt that may be in flight.
    #[must_use]
    pub fn alive_max(&self) -> usize {
        self.shared.alive_max()
    }

    /// Fetches tiles and returns their reports in the order in which they were asked for, those that were not begun before
    /// `deadline` as [`TileOutcome::Cancelled`]. Holds every body: for more than a few hundred tiles use [`Fetcher::stream`].
    pub async fn fetch_all(
        &self,
        executor: &Arc<Executor<'static>>,
        tiles: &[TileId],
        deadline: Instant,
    ) -> Vec<TileReport> {
        let mut reports: Vec<Option<TileReport>> = tiles.iter().map(|_| None).collect();
        let mut stream = self.stream(executor, Vec::from(tiles).into_iter(), deadline);
        while let Some(report) = stream.next().await {
            if let Some(place) = usize::try_from(report.id.index).ok().and_then(|index| reports.get_mut(index)) {
                *place = Some(report);
            }
        }
        let run = stream.run();
        let late = |(index, (report, tile)): (usize, (Option<TileReport>, &TileId))| {
            report.unwrap_or_else(|| not_begun(CorrelationId { run, index: index as u64 }, *tile))
        };
        reports.into_iter().zip(tiles).enumerate().map(late).collect()
    }

    /// Fetches tiles in batches, one batch after the other, each in order. What fails costs only itself.
    pub async fn fetch_batches(
        &self,
        executor: &Arc<Executor<'static>>,
        tiles: &[TileId],
        batch: usize,
        deadline: Instant,
        mut done: impl FnMut(Vec<TileReport>),
    ) {
        for tiles in tiles.chunks(batch.max(1)) {
            done(self.fetch_all(executor, tiles, deadline).await);
        }
    }
}

/// How many tiles make a batch where nobody says.
pub const BATCH: usize = 50;

impl<T, C> Shared<T, C>
where
    T: Transport,
    C: Clock<Sleep: Send> + Send + Sync + 'static,
{
    fn alive_max(&self) -> usize {
        self.slot_count * ALIVE_PER_SLOT
    }

    /// A name for a run that no other run of the same seed has.
    fn next_run(&self) -> u32 {
        self.parts.chance.name(self.runs.fetch_add(1, Ordering::Relaxed))
    }

    fn afterwards(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.afterwards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
