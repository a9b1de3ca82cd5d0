//! Reading archives: a tree of files, MBTiles or PMTiles, whoever made them.
//!
//! ```no_run
//! # use tidegate_store::archive::{Archive, ArchiveError};
//! # use std::path::Path;
//! let mut archive = Archive::open(Path::new("world.mbtiles"))?;
//! let mut bytes = 0;
//! archive.visit(|_, tile| {
//!     bytes += tile.len();
//!     Ok::<(), ArchiveError>(())
//! })?;
//! # Ok::<(), ArchiveError>(())
//! ```

mod directory;
mod mbtiles;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use directory::Directory;
pub(crate) use directory::{Kind as DirectoryEntry, visit_files};
pub(crate) use mbtiles::Mbtiles;

use crate::TileId;
use crate::metadata::Metadata;
use crate::pmtiles::{HeaderError, PmtilesError, Reader};
use crate::sink::Format;

/// An archive that is only read.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Directory(Directory),
    Mbtiles(Mbtiles),
    Pmtiles(Reader),
}

/// Why an archive could not be read. None of them says where a tile is.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file system refused something.
    #[error("cannot read {archive}: {source}", archive = archive.display())]
    Io {
        /// The archive's file or folder.
        archive: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// SQLite refused something.
    #[error("cannot read {archive} as MBTiles: {source}", archive = archive.display())]
    Sqlite {
        /// The archive's file.
        archive: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// It is a damaged PMTiles archive.
    #[error("cannot read {archive} as PMTiles: {source}", archive = archive.display())]
    Pmtiles {
        /// The archive's file.
        archive: PathBuf,
        /// What is wrong with it.
        source: PmtilesError,
    },
    /// It is no archive at all.
    #[error("{archive} is neither a folder of tiles nor MBTiles nor PMTiles", archive = archive.display())]
    Unknown {
        /// The file.
        archive: PathBuf,
    },
}

impl ArchiveError {
    /// Whether the archive itself is at fault: it is damaged, or was not copied completely. Otherwise it is not there, is no
    /// archive that can be read here, or this machine is in the way.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Io { .. } | Self::Unknown { .. } => false,
            Self::Sqlite { source, .. } => is_sqlite_damage(source),
            Self::Pmtiles { source: PmtilesError::Io(error), .. } => {
                use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
                // What unpacking says of bytes that are no gzip, and reading where a file ends early.
                matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof)
            }
            Self::Pmtiles { source: PmtilesError::Header(HeaderError::Version(_)), .. } => false,
            Self::Pmtiles { .. } => true,
        }
    }
}

