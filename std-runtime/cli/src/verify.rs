//! `tidegate verify`: whether an archive is what it should be, down to each tile.

use std::{io, path::PathBuf};

use clap::Args;
use serde_json::json;
use tidegate::{
    transport::Response,
    verify::{Defect, Expect},
};
use tidegate_store::{
    PmtilesError,
    archive::ArchiveError,
    sink::Format,
    verify::{Finding, VerifyReport, verify},
};

use crate::{
    args::OutputFormat,
    exit::{Exit, Fatal},
    output::{Output, bytes},
};

/// What a check can be told.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// A directory of tiles, or an MBTiles or PMTiles file
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Say where the tiles are that are wrong: only where nobody else reads it
    #[arg(long)]
    log_locations: bool,
    /// The form of the result
    #[arg(long, value_enum, default_value = "text")]
    output_format: OutputFormat,
}

/// Checks the archive and prints what was found.
pub(crate) fn run(args: &VerifyArgs, output: &mut Output) -> Result<Exit, Fatal> {
    let checked = verify(&args.path, |tile| Ok(check(tile)?));
    let report = checked.map_err(|error| unusable(&error))?;
    let kind = match report.format {
        Format::Directory { .. } => "directory",
        Format::Mbtiles => "mbtiles",
        Format::Pmtiles => "pmtiles",
    };
    let in_words = |finding: &Finding| match args.log_locations {
        true => finding.show_location().to_string(),
        false => finding.to_string(),
    };
    let findings: Vec<_> = report.findings.iter().map(in_words).collect();
    let lines = match args.output_format {
        OutputFormat::Text => text(kind, &report, &findings),
        OutputFormat::Json => vec![to_json(kind, &report, &findings)],
    };
    lines.iter().try_for_each(|line| output.result(line)).map_err(Fatal::local)?;
    if report.is_sound() {
        return Ok(Exit::Complete);
    }
    let fix = match (report.is_whole(), kind) {
        (false, _) => "it cannot be mended: fetch into a new one",
        (true, "pmtiles") => "fetch into it again with --no-resume to mend its tiles",
        (true, _) => "fetch into it again to mend its tiles",
    };
    output.message(&format!("tidegate: {} things are wrong with {}; {fix}", report.finding_count, args.path.display()));
    Ok(Exit::Incomplete)
}

/// Why nothing could be checked. What is not there, or no archive, was named by mistake; anything else is this machine's
/// doing.
fn unusable(error: &ArchiveError) -> Fatal {
    let message = format!("{error}; give the path of an archive");
    match error {
        ArchiveError::Io { source, .. } if source.kind() != io::ErrorKind::NotFound => Fatal::local(error),
        ArchiveError::Sqlite { .. } => Fatal::local(error),
        ArchiveError::Pmtiles { source: PmtilesError::Io(_), .. } => Fatal::local(error),
        ArchiveError::Io { .. } | ArchiveError::Unknown { .. } | ArchiveError::Pmtiles { .. } => Fatal::usage(message),
    }
}

/// Checks a stored tile as the one of a server is checked.
///
/// # Errors
/// The first thing that is wrong.
pub(crate) fn check(tile: &[u8]) -> Result<(), Defect> {
    let response = Response { body: tile.to_vec().into(), ..Response::new(200) };
    tidegate::verify::check(&response, &Expect::DEFAULT, &mut Vec::new()).map(drop)
}

fn text(kind: &str, report: &VerifyReport, findings: &[String]) -> Vec<String> {
    let zooms = report.tiles.iter().map(|(zoom, count)| format!("zoom {zoom:>2} {count:>12} tiles"));
    let all = format!("in all  {:>12} tiles, {}, {kind}", report.tile_count(), bytes(report.bytes));
    let more = report.finding_count.saturating_sub(findings.len() as u64);
    let findings = findings.iter().map(|finding| format!("  {finding}"));
    let more = (more > 0).then(|| format!("  and {more} more"));
    let sound = report.is_sound().then(|| "sound".to_owned());
    zooms.chain([all]).chain(findings).chain(more).chain(sound).collect()
}

fn to_json(kind: &str, report: &VerifyReport, findings: &[String]) -> String {
    let zooms: Vec<_> = report.tiles.iter().map(|(zoom, count)| json!({ "zoom": zoom, "tiles": count })).collect();
    let document = json!({
        "format": kind,
        "tiles": report.tile_count(),
        "bytes": report.bytes,
        "zooms": zooms,
        "sound": report.is_sound(),
        "finding_count": report.finding_count,
        "findings": findings,
    });
    format!("{document:#}")
}
