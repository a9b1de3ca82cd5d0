//! What lies among the tiles of an archive and is none.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;

/// Something among the tiles that is none.
///
/// Its text says where to look for it in the archive, and not which place its address stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stray {
    /// A row of an MBTiles archive with an address outside the world.
    Row {
        /// Which row of `SELECT * FROM tiles`, counted from 1.
        number: u64,
        /// Its `zoom_level`, `tile_column` and `tile_row`.
        address: [i64; 3],
    },
    /// An entry of a PMTiles archive with an id beyond the deepest zoom.
    Entry {
        /// The id.
        id: u64,
    },
    /// A file in a tree with another name than those of tiles.
    File {
        /// Below the root of the tree.
        path: PathBuf,
    },
}

impl Stray {
    /// The same with all that is known of it.
    pub(super) fn write_located(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Row { number, address: [zoom, column, row] } => write!(
                f,
                "row {number} of `tiles` is no tile: zoom_level {zoom}, tile_column {column}, tile_row {row} is outside the world"
            ),
            Self::Entry { .. } => fmt::Display::fmt(self, f),
            Self::File { path } => write!(f, "the file {} is no tile", path.display()),
        }
    }
}

impl fmt::Display for Stray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Row { number, .. } => {
                write!(f, "row {number} of `tiles` is no tile: its address is outside the world")
            }
            Self::Entry { id } => write!(f, "the entry with id {id} is no tile: it is beyond the deepest zoom"),
            Self::File { path } => {
                let name = path.file_name().map(OsStr::to_string_lossy).unwrap_or_default();
                let folders = path.components().count().saturating_sub(1);
                write!(f, "the file {}{name} is no tile", "…/".repeat(folders))
            }
        }
    }
}
