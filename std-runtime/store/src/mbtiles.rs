//! MBTiles 1.3, as far as it is a format: its tables, and the statements that read them.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Row, params};

use crate::TileId;
use crate::extent::Extent;
use crate::files::Durability;
use crate::layers::Layers;

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// `MPBX`, which the specification asks for so that `file` can tell what it is.
const APPLICATION_ID: i32 = 0x4d50_4258;
/// How long to wait for another process that is writing to the same archive.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// SQLite's cache of pages for each connection: enough for the inner pages of an index of a hundred million tiles.
const CACHE_KIB: i32 = 512;

pub(crate) fn connect(path: &Path, access: Access) -> rusqlite::Result<Connection> {
    let flags = match access {
        Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    // A connection is used by one thread at a time: no need for SQLite's own mutex.
    let db = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.pragma_update(None, "cache_size", -CACHE_KIB)?;
    Ok(db)
}

/// Creates what a new archive lacks, and makes every later write a transaction of its own in a write-ahead log.
pub(crate) fn create_tables(db: &Connection, durability: Durability) -> rusqlite::Result<()> {
    db.pragma_update(None, "journal_mode", "WAL")?;
    let synchronous = match durability {
        Durability::Process => "NORMAL",
        Durability::PowerCut => "FULL",
    };
    db.pragma_update(None, "synchronous", synchronous)?;
    db.pragma_update(None, "application_id", APPLICATION_ID)?;
    db.execute_batch(
        "BEGIN IMMEDIATE;
         CREATE TABLE IF NOT EXISTS metadata (name text, value text);
         CREATE TABLE IF NOT EXISTS tiles
             (zoom_level integer, tile_column integer, tile_row integer, tile_data blob);
         CREATE UNIQUE INDEX IF NOT EXISTS tile_index ON tiles (zoom_level, tile_column, tile_row);
         COMMIT;",
    )
}

/// Moves what is in the write-ahead log into the archive and, unless another connection is open, ends the logging, so
/// that the archive is one file again.
pub(crate) fn fold_log(db: &Connection) -> rusqlite::Result<()> {
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    match db.pragma_update(None, "journal_mode", "DELETE") {
        Err(error) if error.sqlite_error_code() != Some(ErrorCode::DatabaseBusy) => Err(error),
        _ => Ok(()),
    }
}

/// Whether `tiles` is a view of other tables, in which a tile cannot simply be put.
pub(crate) fn is_normalised(db: &Connection) -> rusqlite::Result<bool> {
    let kind = db.query_row("SELECT type FROM sqlite_master WHERE name = 'tiles'", [], |row| row.get::<_, String>(0));
    Ok(kind.optional()?.is_some_and(|kind| kind == "view"))
}

/// The row of a tile in the archive: MBTiles count from the south, as TMS does.
pub(crate) fn tms_row(tile: TileId) -> u32 {
    (1 << tile.z()) - 1 - tile.y()
}

/// The address in a row of `zoom_level, tile_column, tile_row`.
pub(crate) fn address_of(row: &Row<'_>) -> rusqlite::Result<[i64; 3]> {
    Ok([row.get(0)?, row.get(1)?, row.get(2)?])
}

/// The tile with such an address; `None` where there is none.
pub(crate) fn tile_at([zoom, column, from_south]: [i64; 3]) -> Option<TileId> {
    let Ok(z @ 0..=TileId::ZOOM_MAX) = u8::try_from(zoom) else { return None };
    let (x, y) = (u32::try_from(column), u32::try_from((1_i64 << z) - 1 - from_south.max(-1)));
    x.ok().zip(y.ok()).and_then(|(x, y)| TileId::new(z, x, y).ok())
}

pub(crate) fn has(db: &Connection, tile: TileId) -> rusqlite::Result<bool> {
    let mut select = db.prepare_cached(
        "SELECT 1 FROM tiles WHERE zoom_level = ?1 AND tile_column = ?2 AND tile_row = ?3 AND length(tile_data) > 0",
    )?;
    select.exists(params![tile.z(), tile.x(), tms_row(tile)])
}

pub(crate) fn read(db: &Connection, tile: TileId) -> rusqlite::Result<Option<Vec<u8>>> {
    let mut select =
        db.prepare_cached("SELECT tile_data FROM tiles WHERE zoom_level = ?1 AND tile_column = ?2 AND tile_row = ?3")?;
    select.query_row(params![tile.z(), tile.x(), tms_row(tile)], |row| row.get(0)).optional()
}

/// One of the tiles, where there are any.
pub(crate) fn some_tile(db: &Connection) -> rusqlite::Result<Option<Vec<u8>>> {
    db.query_row(
        "SELECT tile_data FROM tiles WHERE typeof(tile_data) = 'blob' AND tile_data != x'' LIMIT 1",
        [],
        |row| row.get(0),
    )
    .optional()
}

pub(crate) fn metadata_row(db: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    // A row without a value says as little as no row.
    let value =
        db.query_row("SELECT value FROM metadata WHERE name = ?1", [key], |row| row.get::<_, Option<String>>(0));
    value.optional().map(Option::flatten)
}

pub(crate) fn set_metadata_row(db: &Connection, key: &str, value: &str) -> rusqlite::Result<()> {
    // The table has no key of its own, so replacing is removing and adding.
    db.execute("DELETE FROM metadata WHERE name = ?1", [key])?;
    db.execute("INSERT INTO metadata (name, value) VALUES (?1, ?2)", [key, value])?;
    Ok(())
}

/// Which layers the archive's vector tiles have. Reads all of them.
pub(crate) fn layers(db: &Connection) -> rusqlite::Result<Layers> {
    let mut layers = Layers::default();
    let mut select = db.prepare("SELECT zoom_level, tile_data FROM tiles")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        if let (Ok(zoom), Ok(Some(tile))) = (row.get(0), row.get_ref(1)?.as_blob_or_null()) {
            layers.add(zoom, tile);
        }
    }
    Ok(layers)
}

/// What the tiles cover; `None` where there are none.
pub(crate) fn extent(db: &Connection) -> rusqlite::Result<Option<Extent>> {
    let zooms = db.query_row("SELECT min(zoom_level), max(zoom_level) FROM tiles", [], |row| {
        Ok(row.get::<_, Option<u8>>(0)?.zip(row.get(1)?))
    })?;
    let Some((zoom_min, zoom_max @ 0..=TileId::ZOOM_MAX)) = zooms else { return Ok(None) };
    let last = (1_u32 << zoom_max) - 1;
    db.query_row(
        "SELECT min(tile_column), max(tile_column), min(tile_row), max(tile_row) FROM tiles WHERE zoom_level = ?1",
        [zoom_max],
        |row| {
            let clamped = |column| row.get(column).map(|index: i64| index.clamp(0, last.into()) as u32);
            let rows = (last - clamped(3)?, last - clamped(2)?);
            Ok(Some(Extent { zoom_min, zoom_max, columns: (clamped(0)?, clamped(1)?), rows }))
        },
    )
}
