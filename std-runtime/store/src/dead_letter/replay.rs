//! Trying again what was given up on.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use super::next_file::NextFile;
use super::{DeadLetter, DeadLetterError, Letters, open_locked};
use crate::TileId;

/// The letters to try again: the last one of each tile.
///
/// ```
/// # use std::time::SystemTime;
/// # use tidegate_store::{TileId, dead_letter::{DeadLetter, DeadLetters, Limits, Replay}};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("dead.ndjson");
/// # let mut letters = DeadLetters::open(&path, Limits::DEFAULT, SystemTime::now())?;
/// # for x in 0..2 {
/// #     letters.add(&DeadLetter {
/// #         tile: TileId::new(1, x, 0)?, class: "timeout".into(), attempts: 3, last_status: None, not_before: None,
/// #         at: SystemTime::now(), correlation: "c".into(),
/// #     })?;
/// # }
/// # drop(letters);
/// let (mut replay, mut kept) = Replay::open(&path)?;
/// while let Some(letter) = replay.next()? {
///     let fetched = letter.tile.x() == 0; // try it again
///     if !fetched {
///         kept.keep(&letter)?;
///     }
/// }
/// assert_eq!(kept.finish(replay)?, 1); // how many are left
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Replay {
    letters: Letters,
    /// Where the last letter of each tile that is still to come begins. Bounded by the size of the file.
    last: HashMap<TileId, u64>,
    is_torn: bool,
    /// Keeps other runs away from the file.
    _lock: File,
}

/// Collects the letters that have to stay.
#[derive(Debug)]
pub struct Kept {
    next: NextFile,
    count: u64,
}

impl Replay {
    /// Opens the file at `path`. It stays as it is until [`Kept::finish`].
    ///
    /// # Errors
    /// When there is none, it cannot be read, something in it is no letter, or another run has it open; the file is then as
    /// it was before.
    pub fn open(path: &Path) -> Result<(Self, Kept), DeadLetterError> {
        // Reading first: opening to append would create a file where there is none.
        Letters::check(path)?;
        let lock = open_locked(path, "open")?;
        let mut letters = Letters::open(path)?;
        let mut last = HashMap::new();
        while let Some(letter) = letters.next()? {
            last.insert(letter.tile, letters.offset());
        }
        let kept = Kept { next: NextFile::create(path)?, count: 0 };
        Ok((Self { letters: Letters::open(path)?, last, is_torn: letters.is_torn(), _lock: lock }, kept))
    }

    /// How many tiles are still to come.
    pub fn count(&self) -> usize {
        self.last.len()
    }

    /// The next letter to try again.
    ///
    /// # Errors
    /// When the file cannot be read.
    // Not an iterator: what cannot be read must not look like the end.
    #[expect(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<DeadLetter>, DeadLetterError> {
        while let Some(letter) = self.letters.next()? {
            if self.last.get(&letter.tile) == Some(&self.letters.offset()) {
                self.last.remove(&letter.tile);
                return Ok(Some(letter));
            }
        }
        Ok(None)
    }

    /// Whether the file ended in half a letter, which is not tried again and not kept.
    pub fn is_torn(&self) -> bool {
        self.is_torn
    }
}

impl Kept {
    /// Keeps a letter: the same again or one that says how the tile failed this time.
    ///
    /// # Errors
    /// When writing fails.
    pub fn keep(&mut self, letter: &DeadLetter) -> Result<(), DeadLetterError> {
        self.next.write(letter)?;
        self.count += 1;
        Ok(())
    }

    /// Replaces the file by what was kept, and by the letters that `replay` had not come to; returns how many are left.
    ///
    /// # Errors
    /// When writing fails; the file is then as it was before.
    pub fn finish(mut self, mut replay: Replay) -> Result<u64, DeadLetterError> {
        while let Some(letter) = replay.next()? {
            self.keep(&letter)?;
        }
        self.next.replace()?;
        Ok(self.count)
    }
}
