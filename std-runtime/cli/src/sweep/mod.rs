//! `tidegate sweep`: which concurrency to use, why, and how sure that is.
//!
//! Every level is measured several times, in rounds of a shuffled order, each run with connections and a gate of its own.
//! The lab turns the runs into figures, fits and one sentence of advice; here they are made.

mod baseline;
mod errors;
mod run;
mod text;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use clap::{Args, ValueEnum};
use tidegate::{
    clock::Chance,
    config::{CONCURRENCY_MAX, Origin, Preset, Settings},
    ledger::Ledger,
    stop::{Extent, Stop},
};
use tidegate_core::{GateConfig, limit::LimitConfig};
use tidegate_lab::{
    measure::{
        requirement::{Judgement, Measured, Requirements},
        schedule::schedule,
    },
    mock::{Faults, MockConfig},
    report::{LevelReport, Run, SweepInput, SweepReport, Timeline},
};

use crate::{
    args::{SourceArgs, Sources, whole},
    cache::CacheArgs,
    exit::{Exit, Fatal},
    interrupt, mock,
    output::Output,
    print_config,
    progress::Progress,
    report::{self, failed_gates, verdict},
    sampler,
    source::{self, Place, Source},
};

/// What a sweep can be told.
#[derive(Debug, Args)]
pub(crate) struct SweepArgs {
    /// How many attempts to keep in flight, 1 to 200 each
    #[arg(long, value_name = "N,…", default_value = "1,5,10,20,50", value_delimiter = ',', value_parser = whole::<u16>(1, u64::from(CONCURRENCY_MAX)))]
    levels: Vec<u16>,
    /// How many tiles a run fetches, 1 to 1,000,000; at least 20 for each attempt in flight
    #[arg(short = 'n', long, value_name = "N", default_value = "20", value_parser = whole::<u64>(1, 1_000_000))]
    tile_count: u64,
    /// How often each level is measured, 1 to 100
    #[arg(long, value_name = "N", default_value = "5", value_parser = whole::<u32>(1, 100))]
    repeats: u32,
    /// The deepest zoom that tiles are drawn from, 0 to 22
    #[arg(long, value_name = "Z", default_value = "4", value_parser = whole::<u8>(0, 22))]
    max_zoom: u8,
    /// A rule for the embedded server, as for `tidegate mock`; where none is given it has 16 workers that take 20 ms
    #[arg(long = "fault", value_name = "RULE")]
    faults: Vec<String>,
    /// Instead of levels: how many of 100 answers are 503, each rate once with and once without each policy, at
    /// --max-concurrency in flight
    #[arg(long, value_name = "PERCENT,…", value_delimiter = ',', value_parser = percent, conflicts_with_all = ["levels", "reports", "require"])]
    error_rates: Vec<f64>,
    /// A file to write the result to, by its ending .html, .json or .csv; may be given several times
    #[arg(long = "report", value_name = "FILE")]
    reports: Vec<PathBuf>,
    /// What has to hold, as in 'p99<200ms,success>99.9%', interactive, navigation or safety, at the level that is
    /// recommended, or the highest; ends with 99 where it does not
    #[arg(long, value_name = "CLAUSES")]
    require: Option<Requirements>,
    /// The form of the result
    #[arg(long, value_enum, default_value = "text")]
    output_format: Format,
    #[command(flatten)]
    source: SourceArgs,
}

/// The form of a sweep's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One JSON object, with a published schema
    Json,
    /// A line for each level
    Csv,
    /// One page for a browser
    Html,
}

/// Sweeps and says what it found out.
pub(crate) fn run(args: &SweepArgs, quiet: bool, output: &mut Output) -> Result<Exit, Fatal> {
    let sources = args.source.sources(Preset::Ancestor)?;
    if args.source.print_config {
        return print_config::print(&sources, &args.source, (None, print_config::EMBEDDED), output);
    }
    args.check(&sources)?;
    let reports = args.reports.iter().map(format_of).collect::<Result<Vec<_>, _>>()?;
    let config = MockConfig { faults: args.server()?, ..MockConfig::default() };
    let place = Source::place_with("sweep", &sources, config)?;
    let settings = sources.settings;
    let stop = Arc::new(Stop::new());
    let asked = Arc::clone(&stop);
    interrupt::on_interrupt(Arc::new(move |extent| asked.ask(extent)), interrupt::DRAINING);
    let seed = source::chance(&args.source).seed();
    let sweep = Sweep { args, settings: &settings, place, seed, stop, started: Instant::now() };
    let mut total = Ledger::default();
    if !args.error_rates.is_empty() {
        let costs = sweep.errors(quiet, &mut total, output)?;
        sweep.print(&costs, output)?;
        return sweep.exit(&total, &[], output);
    }
    let input = sweep.measure(quiet, &mut total, output)?;
    let mut report = SweepReport::from_runs(input);
    if let Some((requirements, level)) = args.require.as_ref().zip(judged(&report)) {
        report.requirements = requirements.judge(&measured(level));
    }
    for (path, format) in &reports {
        let text = rendered(&report, *format, output).map_err(Fatal::local)?;
        report::write(path, &text)?;
    }
    let text = rendered(&report, args.output_format, output).map_err(Fatal::local)?;
    output.result(text.trim_end()).map_err(Fatal::local)?;
    sweep.exit(&total, &report.requirements, output)
}

