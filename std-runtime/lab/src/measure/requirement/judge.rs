use std::cmp::Ordering;
use std::fmt;

use serde::Serialize;

use super::super::percentile::{Percentile, Quantile, Summary};
use super::super::text::{Micros, PerSecond, Percent};
use super::{Clause, Comparison, Figure};

/// What a run has to show for itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured<'a> {
    /// Latencies of what was answered.
    pub latency: &'a Summary,
    /// Requests that ended well: verified answers, and what verifiably is not there.
    pub succeeded: u64,
    /// All requests.
    pub requested: u64,
    /// Successes per second; `None` if no time passed.
    pub per_second: Option<f64>,
}

/// One clause and what became of it. Shown as `p99<200ms: met, 131 ms`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judgement {
    /// The clause.
    pub clause: Clause,
    /// What was measured, as text with its unit; `–` where it could not be.
    pub observed: String,
    /// Whether that is good enough.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// Whether a clause holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It holds.
    Met,
    /// It does not.
    Missed,
    /// There were too few samples to say, which is not good enough either.
    Unmeasurable {
        /// How many samples there are.
        samples: u64,
        /// How many the figure needs.
        needed: u64,
    },
}

impl Judgement {
    /// Whether the gate may open as far as this clause goes.
    pub const fn is_met(&self) -> bool {
        matches!(self.verdict, Verdict::Met)
    }

    /// What became of it, without the clause: `missed, 231 ms`.
    pub fn outcome(&self) -> String {
        let observed = &self.observed;
        match self.verdict {
            Verdict::Met => format!("met, {observed}"),
            Verdict::Missed => format!("missed, {observed}"),
            Verdict::Unmeasurable { samples: 0, .. } => "missed, nothing was measured".to_owned(),
            Verdict::Unmeasurable { samples, needed } => {
                format!("missed, {samples} samples do not carry it: measure at least {needed}")
            }
        }
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.clause, self.outcome())
    }
}

impl Clause {
    pub(super) fn judge(&self, measured: &Measured<'_>) -> Judgement {
        let Measured { latency, succeeded, requested, per_second } = *measured;
        let succeeded = succeeded.min(requested);
        match self.figure {
            Figure::P50 => self.percentile(latency.p50, Quantile::P50, latency.samples),
            Figure::P90 => self.percentile(latency.p90, Quantile::P90, latency.samples),
            Figure::P95 => self.percentile(latency.p95, Quantile::P95, latency.samples),
            Figure::P99 => self.percentile(latency.p99, Quantile::P99, latency.samples),
            Figure::Max => self.latency(latency.max),
            Figure::Mean => self.latency(latency.mean),
            Figure::Success => self.share(succeeded, requested),
            Figure::Error => self.share(requested - succeeded, requested),
            Figure::Throughput => {
                let ordering = per_second.and_then(|rate| (rate * 1e3).partial_cmp(&(self.bound as f64)));
                self.judgement(ordering, 0, 1, PerSecond(per_second.unwrap_or(0.0)).to_string())
            }
        }
    }

    fn percentile(&self, percentile: Percentile, quantile: Quantile, samples: u64) -> Judgement {
        let ordering = percentile.us().map(|us| self.compare_latency(us));
        self.judgement(ordering, samples, quantile.samples_needed(), percentile.to_string())
    }

    fn latency(&self, us: Option<u64>) -> Judgement {
        let ordering = us.map(|us| self.compare_latency(us));
        self.judgement(ordering, 0, 1, Micros(us.unwrap_or(0)).to_string())
    }

    fn share(&self, count: u64, of: u64) -> Judgement {
        // count/of against bound/10⁶ without a division, so that 999 of 1,000 is exactly 99.9 %.
        let ordering = (u128::from(count) * 1_000_000).cmp(&(u128::from(self.bound) * u128::from(of)));
        self.judgement((of > 0).then_some(ordering), of, 1, Percent(count as f64 / of.max(1) as f64).to_string())
    }

    fn compare_latency(&self, us: u64) -> Ordering {
        (u128::from(us) * 1_000).cmp(&u128::from(self.bound))
    }

