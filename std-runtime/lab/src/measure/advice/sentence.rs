//! An advice in words.

use std::fmt;

use super::super::scaling::Law;
use super::super::scaling::bootstrap::RESAMPLES;
use super::super::text::{Micros, PerSecond, Percent};
use super::{Confidence, Level, Reason, Recommendation};

/// The sentence up to how sure it is.
pub(super) struct Said<'a> {
    pub(super) recommendation: &'a Recommendation,
    pub(super) levels: &'a [Level],
}

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self.recommendation {
            Recommendation::Use { concurrency, low, high, per_second, reason } => {
                write!(f, "Use a concurrency of {concurrency}")?;
                if low < high {
                    write!(f, " ({low} to {high})")?;
                }
                let rate = PerSecond(per_second);
                match reason {
                    Reason::Ceiling => write!(
                        f,
                        ": throughput stops rising there, at about {rate}, and more in flight only wait longer"
                    )?,
                    Reason::Diminishing => write!(
                        f,
                        ": it gives about {rate}, and beyond it each 1 % of throughput costs more than 3 % of latency"
                    )?,
                    Reason::Peak { at } => write!(
                        f,
                        ": it gives about {rate}, beyond it each 1 % of throughput costs more than 3 % of latency, \
                         and from {} on throughput falls",
                        whole(at)
                    )?,
                    Reason::Failures { next, failed_share } => write!(
                        f,
                        ": it gives about {rate} cleanly, while {} of the requests fail at {next}",
                        Percent(failed_share)
                    )?,
                }
                self.latencies(f, concurrency)
            }
            Recommendation::StillRising { last, per_second, estimate } => {
                let rate = PerSecond(per_second);
                write!(
                    f,
                    "Throughput still rises at {last}, the highest level measured ({rate}), so {last} is not yet "
                )?;
                f.write_str("the optimum: measure higher levels")?;
                match estimate {
                    Some(n) => write!(f, "; the fit expects the rise to pay up to about {n}"),
                    None => write!(f, ", up to {} for a start", last.saturating_mul(4)),
                }
            }
            Recommendation::Unclear { why } => write!(f, "No concurrency can be recommended: {why}"),
        }
    }
}

impl Said<'_> {
    /// What waiting longer means: p95 at the level next to the recommended one and at the highest.
    fn latencies(&self, f: &mut fmt::Formatter<'_>, concurrency: u32) -> fmt::Result {
        let mut known = self.levels.iter().filter_map(|level| Some((level.concurrency, Micros(level.p95_us?))));
        let here = known.find(|&(n, _)| n >= concurrency);
        match (here, known.next_back()) {
            (Some((n, p95)), Some((far, worst))) => write!(f, " (p95 {p95} at {n}, {worst} at {far})"),
            (Some((n, p95)), None) => write!(f, " (p95 {p95} at {n})"),
            (None, _) => Ok(()),
        }
    }
}

pub(super) struct HowSure<'a> {
    pub(super) confidence: Confidence,
    pub(super) agreement: Option<f64>,
    pub(super) law: Option<&'a Law>,
}

impl fmt::Display for HowSure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "confidence {}: ", self.confidence)?;
        match self.law {
            Some(law) => write!(f, "the measurements follow {}", law.name())?,
            None => f.write_str("no law fits the measurements")?,
        }
        match self.agreement {
            Some(share) => write!(f, " and {} of {RESAMPLES} resamplings of the repeats agree", Percent(share))?,
            None => f.write_str(" and there were no repeats to tell the spread")?,
        }
        match self.confidence {
            Confidence::High | Confidence::Medium => Ok(()),
            Confidence::Low => f.write_str(", so measure again, with more repeats or while nothing else runs here"),
        }
    }
}

/// To the nearest whole number in flight, at least one.
pub(super) fn whole(concurrency: f64) -> u32 {
    // A float that does not fit saturates, which is what is wanted.
    (concurrency.round() as u32).max(1)
}
