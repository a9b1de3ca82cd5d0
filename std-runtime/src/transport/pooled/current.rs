//! The job that the current thread is running.
//!
//! ureq runs a whole exchange on the calling thread, but hands no context of the caller's through to a pooled
//! connection: the socket that carries a request was made for an earlier one. So the worker leaves the job in a
//! thread-local place, and the resolver, the connector and the sockets look there for whom they work.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use super::job::Job;
use crate::transport::Phase;

thread_local! {
    static JOB: RefCell<Option<Arc<Job>>> = const { RefCell::new(None) };
    static SEEN: Cell<Seen> = const { Cell::new(Seen::NOTHING) };
}

/// What the socket noticed of the exchange under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// How long the TCP connection took; `None` where one was reused.
    pub(super) connect: Option<Duration>,
    /// The connection has carried a request before.
    pub(super) reused: bool,
    /// At least one byte of an answer has come.
    pub(super) answered: bool,
    /// What a read waits for: the head, or the body.
    pub(super) phase: Phase,
}

impl Seen {
    /// The request went out on a used connection and nothing came back: see `TransportError::maybe_stale`.
    pub(super) fn maybe_stale(self) -> bool {
        self.reused && !self.answered
    }

    const NOTHING: Self = Self { connect: None, reused: false, answered: false, phase: Phase::Head };
}

/// Makes `job` this thread's job until the guard is dropped.
pub(super) fn enter(job: Arc<Job>) -> Entered {
    JOB.set(Some(job));
    SEEN.set(Seen::NOTHING);
    Entered
}

/// This thread's job; `None` on a thread that is no worker.
pub(super) fn job() -> Option<Arc<Job>> {
    JOB.with_borrow(Clone::clone)
}

/// What has been noticed so far.
pub(super) fn seen() -> Seen {
    SEEN.get()
}

/// Notes something about the exchange.
pub(super) fn note(change: impl FnOnce(&mut Seen)) {
    let mut seen = SEEN.get();
    change(&mut seen);
    SEEN.set(seen);
}

/// Ends the thread's job when dropped, also by a panic.
#[must_use = "the job ends when this is dropped"]
pub(super) struct Entered;

impl Drop for Entered {
    fn drop(&mut self) {
        JOB.set(None);
    }
}
