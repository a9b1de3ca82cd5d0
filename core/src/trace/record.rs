//! One input and what was decided on it.

use core::fmt;

use crate::{
    entropy::Entropy,
    gate::{Admission, Barred, Control, Try, Why},
    outcome::Outcome,
    ticket::{Ticket, TicketKind},
    time::Instant,
};

/// One input and what was decided on it. 48 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Record {
    /// The reading of the clock that came with the input.
    pub now: Instant,
    /// What it was.
    pub event: Event,
}

/// An input of a gate, with the decision where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Event {
    /// The gate was asked for an attempt.
    Polled {
        /// Whether it was the call's first.
        attempt: Try,
        /// What it answered.
        decision: Decision,
    },
    /// Somebody looked whether an attempt would be refused.
    Peeked {
        /// Whether it was the call's first.
        attempt: Try,
        /// What the gate answered.
        decision: Decision,
    },
    /// An attempt came back.
    Settled {
        /// Which.
        ticket: Granted,
        /// With what.
        outcome: Outcome,
        /// The entropy that came with it.
        entropy: Entropy,
    },
    /// An attempt was given up.
    Cancelled {
        /// Which.
        ticket: Granted,
    },
    /// The gate was told something from outside.
    Controlled {
        /// What.
        control: Control,
    },
    /// The gate was changed from outside in another way.
    Changed,
}

/// What a gate answered, to be kept and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Decision {
    /// An attempt was admitted.
    Go(Granted),
    /// Not before an instant.
    Wait {
        /// When to ask again.
        until: Instant,
        /// What was in the way.
        why: Why,
    },
    /// As many as may be were in flight.
    Full {
        /// When the next lease ran out.
        until: Instant,
        /// What was in the way.
        why: Why,
    },
    /// Not until somebody intervened.
    Never {
        /// What was in the way.
        why: Barred,
    },
    /// A look found nothing in the way.
    Clear,
}

/// What a ticket said: a record of it, which admits nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Granted {
    pub(super) started: Instant,
    pub(super) era: u16,
    pub(super) gate: u16,
    pub(super) rate_cuts: u8,
    pub(super) limit_cuts: u8,
    pub(super) generation: u8,
    pub(super) kind: TicketKind,
}

impl Granted {
    pub(super) const fn of(ticket: &Ticket) -> Self {
        let &Ticket { started, era, gate, rate_cuts, limit_cuts, generation, kind } = ticket;
        Self { started, era, gate, rate_cuts, limit_cuts, generation, kind }
    }

    /// The ticket again, for a replay only: the one that was recorded was given back.
    pub(super) const fn ticket(self) -> Ticket {
        let Self { started, era, gate, rate_cuts, limit_cuts, generation, kind } = self;
        Ticket { started, era, gate, rate_cuts, limit_cuts, generation, kind }
    }

    /// When the attempt was admitted.
    pub const fn started(&self) -> Instant {
        self.started
    }
}

impl Decision {
    pub(super) const fn of(admission: &Admission) -> Self {
        match admission {
            Admission::Go(ticket) => Self::Go(Granted::of(ticket)),
            &Admission::Wait { until, why } => Self::Wait { until, why },
            &Admission::Full { until, why } => Self::Full { until, why },
            &Admission::Never { why } => Self::Never { why },
        }
    }

    pub(super) fn of_peek(refused: Option<&Admission>) -> Self {
        refused.map_or(Self::Clear, Self::of)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {}: ", At(self.now))?;
        match self.event {
            Event::Polled { attempt, decision } => write!(f, "asked for a {}: {decision}", name(attempt)),
            Event::Peeked { attempt, decision } => write!(f, "looked for a {}: {decision}", name(attempt)),
            Event::Settled { ticket, outcome, entropy } => {
                write!(f, "settled {ticket} with {outcome:?} and {entropy:?}")
            }
            Event::Cancelled { ticket } => write!(f, "cancelled {ticket}"),
            Event::Controlled { control } => write!(f, "told {control:?}"),
            Event::Changed => f.write_str("changed from outside"),
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Go(ticket) => write!(f, "go with {ticket}"),
            Self::Wait { until, why } => write!(f, "wait until {} ({why})", At(*until)),
            Self::Full { until, why } => write!(f, "full until {} ({why})", At(*until)),
            Self::Never { why } => write!(f, "never ({why})"),
            Self::Clear => f.write_str("nothing in the way"),
        }
    }
}

impl fmt::Display for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { started, era, gate, rate_cuts, limit_cuts, generation, kind } = self;
        write!(f, "{kind:?} ticket of {} (gate {gate}, era {era}, cell {generation}, ", At(*started))?;
        write!(f, "cuts {rate_cuts} and {limit_cuts})")
    }
}

/// An instant in seconds, exact to the nanosecond.
struct At(Instant);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Instant::MAX => f.write_str("the end of time"),
            at => write!(f, "{}.{:09} s", at.as_nanos() / 1_000_000_000, at.as_nanos() % 1_000_000_000),
        }
    }
}

const fn name(attempt: Try) -> &'static str {
    match attempt {
        Try::First => "first attempt",
        Try::Again => "further attempt",
    }
}

const _: () = assert!(size_of::<Record>() <= 48);
