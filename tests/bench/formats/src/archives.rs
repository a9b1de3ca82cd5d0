//! Directory, MBTiles and PMTiles.

use std::error::Error;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use tidegate_store::Durability;
use tidegate_store::archive::Archive;
use tidegate_store::sink::{Format, Sink};

use super::best_of;
use super::tiles::Tiles;

/// Writes the tiles as each kind of archive, reads them in drawn order, and prints a table.
pub fn print(tiles: &Tiles) -> Result<(), Box<dyn Error>> {
    let count = tiles.stored.len();
    let payload: usize = tiles.stored.iter().map(|(_, tile)| tile.len()).sum();
    println!(
        "\n{:<12}{:>14}{:>14}{:>12}{:>16}{:>16}",
        "archive", "bytes", "on disk", "payload", "write, each", "read, each"
    );
    let kinds = [
        ("directory", Format::Directory { extension: tiles.extension().to_owned() }),
        ("mbtiles", Format::Mbtiles),
        ("pmtiles", Format::Pmtiles),
    ];
    for (name, format) in kinds {
        let folder = tempfile::tempdir()?;
        let mut number = 0;
        let (write, path) = best_of(PASSES, || {
            number += 1;
            let path = folder.path().join(format!("{number}.{name}"));
            let (mut sink, _held) = Sink::open(&format, &path, tiles.metadata.clone(), Durability::Process)?;
            for (id, tile) in &tiles.stored {
                sink.put(*id, tile)?;
            }
            sink.finish()?;
            Ok(path)
        })?;
        let mut order: Vec<usize> = (0..count).collect();
        fastrand::Rng::with_seed(9).shuffle(&mut order);
        let (read, ()) = best_of(PASSES, || {
            let mut archive = Archive::open(&path)?;
            for index in &order {
                let (id, tile) = &tiles.stored[*index];
                if archive.get(*id)?.as_deref() != Some(tile) {
                    return Err(format!("{name}: a tile of zoom {} came back changed", id.z()).into());
                }
            }
            Ok(())
        })?;
        let (bytes, on_disk) = size(&path)?;
        let each = |time: std::time::Duration| format!("{:.1} µs", time.as_secs_f64() * 1e6 / count as f64);
        let share = format!("{:.0} %", payload as f64 * 100.0 / bytes as f64);
        println!("{name:<12}{bytes:>14}{on_disk:>14}{share:>12}{:>16}{:>16}", each(write), each(read));
    }
    Ok(())
}

/// Bytes of all files, and what they take on the disk, folders included.
fn size(path: &Path) -> std::io::Result<(u64, u64)> {
    let metadata = fs::metadata(path)?;
    let mut size = (if metadata.is_file() { metadata.len() } else { 0 }, metadata.blocks() * BLOCK_BYTES);
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            let (bytes, on_disk) = self::size(&entry?.path())?;
            size = (size.0 + bytes, size.1 + on_disk);
        }
    }
    Ok(size)
}

const PASSES: u32 = 3;
/// What `stat` counts in, on every Unix.
const BLOCK_BYTES: u64 = 512;
