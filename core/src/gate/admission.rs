//! What a gate answers, and why.

use core::fmt;

use crate::{ticket::Ticket, time::Instant};

/// Whether a call asks for the first time or again. Only retries spend the retry budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Try {
    /// The first attempt of a call.
    First,
    /// A further attempt of the same call.
    Again,
}

/// A gate's answer.
#[derive(Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "a ticket is inside, or the time to come back"]
pub enum Admission {
    /// Make the attempt, then settle the ticket.
    Go(Ticket),
    /// Not before `until`. Something that is settled, or a control call, may make it earlier: poll again then.
    Wait {
        /// When to ask again; [`Instant::MAX`] where only a control call can help.
        until: Instant,
        /// What is in the way.
        why: Why,
    },
    /// As many as may be are in flight. Poll again when one of them is settled.
    Full {
        /// When the next lease runs out, should none of them come back.
        until: Instant,
        /// What is in the way.
        why: Why,
    },
    /// Not until somebody intervenes: asking again is of no use.
    Never {
        /// What is in the way.
        why: Barred,
    },
}

/// What is in the way, with the numbers that were compared. Where several things are, the one that lasts longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Why {
    /// The breaker is open.
    Open {
        /// Failed calls when it opened, or slow ones where these opened it …
        bad: u16,
        /// … of so many. Both are 0 where it is open since before a restart.
        calls: u16,
    },
    /// The breaker was forced open.
    ForcedOpen,
    /// All probes of a half-open breaker are out.
    Probing {
        /// Probes that are out …
        outstanding: u8,
        /// … of so many that may be.
        probes: u8,
    },
    /// The server asked to be left alone, or its quota is used up.
    Paused {
        /// About how many microseconds are left; at most 71 minutes are shown.
        remaining_us: u32,
    },
    /// The rate limiter has nothing yet.
    Rate {
        /// About how many microseconds too early this is …
        early_us: u32,
        /// … at this interval between requests.
        interval_us: u32,
    },
    /// The retry budget is empty.
    Budget {
        /// What is saved …
        saved: u32,
        /// … of what a retry costs.
        cost: u32,
    },
    /// As many as may be are in flight.
    InFlight {
        /// Calls in flight …
        in_flight: u16,
        /// … of so many that may be.
        limit: u16,
    },
    /// The breaker closed a short while ago and lets few in at once.
    Ramp {
        /// Calls in flight …
        in_flight: u16,
        /// … of so many that may be.
        ramp: u16,
    },
    /// The call backs off before a further attempt.
    Backoff {
        /// Which attempt comes next …
        attempt: u8,
        /// … of so many.
        attempts: u8,
    },
    /// Other calls were first.
    Queued,
}

/// Why a gate admits nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Barred {
    /// The host refused access (401 or 403) several times, and answered nothing in between.
    Denied {
        /// Refusals in a row …
        in_a_row: u8,
        /// … of so many that stop the gate.
        limit: u8,
    },
}

impl Why {
    /// Whether waiting for this is a matter of patience.
    pub(crate) const fn costs_patience(self) -> bool {
        match self {
            Self::Open { .. } | Self::ForcedOpen | Self::Probing { .. } | Self::Paused { .. } | Self::Budget { .. } => {
                true
            }
            Self::Rate { .. } | Self::InFlight { .. } | Self::Ramp { .. } | Self::Backoff { .. } | Self::Queued => {
                false
            }
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { bad, calls } => write!(f, "breaker open after {bad} bad of {calls} calls"),
            Self::ForcedOpen => f.write_str("breaker forced open"),
            Self::Probing { outstanding, probes } => write!(f, "{outstanding} of {probes} probes out"),
            Self::Paused { remaining_us } => {
                write!(f, "paused at the server's wish for {} ms", remaining_us / 1_000)
            }
            Self::Rate { early_us, interval_us } => {
                write!(f, "{early_us} µs early at one request each {interval_us} µs")
            }
            Self::Budget { saved, cost } => write!(f, "retry budget empty: {saved} saved, a retry costs {cost}"),
            Self::InFlight { in_flight, limit } => write!(f, "{in_flight} of {limit} in flight"),
            Self::Backoff { attempt, attempts } => write!(f, "backing off before attempt {attempt} of {attempts}"),
            Self::Queued => f.write_str("other calls are first"),
            Self::Ramp { in_flight, ramp } => write!(f, "{in_flight} of {ramp} in flight while recovering"),
        }
    }
}

impl fmt::Display for Barred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied { in_a_row, limit } => {
                write!(f, "access refused {in_a_row} times in a row (the host is left alone from {limit} on)")
            }
        }
    }
}

const _: () = assert!(size_of::<Why>() <= 12);
const _: () = assert!(size_of::<Admission>() <= 24);
