//! The server's own truth: what it received and how each request ended.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// What a mock server has seen and done since its start or its last reset.
///
/// Invariant: `received` is the sum of `answered`, `unanswered`, `aborted` and `in_flight`, in every snapshot.
/// Control requests and malformed ones are counted on their own and are in none of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MockStats {
    /// Milliseconds since the start of the server.
    pub uptime_ms: u64,
    /// Requests whose head was read to its end.
    pub received: u64,
    /// Complete answers by status, those that lie about their content included.
    pub answered: BTreeMap<u16, u64>,
    /// Requests that a fault left without a complete answer, by the fault's name.
    pub unanswered: BTreeMap<String, u64>,
    /// Requests whose client left, or stopped reading, before the answer was complete, and those cut off by stopping.
    pub aborted: u64,
    /// Requests being worked on: from the end of the head to the last byte of the answer or the end of the connection.
    pub in_flight: u64,
    /// The most that were in flight at a time.
    pub max_in_flight: u64,
    /// Faults done, by name; those of a limit as `rate`, `pool`, `connections`, those of an outage as `outage`.
    pub injected: BTreeMap<String, u64>,
    /// Bytes sent in answer to the requests received, heads included.
    pub bytes_sent: u64,
    /// Those of them that were bodies.
    pub body_bytes_sent: u64,
    /// Connections.
    pub connections: ConnectionStats,
    /// Heads that were no request, too large or too slow.
    pub malformed: u64,
    /// Requests to the control endpoint.
    pub control: u64,
    /// Requests received in each of the last ten full seconds, the latest last.
    pub received_per_second: Vec<u64>,
}

/// What became of the connections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionStats {
    /// Accepted, those turned away included.
    pub accepted: u64,
    /// Turned away because of a limit.
    pub turned_away: u64,
    /// Open now.
    pub open: u64,
    /// The most that were open at a time.
    pub max_open: u64,
    /// Times that the system would not hand over a connection, for lack of descriptors for instance.
    pub accept_errors: u64,
}

impl MockStats {
    /// Whether each request received is accounted for exactly once.
    pub fn balances(&self) -> bool {
        let answered: u64 = self.answered.values().sum();
        let unanswered: u64 = self.unanswered.values().sum();
        self.received == answered + unanswered + self.aborted + self.in_flight
    }
}

/// Under which names the faults of limits and outages are counted.
pub(super) mod cause {
    pub(in crate::mock) const RATE: &str = "rate";
    pub(in crate::mock) const POOL: &str = "pool";
    pub(in crate::mock) const CONNECTIONS: &str = "connections";
    pub(in crate::mock) const OUTAGE: &str = "outage";
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End<'a> {
    Answered(u16),
    Unanswered(&'a str),
    Aborted,
}

/// The counters, written by the server's thread and read from everywhere.
pub(super) struct Ledger {
    started: Instant,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    stats: MockStats,
    seconds: Seconds,
}

/// Counts of the latest seconds.
#[derive(Default)]
struct Seconds {
    current: u64,
    /// Each second has the place of its number modulo the length.
    counts: [u64; SECONDS_KEPT + 1],
}

impl Ledger {
    pub(super) fn new(started: Instant) -> Self {
        Self { started, counts: Mutex::default() }
    }

    pub(super) fn received(&self, now: Instant) {
        let second = self.elapsed(now).as_secs();
        let mut counts = self.lock();
        counts.seconds.count(second);
        let stats = &mut counts.stats;
        stats.received += 1;
        stats.in_flight += 1;
        stats.max_in_flight = stats.max_in_flight.max(stats.in_flight);
    }

    pub(super) fn settled(&self, end: End<'_>) {
        self.lock().stats.settle(end);
    }

    pub(super) fn injected(&self, name: &str) {
        bump(&mut self.lock().stats.injected, name);
    }

    /// Sends a part of an answer and counts it. When nothing remains to be sent after it, the request has ended.
    ///
    /// The counters stay locked meanwhile: whoever holds the last byte in hand and asks finds it counted.
    pub(super) fn sending(
        &self,
        remaining: usize,
        head_bytes: usize,
        end: Option<End<'_>>,
        send: impl FnOnce() -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut counts = self.lock();
        let sent = send()?;
        let stats = &mut counts.stats;
        stats.bytes_sent += sent as u64;
        stats.body_bytes_sent += sent.saturating_sub(head_bytes) as u64;
        if let Some(end) = end.filter(|_| sent >= remaining) {
            stats.settle(end);
        }
        Ok(sent)
    }

    pub(super) fn malformed(&self) {
        self.lock().stats.malformed += 1;
    }

    pub(super) fn control(&self) {
        self.lock().stats.control += 1;
    }

    pub(super) fn connection_opened(&self) {
        let connections = &mut self.lock().stats.connections;
        connections.accepted += 1;
        connections.open += 1;
        connections.max_open = connections.max_open.max(connections.open);
    }

    pub(super) fn connection_turned_away(&self) {
        self.lock().stats.connections.turned_away += 1;
    }

    pub(super) fn connection_closed(&self) {
        self.lock().stats.connections.open -= 1;
    }

    pub(super) fn accept_failed(&self) {
        self.lock().stats.connections.accept_errors += 1;
    }

