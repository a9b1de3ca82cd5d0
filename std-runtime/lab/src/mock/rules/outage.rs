//! A time in which the server is down.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::quantity::{duration, show_duration};
use super::{Fault, RuleError};

/// An outage between two instants, counted from when the faults were set. As text: `5s..10s:refuse`, `0s..1m:503:2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// When it begins.
    pub from: Duration,
    /// When it is over; later than `from`.
    pub until: Duration,
    /// What a client sees of it.
    pub kind: OutageKind,
}

/// What a client sees of an outage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutageKind {
    /// `refuse`: every connection is cut off and new ones are refused, as when the process is restarted.
    Refuse,
    /// Connections are accepted, and each request that arrives meets this fault: `503:2`, `reset`, `hang`.
    Every(Fault),
}

impl Outage {
    /// Whether it is in force at this time.
    pub fn covers(&self, now: Duration) -> bool {
        (self.from..self.until).contains(&now)
    }
}

impl FromStr for Outage {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let wrong = || RuleError::Outage { text: text.to_owned() };
        let (span, kind) = text.split_once(':').ok_or_else(wrong)?;
        let (from, until) = span.split_once("..").ok_or_else(wrong)?;
        let (from, until) = (duration(from)?, duration(until)?);
        let kind = match kind.trim() {
            "refuse" => OutageKind::Refuse,
            fault => OutageKind::Every(fault.parse()?),
        };
        if from < until && kind != OutageKind::Every(Fault::None) {
            Ok(Self { from, until, kind })
        } else {
            Err(wrong())
        }
    }
}

impl fmt::Display for Outage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}..{}:", show_duration(self.from), show_duration(self.until))?;
        match &self.kind {
            OutageKind::Refuse => out.write_str("refuse"),
            OutageKind::Every(fault) => fault.fmt(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outage_comes_back_from_its_text() {
        for text in ["5s..10s:refuse", "0s..1500ms:503:2", "1m..1h:reset", "0s..1s:drip:1/10ms"] {
            assert_eq!(text.parse::<Outage>().map(|outage| outage.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn it_covers_its_beginning_and_not_its_end() {
        let outage: Outage = "5s..10s:refuse".parse().expect("a good outage");
        let at = |ms| outage.covers(Duration::from_millis(ms));
        assert_eq!([at(0), at(4_999), at(5_000), at(9_999), at(10_000)], [false, false, true, true, false]);
    }

    #[test]
    fn nonsense_is_rejected() {
        for text in ["", "5s..10s", "5s:refuse", "10s..5s:refuse", "5s..5s:refuse", "5s..6s:down", "0s..1s:200"] {
            assert!(text.parse::<Outage>().is_err(), "`{text}` was read as an outage");
        }
    }
}
