//! A fixed number of workers: throughput rises in proportion, then not at all.
//!
//! Neither Amdahl's law nor the Universal Scalability Law can bend that sharply, so a server with 16 workers, the
//! commonest kind there is, is described badly by both. The knee C/λ is the number of workers that answer.

use serde::Serialize;

use super::{FitError, Observation, Point, Residuals, checked};

/// X(N) = min(λN, C).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ceiling {
    /// Throughput of one in flight, per second.
    pub lambda: f64,
    /// Throughput that more in flight do not exceed, per second.
    pub capacity: f64,
    /// How far the observations lie from it; two parameters.
    pub residuals: Residuals,
}

impl Ceiling {
    /// Fits λ and C by least squares; `Ok(None)` unless at least two levels are on the ceiling, because one low point
    /// at the end is no ceiling yet.
    ///
    /// # Errors
    /// As [`Usl::fit`](super::Usl::fit).
    pub fn fit(observations: &[Observation]) -> Result<Option<Self>, FitError> {
        let points = checked(observations)?;
        let mut levels: Vec<f64> = points.iter().map(|p| p.concurrency).collect();
        levels.sort_unstable_by(f64::total_cmp);
        levels.dedup();
        // The sum of squares is smooth while the knee stays between two levels, so the least one has its knee either
        // strictly between two, where both parts are fitted apart, or on a level.
        let between = levels.windows(2).filter_map(|pair| bend_between(&points, pair[0], pair[1]));
        let upon = levels.iter().map(|&knee| bend_at(&points, knee));
        let on_ceiling = |bend: &Bend| levels.iter().filter(|&&n| n >= bend.knee()).count();
        let candidates = between.chain(upon).filter(|bend| on_ceiling(bend) >= 2);
        let best = candidates.min_by(|a, b| a.squares(&points).total_cmp(&b.squares(&points)));
        Ok(best.map(|bend| Self {
            lambda: bend.lambda,
            capacity: bend.capacity,
            residuals: Residuals::of(&points, 2, |n| bend.at(n)),
        }))
    }

    /// Throughput per second with `n` in flight.
    pub fn at(&self, n: f64) -> f64 {
        (self.lambda * n).min(self.capacity)
    }

    /// The concurrency from which on throughput no longer rises: C/λ.
    pub fn knee(&self) -> f64 {
        self.capacity / self.lambda
    }

    /// By how many per cent throughput grows with one per cent more in flight: 1 up to the knee, 0 beyond.
    pub(super) fn elasticity_at(&self, n: f64) -> f64 {
        if n <= self.knee() { 1.0 } else { 0.0 }
    }
}

#[derive(Clone, Copy)]
struct Bend {
    lambda: f64,
    capacity: f64,
}

impl Bend {
    fn at(self, n: f64) -> f64 {
        (self.lambda * n).min(self.capacity)
    }

    fn knee(self) -> f64 {
        self.capacity / self.lambda
    }

    fn squares(self, points: &[Point]) -> f64 {
        points.iter().map(|p| (p.throughput - self.at(p.concurrency)).powi(2)).sum()
    }
}

/// The best bend whose knee lies between two neighbouring levels, if it does: the points up to `low` give λ, the others C.
fn bend_between(points: &[Point], low: f64, high: f64) -> Option<Bend> {
    let (mut product, mut square, mut sum, mut count) = (0.0, 0.0, 0.0, 0.0);
    for &Point { concurrency, throughput } in points {
        if concurrency <= low {
            product += concurrency * throughput;
            square += concurrency * concurrency;
        } else {
            sum += throughput;
            count += 1.0;
        }
    }
    let bend = Bend { lambda: product / square, capacity: sum / count };
    (low < bend.knee() && bend.knee() < high).then_some(bend)
}

/// The best bend with its knee on a level: one free parameter.
fn bend_at(points: &[Point], knee: f64) -> Bend {
    let (mut product, mut square) = (0.0, 0.0);
    for &Point { concurrency, throughput } in points {
        let share = (concurrency / knee).min(1.0);
        product += share * throughput;
        square += share * share;
    }
    let capacity = product / square;
    Bend { lambda: capacity / knee, capacity }
}

#[cfg(test)]
mod tests {
    use super::super::tests::observations;
    use super::*;

    fn fit(points: &[(u32, f64)]) -> Option<Ceiling> {
        Ceiling::fit(&observations(points)).unwrap()
    }

    #[test]
    fn the_knee_is_the_number_of_workers() {
        for workers in [2_u32, 3, 5, 8, 10, 16, 19, 20] {
            let points = [1, 5, 10, 20, 50].map(|n| (n, 50.0 * f64::from(n.min(workers))));
            let ceiling = fit(&points).unwrap();
            assert!((ceiling.knee() - f64::from(workers)).abs() < 1e-9, "{workers} workers: {ceiling:?}");
            assert!(ceiling.residuals.standard_error.unwrap() < 1e-9);
        }
    }

    #[test]
    fn no_other_bend_fits_better() {
        // A grid search over knee and capacity is the oracle.
        let points = [(1, 52.0), (5, 240.0), (10, 470.0), (20, 820.0), (50, 760.0), (80, 805.0)];
        let ceiling = fit(&points).unwrap();
        let squares = |lambda: f64, capacity: f64| -> f64 {
            points.iter().map(|&(n, x)| (x - (lambda * f64::from(n)).min(capacity)).powi(2)).sum()
        };
        let found = squares(ceiling.lambda, ceiling.capacity);
        for capacity in 700..900 {
            for knee in 10..800 {
                let (capacity, knee) = (f64::from(capacity), f64::from(knee) / 10.0);
                assert!(found <= squares(capacity / knee, capacity) + 1e-6, "capacity {capacity} at {knee} is better");
            }
        }
    }

    #[test]
    fn one_low_point_at_the_end_is_no_ceiling() {
        assert!(fit(&[(1, 50.0), (5, 250.0), (10, 500.0), (20, 700.0)]).is_none_or(|c| c.knee() <= 10.0));
        // A straight line may only be bent where the bend shows, which costs it residuals.
        let straight = fit(&[(1, 50.0), (5, 250.0), (10, 500.0), (20, 1_000.0), (50, 2_500.0)]);
        assert!(straight.is_none_or(|c| c.residuals.relative.unwrap() > 0.1));
    }

    #[test]
    fn a_server_that_takes_one_at_a_time_has_its_knee_at_one() {
        let ceiling = fit(&[(1, 80.0), (5, 80.0), (10, 80.0)]).unwrap();
        assert_eq!((ceiling.knee(), ceiling.capacity), (1.0, 80.0));
    }
}
