//! Lists of tiles in a file.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::AreaError;
use crate::extsort::{Sorted, Sorter};
use crate::{TileError, TileId};

/// The tiles of a list, sorted, each once.
pub(super) struct List {
    path: PathBuf,
    sorted: Mutex<Sorted<8>>,
    /// Where each zoom begins in it, and one more: where the last one ends.
    starts: [u64; TileId::ZOOM_MAX as usize + 2],
}

/// Why a list of tiles could not be read. It says in which line, and not what stands there: that is where somebody goes.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The file system refused something.
    #[error("cannot read the list {list}: {source}", list = list.display())]
    Io {
        /// The file.
        list: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A line is no tile.
    #[error("line {number} of {list}: {source}", list = list.display())]
    Line {
        /// The file.
        list: PathBuf,
        /// Which line, counted from 1.
        number: u64,
        /// Why it is none.
        source: TileError,
    },
}

/// No line with a tile is longer, comment included.
const LINE_BYTES_MAX: u64 = 4096;

impl List {
    pub(super) fn open(path: &Path) -> Result<Self, ListError> {
        let failed = |source| ListError::Io { list: path.to_owned(), source };
        let mut sorter = Sorter::new(&std::env::temp_dir());
        for tile in Listed::open(path)? {
            sorter.push(tile?.hilbert_id().to_be_bytes()).map_err(failed)?;
        }
        let sorted = sorter.finish().map_err(failed)?;
        let mut starts = [sorted.count(); TileId::ZOOM_MAX as usize + 2];
        for (zoom, start) in (0..=TileId::ZOOM_MAX).zip(&mut starts) {
            let first = TileId::new(zoom, 0, 0).map_or(u64::MAX, TileId::hilbert_id);
            *start = sorted.count_below(&first.to_be_bytes()).map_err(failed)?;
        }
        Ok(Self { path: path.to_owned(), sorted: Mutex::new(sorted), starts })
    }

    /// The zooms that have tiles.
    pub(super) fn zooms(&self) -> impl Iterator<Item = u8> {
        (0..=TileId::ZOOM_MAX).filter(|zoom| !self.range_of_zoom(*zoom).is_empty())
    }

    /// Which tiles are those of a zoom.
    pub(super) fn range_of_zoom(&self, zoom: u8) -> Range<u64> {
        self.starts[usize::from(zoom)]..self.starts[usize::from(zoom) + 1]
    }

    pub(super) fn tile(&self, index: u64) -> Result<TileId, AreaError> {
        let sorted = self.sorted.lock().unwrap_or_else(PoisonError::into_inner);
        let record = sorted.record(index).map_err(|source| ListError::Io { list: self.path.clone(), source })?;
        Ok(TileId::from_hilbert_id(u64::from_be_bytes(record))?)
    }
}

impl std::fmt::Debug for List {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("List").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The tiles of a list as they stand there: in the order of its lines, and as often.
#[derive(Debug)]
pub struct Listed {
    path: PathBuf,
    lines: BufReader<File>,
    line: Vec<u8>,
    number: u64,
}

impl Listed {
    /// Opens the file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(path: &Path) -> Result<Self, ListError> {
        let failed = |source| ListError::Io { list: path.to_owned(), source };
        let lines = BufReader::new(File::open(path).map_err(failed)?);
        Ok(Self { path: path.to_owned(), lines, line: Vec::new(), number: 0 })
    }

    /// The tile of the next line that has one.
    fn read(&mut self) -> Result<Option<TileId>, ListError> {
        let Self { path, lines, line, number } = self;
        loop {
            line.clear();
            *number += 1;
            let failed = |source| ListError::Io { list: path.clone(), source };
            let read = lines.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', line).map_err(failed)?;
            if read == 0 {
                return Ok(None);
            }
            let wrong = |source| ListError::Line { list: path.clone(), number: *number, source };
            if read as u64 == LINE_BYTES_MAX {
                return Err(wrong(TileError::Text));
            }
            let text = str::from_utf8(line).map_err(|_| wrong(TileError::Text))?;
            // Editors on Windows put a byte order mark in front, which nobody sees.
            let text = if *number == 1 { text.trim_start_matches('\u{feff}') } else { text };
            let text = text.split_once('#').map_or(text, |(tile, _)| tile).trim();
            if !text.is_empty() {
                return without_blanks(text).parse().map(Some).map_err(wrong);
            }
        }
    }
}

