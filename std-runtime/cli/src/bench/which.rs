//! Which tiles a benchmark asks for, and in which order.

use std::path::{Path, PathBuf};

use clap::Args;
use tidegate_core::TileId;
use tidegate_lab::traffic::Session;
use tidegate_store::area::Listed;

use crate::{exit::Fatal, tiles};

/// The flags that choose tiles.
#[derive(Clone, Debug, Args)]
pub(super) struct WhichArgs {
    /// The deepest zoom that tiles are drawn from, 0 to 22
    #[arg(long, value_name = "Z", default_value = "4", value_parser = clap::value_parser!(u8).range(0..=22))]
    max_zoom: u8,
    /// A recorded list of tiles, one z/x/y a line, played in its order and from its beginning again, instead of tiles drawn at
    /// random; # begins a comment
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,
    /// The tiles that somebody sees who pans and zooms down to --max-zoom, made up from the seed, instead of tiles drawn at
    /// random
    #[arg(long, conflicts_with = "list")]
    session: bool,
}

/// Tiles without end.
pub(super) struct Which {
    pub(super) tiles: Box<dyn Iterator<Item = TileId> + Send>,
    /// How many make one round, where somebody recorded them.
    pub(super) round: Option<u64>,
    /// What reports call them, where they are not drawn at random.
    pub(super) name: Option<String>,
}

impl WhichArgs {
    /// The tiles that the flags ask for.
    pub(super) fn open(&self, seed: u64) -> Result<Which, Fatal> {
        Ok(match &self.list {
            Some(path) => {
                let tiles = recorded(path)?;
                let (round, name) = (tiles.len() as u64, format!("listed in {}", path.display()));
                Which { tiles: Box::new(tiles.into_iter().cycle()), round: Some(round), name: Some(name) }
            }
            None if self.session => {
                let name = Some("of a map session of pan and zoom".to_owned());
                Which { tiles: Box::new(Session::new(self.max_zoom, seed)), round: None, name }
            }
            None => Which { tiles: tiles::world(self.max_zoom, seed), round: None, name: None },
        })
    }
}

fn recorded(path: &Path) -> Result<Vec<TileId>, Fatal> {
    let unusable = |why: &dyn std::fmt::Display| Fatal::usage(format!("--list={}: {why}", path.display()));
    let listed = Listed::open(path).map_err(|error| unusable(&error))?;
    let tiles = listed.take(LISTED_MAX + 1).collect::<Result<Vec<_>, _>>().map_err(|error| unusable(&error))?;
    match tiles.len() {
        0 => Err(unusable(&"there is no tile in it; write one zoom/column/row a line, for example 3/4/5")),
        1..=LISTED_MAX => Ok(tiles),
        _ => Err(unusable(&format!("longer than {LISTED_MAX} tiles; give a part of it"))),
    }
}

/// A recording is held in memory: 12 MB.
const LISTED_MAX: usize = 1_000_000;
