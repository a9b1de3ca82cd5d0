//! A request from its head to its end.

use std::io;
use std::rc::Rc;
use std::time::Instant;

use super::stats::{End, Ledger, cause};
use super::wire::Line;

/// A request that was received and is to be accounted for.
///
/// Invariant: it is settled exactly once, at the latest when it is dropped.
pub(super) struct Request<'a> {
    ledger: &'a Ledger,
    line: Rc<Line>,
    is_settled: bool,
}

impl<'a> Request<'a> {
    pub(super) fn received(ledger: &'a Ledger, line: Rc<Line>, now: Instant) -> Self {
        ledger.received(now);
        Self { ledger, line, is_settled: false }
    }

    pub(super) fn injected(&self, name: &str) {
        self.ledger.injected(name);
    }

    /// Sends a part of the answer, and ends the request if nothing remains after it and an end is given.
    pub(super) fn sending(
        &mut self,
        remaining: usize,
        head_bytes: usize,
        end: Option<End<'_>>,
        send: impl FnOnce() -> io::Result<usize>,
    ) -> io::Result<usize> {
        let sent = self.ledger.sending(remaining, head_bytes, end, send)?;
        self.is_settled |= end.is_some() && sent >= remaining;
        Ok(sent)
    }

    /// Ends it without a complete answer.
    pub(super) fn unanswered(mut self, name: &str) {
        self.settle(End::Unanswered(name));
    }

    fn settle(&mut self, end: End<'_>) {
        self.is_settled = true;
        self.ledger.settled(end);
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        if self.is_settled {
            return;
        }
        if self.line.is_cut.get() {
            self.ledger.injected(cause::OUTAGE);
            self.settle(End::Unanswered(cause::OUTAGE));
        } else {
            self.settle(End::Aborted);
        }
    }
}
