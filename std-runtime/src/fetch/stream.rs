//! Reports as they arrive, with a bound on everything.
//!
//! A tile is begun when there is room for it (a closed loop: a slow server is asked less), or at its own time whatever the
//! server does (an open loop: a slow server has more and more alive). Where the bound is reached, the first kind waits and
//! the second is not sent, and counted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_lock::{Semaphore, SemaphoreGuardArc};
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

/// When a tile is begun.
#[derive(Clone, Copy, Debug)]
pub(super) enum Turn {
    /// When there is room for it.
    WithRoom,
    /// At that time, or never.
    Due(Instant),
}

impl Turn {
    /// How much later than it was due `begun` is.
    fn late(self, begun: Instant) -> Duration {
        match self {
            Self::WithRoom => Duration::ZERO,
            Self::Due(at) => begun.saturating_since(at),
        }
    }
}

pub(super) fn start<T, C>(
    shared: &Arc<Shared<T, C>>,
    executor: &Arc<Executor<'static>>,
    tiles: impl Iterator<Item = (Turn, TileId)> + Send + 'static,
    deadline: Instant,
) -> TileStream
where
    T: Transport,
    C: Clock<Sleep: Send> + Send + Sync + 'static,
{
    // A report takes the place of its body along, so that no more of them wait here than bodies may be held. With less room,
    // whoever takes them is woken for each.
    let (sender, reports) = channel::bounded(shared.slot_count);
    let counts = Arc::new(Counts::default());
    let run = shared.next_run();
    let tiles = (0..).map(move |index| CorrelationId { run, index }).zip(tiles);
    let feeder = feed(Arc::clone(shared), Arc::clone(executor), tiles, deadline, sender, Arc::clone(&counts));
    TileStream { reports, counts, run, _feeder: executor.spawn(feeder) }
}

async fn feed<T, C>(
    shared: Arc<Shared<T, C>>,
    executor: Arc<Executor<'static>>,
    tiles: impl Iterator<Item = (CorrelationId, (Turn, TileId))> + Send + 'static,
    deadline: Instant,
    sender: channel::Sender<(TileReport, Option<Slot>)>,
    counts: Arc<Counts>,
) where
    T: Transport,
    C: Clock<Sleep: Send> + Send + Sync + 'static,
{
    let alive_max = shared.alive_max();
    let alive = Arc::new(Semaphore::new(alive_max));
    let mut tasks: Vec<Task<()>> = Vec::with_capacity(alive_max);
    for (id, (turn, tile)) in tiles {
        let clock = shared.parts.upstream.clock();
        let Some(place) = shared.stop.or(Extent::Drain, place(clock, turn, &alive, deadline)).await else { break };
        if clock.now() >= deadline {
            break;
        }
        let Some(place) = place else {
            counts.not_sent.fetch_add(1, Ordering::AcqRel);
            continue;
        };
        counts.begun.fetch_add(1, Ordering::AcqRel);
        if tasks.len() >= 2 * alive_max {
            tasks.retain(|task| !task.is_finished());
        }
        let (shared, sender) = (Arc::clone(&shared), sender.clone());
        tasks.push(executor.spawn(async move {
            let late = turn.late(shared.parts.upstream.clock().now());
            let Done { report, slot, refresh } = shared.fetch(id, tile, deadline, true).await;
            // Nobody listens any more where this fails, and then nobody is owed a report.
            let _closed = sender.send((TileReport { late, ..report }, slot)).await;
            if refresh {
                shared.refresh(id, tile, deadline).await;
            }
            drop(place);
        }));
    }
    drop(sender);
    for task in tasks {
        task.await;
    }
}

/// A place among those alive; none where the tile is due and there is none.
async fn place(clock: &impl Clock, turn: Turn, alive: &Arc<Semaphore>, deadline: Instant) -> Option<SemaphoreGuardArc> {
    match turn {
        Turn::WithRoom => Some(alive.acquire_arc().await),
        Turn::Due(at) => {
            clock.sleep_until(at.min(deadline)).await;
            // Where several are due at once, those that were begun have their turn in between.
            smol::future::yield_now().await;
            alive.try_acquire_arc()
        }
    }
}
