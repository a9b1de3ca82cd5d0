//! `tidegate fetch`: the tiles of an area, into a directory.

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use clap::Args;
use tidegate::{
    config::Preset,
    fetch::{TileOutcome, TileReport},
    stop::Extent,
    template::UrlTemplate,
};
use tidegate_core::TileId;
use tidegate_store::{
    Durability, Metadata,
    area::{Area, AreaError, Bbox, Region, ZoomSet},
    sink::{Format, Held, Sink, SinkError},
};

use crate::{
    args::{OutputFormat, SourceArgs},
    exit::{Exit, Fatal},
    guard,
    output::Output,
    print_config,
    progress::{Event, Progress, next},
    report::{Recorder, Run},
    source::Source,
};

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
    if args.source.print_config {
        return print_config::print(&settings, args.source.preset_origin(), output);
    }
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
    let place = Source::place(&settings)?;
    guard::bulk_is_allowed("fetch", &place.template)?;
    let format = Format::Directory { extension: extension(args, &place.template)? };
    let opened = Sink::open(&format, path, Metadata::default(), Durability::Process);
    let (sink, held) = opened.map_err(|error| match error {
        SinkError::Extension(_) => Fatal::usage(format!("--extension: {error}")),
        error => Fatal::local(format!("--output: {error}; give a directory that can be written to")),
    })?;
    let source = Source::open(&args.source, &settings, place)?;
    let already = (!args.no_resume).then_some(held);
    let work = Work { area, wanted, sink, already, progress: Progress::start(wanted, quiet) };
    let (run, trouble) = work.run(&source, output);
    let title = source.title(wanted, &settings);
    source.close();
    run.print(args.output_format, title, output).map_err(Fatal::local)?;
    match trouble {
        Some(trouble) => Err(Fatal::local(trouble)),
        None => run.exit("run the same command again to go on", output),
    }
}

/// The extension of the files: the one asked for, or that of the URL.
fn extension(args: &FetchArgs, template: &UrlTemplate) -> Result<String, Fatal> {
    args.extension.as_deref().or(template.extension()).map(str::to_owned).ok_or_else(|| {
        Fatal::usage("--extension: the URL template has none to take over; give one, as in --extension png")
    })
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
    fn run(mut self, source: &Source, output: &mut Output) -> (Run, Option<Trouble>) {
        let mut recorder = Recorder::start(source, self.wanted);
        let mut trouble = None;
        let missing = Missing::new(&self.area, self.already.take());
        let (found, unreadable) = (Arc::clone(&missing.found), Arc::clone(&missing.trouble));
        let mut stream = source.fetcher.stream(source.runtime.executor(), missing, source.deadline_at());
        // Progress is shown when it is time to, also while nothing comes in.
        let mut ticks = smol::Timer::interval(Progress::interval(output));
        smol::block_on(async {
            while let Some(event) = next(&mut stream, &mut ticks).await {
                if let Event::Report(report) = event {
                    recorder.record(&report);
                    if let Err(error) = self.keep(&report) {
                        source.fetcher.stop().ask(Extent::Drain);
                        trouble.get_or_insert(Trouble::Sink(error));
                    }
                }
                recorder.ledger.revalidated = found.load(Ordering::Acquire);
                self.progress.show(&recorder.ledger, source.fetcher.upstream().status(), output);
            }
        });
        recorder.ledger.revalidated = found.load(Ordering::Acquire);
        let run = recorder.finish(source, &stream);
        // The list of what is there goes before the archive is finished.
        drop(stream);
        let unreadable = unreadable.lock().unwrap_or_else(PoisonError::into_inner).take();
        let finished = self.sink.finish().err().map(Trouble::Sink);
        self.progress.end(output);
        (run, trouble.or(unreadable).or(finished))
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
