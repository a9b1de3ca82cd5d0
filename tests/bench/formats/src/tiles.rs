//! The tiles that everything is done with.

use std::error::Error;
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use tidegate_store::archive::{Archive, ArchiveError};
use tidegate_store::{Metadata, TileFormat, TileId};

/// The tiles of an archive, in memory.
pub struct Tiles {
    /// As the archive has them.
    pub stored: Vec<(TileId, Vec<u8>)>,
    /// The same without gzip.
    pub raw: Vec<Vec<u8>>,
    /// What the archive says about itself.
    pub metadata: Metadata,
    is_cut: bool,
}

impl Tiles {
    /// Reads an archive, as far as its tiles fit into [`BYTES_MAX`].
    pub fn read(path: &Path) -> Result<Self, Box<dyn Error>> {
        let mut archive = Archive::open(path)?;
        let metadata = archive.metadata()?;
        let mut stored = Vec::new();
        let mut room = BYTES_MAX;
        let visited = archive.visit(|id, tile| {
            room = room.checked_sub(tile.len()).ok_or(Stop::Full)?;
            stored.push((id, tile.to_vec()));
            Ok(())
        });
        let is_cut = match visited {
            Ok(()) => false,
            Err(Stop::Full) => true,
            Err(Stop::Archive(error)) => return Err(error.into()),
        };
        if stored.is_empty() {
            return Err("there are no tiles in it".into());
        }
        let raw = stored.iter().map(|(_, tile)| unpacked(tile)).collect::<Result<_, _>>()?;
        Ok(Self { stored, raw, metadata, is_cut })
    }

    /// How many of what.
    pub fn described(&self) -> String {
        let (count, kind) = (self.stored.len(), TileFormat::of(&self.stored[0].1).extension());
        format!("{}{count} {kind} tiles", if self.is_cut { "the first " } else { "" })
    }

    /// The ending of a file with one of them.
    pub fn extension(&self) -> &'static str {
        TileFormat::of(&self.stored[0].1).extension()
    }
}

enum Stop {
    Full,
    Archive(ArchiveError),
}

impl From<ArchiveError> for Stop {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(error)
    }
}

fn unpacked(tile: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    if !tile.starts_with(&[0x1f, 0x8b]) {
        return Ok(tile.to_vec());
    }
    let mut raw = Vec::new();
    MultiGzDecoder::new(tile).read_to_end(&mut raw)?;
    Ok(raw)
}

/// Both forms of a larger archive might not fit into memory.
const BYTES_MAX: usize = 256 << 20;
