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
    /// server asked for outlives an interrupt. Kept every second, when a pause begins, and at the end
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
        Ok(Remembered { memory, kept_at: Instant::now(), paused_until: source.paused_until() })
    }
}

/// What is remembered, if anything is.
pub(crate) struct Remembered {
    memory: Option<Memory>,
    kept_at: Instant,
    /// Until when the servers wanted to be left alone then.
    paused_until: tidegate_core::Instant,
}

impl Remembered {
    /// Keeps the gates of `source` as they are, if it is time to. A pause is what an end of any kind must not lose.
    pub(crate) fn keep_now_and_then(&mut self, source: &Source) -> Result<(), MemoryError> {
        if self.memory.is_none() {
            return Ok(());
        }
        let is_paused_longer = source.paused_until() > self.paused_until;
        let every = if is_paused_longer { KEEP_PAUSE_AFTER } else { KEEP_EVERY };
        if self.kept_at.elapsed() < every { Ok(()) } else { self.keep(source) }
    }

    /// Keeps the gates of `source` as they are.
    pub(crate) fn keep(&mut self, source: &Source) -> Result<(), MemoryError> {
        (self.kept_at, self.paused_until) = (Instant::now(), source.paused_until());
        self.memory.as_mut().map_or(Ok(()), |memory| memory.keep(source.hosts(), SystemTime::now()))
    }
}

const KEEP_EVERY: Duration = Duration::from_secs(1);
/// Where each answer asks for a further pause, the disk is not busy with that alone.
const KEEP_PAUSE_AFTER: Duration = Duration::from_millis(100);
