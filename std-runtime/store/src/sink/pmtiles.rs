//! A PMTiles archive.
//!
//! Tiles are appended to a log beside the archive, `NAME.pmtiles.log`. Finishing builds the archive from the log and,
//! where there was one already, from the old archive; writes it as `NAME.pmtiles.new`; renames that; and only then
//! removes the log. So at every moment either the log has the tiles or the archive has.

mod build;
mod log;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use build::{Blobs, Builder};
use log::{Blob, Log, Record};
use twox_hash::XxHash3_64;

use super::SinkError;
use crate::TileId;
use crate::extsort::{Sorted, Sorter};
use crate::files::{self, Durability};
use crate::format::TileFormat;
use crate::metadata::Metadata;
use crate::pmtiles::{COMPRESSION_GZIP, COMPRESSION_NONE, Entry, PmtilesError, Reader};

/// Writes tiles to a log and, in the end, the archive.
pub(super) struct PmtilesSink {
    path: PathBuf,
    metadata: Metadata,
    log: Log,
    /// What the archive's tiles are: what it says, or else the first in the log.
    format: Option<TileFormat>,
}

/// The tiles that were there when the sink was opened.
pub(super) struct HeldPmtiles {
    path: PathBuf,
    /// Ids of tiles in the log.
    logged: Sorted<8>,
    archive: Option<Reader>,
}

