//! Reading letters, one line at a time.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::{DeadLetter, DeadLetterError, LINE_BYTES_MAX, Line, failed};

/// The letters in a file, from the first to the last.
///
/// Whatever else is in the file is somebody's own: the first line that is no letter ends the reading with an error. Only
/// the last line may be half a letter, which is what a kill leaves.
#[derive(Debug)]
pub struct Letters {
    path: PathBuf,
    lines: BufReader<File>,
    line: Vec<u8>,
    /// Which line was read last, counted from 1.
    number: u64,
    /// Where the line after this one begins.
    next: u64,
    is_torn: bool,
}

impl Letters {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read, or is no file but a folder or a device.
    pub fn open(path: &Path) -> Result<Self, DeadLetterError> {
        let failed = |error| failed("read", path, error);
        // Asked first: to open a pipe would wait for whoever writes to it.
        if !fs::metadata(path).map_err(failed)?.is_file() {
            return Err(DeadLetterError::NoFile { letters: path.to_owned() });
        }
        let file = File::open(path).map_err(failed)?;
        let lines = BufReader::new(file);
        Ok(Self { path: path.to_owned(), lines, line: Vec::new(), number: 0, next: 0, is_torn: false })
    }

    /// Reads the file at `path` to its end: whether there is nothing in it but letters, so that it may be written to.
    ///
    /// # Errors
    /// When it cannot be read, or something in it is no letter.
    pub(super) fn check(path: &Path) -> Result<(), DeadLetterError> {
        let mut letters = Self::open(path)?;
        while letters.next()?.is_some() {}
        Ok(())
    }

    /// The next letter.
    ///
    /// # Errors
    /// When the file cannot be read, or the next line is no letter.
    // Not an iterator: what cannot be read must not look like the end.
    #[expect(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<DeadLetter>, DeadLetterError> {
        if self.is_torn || !self.read_line()? {
            return Ok(None);
        }
        // A line without an end was cut by a kill, even if what is there looks like a letter.
        let letter = self.line.strip_suffix(b"\n").and_then(DeadLetter::from_line);
        if letter.is_none() {
            self.is_torn = self.is_at_end()? && is_begun(&self.line);
            if !self.is_torn {
                return Err(DeadLetterError::NoLetter { letters: self.path.clone(), line: self.number });
            }
        }
        Ok(letter)
    }

    /// Whether the file ended in half a letter; known once the end was reached.
    pub fn is_torn(&self) -> bool {
        self.is_torn
    }

    /// Where in the file the last letter that was read begins.
    pub(super) fn offset(&self) -> u64 {
        self.next - self.line.len() as u64
    }

    /// Reads up to the end of a line, or as much as a letter may have.
    fn read_line(&mut self) -> Result<bool, DeadLetterError> {
        self.line.clear();
        let mut bounded = self.lines.by_ref().take(LINE_BYTES_MAX as u64);
        let read = bounded.read_until(b'\n', &mut self.line).map_err(|error| failed("read", &self.path, error))?;
        self.next += read as u64;
        self.number += 1;
        Ok(read > 0)
    }

    fn is_at_end(&mut self) -> Result<bool, DeadLetterError> {
        self.lines.fill_buf().map(<[u8]>::is_empty).map_err(|error| failed("read", &self.path, error))
    }
}

/// Whether these bytes are how a letter begins: what follows them was cut off.
fn is_begun(line: &[u8]) -> bool {
    let begins = line.starts_with(FIRST_BYTES) || FIRST_BYTES.starts_with(line);
    let breaks_off = serde_json::from_slice::<Line>(line).map_or_else(|error| error.is_eof(), |_| true);
    begins && breaks_off && !line.ends_with(b"\n")
}

/// How every letter begins: [`Line`] is written in the order of its fields.
const FIRST_BYTES: &[u8] = b"{\"z\":";
