//! `tidegate bench`: a number of tiles, and what it took; or tiles on schedule, and how long they made somebody wait.

mod on_time;
mod which;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use clap::Args;
use tidegate::config::Preset;
use tidegate_core::TileId;
use tidegate_lab::measure::requirement::Requirements;

use self::{on_time::ScheduleArgs, which::WhichArgs};

use crate::{
    args::{OutputFormat, SourceArgs, whole},
    cache::CacheArgs,
    exit::{Exit, Fatal},
    output::Output,
    print_config,
    progress::{Progress, each},
    report::{self, Recorder, Run, failed_gates},
    sampler::{Counts, Sampler, thinned},
    source::Source,
};

/// What a benchmark can be told.
#[derive(Clone, Debug, Args)]
pub(crate) struct BenchArgs {
    /// How many tiles, 1 to 10,000,000; 20 where absent, or all of a list
    #[arg(short = 'n', long, value_name = "N", value_parser = whole::<u64>(1, 10_000_000))]
    tile_count: Option<u64>,
    #[command(flatten)]
    which: WhichArgs,
    #[command(flatten)]
    schedule: ScheduleArgs,
    /// What has to hold, as in 'p99<200ms,success>99.9%', interactive, navigation or safety; ends with 99 where it does not
    #[arg(long, value_name = "CLAUSES")]
    require: Option<Requirements>,
    /// The form of the result
    #[arg(long, value_enum, default_value = "text")]
    output_format: OutputFormat,
    /// A file to write the result to, by its ending .html (with what the gate did over time) or .json; may be given several
    /// times
    #[arg(long = "report", value_name = "FILE")]
    reports: Vec<PathBuf>,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    cache: CacheArgs,
}

/// Runs the benchmark and prints its result.
pub(crate) fn run(args: &BenchArgs, quiet: bool, output: &mut Output) -> Result<Exit, Fatal> {
    args.cache.check(&args.source)?;
    let mut flags = args.source.clone();
    // A schedule sets its own pace; the gate is not to know of it.
    let rate = if args.schedule.is_given() { flags.rate.take() } else { None };
    let sources = flags.sources(if rate.is_some() { Preset::Load } else { Preset::Ancestor })?;
    if flags.print_config {
        return print_config::print(&sources, &flags, (Some(&args.cache), print_config::EMBEDDED), output);
    }
    let reports = args.reports.iter().map(|path| Ok((path, form_of(path)?))).collect::<Result<Vec<_>, Fatal>>()?;
    let place = Source::place("bench", &sources)?;
    let settings = sources.settings;
    let source = Source::open(&flags, &args.cache, &settings, place)?;
    let which = args.which.open(source.seed)?;
    let traffic = args.schedule.traffic(rate, source.seed);
    let wanted = traffic.map_or(args.tile_count.or(which.round).unwrap_or(TILES), |traffic| traffic.count());
    let named = which.name.clone();
    let recorder = Recorder::start(&source, if traffic.is_some() { 0 } else { wanted });
    let gauges = args.gauges(&source, recorder.counts())?;
    let mut run = match traffic {
        Some(traffic) => on_time::measure(&source, which, traffic, recorder, quiet, output),
        None => measure(&source, which.tiles.take(wanted as usize), recorder, quiet, output),
    };
    let timeline = gauges.map(|gauges| thinned(gauges.end().timeline)).unwrap_or_default();
    if let Some(requirements) = &args.require {
        run.judge(requirements);
    }
    let title = source.title(run.requested(), named.as_deref(), &settings);
    source.close();
    for (path, form) in &reports {
        let text = match form {
            Form::Html => run.to_html(&title, &timeline),
            Form::Json => run.to_json(),
        };
        report::write(path, &text)?;
    }
    run.print(args.output_format, title, output).map_err(Fatal::local)?;
    let (given_up, to_go) = if traffic.is_some() { (ASK_LESS, CUT_SHORT) } else { (TRY_HARDER, TRY_HARDER) };
    let exit = run.exit(given_up, to_go, output)?;
    // A gate is about runs that came to their end; where one was cut short, that is what has to be said.
    let gate = failed_gates(run.judged(), output);
    Ok(if matches!(exit, Exit::Complete | Exit::Incomplete) && gate == Exit::Gate { gate } else { exit })
}

impl BenchArgs {
    /// Whoever wants a page wants to see what went on meanwhile.
    fn gauges(&self, source: &Source, counts: &Arc<Counts>) -> Result<Option<Sampler>, Fatal> {
        let start = || Sampler::start(source.fetcher.clone(), counts, Instant::now(), source.seed);
        (!self.reports.is_empty()).then(start).transpose().map_err(Fatal::local)
    }
}

/// The form of a file.
#[derive(Clone, Copy)]
enum Form {
    Html,
    Json,
}

fn form_of(path: &Path) -> Result<Form, Fatal> {
    match report::ending(path).as_deref() {
        Some("html" | "htm") => Ok(Form::Html),
        Some("json") => Ok(Form::Json),
        Some(_) | None => {
            let path = path.display();
            Err(Fatal::usage(format!("--report={path}: the ending says the form; give .html or .json")))
        }
    }
}

/// Fetches the tiles and records what came of each.
fn measure(
    source: &Source,
    tiles: impl Iterator<Item = TileId> + Send + 'static,
    mut recorder: Recorder,
    quiet: bool,
    output: &mut Output,
) -> Run {
    let mut progress = Progress::start(recorder.ledger.requested, quiet);
    let stream = each(source, tiles, |report| {
        report.iter().for_each(|report| recorder.record(report));
        progress.show(&recorder.ledger, source, output);
    });
    progress.end(output);
    recorder.finish(source, &stream)
}

/// What helps where tiles were given up.
const TRY_HARDER: &str = "see --help for the flags that give it more time or tries";
/// The same where there is a schedule to keep.
const ASK_LESS: &str = "ask for less with --rate, or let more be in flight with --max-concurrency";
/// The same where the schedule came to no end.
const CUT_SHORT: &str = "the figures are of what was due by then";
/// How many tiles where nobody says.
const TILES: u64 = 20;
