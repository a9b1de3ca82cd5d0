//! The one home of what this crate asks of a file system beyond plain reading and writing.
//!
//! Archives, dead letters and journals say where somebody goes. Whatever is created here can be read by its owner alone.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::Path;

/// How much a write is worth when the machine loses its power.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// What was written survives the end of the process, `kill -9` included. A power cut may lose the last seconds, and
    /// may leave files of a directory tree empty; those count as missing on resume.
    #[default]
    Process,
    /// What was written survives a power cut: every tile waits for the disk, which costs milliseconds a tile.
    PowerCut,
}

/// Creates a file that must not exist yet, for its owner alone.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    private(OpenOptions::new().read(true).write(true).create_new(true)).open(path)
}

/// Opens a file to append to it, creating it if need be, and takes it away from everybody but its owner.
pub(crate) fn open_append(path: &Path) -> io::Result<File> {
    let file = private(OpenOptions::new().append(true).create(true)).open(path)?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(file)
}

/// Creates a folder and those above it, each for its owner alone.
pub(crate) fn create_folders(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Takes the file that is open as `file` for this process alone, as long as it is open.
///
/// On a file system without locks, whoever starts two runs with one file is not warned.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] when another process has it, or has just put another file in its place.
pub(crate) fn lock(file: &File, path: &Path) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) if is_still(file, path)? => Ok(()),
        Err(TryLockError::Error(_)) => Ok(()),
        Ok(()) | Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// Replaces the file at `path`, or creates it, in one step: whenever the process ends, the whole of the old or of the new one is
/// there. Of several that do it at the same time the last one counts.
///
/// What a kill leaves in between is `NAME.new`, which the next call takes over: however often it happens, nothing piles up.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = Path::new(&name);
    let mut file = loop {
        let file = private(OpenOptions::new().write(true).create(true).truncate(false)).open(new)?;
        // For the moment that somebody else needs, who then has moved the file away. Without locks nobody waits.
        if file.lock().is_err() || is_still(&file, new)? {
            break file;
        }
    };
    let written = file.set_len(0).and_then(|()| file.write_all(bytes)).and_then(|()| std::fs::rename(new, path));
    if written.is_err() {
        // Gives the space back; if even that fails, the next call takes it over.
        let _ = std::fs::remove_file(new);
    }
    written
}

/// Whether the open file is the one at `path`: between opening and locking it, its owner may have replaced it.
#[cfg(unix)]
fn is_still(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let ours = file.metadata()?;
    match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        theirs => theirs.map(|theirs| (theirs.dev(), theirs.ino()) == (ours.dev(), ours.ino())),
    }
}

/// An open file can be neither replaced nor removed here.
#[cfg(not(unix))]
fn is_still(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}

/// Makes what was renamed into or created in a folder survive a power cut.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    // Only Unix can open a folder; elsewhere the rename itself is as durable as it gets.
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

/// Whether an error says that there is no room left, on the disk or in somebody's quota.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

/// Whether an error says that this process, or the whole machine, has too many files open.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| DESCRIPTOR_ERRORS.contains(&code))
}

/// `ENFILE` and `EMFILE`, which have no `ErrorKind`; the numbers are the same on every Unix.
#[cfg(unix)]
const DESCRIPTOR_ERRORS: [i32; 2] = [23, 24];
/// `ERROR_TOO_MANY_OPEN_FILES`.
#[cfg(not(unix))]
const DESCRIPTOR_ERRORS: [i32; 1] = [4];

/// Options that create files for their owner alone.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_is_replaced_is_whole_and_what_a_kill_left_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory");
        std::fs::write(folder.path().join("memory.new"), "longer than what comes now").unwrap();
        for text in ["first", "2nd"] {
            replace(&path, text.as_bytes()).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        }
        let nowhere = folder.path().join("nowhere/memory");
        assert_eq!(replace(&nowhere, b"lost").unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn of_several_that_replace_a_file_one_is_there_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory");
        replace(&path, &[b'z'; 5_000]).unwrap();
        std::thread::scope(|scope| {
            for letter in b'a'..=b'd' {
                let path = &path;
                scope.spawn(move || (0..50).for_each(|_| replace(path, &[letter; 5_000]).unwrap()));
            }
            for _ in 0..500 {
                let read = std::fs::read(&path).unwrap();
                assert!(read.len() == 5_000 && read.iter().all(|byte| *byte == read[0]), "{} bytes", read.len());
            }
        });
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_file_that_was_replaced_or_removed_while_it_was_opened_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let opened = create_new(&path).unwrap();
        lock(&opened, &path).unwrap();
        std::fs::rename(&path, folder.path().join("old")).unwrap();
        assert_eq!(lock(&opened, &path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(create_new(&path).unwrap());
        assert_eq!(lock(&opened, &path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
