//! Proof that an attempt was admitted, and the way back for what came of it.

use core::time::Duration;

use crate::time::Instant;

/// Leave to make one attempt, handed out by a [`Gate`](crate::Gate) and given back with the outcome. 16 bytes.
///
/// Not `Clone`: one attempt, one outcome. A ticket that is dropped is not lost for good: its place is free again when its
/// lease ends. A ticket that comes back after that, or to a gate with another
/// [id](crate::GateConfig::id), changes nothing.
#[derive(Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(Clone))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "settle it with what came of the attempt: otherwise its place stays taken until its lease ends"]
pub struct Ticket {
    pub(crate) started: Instant,
    pub(crate) era: u16,
    pub(crate) gate: u16,
    pub(crate) rate_cuts: u8,
    pub(crate) limit_cuts: u8,
    /// The lease cell it is counted in.
    pub(crate) generation: u8,
    pub(crate) kind: TicketKind,
}

/// What a ticket was given for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) enum TicketKind {
    First,
    Retry,
    Probe,
    ProbeRetry,
}

impl Ticket {
    /// When the attempt was admitted: its clock starts here, not when the call began to wait.
    pub const fn started(&self) -> Instant {
        self.started
    }

    /// How long the attempt has taken at `now`; zero where `now` is earlier than the admission.
    pub const fn age(&self, now: Instant) -> Duration {
        now.saturating_since(self.started)
    }

    /// Whether this attempt finds out if a server is back.
    pub const fn is_probe(&self) -> bool {
        matches!(self.kind, TicketKind::Probe | TicketKind::ProbeRetry)
    }

    pub(crate) const fn is_retry(&self) -> bool {
        matches!(self.kind, TicketKind::Retry | TicketKind::ProbeRetry)
    }
}

impl TicketKind {
    pub(crate) const fn new(retry: bool, probe: bool) -> Self {
        match (retry, probe) {
            (false, false) => Self::First,
            (true, false) => Self::Retry,
            (false, true) => Self::Probe,
            (true, true) => Self::ProbeRetry,
        }
    }
}

const _: () = assert!(size_of::<Ticket>() == 16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_knows_whether_it_is_a_probe_and_whether_a_retry() {
        for (retry, probe) in [(false, false), (true, false), (false, true), (true, true)] {
            let kind = TicketKind::new(retry, probe);
            let started = Instant::from_secs(5);
            let ticket = Ticket { started, era: 0, gate: 0, rate_cuts: 0, limit_cuts: 0, generation: 0, kind };
            assert_eq!((ticket.is_retry(), ticket.is_probe()), (retry, probe), "{kind:?}");
            assert_eq!(ticket.age(Instant::from_secs(7)), Duration::from_secs(2));
            assert_eq!(ticket.age(Instant::from_secs(4)), Duration::ZERO);
        }
    }
}
