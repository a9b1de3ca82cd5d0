//! An MBTiles 1.3 archive.
//!
//! SQLite's write-ahead log makes every tile a transaction of its own at the price of a write to the page cache, so a
//! tile that was put survives `kill -9`; with [`Durability::PowerCut`] it also waits for the disk. While a run is at
//! work, or after one was killed, the newest tiles are in `NAME.mbtiles-wal` beside the archive. Finishing folds them in
//! and leaves one file that any tool can read.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, params};
use serde_json::json;

use super::SinkError;
use crate::TileId;
use crate::files::{self, Durability};
use crate::format::TileFormat;
use crate::mbtiles::{self, Access, extent, metadata_row, set_metadata_row, tms_row};
use crate::metadata::Metadata;

/// Writes tiles into an archive.
pub(super) struct MbtilesSink {
    path: PathBuf,
    metadata: Metadata,
    db: Connection,
    format: Option<TileFormat>,
}

/// What is in the archive, seen by a connection of its own.
pub(super) struct HeldMbtiles {
    path: PathBuf,
    db: Connection,
}

impl MbtilesSink {
    pub(super) fn open(
        path: &Path,
        metadata: Metadata,
        durability: Durability,
    ) -> Result<(Self, HeldMbtiles), SinkError> {
        if let Some(folder) = path.parent() {
            files::create_folders(folder).map_err(|error| SinkError::io("create the folder of", path, error))?;
        }
        match files::create_new(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(SinkError::io("create", path, error));
            }
            _ => {}
        }
        let failed = |error| sqlite_error("open", path, error);
        let db = mbtiles::connect(path, Access::Write).map_err(failed)?;
        if mbtiles::is_normalised(&db).map_err(failed)? {
            return Err(SinkError::View { archive: path.to_owned() });
        }
        mbtiles::create_tables(&db, durability).map_err(failed)?;
        let format = format_of(&db).map_err(failed)?;
        let held = HeldMbtiles { path: path.to_owned(), db: mbtiles::connect(path, Access::Read).map_err(failed)? };
        let sink = Self { path: path.to_owned(), metadata, db, format };
        sink.write_texts().map_err(failed)?;
        Ok((sink, held))
    }

    pub(super) fn put(&mut self, tile: TileId, bytes: &[u8]) -> Result<(), SinkError> {
        let format = TileFormat::of(bytes);
        SinkError::unless_fits(self.format, format, tile)?;
        self.try_put(tile, format, bytes).map_err(|error| sqlite_error("write a tile to", &self.path, error))
    }

    fn try_put(&mut self, tile: TileId, format: TileFormat, bytes: &[u8]) -> rusqlite::Result<()> {
        if self.format.is_some() {
            return insert(&self.db, tile, &format.pack(bytes));
        }
        // The first tile says what the archive holds: both, or neither where there is no room for one of them.
        let transaction = self.db.unchecked_transaction()?;
        insert(&transaction, tile, &format.pack(bytes))?;
        set_metadata_row(&transaction, "format", format.mbtiles_name())?;
        transaction.commit()?;
        self.format = Some(format);
        Ok(())
    }

    pub(super) fn finish(self) -> Result<(), SinkError> {
        self.try_finish().map_err(|error| sqlite_error("finish", &self.path, error))
    }

    fn try_finish(&self) -> rusqlite::Result<()> {
        let transaction = self.db.unchecked_transaction()?;
        if let Some(extent) = extent(&self.db)? {
            let bounds = extent.bounds_or(self.metadata.bounds);
            let [west, south, east, north] = bounds;
            let center = format!("{},{},{}", west.midpoint(east), south.midpoint(north), extent.zoom_center());
            set_metadata_row(&self.db, "minzoom", &extent.zoom_min.to_string())?;
            set_metadata_row(&self.db, "maxzoom", &extent.zoom_max.to_string())?;
            set_metadata_row(&self.db, "bounds", &bounds.map(|degrees| degrees.to_string()).join(","))?;
            set_metadata_row(&self.db, "center", &center)?;
        }
        if self.format == Some(TileFormat::Mvt)
            && metadata_row(&self.db, "json")?.is_none()
            && let Some(layers) = mbtiles::layers(&self.db)?.to_json()
        {
            set_metadata_row(&self.db, "json", &json!({ "vector_layers": layers }).to_string())?;
        }
        transaction.commit()?;
        mbtiles::fold_log(&self.db)
    }

    /// Writes what the caller said about the tiles, over what was there; at least a name and, where there are tiles, their
    /// format, which are required.
    fn write_texts(&self) -> rusqlite::Result<()> {
        let transaction = self.db.unchecked_transaction()?;
        for (key, text) in self.metadata.texts() {
            set_metadata_row(&self.db, key, text)?;
        }
        if metadata_row(&self.db, "name")?.is_none() {
            let stem = self.path.file_stem().unwrap_or_default();
            set_metadata_row(&self.db, "name", &stem.to_string_lossy())?;
        }
        if let Some(format) = self.format
            && metadata_row(&self.db, "format")?.is_none()
        {
            set_metadata_row(&self.db, "format", format.mbtiles_name())?;
        }
        if let Some(layers) = &self.metadata.vector_layers {
            set_metadata_row(&self.db, "json", &json!({ "vector_layers": layers }).to_string())?;
        }
        transaction.commit()
    }
}

