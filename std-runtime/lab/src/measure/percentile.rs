//! Percentiles, given only where the sample carries them.
//!
//! The p99 of forty samples is their maximum under another name. A percentile p is given from n ≥ 1/(1−p) samples on
//! (p99 from 100), and marked approximate below ten times as many, when fewer than ten samples lie beyond it.
//!
//! Nearest rank: the smallest recorded value that at least p of all samples do not exceed. Nothing is interpolated, so
//! every figure shown is a latency that somebody waited.

use std::fmt;

use serde::{Serialize, Serializer};

use super::text::Micros;

/// Which percentile, in hundredths of a per cent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantile(u16);

impl Quantile {
    /// The median.
    pub const P50: Self = Self(5_000);
    /// Nine in ten are at most this.
    pub const P90: Self = Self(9_000);
    /// 19 in 20 are at most this.
    pub const P95: Self = Self(9_500);
    /// 99 in 100 are at most this.
    pub const P99: Self = Self(9_900);

    /// A percentile from 0.01 % to 99.99 %, in hundredths of a per cent; `None` outside.
    pub const fn new(basis_points: u16) -> Option<Self> {
        if basis_points == 0 || basis_points >= WHOLE as u16 { None } else { Some(Self(basis_points)) }
    }

    /// The fewest samples that carry this percentile: 1/(1−p), so 2, 10, 20 and 100 for the named ones.
    pub const fn samples_needed(self) -> u64 {
        WHOLE.div_ceil(WHOLE - self.0 as u64)
    }

    /// From this many samples on the percentile is no longer marked approximate: 10/(1−p).
    pub const fn samples_wanted(self) -> u64 {
        (10 * WHOLE).div_ceil(WHOLE - self.0 as u64)
    }

    /// The percentile of samples in ascending order.
    #[must_use = "reading a percentile changes nothing"]
    pub fn of_sorted(self, sorted_us: &[u64]) -> Percentile {
        debug_assert!(sorted_us.is_sorted(), "the nearest rank is only defined on sorted samples");
        let count = sorted_us.len() as u64;
        if count < self.samples_needed() {
            return Percentile::Unmeasured;
        }
        // Up: at least p of the samples are at or below the value at this rank, counted from one.
        let rank = (u128::from(self.0) * u128::from(count)).div_ceil(u128::from(WHOLE)) as usize;
        match sorted_us.get(rank.saturating_sub(1)) {
            None => Percentile::Unmeasured,
            Some(&us) if count < self.samples_wanted() => Percentile::Approximate(us),
            Some(&us) => Percentile::Measured(us),
        }
    }
}

/// What a sample says about one percentile. Shown as `–`, `~12.3 ms` or `12.3 ms`; in JSON milliseconds or null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Percentile {
    /// Too few samples to say.
    Unmeasured,
    /// Fewer than ten samples lie beyond it; in microseconds.
    Approximate(u64),
    /// In microseconds.
    Measured(u64),
}

impl Percentile {
    /// The value in microseconds, if there is one.
    pub const fn us(self) -> Option<u64> {
        match self {
            Self::Unmeasured => None,
            Self::Approximate(us) | Self::Measured(us) => Some(us),
        }
    }
}

impl fmt::Display for Percentile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Unmeasured => f.pad("–"),
            Self::Approximate(us) => f.pad(&format!("~{}", Micros(us))),
            Self::Measured(us) => f.pad(&Micros(us).to_string()),
        }
    }
}

impl Serialize for Percentile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        milliseconds(&self.us(), serializer)
    }
}

/// The usual figures of a set of latencies. In JSON the six of them in milliseconds, null where there is none; the
/// number of samples stands beside them in the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// How many samples there were.
    #[serde(skip)]
    pub samples: u64,
    /// The median.
    pub p50: Percentile,
    /// Nine in ten are at most this.
    pub p90: Percentile,
    /// 19 in 20 are at most this.
    pub p95: Percentile,
    /// 99 in 100 are at most this.
    pub p99: Percentile,
    /// The largest, in microseconds.
    #[serde(serialize_with = "milliseconds")]
    pub max: Option<u64>,
    /// The arithmetic mean in microseconds, to the nearest.
    #[serde(serialize_with = "milliseconds")]
    pub mean: Option<u64>,
}

impl Summary {
    /// The figures of `samples_us`, which are sorted on the way.
    pub fn of(samples_us: &mut [u64]) -> Self {
        samples_us.sort_unstable();
        let count = samples_us.len() as u128;
        let total: u128 = samples_us.iter().map(|&us| u128::from(us)).sum();
        Self {
            samples: samples_us.len() as u64,
            p50: Quantile::P50.of_sorted(samples_us),
            p90: Quantile::P90.of_sorted(samples_us),
            p95: Quantile::P95.of_sorted(samples_us),
            p99: Quantile::P99.of_sorted(samples_us),
            max: samples_us.last().copied(),
            mean: (total + count / 2).checked_div(count).and_then(|mean| u64::try_from(mean).ok()),
        }
    }
}

