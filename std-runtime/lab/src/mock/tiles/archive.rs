//! Reading MBTiles.
//!
//! A small archive is read into memory once. A large one stays on disk, and a few threads of their own look tiles up
//! in it, because a read that blocks must not hold up the other connections.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension};
use tidegate_core::TileId;

use super::{Format, Tile};

/// An archive that cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file cannot be opened or read as a database with the tables of an archive.
    #[error("`{}` cannot be read: {source}; name a file with the tables of MBTiles 1.3", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// There is no file, or no access to it.
    #[error("`{}` cannot be opened: {source}; name an MBTiles file that this user may read", path.display())]
    NoFile {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The thread that looks tiles up could not be started.
    #[error("no thread could be started to read `{}`: {source}; end other threads or raise the limit", path.display())]
    NoThread {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// A tile that could not be looked up.
#[derive(Debug, thiserror::Error)]
pub(in crate::mock) enum FindError {
    #[error(transparent)]
    Archive(#[from] rusqlite::Error),
    #[error("the threads that read it have ended")]
    NoReader,
}

/// What is known of an archive without reading its tiles.
pub(super) struct Survey {
    pub(super) format: Format,
    pub(super) zoom_max: Option<u8>,
    /// A tile of the lowest zoom and, where there is one, another.
    pub(super) samples: Vec<Tile>,
}

/// Opens the archive for reading alone.
pub(super) fn open(path: &Path) -> Result<Connection, ArchiveError> {
    // SQLite's own message for a missing file names neither the file nor the cause.
    std::fs::File::open(path).map_err(|source| ArchiveError::NoFile { path: path.to_owned(), source })?;
    let open = || {
        let connection =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY_MAX)?;
        Ok(connection)
    };
    open().map_err(|source| ArchiveError::Unreadable { path: path.to_owned(), source })
}

/// Opens an archive that is part of the program.
pub(super) fn open_bytes(bytes: &'static [u8]) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open_in_memory()?;
    connection.deserialize_bytes("main", bytes)?;
    Ok(connection)
}

/// Reads what the archive says of itself.
pub(super) fn survey(connection: &Connection) -> rusqlite::Result<Survey> {
    let mut statement =
        connection.prepare("SELECT tile_data FROM tiles WHERE tile_data IS NOT NULL ORDER BY zoom_level LIMIT 2")?;
    let samples: Vec<Tile> = statement.query_map([], |row| row.get(0).map(Tile::new))?.collect::<Result<_, _>>()?;
    let said: Option<String> = connection
        .query_row("SELECT value FROM metadata WHERE name = 'format'", [], |row| row.get(0))
        .optional()
        .unwrap_or_default();
    let format = said.and_then(|name| Format::named(&name));
    let format = format.unwrap_or_else(|| samples.first().map_or(Format::Unknown, |tile| Format::of(tile.bytes())));
    let zoom_max = connection.query_row("SELECT max(zoom_level) FROM tiles", [], |row| row.get(0))?;
    Ok(Survey { format, zoom_max, samples })
}

/// Reads every tile.
pub(super) fn load(connection: &Connection) -> rusqlite::Result<HashMap<TileId, Tile>> {
    let mut statement = connection.prepare("SELECT zoom_level, tile_column, tile_row, tile_data FROM tiles")?;
    let mut rows = statement.query([])?;
    let mut tiles = HashMap::new();
    while let Some(row) = rows.next()? {
        // Rows that are not on the map can never be asked for, and those without data are no tiles.
        let key = stored_key(row.get(0)?, row.get(1)?, row.get(2)?);
        if let (Some(key), Some(data)) = (key, row.get::<_, Option<Vec<u8>>>(3)?) {
            tiles.insert(key, Tile::new(data));
        }
    }
    Ok(tiles)
}

/// The tile that an archive stores under these numbers.
fn stored_key(zoom: i64, column: i64, tms_row: i64) -> Option<TileId> {
    TileId::from_tms(zoom.try_into().ok()?, column.try_into().ok()?, tms_row.try_into().ok()?).ok()
}

/// Threads that look tiles up.
pub(super) struct Readers {
    /// Taken away to end the threads.
    jobs: Option<async_channel::Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

struct Job {
    key: TileId,
    reply: async_channel::Sender<rusqlite::Result<Option<Tile>>>,
}

impl Readers {
    pub(super) fn start(path: &Path) -> Result<Self, ArchiveError> {
        let (jobs, inbox) = async_channel::bounded(JOBS_MAX);
        let mut readers = Self { jobs: Some(jobs), threads: Vec::new() };
        for index in 0..READER_COUNT {
            let (connection, inbox) = (open(path)?, inbox.clone());
            let thread = std::thread::Builder::new()
                .name(format!("mock-tiles-{index}"))
                .spawn(move || read(&connection, &inbox))
                .map_err(|source| ArchiveError::NoThread { path: path.to_owned(), source })?;
            readers.threads.push(thread);
        }
        Ok(readers)
    }

    /// Looks one tile up; waits while too many are being looked up already.
    pub(super) async fn find(&self, key: TileId) -> Result<Option<Tile>, FindError> {
        let (reply, answer) = async_channel::bounded(1);
        let jobs = self.jobs.as_ref().ok_or(FindError::NoReader)?;
        jobs.send(Job { key, reply }).await.map_err(|_| FindError::NoReader)?;
        Ok(answer.recv().await.map_err(|_| FindError::NoReader)??)
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A panic in there was reported by the thread itself.
            let _ = thread.join();
        }
    }
}

fn read(connection: &Connection, inbox: &async_channel::Receiver<Job>) {
    while let Ok(job) = inbox.recv_blocking() {
        // The request may have been given up in the meantime.
        let _ = job.reply.try_send(find(connection, job.key));
    }
}

fn find(connection: &Connection, key: TileId) -> rusqlite::Result<Option<Tile>> {
    let mut statement = connection
        .prepare_cached("SELECT tile_data FROM tiles WHERE zoom_level = ?1 AND tile_column = ?2 AND tile_row = ?3")?;
    let row: Option<Option<Vec<u8>>> =
        statement.query_row((key.z(), key.x(), key.tms_row()), |row| row.get(0)).optional()?;
    Ok(row.flatten().map(Tile::new))
}

/// How long a writer may hold a lock before a read fails.
const BUSY_MAX: Duration = Duration::from_secs(2);

/// Two are enough to keep one core busy while the other waits for the disk.
const READER_COUNT: usize = 2;

/// Beyond this a request waits before it is queued.
const JOBS_MAX: usize = 256;
