//! HTTP by ureq on a bounded pool of threads.
//!
//! ureq blocks, so every request under way has a thread. They are named, started when they are first needed, and
//! never more than [`HttpConfig::max_connections`]; a request beyond that waits for its turn as a task, not as a
//! thread. All share the idle connections, so that any worker can use any of them, and one limit counts for all.
//!
//! Dropping the future of a request frees its worker at once: a request in the queue is forgotten, one that looks up a
//! name or connects stops waiting, and one that reads or writes loses its socket. That is not done through
//! `Agent::shutdown`, which cannot stop a connect and would take along the connections of all others.
//!
//! ```no_run
//! use tidegate::transport::{HttpConfig, HttpTransport, Request, Transport};
//!
//! let http = HttpTransport::new(HttpConfig { max_connections: 20, ..HttpConfig::default() })?;
//! let response = async_io::block_on(http.send(Request::new("http://127.0.0.1:8001/0/0/0.pbf")))?;
//! println!("{} with {} bytes", response.status, response.body.len());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod config;
mod current;
mod exchange;
mod failure;
mod handover;
mod idle;
mod job;
mod redirect;
mod resolve;
mod settings;
mod socket;
mod socks;
mod workers;

use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_lock::Semaphore;
use thiserror::Error;

use config::{ConfigError, HttpConfig};
use exchange::Exchange;
use job::{Job, Stop};
use workers::{Queued, Work, Workers};

use super::{Request, Response, Transport, TransportError};

/// Sends requests over HTTP/1.1, with or without TLS.
///
/// > At most `max_connections` threads and requests at any time, and none left after [`close`](Self::close).
#[derive(Debug)]
pub struct HttpTransport {
    /// One permit per worker that may be started. Whoever holds one finds a worker, or may start one.
    turns: Arc<Semaphore>,
    workers: Workers,
    exchange: Arc<Exchange>,
}

impl HttpTransport {
    /// A client. No thread is started and no connection made before the first request.
    ///
    /// # Errors
    /// Those of [`HttpConfig::validate`].
    pub fn new(config: HttpConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        let exchange = Arc::new(Exchange::new(&config)?);
        let work: Arc<dyn Work> = Arc::clone(&exchange) as _;
        Ok(Self {
            turns: Arc::new(Semaphore::new(config.max_connections)),
            workers: Workers::new(config.max_connections, work),
            exchange,
        })
    }

    /// What the client holds at this moment.
    #[must_use]
    pub fn pool(&self) -> PoolState {
        let counts = &self.exchange.counts;
        PoolState {
            workers: self.workers.count(),
            busy: self.workers.busy(),
            open_connections: counts.open.load(Ordering::Relaxed),
            idle_connections: self.exchange.idle.count(),
            opened_connections: counts.opened.load(Ordering::Relaxed),
        }
    }

    /// Ends all requests with [`TransportError::ShutDown`], closes all connections and waits until the threads are
    /// gone, but no longer than `limit`. Later requests end with the same error. Dropping the client does this too,
    /// with a limit of one second.
    ///
    /// # Errors
    /// Threads were left at the limit. They hold nothing of their caller's and leave when the system lets them.
    pub fn close(&self, limit: Duration) -> Result<(), StillClosing> {
        let left = self.workers.close(limit);
        self.exchange.close();
        if left == 0 { Ok(()) } else { Err(StillClosing { threads: left }) }
    }
}

impl Transport for HttpTransport {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let asked_at = Instant::now();
        let turn = self.turns.acquire_arc().await;
        let job = Arc::new(Job::default());
        self.workers.submit(Queued::new(Arc::clone(&job), request, asked_at, turn))?;
        let ticket = Ticket(job);
        poll_fn(|cx| ticket.0.poll_result(cx)).await
    }
}

impl Drop for HttpTransport {
    fn drop(&mut self) {
        // What is left after this leaves by itself.
        let _ = self.close(DROP_LIMIT);
    }
}

/// Stops the job when its future is dropped. After the result it changes nothing.
struct Ticket(Arc<Job>);

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.stop(Stop::Abandoned);
    }
}

/// What a client holds at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolState {
    /// Threads started.
    pub workers: usize,
    /// Of these, running a request.
    pub busy: usize,
    /// Connections open, idle or in use.
    pub open_connections: usize,
    /// Of these, kept for a later request.
    pub idle_connections: usize,
    /// Connections opened since the start. Far fewer than requests where keep-alive works.
    pub opened_connections: u64,
}

/// Threads that had not left when the time for closing was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{threads} HTTP threads have not ended yet: allow more time for closing")]
pub struct StillClosing {
    /// How many.
    pub threads: usize,
}

/// Interrupted workers leave within milliseconds; a second is for machines that are busy otherwise.
const DROP_LIMIT: Duration = Duration::from_secs(1);

/// Locks, also after a panic of another holder: the states here are valid between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
