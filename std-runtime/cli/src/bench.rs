//! `tidegate bench`: a number of tiles, and what it took.

use clap::Args;
use tidegate::config::Preset;
use tidegate_core::TileId;
use tidegate_lab::measure::requirement::Requirements;

use crate::{
    args::{OutputFormat, SourceArgs},
    exit::{Exit, Fatal},
    guard,
    output::Output,
    print_config,
    progress::{Progress, each},
    report::{Recorder, Run, failed_gates},
    source::Source,
    tiles,
};

/// What a benchmark can be told.
#[derive(Clone, Debug, Args)]
pub(crate) struct BenchArgs {
    /// How many tiles, 1 to 10,000,000
    #[arg(short = 'n', long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    tile_count: u64,
    /// The deepest zoom that tiles are drawn from, 0 to 22
    #[arg(long, value_name = "Z", default_value = "4", value_parser = clap::value_parser!(u8).range(0..=22))]
    max_zoom: u8,
    /// What has to hold, as in 'p99<200ms,success>99.9%', interactive, navigation or safety; ends with 99 where it does not
    #[arg(long, value_name = "CLAUSES")]
    require: Option<Requirements>,
    /// The form of the result
    #[arg(long, value_enum, default_value = "text")]
    output_format: OutputFormat,
    #[command(flatten)]
    source: SourceArgs,
}

/// Runs the benchmark and prints its result.
pub(crate) fn run(args: &BenchArgs, quiet: bool, output: &mut Output) -> Result<Exit, Fatal> {
    let settings = args.source.settings(Preset::Ancestor)?;
    if args.source.print_config {
        return print_config::print(&settings, args.source.preset_origin(), output);
    }
    let place = Source::place(&settings)?;
    guard::bulk_is_allowed("bench", &place.template)?;
    let source = Source::open(&args.source, &settings, place)?;
    let tiles = tiles::draw(args.tile_count, args.max_zoom, source.seed);
    let mut run = measure(&source, tiles, quiet, output);
    if let Some(requirements) = &args.require {
        run.judge(requirements);
    }
    let title = source.title(args.tile_count, &settings);
    source.close();
    run.print(args.output_format, title, output).map_err(Fatal::local)?;
    let exit = run.exit("see --help for the flags that give it more time or tries", output)?;
    // A gate is about runs that came to their end; where one was cut short, that is what has to be said.
    let gate = failed_gates(run.judged(), output);
    Ok(if matches!(exit, Exit::Complete | Exit::Incomplete) && gate == Exit::Gate { gate } else { exit })
}

/// Fetches the tiles and records what came of each.
fn measure(source: &Source, tiles: Vec<TileId>, quiet: bool, output: &mut Output) -> Run {
    let mut recorder = Recorder::start(source, tiles.len() as u64);
    let mut progress = Progress::start(tiles.len() as u64, quiet);
    let stream = each(source, tiles.into_iter(), Progress::interval(output), |report| {
        report.iter().for_each(|report| recorder.record(report));
        progress.show(&recorder.ledger, source.fetcher.upstream().status(), output);
    });
    progress.end(output);
    recorder.finish(source, &stream)
}
