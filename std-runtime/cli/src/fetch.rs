//! `tidegate fetch`: the tiles of an area, into a directory.

mod progress;

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use clap::Args;
use serde_json::json;
use tidegate::{
    config::Preset,
    fetch::{TileOutcome, TileReport},
    ledger::Ledger,
    stop::Extent,
};
use tidegate_core::{TileId, drive::Clock};
use tidegate_store::{
    Durability, Metadata,
    area::{Area, AreaError, Bbox, Region, ZoomSet},
    sink::{Format, Held, Sink, SinkError},
};

use crate::{
    args::{OutputFormat, SourceArgs},
    exit::{Exit, Fatal},
    guard, interrupt,
    output::{Output, bytes},
    print_config,
    source::Source,
};
use progress::Progress;

/// What a fetch can be told.
#[derive(Debug, Args)]
pub(crate) struct FetchArgs {
    /// The area as west,south,east,north in degrees; may be given several times, and reach across the antimeridian
    #[arg(long, value_name = "W,S,E,N", required_unless_present = "print_config", allow_hyphen_values = true)]
    bbox: Vec<Bbox>,
    /// The zooms, as in 0-6, 3 or 2,5-7
    #[arg(long, value_name = "ZOOMS", required_unless_present = "print_config")]
    zooms: Option<ZoomSet>,
    /// The directory that the tiles go to, as z/x/y.ext
    #[arg(long, short, value_name = "DIR", required_unless_present_any = ["print_config", "dry_run"])]
    output: Option<PathBuf>,
    /// The files' extension, as in png; that of the URL template where absent
    #[arg(long, value_name = "EXT")]
    extension: Option<String>,
    /// Fetch again what is already there
    #[arg(long)]
    no_resume: bool,
    /// Say how many tiles that would be, and end
    #[arg(long)]
    dry_run: bool,
    /// The form of the result
    #[arg(long, value_enum, default_value = "text")]
    output_format: OutputFormat,
    #[command(flatten)]
    source: SourceArgs,
}

/// Fetches the area and prints what came of it.
pub(crate) fn run(args: &FetchArgs, quiet: bool, output: &mut Output) -> Result<Exit, Fatal> {
    let settings = args.source.settings(Preset::Bulk)?;
    let (template, embedded) = Source::template(&settings)?;
    if args.source.print_config {
        for line in print_config::lines(&settings, &template.to_string()) {
            output.result(&line).map_err(Fatal::local)?;
        }
        return Ok(Exit::Complete);
    }
    guard::bulk_is_allowed("fetch", &template)?;
    let (Some(zooms), boxes) = (args.zooms, &args.bbox) else {
        return Err(Fatal::usage("--zooms: which ones? give them as in 0-6"));
    };
    let area = Area::new(boxes.iter().copied().map(Region::Bbox).collect(), zooms);
    let wanted = area.count();
    if !quiet {
        let boxes: Vec<String> = boxes.iter().map(|bbox| format!("west,south,east,north = {bbox}")).collect();
        output.message(&format!("{}: {wanted} tiles", boxes.join("; ")));
    }
    let (Some(path), false) = (&args.output, args.dry_run) else {
        let counts = area.counts().map(|(zoom, count)| format!("zoom {zoom:>2} {count:>12} tiles"));
        for line in counts.chain([format!("in all  {wanted:>12} tiles")]) {
            output.result(&line).map_err(Fatal::local)?;
        }
        return Ok(Exit::Complete);
    };
    let extension = args.extension.clone().unwrap_or_else(|| template.extension().unwrap_or("tile").to_owned());
    let format = Format::Directory { extension };
    let (sink, held) = Sink::open(&format, path, Metadata::default(), Durability::Process).map_err(Fatal::local)?;
    let source = Source::open(&args.source, &settings, template, embedded)?;
    let already = (!args.no_resume).then_some(held);
    let work = Work { area, wanted, sink, already, progress: Progress::start(wanted, quiet) };
    let (ledger, trouble) = work.run(&source, output);
    let late = source.fetcher.upstream().clock().now() >= source.deadline_at();
    let interrupted = interrupt::interrupted(source.stop()) && trouble.is_none();
    source.close();
    let line = match args.output_format {
        OutputFormat::Text => text(&ledger),
        OutputFormat::Json => to_json(&ledger),
    };
    output.result(&line).map_err(Fatal::local)?;
    if let Some(trouble) = trouble {
        return Err(Fatal::local(trouble));
    }
    exit(&ledger, interrupted, late, output)
}

/// One run: tiles in, files out.
struct Work {
    area: Area,
    wanted: u64,
    sink: Sink,
    /// What an earlier run left, unless all is to be fetched again.
    already: Option<Held>,
    progress: Progress,
}

