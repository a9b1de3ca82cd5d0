//! Reading letters, one line at a time.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::{DeadLetter, DeadLetterError, LINE_BYTES_MAX, failed};

/// The letters in a file, from the first to the last.
#[derive(Debug)]
pub struct Letters {
    path: PathBuf,
    lines: BufReader<File>,
    line: Vec<u8>,
    /// Where the line after this one begins.
    next: u64,
    damaged: u64,
}

impl Letters {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(path: &Path) -> Result<Self, DeadLetterError> {
        let file = File::open(path).map_err(|error| failed("read", path, error))?;
        Ok(Self { path: path.to_owned(), lines: BufReader::new(file), line: Vec::new(), next: 0, damaged: 0 })
    }

    /// The next letter. Lines that are none are passed over and counted.
    ///
    /// # Errors
    /// When the file cannot be read.
    // Not an iterator: whoever reads wants to know the offset and the damage along the way.
    #[expect(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<DeadLetter>, DeadLetterError> {
        while self.read_line()? {
            // A line without an end was cut by a kill, even if what is there looks like a letter.
            match self.line.strip_suffix(b"\n").and_then(DeadLetter::from_line) {
                Some(letter) => return Ok(Some(letter)),
                None => self.damaged += 1,
            }
        }
        Ok(None)
    }

    /// How many lines up to here were no letters.
    pub fn damaged(&self) -> u64 {
        self.damaged
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
        Ok(read > 0)
    }
}
