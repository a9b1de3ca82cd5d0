//! Answers kept between runs, by the rules of HTTP, in one SQLite file.
//!
//! [`TileCache`] is the [`Cache`] of a fetcher. What may be kept, for how long it is good and when its
//! server has to be asked is decided by the answer's own head; the [rules](self#rules) are those of a private cache (RFC 9111).
//!
//! > What is handed over is what was received, byte by byte, or nothing at all.
//!
//! Every answer has a checksum, and is looked into again by the fetcher as if a server had just sent it. An answer is one
//! transaction, so a `kill -9` leaves it whole or absent. A cache that cannot be read or written has nothing, and costs no
//! tile: the trouble is counted in [`CacheStats::failed`] and told once in the log.
//!
//! # Rules
//! - Kept: verified tiles, and that there is none (204, 404, 410, or 200 without a body). Not kept: `no-store`, `Vary: *`, and
//!   whatever came by a redirect, whose own head would have to be minded too.
//! - One answer for each URL. If it varies by request headers that have changed since, it is as if it were not there.
//! - 304 brings the head up to date. If what it confirms has gone in the meantime, the tile is asked for anew.
//! - The least recently used answers make room, to the minute, when there is more than [`CacheConfig::bytes_max`].
//!
//! # Privacy
//! Whoever reads the cache knows where its owner goes, so only the owner can read it. URLs, with the keys in them, are not in
//! it: answers are found by a hash of theirs.
//!
//! **When it harms**: on a disk much slower than the network, because it is read and written between requests.

mod rules;
mod table;

use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::SystemTime,
};

use rusqlite::ErrorCode;
use thiserror::Error;
use tidegate::{
    fetch::{Cache, Exchange, Kept},
    transport::{Body, Field, Headers, Request, Response},
};
use tidegate_core::Instant;
use twox_hash::{XxHash3_64, XxHash3_128};

pub use rules::Lifetimes;
use rules::Times;
use table::{Row, Table, Whole};

/// Settings of a [`TileCache`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    /// How many bytes of answers are kept at most; the file is a little larger. One answer larger than that is not kept.
    pub bytes_max: u64,
    /// How long answers are good that say nothing about it.
    pub lifetimes: Lifetimes,
    /// The headers that every request has beside its own: an answer may vary by them.
    pub request_headers: Vec<(String, String)>,
}

impl CacheConfig {
    /// # Default
    /// - `bytes_max`: 512 MiB
    /// - `lifetimes`: [`Lifetimes::DEFAULT`]
    /// - `request_headers`: none
    pub const DEFAULT: Self = Self { bytes_max: 512 << 20, lifetimes: Lifetimes::DEFAULT, request_headers: Vec::new() };
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A cache that cannot be opened.
#[derive(Debug, Error)]
pub enum CacheError {
    /// The folder or the file in it cannot be made.
    #[error("cannot create the cache in {}: {source}", folder.display())]
    Create {
        /// Where it was to be.
        folder: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// There is another file of its name.
    #[error("{} is not a cache of tidegate: give another folder, or remove that file", file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
    },
    /// SQLite cannot use the file.
    #[error("cannot open the cache {}: {source}; it can be removed without losing anything but time", file.display())]
    Sqlite {
        /// The file.
        file: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}

/// What a cache holds and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Answers in it.
    pub answers: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Answers that made room for others since it was opened.
    pub evicted: u64,
    /// How often it could not be read or written since it was opened.
    pub failed: u64,
}

/// Answers kept in a file, by the rules of HTTP.
///
/// Several processes may share one.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tidegate::fetch::{Cache, Exchange};
/// use tidegate::transport::{Request, scripted::answer};
/// use tidegate_core::Instant;
/// use tidegate_store::cache::{CacheConfig, TileCache};
///
/// let at = |seconds| Instant::ORIGIN.saturating_add(Duration::from_secs(seconds));
/// let cache = TileCache::in_memory(CacheConfig::DEFAULT, at(0), SystemTime::now())?;
/// let request = Request::new("http://tiles.test/0/0/0.png");
/// let sent = answer(200, &[("cache-control", "max-age=60"), ("etag", "\"v1\"")], b"a tile");
/// let exchange = Exchange {
///     request: &request, status: 200, headers: &sent.headers, body: &sent.body, asked: at(0), answered: at(0),
/// };
/// cache.keep(&exchange);
///
/// let fresh = cache.look(at(59), &request).expect("it is kept");
/// assert_eq!((fresh.past, fresh.etag.as_deref()), (None, Some("\"v1\"")));
/// assert_eq!(&*cache.read(&fresh).expect("it is there").body, b"a tile");
/// let stale = cache.look(at(90), &request).expect("it is kept");
/// assert_eq!(stale.past, Some(Duration::from_secs(30)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TileCache {
    table: Mutex<Table>,
    config: CacheConfig,
    /// The time of the calendar at an instant of the fetcher's clock, in seconds since 1970.
    calendar: (Instant, i64),
    evicted: AtomicU64,
    failed: AtomicU64,
    is_told: AtomicBool,
}

