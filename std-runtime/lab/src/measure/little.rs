//! Little's law as an honesty check.
//!
//! L = X · W: the mean number in flight equals the rate times the mean time under a permit (Little, "A Proof for the
//! Queuing Formula L = λW", 1961). Both sides are measured apart, the left by sampling a gauge, the right by clocks
//! around each attempt. Where they differ, the limiter leaks, a clock starts at the wrong moment or the gauge lies, and
//! no other figure of the run deserves trust.

use std::fmt;

use serde::Serialize;

use super::text::Percent;

/// What was measured, apart from each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observed {
    /// The mean of the sampled in-flight gauge.
    pub in_flight_mean: f64,
    /// Attempts that were given a permit.
    pub attempts: u64,
    /// The sum of their times under the permit, in microseconds.
    pub permit_time_us: u64,
    /// How long was measured, in microseconds.
    pub elapsed_us: u64,
}

impl Observed {
    /// Several measurements as one: the gauge weighted by time, the rest added. `None` for none.
    pub fn together(parts: &[Self]) -> Option<Self> {
        let elapsed_us = parts.iter().map(|part| part.elapsed_us).fold(0, u64::saturating_add);
        let weighted: f64 = parts.iter().map(|part| part.in_flight_mean * part.elapsed_us as f64).sum();
        let total = |value: fn(&Self) -> u64| parts.iter().map(value).fold(0, u64::saturating_add);
        (!parts.is_empty()).then(|| Self {
            in_flight_mean: if elapsed_us == 0 { 0.0 } else { weighted / elapsed_us as f64 },
            attempts: total(|part| part.attempts),
            permit_time_us: total(|part| part.permit_time_us),
            elapsed_us,
        })
    }
}

/// The two sides of Little's law and how they compare.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Little {
    /// L: the mean of the sampled gauge.
    pub in_flight_measured: f64,
    /// X · W: attempts per second times the mean time under a permit; 0 where it cannot be judged for want of time.
    pub in_flight_expected: f64,
    /// How many attempts that rests on.
    pub attempts: u64,
    /// Whether the two agree.
    pub verdict: Verdict,
}

/// Whether the gauge and the clocks tell the same story.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Verdict {
    /// Fewer than 200 attempts, or no time at all: chance alone could explain any difference.
    NotJudged,
    /// Within 5 %.
    Agrees {
        /// By how much the gauge lies above (or, negative, below) the clocks, as a share of the larger.
        off: f64,
    },
    /// More than 5 %: worth a line.
    Off {
        /// By how much the gauge lies above (or, negative, below) the clocks, as a share of the larger.
        off: f64,
    },
    /// More than 10 %: the figures of this run are not to be trusted.
    FarOff {
        /// By how much the gauge lies above (or, negative, below) the clocks, as a share of the larger.
        off: f64,
    },
}

impl Little {
    /// Compares the gauge with the clocks.
    pub fn judge(observed: Observed) -> Self {
        let Observed { in_flight_mean, attempts, permit_time_us, elapsed_us } = observed;
        // X · W = (attempts / elapsed) · (permit time / attempts): the attempts cancel.
        let expected = if elapsed_us == 0 { 0.0 } else { permit_time_us as f64 / elapsed_us as f64 };
        let larger = in_flight_mean.max(expected);
        let judged = attempts >= ATTEMPTS_MIN && elapsed_us > 0 && in_flight_mean.is_finite() && larger > 0.0;
        let off = (in_flight_mean - expected) / larger;
        let verdict = match off.abs() {
            _ if !judged => Verdict::NotJudged,
            size if size <= AGREES => Verdict::Agrees { off },
            size if size <= LOUD => Verdict::Off { off },
            _ => Verdict::FarOff { off },
        };
        Self { in_flight_measured: in_flight_mean, in_flight_expected: expected, attempts, verdict }
    }

    /// Whether this must be said where nobody can overlook it.
    pub const fn is_loud(&self) -> bool {
        matches!(self.verdict, Verdict::FarOff { .. })
    }
}

