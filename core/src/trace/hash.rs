//! A record as bytes, and their hash: the same on every processor.
//!
//! Each field goes in with a fixed width, little-endian, each choice with a number of its own before it. A change to any of
//! this is a new [`TRACE_VERSION`].

use super::{
    TRACE_VERSION,
    record::{Decision, Event, Granted, Record},
};
use crate::{
    breaker::BreakerMode,
    entropy::Entropy,
    gate::{Barred, Control, Try, Why},
    outcome::{Outcome, Quota, Refusal},
    ticket::TicketKind,
    time::{Instant, nanos},
};

/// FNV-1a with 64 bits, as it stands after the records so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TraceHash(u64);

impl TraceHash {
    pub(super) const fn new() -> Self {
        Self((OFFSET_BASIS ^ TRACE_VERSION as u64).wrapping_mul(PRIME))
    }

    pub(super) const fn value(&self) -> u64 {
        self.0
    }

    pub(super) fn add(&mut self, record: &Record) {
        self.instant(record.now);
        match record.event {
            Event::Polled { attempt, decision } => {
                self.bytes([0, attempt_number(attempt)]);
                self.decision(decision);
            }
            Event::Peeked { attempt, decision } => {
                self.bytes([1, attempt_number(attempt)]);
                self.decision(decision);
            }
            Event::Settled { ticket, outcome, entropy } => {
                self.bytes([2]);
                self.ticket(ticket);
                self.outcome(outcome);
                self.entropy(entropy);
            }
            Event::Cancelled { ticket } => {
                self.bytes([3]);
                self.ticket(ticket);
            }
            Event::Changed => self.bytes([4]),
            Event::Controlled { control } => {
                self.bytes([5]);
                self.control(control);
            }
        }
    }

    fn control(&mut self, control: Control) {
        match control {
            Control::Pause { until } => {
                self.bytes([0]);
                self.instant(until);
            }
            Control::Quota(Quota { remaining, limit, resets_in }) => {
                self.bytes([1]);
                self.bytes(remaining.to_le_bytes());
                self.bytes([limit.is_some().into()]);
                self.bytes(limit.unwrap_or(0).to_le_bytes());
                self.bytes(nanos(resets_in).to_le_bytes());
            }
            Control::Readmit => self.bytes([2]),
            Control::Breaker(mode) => {
                let mode = match mode {
                    BreakerMode::Enforce => 0,
                    BreakerMode::ForcedOpen => 1,
                    BreakerMode::ForcedClosed => 2,
                    BreakerMode::ObserveOnly => 3,
                };
                self.bytes([3, mode]);
            }
        }
    }

    fn decision(&mut self, decision: Decision) {
        match decision {
            Decision::Go(ticket) => {
                self.bytes([0]);
                self.ticket(ticket);
            }
            Decision::Wait { until, why } => {
                self.bytes([1]);
                self.instant(until);
                self.why(why);
            }
            Decision::Full { until, why } => {
                self.bytes([2]);
                self.instant(until);
                self.why(why);
            }
            Decision::Never { why: Barred::Denied { in_a_row, limit } } => self.bytes([3, in_a_row, limit]),
            Decision::Clear => self.bytes([4]),
        }
    }

    fn ticket(&mut self, ticket: Granted) {
        let Granted { started, era, gate, rate_cuts, limit_cuts, generation, kind } = ticket;
        self.instant(started);
        self.bytes(era.to_le_bytes());
        self.bytes(gate.to_le_bytes());
        let kind = match kind {
            TicketKind::First => 0,
            TicketKind::Retry => 1,
            TicketKind::Probe => 2,
            TicketKind::ProbeRetry => 3,
        };
        self.bytes([rate_cuts, limit_cuts, generation, kind]);
    }

    fn outcome(&mut self, outcome: Outcome) {
        let (number, hint_ns) = match outcome {
            Outcome::Success => (0, 0),
            Outcome::Empty => (1, 0),
            Outcome::Failure => (2, 0),
            Outcome::Timeout => (3, 0),
            Outcome::Throttled { retry_after: None } => (4, 0),
            Outcome::Throttled { retry_after: Some(hint) } => (5, nanos(hint)),
            Outcome::Refused(Refusal::Access) => (6, 0),
            Outcome::Refused(Refusal::Request) => (7, 0),
            Outcome::Cancelled => (8, 0),
            Outcome::Unsent => (9, 0),
        };
        self.bytes([number]);
        self.bytes(u64::to_le_bytes(hint_ns));
    }

    fn why(&mut self, why: Why) {
        let (number, compared) = match why {
            Why::Open { bad, calls } => (0, [bad.into(), calls.into()]),
            Why::ForcedOpen => (1, [0, 0]),
            Why::Probing { outstanding, probes } => (2, [outstanding.into(), probes.into()]),
            Why::Paused { remaining_us } => (3, [remaining_us, 0]),
            Why::Rate { early_us, interval_us } => (4, [early_us, interval_us]),
            Why::Budget { saved, cost } => (5, [saved, cost]),
            Why::InFlight { in_flight, limit } => (6, [in_flight.into(), limit.into()]),
            Why::Ramp { in_flight, ramp } => (7, [in_flight.into(), ramp.into()]),
            Why::Backoff { attempt, attempts } => (8, [attempt.into(), attempts.into()]),
            Why::Queued => (9, [0, 0]),
        };
        self.bytes([number]);
        compared.into_iter().for_each(|count: u32| self.bytes(count.to_le_bytes()));
    }

    fn entropy(&mut self, entropy: Entropy) {
        // One of 2^32 choices is the word itself.
        self.bytes((entropy.up_to(u32::MAX.into()) as u32).to_le_bytes());
    }

    fn instant(&mut self, at: Instant) {
        self.bytes(at.as_nanos().to_le_bytes());
    }

    fn bytes<const N: usize>(&mut self, bytes: [u8; N]) {
        self.0 = bytes.into_iter().fold(self.0, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    }
}

const fn attempt_number(attempt: Try) -> u8 {
    match attempt {
        Try::First => 0,
        Try::Again => 1,
    }
}

const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        let mut hash = TraceHash(OFFSET_BASIS);
        assert_eq!(hash.value(), 0xcbf2_9ce4_8422_2325);
        hash.bytes(*b"foobar");
        assert_eq!(hash.value(), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn the_word_of_entropy_goes_in_as_it_is() {
        for word in [0, 1, 0x1234_5678, u32::MAX - 1, u32::MAX] {
            let (mut given, mut plain) = (TraceHash::new(), TraceHash::new());
            given.entropy(Entropy::new(word));
            plain.bytes(word.to_le_bytes());
            assert_eq!(given, plain, "{word}");
        }
    }
}
