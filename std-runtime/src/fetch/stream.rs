//! Reports as they arrive, with a bound on everything.
//!
//! A tile is begun when there is room for it (a closed loop: a slow server is asked less), or at its own time whatever the
//! server does (an open loop: a slow server has more and more alive). Where the bound is reached, the first kind waits and
//! the second is not sent, and counted.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_lock::Semaphore;
use smol::{Executor, Task, channel};
use tidegate_core::{Instant, TileId, drive::Clock};

use super::{CorrelationId, Done, Shared, Slot, TileReport};
use crate::{stop::Extent, transport::Transport};

/// Reports in the order of their arrival. Dropping it drops whatever is under way.
#[derive(Debug)]
pub struct TileStream {
    reports: channel::Receiver<(TileReport, Option<Slot>)>,
    counts: Arc<Counts>,
    run: u32,
    /// Takes tiles and begins calls; dropped, it drops them all.
    _feeder: Task<()>,
}

impl TileStream {
    /// The next report; `None` when there is none left. Its body's place is free from here on: whoever takes a report holds
    /// the body.
    pub async fn next(&mut self) -> Option<TileReport> {
        self.reports.recv().await.ok().map(|(report, _slot)| report)
    }

    /// What its correlation ids begin with.
    pub(super) const fn run(&self) -> u32 {
        self.run
    }

    /// How many tiles were begun so far.
    #[must_use]
    pub fn begun(&self) -> u64 {
        self.counts.begun.load(Ordering::Acquire)
    }

    /// How many tiles were due so far and not sent, because as many as are allowed were alive.
    #[must_use]
    pub fn not_sent(&self) -> u64 {
        self.counts.not_sent.load(Ordering::Acquire)
    }
}

#[derive(Debug, Default)]
struct Counts {
    begun: AtomicU64,
    not_sent: AtomicU64,
}

/// Tiles that are begun when there is room.
pub(super) fn start<T, C>(
    shared: &Arc<Shared<T, C>>,
    executor: &Arc<Executor<'static>>,
    tiles: impl Iterator<Item = TileId> + Send + 'static,
    deadline: Instant,
) -> TileStream
where
    T: Transport,
    C: Clock<Sleep: Send> + Send + Sync + 'static,
{
    begin(shared, executor, deadline, |line| feed(line, Arc::clone(executor), tiles.zip(0..)))
}

/// Tiles that are begun at their own times.
pub(super) fn start_on_time<T, C>(
    shared: &Arc<Shared<T, C>>,
    executor: &Arc<Executor<'static>>,
    tiles: impl Iterator<Item = (Instant, TileId)> + Send + 'static,
    deadline: Instant,
) -> TileStream
where
    T: Transport,
    C: Clock<Sleep: Send> + Send + Sync + 'static,
{
    begin(shared, executor, deadline, |line| feed_on_time(line, Arc::clone(executor), tiles.zip(0..)))
}

fn begin<T, C, F>(
    shared: &Arc<Shared<T, C>>,
    executor: &Executor<'static>,
    deadline: Instant,
    feed: impl FnOnce(Line<T, C>) -> F,
) -> TileStream
where
    F: Future<Output = ()> + Send + 'static,
    T: Transport,
    C: Clock<Sleep: Send> + Send + Sync + 'static,
{
    // A report takes the place of its body along, so that no more of them wait here than bodies may be held. With less room,
    // whoever takes them is woken for each.
    let (sender, reports) = channel::bounded(shared.slot_count);
    let (counts, run) = (Arc::<Counts>::default(), shared.next_run());
    let line = Line { shared: Arc::clone(shared), deadline, sender, counts: Arc::clone(&counts), run };
    TileStream { reports, counts, run, _feeder: executor.spawn(feed(line)) }
}

/// What the tasks of a stream have in common.
struct Line<T, C> {
    shared: Arc<Shared<T, C>>,
    deadline: Instant,
    sender: channel::Sender<(TileReport, Option<Slot>)>,
    counts: Arc<Counts>,
    run: u32,
}

impl<T, C> Clone for Line<T, C> {
    fn clone(&self) -> Self {
        let Self { shared, deadline, sender, counts, run } = self;
        Self {
            shared: Arc::clone(shared),
            deadline: *deadline,
            sender: sender.clone(),
            counts: Arc::clone(counts),
            run: *run,
        }
    }
}

