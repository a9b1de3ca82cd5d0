//! Which tiles a benchmark asks for, and in which order.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use tidegate_core::TileId;
use tidegate_lab::traffic::Session;
use tidegate_store::area::{Corridor, Listed};

use crate::{args::whole, exit::Fatal, tiles};

/// The flags that choose tiles.
#[derive(Clone, Debug, Args)]
pub(super) struct WhichArgs {
    /// The deepest zoom that tiles are drawn from, 0 to 22
    #[arg(long, value_name = "Z", default_value = "4", value_parser = whole::<u8>(0, 22))]
    max_zoom: u8,
    /// A recorded list of tiles, one z/x/y a line, played in its order and from its beginning again, instead of tiles drawn at
    /// random; # begins a comment
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,
    /// The tiles around somebody who drives along the lines of this GeoJSON file, at --max-zoom, and from its beginning again,
    /// instead of tiles drawn at random
    #[arg(long, value_name = "FILE", conflicts_with = "list")]
    route: Option<PathBuf>,
    /// The tiles that somebody sees who pans and zooms down to --max-zoom, made up from the seed, instead of tiles drawn at
    /// random
    #[arg(long, conflicts_with_all = ["list", "route"])]
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
        match (&self.list, &self.route) {
            (Some(path), _) => Ok(Which::round(recorded(path)?, format!("listed in {}", path.display()))),
            (None, Some(path)) => {
                Ok(Which::round(along(path, self.max_zoom)?, format!("of a drive along {}", path.display())))
            }
            (None, None) if self.session => {
                let name = Some("of a map session of pan and zoom".to_owned());
                Ok(Which { tiles: Box::new(Session::new(self.max_zoom, seed)), round: None, name })
            }
            (None, None) => Ok(Which { tiles: tiles::world(self.max_zoom, seed), round: None, name: None }),
        }
    }
}

impl Which {
    /// These, again and again.
    fn round(tiles: Vec<TileId>, name: String) -> Self {
        Self { round: Some(tiles.len() as u64), tiles: Box::new(tiles.into_iter().cycle()), name: Some(name) }
    }
}

fn along(path: &Path, zoom: u8) -> Result<Vec<TileId>, Fatal> {
    let unusable = |why: &dyn std::fmt::Display| Fatal::usage(format!("--route={}: {why}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| unusable(&error))?;
    // How wide it is does not matter to whoever stays in the middle.
    let corridor = Corridor::from_geojson(&text, 1.0).map_err(|error| unusable(&error))?;
    let tiles: Vec<TileId> = corridor.drive(zoom).take(LISTED_MAX + 1).collect();
    if tiles.len() > LISTED_MAX {
        return Err(unusable(&format!("longer than {LISTED_MAX} tiles; give a part of it, or a lower --max-zoom")));
    }
    Ok(tiles)
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
