//! A tree of files, `z/x/y.ext`.
//!
//! A tile is written to a temporary file and renamed into place, so a file that is there is whole, whenever the process
//! ended. The temporary files lie in the root of the tree, on the same file system as the tiles, and are swept from
//! there when the next run starts: no walk through a million folders to find an orphan.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::SinkError;
use crate::TileId;
use crate::files::{self, Durability};

/// Writes tiles as files `z/x/y.ext` below one folder: to a temporary file first, which is then renamed into place.
#[derive(Debug)]
pub(super) struct DirectorySink {
    tree: Tree,
    durability: Durability,
    /// Tells the temporary files of this run apart.
    serial: u64,
    /// Holds a shared lock on the root, so that a run that starts beside this one leaves its temporary files alone.
    _lock: Option<File>,
}

/// Where the tiles of a tree are.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    root: PathBuf,
    extension: String,
}

impl DirectorySink {
    /// Opens the tree below `root`, creating it if need be, for tiles in files that end in `.extension`.
    ///
    /// # Errors
    /// When the extension is not one to five ASCII letters and digits, or the folder cannot be created or read.
    pub(super) fn open(root: &Path, extension: &str, durability: Durability) -> Result<Self, SinkError> {
        let plain = extension.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !plain || extension.is_empty() || extension.len() > 5 {
            return Err(SinkError::Extension(extension.to_owned()));
        }
        let tree = Tree { root: root.to_owned(), extension: extension.to_owned() };
        files::create_folders(root).map_err(|error| tree.error("create the folder", error))?;
        let lock = sweep(root).map_err(|error| tree.error("sweep the folder", error))?;
        Ok(Self { tree, durability, serial: 0, _lock: lock })
    }

    /// The tree, to look for tiles in.
    pub(super) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Puts a tile into the tree, in place of an older one.
    ///
    /// # Errors
    /// When `bytes` is empty, or writing fails; what was there before is then still there.
    pub(super) fn put(&mut self, tile: TileId, bytes: &[u8]) -> Result<(), SinkError> {
        if bytes.is_empty() {
            return Err(SinkError::NoBytes { zoom: tile.z() });
        }
        let (part, file) = self.create_part().map_err(|error| self.tree.error("create a file in", error))?;
        let written = self.write(&part, file, tile, bytes);
        if written.is_err() {
            // Gives the space back; if even that fails, the next run sweeps it.
            let _ = fs::remove_file(&part);
        }
        written.map_err(|error| self.tree.error("write a tile to", error))
    }

    fn write(&self, part: &Path, mut file: File, tile: TileId, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)?;
        let durable = self.durability == Durability::PowerCut;
        if durable {
            file.sync_all()?;
        }
        drop(file);
        let folder = self.tree.folder(tile);
        let path = folder.join(self.tree.file_name(tile));
        match fs::rename(part, &path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                files::create_folders(&folder)?;
                fs::rename(part, &path)?;
            }
            renamed => renamed?,
        }
        if durable {
            // The new entry, and those of the folders above it, which may be new as well.
            for folder in folder.ancestors().take(3) {
                files::sync_folder(folder)?;
            }
        }
        Ok(())
    }

    fn create_part(&mut self) -> io::Result<(PathBuf, File)> {
        loop {
            let path = self.tree.root.join(format!("{PART_PREFIX}{}-{}", std::process::id(), self.serial));
            self.serial += 1;
            match files::create_new(&path) {
                // Of a run in another container that has the same process number.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => return created.map(|file| (path, file)),
            }
        }
    }
}

impl Tree {
    /// Whether the tile's file is there and not empty: after a power cut a renamed file may be.
    pub(super) fn has(&self, tile: TileId) -> Result<bool, SinkError> {
        match fs::metadata(self.folder(tile).join(self.file_name(tile))) {
            Ok(found) => Ok(found.is_file() && found.len() > 0),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.error("look for a tile in", error)),
        }
    }

    /// Reads a tile that is there.
    pub(super) fn read(&self, tile: TileId) -> Result<Vec<u8>, SinkError> {
        let read = fs::read(self.folder(tile).join(self.file_name(tile)));
        read.map_err(|error| self.error("read a tile of", error))
    }

    fn folder(&self, tile: TileId) -> PathBuf {
        self.root.join(tile.z().to_string()).join(tile.x().to_string())
    }

    fn file_name(&self, tile: TileId) -> String {
        format!("{}.{}", tile.y(), self.extension)
    }

    /// An error that names the tree, and not the tile: where somebody goes is no matter for a log.
    fn error(&self, doing: &'static str, source: io::Error) -> SinkError {
        SinkError::io(doing, &self.root, source)
    }
}