impl fmt::Display for Little {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { in_flight_measured: gauge, in_flight_expected: clocks, attempts, .. } = self;
        match self.verdict {
            Verdict::NotJudged => {
                write!(
                    f,
                    "Little's law was not judged: {attempts} attempts, {ATTEMPTS_MIN} are needed and time to pass"
                )
            }
            Verdict::Agrees { off } => write!(
                f,
                "Little's law holds: {gauge:.1} in flight measured, {clocks:.1} by rate and time ({} apart)",
                Percent(off.abs())
            ),
            Verdict::Off { off } => write!(
                f,
                "Little's law is off by {}: {gauge:.1} in flight measured, {clocks:.1} by rate and time",
                Percent(off.abs())
            ),
            Verdict::FarOff { off } => write!(
                f,
                "Little's law is off by {}: {gauge:.1} in flight measured, {clocks:.1} by rate and time; \
                 a clock, the gauge or the limiter is wrong, so do not trust this run",
                Percent(off.abs())
            ),
        }
    }
}

/// Below this many attempts nothing is judged.
pub const ATTEMPTS_MIN: u64 = 200;
/// Up to this share the two sides agree: sampling a gauge is not exact.
const AGREES: f64 = 0.05;
/// Beyond this share it is said loudly.
const LOUD: f64 = 0.10;

#[cfg(test)]
mod tests {
    use super::*;

    /// 1,000 attempts of 20 ms in 2 s: ten in flight by the clocks.
    fn gauge_says(in_flight_mean: f64) -> Little {
        let attempts = 1_000;
        Little::judge(Observed { in_flight_mean, attempts, permit_time_us: 20_000_000, elapsed_us: 2_000_000 })
    }

    #[test]
    fn agreement_doubt_and_alarm_begin_where_they_are_said_to() {
        assert_eq!(gauge_says(10.0).verdict, Verdict::Agrees { off: 0.0 });
        assert!(matches!(gauge_says(9.6).verdict, Verdict::Agrees { off } if (off + 0.04).abs() < 1e-9));
        assert!(matches!(gauge_says(9.4).verdict, Verdict::Off { .. }));
        assert!(matches!(gauge_says(10.8).verdict, Verdict::Off { off } if off > 0.0));
        assert!(!gauge_says(9.05).is_loud());
        assert!(gauge_says(8.9).is_loud());
        assert!(gauge_says(11.2).is_loud());
        assert!(gauge_says(0.0).is_loud(), "a gauge that never moved");
    }

    #[test]
    fn too_few_attempts_or_no_time_are_not_judged() {
        let few = Observed { in_flight_mean: 5.0, attempts: 199, permit_time_us: 4_000_000, elapsed_us: 2_000_000 };
        assert_eq!(Little::judge(few).verdict, Verdict::NotJudged);
        assert!(Little::judge(Observed { attempts: 200, ..few }).is_loud());
        assert_eq!(Little::judge(Observed { attempts: 200, elapsed_us: 0, ..few }).verdict, Verdict::NotJudged);
        let broken = Observed { attempts: 200, in_flight_mean: f64::NAN, ..few };
        assert_eq!(Little::judge(broken).verdict, Verdict::NotJudged);
        let idle = Observed { attempts: 200, in_flight_mean: 0.0, permit_time_us: 0, ..few };
        assert_eq!(Little::judge(idle).verdict, Verdict::NotJudged);
    }

    #[test]
    fn repeats_are_judged_together() {
        let part = |in_flight_mean, elapsed_us| Observed {
            in_flight_mean,
            attempts: 150,
            permit_time_us: (in_flight_mean * elapsed_us as f64) as u64,
            elapsed_us,
        };
        let together = Observed::together(&[part(4.0, 1_000_000), part(10.0, 3_000_000)]).unwrap();
        // Three quarters of the time at 10, one at 4.
        assert_eq!((together.in_flight_mean, together.attempts, together.elapsed_us), (8.5, 300, 4_000_000));
        assert_eq!(Little::judge(together).verdict, Verdict::Agrees { off: 0.0 });
        assert_eq!(Observed::together(&[]), None);
    }

    #[test]
    fn each_verdict_reads_as_a_sentence() {
        let agrees = gauge_says(9.8).to_string();
        assert_eq!(agrees, "Little's law holds: 9.8 in flight measured, 10.0 by rate and time (2 % apart)");
        assert!(gauge_says(9.4).to_string().starts_with("Little's law is off by 6 %"));
        let loud = gauge_says(8.0).to_string();
        assert!(loud.starts_with("Little's law is off by 20 %") && loud.ends_with("do not trust this run"), "{loud}");
    }

    #[test]
    fn json_names_the_verdict() {
        let json = serde_json::to_value(gauge_says(10.0)).unwrap();
        assert_eq!(json["verdict"], serde_json::json!({ "is": "agrees", "off": 0.0 }));
        assert_eq!(json["in_flight_expected"], 10.0);
    }
}
