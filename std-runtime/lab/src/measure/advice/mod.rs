//! Which concurrency to use, why, and how sure that is.
//!
//! The throughput optimum itself is rarely what anybody wants: near the top of a flat curve the last per cent of
//! throughput is bought with many per cent of latency, by Little's law. So the advice is the concurrency up to which
//! one per cent more in flight still brings a quarter per cent more throughput; beyond it each per cent of throughput
//! costs more than three per cent of latency. On a server with a fixed number of workers that is exactly their number.
//! (Where Kleinrock's power, throughput over latency, is highest, one per cent brings a half: for bulk work that
//! leaves a quarter of the throughput unused.)
//!
//! It is read off the law that describes the measurements, or, where none does, off the measured levels themselves. It
//! names nothing beyond twice the highest level measured, and beyond the highest level only an estimate to be measured.
//! From the first level at which more than one request in a hundred fails, nothing is recommended.
//!
//! It harms when one run stands for all days: the advice is about the server and the network as they were.

mod sentence;

use std::fmt;

use serde::{Serialize, Serializer};

use self::sentence::{HowSure, Said, whole};
use super::scaling::bootstrap::{Interval, Repeats, resampled};
use super::scaling::{EXTRAPOLATION, FitError, Law, Observation, medians};
use super::text::Percent;

/// What a sweep found out about one concurrency.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// How many requests were kept in flight.
    pub concurrency: u32,
    /// Successes per second, one entry for each repeat.
    pub per_second: Vec<f64>,
    /// 95th percentile of latency in microseconds, if the samples carried one.
    pub p95_us: Option<u64>,
    /// Share of requests that failed for good, 0 to 1.
    pub failed_share: f64,
}

/// What to do, with the sentence that says it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Advice {
    /// The concurrency, or that there is none yet.
    pub recommendation: Recommendation,
    /// How sure it is.
    pub confidence: Confidence,
    /// Share of the resamplings of the repeats that come to the same advice (a concurrency within a quarter of this
    /// one); `None` without repeats.
    pub agreement: Option<f64>,
    /// The law it was read off; `None` where it was read off the measured levels themselves.
    pub law: Option<Law>,
    /// All of it in one sentence.
    pub sentence: String,
}

/// The concurrency to use, or why none can be named.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Recommendation {
    /// This one.
    Use {
        /// How many to keep in flight.
        concurrency: u32,
        /// Nine in ten resamplings of the repeats lie from here …
        low: u32,
        /// … to here.
        high: u32,
        /// The throughput to expect, per second.
        per_second: f64,
        /// Why not more.
        reason: Reason,
    },
    /// More in flight still brought more at the highest level measured.
    StillRising {
        /// The highest level measured.
        last: u32,
        /// Throughput there, per second.
        per_second: f64,
        /// Up to where the law expects the rise to be worth it, if that is within twice the highest level.
        estimate: Option<u32>,
    },
    /// The measurements say nothing.
    Unclear {
        /// What is wrong with them.
        why: Unclear,
    },
}

/// Why more in flight than recommended is not worth it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Reason {
    /// Throughput does not rise beyond it.
    Ceiling,
    /// Throughput rises less and less beyond it.
    Diminishing,
    /// Throughput falls beyond a peak within the measured range.
    Peak {
        /// Where throughput is highest.
        at: f64,
    },
    /// At the next level requests fail.
    Failures {
        /// The next level.
        next: u32,
        /// Share of requests that failed there.
        failed_share: f64,
    },
}

/// What keeps the measurements from saying anything.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Unclear {
    /// No curve can be drawn.
    #[error(transparent)]
    Data(#[from] FitError),
    /// Already the lowest level fails.
    #[error("{} of the requests fail at a concurrency of {lowest} already: find out why before measuring more", Percent(*failed_share))]
    Failing {
        /// The lowest level.
        lowest: u32,
        /// Share of requests that failed there.
        failed_share: f64,
    },
}

impl Serialize for Unclear {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How sure an advice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// A law describes the measurements and nine in ten resamplings agree.
    High,
    /// Seven in ten resamplings agree.
    Medium,
    /// Fewer agree, or there were no repeats to resample.
    Low,
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        })
    }
}

impl Advice {
    /// The advice that `levels` give; the same seed gives the same resamplings.
    pub fn from_levels(levels: &[Level], seed: u64) -> Self {
        let mut levels = levels.to_vec();
        levels.sort_by_key(|level| level.concurrency);
        let clean = levels.iter().take_while(|level| level.failed_share <= FAILED_SHARE_MAX).count();
        let (clean, failing) = levels.split_at(clean);
        let repeats: Vec<Repeats> = clean
            .iter()
            .map(|level| Repeats { concurrency: level.concurrency, per_second: level.per_second.clone() })
            .collect();
        let points = medians(repeats.iter().map(|r| (r.concurrency, r.per_second.as_slice())));

        let (law, found) = match Found::in_points(&points, failing.first()) {
            Ok(found) => found,
            Err(why) => return Self::unclear(why),
        };
        let again = resampled(&repeats, seed, |points| Some(Found::in_points(points, failing.first()).ok()?.1));
        let agreeing: Vec<f64> =
            again.iter().filter(|other| found.agrees_with(other)).map(Found::concurrency).collect();
        let agreement = (!again.is_empty()).then(|| agreeing.len() as f64 / again.len() as f64);
        let confidence = match agreement {
            Some(share) if share >= 0.9 && law.is_some() => Confidence::High,
            Some(share) if share >= 0.7 => Confidence::Medium,
            Some(_) | None => Confidence::Low,
        };
        let recommendation = found.recommendation(&points, law.as_ref(), Interval::of(agreeing));
        let sentence = format!(
            "{}; {}.",
            Said { recommendation: &recommendation, levels: &levels },
            HowSure { confidence, agreement, law: law.as_ref() }
        );
        Self { recommendation, confidence, agreement, law, sentence }
    }