impl<T, C> Line<T, C>
where
    T: Transport,
    C: Clock<Sleep: Send> + Send + Sync + 'static,
{
    /// Whether nothing is to be begun any more.
    fn has_ended(&self) -> bool {
        self.shared.stop.is_asked(Extent::Drain) || self.shared.parts.upstream.clock().now() >= self.deadline
    }

    /// Runs one tile to its end, begun so much later than it was due.
    async fn fetch(&self, index: u64, tile: TileId, late: Duration) {
        let id = CorrelationId { run: self.run, index };
        let Done { report, slot, refresh } = self.shared.fetch(id, tile, self.deadline, true).await;
        // Nobody listens any more where this fails, and then nobody is owed a report.
        let _closed = self.sender.send((TileReport { late, ..report }, slot)).await;
        if refresh {
            self.shared.refresh(id, tile, self.deadline).await;
        }
    }
}

/// As many tasks as calls may be alive, each of which takes one tile after the other: a task for each tile would cost more
/// than all decisions about it.
async fn feed<T, C, I>(line: Line<T, C>, executor: Arc<Executor<'static>>, tiles: I)
where
    T: Transport,
    C: Clock<Sleep: Send> + Send + Sync + 'static,
    I: Iterator<Item = (TileId, u64)> + Send + 'static,
{
    let alive_max = line.shared.alive_max();
    let tiles = Arc::new(Mutex::new(tiles));
    let mut tasks: Vec<Task<()>> = Vec::new();
    while tasks.len() < alive_max
        && let Some(first) = next(&line, &tiles)
    {
        let (line, tiles) = (line.clone(), Arc::clone(&tiles));
        tasks.push(executor.spawn(async move {
            let mut taken = Some(first);
            while let Some((tile, index)) = taken {
                line.fetch(index, tile, Duration::ZERO).await;
                taken = next(&line, &tiles);
            }
        }));
    }
    drop(line);
    for task in tasks {
        task.await;
    }
}

/// Takes the next tile, and counts it.
fn next<T, C>(line: &Line<T, C>, tiles: &Mutex<impl Iterator<Item = (TileId, u64)>>) -> Option<(TileId, u64)>
where
    T: Transport,
    C: Clock<Sleep: Send> + Send + Sync + 'static,
{
    if line.has_ended() {
        return None;
    }
    let taken = tiles.lock().unwrap_or_else(PoisonError::into_inner).next()?;
    line.counts.begun.fetch_add(1, Ordering::AcqRel);
    Some(taken)
}

/// A task for each tile when it is due, where there is a place for one.
async fn feed_on_time<T, C, I>(line: Line<T, C>, executor: Arc<Executor<'static>>, tiles: I)
where
    T: Transport,
    C: Clock<Sleep: Send> + Send + Sync + 'static,
    I: Iterator<Item = ((Instant, TileId), u64)> + Send + 'static,
{
    let alive_max = line.shared.alive_max();
    let alive = Arc::new(Semaphore::new(alive_max));
    let mut tasks: Vec<Task<()>> = Vec::with_capacity(alive_max);
    for ((due, tile), index) in tiles {
        let clock = line.shared.parts.upstream.clock();
        let waited = async {
            clock.sleep_until(due.min(line.deadline)).await;
            // Where several are due at once, those that were begun have their turn in between.
            smol::future::yield_now().await;
        };
        if line.shared.stop.or(Extent::Drain, waited).await.is_none() || line.has_ended() {
            break;
        }
        let Some(place) = alive.try_acquire_arc() else {
            line.counts.not_sent.fetch_add(1, Ordering::AcqRel);
            continue;
        };
        line.counts.begun.fetch_add(1, Ordering::AcqRel);
        if tasks.len() >= 2 * alive_max {
            tasks.retain(|task| !task.is_finished());
        }
        let line = line.clone();
        tasks.push(executor.spawn(async move {
            let late = line.shared.parts.upstream.clock().now().saturating_since(due);
            line.fetch(index, tile, late).await;
            drop(place);
        }));
    }
    drop(line);
    for task in tasks {
        task.await;
    }
}
