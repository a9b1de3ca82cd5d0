//! What a gate was asked and what it answered, to be played again.
//!
//! A decision that surprises somebody in the field is of little use without what led to it. A gate reads no clock and draws
//! no entropy, so its inputs are all there is to know: the same inputs give the same decisions on every runtime and
//! processor. [`Traced`] stands in a gate's place, keeps the last `R` inputs and decisions and a hash over all of them since
//! the start. Two devices (or a device and a test) that show the same hash have decided the same; where they have not,
//! [`replay`] names the first record that differs.
//!
//! **When it harms**: on a device that is short of memory or time. A record takes 48 bytes, and each input costs at most 40
//! multiplications for the hash.
//!
//! - A ring that has wrapped cannot be replayed, since its beginning is lost: [`ReplayError::Wrapped`] says so. Its hash still
//!   tells whether two traces are the same.
//! - Pauses, quotas and forced states ([`Control`]) are inputs like any other. Another change from outside
//!   ([`Traced::change`]: other settings, a snapshot) is recorded as such, but not what it did. A replay ends there with
//!   [`ReplayError::Changed`].
//! - A ticket is recorded by its contents, not by its number: tickets with the same contents mean the same to a gate, and a
//!   ticket from elsewhere is replayed as well.
//!
//! The hash is FNV-1a with 64 bits (Fowler, Noll and Vo; RFC 9923) over the format's version, one byte, and then the
//! fields of each record in little-endian bytes, so it depends neither on the processor nor on the compiler's layout. It finds
//! differences; it does not protect from somebody who wants two traces to look alike.

mod hash;
mod record;
mod replay;

pub use record::{Decision, Event, Granted, Record};
pub use replay::{Difference, ReplayError, replay};

use core::time::Duration;

use crate::{
    entropy::Entropy,
    gate::{Admission, Control, Gatekeeper, Try},
    outcome::Outcome,
    ticket::Ticket,
    time::Instant,
};
use hash::TraceHash;

/// The version of the records' meaning and of their bytes in the hash. Traces of different versions cannot be compared.
pub const TRACE_VERSION: u8 = 1;

/// A gatekeeper that is recorded: stands wherever the one inside can. Keeps the last `R` records, at least 1.
///
/// Invariant: the hash covers every record since the start, also those that the ring has lost.
///
/// ```
/// use tidegate_core::{Admission, Entropy, Gate, GateConfig, Gatekeeper, Instant, Outcome, Try, trace::Traced};
///
/// let gate = || Gate::new(GateConfig::DEFAULT).expect("the default is valid");
/// let mut traced: Traced<Gate, 64> = Traced::new(gate());
/// let now = Instant::from_secs(1);
/// if let Admission::Go(ticket) = traced.poll(now, Try::First) {
///     traced.settle(now, ticket, Outcome::Success, Entropy::new(7));
/// }
/// assert_eq!(traced.recorded(), 2);
/// assert_eq!(traced.replay(&mut gate()), Ok(traced.hash()));
/// ```
#[derive(Debug)]
pub struct Traced<G, const R: usize> {
    gate: G,
    /// The last records. By hand, since heapless's `HistoryBuf` indexes: it panics in states that the compiler cannot exclude.
    ring: [Option<Record>; R],
    /// The place of the next record, and of the oldest once the ring is full; less than `R`.
    next: usize,
    recorded: u64,
    hash: TraceHash,
}

impl<G, const R: usize> Traced<G, R> {
    /// Records what happens to `gate` from here on. To be replayed later, it has to be fresh.
    pub const fn new(gate: G) -> Self {
        const { assert!(R > 0, "a trace keeps at least one record") };
        Self { gate, ring: [None; R], next: 0, recorded: 0, hash: TraceHash::new() }
    }

    /// Changes the gate inside in a way that [`Control`] does not know (other settings, a snapshot). That there was a change is
    /// recorded, what it did is not: a replay ends there.
    pub fn change<T>(&mut self, now: Instant, change: impl FnOnce(&mut G) -> T) -> T {
        let result = change(&mut self.gate);
        self.record(now, Event::Changed);
        result
    }

    /// The gate inside.
    pub const fn gate(&self) -> &G {
        &self.gate
    }

    /// The last records, the oldest first.
    pub fn records(&self) -> impl Iterator<Item = Record> {
        let older = self.ring.get(self.next..).unwrap_or_default();
        let newer = self.ring.get(..self.next).unwrap_or_default();
        older.iter().chain(newer).flatten().copied()
    }

    /// How many records there were since the start.
    pub const fn recorded(&self) -> u64 {
        self.recorded
    }

    /// The hash over all records since the start.
    #[must_use = "a query"]
    pub const fn hash(&self) -> u64 {
        self.hash.value()
    }

    /// Plays all that was recorded to another gate, which has to be as fresh as this one was at the start.
    ///
    /// # Errors
    /// Where records are lost or cannot be replayed, and at the first one that differs.
    pub fn replay<H: Gatekeeper>(&self, gate: &mut H) -> Result<u64, ReplayError> {
        if self.recorded > R as u64 {
            return Err(ReplayError::Wrapped { recorded: self.recorded, kept: R });
        }
        replay(self.records(), gate)
    }

    fn record(&mut self, now: Instant, event: Event) {
        let record = Record { now, event };
        self.hash.add(&record);
        self.recorded = self.recorded.saturating_add(1);
        if let Some(place) = self.ring.get_mut(self.next) {
            *place = Some(record);
        }
        self.next = if self.next.saturating_add(1) < R { self.next.saturating_add(1) } else { 0 };
    }
}

impl<G: Gatekeeper, const R: usize> Gatekeeper for Traced<G, R> {
    fn poll(&mut self, now: Instant, attempt: Try) -> Admission {
        let admission = self.gate.poll(now, attempt);
        self.record(now, Event::Polled { attempt, decision: Decision::of(&admission) });
        admission
    }

    fn peek(&mut self, now: Instant, attempt: Try) -> Option<Admission> {
        let refused = self.gate.peek(now, attempt);
        self.record(now, Event::Peeked { attempt, decision: Decision::of_peek(refused.as_ref()) });
        refused
    }

    fn settle(&mut self, now: Instant, ticket: Ticket, outcome: Outcome, entropy: Entropy) {
        let granted = Granted::of(&ticket);
        self.gate.settle(now, ticket, outcome, entropy);
        self.record(now, Event::Settled { ticket: granted, outcome, entropy });
    }

    fn cancel(&mut self, now: Instant, ticket: Ticket) {
        let granted = Granted::of(&ticket);
        self.gate.cancel(now, ticket);
        self.record(now, Event::Cancelled { ticket: granted });
    }

    fn control(&mut self, now: Instant, control: Control) {
        self.gate.control(now, control);
        self.record(now, Event::Controlled { control });
    }

    fn attempt_timeout(&self) -> Duration {
        self.gate.attempt_timeout()
    }
}

#[cfg(test)]
mod tests;
