//! Reports as they arrive, with a bound on everything.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_lock::Semaphore;
use smol::{Executor, Task, channel};
use tidegate_core::{Instant, TileId, drive::Clock};

use super::{ALIVE_PER_SLOT, CorrelationId, Shared, Slot, TileReport};
use crate::{stop::Extent, transport::Transport};

/// Reports in the order of their arrival. Dropping it drops whatever is under way.
#[derive(Debug)]
pub struct TileStream {
    reports: channel::Receiver<(TileReport, Option<Slot>)>,
    begun: Arc<AtomicU64>,
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
        self.begun.load(Ordering::Acquire)
    }
}

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
    // A report waits at its sender until it is taken, so none has to be kept here beside the one in hand.
    let (sender, reports) = channel::bounded(1);
    let begun = Arc::new(AtomicU64::new(0));
    let run = shared.next_run();
    let tiles = (0..).map(move |index| CorrelationId { run, index }).zip(tiles);
    let feeder = feed(Arc::clone(shared), Arc::clone(executor), tiles, deadline, sender, Arc::clone(&begun));
    TileStream { reports, begun, run, _feeder: executor.spawn(feeder) }
}

async fn feed<T, C>(
    shared: Arc<Shared<T, C>>,
    executor: Arc<Executor<'static>>,
    tiles: impl Iterator<Item = (CorrelationId, TileId)> + Send + 'static,
    deadline: Instant,
    sender: channel::Sender<(TileReport, Option<Slot>)>,
    begun: Arc<AtomicU64>,
) where
    T: Transport,
    C: Clock<Sleep: Send> + Send + Sync + 'static,
{
    let alive_max = shared.slot_count * ALIVE_PER_SLOT;
    let alive = Arc::new(Semaphore::new(alive_max));
    let mut tasks: Vec<Task<()>> = Vec::with_capacity(alive_max);
    for (id, tile) in tiles {
        let Some(place) = shared.stop.or(Extent::Drain, alive.acquire_arc()).await else { break };
        if shared.parts.upstream.clock().now() >= deadline {
            break;
        }
        begun.fetch_add(1, Ordering::AcqRel);
        if tasks.len() >= 2 * alive_max {
            tasks.retain(|task| !task.is_finished());
        }
        let (shared, sender) = (Arc::clone(&shared), sender.clone());
        tasks.push(executor.spawn(async move {
            let (report, slot) = shared.fetch(id, tile, deadline).await;
            // Nobody listens any more where this fails, and then nobody is owed a report.
            let _closed = sender.send((report, slot)).await;
            drop(place);
        }));
    }
    drop(sender);
    for task in tasks {
        task.await;
    }
}