    /// `ordering` is how the figure compares with the bound; `None` where there were too few samples for a figure.
    fn judgement(&self, ordering: Option<Ordering>, samples: u64, needed: u64, observed: String) -> Judgement {
        let holds = ordering.map(|ordering| match self.comparison {
            Comparison::Below => ordering.is_lt(),
            Comparison::AtMost => ordering.is_le(),
            Comparison::Above => ordering.is_gt(),
            Comparison::AtLeast => ordering.is_ge(),
        });
        let (verdict, observed) = match holds {
            Some(true) => (Verdict::Met, observed),
            Some(false) => (Verdict::Missed, observed),
            None => (Verdict::Unmeasurable { samples, needed }, "–".to_owned()),
        };
        Judgement { clause: *self, observed, verdict }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Requirements;
    use super::*;

    /// 1,000 latencies of 1 to 1,000 ms, 999 of 1,000 requests well, 50 per second.
    fn judged(clause: &str) -> Judgement {
        let latency = Summary::of(&mut (1..=1_000).map(|ms| ms * 1_000).collect::<Vec<_>>());
        let measured = Measured { latency: &latency, succeeded: 999, requested: 1_000, per_second: Some(50.0) };
        let requirements: Requirements = clause.parse().unwrap_or_else(|error| panic!("{error}"));
        requirements.judge(&measured).remove(0)
    }

    #[test]
    fn each_figure_is_compared_exactly_at_its_bound() {
        let bounds = [
            ("p50", "500ms"),
            ("p90", "0.9s"),
            ("p95", "950ms"),
            ("p99", "990000us"),
            ("max", "1s"),
            ("mean", "500.5ms"),
            ("success", "99.9%"),
            ("error", "0.1%"),
            ("throughput", "50/s"),
        ];
        for (figure, bound) in bounds {
            for (sign, met) in [("<", false), ("<=", true), (">", false), (">=", true)] {
                let judgement = judged(&format!("{figure}{sign}{bound}"));
                assert_eq!(judgement.is_met(), met, "{judgement}");
            }
        }
        assert!(judged("p99<990000.001us").is_met() && !judged("p99<989999.999us").is_met());
        assert!(judged("success>99.8999%").is_met() && !judged("success>99.9001%").is_met());
    }

    #[test]
    fn a_judgement_tells_the_clause_and_what_was_observed() {
        assert_eq!(judged("p99<200ms").to_string(), "p99<200ms: missed, 990 ms");
        assert_eq!(judged("success>99%").to_string(), "success>99%: met, 99.9 %");
        assert_eq!(judged("rps>=49.5").to_string(), "throughput>=49.5/s: met, 50.0/s");
        let json = serde_json::to_value(judged("p99<200ms")).unwrap();
        assert_eq!(json, serde_json::json!({ "clause": "p99<200ms", "observed": "990 ms", "verdict": "missed" }));
    }

    #[test]
    fn a_gate_does_not_open_for_want_of_samples() {
        let few = Summary::of(&mut [1_000; 99]);
        let measured = Measured { latency: &few, succeeded: 99, requested: 99, per_second: None };
        let requirements: Requirements = "p99<1s,p95<1s,rps>1".parse().unwrap();
        let [p99, p95, rate] = requirements.judge(&measured).try_into().unwrap();
        assert_eq!(p99.to_string(), "p99<1s: missed, 99 samples do not carry it: measure at least 100");
        assert_eq!(p95.to_string(), "p95<1s: met, ~1.00 ms");
        assert_eq!(rate.verdict, Verdict::Unmeasurable { samples: 0, needed: 1 });
        let nothing = Measured { latency: &Summary::of(&mut []), succeeded: 0, requested: 0, per_second: None };
        for clause in ["p50<1s", "max<1s", "mean<1s", "success>=0%", "error<=100%", "rps>=0"] {
            let requirements: Requirements = clause.parse().unwrap();
            assert!(requirements.judge(&nothing).iter().all(|judgement| !judgement.is_met()), "{clause} of nothing");
        }
    }

    #[test]
    fn a_class_fails_a_server_that_is_fast_because_it_refuses() {
        let latency = Summary::of(&mut [500; 1_000]);
        let refusing = Measured { latency: &latency, succeeded: 500, requested: 1_000, per_second: Some(1e4) };
        for class in ["interactive", "navigation", "safety"] {
            let judgements = class.parse::<Requirements>().unwrap().judge(&refusing);
            assert_eq!(judgements.iter().filter(|judgement| !judgement.is_met()).count(), 1, "{class}");
            let healthy = Measured { succeeded: 1_000, ..refusing };
            assert!(class.parse::<Requirements>().unwrap().judge(&healthy).iter().all(Judgement::is_met), "{class}");
        }
    }
}
