//! How throughput grows with concurrency: three laws and how well each describes what was measured.
//!
//! | law | X(N) | what it says |
//! |---|---|---|
//! | [`Ceiling`] | min(λN, C) | a fixed number of workers: a straight rise, then nothing |
//! | [`Amdahl`] | λN / (1 + σ(N−1)) | a part of the work that only one can do at a time: growth that dies away |
//! | [`Usl`] | λN / (1 + σ(N−1) + κN(N−1)) | and a price for keeping all of them consistent: a peak, then decline |
//!
//! λ is the throughput of one in flight, σ the share that queues (contention), κ the cost of coordination (coherency).
//! All three are parameters: an X(1) that was measured once and happened to be slow would tilt the whole curve.
//!
//! A fit is least squares over the observations as they are given. Feed it the median of each level's repeats, as
//! [`medians`] does: a single hiccup then moves nothing. How sure a fit is comes from the repeats too, see [`bootstrap`].
//!
//! Sources: Gunther, "Guerrilla Capacity Planning", 2007, for the Universal Scalability Law; Amdahl, 1967; Schwartz,
//! "Practical Scalability Analysis with the Universal Scalability Law", for λ as a parameter. The ceiling is the
//! asymptotic bound of operational analysis (Denning and Buzen, 1978).
//!
//! It harms when the load generator is what saturates: the laws fit that just as well, and describe the wrong machine.

pub mod bootstrap;
mod ceiling;
mod least_squares;
mod rational;

pub use ceiling::Ceiling;
pub use rational::{Amdahl, Peak, Usl};

use serde::Serialize;

/// One measured point.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Observation {
    /// How many requests were kept in flight.
    pub concurrency: u32,
    /// How many were completed per second.
    pub per_second: f64,
}

/// Why a law cannot be fitted to these observations.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum FitError {
    /// A curve through one or two levels says nothing about the next.
    #[error("{distinct} different concurrency levels determine no curve: measure at least {needed}")]
    TooFewLevels {
        /// How many different levels there were.
        distinct: usize,
        /// How many are needed.
        needed: usize,
    },
    /// A level of nothing in flight.
    #[error("a concurrency of 0 cannot be measured: leave that level out")]
    ZeroConcurrency,
    /// Zero, negative, infinite or not a number.
    #[error(
        "throughput {per_second} at concurrency {concurrency} is no positive number: repeat that level or leave it out"
    )]
    BadThroughput {
        /// The level.
        concurrency: u32,
        /// What was given for it.
        per_second: f64,
    },
}

/// How far the observations lie from the curve.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Residuals {
    /// Measured minus fitted, per second, in the order of the observations.
    pub each: Vec<f64>,
    /// The root of the residual sum of squares over the degrees of freedom, per second; `None` where as many
    /// parameters as levels leave none.
    pub standard_error: Option<f64>,
    /// The standard error as a share of the mean throughput.
    pub relative: Option<f64>,
}

impl Residuals {
    fn of(points: &[Point], parameters: usize, curve: impl Fn(f64) -> f64) -> Self {
        let each: Vec<f64> = points.iter().map(|p| p.throughput - curve(p.concurrency)).collect();
        // Dividing by the largest first keeps the squares finite whatever the scale.
        let scale = each.iter().fold(0.0, |scale: f64, r| scale.max(r.abs()));
        let squares: f64 = if scale == 0.0 { 0.0 } else { each.iter().map(|r| (r / scale).powi(2)).sum() };
        let freedom = points.len().saturating_sub(parameters);
        let standard_error = (freedom > 0).then(|| scale * (squares / freedom as f64).sqrt());
        let mean = points.iter().map(|p| p.throughput / points.len() as f64).sum::<f64>();
        Self { each, standard_error, relative: standard_error.map(|error| error / mean) }
    }
}

/// One of the three laws, fitted.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "law", rename_all = "snake_case")]
pub enum Law {
    /// A straight rise up to a fixed capacity.
    Ceiling(Ceiling),
    /// Growth that dies away.
    Amdahl(Amdahl),
    /// Growth, a peak, decline.
    Usl(Usl),
}

