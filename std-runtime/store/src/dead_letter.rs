//! Tiles that were given up on, kept for another try.
//!
//! One JSON object a line, appended as tiles fail; what a `kill -9` leaves of the last line is cut off by whoever opens the
//! file next. Letters say where somebody goes: the file can be read by its owner alone, and is no log.
//!
//! Nothing is done to a file before it was read to its end and found to hold letters and nothing else: one that was named
//! by mistake stays as it is, and so does one in which a letter was damaged, since that would be a tile that nobody asks
//! for again.
//!
//! The file is bounded: letters older than [`Limits::age`] go when it is opened, and when it would outgrow
//! [`Limits::bytes`] the older half goes. Both are counted, because each is a tile that nobody will ask for again.
//!
//! A [`Replay`] reads each tile's last letter and collects those that have to stay. Only when it is finished does it
//! replace the file, in one step: until then a kill changes nothing, and afterwards exactly the tiles that failed again,
//! or were not tried, are left.

mod letters;
mod next_file;
mod replay;

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

pub use letters::Letters;
use next_file::NextFile;
pub use replay::{Kept, Replay};
use serde::{Deserialize, Serialize};

use crate::TileId;
use crate::files;

/// A tile that was given up on, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The tile.
    pub tile: TileId,
    /// The kind of the last failure, by the name it has in the ledger.
    pub class: String,
    /// How many attempts were made.
    pub attempts: u32,
    /// The status of the last answer, where there was one.
    pub last_status: Option<u16>,
    /// Not worth asking for before then, said the server; to the second.
    pub not_before: Option<SystemTime>,
    /// When it was given up on; to the second.
    pub at: SystemTime,
    /// What ties it to the log.
    pub correlation: String,
}

/// How much the file may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Letters older than this are dropped.
    pub age: Duration,
    /// The size in bytes beyond which the file does not grow.
    pub bytes: u64,
}

impl Limits {
    /// 30 days and 64 MiB, some half a million letters.
    pub const DEFAULT: Self = Self { age: Duration::from_secs(30 * 24 * 3600), bytes: 64 << 20 };
}

/// A file that letters are appended to.
#[derive(Debug)]
pub struct DeadLetters {
    path: PathBuf,
    limits: Limits,
    file: File,
    bytes: u64,
    dropped: Dropped,
}

/// What is not in the file any more without having been replayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Letters that were too old.
    pub aged: u64,
    /// Letters that made room for newer ones.
    pub crowded: u64,
    /// The last letter, 0 or 1, of which a kill had left half.
    pub torn: u64,
}

/// Why letters could not be kept or read. None of them says where a tile is.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    /// There is no room left.
    #[error("the disk that holds {letters} is full: make room; the tiles given up on from here on are only in the report", letters = letters.display())]
    Full {
        /// The file.
        letters: PathBuf,
    },
    /// The file system refused something.
    #[error("cannot {doing} {letters}: {source}", letters = letters.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file.
        letters: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another run has the file open.
    #[error("{letters} is in use by another run; wait for it, or name another file", letters = letters.display())]
    InUse {
        /// The file.
        letters: PathBuf,
    },
    /// Something is in the file that is no letter.
    #[error(
        "line {line} of {letters} is no dead letter, so the file stays as it is; name a file that --dead-letter wrote, and if this is one, mend or remove that line", letters = letters.display()
    )]
    NoLetter {
        /// The file.
        letters: PathBuf,
        /// Which line, counted from 1.
        line: u64,
    },
    /// It is a folder or a device.
    #[error("{letters} is not a file; name one", letters = letters.display())]
    NoFile {
        /// The path.
        letters: PathBuf,
    },
    /// The file may not be changed.
    #[error("{letters} is read-only; allow writing to it, or name another file", letters = letters.display())]
    ReadOnly {
        /// The file.
        letters: PathBuf,
    },
    /// Where the file's next version has to be written there is something else.
    #[error("{in_the_way} is in the way; move it away", in_the_way = in_the_way.display())]
    InTheWay {
        /// The other file.
        in_the_way: PathBuf,
    },
    /// A letter is longer than a line may be.
    #[error(
        "a letter for a tile of zoom {zoom} is longer than {LINE_BYTES_MAX} bytes; shorten its correlation id or class"
    )]
    TooLong {
        /// The tile's zoom.
        zoom: u8,
    },
}

/// No line is longer: what is, is no letter.
pub(crate) const LINE_BYTES_MAX: usize = 4096;

impl DeadLetters {
    /// Opens the file at `path` to append to it, creating it if need be, and drops what is too old by `now`.
    ///
    /// # Errors
    /// When the file system refuses, another run has it open, or there is something in it that is no letter; the file is
    /// then as it was before.
    pub fn open(path: &Path, limits: Limits, now: SystemTime) -> Result<Self, DeadLetterError> {
        let file = open_locked(path, "open")?;
        let mut letters = Self { path: path.to_owned(), limits, file, bytes: 0, dropped: Dropped::default() };
        let oldest = now.checked_sub(limits.age).unwrap_or(SystemTime::UNIX_EPOCH);
        letters.rewrite_if_needed(oldest)?;
        Ok(letters)
    }

