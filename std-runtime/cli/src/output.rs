//! The one place that writes to the terminal. Writing can fail (a full disk, a closed stream) and that never panics.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;

/// Where results and messages go: results to standard output, everything else to standard error.
pub(crate) struct Output {
    results: Box<dyn Write>,
    messages: Box<dyn Write>,
    /// Whether results are painted.
    colour: bool,
    /// Whether a line of messages can be rewritten.
    rewritable: bool,
}

impl Output {
    /// The terminal, or whatever the streams are redirected to.
    pub(crate) fn terminal() -> Self {
        let rewritable = io::stderr().is_terminal();
        Self { results: Box::new(io::stdout()), messages: Box::new(io::stderr()), colour: false, rewritable }
    }

    /// Decides whether results are painted. What was asked for on the command line wins over `NO_COLOR`.
    pub(crate) fn set_painted(&mut self, when: Painted) {
        self.colour = match when {
            Painted::Always => true,
            Painted::Never => false,
            Painted::Auto => {
                io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        };
    }

    /// Writes a line of the result. A reader that has seen enough, as `head` has, is no error.
    ///
    /// # Errors
    /// Where the stream is full or cannot be written to; the message says which stream.
    pub(crate) fn result(&mut self, line: &str) -> io::Result<()> {
        match writeln!(self.results, "{line}") {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(io::Error::new(error.kind(), format!("standard output cannot be written to: {error}")))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Writes a message. What cannot be said is not said.
    pub(crate) fn message(&mut self, line: &str) {
        let _unsaid = writeln!(self.messages, "{line}");
    }

    /// Whether messages go to a terminal.
    pub(crate) fn has_terminal(&self) -> bool {
        self.rewritable
    }

    /// Shows how far things are, in place of what was shown before where that is possible.
    pub(crate) fn progress(&mut self, line: &str) {
        let _unsaid = if self.rewritable {
            // A line that breaks cannot be rewritten.
            let columns = terminal_size::terminal_size_of(io::stderr()).map_or(80, |(width, _)| usize::from(width.0));
            let line: String = line.chars().take(columns.saturating_sub(1)).collect();
            write!(self.messages, "\r{line}\x1b[K").and_then(|()| self.messages.flush())
        } else {
            writeln!(self.messages, "{line}")
        };
    }

    /// Leaves the last line of progress as it is.
    pub(crate) fn end_progress(&mut self) {
        if self.rewritable {
            self.message("");
        }
    }

    /// `text` in colour or bold where somebody sees it.
    pub(crate) fn paint(&self, text: &str, colour: Colour) -> String {
        if self.colour { format!("\x1b[{}m{text}\x1b[0m", colour as u8) } else { text.to_owned() }
    }
}

/// When results are painted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Painted {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Into files and pipes, too
    Always,
    /// Not at all
    Never,
}

/// Says something from another thread than the one that has the output. What cannot be said is not said.
pub(crate) fn notice(line: &str) {
    let _unsaid = writeln!(io::stderr(), "{line}");
}

/// How something that matters is shown.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Colour {
    Bold = 1,
    Red = 31,
    Green = 32,
    Yellow = 33,
}

/// Bytes in the unit that suits them.
pub(crate) fn bytes(count: u64) -> String {
    match count {
        0..1_024 => format!("{count} B"),
        1_024..1_048_576 => format!("{:.1} KiB", count as f64 / 1_024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", count as f64 / 1_048_576.0),
        _ => format!("{:.2} GiB", count as f64 / 1_073_741_824.0),
    }
}
