//! What servers asked for, from one run to the next.

use std::{
    path::PathBuf,
    time::{Duration, Instant, SystemTime},
};

use clap::Args;
use tidegate_store::memory::{Memory, MemoryError};

use crate::{exit::Fatal, source::Source};

/// Whether anything is remembered.
#[derive(Debug, Args)]
pub(crate) struct MemoryArgs {
    /// Keep in this file how strict each host's gate is, and begin as strict as an earlier run left it there: a pause that a
    /// server asked for outlives an interrupt. Kept every few seconds and at the end
    #[arg(long, value_name = "FILE")]
    remember: Option<PathBuf>,
}

impl MemoryArgs {
    /// Makes the gates of `source` as strict as they were.
    pub(crate) fn recall(&self, source: &Source) -> Result<Remembered, Fatal> {
        let memory = self.remember.as_deref().map(Memory::open).transpose().map_err(Fatal::local)?;
        if let Some(memory) = &memory {
            for (host, upstream) in source.hosts() {
                let recalled = memory.recall(host, upstream, SystemTime::now());
                tracing::debug!(recalled, "a gate as an earlier run left it");
            }
        }
        Ok(Remembered { memory, kept_at: Instant::now() })
    }
}

/// What is remembered, if anything is.
pub(crate) struct Remembered {
    memory: Option<Memory>,
    kept_at: Instant,
}

impl Remembered {
    /// Keeps the gates of `source` as they are, if it is time to.
    pub(crate) fn keep_now_and_then(&mut self, source: &Source) -> Result<(), MemoryError> {
        if self.kept_at.elapsed() < KEEP_EVERY { Ok(()) } else { self.keep(source) }
    }

    /// Keeps the gates of `source` as they are.
    pub(crate) fn keep(&mut self, source: &Source) -> Result<(), MemoryError> {
        self.kept_at = Instant::now();
        self.memory.as_mut().map_or(Ok(()), |memory| memory.keep(source.hosts(), SystemTime::now()))
    }
}

const KEEP_EVERY: Duration = Duration::from_secs(1);