impl Work {
    /// Fetches until there is nothing left, somebody asks it to stop, or the sink fails: then what has begun is drained.
    fn run(mut self, source: &Source, output: &mut Output) -> (Ledger, Option<Trouble>) {
        let mut ledger = Ledger::default();
        let mut trouble = None;
        let missing = Missing::new(&self.area, self.already.take());
        let (found, unreadable) = (Arc::clone(&missing.found), Arc::clone(&missing.trouble));
        let deadline = source.deadline_at();
        let mut stream = source.fetcher.stream(source.runtime.executor(), missing, deadline);
        smol::block_on(async {
            while let Some(report) = stream.next().await {
                ledger.record(&report);
                ledger.revalidated = found.load(Ordering::Acquire);
                if let Err(error) = self.keep(&report) {
                    source.fetcher.stop().ask(Extent::Drain);
                    trouble.get_or_insert(Trouble::Sink(error));
                }
                self.progress.show(&ledger, source, output);
            }
        });
        ledger.revalidated = found.load(Ordering::Acquire);
        ledger.request(self.wanted);
        ledger.cancel(self.wanted.saturating_sub(stream.begun() + ledger.revalidated));
        let unreadable = unreadable.lock().unwrap_or_else(PoisonError::into_inner).take();
        let finished = self.sink.finish().err().map(Trouble::Sink);
        self.progress.end(output);
        (ledger, trouble.or(unreadable).or(finished))
    }

    fn keep(&mut self, report: &TileReport) -> Result<(), SinkError> {
        match &report.outcome {
            TileOutcome::Fetched(fetched) => self.sink.put(report.tile, &fetched.body),
            TileOutcome::Empty | TileOutcome::Failed(_) | TileOutcome::Cancelled => Ok(()),
        }
    }
}

/// The tiles of an area that are not there yet.
struct Missing {
    tiles: Box<dyn Iterator<Item = Result<TileId, AreaError>> + Send>,
    already: Option<Held>,
    found: Arc<AtomicU64>,
    trouble: Arc<Mutex<Option<Trouble>>>,
}

/// What ends a run early, on this machine.
#[derive(Debug)]
enum Trouble {
    Sink(SinkError),
    Area(AreaError),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sink(error) => error.fmt(f),
            Self::Area(error) => error.fmt(f),
        }
    }
}

impl Missing {
    fn new(area: &Area, already: Option<Held>) -> Self {
        Self { tiles: Box::new(area.tiles()), already, found: Arc::default(), trouble: Arc::default() }
    }
}

impl Iterator for Missing {
    type Item = TileId;

    fn next(&mut self) -> Option<TileId> {
        loop {
            let has = |held: &mut Held, tile| held.has(tile).map_err(Trouble::Sink);
            let next = self.tiles.next()?.map_err(Trouble::Area).and_then(|tile| {
                let held = self.already.as_mut().map_or(Ok(false), |held| has(held, tile))?;
                Ok((tile, held))
            });
            match next {
                Ok((tile, false)) => return Some(tile),
                Ok((_, true)) => self.found.fetch_add(1, Ordering::AcqRel),
                Err(trouble) => {
                    self.trouble.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(trouble);
                    return None;
                }
            };
        }
    }
}

fn text(ledger: &Ledger) -> String {
    let kinds: Vec<String> = ledger.failed_by_kind.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
    let Ledger { requested, fetched, revalidated, empty, failed, cancelled, attempts, retries, .. } = ledger;
    format!(
        "{requested} tiles: {fetched} fetched ({}), {revalidated} already there, {empty} empty, {failed} failed{kinds}, \
         {cancelled} cancelled; {attempts} attempts, {retries} retries",
        bytes(ledger.bytes)
    )
}

fn to_json(ledger: &Ledger) -> String {
    let document = json!({
        "metrics": {
            "requested": ledger.requested,
            "fetched": ledger.fetched,
            "revalidated": ledger.revalidated,
            "stale": ledger.stale,
            "from_parent": ledger.from_parent,
            "empty": ledger.empty,
            "failed": ledger.failed,
            "cancelled": ledger.cancelled,
            "attempts": ledger.attempts,
            "retries": ledger.retries,
            "bytes": ledger.bytes,
        },
        "failed_by_kind": ledger.failed_by_kind,
        "faults_by_kind": ledger.faults_by_kind,
    });
    format!("{document:#}")
}

fn exit(ledger: &Ledger, interrupted: bool, late: bool, output: &mut Output) -> Result<Exit, Fatal> {
    if let Err(imbalance) = ledger.balance() {
        return Err(Fatal { exit: Exit::Defect, message: imbalance.to_string() });
    }
    if interrupted {
        output.message("tidegate: interrupted; run the same command again to go on");
        return Ok(Exit::Interrupted);
    }
    if late && ledger.cancelled > 0 {
        let left = ledger.cancelled;
        output.message(&format!("tidegate: time ran out with {left} tiles to go; run the same command again to go on"));
        return Ok(Exit::Unfinished);
    }
    if ledger.failed == 0 {
        return Ok(Exit::Complete);
    }
    output.message("tidegate: some tiles were given up; run the same command again to try them again");
    let got_anything = ledger.fetched + ledger.revalidated + ledger.empty > 0;
    Ok(if got_anything { Exit::Incomplete } else { Exit::Source })
}
