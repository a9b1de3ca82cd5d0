//! `tidegate fetch`: the tiles of an area, into a directory or an archive.

mod again;
mod area;
mod dry_run;
mod target;
mod work;

use std::iter;

use clap::Args;
use tidegate::config::Preset;
use tidegate_core::TileId;
use tidegate_store::{area::Tiles, scheme::Coverage};

use crate::{
    args::{OutputFormat, SourceArgs, Sources, whole},
    cache::CacheArgs,
    exit::{Exit, Fatal},
    interrupt,
    letters::{GO_ON, LetterArgs, letter},
    memory::MemoryArgs,
    output::Output,
    print_config,
    source::Source,
};
pub(crate) use again::Again;
use area::AreaArgs;
pub(crate) use target::{Target, TargetArgs, There};
pub(crate) use work::{Tally, Trouble, lock, work};

/// What a fetch can be told.
#[derive(Debug, Args)]
pub(crate) struct FetchArgs {
    #[command(flatten)]
    area: AreaArgs,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    letters: LetterArgs,
    #[command(flatten)]
    memory: MemoryArgs,
    /// Count the tiles, estimate their bytes from a few of them, and end
    #[arg(long)]
    dry_run: bool,
    /// How many tiles of each zoom --dry-run fetches for its estimate, 0 to 1000; 0 asks no server
    #[arg(long, value_name = "N", default_value = "16", value_parser = whole::<u64>(0, 1000))]
    sample: u64,
    /// The form of the result
    #[arg(long, value_enum, default_value = "text")]
    output_format: OutputFormat,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    cache: CacheArgs,
}

/// Fetches the area and prints what came of it.
pub(crate) fn run(args: &FetchArgs, quiet: bool, output: &mut Output) -> Result<Exit, Fatal> {
    args.cache.check(&args.source)?;
    let sources = args.source.sources(Preset::Bulk)?;
    if args.source.print_config {
        return print_config::print(&sources, &args.source, (Some(&args.cache), print_config::NOWHERE), output);
    }
    let area = args.area.area()?;
    let wanted = area.count();
    if !quiet {
        let named = output.has_terminal() || args.source.log_locations;
        output.message(&format!("{}: {wanted} tiles", args.area.echo(named)));
    }
    if args.dry_run && args.sample == 0 {
        return dry_run::print(&area, None, args.output_format, output);
    }
    let place = Source::named("fetch", &sources)?;
    let Sources { settings, metadata, coverage, .. } = sources;
    if args.dry_run {
        let source = Source::open(&args.source, &args.cache, &settings, place)?;
        let sampled = dry_run::estimate(&area, args.sample, coverage, &source, quiet, output);
        let interrupted = interrupt::interrupted(source.stop());
        source.close();
        let dry_run::Sampled { estimate, silence } = sampled.map_err(Fatal::local)?;
        if let Some(silence) = silence {
            dry_run::print(&area, estimate, args.output_format, output)?;
            return Err(Fatal { exit: Exit::Source, message: format!("{silence}; {GO_ON}") });
        }
        if interrupted {
            output.message("tidegate: interrupted before the estimate; run the same command again");
            return Ok(Exit::Interrupted);
        }
        if estimate.is_none() && wanted > 0 {
            output.message("tidegate: none of the sampled tiles could be fetched, so their bytes are not known");
        }
        return dry_run::print(&area, estimate, args.output_format, output);
    }
    // Before there is an archive: a file of letters that is refused leaves nothing behind.
    let mut letters = args.letters.open(args.target.path())?;
    let Target { mut sink, there } = args.target.open(&place.template, metadata)?;
    let source = Source::open(&args.source, &args.cache, &settings, place)?;
    let mut memory = args.memory.recall(&source)?;
    let tally = Tally::default();
    let mut missing = Missing { tiles: area.tiles(), coverage, there, tally: tally.clone() };
    let tiles = iter::from_fn(move || missing.next().transpose());
    let (run, trouble) = work(&source, tiles, &tally, &mut memory, (wanted, quiet), output, |report| {
        Target::put(&mut sink, report)?;
        match (report.outcome.failure(), &mut letters) {
            (Some(failure), Some(letters)) => letters.add(&letter(report, failure, &source)).map_err(Trouble::Letters),
            (Some(_), None) | (None, _) => Ok(()),
        }
    });
    let finished = sink.finish().err().map(Trouble::Sink);
    let title = source.title(run.requested(), None, &settings);
    source.close();
    run.print(args.output_format, title, output).map_err(Fatal::local)?;
    if let Some(coverage) = coverage.filter(|_| tally.outside() > 0) {
        output.message(&format!(
            "tidegate: {} of {wanted} tiles were not asked for: the TileJSON document says that there are {coverage} only",
            tally.outside()
        ));
    }
    if let Some(letters) = &letters
        && letters.dropped() != tidegate_store::dead_letter::Dropped::default()
    {
        let dropped = letters.dropped();
        output.message(&format!(
            "tidegate: dead letters: {} were too old, {} made room for newer ones, {} had been cut off",
            dropped.aged, dropped.crowded, dropped.torn
        ));
    }
    match trouble.or(finished) {
        Some(trouble) => Err(Fatal::local(trouble)),
        None => run.exit(&args.letters.advice(&args.target, &args.source), GO_ON, output),
    }
}

/// The tiles of an area that are not here yet, and that the source has.
struct Missing {
    tiles: Tiles,
    coverage: Option<Coverage>,
    there: There,
    tally: Tally,
}

impl Missing {
    fn next(&mut self) -> Result<Option<TileId>, Trouble> {
        while let Some(tile) = self.tiles.next().transpose().map_err(Trouble::Area)? {
            if self.coverage.is_some_and(|coverage| !coverage.has(tile)) {
                self.tally.leave_out();
                continue;
            }
            if !self.there.has(tile).map_err(Trouble::Sink)? {
                return Ok(Some(tile));
            }
            self.tally.found();
        }
        Ok(None)
    }
}
