//! The tiles that are served.

mod archive;
mod synthetic;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use archive::ArchiveError;
pub(super) use archive::FindError;

use tidegate_core::TileId;

use super::dice::fingerprint;
use super::reply::seconds;
use archive::Readers;

/// Where the tiles come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TileSource {
    /// 267 vector tiles of the world, zoom 0 to 4, that are part of the program.
    #[default]
    Embedded,
    /// An MBTiles archive. Up to 64 MiB is read into memory at the start; a larger one is read as tiles are asked for.
    Archive(PathBuf),
    /// No archive; only [`MockConfig::synthetic_bytes`](super::MockConfig::synthetic_bytes) makes tiles.
    Nothing,
}

/// One tile.
#[derive(Clone, Debug)]
pub(super) struct Tile {
    bytes: Arc<[u8]>,
    tag: u64,
}

/// What kind of tiles an archive has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Pbf,
    Png,
    Jpeg,
    Webp,
    Unknown,
}

/// All tiles that can be asked for.
pub(super) struct Tiles {
    store: Store,
    synthetic: Option<Synthetic>,
    format: Format,
    /// In seconds after 1970.
    modified: u64,
    /// Served in place of a tile that is to be wrong.
    decoys: Vec<Tile>,
}

enum Store {
    Memory(HashMap<TileId, Tile>),
    Disk(Readers),
}

#[derive(Clone, Copy)]
struct Synthetic {
    bytes: usize,
    /// The lowest zoom that the archive does not reach.
    zoom_min: u8,
}

/// Tiles that cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TilesError {
    /// The archive is not one.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The archive inside the program is broken.
    #[error("the embedded tiles cannot be read: {0}; this program file is damaged")]
    Embedded(#[source] rusqlite::Error),
    /// A size for made tiles that cannot be met.
    #[error("tiles of {bytes} bytes cannot be made; choose from {} to {}", synthetic::BYTES_MIN, synthetic::BYTES_MAX)]
    SyntheticSize {
        /// The size.
        bytes: usize,
    },
    /// Made tiles are vector tiles, and the archive's are not.
    #[error("made tiles are vector tiles, but those of the archive are not; leave the size of made tiles out")]
    SyntheticFormat,
    /// Neither an archive nor made tiles.
    #[error("there is nothing to serve; name an archive, the embedded tiles or a size for made tiles")]
    Nothing,
}

impl Tiles {
    pub(super) fn open(source: &TileSource, synthetic_bytes: Option<usize>) -> Result<Self, TilesError> {
        let (store, survey, modified) = match source {
            TileSource::Embedded => {
                let connection = archive::open_bytes(EMBEDDED).map_err(TilesError::Embedded)?;
                let survey = archive::survey(&connection).map_err(TilesError::Embedded)?;
                let tiles = archive::load(&connection).map_err(TilesError::Embedded)?;
                (Store::Memory(tiles), Some(survey), EMBEDDED_SINCE)
            }
            TileSource::Archive(path) => {
                let (store, survey, modified) = open_file(path, IN_MEMORY_MAX)?;
                (store, Some(survey), modified)
            }
            TileSource::Nothing => (Store::Memory(HashMap::new()), None, EMBEDDED_SINCE),
        };
        let format = survey.as_ref().map_or(Format::Pbf, |survey| survey.format);
        let zoom_min = survey.as_ref().and_then(|survey| survey.zoom_max).map_or(0, |zoom| zoom.saturating_add(1));
        let synthetic = synthetic_bytes.map(|bytes| checked(bytes, zoom_min, format)).transpose()?;
        let mut decoys = survey.map(|survey| survey.samples).unwrap_or_default();
        if let Some(Synthetic { bytes, .. }) = synthetic {
            decoys.push(synthetic::tile(TileId::WORLD, bytes));
            decoys.extend(TileId::WORLD.children().map(|[first, ..]| synthetic::tile(first, bytes)));
        } else if *source == TileSource::Nothing {
            return Err(TilesError::Nothing);
        }
        Ok(Self { store, synthetic, format, modified, decoys })
    }

