//! What came of a tile.

use std::{fmt, time::Duration};

use tidegate_core::{End, TileId};

use super::{Part, Saved, Validity};
use crate::{
    transport::{Body, TransportError},
    verify::{Defect, Format},
};

/// Names one tile of one run in logs, reports and (where asked for) request headers, without saying where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CorrelationId {
    /// Drawn for each stream, batch and single tile.
    pub run: u32,
    /// The tile's place in what was asked for.
    pub index: u64,
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{}", self.run, self.index)
    }
}

/// What came of a tile, and what it took.
#[derive(Debug)]
pub struct TileReport {
    /// Its name in the logs.
    pub id: CorrelationId,
    /// The tile.
    pub tile: TileId,
    /// What came of it.
    pub outcome: TileOutcome,
    /// Every attempt, in order.
    pub attempts: Vec<Attempt>,
    /// From when it was due to when it was asked for; zero where no time was set for it.
    pub late: Duration,
    /// From being asked for to the first grant; to the end, where nothing was granted.
    pub queue_wait: Duration,
    /// From the first grant to the verified result, retries and the waits between them included; zero where nothing was
    /// granted.
    pub latency: Duration,
    /// What the cache saved of it.
    pub saved: Saved,
}

impl TileReport {
    /// From when it was due, or asked for where no time was set, to its end: what somebody waited who wanted it then.
    #[must_use]
    pub fn since_due(&self) -> Duration {
        self.late.saturating_add(self.queue_wait).saturating_add(self.latency)
    }
}

impl TileReport {
    /// Attempts that were made one after the other, without those beside them.
    #[must_use]
    pub fn tries(&self) -> usize {
        self.attempts.iter().filter(|attempt| !attempt.hedge).count()
    }

    /// What went wrong last, in an attempt that was no hedge.
    pub(super) fn last_fault(&self) -> Option<Fault> {
        self.attempts.iter().rev().find(|attempt| !attempt.hedge)?.fault
    }
}

/// The kind of failure where the host refused access to one tile.
pub(crate) const ACCESS_REFUSED: &str = "access refused (401, 403)";
/// The kind of failure of tiles that nobody asked for any more, because the host refuses access.
pub(crate) const BARRED: &str = "host refuses access";
/// The kind of failure of what would have gone to a server whose usage policy forbids it.
pub(crate) const USAGE_POLICY: &str = "usage policy";

/// What came of a tile.
#[derive(Debug)]
pub enum TileOutcome {
    /// Verified bytes, just sent.
    Fetched(Fetched),
    /// Verified bytes that were kept, and still good.
    Revalidated {
        /// The bytes.
        tile: Fetched,
        /// Why they are good.
        by: Validity,
    },
    /// Verified bytes that were kept, past their time.
    Stale {
        /// The bytes.
        tile: Fetched,
        /// How long past their time.
        past: Duration,
        /// What went wrong; `None` where nobody was asked.
        after: Option<Failure>,
    },
    /// A tile further up, verified too: a part of it shows this tile, enlarged. It is not this tile.
    FromParent {
        /// The bytes of the tile further up.
        tile: Fetched,
        /// The part.
        part: Part,
        /// How long past their time; `None` where they are not.
        past: Option<Duration>,
        /// What went wrong with the tile itself.
        after: Failure,
    },
    /// There is nothing there (404, 410, 204), as the server says, or said within its time.
    Empty,
    /// Given up.
    Failed(Failure),
    /// Not finished because the run was stopped or its time was over, or is over before another attempt would be allowed.
    Cancelled,
}

impl TileOutcome {
    /// The bytes of the tile itself, where they are there; those of a parent are not.
    #[must_use]
    pub const fn tile(&self) -> Option<&Fetched> {
        match self {
            Self::Fetched(tile) | Self::Revalidated { tile, .. } | Self::Stale { tile, .. } => Some(tile),
            Self::FromParent { .. } | Self::Empty | Self::Failed(_) | Self::Cancelled => None,
        }
    }

    /// Why the tile itself is not there, where it was given up: also where a parent stands in for it.
    #[must_use]
    pub const fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) | Self::FromParent { after: failure, .. } => Some(failure),
            Self::Fetched(_) | Self::Revalidated { .. } | Self::Stale { .. } | Self::Empty | Self::Cancelled => None,
        }
    }
}

