//! Copies the tiles of one archive into another of any kind: `copy_archive FROM TO`, where TO ends in `.mbtiles`,
//! `.pmtiles`, or is a folder. Killed and started again, it goes on where it stopped. Prints how many tiles it
//! copied and, on Linux, the most memory it took, in KiB.

use std::error::Error;
use std::io::Write;
use std::path::Path;

use tidegate_store::archive::Archive;
use tidegate_store::sink::{Format, Sink};
use tidegate_store::{Durability, TileFormat};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [from, to] = &arguments[..] else { return Err("usage: copy_archive FROM TO".into()) };
    let mut from = Archive::open(Path::new(from))?;
    let metadata = from.metadata()?;
    let extension = match from.format() {
        Format::Directory { extension } => extension,
        Format::Mbtiles | Format::Pmtiles if metadata.vector_layers.is_some() => TileFormat::Mvt.extension().to_owned(),
        Format::Mbtiles | Format::Pmtiles => TileFormat::Png.extension().to_owned(),
    };
    let to = Path::new(to);
    let (mut sink, mut held) = Sink::open(&Format::of(to, &extension), to, metadata, Durability::Process)?;
    let mut copied = 0_u64;
    from.visit(|id, tile| -> Result<(), Box<dyn Error>> {
        if !held.has(id)? {
            sink.put(id, tile)?;
            copied += 1;
        }
        Ok(())
    })?;
    drop(held);
    sink.finish()?;
    writeln!(std::io::stdout(), "{copied} {}", peak_kib().unwrap_or_default())?;
    Ok(())
}

/// The most physical memory that this process has taken.
fn peak_kib() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next().map(str::to_owned)
}