    /// The tile at this place, or that there is none.
    pub(super) async fn find(&self, key: TileId) -> Result<Option<Tile>, FindError> {
        match self.synthetic {
            Some(Synthetic { bytes, zoom_min }) if key.z() >= zoom_min => Ok(Some(synthetic::tile(key, bytes))),
            _ => match &self.store {
                Store::Memory(tiles) => Ok(tiles.get(&key).cloned()),
                Store::Disk(readers) => readers.find(key).await,
            },
        }
    }

    /// A good tile that is not this one.
    pub(super) fn other_than(&self, tile: &Tile) -> Option<&Tile> {
        self.decoys.iter().find(|decoy| decoy.bytes != tile.bytes)
    }

    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// When the tiles were last changed, in seconds after 1970.
    pub(super) fn modified(&self) -> u64 {
        self.modified
    }
}

fn open_file(path: &Path, in_memory_max: u64) -> Result<(Store, archive::Survey, u64), ArchiveError> {
    let connection = archive::open(path)?;
    let unreadable = |source| ArchiveError::Unreadable { path: path.to_owned(), source };
    let survey = archive::survey(&connection).map_err(unreadable)?;
    let metadata = std::fs::metadata(path).map_err(|source| ArchiveError::NoFile { path: path.to_owned(), source })?;
    let store = if metadata.len() <= in_memory_max {
        Store::Memory(archive::load(&connection).map_err(unreadable)?)
    } else {
        Store::Disk(Readers::start(path)?)
    };
    // Where the system keeps no times, the tiles are as old as can be.
    Ok((store, survey, metadata.modified().map_or(0, seconds)))
}

fn checked(bytes: usize, zoom_min: u8, format: Format) -> Result<Synthetic, TilesError> {
    if !(synthetic::BYTES_MIN..=synthetic::BYTES_MAX).contains(&bytes) {
        return Err(TilesError::SyntheticSize { bytes });
    }
    if format == Format::Pbf { Ok(Synthetic { bytes, zoom_min }) } else { Err(TilesError::SyntheticFormat) }
}

impl Tile {
    fn new(bytes: Vec<u8>) -> Self {
        let tag = fingerprint(&bytes);
        Self::tagged(bytes, tag)
    }

    fn tagged(bytes: Vec<u8>, tag: u64) -> Self {
        Self { bytes: bytes.into(), tag }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What the entity tag is made of.
    pub(super) fn tag(&self) -> u64 {
        self.tag
    }

    pub(super) fn is_gzip(&self) -> bool {
        self.bytes.starts_with(&[0x1f, 0x8b])
    }
}

impl Format {
    /// By the name in an archive's metadata.
    fn named(name: &str) -> Option<Self> {
        match name {
            "pbf" | "mvt" => Some(Self::Pbf),
            "png" | "png8" | "png24" | "png32" => Some(Self::Png),
            "jpg" | "jpeg" => Some(Self::Jpeg),
            "webp" => Some(Self::Webp),
            _ => None,
        }
    }

    /// By the first bytes of a tile.
    fn of(bytes: &[u8]) -> Self {
        match bytes {
            [0x89, b'P', b'N', b'G', ..] => Self::Png,
            [0xff, 0xd8, 0xff, ..] => Self::Jpeg,
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Self::Webp,
            [0x1f, 0x8b, ..] => Self::Pbf,
            _ => Self::Unknown,
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Pbf => "application/vnd.mapbox-vector-tile",
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
            Self::Unknown => "application/octet-stream",
        }
    }

    /// The ending that tile URLs have by custom.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Pbf => ".mvt",
            Self::Png => ".png",
            Self::Jpeg => ".jpg",
            Self::Webp => ".webp",
            Self::Unknown => "",
        }
    }
}

/// Made from public-domain data, see `data/README.md`.
static EMBEDDED: &[u8] = include_bytes!("../../../data/world-z4.mbtiles");

/// 2025-01-01, the age of the embedded tiles and of the made ones. A date that moved would defeat revalidation.
const EMBEDDED_SINCE: u64 = 1_735_689_600;

/// A machine that runs benchmarks has this to spare, and a read from memory costs nothing.
const IN_MEMORY_MAX: u64 = 64 << 20;

#[cfg(test)]
mod tests;