impl HeldMbtiles {
    pub(super) fn has(&self, tile: TileId) -> Result<bool, SinkError> {
        mbtiles::has(&self.db, tile).map_err(|error| sqlite_error("look for a tile in", &self.path, error))
    }

    pub(super) fn read(&self, tile: TileId) -> Result<Option<Vec<u8>>, SinkError> {
        mbtiles::read(&self.db, tile).map_err(|error| sqlite_error("read a tile of", &self.path, error))
    }
}

/// What the archive says that its tiles are, or what they are where it says nothing.
fn format_of(db: &Connection) -> rusqlite::Result<Option<TileFormat>> {
    Ok(match metadata_row(db, "format")? {
        Some(name) => Some(TileFormat::from_mbtiles_name(&name)),
        None => mbtiles::some_tile(db)?.map(|tile| TileFormat::of(&tile)),
    })
}

/// Puts a tile in, in place of whatever it was before: the index is found by its columns.
fn insert(db: &Connection, tile: TileId, packed: &[u8]) -> rusqlite::Result<()> {
    let mut insert = db.prepare_cached(
        "INSERT OR REPLACE INTO tiles (zoom_level, tile_column, tile_row, tile_data) VALUES (?1, ?2, ?3, ?4)",
    )?;
    insert.execute(params![tile.z(), tile.x(), tms_row(tile), packed])?;
    Ok(())
}

/// An error of SQLite about an archive, with a full disk told apart.
fn sqlite_error(doing: &'static str, archive: &Path, source: rusqlite::Error) -> SinkError {
    let archive = archive.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => SinkError::Full { archive },
        _ => SinkError::Sqlite { doing, archive, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path) -> (MbtilesSink, HeldMbtiles) {
        MbtilesSink::open(path, Metadata::default(), Durability::Process).unwrap()
    }

    /// A tile of three pages.
    fn bytes(number: u32) -> Vec<u8> {
        [b"\x89PNG\r\n\x1a\n", &number.to_be_bytes()[..], &[b'.'; 12_000]].concat()
    }

    #[test]
    fn on_a_full_disk_what_was_put_is_there_and_what_was_refused_is_not() {
        let tile = |number| TileId::new(6, number % 64, number / 64).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for pages in 5..40_u32 {
            let path = folder.path().join(format!("{pages}.mbtiles"));
            let (mut sink, held) = open(&path);
            sink.db.pragma_update(None, "max_page_count", pages).unwrap();
            let put = (0..64).take_while(|number| sink.put(tile(*number), &bytes(*number)).is_ok()).count() as u32;
            let refused = sink.put(tile(put), &bytes(put)).unwrap_err();
            assert!(matches!(refused, SinkError::Full { .. }), "{refused}");
            drop(sink);
            for number in 0..64 {
                assert_eq!(held.has(tile(number)).unwrap(), number < put, "tile {number} of {put} in {pages} pages");
            }
            drop(held);
            // With room again the rest goes in.
            let (mut sink, held) = open(&path);
            for number in put..64 {
                sink.put(tile(number), &bytes(number)).unwrap();
            }
            for number in 0..64 {
                assert_eq!(held.read(tile(number)).unwrap(), Some(bytes(number)));
            }
        }
    }

    #[test]
    fn an_archive_that_does_not_say_what_its_tiles_are_is_asked_for_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mbtiles");
        let tile = |x| TileId::new(1, x, 0).unwrap();
        let (mut sink, _held) = open(&path);
        sink.put(tile(0), &bytes(0)).unwrap();
        sink.db.execute("DELETE FROM metadata WHERE name = 'format'", []).unwrap();
        drop(sink);
        let (mut sink, _held) = open(&path);
        let refused = sink.put(tile(1), b"\xff\xd8\xff").unwrap_err();
        assert!(matches!(refused, SinkError::Format { .. }), "{refused}");
        assert_eq!(metadata_row(&sink.db, "format").unwrap().as_deref(), Some("png"));
    }
}
