//! `tidegate replay`: tries again exactly what was given up.
//!
//! The file of dead letters stays as it is until the end of the run, and is then replaced in one step by what is left. So a
//! kill costs nothing: tiles that came by then are found in the archive by the next replay.

use std::{
    collections::HashMap,
    iter,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use clap::Args;
use tidegate::{
    config::Preset,
    fetch::{TileOutcome, TileReport},
};
use tidegate_core::TileId;
use tidegate_store::dead_letter::{DeadLetter, DeadLetterError, Kept, Replay};

use crate::{
    args::{OutputFormat, SourceArgs, Sources},
    cache::CacheArgs,
    exit::{Exit, Fatal},
    fetch::{Tally, Target, TargetArgs, There, Trouble, lock, work},
    letters::{GO_ON, apart, letter, refusal},
    memory::MemoryArgs,
    output::Output,
    print_config,
    source::Source,
};

/// What a replay can be told.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The file that --dead-letter named
    #[arg(value_name = "FILE", required_unless_present = "print_config")]
    letters: Option<PathBuf>,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    memory: MemoryArgs,
    /// The form of the result
    #[arg(long, value_enum, default_value = "text")]
    output_format: OutputFormat,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    cache: CacheArgs,
}

/// Fetches the tiles of the letters and prints what came of it.
pub(crate) fn run(args: &ReplayArgs, quiet: bool, output: &mut Output) -> Result<Exit, Fatal> {
    args.cache.check(&args.source)?;
    let sources = args.source.sources(Preset::Bulk)?;
    let Some(path) = args.letters.as_ref().filter(|_| !args.source.print_config) else {
        return print_config::print(&sources, &args.source, (Some(&args.cache), print_config::NOWHERE), output);
    };
    let place = Source::named("replay", &sources)?;
    let Sources { settings, metadata, .. } = sources;
    apart("replay FILE", path, args.target.path())?;
    let (replay, kept) =
        Replay::open(path).map_err(|error| refusal("replay FILE", &error, "give the file that --dead-letter named"))?;
    let (wanted, is_torn) = (replay.count() as u64, replay.is_torn());
    let Target { mut sink, there } = args.target.open(&place.template, metadata)?;
    let source = Source::open(&args.source, &args.cache, &settings, place)?;
    let mut memory = args.memory.recall(&source)?;
    let (tally, book) = (Tally::default(), Arc::new(Mutex::new(Book::new(replay, kept))));
    let mut again = Again { book: Arc::clone(&book), there, tally: tally.clone() };
    let tiles = iter::from_fn(move || again.next().transpose());
    let (run, trouble) = work(&source, tiles, &tally, &mut memory, (wanted, quiet), output, |report| {
        Target::put(&mut sink, report)?;
        lock(&book).settle(report, &source).map_err(Trouble::Letters)
    });
    let finished = sink.finish().err().map(Trouble::Sink);
    let left = lock(&book).close();
    let title = source.title(wanted, None, &settings);
    source.close();
    run.print(args.output_format, title, output).map_err(Fatal::local)?;
    if let Some(trouble) = trouble.or(finished) {
        return Err(Fatal::local(trouble));
    }
    let left = left.map_err(Fatal::local)?;
    if !quiet {
        output.message(&format!("{}: {left} left", path.display()));
    }
    if is_torn {
        output.message(&format!(
            "tidegate: the last letter in {} had been cut off, so its tile is not known; fetch the area again to find it",
            path.display()
        ));
    }
    let exit = run.exit(GO_ON, GO_ON, output)?;
    if exit == Exit::Complete && tally.later() > 0 {
        output.message(&format!(
            "tidegate: the server asked to leave {} tiles alone for longer; run the same command again later",
            tally.later()
        ));
        return Ok(Exit::Unfinished);
    }
    if exit == Exit::Complete && is_torn {
        return Ok(Exit::Incomplete);
    }
    Ok(exit)
}

/// The letters of a run: those to come, those under way, and those that stay.
struct Book {
    /// What is being read and what is being kept; taken when the book is closed.
    open: Option<(Replay, Kept)>,
    /// Taken up, with nothing known yet. Bounded by how many calls are alive.
    under_way: HashMap<TileId, DeadLetter>,
}

impl Book {
    fn new(replay: Replay, kept: Kept) -> Self {
        Self { open: Some((replay, kept)), under_way: HashMap::new() }
    }

    fn next(&mut self) -> Result<Option<DeadLetter>, DeadLetterError> {
        self.open.as_mut().map_or(Ok(None), |(replay, _)| replay.next())
    }

    fn keep(&mut self, letter: &DeadLetter) -> Result<(), DeadLetterError> {
        self.open.as_mut().map_or(Ok(()), |(_, kept)| kept.keep(letter))
    }

    /// Says what came of a tile. One that was cancelled keeps its letter as it is.
    fn settle(&mut self, report: &TileReport, source: &Source) -> Result<(), DeadLetterError> {
        if matches!(report.outcome, TileOutcome::Cancelled) {
            return Ok(());
        }
        if let Some(failure) = report.outcome.failure() {
            self.keep(&letter(report, failure, source))?;
        }
        self.under_way.remove(&report.tile);
        Ok(())
    }

    /// Replaces the file by the letters that are left, and says how many those are.
    fn close(&mut self) -> Result<u64, DeadLetterError> {
        for letter in std::mem::take(&mut self.under_way).into_values() {
            self.keep(&letter)?;
        }
        self.open.take().map_or(Ok(0), |(replay, kept)| kept.finish(replay))
    }
}

/// The tiles to try again.
struct Again {
    book: Arc<Mutex<Book>>,
    there: There,
    tally: Tally,
}

impl Again {
    /// The next tile that is due and missing.
    fn next(&mut self) -> Result<Option<TileId>, Trouble> {
        loop {
            let mut book = lock(&self.book);
            let Some(letter) = book.next().map_err(Trouble::Letters)? else { return Ok(None) };
            if !letter.is_due(SystemTime::now()) {
                book.keep(&letter).map_err(Trouble::Letters)?;
                self.tally.put_off();
            } else if self.there.has(letter.tile).map_err(Trouble::Sink)? {
                self.tally.found();
            } else {
                let tile = letter.tile;
                book.under_way.insert(tile, letter);
                return Ok(Some(tile));
            }
        }
    }
}
