//! Reading an MBTiles archive.

use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;

use super::ArchiveError;
use crate::TileId;
use crate::mbtiles::{self, Access, metadata_row};
use crate::metadata::Metadata;
use crate::verify::Stray;

#[derive(Debug)]
pub(crate) struct Mbtiles(Connection);

impl Mbtiles {
    pub(crate) fn open(path: &Path) -> rusqlite::Result<Self> {
        let db = mbtiles::connect(path, Access::Read)?;
        // Any database opens; one without these tables is no archive.
        db.prepare("SELECT zoom_level, tile_column, tile_row, tile_data FROM tiles")?;
        db.prepare("SELECT name, value FROM metadata")?;
        Ok(Self(db))
    }

    pub(super) fn metadata(&self) -> rusqlite::Result<Metadata> {
        let mut failure = None;
        let mut text = |key: &str| {
            metadata_row(&self.0, key).unwrap_or_else(|error| {
                failure = Some(error);
                None
            })
        };
        let bounds = text("bounds").and_then(|bounds| bounds.parse().ok());
        let json = text("json").and_then(|json| serde_json::from_str::<Value>(&json).ok());
        let vector_layers = json.and_then(|mut json| json.get_mut("vector_layers").map(Value::take));
        let metadata = Metadata { bounds, vector_layers, ..Metadata::from_texts(text) };
        failure.map_or(Ok(metadata), Err)
    }

    pub(super) fn get(&self, id: TileId) -> rusqlite::Result<Option<Vec<u8>>> {
        mbtiles::read(&self.0, id)
    }

    /// Calls `each` with every row: its tile, or what it is instead, and its bytes.
    pub(crate) fn visit<E: From<ArchiveError>>(
        &self,
        path: &Path,
        mut each: impl FnMut(Result<TileId, Stray>, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |source| super::sqlite_failed(path, source);
        let mut select =
            self.0.prepare("SELECT zoom_level, tile_column, tile_row, tile_data FROM tiles").map_err(failed)?;
        let mut rows = select.query([]).map_err(failed)?;
        let mut number = 0;
        while let Some(row) = rows.next().map_err(failed)? {
            number += 1;
            let address = mbtiles::address_of(row).map_err(failed)?;
            let id = mbtiles::tile_at(address).ok_or(Stray::Row { number, address });
            // A row without data counts as a tile without bytes.
            let tile = row.get_ref(3).map_err(failed)?;
            each(id, tile.as_blob_or_null().ok().flatten().unwrap_or_default())?;
        }
        Ok(())
    }
}
