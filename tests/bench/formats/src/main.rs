//! The same tiles in each kind of archive, and in each encoding: bytes, and time to write and read.
//!
//! ```sh
//! cargo run --release --manifest-path tests/bench/Cargo.toml -p tidegate-bench-formats [-- ARCHIVE]
//! ```
//!
//! Without an argument it takes the embedded world of gzipped vector tiles; any directory, MBTiles or PMTiles file will do. Whatever was
//! written is read back and compared, so that no row is fast by being wrong. Times are the best of several passes.

mod archives;
mod encodings;
mod tiles;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tiles::Tiles;

fn main() -> ExitCode {
    let path = std::env::args_os().nth(1).map_or_else(embedded, PathBuf::from);
    match run(&path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(path: &Path) -> Result<(), Box<dyn Error>> {
    let tiles = Tiles::read(path)?;
    println!("{} of {}", tiles.described(), path.file_name().unwrap_or_default().display());
    archives::print(&tiles)?;
    encodings::print(&tiles)?;
    Ok(())
}

/// The shortest of several times that `work` takes, and its last result.
fn best_of<T>(
    passes: u32,
    mut work: impl FnMut() -> Result<T, Box<dyn Error>>,
) -> Result<(Duration, T), Box<dyn Error>> {
    let mut pass = || {
        let began = Instant::now();
        let result = work()?;
        Ok::<_, Box<dyn Error>>((began.elapsed(), result))
    };
    let mut best = pass()?;
    for _ in 1..passes {
        let next = pass()?;
        best = (best.0.min(next.0), next.1);
    }
    Ok(best)
}

fn embedded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../std-runtime/lab/data/world-z4.mbtiles")
}
