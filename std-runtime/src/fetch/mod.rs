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
mod hedge;
mod report;
mod route;
mod slots;
mod stock;
mod stream;

pub use attempt::{Made, judge};
pub use cache::{Cache, CacheMode, Caching, Degrade, Exchange, Kept, Part, Saved, Validity};
pub use hedge::HEDGE_SAMPLES_MIN;
pub use report::{Attempt, CorrelationId, Failure, Fault, Fetched, TileOutcome, TileReport};
pub(crate) use report::{BARRED, USAGE_POLICY};
pub use route::{Choice, MIRRORS_MAX, Mirror, Routes, Wanted, Watch};
pub use stream::TileStream;

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use event_listener::Event;
use smol::Executor;
use tidegate_core::{Call, CallPolicy, End, Instant, Next, TileId, drive::Clock};

use self::{
    hedge::{Beside, Errand, Hedges, Raced},
    route::{Ended, Shunned},
    slots::{Slot, Slots},
    stock::{Beforehand, OFFLINE, Stock},
};
use crate::{
    clock::{Chance, SystemClock},
    ledger::Ledger,
    stop::{Extent, Stop},
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

    /// Runs one tile to its end. Where there is nobody to ask afterwards, nothing is put off.
    async fn fetch(&self, id: CorrelationId, tile: TileId, deadline: Instant, has_afterwards: bool) -> Done {
        let clock = self.parts.upstream.clock();
        let asked_at = clock.now();
        let mut report = not_begun(id, tile);
        let mut first_grant = None;
        let mut stock = self.stock(tile);
        let (slot, refresh) = match self.beforehand(&stock, &mut report, has_afterwards).await {
            Beforehand::Done { slot, refresh } => (Some(slot), refresh),
            Beforehand::Ask => (self.ask(&mut stock, deadline, &mut report, &mut first_grant).await, false),
            Beforehand::Missing => {
                report.outcome = TileOutcome::Failed(OFFLINE);
                (self.make_do(&stock, &mut report, OFFLINE).await, false)
            }
            Beforehand::Stopped => (None, false),
        };
        let now = clock.now();
        report.queue_wait = first_grant.unwrap_or(now).saturating_since(asked_at);
        report.latency = first_grant.map_or(std::time::Duration::ZERO, |granted| now.saturating_since(granted));
        log_end(&report, self.parts.log_locations);
        self.routes.watch.tile(now, &report);
        Done { report, slot, refresh }
    }

    /// Asks for a tile that was handed over as it was kept. What comes of it is for the next one who wants it.
    async fn refresh(&self, id: CorrelationId, tile: TileId, deadline: Instant) {
        let mut report = not_begun(id, tile);
        let mut stock = self.stock(tile);
        drop(self.ask(&mut stock, deadline, &mut report, &mut None).await);
        log_end(&report, self.parts.log_locations);
        let mut afterwards = self.afterwards();
        afterwards.request(1);
        afterwards.record(&report);
    }

    fn afterwards(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.afterwards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the sources, as long as it takes and is worth it.
    async fn ask(
        &self,
        stock: &mut Stock,
        deadline: Instant,
        report: &mut TileReport,
        first_grant: &mut Option<Instant>,
    ) -> Option<Slot> {
        let mut shunned = Shunned::default();
        let (end, slot) = loop {
            let mut call = Call::new(&self.parts.policy, deadline);
            match self.attempts(&mut call, shunned, stock, report, first_grant).await {
                Ended::Elsewhere { source } => shunned = shunned.with(source),
                Ended::Here { end, slot } => break (end, slot),
            }
        };
        if report.outcome.tile().is_some() {
            return slot;
        }
        let failure = Failure { end, last: report.last_fault() };
        report.outcome = outcome_of(failure, deadline);
        // Its body has gone already, and another one may take its place.
        drop(slot);
        match report.outcome {
            TileOutcome::Failed(_) | TileOutcome::Cancelled => self.make_do(stock, report, failure).await,
            _ => None,
        }
    }

    /// Puts something lesser in the place of a tile that did not come, where there is anything.
    async fn make_do(&self, stock: &Stock, report: &mut TileReport, failure: Failure) -> Option<Slot> {
        let (outcome, slot) = self.stand_in(stock, report.tile, failure).await?;
        report.outcome = outcome;
        Some(slot)
    }

    /// Runs one call to its end, or until it is of no use at its source and there is another.
    async fn attempts(
        &self,
        call: &mut Call<'_>,
        shunned: Shunned,
        stock: &mut Stock,
        report: &mut TileReport,
        first_grant: &mut Option<Instant>,
    ) -> Ended {
        let clock = self.parts.upstream.clock();
        let cancelled = Ended::Here { end: End::Cancelled, slot: None };
        loop {
            // A place for the body before one at the gate: whoever is admitted can receive at once.
            let Some(slot) = self.stop.or(Extent::Drain, self.slots.acquire()).await else { return cancelled };
            let admitted = self.stop.or(Extent::Drain, self.admit(call, shunned, report.tile)).await;
            let (source, permit) = match admitted {
                Some((source, Ok(permit))) => (source, permit),
                Some((source, Err(end))) => return self.ended(source, shunned, end, report, None),
                None => return cancelled,
            };
            let started = permit.started();
            first_grant.get_or_insert(started);
            let who = u64::from(report.id.run) << 32 ^ report.id.index;
            let entropy = || self.parts.chance.draw_for(who, report.attempts.len() as u64);
            let request = self.request(source, report.id, report.tile, report.attempts.len());
            let driver = self.upstream(source).driver();
            let errand = Errand { id: report.id, tile: report.tile, attempts: report.attempts.len(), shunned };
            let beside = Beside::default();
            let race = |_until| self.race(source, request, stock, errand, &beside);
            let attempt = driver.attempt(permit, call, entropy, race);
            let ended = self.stop.or(Extent::Abort, attempt).await;
            let now = clock.now();
            let latency = now.saturating_since(started);
            let mut overtaken = None;
            let (next, fault) = match ended {
                Some((next, Some(Raced { answer, overtaken_by: None, .. }))) => {
                    (Some(next), self.note(answer, source, stock, report))
                }
                Some((next, Some(Raced { answer, overtaken_by: Some(other), original }))) => {
                    let is_empty = answer.made.is_err();
                    overtaken = Some(if is_empty { End::Empty } else { End::Succeeded });
                    self.note(answer, other, stock, report);
                    (Some(next), original)
                }
                Some((next @ Next::Done(End::OutOfTime { .. }), None)) if clock.now() >= call.deadline() => {
                    (Some(next), Some(Fault::CutOff))
                }
                Some((next, None)) => (Some(next), Some(Fault::Timeout)),
                None => (None, Some(Fault::CutOff)),
            };
            self.attempted(report, Attempt { source, latency, fault, hedge: false });
            if let Some(hedge) =
                beside.into_attempt(now, if fault.is_none() { Fault::Overtaken } else { Fault::CutOff })
            {
                self.attempted(report, hedge);
            }
            if let Some(end) = overtaken {
                return Ended::Here { end, slot: Some(slot) };
            }
            match next {
                None => return cancelled,
                Some(Next::Done(end)) => return self.ended(source, shunned, end, report, Some(slot)),
                Some(Next::Retry { at }) => {
                    drop(slot);
                    if self.is_paused_alone(source, shunned, report) {
                        return Ended::Elsewhere { source };
                    }
                    if self.stop.or(Extent::Drain, clock.sleep_until(at)).await.is_none() {
                        return cancelled;
                    }
                }
            }
        }
    }

    /// Takes an answer down, and says what was wrong with it.
    fn note(
        &self,
        answer: attempt::Answer,
        source: usize,
        stock: &mut Stock,
        report: &mut TileReport,
    ) -> Option<Fault> {
        if answer.is_gone {
            stock.forget(source);
        }
        if answer.is_unchanged {
            report.saved.bytes = stock.of(source).map_or(0, |kept| kept.bytes);
        }
        match answer.into_outcome() {
            Ok(outcome) => {
                report.outcome = outcome;
                None
            }
            Err(fault) => fault,
        }
    }
}

/// A tile of which nothing is known yet.
const fn not_begun(id: CorrelationId, tile: TileId) -> TileReport {
    TileReport {
        id,
        tile,
        outcome: TileOutcome::Cancelled,
        attempts: Vec::new(),
        late: std::time::Duration::ZERO,
        queue_wait: std::time::Duration::ZERO,
        latency: std::time::Duration::ZERO,
        saved: Saved { requests: 0, bytes: 0 },
    }
}

/// What an end without a body means for the tile.
fn outcome_of(failure: Failure, deadline: Instant) -> TileOutcome {
    match failure.end {
        End::Empty => TileOutcome::Empty,
        End::Cancelled => TileOutcome::Cancelled,
        // The deadline is the whole run's: what it cuts short is unfinished, whatever went wrong before. Without a deadline
        // only a server's hint reaches the end of time, and that is a failure.
        End::OutOfTime { .. } if deadline < Instant::MAX => TileOutcome::Cancelled,
        End::Succeeded
        | End::Refused(_)
        | End::Exhausted { .. }
        | End::OutOfTime { .. }
        | End::OutOfPatience { .. }
        | End::Barred(_)
        | End::QueueFull => TileOutcome::Failed(failure),
    }
}

fn log_attempt(report: &TileReport, Attempt { source, latency, fault, hedge }: Attempt) {
    let (id, attempt, ms) = (report.id, report.attempts.len(), latency.as_millis() as u64);
    match fault {
        None => tracing::trace!(%id, attempt, source, hedge, ms, "attempt answered"),
        Some(Fault::Overtaken) => tracing::trace!(%id, attempt, source, hedge, ms, "attempt overtaken"),
        Some(fault) => tracing::debug!(%id, attempt, source, hedge, ms, %fault, "attempt failed"),
    }
}

fn log_end(report: &TileReport, with_location: bool) {
    let (id, tile, attempts) = (report.id, report.tile, report.attempts.len());
    let location = with_location.then(|| tracing::field::display(tile.show_location()));
    match &report.outcome {
        TileOutcome::Failed(failure) => tracing::warn!(%id, %tile, location, attempts, %failure, "tile given up"),
        TileOutcome::Stale { past, .. } => {
            tracing::info!(%id, %tile, location, attempts, past_s = past.as_secs(), "tile is stale")
        }
        TileOutcome::FromParent { part, after, .. } => {
            let levels = part.levels;
            tracing::warn!(%id, %tile, location, attempts, failure = %after, levels, "a parent stands in");
        }
        TileOutcome::Fetched(_) | TileOutcome::Revalidated { .. } | TileOutcome::Empty => {
            tracing::debug!(%id, %tile, location, attempts, "tile done");
        }
        TileOutcome::Cancelled => tracing::debug!(%id, %tile, location, attempts, "tile cancelled"),
    }
}