impl TileCache {
    /// Opens the cache in a folder, or makes one. `now` on the fetcher's clock is `today` in the calendar; from then on only the
    /// clock counts, which nobody sets.
    ///
    /// # Errors
    /// Where the folder or file cannot be made, is somebody else's, or no SQLite database.
    pub fn open(folder: &Path, config: CacheConfig, now: Instant, today: SystemTime) -> Result<Self, CacheError> {
        let table = Table::open(folder)?;
        let file = || folder.join(table::FILE);
        Self::with(table, config, now, today).map_err(|source| CacheError::Sqlite { file: file(), source })
    }

    /// A cache that ends with the process.
    ///
    /// # Errors
    /// Where SQLite has no memory.
    pub fn in_memory(config: CacheConfig, now: Instant, today: SystemTime) -> Result<Self, CacheError> {
        let failed = |source| CacheError::Sqlite { file: PathBuf::from("(memory)"), source };
        Self::with(Table::in_memory().map_err(failed)?, config, now, today).map_err(failed)
    }

    fn with(mut table: Table, config: CacheConfig, now: Instant, today: SystemTime) -> rusqlite::Result<Self> {
        // It may have been larger the last time.
        let evicted = table.evict(config.bytes_max)?;
        let since_1970 = today.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        Ok(Self {
            table: Mutex::new(table),
            config,
            calendar: (now, since_1970 as i64),
            evicted: AtomicU64::new(evicted),
            failed: AtomicU64::new(0),
            is_told: AtomicBool::new(false),
        })
    }

    /// What it holds and did.
    pub fn stats(&self) -> CacheStats {
        let (answers, bytes) = self.tried(|table| table.totals()).unwrap_or_default();
        let (evicted, failed) = (self.evicted.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed));
        CacheStats { answers, bytes, evicted, failed }
    }

    /// What the calendar says at an instant, in seconds since 1970; rounded down, the same for everything that is kept.
    fn second(&self, at: Instant) -> i64 {
        let (now, today) = self.calendar;
        let after = at.saturating_since(now).as_secs() as i64;
        let before = now.saturating_since(at).as_secs() as i64;
        today.saturating_add(after).saturating_sub(before)
    }

    /// Names the request headers that an answer depends on, with what they are in this request.
    fn varied(&self, request: &Request, headers: &Headers) -> i64 {
        let mut text = String::new();
        for name in headers.get(Field::Vary).into_iter().flat_map(rules::list) {
            text.push_str(&name.to_ascii_lowercase());
            let own = request.headers.iter().map(|(of, value)| (*of, value.as_str()));
            let all = self.config.request_headers.iter().map(|(of, value)| (of.as_str(), value.as_str()));
            for (_, value) in own.chain(all).filter(|(of, _)| of.eq_ignore_ascii_case(name)) {
                text.push(':');
                text.push_str(value);
            }
            text.push('\n');
        }
        XxHash3_64::oneshot(text.as_bytes()).cast_signed()
    }

    /// Does something with the table; what goes wrong there is told once and costs nothing else.
    fn tried<R>(&self, work: impl FnOnce(&mut Table) -> rusqlite::Result<R>) -> Option<R> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        match work(&mut table) {
            Ok(result) => Some(result),
            Err(error) => {
                drop(table);
                self.failed.fetch_add(1, Ordering::Relaxed);
                if !self.is_told.swap(true, Ordering::Relaxed) {
                    let what = match error.sqlite_error_code() {
                        Some(ErrorCode::DiskFull) => "the disk is full",
                        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "another process is writing to it",
                        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => "its file is damaged: remove it",
                        Some(_) | None => "its file cannot be used",
                    };
                    tracing::warn!(%error, "the cache has trouble, and is done without where it has: {what}");
                }
                None
            }
        }
    }
}

