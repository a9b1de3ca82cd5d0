//! How sure a fitted figure is, told by the repeats.
//!
//! Each level's repeats are drawn again with replacement, as many as there were, and everything is computed anew from
//! their medians; the spread of the results is the uncertainty that the repeats speak for (Efron and Tibshirani, "An
//! Introduction to the Bootstrap", 1993). It knows nothing of what all repeats share: a neighbour who was busy the whole
//! time, or a curve of the wrong shape.

use serde::Serialize;

use super::{Observation, medians};

/// One level with a throughput for each of its repeats, per second.
#[derive(Clone, Debug, PartialEq)]
pub struct Repeats {
    /// How many requests were kept in flight.
    pub concurrency: u32,
    /// Completed per second, one entry for each repeat.
    pub per_second: Vec<f64>,
}

/// Where nine in ten of the results lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// One in twenty lies below.
    pub low: f64,
    /// One in twenty lies above.
    pub high: f64,
}

impl Interval {
    /// The middle nine tenths of `values`; `None` for fewer than 20, which have no twentieth.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.retain(|value| value.is_finite());
        values.sort_unstable_by(f64::total_cmp);
        let cut = values.len() / 20;
        let (low, high) = (values.get(cut)?, values.get(values.len().checked_sub(cut + 1)?)?);
        (cut > 0).then_some(Self { low: *low, high: *high })
    }
}

/// `compute` applied to [`RESAMPLES`] resamplings of the repeats; the same seed gives the same results.
///
/// Empty where no level has two repeats: nothing is known of the spread then, which is not the same as no spread.
pub fn resampled<T>(levels: &[Repeats], seed: u64, compute: impl Fn(&[Observation]) -> Option<T>) -> Vec<T> {
    if levels.iter().all(|level| level.per_second.len() < 2) {
        return Vec::new();
    }
    let mut rng = fastrand::Rng::with_seed(seed);
    let one = |_| {
        let drawn: Vec<(u32, Vec<f64>)> = levels
            .iter()
            .map(|Repeats { concurrency, per_second }| {
                let again = per_second.iter().filter_map(|_| rng.choice(per_second).copied()).collect();
                (*concurrency, again)
            })
            .collect();
        compute(&medians(drawn.iter().map(|(concurrency, repeats)| (*concurrency, repeats.as_slice()))))
    };
    (0..RESAMPLES).filter_map(one).collect()
}

/// Enough that the ends of a nine-tenths interval rest on ten results each.
pub const RESAMPLES: u32 = 200;

#[cfg(test)]
mod tests {
    use super::super::Amdahl;
    use super::*;

    fn noisy(repeats: usize, seed: u64) -> Vec<Repeats> {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut level = |n: u32| {
            let exact = 100.0 * f64::from(n) / (1.0 + 0.05 * f64::from(n - 1));
            Repeats { concurrency: n, per_second: (0..repeats).map(|_| exact * (0.95 + 0.1 * rng.f64())).collect() }
        };
        [1, 5, 10, 20, 50].map(&mut level).to_vec()
    }

    fn sigma(repeats: usize, seed: u64) -> Interval {
        let fit = |points: &[Observation]| Amdahl::fit(points).ok().map(|fit| fit.sigma);
        Interval::of(resampled(&noisy(repeats, seed), seed, fit)).unwrap()
    }

    #[test]
    fn nine_tenths_of_the_intervals_hold_the_truth() {
        let held = (0..20).filter(|&seed| (sigma(5, seed).low..=sigma(5, seed).high).contains(&0.05)).count();
        // 18 expected, with a standard deviation of 1.3.
        assert!(held >= 14, "only {held} of 20");
        assert!((0..20).any(|seed| sigma(5, seed).low > 0.045), "intervals so wide that they hold anything");
    }

    #[test]
    fn more_repeats_narrow_the_interval() {
        let width = |repeats| (0..5).map(|seed| sigma(repeats, seed)).map(|i| i.high - i.low).sum::<f64>();
        assert!(width(80) < width(5) / 2.0, "{} {}", width(80), width(5));
    }

    #[test]
    fn the_seed_decides_the_resamples() {
        let first = |seed| resampled(&noisy(5, 11), seed, |points| points.first().map(|p| p.per_second));
        assert_eq!(first(3), first(3));
        assert_ne!(first(3), first(4));
        assert_eq!(first(3).len(), RESAMPLES as usize);
    }

    #[test]
    fn one_repeat_has_no_spread_to_tell_of() {
        assert!(resampled(&noisy(1, 11), 1, |_| Some(())).is_empty());
        assert!(resampled(&[], 1, |_| Some(())).is_empty());
    }

    #[test]
    fn an_interval_needs_twenty_values() {
        assert_eq!(Interval::of(vec![1.0; 19]), None);
        assert_eq!(Interval::of((0..100).map(f64::from).collect()), Some(Interval { low: 5.0, high: 94.0 }));
        assert_eq!(Interval::of(vec![f64::NAN; 100]), None);
    }
}
