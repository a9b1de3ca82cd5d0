//! Replacing the file of letters in one step.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::{DeadLetter, DeadLetterError, Letters, failed, lock};
use crate::files;

/// The file that is about to take the place of another one.
#[derive(Debug)]
pub(super) struct NextFile {
    path: PathBuf,
    temporary: Temporary,
    out: BufWriter<File>,
    pub(super) bytes: u64,
}

impl NextFile {
    pub(super) fn create(path: &Path) -> Result<Self, DeadLetterError> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(SUFFIX);
        let temporary = PathBuf::from(temporary);
        // What a kill left. Nobody else is writing it: whoever does holds the lock on the file itself.
        match Letters::check(&temporary) {
            Ok(()) => fs::remove_file(&temporary).map_err(|error| failed("replace", path, error))?,
            Err(DeadLetterError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            Err(_) => return Err(DeadLetterError::InTheWay { in_the_way: temporary }),
        }
        let file = files::create_new(&temporary).map_err(|error| failed("replace", path, error))?;
        Ok(Self { path: path.to_owned(), temporary: Temporary(temporary), out: BufWriter::new(file), bytes: 0 })
    }

    pub(super) fn write(&mut self, letter: &DeadLetter) -> Result<(), DeadLetterError> {
        let line = letter.to_line()?;
        self.bytes += line.len() as u64;
        self.out.write_all(&line).map_err(|error| failed("replace", &self.path, error))
    }

    /// Takes the other one's place; returns the file, locked, at its end.
    pub(super) fn replace(self) -> Result<File, DeadLetterError> {
        let failed = |error| failed("replace", &self.path, error);
        let file = self.out.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)?;
        lock(&file, &self.temporary.0, &self.path)?;
        fs::rename(&self.temporary.0, &self.path).map_err(failed)?;
        Ok(file)
    }
}

/// Removes the file when it is not needed any more; one that has taken the other one's place is not there to be removed.
#[derive(Debug)]
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // If even that fails, the next run does it.
        let _ = fs::remove_file(&self.0);
    }
}

/// What is added to the name of the file that will be replaced.
const SUFFIX: &str = ".tidegate-new";