/// A tile's bytes, as they were sent, and what they were found to be.
#[derive(Debug)]
pub struct Fetched {
    /// The bytes.
    pub body: Body,
    /// What verification found them to be.
    pub format: Format,
    /// Whether the bytes are the tile, or gzip with the tile inside.
    pub packed: bool,
}

/// Why a tile was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How the call ended.
    pub end: End,
    /// What went wrong last; nothing where no attempt was made.
    pub last: Option<Fault>,
}

impl Failure {
    /// The kind of failure: what went wrong last, or how the call ended where nothing was sent.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match (self.last, self.end) {
            (Some(fault), _) => fault.kind(),
            (None, End::OutOfPatience { .. }) => "not admitted",
            (None, End::Barred(_)) => BARRED,
            (None, End::QueueFull) => "queue full",
            (None, _) => "out of time",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.last {
            Some(fault) => write!(f, "{}: {fault}", self.end),
            None => self.end.fmt(f),
        }
    }
}

/// One attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Which source it went to; 0 is the first.
    pub source: usize,
    /// From its admission to its end.
    pub latency: Duration,
    /// What went wrong, if anything did.
    pub fault: Option<Fault>,
    /// Whether its tile had been tried before, which makes it a retry.
    pub again: bool,
    /// Whether it was made beside another one that was slow.
    pub hedge: bool,
}

/// What went wrong in an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The server answered with a status that is no tile.
    Status(u16),
    /// No complete answer came.
    Transport(TransportError),
    /// The answer is not a tile, or not a whole one.
    Defect(Defect),
    /// The attempt's time was over.
    Timeout,
    /// The attempt was cut off: by a stop, or by the end of the whole run's time.
    CutOff,
    /// The attempt was slow, and was cut off when another source had answered: nothing went wrong.
    Overtaken,
    /// No attempt was made: servers are not asked, and nothing is kept.
    Offline,
}

impl Fault {
    /// The kind, for counting: a few words without numbers from the wire but for the status.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Status(status) => status_kind(status),
            Self::Transport(error) => transport_kind(error),
            Self::Defect(Defect::Format { .. }) => "another format",
            Self::Defect(_) => "not a whole tile",
            Self::Timeout => "timeout",
            Self::CutOff => "cut off",
            Self::Overtaken => "overtaken",
            Self::Offline => "not in the cache",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "status {status}"),
            Self::Transport(error) => error.fmt(f),
            Self::Defect(defect) => defect.fmt(f),
            Self::Timeout => f.write_str("the attempt took too long"),
            Self::CutOff => f.write_str("the attempt was cut off"),
            Self::Overtaken => f.write_str("another source answered first"),
            Self::Offline => f.write_str("not in the cache, and offline"),
        }
    }
}

const fn status_kind(status: u16) -> &'static str {
    match status {
        429 => "status 429",
        500 => "status 500",
        502 => "status 502",
        503 => "status 503",
        504 => "status 504",
        401 | 403 => ACCESS_REFUSED,
        408 => "status 408",
        400..=499 => "other 4xx",
        501..=599 => "other 5xx",
        300..=399 => "redirect",
        _ => "unknown status",
    }
}

const fn transport_kind(error: TransportError) -> &'static str {
    match error {
        TransportError::Request(_) => "invalid request",
        TransportError::Resolve => "name not found",
        TransportError::Connect(_) => "no connection",
        TransportError::Proxy => "proxy",
        TransportError::Tls(_) => "TLS",
        TransportError::Reset { .. } => "connection reset",
        TransportError::Closed { .. } => "connection closed",
        TransportError::IncompleteBody { .. } => "incomplete body",
        TransportError::BodyTooLarge { .. } => "body too large",
        TransportError::Protocol => "not HTTP",
        TransportError::Redirect(_) => "redirect",
        TransportError::UsagePolicy => USAGE_POLICY,
        TransportError::Timeout { .. } => "timeout",
        TransportError::Exhausted(_) => "out of descriptors, memory or ports",
        TransportError::ShutDown => "shut down",
        TransportError::Io(_) => "connection failed",
        TransportError::Panicked => "HTTP library panicked",
    }
}
