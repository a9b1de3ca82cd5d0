//! Where tiles go: a directory, MBTiles or PMTiles; added to what is there, unless all is to be fetched again.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum, builder::PossibleValue};
use tidegate::{
    fetch::{Failure, Fault, TileOutcome, TileReport},
    template::UrlTemplate,
    verify::Defect,
};
use tidegate_core::{End, Instant, TileId};
use tidegate_store::{
    Durability, Metadata, TileFormat,
    sink::{Format, Held, Sink, SinkError},
};

use super::{Again, Trouble};
use crate::{exit::Fatal, verify};

/// The flags that choose an archive.
#[derive(Debug, Args)]
pub(crate) struct TargetArgs {
    /// The directory or file that the tiles go to. Since tiles say where somebody goes, it can be read by its owner alone,
    /// whatever the umask; to let a web server read a tree, run chmod -R go+rX on it afterwards, and on
    /// the folders above it that were made with it
    #[arg(long, short, value_name = "PATH")]
    output: Option<PathBuf>,
    /// The kind of archive; told by the ending of --output where absent
    #[arg(long, value_enum)]
    format: Option<FormatArg>,
    /// The extension of a directory's files, as in png; that of the URL template where absent
    #[arg(long, value_name = "EXT")]
    extension: Option<String>,
    /// Go on with what is there, and fetch only what is missing or damaged; this is the default
    #[arg(long, overrides_with = "no_resume")]
    resume: bool,
    /// Fetch again what is already there
    #[arg(long, overrides_with = "resume")]
    no_resume: bool,
}

/// The kinds of archives by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    /// A tree of files, z/x/y.ext
    Directory,
    /// MBTiles 1.3, an SQLite database
    Mbtiles,
    /// PMTiles 3
    Pmtiles,
}

/// An open archive.
pub(crate) struct Target {
    pub(crate) sink: Sink,
    pub(crate) there: There,
}

/// What is there already.
pub(crate) struct There(Option<Held>);

impl TargetArgs {
    /// Where the archive is, or will be.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.output.as_deref()
    }

    /// Adds where the archive is, and of which kind.
    pub(crate) fn again(&self, again: &mut Again) {
        again.path("--output", self.path());
        let name = self.format.as_ref().and_then(ValueEnum::to_possible_value);
        again.flag("--format", name.as_ref().map(PossibleValue::get_name));
        again.flag("--extension", self.extension.as_deref());
    }

    /// Opens the archive; what was there before stays.
    pub(crate) fn open(&self, template: &UrlTemplate, metadata: Metadata) -> Result<Target, Fatal> {
        let Some(path) = &self.output else {
            return Err(Fatal::usage("--output: where to? give a directory, or a file ending in .mbtiles or .pmtiles"));
        };
        let format = match (self.format, Format::of(path, "")) {
            (Some(FormatArg::Mbtiles), _) | (None, Format::Mbtiles) => Format::Mbtiles,
            (Some(FormatArg::Pmtiles), _) | (None, Format::Pmtiles) => Format::Pmtiles,
            (Some(FormatArg::Directory), _) | (None, Format::Directory { .. }) => {
                Format::Directory { extension: self.extension(template)? }
            }
        };
        let opened = Sink::open(&format, path, metadata, Durability::Process);
        let (sink, held) = opened.map_err(|error| match error {
            SinkError::Extension(_) => Fatal::usage(format!("--extension: {error}")),
            SinkError::Io { .. } | SinkError::Sqlite { .. } => Fatal::local(format!(
                "--output: {error}; give a place that can be written to, and the --format of what is there"
            )),
            error => Fatal::local(format!("--output: {error}")),
        })?;
        let goes_on = self.resume || !self.no_resume;
        Ok(Target { sink, there: There(goes_on.then_some(held)) })
    }

    /// The extension of the files: the one asked for, or that of the URL.
    fn extension(&self, template: &UrlTemplate) -> Result<String, Fatal> {
        self.extension.as_deref().or(template.extension()).map(str::to_owned).ok_or_else(|| {
            Fatal::usage("--extension: the URL template has none to take over; give one, as in --extension png")
        })
    }
}

impl Target {
    /// Puts the tile of a report into the archive. One that the archive cannot hold, since it is of another format, is given
    /// up: as a server sends that answers with a picture of its error.
    pub(crate) fn put(sink: &mut Sink, report: &mut TileReport) -> Result<(), Trouble> {
        let Some(tile) = report.outcome.tile() else { return Ok(()) };
        match sink.put(report.tile, &tile.body) {
            Err(SinkError::Format { expected, found, .. }) => {
                let known = |format: TileFormat| tidegate::verify::Format::from_extension(format.extension());
                let defect = known(expected)
                    .zip(known(found))
                    .map_or(Defect::Unknown, |(expected, found)| Defect::Format { expected, found });
                let attempts = u8::try_from(report.tries()).unwrap_or(u8::MAX);
                let end = End::Exhausted { attempts, resume_at: Instant::ORIGIN };
                let failure = Failure { end, last: Some(Fault::Defect(defect)) };
                tracing::warn!(id = %report.id, tile = %report.tile, %failure, "tile given up");
                report.outcome = TileOutcome::Failed(failure);
                Ok(())
            }
            put => put.map_err(Trouble::Sink),
        }
    }
}

impl There {
    /// Whether the tile is there, and sound.
    pub(crate) fn has(&mut self, tile: TileId) -> Result<bool, SinkError> {
        match &mut self.0 {
            Some(held) => held.has_sound(tile, |bytes| verify::check(bytes).is_ok()),
            None => Ok(false),
        }
    }
}
