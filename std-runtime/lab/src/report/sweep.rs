//! The figures of a sweep, from the runs that were made.

use std::collections::BTreeMap;

use serde::Serialize;

use super::level::{LevelReport, Run};
use super::timeline::Timeline;
use crate::measure::advice::{Advice, Level, Recommendation};
use crate::measure::little::{Little, Verdict};
use crate::measure::requirement::Judgement;
use crate::measure::scaling::bootstrap::{Interval, Repeats, resampled};
use crate::measure::scaling::{Amdahl, FitError, Usl, medians};

/// Everything that a report is made from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SweepInput {
    /// What was measured, without secrets: a host, or `embedded server`.
    pub target: String,
    /// When, as text; empty if it is not to be told.
    pub when: String,
    /// Of the order of the runs and of the resamplings.
    pub seed: u64,
    /// The settings that were in force, name and value.
    pub settings: Vec<(String, String)>,
    /// One request after the other without a gate, for the cost of the gate itself.
    pub baseline: Option<Run>,
    /// The runs of all levels in any order; those of the same concurrency are its repeats.
    pub runs: Vec<Run>,
    /// What a gate did over time, in one of the runs or all of them.
    pub timeline: Option<Timeline>,
    /// What became of the requirements, if there were any.
    pub requirements: Vec<Judgement>,
}

/// A sweep's figures, fits and advice.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SweepReport {
    /// Which schema this follows: the number grows when a name or meaning changes, not when one is added.
    pub schema_version: u32,
    /// The version of tidegate that made it.
    pub tidegate: &'static str,
    /// What was measured.
    pub target: String,
    /// When, as text.
    pub when: String,
    /// Of the order of the runs and of the resamplings.
    pub seed: u64,
    /// The settings that were in force.
    pub settings: BTreeMap<String, String>,
    /// One request after the other without a gate.
    pub baseline: Option<LevelReport>,
    /// In ascending order of concurrency.
    pub levels: Vec<LevelReport>,
    /// The Universal Scalability Law over the levels' medians.
    pub usl: Fitted<FittedUsl>,
    /// Amdahl's law over the levels' medians.
    pub amdahl: Fitted<Amdahl>,
    /// Little's law at the level where it holds least.
    pub little: Option<LevelLittle>,
    /// What to do.
    pub advice: Advice,
    /// What became of the requirements.
    pub requirements: Vec<Judgement>,
    /// What a gate did over time.
    pub timeline: Option<Timeline>,
}

/// A law, or why there is none.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Fitted<T> {
    /// The law.
    Fit(T),
    /// Why there is none.
    Impossible {
        /// What is wrong with the measurements, and what to do about it.
        error: String,
    },
}

impl<T> Fitted<T> {
    /// The law, if there is one.
    pub const fn fit(&self) -> Option<&T> {
        match self {
            Self::Fit(fit) => Some(fit),
            Self::Impossible { .. } => None,
        }
    }

    fn of(fit: Result<T, FitError>) -> Self {
        match fit {
            Ok(fit) => Self::Fit(fit),
            Err(error) => Self::Impossible { error: error.to_string() },
        }
    }
}

/// The Universal Scalability Law with how sure its parameters are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FittedUsl {
    /// The law.
    #[serde(flatten)]
    pub usl: Usl,
    /// Where nine in ten resamplings of the repeats lie; `None` without repeats.
    pub intervals: Option<Intervals>,
}

/// Where nine in ten resamplings of the repeats lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Intervals {
    /// Of λ, per second.
    pub lambda: Interval,
    /// Of σ.
    pub sigma: Interval,
    /// Of κ.
    pub kappa: Interval,
}

/// Little's law at one level.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LevelLittle {
    /// The level.
    pub concurrency: u32,
    /// What it says there.
    #[serde(flatten)]
    pub little: Little,
}

impl SweepReport {
    /// Computes everything; a pure function of its input.
    pub fn from_runs(input: SweepInput) -> Self {
        let mut concurrencies: Vec<u32> = input.runs.iter().map(|run| run.concurrency).collect();
        concurrencies.sort_unstable();
        concurrencies.dedup();
        let level = |&n: &u32| {
            let repeats: Vec<&Run> = input.runs.iter().filter(|run| run.concurrency == n).collect();
            LevelReport::of(n, &repeats)
        };
        let levels: Vec<LevelReport> = concurrencies.iter().map(level).collect();
        let repeats: Vec<Repeats> = levels
            .iter()
            .map(|level| Repeats { concurrency: level.concurrency, per_second: level.per_second.repeats.clone() })
            .collect();
        let points = medians(repeats.iter().map(|level| (level.concurrency, level.per_second.as_slice())));
        let advised: Vec<Level> = levels.iter().map(advised).collect();
        Self {
            schema_version: 1,
            tidegate: env!("CARGO_PKG_VERSION"),
            usl: Fitted::of(Usl::fit(&points).map(|usl| FittedUsl::with_intervals(usl, &repeats, input.seed))),
            amdahl: Fitted::of(Amdahl::fit(&points)),
            little: worst(&levels),
            advice: Advice::from_levels(&advised, input.seed),
            baseline: input.baseline.as_ref().map(|run| LevelReport::of(run.concurrency, &[run])),
            levels,
            target: input.target,
            when: input.when,
            seed: input.seed,
            settings: input.settings.into_iter().collect(),
            requirements: input.requirements,
            timeline: input.timeline,
        }
    }

    /// The recommended concurrency, if there is one.
    pub const fn recommended(&self) -> Option<u32> {
        match self.advice.recommendation {
            Recommendation::Use { concurrency, .. } => Some(concurrency),
            Recommendation::StillRising { .. } | Recommendation::Unclear { .. } => None,
        }
    }
}

impl FittedUsl {
    fn with_intervals(usl: Usl, levels: &[Repeats], seed: u64) -> Self {
        let fits = resampled(levels, seed, |points| Usl::fit(points).ok());
        let interval = |value: fn(&Usl) -> f64| Interval::of(fits.iter().map(value).collect());
        let intervals = interval(|usl| usl.lambda)
            .zip(interval(|usl| usl.sigma))
            .zip(interval(|usl| usl.kappa))
            .map(|((lambda, sigma), kappa)| Intervals { lambda, sigma, kappa });
        Self { usl, intervals }
    }
}

fn advised(level: &LevelReport) -> Level {
    Level {
        concurrency: level.concurrency,
        per_second: level.per_second.repeats.clone(),
        p95_us: level.latency_ms.p95.us(),
        failed_share: level.failed_share(),
    }
}

/// The level at which gauge and clocks differ most; if none was judged the one with the most attempts.
fn worst(levels: &[LevelReport]) -> Option<LevelLittle> {
    let off = |little: &Little| match little.verdict {
        Verdict::NotJudged => -1.0 / (little.attempts as f64 + 1.0),
        Verdict::Agrees { off } | Verdict::Off { off } | Verdict::FarOff { off } => off.abs(),
    };
    let judged =
        levels.iter().filter_map(|level| Some(LevelLittle { concurrency: level.concurrency, little: level.little? }));
    judged.max_by(|a, b| off(&a.little).total_cmp(&off(&b.little)))
}