    pub(super) fn snapshot(&self, now: Instant) -> MockStats {
        let elapsed = self.elapsed(now);
        let mut counts = self.lock();
        let received_per_second = counts.seconds.full(elapsed.as_secs());
        // A u64 of milliseconds lasts for 584 million years.
        MockStats { uptime_ms: elapsed.as_millis() as u64, received_per_second, ..counts.stats.clone() }
    }

    /// Starts counting anew. What is in flight or open goes on and counts as received and accepted in the new period.
    pub(super) fn reset(&self) {
        let mut counts = self.lock();
        let MockStats { in_flight, connections: ConnectionStats { open, .. }, .. } = counts.stats;
        let connections = ConnectionStats { accepted: open, open, max_open: open, ..ConnectionStats::default() };
        let stats =
            MockStats { received: in_flight, in_flight, max_in_flight: in_flight, connections, ..MockStats::default() };
        *counts = Counts { stats, seconds: Seconds::default() };
    }

    fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // Each change is complete once made, so the counters are good even if a thread has panicked.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MockStats {
    fn settle(&mut self, end: End<'_>) {
        self.in_flight -= 1;
        match end {
            End::Answered(status) => *self.answered.entry(status).or_default() += 1,
            End::Unanswered(name) => bump(&mut self.unanswered, name),
            End::Aborted => self.aborted += 1,
        }
        debug_assert!(self.balances(), "a request was settled twice or never received: {self:?}");
    }
}

impl Seconds {
    fn count(&mut self, second: u64) {
        self.turn_to(second);
        self.counts[Self::place(self.current)] += 1;
    }

    /// The counts of the full seconds before this one.
    fn full(&mut self, second: u64) -> Vec<u64> {
        self.turn_to(second);
        let first = self.current.saturating_sub(SECONDS_KEPT as u64);
        (first..self.current).map(|second| self.counts[Self::place(second)]).collect()
    }

    fn turn_to(&mut self, second: u64) {
        let first_new = second.saturating_sub(SECONDS_KEPT as u64).max(self.current + 1);
        (first_new..=second).for_each(|second| self.counts[Self::place(second)] = 0);
        self.current = self.current.max(second);
    }

    fn place(second: u64) -> usize {
        (second % (SECONDS_KEPT as u64 + 1)) as usize
    }
}

fn bump(counts: &mut BTreeMap<String, u64>, name: &str) {
    // Looks first, so that a name is copied only once.
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => drop(counts.insert(name.to_owned(), 1)),
    }
}

/// Full seconds that are remembered.
const SECONDS_KEPT: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_ends_once_and_the_balance_holds_at_every_step() {
        let started = Instant::now();
        let ledger = Ledger::new(started);
        let ends = [End::Answered(200), End::Unanswered("reset"), End::Aborted, End::Answered(503)];
        for _ in ends {
            ledger.received(started);
            assert!(ledger.snapshot(started).balances());
        }
        for end in ends {
            ledger.settled(end);
            assert!(ledger.snapshot(started).balances());
        }
        let stats = ledger.snapshot(started);
        assert_eq!((stats.received, stats.in_flight, stats.max_in_flight, stats.aborted), (4, 0, 4, 1));
        assert_eq!(stats.answered, BTreeMap::from([(200, 1), (503, 1)]));
        assert_eq!(stats.unanswered, BTreeMap::from([("reset".to_owned(), 1)]));
    }

    #[test]
    fn an_answer_counts_when_its_last_byte_is_sent() {
        let ledger = Ledger::new(Instant::now());
        ledger.received(Instant::now());
        let end = Some(End::Answered(200));
        assert!(ledger.sending(100, 40, end, || Ok(60)).is_ok());
        assert_eq!(ledger.snapshot(Instant::now()).in_flight, 1);
        assert!(ledger.sending(40, 0, end, || Err(io::ErrorKind::WouldBlock.into())).is_err());
        assert!(ledger.sending(40, 0, end, || Ok(40)).is_ok());
        let stats = ledger.snapshot(Instant::now());
        assert_eq!((stats.in_flight, stats.bytes_sent, stats.body_bytes_sent), (0, 100, 60));
    }

    #[test]
    fn a_reset_keeps_what_is_under_way() {
        let ledger = Ledger::new(Instant::now());
        ledger.connection_opened();
        ledger.received(Instant::now());
        ledger.received(Instant::now());
        ledger.settled(End::Answered(200));
        ledger.reset();
        let stats = ledger.snapshot(Instant::now());
        assert_eq!((stats.received, stats.in_flight, stats.max_in_flight), (1, 1, 1));
        assert_eq!((stats.connections.accepted, stats.connections.open), (1, 1));
        ledger.settled(End::Answered(200));
        assert!(ledger.snapshot(Instant::now()).balances());
    }

    #[test]
    fn seconds_are_counted_apart_and_silent_ones_are_zero() {
        let mut seconds = Seconds::default();
        let mut at = |second, times| (0..times).for_each(|_| seconds.count(second));
        at(0, 3);
        at(1, 5);
        at(4, 2);
        assert_eq!(seconds.full(0), [3, 5, 0, 0], "time does not run backwards");
        assert_eq!(seconds.full(5), [3, 5, 0, 0, 2]);
        assert_eq!(seconds.full(12), [0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(seconds.full(1_000), [0; 10]);
    }
}