impl Law {
    /// The law that describes the observations: of the two with two parameters the closer one, unless the third
    /// parameter of the [`Usl`] brings the standard error down to less than two thirds. (Of a handful of levels a
    /// standard error is itself only known to within a third or so, and three parameters follow noise.)
    ///
    /// `Ok(None)` if even that law's standard error exceeds a tenth of the mean throughput, or if there are too few
    /// levels to have one.
    ///
    /// # Errors
    /// As for the fits themselves.
    pub fn choose(observations: &[Observation]) -> Result<Option<Self>, FitError> {
        let usl = Self::Usl(Usl::fit(observations)?);
        let amdahl = Self::Amdahl(Amdahl::fit(observations)?);
        let relative = |law: &Self| law.residuals().relative.unwrap_or(f64::INFINITY);
        let simpler = match Ceiling::fit(observations)?.map(Self::Ceiling) {
            Some(ceiling) if relative(&ceiling) <= relative(&amdahl) => ceiling,
            Some(_) | None => amdahl,
        };
        // Below a millionth both are exact, and the rest is rounding.
        let earned = relative(&usl) < (relative(&simpler) * 2.0 / 3.0).min(PLAUSIBLE) && relative(&simpler) > 1e-6;
        let law = if earned { usl } else { simpler };
        Ok((relative(&law) <= PLAUSIBLE).then_some(law))
    }

    /// Throughput per second that the law gives for a concurrency of `n`, 1 or more.
    pub fn at(&self, n: f64) -> f64 {
        match self {
            Self::Ceiling(ceiling) => ceiling.at(n),
            Self::Amdahl(amdahl) => amdahl.at(n),
            Self::Usl(usl) => usl.at(n),
        }
    }

    /// The concurrency up to which one per cent more in flight brings at least `gain` per cent more throughput, looked
    /// for up to `limit`; `None` if it still does there.
    pub fn worthwhile_until(&self, gain: f64, limit: f64) -> Option<f64> {
        let elasticity = |n: f64| match self {
            Self::Ceiling(ceiling) => ceiling.elasticity_at(n),
            Self::Amdahl(amdahl) => amdahl.elasticity_at(n),
            Self::Usl(usl) => usl.elasticity_at(n),
        };
        if elasticity(limit) >= gain {
            return None;
        }
        // It falls from one end to the other in all three laws, so halving finds where it crosses.
        let (mut enough, mut too_much) = (1.0, limit.max(1.0));
        for _ in 0..60 {
            let middle = (enough + too_much) / 2.0;
            if elasticity(middle) >= gain {
                enough = middle;
            } else {
                too_much = middle;
            }
        }
        Some(enough)
    }

    /// How far the observations lie from it.
    pub const fn residuals(&self) -> &Residuals {
        match self {
            Self::Ceiling(ceiling) => &ceiling.residuals,
            Self::Amdahl(amdahl) => &amdahl.residuals,
            Self::Usl(usl) => &usl.residuals,
        }
    }

    /// Its name in running text.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ceiling(_) => "fixed capacity",
            Self::Amdahl(_) => "Amdahl's law",
            Self::Usl(_) => "the Universal Scalability Law",
        }
    }
}

