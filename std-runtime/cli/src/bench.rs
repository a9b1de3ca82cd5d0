//! `tidegate bench`: a number of tiles, and what it took.

mod metrics;
mod text;

use std::time::Duration;

use clap::Args;
use tidegate::{config::Preset, ledger::Ledger};
use tidegate_core::{TileId, drive::Clock};

use crate::{
    args::{OutputFormat, SourceArgs},
    exit::{Exit, Fatal},
    guard, interrupt,
    output::Output,
    print_config,
    source::Source,
};
use metrics::{Metrics, Samples};

/// What a benchmark can be told.
#[derive(Clone, Debug, Args)]
pub(crate) struct BenchArgs {
    /// How many tiles, 1 to 10,000,000
    #[arg(short = 'n', long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    tile_count: u64,
    /// The deepest zoom that tiles are drawn from, 0 to 22
    #[arg(long, value_name = "Z", default_value = "4", value_parser = clap::value_parser!(u8).range(0..=22))]
    max_zoom: u8,
    /// The form of the result
    #[arg(long, value_enum, default_value = "text")]
    output_format: OutputFormat,
    #[command(flatten)]
    source: SourceArgs,
}

/// A finished run.
struct Run {
    metrics: Metrics,
    ledger: Ledger,
    interrupted: bool,
    late: bool,
}

/// Runs the benchmark and prints its result.
pub(crate) fn run(args: &BenchArgs, output: &mut Output) -> Result<Exit, Fatal> {
    let settings = args.source.settings(Preset::Ancestor)?;
    let (template, embedded) = Source::template(&settings)?;
    if args.source.print_config {
        for line in print_config::lines(&settings, &template.to_string()) {
            output.result(&line).map_err(Fatal::local)?;
        }
        return Ok(Exit::Complete);
    }
    guard::bulk_is_allowed("bench", &template)?;
    let source = Source::open(&args.source, &settings, template, embedded)?;
    let run = measure(&source, draw(args.tile_count, args.max_zoom, source.seed));
    let title = text::title(args.tile_count, &settings, &source);
    let seed = source.seed;
    source.close();
    let printed = match args.output_format {
        OutputFormat::Text => text::lines(title, &run, output),
        OutputFormat::Json => vec![run.metrics.to_json(&run.ledger, seed)],
    };
    for line in printed {
        output.result(&line).map_err(Fatal::local)?;
    }
    exit(&run, output)
}

/// Fetches the tiles and records what came of each.
fn measure(source: &Source, tiles: Vec<TileId>) -> Run {
    let clock = source.fetcher.upstream().clock();
    let deadline = source.deadline_at();
    let wanted = tiles.len() as u64;
    let started = clock.now();
    let mut stream = source.fetcher.stream(source.runtime.executor(), tiles.into_iter(), deadline);
    let mut ledger = Ledger::default();
    let mut samples = Samples::default();
    smol::block_on(async {
        while let Some(report) = stream.next().await {
            ledger.record(&report);
            samples.record(&report);
        }
    });
    let wall = clock.now().saturating_since(started).max(Duration::from_nanos(1));
    ledger.request(wanted);
    ledger.cancel(wanted.saturating_sub(stream.begun()));
    let metrics = Metrics::new(samples, wall, source.fetcher.upstream().status());
    Run { metrics, ledger, interrupted: interrupt::interrupted(source.stop()), late: clock.now() >= deadline }
}

/// So many tiles of the whole world, every one of it once before any comes twice, in an order that the seed decides.
fn draw(count: u64, max_zoom: u8, seed: u64) -> Vec<TileId> {
    let mut chance = fastrand::Rng::with_seed(seed);
    // All tiles of the zooms are shuffled where that is few; where it is many, a draw hardly ever repeats itself.
    let all: u64 = (0..=max_zoom).map(|zoom| 1u64 << (2 * zoom)).sum();
    if all > SHUFFLED_MAX {
        return (0..count).filter_map(|_| TileId::from_hilbert_id(chance.u64(0..all)).ok()).collect();
    }
    let mut world: Vec<TileId> = (0..all).filter_map(|id| TileId::from_hilbert_id(id).ok()).collect();
    chance.shuffle(&mut world);
    world.iter().copied().cycle().take(usize::try_from(count).unwrap_or(usize::MAX)).collect()
}

/// Zoom 0 to 8.
const SHUFFLED_MAX: u64 = 87_381;

fn exit(run: &Run, output: &mut Output) -> Result<Exit, Fatal> {
    if let Err(imbalance) = run.ledger.balance() {
        return Err(Fatal { exit: Exit::Defect, message: imbalance.to_string() });
    }
    if run.interrupted {
        return Ok(Exit::Interrupted);
    }
    let Ledger { fetched, empty, failed, cancelled, .. } = run.ledger;
    if run.late && cancelled > 0 {
        output.message(&format!("tidegate: time ran out with {cancelled} tiles to go"));
        return Ok(Exit::Unfinished);
    }
    Ok(match (failed, fetched + empty) {
        (0, _) => Exit::Complete,
        (_, 0) => Exit::Source,
        (_, _) => Exit::Incomplete,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_tile_of_the_world_is_drawn_once_before_any_comes_twice() {
        let tiles = draw(341 + 5, 4, 7);
        assert_eq!(tiles.len(), 346);
        assert_eq!(tiles.iter().take(341).collect::<HashSet<_>>().len(), 341);
        assert_eq!(draw(20, 4, 7), draw(20, 4, 7), "the seed decides");
        assert_ne!(draw(20, 4, 7), draw(20, 4, 8));
        assert_eq!(draw(1_000, 14, 7).len(), 1_000);
    }
}