impl Iterator for Listed {
    type Item = Result<TileId, ListError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// Blanks around a slash mean nothing; inside a number they would.
fn without_blanks(text: &str) -> Cow<'_, str> {
    if text.contains(char::is_whitespace) {
        Cow::Owned(text.split('/').map(str::trim).collect::<Vec<_>>().join("/"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Area, Shard};
    use super::*;

    fn listed(text: &str) -> Result<Area, ListError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Area::from_list(file.path())
    }

    fn tiles(area: &Area) -> Vec<(u8, u32, u32)> {
        area.tiles().map(|tile| tile.unwrap()).map(|tile| (tile.z(), tile.x(), tile.y())).collect()
    }

    #[test]
    fn a_list_comes_out_sorted_and_each_tile_once() {
        let area = listed("# my trip\n3/4/5\n\n 1 / 1/ 1 # home\r\n3/4/5\n0/0/0\n1/0/1").unwrap();
        assert_eq!(tiles(&area), [(0, 0, 0), (1, 0, 1), (1, 1, 1), (3, 4, 5)]);
        assert_eq!(area.count(), 4);
        assert_eq!(area.counts().collect::<Vec<_>>(), [(0, 1), (1, 2), (3, 1)]);
    }

    #[test]
    fn a_byte_order_mark_is_passed_over_in_front_and_nowhere_else() {
        assert_eq!(tiles(&listed("\u{feff}3/4/5\r\n").unwrap()), [(3, 4, 5)]);
        assert!(matches!(listed("3/4/5\n\u{feff}3/4/5"), Err(ListError::Line { number: 2, .. })));
    }

    #[test]
    fn as_it_stands_a_list_keeps_its_order_and_what_comes_twice() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "3/4/5\n\n1/1/1 # home\n3/4/5\n0/0/0\n9/9").unwrap();
        let mut listed = Listed::open(file.path()).unwrap();
        let zooms: Vec<u8> = listed.by_ref().take(4).map(|tile| tile.unwrap().z()).collect();
        assert_eq!(zooms, [3, 1, 3, 0]);
        let wrong = listed.next().unwrap().unwrap_err();
        assert!(matches!(wrong, ListError::Line { number: 6, .. }), "{wrong}");
        assert!(listed.next().is_none());
    }

    #[test]
    fn a_list_can_be_sharded() {
        let area = listed("2/0/0\n2/1/1\n2/2/2\n2/3/3\n1/0/0").unwrap();
        let shards = [1, 2].map(|number| tiles(&area.clone().shard(Shard::new(number, 2).unwrap())));
        assert_eq!((shards[0].len(), shards[1].len()), (2, 3));
        let mut joined = shards.concat();
        joined.sort_by_key(|tile| tile.0);
        assert_eq!(joined, tiles(&area));
    }

    #[test]
    fn an_empty_list_has_no_tiles() {
        assert_eq!(tiles(&listed("# nothing\n").unwrap()), []);
    }

    #[test]
    fn a_line_that_is_no_tile_is_named_but_not_shown() {
        let syntax = "not a tile: write zoom, column and row in digits, such as 3/4/2";
        for (line, why) in [
            ("3/4", syntax),
            ("3/4/5/6", syntax),
            ("x/y/z", syntax),
            ("3/-1/0", syntax),
            ("3 4 5", syntax),
            ("3/4/5 6", syntax),
            (&"9".repeat(5000), syntax),
            ("3/8/0", "the column is outside zoom 3: its columns run from 0 to 7"),
            ("3/0/8", "the row is outside zoom 3: its rows run from 0 to 7"),
            ("31/0/0", "zoom 31 is too high: the highest is 30"),
        ] {
            let message = listed(&format!("0/0/0\n{line}\n")).unwrap_err().to_string();
            assert!(message.starts_with("line 2 of ") && message.ends_with(&format!(": {why}")), "{line}: {message}");
        }
        let message = Area::from_list(Path::new("no/such/list")).unwrap_err().to_string();
        assert!(message.starts_with("cannot read the list no/such/list: "), "{message}");
    }
}
