//! `tidegate simulate`: what settings do, before they do it to a real server.

mod names;
mod picture;
mod table;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;
use tidegate::config::Preset;
use tidegate_lab::sim::{
    Report, SimError, World,
    figures::{Figures, Timeline},
    scenario::{self, Scenario},
};

use crate::{
    args::{OutputFormat, whole},
    exit::{Exit, Fatal},
    output::Output,
};

/// What is simulated and what is shown of it.
#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// A scenario: servers, clients and their settings, as in examples/scenarios; --keys shows what may stand in it
    #[arg(value_name = "SCENARIO.toml", required_unless_present_any = ["compare", "keys"])]
    scenario: Option<PathBuf>,
    /// Several scenarios side by side instead
    #[arg(long, value_name = "SCENARIO.toml", num_args = 2..=8, conflicts_with = "scenario")]
    compare: Vec<PathBuf>,
    /// Show every key of a scenario, what it means and its default, and play nothing
    #[arg(long, conflicts_with_all = ["scenario", "compare", "timeline"])]
    keys: bool,
    /// Draw what happens over time, as SVG
    #[arg(long, value_name = "FILE.svg")]
    timeline: Option<PathBuf>,
    /// The form of the result; the same scenario and seed give the same bytes
    #[arg(long, value_enum, default_value = "text")]
    output_format: OutputFormat,
    /// Where randomness starts from, instead of what the scenario says
    #[arg(long, value_name = "N", value_parser = whole::<u64>(0, u64::MAX))]
    seed: Option<u64>,
}

/// One scenario that was played.
struct Played {
    /// The name of its file, without extension, and as much of the folder as tells it from others.
    name: String,
    title: String,
    world: World,
    report: Report,
    figures: Figures,
}

/// Plays one scenario, or several to be compared.
pub(crate) fn run(args: &SimulateArgs, output: &mut Output) -> Result<Exit, Fatal> {
    if args.keys {
        output.result(scenario::KEYS.trim_end()).map_err(Fatal::local)?;
        return Ok(Exit::Complete);
    }
    let paths: Vec<&Path> = args.scenario.iter().chain(&args.compare).map(PathBuf::as_path).collect();
    if let Some(picture) = &args.timeline {
        picture::check(picture, &paths)?;
    }
    let read: Vec<_> = paths.iter().map(|path| read(path, args.seed)).collect::<Result<_, _>>()?;
    let started = Instant::now();
    let played: Vec<Played> = (paths.iter().zip(names::distinct(&paths)).zip(read))
        .map(|((path, name), scenario)| play(path, name, scenario))
        .collect::<Result<_, _>>()?;
    let taken = started.elapsed();
    if let Some(path) = &args.timeline {
        picture::write(path, &played)?;
    }
    let text = match args.output_format {
        OutputFormat::Text => table::of(&played),
        OutputFormat::Json => document(&played).map_err(Fatal::local)?,
    };
    output.result(&text).map_err(Fatal::local)?;
    // Apart from the result, which is the same on every machine.
    let events: u64 = played.iter().map(|one| one.figures.events).sum();
    let million_per_s = events as f64 / 1e6 / taken.as_secs_f64().max(1e-9);
    output.message(&format!("{events} events in {:.2} s: {million_per_s:.2} million a second", taken.as_secs_f64()));
    Ok(Exit::Complete)
}

fn read(path: &Path, seed: Option<u64>) -> Result<Scenario, Fatal> {
    let text = fs::read_to_string(path).map_err(|error| {
        Fatal::usage(format!("{}: {error}; give a scenario, as in examples/scenarios", path.display()))
    })?;
    let presets =
        Preset::ALL.map(|preset| scenario::Preset { name: preset.name(), gate: preset.gate(), call: preset.call() });
    let mut scenario =
        Scenario::from_toml(&text, &presets).map_err(|error| Fatal::usage(format!("{}: {error}", path.display())))?;
    scenario.world.seed = seed.unwrap_or(scenario.world.seed);
    Ok(scenario)
}

fn play(path: &Path, name: String, Scenario { title, world }: Scenario) -> Result<Played, Fatal> {
    let report = world.run().map_err(|error| match error {
        SimError::World(error) => Fatal::usage(format!("{}: {error}", path.display())),
        SimError::Violation(_) => Fatal { exit: Exit::Defect, message: format!("{}: {error}", path.display()) },
    })?;
    let figures = Figures::of(&world, &report);
    Ok(Played { name, title, world, report, figures })
}

/// A run for programs, as std-runtime/lab/src/sim/figures/json.md describes it.
#[derive(Serialize)]
struct Document<'p> {
    scenario: &'p str,
    title: &'p str,
    figures: &'p Figures,
    /// On one line: it is long, and nobody reads it.
    timeline: Box<RawValue>,
}

impl<'p> Document<'p> {
    fn of(played: &'p Played) -> serde_json::Result<Self> {
        let Played { name, title, report, figures, .. } = played;
        let timeline = serde_json::value::to_raw_value(&Timeline::of(report))?;
        Ok(Self { scenario: name, title, figures, timeline })
    }
}

fn document(played: &[Played]) -> serde_json::Result<String> {
    let documents = played.iter().map(Document::of).collect::<Result<Vec<_>, _>>()?;
    match &documents[..] {
        [one] => serde_json::to_string_pretty(one),
        several => serde_json::to_string_pretty(&BTreeMap::from([("compared", several)])),
    }
}
