//! `--dry-run`: how many tiles, and how many bytes they will take, told from a few of them.

use serde_json::json;
use tidegate::fetch::TileOutcome;
use tidegate_store::area::{Area, ByteEstimate, SizeEstimate};

use super::work::Trouble;
use crate::{
    args::OutputFormat,
    exit::{Exit, Fatal},
    output::{Output, bytes},
    source::Source,
};

/// Fetches up to `sample` tiles of each zoom and keeps their sizes. `None` where none of them could be fetched.
pub(super) fn estimate(area: &Area, sample: u64, source: &Source) -> Result<Option<ByteEstimate>, Trouble> {
    let tiles = area.sample(sample).collect::<Result<Vec<_>, _>>().map_err(Trouble::Area)?;
    let mut stream = source.fetcher.stream(source.runtime.executor(), tiles.into_iter(), source.deadline_at());
    let mut sizes = SizeEstimate::default();
    smol::block_on(async {
        while let Some(report) = stream.next().await {
            match (&report.outcome, report.outcome.tile()) {
                (_, Some(tile)) => sizes.add(report.tile.z(), tile.body.len() as u64),
                (TileOutcome::Empty, None) => sizes.add(report.tile.z(), 0),
                (_, None) => {}
            }
        }
    });
    Ok(sizes.estimate(area.counts()))
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
