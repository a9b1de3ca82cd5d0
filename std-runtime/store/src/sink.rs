//! Where tiles go.
//!
//! One promise holds for every kind of archive: **a tile whose `put` returned `Ok` is there, whole, whenever the process
//! ends.** What a `kill -9` interrupts is there as it was before, or not at all. So a run that goes on where another one
//! stopped asks what the archive [holds](Held), and fetches the rest.
//!
//! Memory does not grow with the number of tiles, in no kind of archive.
//!
//! Sinks block: give one a thread of its own behind a bounded channel.
//!
//! ```
//! # use tidegate_store::{Durability, Metadata, TileId, sink::{Format, Sink}};
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("world.pmtiles");
//! let open = || Sink::open(&Format::Pmtiles, &path, Metadata::default(), Durability::Process);
//! let tile = TileId::new(3, 4, 5)?;
//! let (mut sink, mut held) = open()?;
//! assert!(!held.has(tile)?);
//! sink.put(tile, b"\x89PNG\r\n\x1a\n...")?;
//! drop(sink); // killed before it could finish
//!
//! let (sink, mut held) = open()?;
//! assert!(held.has(tile)?);
//! sink.finish()?; // now there is an archive
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod directory;
mod mbtiles;
mod pmtiles;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub(crate) use directory::PART_PREFIX;
use directory::{DirectorySink, Tree};
use mbtiles::{HeldMbtiles, MbtilesSink};
pub(crate) use pmtiles::log_of as pmtiles_log;
use pmtiles::{HeldPmtiles, PmtilesSink};

use crate::TileId;
use crate::files::{self, Durability};
use crate::format::TileFormat;
use crate::metadata::Metadata;
use crate::pmtiles::PmtilesError;

/// A kind of archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// A tree of files, `z/x/y.extension`.
    Directory {
        /// Without the dot, for example `pbf`.
        extension: String,
    },
    /// MBTiles 1.3, an SQLite database.
    Mbtiles,
    /// PMTiles 3.
    Pmtiles,
}

/// An archive that tiles are put into.
pub struct Sink(Kind);

enum Kind {
    Directory(DirectorySink),
    Mbtiles(MbtilesSink),
    Pmtiles(PmtilesSink),
}

/// What an archive held when its sink was opened, to be asked from another thread than the sink's.
///
/// Whether it also knows of tiles that were put since depends on the kind of archive. Drop it before the sink is
/// finished: an MBTiles archive that is still open somewhere keeps an empty log beside it.
pub struct Held(HeldKind);

enum HeldKind {
    Directory(Tree),
    Mbtiles(HeldMbtiles),
    Pmtiles(HeldPmtiles),
}

impl Sink {
    /// Opens the archive at `path`, creating it if need be; what an earlier run left there is kept.
    ///
    /// `metadata` goes into archives that have a place for it, over what stands there already.
    ///
    /// # Errors
    /// When the file system refuses, or there is something else at `path` than an archive of that format that can be
    /// added to.
    pub fn open(
        format: &Format,
        path: &Path,
        metadata: Metadata,
        durability: Durability,
    ) -> Result<(Self, Held), SinkError> {
        match format {
            Format::Directory { extension } => {
                let sink = DirectorySink::open(path, extension, durability)?;
                let held = HeldKind::Directory(sink.tree().clone());
                Ok((Self(Kind::Directory(sink)), Held(held)))
            }
            Format::Mbtiles => {
                let (sink, held) = MbtilesSink::open(path, metadata, durability)?;
                Ok((Self(Kind::Mbtiles(sink)), Held(HeldKind::Mbtiles(held))))
            }
            Format::Pmtiles => {
                let (sink, held) = PmtilesSink::open(path, metadata, durability)?;
                Ok((Self(Kind::Pmtiles(sink)), Held(HeldKind::Pmtiles(held))))
            }
        }
    }

    /// Puts a tile into the archive, in place of an older one. A directory tree keeps it as it is; the others gzip a
    /// vector tile that is not, as their specifications demand, and hold tiles of one format: what the archive says of
    /// itself, or what its first tile is.
    ///
    /// # Errors
    /// When `tile` is empty or of another format, or writing fails. What was put before is still there, and the sink can be used on.
    pub fn put(&mut self, id: TileId, tile: &[u8]) -> Result<(), SinkError> {
        if tile.is_empty() {
            return Err(SinkError::NoBytes { zoom: id.z() });
        }
        match &mut self.0 {
            Kind::Directory(sink) => sink.put(id, tile),
            Kind::Mbtiles(sink) => sink.put(id, tile),
            Kind::Pmtiles(sink) => sink.put(id, tile),
        }
    }

    /// Makes the archive complete: one that other tools can read. Without any tile there is no PMTiles archive.
    ///
    /// A sink that is dropped without it keeps everything for the next run.
    ///
    /// # Errors
    /// When writing fails. Nothing is lost then: finishing can be done by another run. Building a PMTiles archive
    /// needs as much room again as its tiles take.
    pub fn finish(self) -> Result<(), SinkError> {
        match self.0 {
            Kind::Directory(_) => Ok(()),
            Kind::Mbtiles(sink) => sink.finish(),
            Kind::Pmtiles(sink) => sink.finish(),
        }
    }
}

