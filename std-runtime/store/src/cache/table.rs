//! The SQLite file: one row for each answer, and how much all of them take, kept right by triggers for every process.

use std::{io, path::Path, time::Duration};

use rusqlite::{Connection, ErrorCode, OptionalExtension, TransactionBehavior, params};

use super::CacheError;
use crate::files;

/// The file's name in the cache's folder.
pub(super) const FILE: &str = "answers.sqlite";

#[derive(Debug)]
pub(super) struct Table(Connection);

/// An answer to be kept.
pub(super) struct Row<'a> {
    pub(super) varied: i64,
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) asked: i64,
    pub(super) received: i64,
    pub(super) checksum: i64,
    pub(super) body: &'a [u8],
}

/// An answer that is kept, without its body.
pub(super) struct Found {
    pub(super) id: i64,
    pub(super) varied: i64,
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) asked: i64,
    pub(super) received: i64,
    pub(super) bytes: u64,
    used: i64,
}

/// An answer that is kept, with its body.
pub(super) struct Whole {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) checksum: i64,
    pub(super) body: Vec<u8>,
}

impl Table {
    /// Opens the file in a folder, or makes both, for their owner alone.
    pub(super) fn open(folder: &Path) -> Result<Self, CacheError> {
        let create = |source| CacheError::Create { folder: folder.to_owned(), source };
        let file = folder.join(FILE);
        files::create_folders(folder).map_err(create)?;
        match files::create_new(&file) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(create(error)),
            Ok(_) => {}
            // Whoever may read it is not left to whoever made it.
            Err(_) => drop(files::open_append(&file).map_err(create)?),
        }
        let failed = |source: rusqlite::Error| match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => CacheError::Foreign { file: file.clone() },
            Some(_) | None => CacheError::Sqlite { file: file.clone(), source },
        };
        let mut table = Self(Connection::open(&file).map_err(failed)?);
        table.0.busy_timeout(BUSY_TIMEOUT_AT_FIRST).map_err(failed)?;
        if table.is_foreign().map_err(failed)? {
            return Err(CacheError::Foreign { file });
        }
        table.prepare().map_err(failed)?;
        Ok(table)
    }

    pub(super) fn in_memory() -> rusqlite::Result<Self> {
        let mut table = Self(Connection::open_in_memory()?);
        table.prepare()?;
        Ok(table)
    }

    /// Whether it is a database that was not made here.
    fn is_foreign(&self) -> rusqlite::Result<bool> {
        let id: i32 = self.0.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let tables: i64 = self.0.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
        Ok(id != APPLICATION_ID && tables > 0)
    }

    fn prepare(&mut self) -> rusqlite::Result<()> {
        let db = &mut self.0;
        // Before the first table, or it has no effect.
        db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        // What a power cut takes with it is asked for again.
        db.pragma_update(None, "synchronous", "NORMAL")?;
        db.pragma_update(None, "cache_size", -CACHE_KIB)?;
        db.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        db.pragma_update(None, "journal_size_limit", LOG_BYTES_MAX)?;
        db.pragma_update(None, "application_id", APPLICATION_ID)?;
        let change = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version: i32 = change.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version != VERSION {
            // Of another version: nothing in it is worth more than asking again.
            change.execute_batch("DROP TABLE IF EXISTS answers; DROP TABLE IF EXISTS totals;")?;
            change.execute_batch(TABLES)?;
            change.pragma_update(None, "user_version", VERSION)?;
        }
        change.commit()?;
        db.busy_timeout(BUSY_TIMEOUT)
    }

    /// The answer of a key, which counts as used at `now`.
    pub(super) fn find(&self, key: &[u8; 16], now: i64) -> rusqlite::Result<Option<Found>> {
        let mut select = self.0.prepare_cached(
            "SELECT id, varied, status, head, asked, received, length(body), used FROM answers WHERE key = ?1",
        )?;
        let found = select
            .query_row([&key[..]], |row| {
                Ok(Found {
                    id: row.get(0)?,
                    varied: row.get(1)?,
                    status: row.get(2)?,
                    head: row.get(3)?,
                    asked: row.get(4)?,
                    received: row.get(5)?,
                    bytes: row.get::<_, i64>(6)?.unsigned_abs(),
                    used: row.get(7)?,
                })
            })
            .optional()?;
        if let Some(found) = &found
            && now >= found.used.saturating_add(USED_S)
        {
            self.0.prepare_cached("UPDATE answers SET used = ?2 WHERE id = ?1")?.execute(params![found.id, now])?;
        }
        Ok(found)
    }

    /// A whole answer.
    pub(super) fn read(&self, id: i64) -> rusqlite::Result<Option<Whole>> {
        let mut select = self.0.prepare_cached("SELECT status, head, checksum, body FROM answers WHERE id = ?1")?;
        let whole = |row: &rusqlite::Row<'_>| {
            Ok(Whole { status: row.get(0)?, head: row.get(1)?, checksum: row.get(2)?, body: row.get(3)? })
        };
        select.query_row([id], whole).optional()
    }

    /// Puts an answer in the place of the one that its key had, or removes that, and says how many others had to make room.
    pub(super) fn replace(&mut self, key: &[u8; 16], row: Option<&Row<'_>>, bytes_max: u64) -> rusqlite::Result<u64> {
        let change = self.0.transaction_with_behavior(TransactionBehavior::Immediate)?;
        change.prepare_cached("DELETE FROM answers WHERE key = ?1")?.execute([&key[..]])?;
        let mut evicted = 0;
        if let Some(row) = row.filter(|row| size(&row.head, row.body) as u64 <= bytes_max) {
            let Row { varied, status, head, asked, received, checksum, body } = row;
            change
                .prepare_cached(
                    "INSERT INTO answers (key, varied, status, head, asked, received, used, size, checksum, body)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8, ?9)",
                )?
                .execute(params![&key[..], varied, status, head, asked, received, size(head, body), checksum, body])?;
            evicted = evict(&change, bytes_max)?;
        }
        change.commit()?;
        Ok(evicted)
    }

    /// Writes a new head and new times to an answer, which counts as used.
    pub(super) fn update(
        &self,
        id: i64,
        varied: i64,
        head: &str,
        (asked, received): (i64, i64),
    ) -> rusqlite::Result<()> {
        let mut update = self.0.prepare_cached(
            "UPDATE answers SET varied = ?2, head = ?3, asked = ?4, received = ?5, used = max(used, ?5),
                 size = size - length(CAST(head AS BLOB)) + length(CAST(?3 AS BLOB)) WHERE id = ?1",
        )?;
        update.execute(params![id, varied, head, asked, received]).map(|_| ())
    }

    pub(super) fn remove(&self, id: i64) -> rusqlite::Result<()> {
        self.0.prepare_cached("DELETE FROM answers WHERE id = ?1")?.execute([id]).map(|_| ())
    }

    /// Removes what was used least recently until no more than `bytes_max` are left, and gives the room back to the disk.
    pub(super) fn evict(&mut self, bytes_max: u64) -> rusqlite::Result<u64> {
        let change = self.0.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let evicted = evict(&change, bytes_max)?;
        change.commit()?;
        if evicted > 0 {
            // Each step gives one page back.
            let mut vacuum = self.0.prepare("PRAGMA incremental_vacuum")?;
            let mut steps = vacuum.query([])?;
            while steps.next()?.is_some() {}
        }
        Ok(evicted)
    }

    /// How many answers there are, and their bytes.
    pub(super) fn totals(&self) -> rusqlite::Result<(u64, u64)> {
        self.0.query_row("SELECT answers, bytes FROM totals", [], |row| {
            Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, i64>(1)?.unsigned_abs()))
        })
    }
}