impl SweepArgs {
    fn check(&self, sources: &Sources) -> Result<(), Fatal> {
        let settings = &sources.settings;
        if !self.error_rates.is_empty() {
            return self.check_error_rates(settings);
        }
        if self.source.max_concurrency.is_some() {
            return Err(Fatal::usage(
                "--max-concurrency: a sweep goes through several; give them as in --levels 1,5,10",
            ));
        }
        if let Some(level) = self.levels.iter().find(|level| **level > self.source.connection.max_connections()) {
            let most = self.source.connection.max_connections();
            return Err(Fatal::usage(format!(
                "--levels: {level} in flight need as many connections, and {most} are allowed; give --max-connections {level}"
            )));
        }
        let of_mirrors = sources.mirrors.iter().map(|(_, settings)| settings);
        let ruled = std::iter::once(settings).chain(of_mirrors).map(|settings| settings.max_concurrency);
        let strictest = ruled.filter(|limit| limit.origin == Origin::File).map(|limit| limit.value).min();
        if let Some((most, level)) =
            strictest.and_then(|most| Some((most, self.levels.iter().find(|level| **level > most)?)))
        {
            return Err(Fatal::usage(format!(
                "--levels: {level} in flight are more than max-concurrency={most}, which the file of --config has for this \
                 host; give levels up to {most}, or change the rule"
            )));
        }
        if settings.url.value.is_some() && !self.faults.is_empty() {
            return Err(Fatal::usage("--fault: rules are for the embedded server; leave out the URL, or the rules"));
        }
        Ok(())
    }

    fn check_error_rates(&self, settings: &Settings) -> Result<(), Fatal> {
        if settings.url.value.is_some() {
            let fix = "faults can be put into the embedded server only; leave out the URL";
            return Err(Fatal::usage(format!("--error-rates: {fix}")));
        }
        match self.output_format {
            Format::Text | Format::Json => Ok(()),
            Format::Csv | Format::Html => {
                Err(Fatal::usage("--output-format: the cost of errors is a table or an object; give text or json"))
            }
        }
    }

    fn server(&self) -> Result<Faults, Fatal> {
        let mut faults = Faults::default();
        if self.faults.is_empty() {
            mock::apply(&[SERVER.to_owned()], &mut faults)?;
        }
        mock::apply(&self.faults, &mut faults)?;
        Ok(faults)
    }

    /// How many tiles a run of this level fetches.
    fn tiles_at(&self, level: u16) -> u64 {
        self.tile_count.max(TILES_PER_PLACE * u64::from(level))
    }
}

/// One sweep.
struct Sweep<'a> {
    args: &'a SweepArgs,
    settings: &'a Settings,
    place: Place,
    seed: u64,
    stop: Arc<Stop>,
    started: Instant,
}

