//! Dead letters: what becomes of a tile that was given up.

use std::{
    fs, io,
    path::{self, Path, PathBuf},
    time::SystemTime,
};

use clap::Args;
use tidegate::fetch::{Failure, Fault, TileReport};
use tidegate_core::{End, Instant};
use tidegate_store::dead_letter::{DeadLetter, DeadLetterError, DeadLetters, Limits};

use crate::{
    args::SourceArgs,
    exit::Fatal,
    fetch::{Again, TargetArgs},
    source::Source,
};

/// The flag that names the file.
#[derive(Debug, Args)]
pub(crate) struct LetterArgs {
    /// Note each tile that is given up in this file, for `tidegate replay`; only its owner can read it, and at most 30 days
    /// and 64 MiB of it are kept
    #[arg(long, value_name = "FILE")]
    dead_letter: Option<PathBuf>,
}

impl LetterArgs {
    /// Opens the file, if one is named; it cannot be where the tiles go to.
    pub(crate) fn open(&self, output: Option<&Path>) -> Result<Option<DeadLetters>, Fatal> {
        let open = |path: &PathBuf| {
            apart("--dead-letter", path, output)?;
            DeadLetters::open(path, Limits::DEFAULT, SystemTime::now())
                .map_err(|error| refusal("--dead-letter", &error, "give a file that can be written to"))
        };
        self.dead_letter.as_ref().map(open).transpose()
    }

    /// What to do next about tiles that were given up.
    pub(crate) fn advice(&self, target: &TargetArgs, source: &SourceArgs) -> String {
        let Some(letters) = &self.dead_letter else { return GO_ON.to_owned() };
        let mut again = Again::replay(letters);
        target.again(&mut again);
        source.again(&mut again);
        again.advice()
    }
}

/// Refuses a file of letters, which `name` says, that is also the archive: one of them would be lost.
pub(crate) fn apart(name: &str, letters: &Path, output: Option<&Path>) -> Result<(), Fatal> {
    match output {
        Some(output) if place(letters) == place(output) => Err(Fatal::usage(format!(
            "{name}: {} is also what --output names; give each a file of its own",
            letters.display()
        ))),
        Some(_) | None => Ok(()),
    }
}

/// Where a path leads, whatever it is called, and whether or not something is there yet.
fn place(path: &Path) -> PathBuf {
    let lead = |path: &Path| fs::canonicalize(path).or_else(|_| path::absolute(path));
    let folder = || Some(lead(path::absolute(path).ok()?.parent()?).ok()?.join(path.file_name()?));
    fs::canonicalize(path).ok().or_else(folder).unwrap_or_else(|| path.to_owned())
}

/// Why a file of letters cannot be used. One that holds something else, or is no file, was named by mistake; anything else
/// is this machine's doing, and then `fix` helps.
pub(crate) fn refusal(name: &str, error: &DeadLetterError, fix: &str) -> Fatal {
    match error {
        DeadLetterError::NoLetter { .. } | DeadLetterError::NoFile { .. } | DeadLetterError::InTheWay { .. } => {
            Fatal::usage(format!("{name}: {error}"))
        }
        DeadLetterError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            Fatal::usage(format!("{name}: {error}; {fix}"))
        }
        DeadLetterError::Io { .. } => Fatal::local(format!("{name}: {error}; {fix}")),
        DeadLetterError::ReadOnly { .. }
        | DeadLetterError::InUse { .. }
        | DeadLetterError::Full { .. }
        | DeadLetterError::TooLong { .. } => Fatal::local(format!("{name}: {error}")),
    }
}

/// What to do about tiles that were not come to.
pub(crate) const GO_ON: &str = "run the same command again to go on";

/// The letter about a tile that was given up.
pub(crate) fn letter(report: &TileReport, failure: &Failure, source: &Source) -> DeadLetter {
    let (at, now) = (SystemTime::now(), source.now());
    let status = |fault| match fault {
        Some(Fault::Status(status)) => Some(status),
        Some(_) | None => None,
    };
    let resume_at = match (failure.end, failure.last) {
        (End::Exhausted { resume_at, .. }, Some(Fault::Status(429))) | (End::OutOfTime { resume_at }, _) => {
            Some(resume_at)
        }
        // Whatever else stood in the way says nothing about the next run …
        _ => None,
    };
    // … but for a pause that the server asked for, as a 503 may.
    let asked = report.attempts.last().and_then(|attempt| source.fetcher.upstreams().nth(attempt.source));
    let pause = asked.map(|upstream| upstream.status().paused_until);
    let later = resume_at.max(pause).filter(|later| *later > now && *later < Instant::MAX);
    DeadLetter {
        tile: report.tile,
        class: failure.kind().to_owned(),
        attempts: u32::try_from(report.attempts.len()).unwrap_or(u32::MAX),
        last_status: report.attempts.iter().rev().find_map(|attempt| status(attempt.fault)),
        not_before: later.and_then(|later| at.checked_add(later.saturating_since(now))),
        at,
        correlation: report.id.to_string(),
    }
}
