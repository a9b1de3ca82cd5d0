//! Logs on standard error, as text or as JSON lines, without coordinates.

use std::io::{self, Write};

use clap::ValueEnum;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Starts logging: errors, more with each `-v`, nothing with `-q`.
pub(crate) fn start(format: Format, verbose: u8, quiet: bool) {
    let level = match (quiet, verbose) {
        (true, _) => "off",
        (false, 0) => "error",
        (false, 1) => "info",
        (false, 2) => "debug",
        (false, _) => "trace",
    };
    // Ours alone: what libraries log may contain URLs.
    let filter = EnvFilter::new(format!(
        "off,tidegate={level},tidegate_store={level},tidegate_lab={level},tidegate_cli={level}"
    ));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Fallible).with_ansi(false);
    // A second start in one process (a test) keeps the first.
    let _started = match format {
        Format::Text => builder.with_target(false).try_init(),
        Format::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
    };
}

/// Standard error without its panic: what cannot be logged is not logged.
struct Fallible;

impl<'a> MakeWriter<'a> for Fallible {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

impl Write for Fallible {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _unsaid = io::stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
