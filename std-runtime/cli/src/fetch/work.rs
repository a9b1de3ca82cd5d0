//! One run: tiles in, reports out, until nothing is left or something on this machine is in the way.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tidegate::{
    fetch::{TileOutcome, TileReport},
    stop::Extent,
};
use tidegate_core::TileId;
use tidegate_store::{area::AreaError, dead_letter::DeadLetterError, memory::MemoryError, sink::SinkError};

use crate::{
    memory::Remembered,
    output::Output,
    progress::{Progress, each},
    report::{Recorder, Run},
    source::Source,
};

/// What whoever takes tiles up tells the run, from another thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    found: Arc<AtomicU64>,
    later: Arc<AtomicU64>,
    trouble: Arc<Mutex<Option<Trouble>>>,
}

impl Tally {
    /// Counts a tile that is already there.
    pub(crate) fn found(&self) {
        self.found.fetch_add(1, Ordering::AcqRel);
    }

    /// Counts a tile that is not to be asked for yet.
    pub(crate) fn put_off(&self) {
        self.later.fetch_add(1, Ordering::AcqRel);
    }

    /// How many tiles are not to be asked for yet.
    pub(crate) fn later(&self) -> u64 {
        self.later.load(Ordering::Acquire)
    }

    /// Says what ends the run. The first trouble is the one that is told.
    fn trouble(&self, trouble: Trouble) {
        lock(&self.trouble).get_or_insert(trouble);
    }
}

/// What ends a run early, on this machine.
#[derive(Debug)]
pub(crate) enum Trouble {
    Sink(SinkError),
    Area(AreaError),
    Letters(DeadLetterError),
    Memory(MemoryError),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sink(error) => error.fmt(f),
            Self::Area(error) => error.fmt(f),
            Self::Letters(error) => error.fmt(f),
            Self::Memory(error) => error.fmt(f),
        }
    }
}

/// Fetches `tiles` and hands each report to `keep`. What `keep` cannot keep ends the run, and so does a tile that cannot be
/// told: what has begun is drained. What the servers ask for is remembered on the way.
///
/// When it returns, `tiles` has been dropped.
pub(crate) fn work(
    source: &Source,
    tiles: impl Iterator<Item = Result<TileId, Trouble>> + Send + 'static,
    tally: &Tally,
    memory: &mut Remembered,
    (wanted, quiet): (u64, bool),
    output: &mut Output,
    mut keep: impl FnMut(&TileReport) -> Result<(), Trouble>,
) -> (Run, Option<Trouble>) {
    let mut progress = Progress::start(wanted, quiet);
    let mut recorder = Recorder::start(source, wanted);
    let told = tally.clone();
    let tiles = tiles.map_while(move |tile| tile.map_err(|trouble| told.trouble(trouble)).ok());
    let stream = each(source, tiles, Progress::interval(output), |report| {
        let trouble = report.and_then(|mut report| {
            let trouble = keep(&report).err();
            if trouble.is_some() {
                // What came and could not be kept is still to be fetched.
                report.outcome = TileOutcome::Cancelled;
            }
            recorder.record(&report);
            trouble
        });
        if let Some(trouble) = trouble.or_else(|| memory.keep_now_and_then(source).err().map(Trouble::Memory)) {
            source.fetcher.stop().ask(Extent::Drain);
            tally.trouble(trouble);
        }
        recorder.found(tally.found.load(Ordering::Acquire));
        progress.show(&recorder.ledger, source.fetcher.upstream().status(), output);
    });
    progress.end(output);
    if let Err(error) = memory.keep(source) {
        tally.trouble(Trouble::Memory(error));
    }
    recorder.found(tally.found.load(Ordering::Acquire));
    // Nobody asked for what is not due.
    recorder.ledger.requested = recorder.ledger.requested.saturating_sub(tally.later());
    let run = recorder.finish(source, &stream);
    (run, lock(&tally.trouble).take())
}

/// What is inside, even after a panic elsewhere: nothing here is left half done.
pub(crate) fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
