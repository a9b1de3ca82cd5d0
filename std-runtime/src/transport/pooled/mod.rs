//! HTTP/1.1 over connections that are kept and shared.
//!
//! The sockets are async-io's, so that a request under way is a task and no thread. Heads are parsed by ureq's parser; what
//! little else of the protocol a `GET` needs is here. ureq's own state machine without sockets would do that too, but it
//! hands every byte to the application's logger, and a URL is a place, its query a key. At most [`HttpConfig::max_connections`] are under way at the same time, and one beyond that
//! waits for its turn. All share the idle connections, so that one limit counts for all.
//!
//! Dropping the future of a request closes its connection at once, whatever it was doing: looking up a name, connecting,
//! agreeing on TLS, reading or writing. One that waited for its turn is never sent.
//!
//! ```no_run
//! use tidegate::transport::{HttpConfig, HttpTransport, Request, Transport};
//!
//! let http = HttpTransport::new(HttpConfig { max_connections: 20, ..HttpConfig::default() })?;
//! let response = async_io::block_on(http.send(Request::new("http://127.0.0.1:8001/0/0/0.pbf")))?;
//! println!("{} with {} bytes", response.status, response.body.len());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod ask;
mod chunks;
pub mod config;
mod connection;
mod dial;
mod exchange;
mod failure;
mod framing;
mod idle;
mod receive;
mod redirect;
mod resolve;
mod settings;
mod socks;
mod told;
mod tunnel;
mod wire;

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use async_lock::Semaphore;
use futures_lite::future::FutureExt as _;

use config::{ConfigError, HttpConfig};
use exchange::Exchange;

use super::{Request, Response, Transport, TransportError};
use crate::stop::{Extent, Stop};

/// Sends requests over HTTP/1.1, with or without TLS.
///
/// > At most `max_connections` requests under way at any time, and no connection left after [`close`](Self::close) and the
/// > end of its requests.
pub struct HttpTransport {
    turns: Semaphore,
    busy: AtomicUsize,
    closing: Stop,
    exchange: Exchange,
}

impl HttpTransport {
    /// A client. No connection is made before the first request.
    ///
    /// # Errors
    /// Those of [`HttpConfig::validate`].
    pub fn new(config: HttpConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self {
            turns: Semaphore::new(config.max_connections),
            busy: AtomicUsize::new(0),
            closing: Stop::new(),
            exchange: Exchange::new(&config)?,
        })
    }

    /// What the client holds at this moment.
    #[must_use]
    pub fn pool(&self) -> PoolState {
        let counts = &self.exchange.dial.counts;
        PoolState {
            busy: self.busy.load(Ordering::Relaxed),
            open_connections: counts.open.load(Ordering::Relaxed),
            idle_connections: self.exchange.idle.count(),
            opened_connections: counts.opened.load(Ordering::Relaxed),
        }
    }

    /// Ends all requests with [`TransportError::ShutDown`] and closes all connections: idle ones at once, and those in use
    /// as the tasks of their requests are told. Later requests end with the same error.
    pub fn close(&self) {
        self.closing.ask(Extent::Abort);
        self.exchange.idle.close();
    }

    async fn exchange(&self, request: Request) -> Result<Response, TransportError> {
        let asked_at = Instant::now();
        let _turn = self.turns.acquire().await;
        let queued = asked_at.elapsed();
        let _busy = Busy::among(&self.busy);
        // The libraries assert what they believe to be impossible. Whoever asked has to outlive that.
        let exchanged = AssertUnwindSafe(self.exchange.run(request)).catch_unwind().await;
        let mut response = exchanged.unwrap_or(Err(TransportError::Panicked))?;
        response.timing.queued = queued;
        Ok(response)
    }
}

impl Transport for HttpTransport {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.closing.or(Extent::Abort, self.exchange(request)).await.unwrap_or(Err(TransportError::ShutDown))
    }
}

impl Drop for HttpTransport {
    fn drop(&mut self) {
        // The alarm of the idle ones would keep them until it rings.
        self.close();
    }
}

/// Without its headers and its peers: keys, users and hosts are in them.
impl fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTransport").field("pool", &self.pool()).finish_non_exhaustive()
    }
}

/// Counts a request for as long as it is under way.
struct Busy<'a>(&'a AtomicUsize);

impl<'a> Busy<'a> {
    fn among(busy: &'a AtomicUsize) -> Self {
        busy.fetch_add(1, Ordering::Relaxed);
        Self(busy)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a client holds at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolState {
    /// Requests under way.
    pub busy: usize,
    /// Connections open, idle or in use.
    pub open_connections: usize,
    /// Of these, kept for a later request.
    pub idle_connections: usize,
    /// Connections opened since the start. Far fewer than requests where keep-alive works.
    pub opened_connections: u64,
}

/// Locks, also after a panic of another holder: the states here are valid between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_under_way_takes_little_room_beside_its_buffer() {
        let http = HttpTransport::new(HttpConfig::default()).expect("the default is valid");
        let bytes = size_of_val(&http.send(Request::new("http://tiles.test/")));
        assert!(bytes <= 5 * 1024, "{bytes} bytes, and a call of a fetcher keeps that too");
    }
}