/// The median of each level's repeats. Repeats that are no positive number are left out, and so are levels without any.
pub fn medians<'a>(levels: impl IntoIterator<Item = (u32, &'a [f64])>) -> Vec<Observation> {
    let median = |(concurrency, repeats): (u32, &[f64])| {
        let mut sorted: Vec<f64> = repeats.iter().copied().filter(|&x| is_throughput(x)).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let (low, high) = (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
        Some(Observation { concurrency, per_second: low + (high - low) / 2.0 })
    };
    levels.into_iter().filter_map(median).collect()
}

/// An observation that was checked.
#[derive(Clone, Copy)]
struct Point {
    concurrency: f64,
    throughput: f64,
}

fn checked(observations: &[Observation]) -> Result<Vec<Point>, FitError> {
    let mut levels: Vec<u32> = observations.iter().map(|o| o.concurrency).collect();
    levels.sort_unstable();
    levels.dedup();
    if levels.first() == Some(&0) {
        return Err(FitError::ZeroConcurrency);
    }
    if levels.len() < LEVELS_MIN {
        return Err(FitError::TooFewLevels { distinct: levels.len(), needed: LEVELS_MIN });
    }
    let point = |&Observation { concurrency, per_second }: &Observation| {
        if is_throughput(per_second) {
            Ok(Point { concurrency: f64::from(concurrency), throughput: per_second })
        } else {
            Err(FitError::BadThroughput { concurrency, per_second })
        }
    };
    observations.iter().map(point).collect()
}

fn is_throughput(per_second: f64) -> bool {
    per_second.is_normal() && per_second > 0.0
}

/// With two levels every law is exact and none is tested.
const LEVELS_MIN: usize = 3;
/// Nothing is said about more than this many times the highest level.
pub(super) const EXTRAPOLATION: f64 = 2.0;
/// A law further off than this share of the mean throughput describes something else.
const PLAUSIBLE: f64 = 0.10;

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn observations(points: &[(u32, f64)]) -> Vec<Observation> {
        points.iter().map(|&(concurrency, per_second)| Observation { concurrency, per_second }).collect()
    }

    const LEVELS: [u32; 6] = [1, 5, 10, 20, 50, 100];

    fn sampled(curve: impl Fn(f64) -> f64) -> Vec<Observation> {
        LEVELS.iter().map(|&n| Observation { concurrency: n, per_second: curve(f64::from(n)) }).collect()
    }

    #[test]
    fn data_that_determine_no_curve_are_refused_with_what_to_do() {
        let refused = |points: &[(u32, f64)]| Usl::fit(&observations(points)).unwrap_err();
        assert_eq!(refused(&[]), FitError::TooFewLevels { distinct: 0, needed: 3 });
        assert_eq!(refused(&[(1, 10.0), (2, 20.0)]), FitError::TooFewLevels { distinct: 2, needed: 3 });
        assert_eq!(refused(&[(5, 10.0), (5, 11.0), (5, 12.0)]), FitError::TooFewLevels { distinct: 1, needed: 3 });
        assert_eq!(refused(&[(0, 10.0), (2, 20.0), (3, 5.0)]), FitError::ZeroConcurrency);
        for bad in [0.0, -1.0, f64::INFINITY, f64::MIN_POSITIVE / 2.0] {
            let error = refused(&[(1, 10.0), (2, bad), (4, 30.0)]);
            assert_eq!(error, FitError::BadThroughput { concurrency: 2, per_second: bad });
        }
        let message = refused(&[(1, 10.0), (2, f64::NAN), (4, 30.0)]).to_string();
        assert!(
            message.contains("throughput NaN at concurrency 2") && message.contains("repeat that level"),
            "{message}"
        );
    }

    #[test]
    fn each_law_is_recognised_in_its_own_data() {
        let ceiling = Law::choose(&sampled(|n| (50.0 * n).min(800.0))).unwrap().unwrap();
        assert!(matches!(&ceiling, Law::Ceiling(c) if (c.knee() - 16.0).abs() < 1e-9), "{ceiling:?}");
        let amdahl = Law::choose(&sampled(|n| 50.0 * n / (1.0 + 0.1 * (n - 1.0)))).unwrap().unwrap();
        assert!(matches!(&amdahl, Law::Amdahl(a) if (a.sigma - 0.1).abs() < 1e-9), "{amdahl:?}");
        let usl = |n: f64| 50.0 * n / (1.0 + 0.02 * (n - 1.0) + 0.001 * n * (n - 1.0));
        let usl = Law::choose(&sampled(usl)).unwrap().unwrap();
        assert!(matches!(&usl, Law::Usl(u) if (u.kappa - 0.001).abs() < 1e-9), "{usl:?}");
    }

    #[test]
    fn data_like_none_of_the_laws_choose_none() {
        let seesaw = observations(&[(1, 900.0), (2, 100.0), (4, 900.0), (8, 100.0), (16, 900.0)]);
        assert_eq!(Law::choose(&seesaw), Ok(None));
    }

    #[test]
    fn a_gain_is_worthwhile_up_to_where_the_curve_bends() {
        let ceiling = Law::choose(&sampled(|n| (50.0 * n).min(800.0))).unwrap().unwrap();
        let until = ceiling.worthwhile_until(0.25, 200.0).unwrap();
        assert!((until - 16.0).abs() < 1e-6, "{until}");
        // Amdahl's elasticity is (1−σ)/(1+σ(N−1)): a quarter at N = 1 + (4(1−σ) − 1)/σ = 27.
        let amdahl = Law::choose(&sampled(|n| 50.0 * n / (1.0 + 0.1 * (n - 1.0)))).unwrap().unwrap();
        let until = amdahl.worthwhile_until(0.25, 200.0).unwrap();
        assert!((until - 27.0).abs() < 1e-6, "{until}");
        let straight = Law::choose(&sampled(|n| 50.0 * n)).unwrap().unwrap();
        assert_eq!(straight.worthwhile_until(0.25, 200.0), None);
    }

    #[test]
    fn the_median_ignores_a_hiccup_and_what_is_no_throughput() {
        let levels: [(u32, &[f64]); 4] =
            [(1, &[50.0, 1.0, 51.0]), (5, &[100.0, f64::NAN, 200.0, 0.0]), (10, &[]), (20, &[0.0])];
        assert_eq!(medians(levels), observations(&[(1, 50.0), (5, 150.0)]));
    }
}