impl Cache for TileCache {
    fn look(&self, now: Instant, request: &Request) -> Option<Kept> {
        let now = self.second(now);
        let row = self.tried(|table| table.find(&key(request), now))??;
        let headers = headers(&row.head);
        if row.varied != self.varied(request, &headers) {
            return None;
        }
        let times = Times { asked: row.asked, received: row.received };
        let is_tile = row.status == 200 && row.bytes > 0;
        let standing = rules::standing(is_tile, &headers, times, now, self.config.lifetimes);
        let text = |field| headers.get(field).map(str::to_owned);
        Some(Kept {
            id: row.id,
            status: row.status,
            bytes: row.bytes,
            etag: text(Field::ETag),
            last_modified: text(Field::LastModified),
            past: standing.past,
            must_ask: standing.must_ask,
            on_error: standing.on_error,
        })
    }

    fn read(&self, kept: &Kept) -> Option<Response> {
        let Whole { status, head, checksum, body } = self.tried(|table| table.read(kept.id))??;
        if checksum != sum(&body) {
            self.tried(|table| table.remove(kept.id));
            return None;
        }
        Some(Response { status, headers: headers(&head), body: Body::from(body), ..Response::default() })
    }

    fn keep(&self, exchange: &Exchange<'_>) {
        let Exchange { request, status, headers, body, asked, answered } = *exchange;
        let row = rules::may_be_kept(status, headers).then(|| Row {
            varied: self.varied(request, headers),
            status,
            head: head(headers),
            asked: self.second(asked),
            received: self.second(answered),
            checksum: sum(body),
            body,
        });
        let evicted = self.tried(|table| table.replace(&key(request), row.as_ref(), self.config.bytes_max));
        self.evicted.fetch_add(evicted.unwrap_or(0), Ordering::Relaxed);
    }

    fn confirm(&self, kept: &Kept, exchange: &Exchange<'_>) {
        let Exchange { request, headers: new, asked, answered, .. } = *exchange;
        self.tried(|table| {
            let Some(old) = table.read(kept.id)? else { return Ok(()) };
            let headers = rules::updated(&headers(&old.head), new);
            if !rules::may_be_kept(old.status, &headers) {
                return table.remove(kept.id);
            }
            let (varied, times) = (self.varied(request, &headers), (self.second(asked), self.second(answered)));
            table.update(kept.id, varied, &head(&headers), times)
        });
    }
}

/// What an answer is found by.
fn key(request: &Request) -> [u8; 16] {
    XxHash3_128::oneshot(request.url.as_bytes()).to_be_bytes()
}

fn sum(body: &[u8]) -> i64 {
    XxHash3_64::oneshot(body).cast_signed()
}

/// A head as lines of text. No value has a line break in it.
fn head(headers: &Headers) -> String {
    let lines = Field::ALL.into_iter().filter_map(|field| Some((field.name(), headers.get(field)?)));
    lines.map(|(name, value)| format!("{name}: {value}\n")).collect()
}

fn headers(head: &str) -> Headers {
    head.lines().filter_map(|line| line.split_once(": ")).collect()
}

#[cfg(test)]
mod tests;
