//! Reading a tree of files.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::ArchiveError;
use crate::TileId;
use crate::sink::PART_PREFIX;

#[derive(Debug)]
pub(super) struct Directory {
    root: PathBuf,
    /// Of the first tile that was found; empty where there is none.
    extension: String,
}

/// What a file in a tree is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A tile, with its extension.
    Tile(TileId, String),
    /// What a run that was killed left behind.
    Part,
    /// Something that is no tile.
    Stray,
}

impl Directory {
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let mut extension = String::new();
        let found = visit_files(root, |kind, _| match kind {
            Kind::Tile(_, found) => {
                extension = found;
                Err(Stop::Found)
            }
            Kind::Part | Kind::Stray => Ok(()),
        });
        match found {
            Err(Stop::Io(error)) => Err(error),
            Ok(()) | Err(Stop::Found) => Ok(Self { root: root.to_owned(), extension }),
        }
    }

    pub(super) fn extension(&self) -> &str {
        &self.extension
    }

    pub(super) fn get(&self, id: TileId) -> io::Result<Option<Vec<u8>>> {
        let path = format!("{}/{}/{}.{}", id.z(), id.x(), id.y(), self.extension);
        match fs::read(self.root.join(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    pub(super) fn visit<E: From<ArchiveError>>(
        &self,
        path: &Path,
        mut each: impl FnMut(TileId, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |source| ArchiveError::Io { archive: path.to_owned(), source };
        let visited = visit_files(&self.root, |kind, path| match kind {
            Kind::Tile(id, _) => each(id, &fs::read(path)?).map_err(EachStop::Each),
            Kind::Part | Kind::Stray => Ok(()),
        });
        visited.map_err(|stop| match stop {
            EachStop::Io(source) => failed(source).into(),
            EachStop::Each(error) => error,
        })
    }
}

/// Why looking for the first tile ended.
enum Stop {
    Io(io::Error),
    Found,
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Why visiting ended.
enum EachStop<E> {
    Io(io::Error),
    Each(E),
}

impl<E> From<io::Error> for EachStop<E> {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Calls `each` with every file in the tree, by zoom, column and row. Holds the names of one folder of each level.
pub(crate) fn visit_files<E: From<io::Error>>(
    root: &Path,
    mut each: impl FnMut(Kind, &Path) -> Result<(), E>,
) -> Result<(), E> {
    let mut walk = |folder: &Path, parents: &[u32]| visit_folder(folder, parents, &mut each);
    walk(root, &[])
}

fn visit_folder<E: From<io::Error>>(
    folder: &Path,
    parents: &[u32],
    each: &mut impl FnMut(Kind, &Path) -> Result<(), E>,
) -> Result<(), E> {
    let mut entries: Vec<(Option<u32>, PathBuf, bool)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        entries.push((number(path.file_stem()), path, entry.file_type()?.is_dir()));
    }
    entries.sort();
    for (number, path, is_folder) in entries {
        match (number, parents) {
            (Some(zoom), []) if is_folder && path.extension().is_none() => visit_folder(&path, &[zoom], each)?,
            (Some(x), [z]) if is_folder && path.extension().is_none() => visit_folder(&path, &[*z, x], each)?,
            (Some(y), [z, x]) if !is_folder => each(tile(*z, *x, y, &path), &path)?,
            _ => each(stray(&path), &path)?,
        }
    }
    Ok(())
}

fn tile(z: u32, x: u32, y: u32, path: &Path) -> Kind {
    let id = u8::try_from(z).ok().and_then(|z| TileId::new(z, x, y).ok());
    let extension = path.extension().and_then(OsStr::to_str);
    id.zip(extension).map_or(Kind::Stray, |(id, extension)| Kind::Tile(id, extension.to_owned()))
}

fn stray(path: &Path) -> Kind {
    let name = path.file_name().map(OsStr::as_encoded_bytes).unwrap_or_default();
    if name.starts_with(PART_PREFIX.as_bytes()) { Kind::Part } else { Kind::Stray }
}

/// A number as the sink writes it: without a sign and without zeros before it, so that a tile has one name.
fn number(name: Option<&OsStr>) -> Option<u32> {
    let text = name?.to_str()?;
    text.parse().ok().filter(|number: &u32| number.to_string() == text)
}
