//! `--dry-run`: how many tiles, and how many bytes they will take, told from a few of them.

use serde_json::json;
use tidegate::{fetch::TileOutcome, ledger::Ledger};
use tidegate_core::TileId;
use tidegate_store::{
    area::{Area, ByteEstimate, SizeEstimate},
    scheme::Coverage,
};

use super::work::Trouble;
use crate::{
    args::OutputFormat,
    exit::{Exit, Fatal},
    output::{Output, bytes},
    progress::{Progress, each},
    pulse::Silence,
    source::Source,
};

/// What a few tiles told.
pub(super) struct Sampled {
    /// `None` where none of them could be fetched.
    pub(super) estimate: Option<ByteEstimate>,
    /// Why it was given up, if it was.
    pub(super) silence: Option<Silence>,
}

/// Fetches up to `sample` tiles of each zoom and keeps their sizes.
pub(super) fn estimate(
    area: &Area,
    sample: u64,
    coverage: Option<Coverage>,
    source: &Source,
    quiet: bool,
    output: &mut Output,
) -> Result<Sampled, Trouble> {
    let tiles = area.sample(sample).collect::<Result<Vec<_>, _>>().map_err(Trouble::Area)?;
    let (mut ledger, mut sizes, mut silence) = (Ledger::default(), SizeEstimate::default(), None);
    let is_there = |tile: &TileId| coverage.is_none_or(|coverage| coverage.has(*tile));
    let (tiles, outside): (Vec<_>, Vec<_>) = tiles.into_iter().partition(is_there);
    if let Some(coverage) = coverage.filter(|_| !outside.is_empty()) {
        output.message(&format!(
            "tidegate: the TileJSON document says that there are {coverage} only; other tiles are counted, but not fetched"
        ));
    }
    // What is not asked for takes no bytes.
    outside.iter().for_each(|tile| sizes.add(tile.z(), 0));
    let mut progress = Progress::start(tiles.len() as u64, quiet);
    each(source, tiles.into_iter(), |report| {
        if let Some(report) = report {
            match (&report.outcome, report.outcome.tile()) {
                (_, Some(tile)) => sizes.add(report.tile.z(), tile.body.len() as u64),
                (TileOutcome::Empty, None) => sizes.add(report.tile.z(), 0),
                (_, None) => {}
            }
            ledger.record(&report);
        }
        silence = silence.or_else(|| source.give_up_on_silence());
        progress.show(&ledger, source, output);
    });
    progress.end(output);
    Ok(Sampled { estimate: sizes.estimate(area.counts()), silence })
}

/// Prints the counts, and the estimate if there is one.
pub(super) fn print(
    area: &Area,
    estimate: Option<ByteEstimate>,
    format: OutputFormat,
    output: &mut Output,
) -> Result<Exit, Fatal> {
    let counts: Vec<_> = area.counts().collect();
    let all: u64 = counts.iter().map(|(_, count)| count).sum();
    let lines = match format {
        OutputFormat::Text => {
            let zooms = counts.iter().map(|(zoom, count)| format!("zoom {zoom:>2} {count:>12} tiles"));
            zooms.chain([format!("in all  {all:>12} tiles")]).chain(estimate.map(|found| in_words(&found))).collect()
        }
        OutputFormat::Json => {
            let zooms: Vec<_> = counts.iter().map(|(zoom, count)| json!({ "zoom": zoom, "tiles": count })).collect();
            let bytes = estimate.map(|ByteEstimate { bytes, low, high, sampled }| {
                json!({ "estimate": bytes, "low": low, "high": high, "sampled_tiles": sampled })
            });
            vec![format!("{:#}", json!({ "tiles": all, "zooms": zooms, "bytes": bytes }))]
        }
    };
    lines.iter().try_for_each(|line: &String| output.result(line)).map_err(Fatal::local)?;
    Ok(Exit::Complete)
}

fn in_words(ByteEstimate { bytes: likely, low, high, sampled }: &ByteEstimate) -> String {
    format!("about {} ({} to {}), told from {sampled} of them", bytes(*likely), bytes(*low), bytes(*high))
}
