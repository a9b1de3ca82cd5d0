//! One connection, with the clocks of what goes over it.

use std::io;
use std::mem;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::failure::from_established;
use super::wire::Wire;
use crate::clock::within;
use crate::transport::{Phase, TransportError};

/// A connection that carries one request at a time.
#[derive(Debug)]
pub(super) struct Connection {
    wire: Wire,
    silence: Silence,
    /// It has carried a request before.
    is_used: bool,
    /// At least one byte of the present answer has come.
    is_answered: bool,
    /// A request has gone out, and nobody has looked for the answer yet.
    is_just_asked: bool,
    _open: Open,
}

/// How long a connection may stand still.
#[derive(Clone, Copy, Debug)]
pub(super) struct Silence {
    /// While something is being read.
    pub(super) read: Duration,
    /// While something is being written.
    pub(super) send: Duration,
}

impl Connection {
    pub(super) fn new(wire: Wire, silence: Silence, open: Open) -> Self {
        Self { wire, silence, is_used: false, is_answered: false, is_just_asked: false, _open: open }
    }

    /// Takes it up once more.
    pub(super) fn reused(mut self) -> Self {
        (self.is_used, self.is_answered) = (true, false);
        self
    }

    /// Sends all of `bytes`.
    pub(super) async fn send(&mut self, mut bytes: &[u8]) -> Result<(), TransportError> {
        let limit = self.silence.send;
        let late = TransportError::Timeout { phase: Phase::Send, after: limit };
        while !bytes.is_empty() {
            let sent = within(limit, self.wire.send(bytes)).await.ok_or(late)?;
            let sent = sent.map_err(|error| from_established(&error, self.may_be_stale()))?;
            bytes = bytes.get(sent..).unwrap_or_default();
        }
        let flushed = within(limit, self.wire.flushed()).await.ok_or(late)?;
        flushed.map_err(|error| from_established(&error, self.may_be_stale()))?;
        self.is_just_asked = true;
        Ok(())
    }

    /// Reads what is there, waiting until something is; 0 is the end.
    pub(super) async fn receive(&mut self, buffer: &mut [u8], phase: Phase) -> Result<usize, TransportError> {
        let is_just_asked = mem::take(&mut self.is_just_asked);
        let limit = self.silence.read;
        let received = async {
            if is_just_asked && !self.wire.is_tls() {
                // No server is that quick: looking before it can have answered is a system call for nothing.
                self.wire.socket().readable().await?;
            }
            self.wire.receive(buffer).await
        };
        let received = within(limit, received).await.ok_or(TransportError::Timeout { phase, after: limit })?;
        let count = received.map_err(|error| from_established(&error, self.may_be_stale()))?;
        self.is_answered |= count > 0;
        Ok(count)
    }

    /// What it means that the connection ended before the answer.
    pub(super) fn closed(&self) -> TransportError {
        TransportError::Closed { stale: self.may_be_stale() }
    }

    /// True where nothing that has come lies between here and the socket: it would be taken for the next answer.
    pub(super) fn is_drained(&mut self) -> bool {
        self.wire.is_drained()
    }

    /// True where the other side has neither closed the connection nor sent anything unasked.
    pub(super) fn is_quiet(&self) -> bool {
        let mut byte = [0];
        let found: io::Result<usize> = TcpStream::peek(self.wire.socket().get_ref(), &mut byte);
        matches!(found, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// The request went out on a used connection and nothing came back: see [`TransportError::maybe_stale`].
    const fn may_be_stale(&self) -> bool {
        self.is_used && !self.is_answered
    }
}

/// How many connections there are and have been.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) opened: AtomicU64,
    pub(super) open: AtomicUsize,
}

/// Counts a connection for as long as it is open.
#[derive(Debug)]
pub(super) struct Open(Arc<Counts>);

impl Open {
    pub(super) fn count(counts: &Arc<Counts>) -> Self {
        counts.opened.fetch_add(1, Ordering::Relaxed);
        counts.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(counts))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
