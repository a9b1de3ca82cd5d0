//! `other-tools MBTILES PMTILES`: both archives hold the same tiles, say the crates that others read them with.

use std::error::Error;

use futures_util::StreamExt as _;
use mbtiles::{AggHashType, IntegrityCheckType, Mbtiles};
use pmtiles::{AsyncPmTilesReader, TileCoord};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [mbtiles, pmtiles] = &arguments[..] else { return Err("usage: other-tools MBTILES PMTILES".into()) };
    let mbtiles = Mbtiles::new(mbtiles)?;
    let mut connection = mbtiles.open_readonly().await?;
    mbtiles.validate(&mut connection, IntegrityCheckType::Full, AggHashType::Off).await?;
    let pmtiles = AsyncPmTilesReader::new_with_path(pmtiles).await?;
    let mut count = 0;
    let mut tiles = mbtiles.stream_tiles(&mut connection);
    while let Some(tile) = tiles.next().await {
        let (at, data) = tile?;
        let other = pmtiles.get_tile(TileCoord::new(at.z, at.x, at.y)?).await?;
        if other.as_deref() != data.as_deref() {
            return Err(format!("a tile of zoom {} differs", at.z).into());
        }
        count += 1;
    }
    match pmtiles.get_header().n_addressed_tiles() {
        Some(addressed) if addressed.get() == count => println!("{count} tiles are the same for mbtiles and pmtiles"),
        addressed => return Err(format!("{count} tiles in MBTiles, {addressed:?} in PMTiles").into()),
    }
    Ok(())
}