impl Held {
    /// Whether the archive holds that tile. If it does, the tile is whole.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn has(&mut self, id: TileId) -> Result<bool, SinkError> {
        match &mut self.0 {
            HeldKind::Directory(tree) => tree.has(id),
            HeldKind::Mbtiles(held) => held.has(id),
            HeldKind::Pmtiles(held) => held.has(id),
        }
    }

    /// Whether the archive holds that tile and `check` finds nothing wrong with its bytes. What a PMTiles archive holds since
    /// it was finished last has a hash instead, which opening it has checked.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn has_sound(&mut self, id: TileId, check: impl FnOnce(&[u8]) -> bool) -> Result<bool, SinkError> {
        match &mut self.0 {
            HeldKind::Directory(tree) => Ok(tree.has(id)? && check(&tree.read(id)?)),
            HeldKind::Mbtiles(held) => Ok(held.read(id)?.is_some_and(|tile| check(&tile))),
            HeldKind::Pmtiles(held) => held.has_sound(id, check),
        }
    }
}

impl Format {
    /// The format that a path asks for by its name: `.mbtiles`, `.pmtiles`, and everything else a directory.
    pub fn of(path: &Path, extension: &str) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("mbtiles") => Self::Mbtiles,
            Some("pmtiles") => Self::Pmtiles,
            _ => Self::Directory { extension: extension.to_owned() },
        }
    }
}

/// Why a sink could not do what it was asked to. None of them says where a tile is.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// There is no room left for the archive.
    #[error(
        "the disk that holds {archive} is full; what was written is kept: make room and run the same command again to go on",
        archive = archive.display()
    )]
    Full {
        /// The archive's file or folder.
        archive: PathBuf,
    },
    /// Too many files and connections are open.
    #[error(
        "cannot {doing} {archive}: too many files and connections are open; what was written is kept: allow more (`ulimit -n`) or use fewer connections, and run the same command again to go on",
        archive = archive.display()
    )]
    Descriptors {
        /// What was being done.
        doing: &'static str,
        /// The archive's file or folder.
        archive: PathBuf,
    },
    /// The file system refused something.
    #[error("cannot {doing} {archive}: {source}", archive = archive.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The archive's file or folder.
        archive: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// SQLite refused something.
    #[error("cannot {doing} {archive}: {source}", archive = archive.display())]
    Sqlite {
        /// What was being done.
        doing: &'static str,
        /// The archive's file.
        archive: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// What is at the archive's path cannot be added to.
    #[error("cannot add to {archive}: {source}; move it away or write to another file", archive = archive.display())]
    Damaged {
        /// The archive's file.
        archive: PathBuf,
        /// What is wrong with it.
        source: PmtilesError,
    },
    /// Another process is writing to the archive.
    #[error("{archive} is being written to by another process; wait for it, or write to another file", archive = archive.display())]
    InUse {
        /// The archive's file.
        archive: PathBuf,
    },
    /// The archive's tiles are views of other tables.
    #[error("{archive} is an MBTiles of the normalised kind, which tiles cannot be added to; write to another file", archive = archive.display())]
    View {
        /// The archive's file.
        archive: PathBuf,
    },
    /// The archive's tiles are compressed in another way than new ones would be.
    #[error("the tiles in {archive} have compression number {number}, not the one that new ones would have; write to another file", archive = archive.display())]
    Compression {
        /// The archive's file.
        archive: PathBuf,
        /// The number in its header.
        number: u8,
    },
    /// A tile without a byte.
    #[error("a tile of zoom {zoom} has no bytes; leave empty tiles out")]
    NoBytes {
        /// Its zoom.
        zoom: u8,
    },
    /// A tile of another format than those of the archive.
    #[error("a tile of zoom {zoom} is {found}, and those in the archive are {expected}; write it to another archive",
        found = found.extension(), expected = expected.extension())]
    Format {
        /// Its zoom.
        zoom: u8,
        /// What the archive says, or its first tile is.
        expected: TileFormat,
        /// What the tile is.
        found: TileFormat,
    },
    /// Not a file name's extension.
    #[error(
        "`{0}` is not an extension for tiles; write one to five letters and digits without the dot, for example pbf"
    )]
    Extension(String),
}

impl SinkError {
    /// An error of the file system about an archive, with what can be remedied told apart.
    fn io(doing: &'static str, archive: &Path, source: io::Error) -> Self {
        let archive = archive.to_owned();
        if files::is_full(&source) {
            Self::Full { archive }
        } else if files::is_out_of_descriptors(&source) {
            Self::Descriptors { doing, archive }
        } else {
            Self::Io { doing, archive, source }
        }
    }

    /// An error unless a tile of that format can stand beside those that are there.
    fn unless_fits(archive: Option<TileFormat>, found: TileFormat, tile: TileId) -> Result<(), Self> {
        match archive {
            Some(expected) if !expected.takes(found) => Err(Self::Format { zoom: tile.z(), expected, found }),
            Some(_) | None => Ok(()),
        }
    }

    fn damaged(archive: &Path, source: PmtilesError) -> Self {
        Self::Damaged { archive: archive.to_owned(), source }
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0 {
            Kind::Directory(_) => "Directory",
            Kind::Mbtiles(_) => "Mbtiles",
            Kind::Pmtiles(_) => "Pmtiles",
        };
        f.debug_tuple("Sink").field(&kind).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn what_can_be_remedied_is_told_apart_with_its_remedy() {
        let said = |code| SinkError::io("write to", Path::new("a"), io::Error::from_raw_os_error(code)).to_string();
        for (code, remedy) in [(28, "make room"), (24, "`ulimit -n`"), (23, "`ulimit -n`")] {
            let said = said(code);
            assert!(said.contains(remedy) && said.contains("run the same command again"), "{code}: {said}");
        }
        assert!(said(5).starts_with("cannot write to a: "), "{}", said(5));
    }
}