/// Removes what runs that were killed left behind, unless another run is at work in the same tree; returns the lock
/// that tells others that this one is.
fn sweep(root: &Path) -> io::Result<Option<File>> {
    // Some file systems, and systems that cannot open a folder, have no lock to give. Then nobody can be sure to be
    // alone, and nothing is swept.
    let Ok(lock) = File::open(root) else { return Ok(None) };
    if lock.try_lock().is_ok() {
        for entry in fs::read_dir(root)? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(PART_PREFIX.as_bytes()) {
                fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(lock.lock_shared().is_ok().then_some(lock))
}

/// How the names of temporary files begin.
pub(crate) const PART_PREFIX: &str = ".tidegate-part-";

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(z: u8, x: u32, y: u32) -> TileId {
        TileId::new(z, x, y).unwrap()
    }

    fn sink(root: &Path) -> DirectorySink {
        DirectorySink::open(root, "pbf", Durability::Process).unwrap()
    }

    /// The names in a folder, sorted.
    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn tiles_become_files_and_nothing_else_is_left() {
        let root = tempfile::tempdir().unwrap();
        let mut sink = sink(root.path());
        assert!(!sink.tree().has(tile(3, 4, 5)).unwrap());
        sink.put(tile(3, 4, 5), b"old").unwrap();
        sink.put(tile(3, 4, 5), b"new").unwrap();
        assert!(sink.tree().has(tile(3, 4, 5)).unwrap());
        assert_eq!(fs::read(root.path().join("3/4/5.pbf")).unwrap(), b"new");
        assert_eq!(names(root.path()), ["3"]);
    }

    #[test]
    fn a_file_that_a_power_cut_emptied_counts_as_missing() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("0/0")).unwrap();
        fs::write(root.path().join("0/0/0.pbf"), b"").unwrap();
        assert!(!sink(root.path()).tree().has(tile(0, 0, 0)).unwrap());
    }

    #[test]
    fn orphans_are_swept_by_the_next_run_but_not_by_one_beside_it() {
        let root = tempfile::tempdir().unwrap();
        let first = sink(root.path());
        let orphan = root.path().join(format!("{PART_PREFIX}1-1"));
        fs::write(&orphan, b"half a ti").unwrap();
        let second = sink(root.path());
        assert!(orphan.exists(), "swept while another run was at work");
        drop((first, second));
        drop(sink(root.path()));
        assert!(!orphan.exists(), "not swept by a run that is alone");
    }

    #[test]
    fn a_failed_write_leaves_the_old_tile_and_no_orphan() {
        let root = tempfile::tempdir().unwrap();
        let mut sink = sink(root.path());
        fs::write(root.path().join("1"), b"a file where a folder should be").unwrap();
        let message = sink.put(tile(1, 0, 0), b"tile").unwrap_err().to_string();
        assert!(message.starts_with("cannot write a tile to "), "{message}");
        assert!(!message.contains("1/0"), "the message says where: {message}");
        assert_eq!(names(root.path()), ["1"]);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_what_is_written() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        sink(root.path()).put(tile(3, 4, 5), b"tile").unwrap();
        for (path, mode) in [("3", 0o700), ("3/4", 0o700), ("3/4/5.pbf", 0o600)] {
            let found = fs::metadata(root.path().join(path)).unwrap().permissions().mode();
            assert_eq!(found & 0o777, mode, "{path}");
        }
    }

    #[test]
    fn what_is_no_extension_is_refused() {
        let root = tempfile::tempdir().unwrap();
        for extension in ["", ".pbf", "a/b", "toolong"] {
            let error = DirectorySink::open(root.path(), extension, Durability::Process).unwrap_err();
            assert!(error.to_string().contains(&format!("`{extension}`")), "{error}");
        }
    }
}