impl PmtilesSink {
    pub(super) fn open(
        path: &Path,
        metadata: Metadata,
        durability: Durability,
    ) -> Result<(Self, HeldPmtiles), SinkError> {
        let failed = |error| SinkError::io("open the log of", path, error);
        let folder = folder_of(path);
        files::create_folders(folder).map_err(failed)?;
        let archive = open_archive(path)?;
        let mut ids = Sorter::new(folder);
        let mut first = None;
        let log = Log::open(&log_of(path), durability, |record| {
            first.get_or_insert(record.blob);
            ids.push(record.id.to_be_bytes())
        });
        let mut log = log.map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => SinkError::InUse { archive: path.to_owned() },
            _ => failed(error),
        })?;
        let format = match &archive {
            Some(archive) => Some(archive.header().format),
            None => first.map(|first| format_of(&mut log, &first)).transpose().map_err(failed)?,
        };
        let logged = ids.finish().map_err(failed)?;
        let held = HeldPmtiles { path: path.to_owned(), logged, archive };
        Ok((Self { path: path.to_owned(), metadata, log, format }, held))
    }

    pub(super) fn put(&mut self, tile: TileId, bytes: &[u8]) -> Result<(), SinkError> {
        let format = TileFormat::of(bytes);
        SinkError::unless_fits(self.format, format, tile)?;
        let appended = self.log.append(tile.hilbert_id(), &format.pack(bytes));
        appended.map_err(|error| SinkError::io("write a tile to", &self.path, error))?;
        self.format.get_or_insert(format);
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<(), SinkError> {
        if !self.log.is_empty() {
            self.build()?;
        }
        fs::remove_file(log_of(&self.path)).map_err(|error| SinkError::io("remove the log of", &self.path, error))
    }

    fn build(&mut self) -> Result<(), SinkError> {
        let path = self.path.clone();
        let failed = |error| SinkError::io("build", &path, error);
        let mut archive = open_archive(&path)?;
        let mut builder = Builder::new(folder_of(&path));
        let mut metadata = self.metadata.clone();
        if let Some(archive) = &mut archive {
            metadata = metadata.or(archive.metadata().map_err(|problem| SinkError::damaged(&path, problem))?);
            archive.visit(|archive, entry| add_run(archive, entry, &mut builder)).map_err(|problem| match problem {
                PmtilesError::Io(error) => failed(error),
                problem => SinkError::damaged(&path, problem),
            })?;
        }
        let name = || path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        metadata.name = metadata.name.or_else(name);
        self.log.records(|record| builder.add(record)).map_err(failed)?;
        let Some(format) = self.format else { return Ok(()) };
        let new = beside(&path, ".new");
        let written = self.write(builder, archive, format, &metadata, &new);
        if written.is_err() {
            // Gives the space back to whoever may need it to go on.
            let _ = fs::remove_file(&new);
        }
        written.map_err(failed)
    }

    fn write(
        &mut self,
        builder: Builder,
        archive: Option<Reader>,
        format: TileFormat,
        metadata: &Metadata,
        new: &Path,
    ) -> io::Result<()> {
        match fs::remove_file(new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file: File = files::create_new(new)?;
        builder.write(&mut Sources { log: &mut self.log, archive }, format, metadata, &mut file)?;
        // The log is about to go: from here on the archive has to survive a power cut by itself.
        file.sync_all()?;
        fs::rename(new, &self.path)?;
        files::sync_folder(folder_of(&self.path))
    }
}

impl HeldPmtiles {
    pub(super) fn has(&mut self, tile: TileId) -> Result<bool, SinkError> {
        Ok(self.is_logged(tile)? || self.find(tile)?.is_some())
    }

    /// What is in the log has a hash, which opening it has checked; the archive may come from anywhere.
    pub(super) fn has_sound(&mut self, tile: TileId, check: impl FnOnce(&[u8]) -> bool) -> Result<bool, SinkError> {
        if self.is_logged(tile)? {
            return Ok(true);
        }
        let (Some(entry), Some(archive)) = (self.find(tile)?, &mut self.archive) else { return Ok(false) };
        let mut bytes = Vec::new();
        archive.read(&entry, &mut bytes).map_err(|problem| SinkError::damaged(&self.path, problem))?;
        Ok(check(&bytes))
    }

    fn is_logged(&mut self, tile: TileId) -> Result<bool, SinkError> {
        let id = tile.hilbert_id().to_be_bytes();
        let found = self.logged.seek(&id).map_err(|error| SinkError::io("look for a tile in", &self.path, error))?;
        Ok(found == Some(id))
    }

    fn find(&mut self, tile: TileId) -> Result<Option<Entry>, SinkError> {
        let Some(archive) = &mut self.archive else { return Ok(None) };
        archive.find(tile.hilbert_id()).map_err(|problem| SinkError::damaged(&self.path, problem))
    }
}

/// The archive that is already there, if it is one whose tiles can stand beside new ones.
fn open_archive(path: &Path) -> Result<Option<Reader>, SinkError> {
    let reader = match Reader::open(path) {
        Err(PmtilesError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|problem| SinkError::damaged(path, problem))?,
    };
    let header = reader.header();
    let ours = if header.format == TileFormat::Mvt { COMPRESSION_GZIP } else { COMPRESSION_NONE };
    let unknown = header.format != TileFormat::Mvt && header.tile_compression == 0;
    if header.tile_compression != ours && !unknown {
        return Err(SinkError::Compression { archive: path.to_owned(), number: header.tile_compression });
    }
    Ok(Some(reader))
}

/// What a tile of the log is.
fn format_of(log: &mut Log, blob: &Blob) -> io::Result<TileFormat> {
    let mut tile = Vec::new();
    log.read(blob, &mut tile)?;
    Ok(TileFormat::of(&tile))
}

/// Marks the offset of a tile in the old archive.
const IN_ARCHIVE: u64 = 1 << 63;

/// Adds the tiles of one entry of the old archive. Their records are older than all of the log's.
fn add_run(archive: &mut Reader, entry: Entry, builder: &mut Builder) -> Result<(), PmtilesError> {
    let mut tile = Vec::new();
    archive.read(&entry, &mut tile)?;
    let blob = Blob { offset: entry.offset | IN_ARCHIVE, length: entry.length, hash: XxHash3_64::oneshot(&tile) };
    for id in entry.id..entry.id + u64::from(entry.run) {
        builder.add(Record { id, blob, at: 0 })?;
    }
    Ok(())
}

/// The log and the old archive.
struct Sources<'a> {
    log: &'a mut Log,
    archive: Option<Reader>,
}

impl Blobs for Sources<'_> {
    fn read(&mut self, blob: &Blob, out: &mut Vec<u8>) -> io::Result<()> {
        match &mut self.archive {
            Some(archive) if blob.offset & IN_ARCHIVE != 0 => {
                let entry = Entry { id: 0, offset: blob.offset & !IN_ARCHIVE, length: blob.length, run: 1 };
                archive.read(&entry, out).map_err(io::Error::other)
            }
            _ => self.log.read(blob, out),
        }
    }
}

/// The folder that the archive is in.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// The log of the archive at `path`.
pub(crate) fn log_of(path: &Path) -> PathBuf {
    beside(path, ".log")
}

/// The path with something added to the file's name.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