impl Sweep<'_> {
    /// Makes all runs, or as many as there is time for. A run that was cut short is not among them.
    fn measure(&self, quiet: bool, total: &mut Ledger, output: &mut Output) -> Result<SweepInput, Fatal> {
        let levels: Vec<u32> = self.args.levels.iter().map(|level| u32::from(*level)).collect();
        let plan = schedule(&levels, self.args.repeats, self.seed);
        let planned = plan.iter().map(|run| self.args.tiles_at(run.concurrency as u16)).sum();
        total.request(planned);
        let baseline = self.baseline()?;
        let mut progress = Progress::start(planned, quiet);
        let mut runs: Vec<Run> = Vec::with_capacity(plan.len());
        let mut timeline = Timeline::default();
        for (number, run) in (1..).zip(plan) {
            if self.is_over() {
                break;
            }
            let source = self.source(run.concurrency as u16, number)?;
            let made = run::Course { sweep: self, source: &source, level: run.concurrency as u16, number };
            let ended = made.run(&mut progress, total, output)?;
            source.close();
            runs.extend(ended.run);
            timeline.samples.extend(ended.timeline.samples);
            timeline.breaker.extend(ended.timeline.breaker);
        }
        progress.end(output);
        total.cancel(total.requested.saturating_sub(total.accounted()));
        Ok(SweepInput {
            target: self.place.name(),
            when: httpdate::fmt_http_date(SystemTime::now()),
            seed: self.seed,
            settings: self.described(),
            baseline,
            runs,
            timeline: (!timeline.samples.is_empty()).then(|| sampler::thinned(timeline)),
            requirements: Vec::new(),
        })
    }

    /// A fetcher of its own for one run: a fixed limit, and everything else as set.
    fn source(&self, level: u16, number: u64) -> Result<Source, Fatal> {
        let gate = |settings: &Settings| GateConfig { limit: LimitConfig::fixed(level), ..settings.gate_config() };
        self.source_of(self.settings, gate, number)
    }

    /// A fetcher of its own for one run, with these settings behind such a gate.
    fn source_of(
        &self,
        settings: &Settings,
        gate: impl Fn(&Settings) -> GateConfig,
        number: u64,
    ) -> Result<Source, Fatal> {
        let chance = Chance::from_seed(self.seed.wrapping_add(number));
        let mut args = self.args.source.clone();
        args.global_timeout = self.left();
        Source::build(&args, &CacheArgs::default(), settings, gate, chance, self.place.borrowed())
    }

    /// How much of the sweep's time is left, where it has an end.
    fn left(&self) -> Option<Duration> {
        self.args.source.global_timeout.map(|span| span.saturating_sub(self.started.elapsed()))
    }

    fn is_over(&self) -> bool {
        self.stop.is_asked(Extent::Drain) || self.left().is_some_and(|left| left.is_zero())
    }

    fn described(&self) -> Vec<(String, String)> {
        let Self { args, settings, .. } = self;
        let named = |name: &str, value: String| (name.to_owned(), value);
        let mut described = vec![
            named("preset", settings.preset.value.name().to_owned()),
            named("levels", args.levels.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")),
            named("tiles of a run", format!("{}, at least {TILES_PER_PLACE} × level", args.tile_count)),
            named("repeats", args.repeats.to_string()),
            named("attempts", settings.attempts.value.to_string()),
            named("timeout", format!("{:?}", settings.timeout.value)),
            named("zooms", format!("0 to {}", args.max_zoom)),
        ];
        if let Some(mock) = self.place.embedded() {
            let rules = mock.faults().to_string();
            let rules: Vec<&str> = rules.lines().filter(|rule| !rule.starts_with("seed=")).collect();
            described.push(named("embedded server", rules.join(" ")));
            described.push(named("resources", "of client and embedded server together".to_owned()));
        }
        described
    }

    fn exit(&self, total: &Ledger, judged: &[Judgement], output: &mut Output) -> Result<Exit, Fatal> {
        let interrupted = self.stop.is_asked(Extent::Drain);
        match verdict(total, interrupted)? {
            // What fails at a level is something that a sweep finds out, and no fault of the sweep.
            (Exit::Complete | Exit::Incomplete, _) => Ok(failed_gates(judged, output)),
            (exit, problem) => {
                let problem = problem.unwrap_or_default();
                output.message(&format!("tidegate: {problem}; the result is of the runs that were finished"));
                Ok(exit)
            }
        }
    }
}

/// A share in per cent, from 0 to 100.
fn percent(value: &str) -> Result<f64, String> {
    let share = value.trim().trim_end_matches('%').parse::<f64>().ok().filter(|share| (0.0..=100.0).contains(share));
    share.ok_or_else(|| "not a share; give numbers from 0 to 100, as in 0,1,5,10,20".to_owned())
}

/// The level at which requirements are judged: the measured one nearest the recommended concurrency, or the highest.
fn judged(report: &SweepReport) -> Option<&LevelReport> {
    match report.recommended() {
        Some(best) => report.levels.iter().min_by_key(|level| level.concurrency.abs_diff(best)),
        None => report.levels.last(),
    }
}

fn measured(level: &LevelReport) -> Measured<'_> {
    Measured {
        latency: &level.latency_ms,
        succeeded: level.requested.saturating_sub(level.failed),
        requested: level.requested,
        per_second: level.per_second.median,
    }
}

fn rendered(report: &SweepReport, format: Format, output: &Output) -> serde_json::Result<String> {
    Ok(match format {
        Format::Text => text::lines(report, judged(report).map(|level| level.concurrency), output).join("\n"),
        Format::Json => serde_json::to_string_pretty(report)?,
        Format::Csv => report.to_csv(),
        Format::Html => report.to_html(),
    })
}

fn format_of(path: &PathBuf) -> Result<(&PathBuf, Format), Fatal> {
    let format = match report::ending(path).as_deref() {
        Some("html" | "htm") => Format::Html,
        Some("json") => Format::Json,
        Some("csv") => Format::Csv,
        Some(_) | None => {
            let path = path.display();
            return Err(Fatal::usage(format!("--report={path}: the ending says the form; give .html, .json or .csv")));
        }
    };
    Ok((path, format))
}

/// A server with something to find out: its throughput ends at 16 in flight.
const SERVER: &str = "pool=16,service=20ms,queue=1000";
/// What a run needs to reach a steady state, and to stay there.
const TILES_PER_PLACE: u64 = 20;
