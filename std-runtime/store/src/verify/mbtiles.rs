//! Checking MBTiles.

use std::path::Path;

use rusqlite::Connection;

use super::{Finding, Tally};
use crate::archive::{ArchiveError, Mbtiles, sqlite_failed};
use crate::format::TileFormat;
use crate::mbtiles::{self, Access, metadata_row};

pub(super) fn verify(path: &Path, tally: &mut Tally<'_>) -> Result<(), ArchiveError> {
    let failed = |source| sqlite_failed(path, source);
    let db = mbtiles::connect(path, Access::Read).map_err(failed)?;
    structure(&db, tally).map_err(failed)?;
    let format = metadata_row(&db, "format").map_err(failed)?;
    tally.format = format.map_or(TileFormat::Other, |name| TileFormat::from_mbtiles_name(&name));
    Mbtiles::open(path).map_err(failed)?.visit::<ArchiveError>(path, |id, tile| {
        match id {
            Ok(id) => {
                tally.add(id, tile);
                tally.check(id, tile);
            }
            Err(stray) => tally.found(Finding::Stray(stray)),
        }
        Ok(())
    })?;
    metadata(&db, tally).map_err(failed)
}

/// The pages of the database, and that no tile is there twice.
fn structure(db: &Connection, tally: &mut Tally<'_>) -> rusqlite::Result<()> {
    let sound: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if sound != "ok" {
        tally.found(Finding::Wrong("the structure of the database"));
    }
    let mut twice =
        db.prepare("SELECT zoom_level, tile_column, tile_row FROM tiles GROUP BY 1, 2, 3 HAVING count(*) > 1")?;
    let mut rows = twice.query([])?;
    while let Some(row) = rows.next()? {
        // What has an address outside the world is found row by row.
        if let Some(id) = mbtiles::tile_at(mbtiles::address_of(row)?) {
            tally.found(Finding::Duplicate(id));
        }
    }
    Ok(())
}

fn metadata(db: &Connection, tally: &mut Tally<'_>) -> rusqlite::Result<()> {
    for (key, missing) in [("name", "the metadata row `name`"), ("format", "the metadata row `format`")] {
        if metadata_row(db, key)?.is_none() {
            tally.found(Finding::Missing(missing));
        }
    }
    let format = metadata_row(db, "format")?;
    if format.is_some_and(|name| TileFormat::from_mbtiles_name(&name) == TileFormat::Mvt)
        && metadata_row(db, "json")?.is_none()
    {
        tally.found(Finding::Missing("the metadata row `json` with the vector layers"));
    }
    let zoom = |key| metadata_row(db, key).map(|text| text.and_then(|text| text.parse().ok()));
    if let (Some(extent), Some(least), Some(most)) = (tally.extent, zoom("minzoom")?, zoom("maxzoom")?) {
        tally.expect("the range of zooms", (least, most), (extent.zoom_min, extent.zoom_max));
    }
    Ok(())
}
