//! Checking that an archive is what it should be, down to each tile.

mod mbtiles;
mod pmtiles;
mod stray;

use std::error::Error;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

pub use stray::Stray;

use crate::TileId;
use crate::archive::{Archive, ArchiveError, DirectoryEntry, visit_files};
use crate::extent::Extent;
use crate::format::TileFormat;
use crate::sink::Format;

/// What was found in an archive.
#[derive(Debug)]
pub struct VerifyReport {
    /// What kind of archive it is.
    pub format: Format,
    /// How many tiles there are at each zoom that has any.
    pub tiles: Vec<(u8, u64)>,
    /// Of all tiles together; tiles that share their bytes count each.
    pub bytes: u64,
    /// What is wrong, the first [`FINDINGS_MAX`] of it and what ended the reading.
    pub findings: Vec<Finding>,
    /// How much is wrong altogether.
    pub finding_count: u64,
}

/// How many findings a report holds.
pub const FINDINGS_MAX: usize = 100;

/// One thing that is wrong with an archive.
#[derive(Debug)]
#[non_exhaustive]
pub enum Finding {
    /// A tile's bytes are not what they should be. The text does not say where it is.
    Tile(TileId, Fault),
    /// A tile is of another format than the archive says.
    Format {
        /// The tile.
        id: TileId,
        /// What the archive says.
        expected: TileFormat,
        /// What the tile is.
        found: TileFormat,
    },
    /// There are several tiles with this address.
    Duplicate(TileId),
    /// Something lies among the tiles that is none.
    Stray(Stray),
    /// A run that ended before it was finished left something behind: run it again to go on.
    Unfinished,
    /// Metadata that the format demands is missing.
    Missing(&'static str),
    /// What the archive says of itself is not what is in it.
    Wrong(&'static str),
    /// It is so damaged that it could be read no further: what follows was not checked.
    Unreadable(ArchiveError),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tile(id, why) => write!(f, "a tile of zoom {} is damaged: {why}", id.z()),
            Self::Format { id, expected, found } => {
                let (found, expected) = (found.extension(), expected.extension());
                write!(f, "a tile of zoom {} is {found}, and the archive says {expected}", id.z())
            }
            Self::Duplicate(id) => write!(f, "a tile of zoom {} is there more than once", id.z()),
            Self::Stray(stray) => stray.fmt(f),
            Self::Unfinished => f.write_str("a run was not finished; run the same command again to go on"),
            Self::Missing(what) => write!(f, "{what} is missing"),
            Self::Wrong(what) => write!(f, "{what} is not what is in the archive"),
            Self::Unreadable(error) => error.fmt(f),
        }
    }
}

impl Finding {
    /// The same with the place of the tile, for whoever may know it.
    pub fn show_location(&self) -> impl fmt::Display + '_ {
        Located(self)
    }
}

/// A finding with its place.
struct Located<'a>(&'a Finding);

impl fmt::Display for Located<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Finding::Tile(id, why) => write!(f, "the tile {} is damaged: {why}", id.show_location()),
            Finding::Format { id, expected, found } => {
                let (found, expected) = (found.extension(), expected.extension());
                write!(f, "the tile {} is {found}, and the archive says {expected}", id.show_location())
            }
            Finding::Duplicate(id) => write!(f, "the tile {} is there more than once", id.show_location()),
            Finding::Stray(stray) => stray.write_located(f),
            finding @ (Finding::Unfinished | Finding::Missing(_) | Finding::Wrong(_) | Finding::Unreadable(_)) => {
                finding.fmt(f)
            }
        }
    }
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.finding_count == 0
    }

    /// Whether the archive could be read to its end.
    pub fn is_whole(&self) -> bool {
        !self.findings.iter().any(|finding| matches!(finding, Finding::Unreadable(_)))
    }

    /// How many tiles there are.
    pub fn tile_count(&self) -> u64 {
        self.tiles.iter().map(|(_, count)| count).sum()
    }
}

/// Why a tile's bytes are not what they should be.
pub type Fault = Box<dyn Error + Send + Sync>;

