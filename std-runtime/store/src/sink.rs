//! Where tiles go.
//!
//! One promise holds for every kind of sink: **a tile whose `put` returned `Ok` is there, whole, whenever the process
//! ends.** What a `kill -9` interrupts is there as it was before, or not at all. So a run that goes on where another one
//! stopped asks the sink what it has, and fetches the rest.
//!
//! Sinks block: give one a thread of its own behind a bounded channel.

mod directory;

use std::io;
use std::path::{Path, PathBuf};

pub use directory::DirectorySink;

use crate::files;

/// Why a sink could not do what it was asked to.
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
    /// A tile without a byte. A place without a tile is no tile: leave it out.
    #[error("a tile of zoom {zoom} has no bytes; leave empty tiles out")]
    NoBytes {
        /// Its zoom.
        zoom: u8,
    },
    /// Not a file name's extension.
    #[error(
        "`{0}` is not an extension for tiles; write one to five letters and digits without the dot, for example pbf"
    )]
    Extension(String),
}

impl SinkError {
    /// An error of the file system about an archive, with a full disk told apart.
    fn io(doing: &'static str, archive: &Path, source: io::Error) -> Self {
        let archive = archive.to_owned();
        if files::is_full(&source) { Self::Full { archive } } else { Self::Io { doing, archive, source } }
    }
}
