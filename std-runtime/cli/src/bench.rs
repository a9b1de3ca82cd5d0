//! `tidegate bench`: a number of tiles, and what it took.

use clap::Args;
use tidegate::config::Preset;
use tidegate_core::TileId;

use crate::{
    args::{OutputFormat, SourceArgs},
    exit::{Exit, Fatal},
    guard,
    output::Output,
    print_config,
    report::{Recorder, Run},
    source::Source,
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
    /// The form of the result
    #[arg(long, value_enum, default_value = "text")]
    output_format: OutputFormat,
    #[command(flatten)]
    source: SourceArgs,
}

/// Runs the benchmark and prints its result.
pub(crate) fn run(args: &BenchArgs, output: &mut Output) -> Result<Exit, Fatal> {
    let settings = args.source.settings(Preset::Ancestor)?;
    if args.source.print_config {
        return print_config::print(&settings, args.source.preset_origin(), output);
    }
    let place = Source::place(&settings)?;
    guard::bulk_is_allowed("bench", &place.template)?;
    let source = Source::open(&args.source, &settings, place)?;
    let run = measure(&source, draw(args.tile_count, args.max_zoom, source.seed));
    let title = source.title(args.tile_count, &settings);
    source.close();
    run.print(args.output_format, title, output).map_err(Fatal::local)?;
    run.exit("see --help for the flags that give it more time or tries", output)
}

/// Fetches the tiles and records what came of each.
fn measure(source: &Source, tiles: Vec<TileId>) -> Run {
    let mut recorder = Recorder::start(source, tiles.len() as u64);
    let mut stream = source.fetcher.stream(source.runtime.executor(), tiles.into_iter(), source.deadline_at());
    smol::block_on(async {
        while let Some(report) = stream.next().await {
            recorder.record(&report);
        }
    });
    recorder.finish(source, &stream)
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