/// Checks the archive at `path`: its structure, what it says of itself, and every tile with `check`. What is wrong with the
/// archive is in the report, also where it ends the reading.
///
/// # Errors
/// When there is no archive, or this machine does not let it be read.
pub fn verify(path: &Path, mut check: impl FnMut(&[u8]) -> Result<(), Fault>) -> Result<VerifyReport, ArchiveError> {
    let mut tally = Tally::new(&mut check);
    let (format, read) = match Archive::open(path).map(|archive| archive.format()) {
        Ok(format) => {
            let read = match format {
                Format::Directory { .. } => {
                    directory(path, &mut tally).map_err(|source| ArchiveError::Io { archive: path.to_owned(), source })
                }
                Format::Mbtiles => mbtiles::verify(path, &mut tally),
                Format::Pmtiles => pmtiles::verify(path, &mut tally)
                    .map_err(|source| ArchiveError::Pmtiles { archive: path.to_owned(), source }),
            };
            (format, read)
        }
        Err(error @ ArchiveError::Sqlite { .. }) => (Format::Mbtiles, Err(error)),
        Err(error @ ArchiveError::Pmtiles { .. }) => (Format::Pmtiles, Err(error)),
        Err(error) => return Err(error),
    };
    match read {
        Err(error) if error.is_damage() => tally.unreadable(error),
        read => read?,
    }
    let tiles = (0..).zip(tally.tiles).filter(|(_, count)| *count > 0).collect();
    let Tally { bytes, findings, finding_count, .. } = tally;
    Ok(VerifyReport { format, tiles, bytes, findings, finding_count })
}

fn directory(path: &Path, tally: &mut Tally<'_>) -> io::Result<()> {
    let mut last = None;
    visit_files(path, |kind, file| {
        match kind {
            DirectoryEntry::Tile(id, _) => {
                // The files of one tile come one after the other, whatever their extensions.
                if last.replace(id) == Some(id) {
                    tally.found(Finding::Duplicate(id));
                }
                let tile = fs::read(file)?;
                tally.add(id, &tile);
                tally.check(id, &tile);
            }
            DirectoryEntry::Part => tally.found(Finding::Unfinished),
            DirectoryEntry::Stray => {
                let below = file.strip_prefix(path).unwrap_or(file).to_owned();
                tally.found(Finding::Stray(Stray::File { path: below }));
            }
        }
        Ok(())
    })
}

/// What has been counted so far.
struct Tally<'a> {
    check: &'a mut dyn FnMut(&[u8]) -> Result<(), Fault>,
    tiles: [u64; TileId::ZOOM_MAX as usize + 1],
    extent: Option<Extent>,
    /// What the archive says that its tiles are.
    format: TileFormat,
    bytes: u64,
    findings: Vec<Finding>,
    finding_count: u64,
}

impl<'a> Tally<'a> {
    fn new(check: &'a mut dyn FnMut(&[u8]) -> Result<(), Fault>) -> Self {
        let tiles = [0; TileId::ZOOM_MAX as usize + 1];
        Self { check, tiles, extent: None, format: TileFormat::Other, bytes: 0, findings: Vec::new(), finding_count: 0 }
    }

    /// Counts a tile.
    fn add(&mut self, id: TileId, tile: &[u8]) {
        self.tiles[usize::from(id.z())] += 1;
        self.bytes += tile.len() as u64;
        self.extent = Some(self.extent.map_or(Extent::of(id), |extent| extent.with(id)));
    }

    /// Checks a tile's bytes.
    fn check(&mut self, id: TileId, tile: &[u8]) {
        let fault = if tile.is_empty() { Err("it has no bytes".into()) } else { (self.check)(tile) };
        let found = TileFormat::of(tile);
        match fault {
            Err(fault) => self.found(Finding::Tile(id, fault)),
            // What is not known here may be of the right kind all the same, in another compression.
            Ok(()) if found != TileFormat::Other && !self.format.takes(found) => {
                self.found(Finding::Format { id, expected: self.format, found });
            }
            Ok(()) => {}
        }
    }

    fn found(&mut self, finding: Finding) {
        self.finding_count += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }

    /// Notes what ended the reading, however much was found before.
    fn unreadable(&mut self, error: ArchiveError) {
        self.finding_count += 1;
        self.findings.push(Finding::Unreadable(error));
    }

    /// Holds what the archive says of itself against what was counted.
    fn expect<T: PartialEq>(&mut self, what: &'static str, said: T, counted: T) {
        if said != counted {
            self.found(Finding::Wrong(what));
        }
    }
}