fn milliseconds<S: Serializer>(us: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    us.map(|us| us as f64 / 1e3).serialize(serializer)
}

/// Everything, in hundredths of a per cent.
const WHOLE: u64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn counting_to(n: u64) -> Vec<u64> {
        (1..=n).collect()
    }

    #[test]
    fn nearest_rank_is_the_value_that_the_definition_names() {
        // Over 1..=n the nearest rank of p is ceil(p n) itself.
        let sorted = counting_to(1_000);
        assert_eq!(Quantile::P50.of_sorted(&sorted), Percentile::Measured(500));
        assert_eq!(Quantile::P99.of_sorted(&sorted), Percentile::Measured(990));
        // Wikipedia's example: 15 20 35 40 50, 40th percentile = 20.
        let fortieth = Quantile::new(4_000).unwrap();
        assert_eq!(fortieth.of_sorted(&[15, 20, 35, 40, 50]), Percentile::Approximate(20));
    }

    #[test]
    fn nearest_rank_agrees_with_counting_on_every_small_sample() {
        for n in 1..=60 {
            let sorted: Vec<u64> = (0..n).map(|i| i * i).collect();
            for basis_points in (1..10_000).step_by(37) {
                let quantile = Quantile::new(basis_points).unwrap();
                let Some(us) = quantile.of_sorted(&sorted).us() else { continue };
                let covered = |limit: u64| sorted.iter().filter(|&&v| v <= limit).count() as u64 * WHOLE;
                assert!(covered(us) >= u64::from(basis_points) * n, "{us} covers too few of {n} at {basis_points}");
                let below = sorted.iter().rev().find(|&&v| v < us);
                assert!(below.is_none_or(|&v| covered(v) < u64::from(basis_points) * n), "{us} is not the smallest");
            }
        }
    }

    #[test]
    fn a_percentile_is_given_from_the_number_of_samples_that_carries_it() {
        let needed = [Quantile::P50, Quantile::P90, Quantile::P95, Quantile::P99].map(|q| q.samples_needed());
        assert_eq!(needed, [2, 10, 20, 100]);
        for quantile in [Quantile::P50, Quantile::P90, Quantile::P95, Quantile::P99] {
            let (needed, wanted) = (quantile.samples_needed(), quantile.samples_wanted());
            assert_eq!(wanted, 10 * needed);
            assert_eq!(quantile.of_sorted(&counting_to(needed - 1)), Percentile::Unmeasured);
            assert!(matches!(quantile.of_sorted(&counting_to(needed)), Percentile::Approximate(_)));
            assert!(matches!(quantile.of_sorted(&counting_to(wanted - 1)), Percentile::Approximate(_)));
            assert!(matches!(quantile.of_sorted(&counting_to(wanted)), Percentile::Measured(_)));
        }
        assert_eq!((Quantile::new(0), Quantile::new(10_000)), (None, None));
        assert_eq!(Quantile::new(9_990).unwrap().samples_needed(), 1_000);
    }

    #[test]
    fn a_percentile_shows_what_it_is_worth() {
        assert_eq!(Percentile::Unmeasured.to_string(), "–");
        assert_eq!(Percentile::Approximate(12_345).to_string(), "~12.3 ms");
        assert_eq!(format!("[{:>8}]", Percentile::Measured(12_345)), "[ 12.3 ms]");
    }

    #[test]
    fn a_summary_of_nothing_is_all_null() {
        let summary = Summary::of(&mut []);
        assert_eq!((summary.samples, summary.max, summary.mean), (0, None, None));
        let json = serde_json::to_string(&summary).unwrap();
        assert_eq!(json, r#"{"p50":null,"p90":null,"p95":null,"p99":null,"max":null,"mean":null}"#);
    }

    #[test]
    fn a_summary_sorts_rounds_the_mean_and_survives_the_largest_values() {
        let summary = Summary::of(&mut [4_000, 1_000, 3_501]);
        assert_eq!(summary.p50, Percentile::Approximate(3_501));
        assert_eq!((summary.max, summary.mean), (Some(4_000), Some(2_834)));
        assert_eq!(serde_json::to_value(&summary).unwrap()["p50"], 3.501);
        assert_eq!(Summary::of(&mut [u64::MAX, u64::MAX]).mean, Some(u64::MAX));
    }
}
