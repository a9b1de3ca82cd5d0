//! The same inputs again, and the first decision that is another.

use core::fmt;

use super::{
    hash::TraceHash,
    record::{Decision, Event, Record},
};
use crate::gate::Gatekeeper;

/// Why a trace was not replayed to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ReplayError {
    /// The ring has lost the beginning.
    Wrapped {
        /// Records since the start …
        recorded: u64,
        /// … of which so many are left.
        kept: usize,
    },
    /// The gate was changed from outside, in a way that a trace does not know. All records before this one are the same.
    Changed {
        /// The number of the record, from 0.
        index: u64,
    },
    /// The gate decided otherwise.
    Differs(Difference),
}

/// The first record on which two gates differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Difference {
    /// The number of the record, from 0.
    pub index: u64,
    /// The input, and what was decided when it was recorded.
    pub recorded: Record,
    /// What was decided now.
    pub replayed: Decision,
}

/// Plays records from the start of a trace to another gate, and returns their hash: that of the trace, if these are all of
/// it. The gate has to be as fresh as the recorded one was; afterwards it stands where that one stood.
///
/// # Errors
/// At the first record on which the gate decides otherwise, or that changed the recorded gate from outside.
pub fn replay<G: Gatekeeper>(records: impl IntoIterator<Item = Record>, gate: &mut G) -> Result<u64, ReplayError> {
    let mut hash = TraceHash::new();
    let mut index = 0u64;
    for record in records {
        let now = record.now;
        let decided = match record.event {
            Event::Polled { attempt, decision } => Some((decision, Decision::of(&gate.poll(now, attempt)))),
            Event::Peeked { attempt, decision } => {
                Some((decision, Decision::of_peek(gate.peek(now, attempt).as_ref())))
            }
            Event::Settled { ticket, outcome, entropy } => {
                gate.settle(now, ticket.ticket(), outcome, entropy);
                None
            }
            Event::Cancelled { ticket } => {
                gate.cancel(now, ticket.ticket());
                None
            }
            Event::Controlled { control } => {
                gate.control(now, control);
                None
            }
            Event::Changed => return Err(ReplayError::Changed { index }),
        };
        if let Some((recorded, replayed)) = decided
            && recorded != replayed
        {
            return Err(ReplayError::Differs(Difference { index, recorded: record, replayed }));
        }
        hash.add(&record);
        index = index.saturating_add(1);
    }
    Ok(hash.value())
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrapped { recorded, kept } => write!(
                f,
                "only the last {kept} of {recorded} records are left: replay needs all of them, so trace with a larger ring"
            ),
            Self::Changed { index } => {
                write!(
                    f,
                    "record {index}: the gate was changed from outside: replay up to here, or trace without changes"
                )
            }
            Self::Differs(difference) => difference.fmt(f),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {} differs: {}; replayed: {}", self.index, self.recorded, self.replayed)
    }
}

impl core::error::Error for ReplayError {}
