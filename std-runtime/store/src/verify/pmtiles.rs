//! Checking PMTiles.

use std::path::Path;

use super::{Finding, Stray, Tally};
use crate::TileId;
use crate::format::TileFormat;
use crate::pmtiles::{COMPRESSION_GZIP, HEAD_BYTES_MAX, PmtilesError, Reader};
use crate::sink::pmtiles_log;

pub(super) fn verify(path: &Path, tally: &mut Tally<'_>) -> Result<(), PmtilesError> {
    if pmtiles_log(path).exists() {
        tally.found(Finding::Unfinished);
    }
    let mut reader = Reader::open(path)?;
    let header = *reader.header();
    tally.format = header.format;
    if header.root.offset + header.root.length > HEAD_BYTES_MAX as u64 {
        tally.found(Finding::Wrong("the place of the root directory, which must end within 16,384 bytes,"));
    }
    let metadata = reader.metadata()?;
    if header.format == TileFormat::Mvt && metadata.vector_layers.is_none() {
        tally.found(Finding::Missing("`vector_layers` in the metadata"));
    }
    if header.format == TileFormat::Mvt && header.tile_compression != COMPRESSION_GZIP {
        tally.found(Finding::Wrong("the compression of tiles, gzip for vector tiles,"));
    }
    let (mut entry_count, mut tile_count, mut data_end) = (0, 0, 0);
    let (mut next_id, mut clustered) = (0, true);
    let mut tile = Vec::new();
    reader.visit::<PmtilesError>(|reader, entry| {
        entry_count += 1;
        tile_count += u64::from(entry.run);
        if entry.id < next_id {
            tally.found(Finding::Wrong("the order of directories"));
        }
        next_id = entry.id.saturating_add(entry.run.into());
        // In order of first use, each copy begins where those before it end.
        clustered &= entry.offset <= data_end;
        data_end = data_end.max(entry.offset + u64::from(entry.length));
        reader.read(&entry, &mut tile)?;
        for id in entry.id..next_id {
            match TileId::from_hilbert_id(id) {
                Ok(id) => {
                    tally.add(id, &tile);
                    if id.hilbert_id() == entry.id {
                        tally.check(id, &tile);
                    }
                }
                Err(_) => {
                    tally.found(Finding::Stray(Stray::Entry { id }));
                    break;
                }
            }
        }
        Ok(())
    })?;
    let counts = [
        ("the number of tiles in the header", header.tile_count, tile_count),
        ("the number of entries in the header", header.entry_count, entry_count),
    ];
    for (what, said, counted) in counts {
        // Zero says that the writer did not know.
        if said != 0 {
            tally.expect(what, said, counted);
        }
    }
    if header.clustered && !clustered {
        tally.found(Finding::Wrong("the order of tile data, said to be clustered,"));
    }
    if let Some(extent) = tally.extent {
        let said = (header.zoom_min, header.zoom_max);
        tally.expect("the range of zooms", said, (extent.zoom_min, extent.zoom_max));
    }
    Ok(())
}
