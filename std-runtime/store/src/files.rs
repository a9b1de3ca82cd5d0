//! The one home of what this crate asks of a file system beyond plain reading and writing.
//!
//! Archives, dead letters and journals say where somebody goes. Whatever is created here can be read by its owner alone.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
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

/// Creates a folder and those above it, each for its owner alone.
pub(crate) fn create_folders(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
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

/// Options that create files for their owner alone.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}