    fn unclear(why: Unclear) -> Self {
        let sentence = format!("No concurrency can be recommended: {why}.");
        let recommendation = Recommendation::Unclear { why };
        Self { recommendation, confidence: Confidence::Low, agreement: None, law: None, sentence }
    }
}

/// What one set of points says, before it is compared with others.
enum Found {
    Until { concurrency: f64, reason: Reason },
    Beyond { last: u32, estimate: Option<f64> },
}

impl Found {
    /// What `points`, in ascending order and without failures, say; `failing` is the level after them, if there is one.
    fn in_points(points: &[Observation], failing: Option<&Level>) -> Result<(Option<Law>, Self), Unclear> {
        let (Some(first), Some(last)) = (points.first(), points.last()) else {
            return Err(match failing {
                Some(&Level { concurrency: lowest, failed_share, .. }) => Unclear::Failing { lowest, failed_share },
                None => FitError::TooFewLevels { distinct: 0, needed: 3 }.into(),
            });
        };
        if points.len() < 2 && failing.is_none() {
            return Err(FitError::TooFewLevels { distinct: points.len(), needed: 3 }.into());
        }
        let law = match Law::choose(points) {
            Ok(law) => law,
            Err(FitError::TooFewLevels { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let (lowest, highest) = (f64::from(first.concurrency), f64::from(last.concurrency));
        let worthwhile = match &law {
            Some(law) => law.worthwhile_until(GAIN_MIN, EXTRAPOLATION * highest).map(|n| n.max(lowest)),
            None => measured_until(points),
        };
        let found = match (worthwhile, failing) {
            (Some(concurrency), _) if concurrency <= highest => {
                let reason = match &law {
                    Some(Law::Ceiling(_)) => Reason::Ceiling,
                    Some(Law::Usl(usl)) => match usl.peak {
                        Some(peak) if peak.concurrency <= highest && falls(points) => {
                            Reason::Peak { at: peak.concurrency }
                        }
                        Some(_) | None => Reason::Diminishing,
                    },
                    Some(Law::Amdahl(_)) | None => Reason::Diminishing,
                };
                Self::Until { concurrency, reason }
            }
            (_, Some(&Level { concurrency: next, failed_share, .. })) => {
                Self::Until { concurrency: highest, reason: Reason::Failures { next, failed_share } }
            }
            (estimate, None) => Self::Beyond { last: last.concurrency, estimate },
        };
        Ok((law, found))
    }

    fn concurrency(&self) -> f64 {
        match *self {
            Self::Until { concurrency, .. } => concurrency,
            Self::Beyond { last, .. } => f64::from(last),
        }
    }

    fn agrees_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Until { concurrency: this, .. }, Self::Until { concurrency: other, .. }) => {
                (this - other).abs() <= this / 4.0
            }
            (Self::Beyond { .. }, Self::Beyond { .. }) => true,
            (Self::Until { .. }, Self::Beyond { .. }) | (Self::Beyond { .. }, Self::Until { .. }) => false,
        }
    }

    fn recommendation(self, points: &[Observation], law: Option<&Law>, spread: Option<Interval>) -> Recommendation {
        let measured_at = |n: f64| {
            let nearest = points.iter().min_by(|a, b| {
                let distance = |o: &Observation| (f64::from(o.concurrency) - n).abs();
                distance(a).total_cmp(&distance(b))
            });
            nearest.map_or(0.0, |o| o.per_second)
        };
        match self {
            Self::Until { concurrency, reason } => {
                let spread = spread.unwrap_or(Interval { low: concurrency, high: concurrency });
                Recommendation::Use {
                    concurrency: whole(concurrency),
                    low: whole(spread.low.min(concurrency)),
                    high: whole(spread.high.max(concurrency)),
                    per_second: law.map_or_else(|| measured_at(concurrency), |law| law.at(concurrency)),
                    reason,
                }
            }
            Self::Beyond { last, estimate } => Recommendation::StillRising {
                last,
                per_second: measured_at(f64::from(last)),
                estimate: estimate.map(whole),
            },
        }
    }
}

/// The first measured level from which the step to the next gains too little; `None` if every step is worth it.
fn measured_until(points: &[Observation]) -> Option<f64> {
    let gains_little = |pair: &&[Observation]| {
        let throughput = (pair[1].per_second / pair[0].per_second).ln();
        let concurrency = (f64::from(pair[1].concurrency) / f64::from(pair[0].concurrency)).ln();
        throughput < GAIN_MIN * concurrency
    };
    points.windows(2).find(gains_little).map(|pair| f64::from(pair[0].concurrency))
}

/// Whether the highest level was measured below another: a curve alone may dip where the measurements do not.
fn falls(points: &[Observation]) -> bool {
    points.last().is_some_and(|last| points.iter().any(|other| other.per_second > last.per_second))
}

/// One per cent more in flight has to bring this many per cent more throughput.
const GAIN_MIN: f64 = 0.25;
/// A level at which a larger share fails is none to recommend.
const FAILED_SHARE_MAX: f64 = 0.01;

#[cfg(test)]
mod tests;
