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
    outside: Arc<AtomicU64>,
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

    /// Counts a tile that the source says it does not have.
    pub(crate) fn leave_out(&self) {
        self.outside.fetch_add(1, Ordering::AcqRel);
    }

    /// How many tiles the source says it does not have.
    pub(crate) fn outside(&self) -> u64 {
        self.outside.load(Ordering::Acquire)
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

/// Fetches `tiles` and hands each report to `keep`, which may find that it is no success. What `keep` cannot keep ends the run, and so does a tile that cannot be
/// told, and sources that give nothing at all: what has begun is drained. What the servers ask for is remembered on the way.
///
/// When it returns, `tiles` has been dropped.
pub(crate) fn work(
    source: &Source,
    tiles: impl Iterator<Item = Result<TileId, Trouble>> + Send + 'static,
    tally: &Tally,
    memory: &mut Remembered,
    (wanted, quiet): (u64, bool),
    output: &mut Output,
    mut keep: impl FnMut(&mut TileReport) -> Result<(), Trouble>,
) -> (Run, Option<Trouble>) {
    let mut progress = Progress::start(wanted, quiet);
    let mut recorder = Recorder::start(source, wanted);
    let mut silence = None;
    let told = tally.clone();
    let tiles = tiles.map_while(move |tile| tile.map_err(|trouble| told.trouble(trouble)).ok());
    let stream = each(source, tiles, |report| {
        let trouble = report.and_then(|mut report| {
            let trouble = keep(&mut report).err();
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
        silence = silence.or_else(|| source.give_up_on_silence());
        recorder.found(tally.found.load(Ordering::Acquire));
        progress.expect(wanted.saturating_sub(tally.outside()));
        progress.show(&recorder.ledger, source, output);
    });
    progress.end(output);
    if let Err(error) = memory.keep(source) {
        tally.trouble(Trouble::Memory(error));
    }
    recorder.found(tally.found.load(Ordering::Acquire));
    // Nobody asked for what is not due, or not there.
    recorder.ledger.requested = recorder.ledger.requested.saturating_sub(tally.later() + tally.outside());
    let run = recorder.finish(source, &stream).ended_by(silence);
    (run, lock(&tally.trouble).take())
}

/// What is inside, even after a panic elsewhere: nothing here is left half done.
pub(crate) fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Command;
    use tidegate::config::Preset;
    use tidegate_store::area::{Area, Bbox, Region};

    use super::*;
    use crate::{
        args::{SourceArgs, Sources},
        cache::CacheArgs,
        exit::Exit,
        memory::MemoryArgs,
    };

    fn parsed<A: clap::Args + clap::FromArgMatches>(arguments: &[&str]) -> A {
        let matches = A::augment_args(Command::new("it")).try_get_matches_from(["it"].iter().chain(arguments));
        A::from_arg_matches(&matches.expect("flags")).expect("valid ones")
    }

    #[test]
    fn a_source_that_gives_nothing_at_all_ends_the_run_and_nothing_is_lost() {
        let args: SourceArgs = parsed(&["--url-template", "http://127.0.0.1:1/"]);
        let cache: CacheArgs = parsed(&[]);
        let sources = args.sources(Preset::Bulk).unwrap_or_else(|fatal| panic!("{fatal}"));
        let place = Source::place("fetch", &sources).unwrap_or_else(|fatal| panic!("{fatal}"));
        let Sources { settings, .. } = sources;
        let mut source = Source::open(&args, &cache, &settings, place).unwrap_or_else(|fatal| panic!("{fatal}"));
        source.silence_max = Duration::from_millis(500);
        let mut memory = parsed::<MemoryArgs>(&[]).recall(&source).unwrap_or_else(|fatal| panic!("{fatal}"));
        let area = Area::new(vec![Region::Bbox(Bbox::WORLD)], "0-5".parse().expect("zooms"));
        let wanted = area.count();
        let tiles = area.tiles().map(|tile| tile.map_err(Trouble::Area));
        let mut output = Output::terminal();
        let (run, trouble) =
            work(&source, tiles, &Tally::default(), &mut memory, (wanted, true), &mut output, |_| Ok(()));
        source.close();
        assert!(trouble.is_none());
        assert_eq!(run.requested(), wanted);
        let exit = run.exit("", "", &mut output).unwrap_or_else(|fatal| panic!("the books balance: {fatal}"));
        assert_eq!(exit, Exit::Source);
    }
}
