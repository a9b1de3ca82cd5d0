//! Gates for CI: `p99<200ms,success>99.9%`.
//!
//! A clause is a figure, a comparison and a value with its unit; clauses are joined by commas, and all have to hold.
//!
//! | figure | value |
//! |---|---|
//! | `p50` `p90` `p95` `p99` `max` `mean` (latency) | `us` `µs` `ms` `s`, always written: `p99<200` could mean either |
//! | `success` `error` (shares of what was requested) | `%` |
//! | `throughput`, also `rps` (successes per second) | plain or `/s` |
//!
//! A class stands for several clauses, the stricter the further into the tail it looks. Each asks for success too,
//! because latency is counted over answers: a server that refuses half of its requests at once would pass otherwise.
//!
//! | class | clauses | for |
//! |---|---|---|
//! | `interactive` | `p95<=100ms,success>=99%` | a person panning a map: 0.1 s still feels immediate (Nielsen, 1993) |
//! | `navigation` | `p99<=50ms,success>=99.9%` | guidance that has to be ready at the next frame or junction |
//! | `safety` | `max<=10ms,success>=100%` | a loop in which one late answer is a missed one |
//!
//! `safety` gates a test run; it certifies nothing.
//!
//! A percentile for which there are too few samples has not been met: a gate must not pass for want of measurements.

mod judge;
mod parse;

pub use judge::{Judgement, Measured, Verdict};
pub use parse::{Problem, RequirementError};

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// All clauses of a `--require`. Parsed from text; never empty.
///
/// ```
/// use tidegate_lab::measure::percentile::Summary;
/// use tidegate_lab::measure::requirement::{Measured, Requirements, Verdict};
///
/// let requirements: Requirements = "p99<200ms,success>99.9%".parse()?;
/// let latency = Summary::of(&mut vec![12_000; 5_000]);
/// let run = Measured { latency: &latency, succeeded: 5_000, requested: 5_000, per_second: Some(480.0) };
/// assert!(requirements.judge(&run).iter().all(|judgement| judgement.verdict == Verdict::Met));
/// # Ok::<(), tidegate_lab::measure::requirement::RequirementError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirements {
    clauses: Vec<Clause>,
}

impl Requirements {
    /// The clauses in the order written, classes spelled out.
    pub fn clauses(&self) -> &[Clause] {
        &self.clauses
    }

    /// One judgement for each clause, in order.
    #[must_use = "a requirement that nobody looks at is none"]
    pub fn judge(&self, measured: &Measured<'_>) -> Vec<Judgement> {
        self.clauses.iter().map(|clause| clause.judge(measured)).collect()
    }
}

impl FromStr for Requirements {
    type Err = RequirementError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse::requirements(text).map(|clauses| Self { clauses })
    }
}

/// A figure, a comparison and a bound. Shown in one spelling however it was written: `p99 < 200ms` as `p99<200ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clause {
    figure: Figure,
    comparison: Comparison,
    bound: u64,
}

/// What a clause looks at, and with it the unit of its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    /// Latencies: bound in nanoseconds, so that `0.5us` is exact.
    P50,
    P90,
    P95,
    P99,
    Max,
    Mean,
    /// Shares: bound in millionths.
    Success,
    Error,
    /// Bound in thousandths per second.
    Throughput,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Below,
    AtMost,
    Above,
    AtLeast,
}

/// The name of each figure; the first of several is the one shown.
const FIGURES: [(&str, Figure); 11] = [
    ("p50", Figure::P50),
    ("p90", Figure::P90),
    ("p95", Figure::P95),
    ("p99", Figure::P99),
    ("max", Figure::Max),
    ("mean", Figure::Mean),
    ("success", Figure::Success),
    ("error", Figure::Error),
    ("errors", Figure::Error),
    ("throughput", Figure::Throughput),
    ("rps", Figure::Throughput),
];

/// The longer sign first, so that `<=` is not read as `<`.
const COMPARISONS: [(&str, Comparison); 4] =
    [("<=", Comparison::AtMost), (">=", Comparison::AtLeast), ("<", Comparison::Below), (">", Comparison::Above)];

const CLASSES: [(&str, &str); 3] = [
    ("interactive", "p95<=100ms,success>=99%"),
    ("navigation", "p99<=50ms,success>=99.9%"),
    ("safety", "max<=10ms,success>=100%"),
];

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = FIGURES.iter().find(|(_, figure)| *figure == self.figure).map_or("", |(name, _)| name);
        let sign =
            COMPARISONS.iter().find(|(_, comparison)| *comparison == self.comparison).map_or("", |(sign, _)| sign);
        write!(f, "{name}{sign}")?;
        match self.figure {
            Figure::P50 | Figure::P90 | Figure::P95 | Figure::P99 | Figure::Max | Figure::Mean => match self.bound {
                ns if ns > 0 && ns % 1_000_000_000 == 0 => write!(f, "{}s", ns / 1_000_000_000),
                ns if ns >= 1_000_000 || ns == 0 => write!(f, "{}ms", Decimal { count: ns, digits: 6 }),
                ns => write!(f, "{}us", Decimal { count: ns, digits: 3 }),
            },
            Figure::Success | Figure::Error => write!(f, "{}%", Decimal { count: self.bound, digits: 4 }),
            Figure::Throughput => write!(f, "{}/s", Decimal { count: self.bound, digits: 3 }),
        }
    }
}

impl Serialize for Clause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A whole number of 10^−digits, shown without trailing zeros.
struct Decimal {
    count: u64,
    digits: u32,
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = 10_u64.pow(self.digits);
        let (whole, rest) = (self.count / unit, self.count % unit);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let fraction = format!("{rest:0width$}", width = self.digits as usize);
        write!(f, "{whole}.{}", fraction.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let requirements: Requirements = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        requirements.clauses().iter().map(Clause::to_string).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn every_way_of_writing_a_clause_has_one_spelling() {
        assert_eq!(shown("p99<200ms,success>99.9%"), "p99<200ms,success>99.9%");
        assert_eq!(shown(" P99 <= 0.2 s , Success >= 99.90 % "), "p99<=200ms,success>=99.9%");
        assert_eq!(shown("mean<1500us,max<=2s,p50<0.5us,p90<250µs"), "mean<1.5ms,max<=2s,p50<0.5us,p90<250us");
        assert_eq!(shown("rps>=50,throughput>12.5/s,errors<1%"), "throughput>=50/s,throughput>12.5/s,error<1%");
        assert_eq!(shown("p95<1500ms"), "p95<1500ms");
    }

    #[test]
    fn a_clause_as_shown_means_the_same_when_read_again() {
        for text in ["p99<200ms", "mean>=0.001us", "max<=61s", "success>0.0001%", "error<=100%", "rps>0.125", "safety"]
        {
            let once: Requirements = text.parse().unwrap();
            assert_eq!(shown(text).parse(), Ok(once), "{text}");
        }
    }

    #[test]
    fn a_class_is_the_clauses_that_its_documentation_lists() {
        assert_eq!(shown("interactive"), "p95<=100ms,success>=99%");
        assert_eq!(shown("navigation,rps>10"), "p99<=50ms,success>=99.9%,throughput>10/s");
        assert_eq!(shown("SAFETY"), "max<=10ms,success>=100%");
        let documented = include_str!("mod.rs").lines().take_while(|line| line.starts_with("//!"));
        let documented: String = documented.collect();
        for (name, clauses) in CLASSES {
            assert!(documented.contains(&format!("| `{name}` | `{clauses}` |")), "{name} is documented differently");
        }
    }
}