fn evict(db: &Connection, bytes_max: u64) -> rusqlite::Result<u64> {
    let bytes_max = i64::try_from(bytes_max).unwrap_or(i64::MAX);
    let mut bytes = db.prepare_cached("SELECT bytes FROM totals")?;
    let mut delete =
        db.prepare_cached("DELETE FROM answers WHERE id = (SELECT id FROM answers ORDER BY used, id LIMIT 1)")?;
    let mut evicted = 0;
    while bytes.query_row([], |row| row.get::<_, i64>(0))? > bytes_max && delete.execute([])? > 0 {
        evicted += 1;
    }
    Ok(evicted)
}

/// What an answer counts for: its bytes, and about what SQLite needs beside them.
fn size(head: &str, body: &[u8]) -> i64 {
    (head.len() + body.len() + ROW_BYTES) as i64
}

/// The body comes last: what is looked up without it is read without it. Ids are never used again, so that a body is that of
/// the head that named it. A replacement is a deletion and an insertion, since SQLite's own would not pull the first trigger.
const TABLES: &str = "
    CREATE TABLE answers (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        key BLOB NOT NULL UNIQUE,
        varied INTEGER NOT NULL,
        status INTEGER NOT NULL,
        head TEXT NOT NULL,
        asked INTEGER NOT NULL,
        received INTEGER NOT NULL,
        used INTEGER NOT NULL,
        size INTEGER NOT NULL,
        checksum INTEGER NOT NULL,
        body BLOB NOT NULL
    ) STRICT;
    CREATE INDEX by_use ON answers (used, id);
    CREATE TABLE totals (answers INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;
    INSERT INTO totals VALUES (0, 0);
    CREATE TRIGGER removed AFTER DELETE ON answers BEGIN
        UPDATE totals SET answers = answers - 1, bytes = bytes - old.size;
    END;
    CREATE TRIGGER added AFTER INSERT ON answers BEGIN
        UPDATE totals SET answers = answers + 1, bytes = bytes + new.size;
    END;
    CREATE TRIGGER resized AFTER UPDATE OF size ON answers BEGIN
        UPDATE totals SET bytes = bytes + new.size - old.size;
    END;";

/// `TGCA`.
const APPLICATION_ID: i32 = 0x5447_4341;
/// Of the tables.
const VERSION: i32 = 1;
/// How long opening waits for another process that is writing …
const BUSY_TIMEOUT_AT_FIRST: Duration = Duration::from_secs(5);
/// … and how long a request waits, which could be made instead.
const BUSY_TIMEOUT: Duration = Duration::from_millis(100);
/// SQLite's own cache of pages.
const CACHE_KIB: i32 = 4_096;
/// How much of the log is folded into the file at a time, at the price of waiting for the disk: 16 MiB.
const CHECKPOINT_PAGES: i32 = 4_096;
/// How large an idle log may stay.
const LOG_BYTES_MAX: i32 = 32 << 20;
/// When an answer was used is written down to the minute, or each hit would be a write.
const USED_S: i64 = 60;
/// A row's numbers, its places in two indices, and its part of a page that is not full.
const ROW_BYTES: usize = 128;
