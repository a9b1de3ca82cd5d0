//! Dead letters: what becomes of a tile that was given up.

use std::{path::PathBuf, time::SystemTime};

use clap::Args;
use tidegate::fetch::{Failure, Fault, TileReport};
use tidegate_core::{End, Instant};
use tidegate_store::dead_letter::{DeadLetter, DeadLetters, Limits};

use crate::{exit::Fatal, source::Source};

/// The flag that names the file.
#[derive(Debug, Args)]
pub(crate) struct LetterArgs {
    /// Note each tile that is given up in this file, for `tidegate replay`; only its owner can read it, and at most 30 days
    /// and 64 MiB of it are kept
    #[arg(long, value_name = "FILE")]
    dead_letter: Option<PathBuf>,
}

impl LetterArgs {
    /// Opens the file, if one is named.
    pub(crate) fn open(&self) -> Result<Option<DeadLetters>, Fatal> {
        let open = |path: &PathBuf| {
            DeadLetters::open(path, Limits::DEFAULT, SystemTime::now())
                .map_err(|error| Fatal::local(format!("--dead-letter: {error}; give a file that can be written to")))
        };
        self.dead_letter.as_ref().map(open).transpose()
    }

    /// What to do next about tiles that were given up.
    pub(crate) fn advice(&self) -> String {
        match &self.dead_letter {
            Some(path) => format!("`tidegate replay {}` tries them again, with the same --output", path.display()),
            None => GO_ON.to_owned(),
        }
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