    /// Appends a letter. When that fails, the file is as it was before.
    ///
    /// # Errors
    /// When writing fails, or the letter is longer than 4,096 bytes.
    pub fn add(&mut self, letter: &DeadLetter) -> Result<(), DeadLetterError> {
        let line = letter.to_line()?;
        if self.bytes + line.len() as u64 > self.limits.bytes {
            self.drop_older_half()?;
        }
        if let Err(error) = self.file.write_all(&line) {
            // Gives back what a full disk took of it; failing that, the next run cuts it off.
            let _ = self.file.set_len(self.bytes).and_then(|()| self.file.seek(SeekFrom::Start(self.bytes)));
            return Err(failed("write to", &self.path, error));
        }
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// What was dropped since the file was opened, then included.
    pub fn dropped(&self) -> Dropped {
        self.dropped
    }

    /// Leaves out what is too old or torn, if anything is.
    fn rewrite_if_needed(&mut self, oldest: SystemTime) -> Result<(), DeadLetterError> {
        let (mut aged, mut letters) = (0, Letters::open(&self.path)?);
        while let Some(letter) = letters.next()? {
            aged += u64::from(letter.at < oldest);
        }
        self.dropped.aged += aged;
        self.dropped.torn += u64::from(letters.is_torn());
        if aged == 0 && !letters.is_torn() {
            self.bytes = self.file.metadata().map_err(|error| failed("read", &self.path, error))?.len();
            return Ok(());
        }
        self.rewrite(|letter, _| letter.at >= oldest)
    }

    fn drop_older_half(&mut self) -> Result<(), DeadLetterError> {
        let half = self.bytes / 2;
        let mut crowded = 0;
        self.rewrite(|_, offset| {
            let stays = offset >= half;
            crowded += u64::from(!stays);
            stays
        })?;
        self.dropped.crowded += crowded;
        Ok(())
    }

    /// Replaces the file by one with only the letters that stay, in one step.
    fn rewrite(&mut self, mut stays: impl FnMut(&DeadLetter, u64) -> bool) -> Result<(), DeadLetterError> {
        let mut next = NextFile::create(&self.path)?;
        let mut letters = Letters::open(&self.path)?;
        while let Some(letter) = letters.next()? {
            if stays(&letter, letters.offset()) {
                next.write(&letter)?;
            }
        }
        self.bytes = next.bytes;
        self.file = next.replace()?;
        Ok(())
    }
}

impl DeadLetter {
    /// Whether it is worth asking for by `now`.
    pub fn is_due(&self, now: SystemTime) -> bool {
        self.not_before.is_none_or(|instant| instant <= now)
    }

    fn to_line(&self) -> Result<Vec<u8>, DeadLetterError> {
        let line = Line {
            z: self.tile.z(),
            x: self.tile.x(),
            y: self.tile.y(),
            class: self.class.clone(),
            attempts: self.attempts,
            last_status: self.last_status,
            not_before_unix_s: self.not_before.map(unix_s),
            at_unix_s: unix_s(self.at),
            correlation: self.correlation.clone(),
        };
        let too_long = DeadLetterError::TooLong { zoom: self.tile.z() };
        let Ok(mut bytes) = serde_json::to_vec(&line) else { return Err(too_long) };
        bytes.push(b'\n');
        if bytes.len() > LINE_BYTES_MAX { Err(too_long) } else { Ok(bytes) }
    }

    fn from_line(line: &[u8]) -> Option<Self> {
        let line: Line = serde_json::from_slice(line).ok()?;
        let instant = |seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        Some(Self {
            tile: TileId::new(line.z, line.x, line.y).ok()?,
            class: line.class,
            attempts: line.attempts,
            last_status: line.last_status,
            not_before: line.not_before_unix_s.and_then(instant),
            at: instant(line.at_unix_s)?,
            correlation: line.correlation,
        })
    }
}

/// A letter as it stands in the file.
#[derive(Serialize, Deserialize)]
struct Line {
    z: u8,
    x: u32,
    y: u32,
    class: String,
    attempts: u32,
    last_status: Option<u16>,
    not_before_unix_s: Option<u64>,
    at_unix_s: u64,
    correlation: String,
}

/// Seconds since 1970; a time before that counts as 1970 itself.
fn unix_s(instant: SystemTime) -> u64 {
    instant.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Opens a file of letters to append to it, creating it if need be. One that is there is read first: opening it takes it
/// away from everybody but its owner, which nobody wants of a file that is not ours.
fn open_locked(path: &Path, doing: &'static str) -> Result<File, DeadLetterError> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed("read", path, error)),
        Ok(found) => {
            Letters::check(path)?;
            // Asked, because replacing a file needs no leave to write to it.
            if found.permissions().readonly() {
                return Err(DeadLetterError::ReadOnly { letters: path.to_owned() });
            }
        }
    }
    let file = files::open_append(path).map_err(|error| failed(doing, path, error))?;
    lock(&file, path, path)?;
    Ok(file)
}

fn lock(file: &File, path: &Path, letters: &Path) -> Result<(), DeadLetterError> {
    files::lock(file, path).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => DeadLetterError::InUse { letters: letters.to_owned() },
        _ => failed("lock", letters, error),
    })
}

fn failed(doing: &'static str, letters: &Path, source: io::Error) -> DeadLetterError {
    let letters = letters.to_owned();
    if files::is_full(&source) {
        DeadLetterError::Full { letters }
    } else {
        DeadLetterError::Io { doing, letters, source }
    }
}

#[cfg(test)]
mod tests;