impl Archive {
    /// Opens the archive at `path`, told by its first bytes and not by its name.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        let io_failed = |source| ArchiveError::Io { archive: path.to_owned(), source };
        let kind = if fs::metadata(path).map_err(io_failed)?.is_dir() {
            Kind::Directory(Directory::open(path).map_err(io_failed)?)
        } else {
            match first_bytes(path).map_err(io_failed)? {
                bytes if bytes.starts_with(b"SQLite format 3\0") => {
                    Kind::Mbtiles(Mbtiles::open(path).map_err(|source| sqlite_failed(path, source))?)
                }
                bytes if bytes.starts_with(b"PMTiles") => {
                    Kind::Pmtiles(Reader::open(path).map_err(|source| pmtiles_failed(path, source))?)
                }
                _ => return Err(ArchiveError::Unknown { archive: path.to_owned() }),
            }
        };
        Ok(Self { path: path.to_owned(), kind })
    }

    /// What kind of archive it is.
    pub fn format(&self) -> Format {
        match &self.kind {
            Kind::Directory(directory) => Format::Directory { extension: directory.extension().to_owned() },
            Kind::Mbtiles(_) => Format::Mbtiles,
            Kind::Pmtiles(_) => Format::Pmtiles,
        }
    }

    /// What it says about itself. A tree of files says nothing.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn metadata(&mut self) -> Result<Metadata, ArchiveError> {
        match &mut self.kind {
            Kind::Directory(_) => Ok(Metadata::default()),
            Kind::Mbtiles(db) => db.metadata().map_err(|source| sqlite_failed(&self.path, source)),
            Kind::Pmtiles(reader) => reader.metadata().map_err(|source| pmtiles_failed(&self.path, source)),
        }
    }

    /// The tile with that address, as it is stored.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn get(&mut self, id: TileId) -> Result<Option<Vec<u8>>, ArchiveError> {
        match &mut self.kind {
            Kind::Directory(directory) => {
                directory.get(id).map_err(|source| ArchiveError::Io { archive: self.path.clone(), source })
            }
            Kind::Mbtiles(db) => db.get(id).map_err(|source| sqlite_failed(&self.path, source)),
            Kind::Pmtiles(reader) => read_pmtiles(reader, id).map_err(|source| pmtiles_failed(&self.path, source)),
        }
    }

    /// Calls `each` with every tile and its bytes, in the order in which the archive has them, until it fails. What an
    /// archive holds beside tiles is passed by.
    ///
    /// # Errors
    /// When the archive cannot be read, or what `each` fails with.
    pub fn visit<E: From<ArchiveError>>(
        &mut self,
        mut each: impl FnMut(TileId, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let path = &self.path;
        match &mut self.kind {
            Kind::Directory(directory) => directory.visit(path, each),
            Kind::Mbtiles(db) => db.visit(path, |id, tile| id.map_or(Ok(()), |id| each(id, tile))),
            Kind::Pmtiles(reader) => {
                let failed = |source| ArchiveError::Pmtiles { archive: path.clone(), source };
                let mut tile = Vec::new();
                let visited = reader.visit(|reader, entry| {
                    reader.read(&entry, &mut tile)?;
                    for id in entry.id..entry.id + u64::from(entry.run) {
                        // Beyond the deepest zoom there are ids, but no tiles.
                        if let Ok(id) = TileId::from_hilbert_id(id) {
                            each(id, &tile).map_err(Stop::Each)?;
                        }
                    }
                    Ok(())
                });
                visited.map_err(|stop| match stop {
                    Stop::Each(error) => error,
                    Stop::Archive(source) => failed(source).into(),
                })
            }
        }
    }
}

/// Why visiting a PMTiles archive ended.
enum Stop<E> {
    Archive(PmtilesError),
    Each(E),
}

impl<E> From<PmtilesError> for Stop<E> {
    fn from(source: PmtilesError) -> Self {
        Self::Archive(source)
    }
}

fn read_pmtiles(reader: &mut Reader, id: TileId) -> Result<Option<Vec<u8>>, PmtilesError> {
    let Some(entry) = reader.find(id.hilbert_id())? else { return Ok(None) };
    let mut tile = Vec::new();
    reader.read(&entry, &mut tile)?;
    Ok(Some(tile))
}

fn first_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(16).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether SQLite was told nonsense by the file; the other codes are about the system, or about whoever else has it open.
fn is_sqlite_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode as Code;
    match error.sqlite_error() {
        Some(error) if error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHORT_READ => true,
        Some(error) => !matches!(
            error.code,
            Code::CannotOpen
                | Code::PermissionDenied
                | Code::AuthorizationForStatementDenied
                | Code::SystemIoFailure
                | Code::DatabaseBusy
                | Code::DatabaseLocked
                | Code::OutOfMemory
                | Code::DiskFull
                | Code::ReadOnly
                | Code::OperationInterrupted
                | Code::NoLargeFileSupport
        ),
        // A table or a column that is missing, a value of another type.
        None => true,
    }
}

pub(crate) fn sqlite_failed(archive: &Path, source: rusqlite::Error) -> ArchiveError {
    ArchiveError::Sqlite { archive: archive.to_owned(), source }
}

fn pmtiles_failed(archive: &Path, source: PmtilesError) -> ArchiveError {
    ArchiveError::Pmtiles { archive: archive.to_owned(), source }
}
