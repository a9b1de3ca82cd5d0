//! Amdahl's law and the Universal Scalability Law: one curve, with and without its third parameter.

use serde::Serialize;

use super::least_squares::{Evaluated, Normal, Triple, minimise};
use super::{EXTRAPOLATION, FitError, Observation, Point, Residuals, checked};

/// X(N) = λN / (1 + σ(N−1)).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Amdahl {
    /// λ: throughput of one in flight, per second.
    pub lambda: f64,
    /// σ: the share that only one can do at a time; 0 or more, above 1 where more in flight means less done.
    pub sigma: f64,
    /// λ/σ: what no concurrency exceeds, per second; `None` where nothing queues.
    pub limit: Option<f64>,
    /// How far the observations lie from it; two parameters.
    pub residuals: Residuals,
}

impl Amdahl {
    /// Fits λ > 0 and σ ≥ 0 by least squares.
    ///
    /// # Errors
    /// As [`Usl::fit`].
    pub fn fit(observations: &[Observation]) -> Result<Self, FitError> {
        let points = checked(observations)?;
        let curve = Curve::fit(&points, WITHOUT_KAPPA, &[LAMBDA_ALONE]);
        let residuals = Residuals::of(&points, 2, |n| curve.at(n));
        Ok(Self { lambda: curve.lambda, sigma: curve.sigma, limit: curve.limit(), residuals })
    }

    /// Throughput per second with `n` in flight.
    pub fn at(&self, n: f64) -> f64 {
        self.curve().at(n)
    }

    pub(super) fn elasticity_at(&self, n: f64) -> f64 {
        self.curve().elasticity_at(n)
    }

    fn curve(&self) -> Curve {
        Curve { lambda: self.lambda, sigma: self.sigma, kappa: 0.0 }
    }
}

/// X(N) = λN / (1 + σ(N−1) + κN(N−1)).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Usl {
    /// λ: throughput of one in flight, per second.
    pub lambda: f64,
    /// σ, contention: the share that only one can do at a time; 0 or more.
    pub sigma: f64,
    /// κ, coherency: what each pair in flight costs each other; 0 or more.
    pub kappa: f64,
    /// Where throughput is highest; `None` where κ is 0 and it never falls, or where that is beyond twice the highest
    /// level, because so far no fit can see.
    pub peak: Option<Peak>,
    /// Whether there is a peak that was left out because it is so far away.
    pub peak_beyond_range: bool,
    /// λ/σ: what no concurrency would exceed without coherency cost, per second; `None` where nothing queues.
    pub limit: Option<f64>,
    /// How far the observations lie from it; three parameters.
    pub residuals: Residuals,
}

/// The top of a curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Peak {
    /// N* = √((1−σ)/κ), at least 1. Not whole.
    pub concurrency: f64,
    /// X(N*), per second.
    pub per_second: f64,
}

impl Usl {
    /// Fits λ > 0, σ ≥ 0 and κ ≥ 0 by least squares.
    ///
    /// # Errors
    /// With fewer than three different levels, a level of 0, or a throughput that is no positive number.
    pub fn fit(observations: &[Observation]) -> Result<Self, FitError> {
        let points = checked(observations)?;
        let curve = Curve::fit(&points, [true; 3], &[WITHOUT_KAPPA, WITHOUT_SIGMA, LAMBDA_ALONE]);
        let residuals = Residuals::of(&points, 3, |n| curve.at(n));
        let Curve { lambda, sigma, kappa } = curve;
        let reach = EXTRAPOLATION * points.iter().fold(0.0, |highest: f64, p| highest.max(p.concurrency));
        let (anywhere, limit) = (curve.peak(), curve.limit());
        let peak = anywhere.filter(|peak| peak.concurrency <= reach);
        let peak_beyond_range = anywhere.is_some() && peak.is_none();
        Ok(Self { lambda, sigma, kappa, peak, peak_beyond_range, limit, residuals })
    }

    /// Throughput per second with `n` in flight.
    pub fn at(&self, n: f64) -> f64 {
        self.curve().at(n)
    }

    pub(super) fn elasticity_at(&self, n: f64) -> f64 {
        self.curve().elasticity_at(n)
    }

    fn curve(&self) -> Curve {
        Curve { lambda: self.lambda, sigma: self.sigma, kappa: self.kappa }
    }
}

/// The three parameters alone.
#[derive(Clone, Copy)]
struct Curve {
    lambda: f64,
    sigma: f64,
    kappa: f64,
}

/// Which of λ, σ, κ are fitted; the others are held at zero.
type Face = [bool; 3];

const WITHOUT_KAPPA: Face = [true, true, false];
const WITHOUT_SIGMA: Face = [true, false, true];
const LAMBDA_ALONE: Face = [true, false, false];

impl Curve {
    /// The optimum inside the bounds, or else the best of those on the sides where one or both of σ and κ are zero.
    fn fit(points: &[Point], inside: Face, sides: &[Face]) -> Self {
        // In shares of the best throughput: the same fit whatever the unit.
        let unit = points.iter().fold(0.0, |unit: f64, p| unit.max(p.throughput));
        let points: Vec<Point> = points.iter().map(|p| Point { throughput: p.throughput / unit, ..*p }).collect();
        let fit = |face| Self::fit_face(&points, face).filter(Self::is_allowed);
        let on_a_side = || {
            sides.iter().filter_map(|&side| fit(side)).min_by(|a, b| a.squares(&points).total_cmp(&b.squares(&points)))
        };
        let curve = fit(inside).or_else(on_a_side).unwrap_or_else(|| Self::proportional(&points));
        Self { lambda: curve.lambda * unit, ..curve }
    }

    fn fit_face(points: &[Point], face: Face) -> Option<Self> {
        let start = Self::linearised(points, face).unwrap_or_else(|| Self::proportional(points));
        let start = [start.lambda, start.sigma, start.kappa];
        let [lambda, sigma, kappa] = minimise(points, start, face, |&[lambda, sigma, kappa], &point| {
            Self { lambda, sigma, kappa }.evaluate(point)
        })?;
        Some(Self { lambda, sigma, kappa })
    }

    /// The start: N/X = 1/λ + (σ/λ)(N−1) + (κ/λ)N(N−1) is linear in its three coefficients. The weights undo what
    /// taking the reciprocal did to the errors, so that this is near the end already.
    fn linearised(points: &[Point], face: Face) -> Option<Self> {
        let mut normal = Normal::default();
        for &Point { concurrency: n, throughput: x } in points {
            normal.add(&[1.0, n - 1.0, n * (n - 1.0)], n / x, (x * x / n).powi(2));
        }
        let [reciprocal, sigma, kappa] = normal.solve(face)?;
        let curve = Self { lambda: 1.0 / reciprocal, sigma: sigma / reciprocal, kappa: kappa / reciprocal };
        let usable = curve.lambda.is_normal() && points.iter().all(|&p| curve.evaluate(p).is_some());
        usable.then_some(curve)
    }

    /// X = λN, the corner where nothing queues and nothing is coordinated.
    fn proportional(points: &[Point]) -> Self {
        let product: f64 = points.iter().map(|p| p.concurrency * p.throughput).sum();
        let square: f64 = points.iter().map(|p| p.concurrency * p.concurrency).sum();
        Self { lambda: product / square, sigma: 0.0, kappa: 0.0 }
    }

    /// `None` where the parameters give no positive throughput.
    fn evaluate(self, Point { concurrency: n, throughput }: Point) -> Option<Evaluated> {
        let denominator = self.denominator(n);
        let fitted = self.lambda * n / denominator;
        let slope: Triple = [n / denominator, -fitted * (n - 1.0) / denominator, -fitted * n * (n - 1.0) / denominator];
        let sensible = self.lambda > 0.0 && denominator > 0.0 && fitted.is_finite();
        sensible.then_some(Evaluated { residual: throughput - fitted, slope })
    }

    fn is_allowed(&self) -> bool {
        self.lambda > 0.0 && self.sigma >= 0.0 && self.kappa >= 0.0
    }

    fn squares(self, points: &[Point]) -> f64 {
        points.iter().map(|p| (p.throughput - self.at(p.concurrency)).powi(2)).sum()
    }

    fn denominator(self, n: f64) -> f64 {
        1.0 + self.sigma * (n - 1.0) + self.kappa * n * (n - 1.0)
    }

    fn at(self, n: f64) -> f64 {
        self.lambda * n / self.denominator(n)
    }

    /// By how many per cent throughput changes with one per cent more in flight.
    fn elasticity_at(self, n: f64) -> f64 {
        (1.0 - self.sigma - self.kappa * n * n) / self.denominator(n)
    }

    fn peak(self) -> Option<Peak> {
        let concurrency = ((1.0 - self.sigma).max(0.0) / self.kappa).sqrt().max(1.0);
        let peak = Peak { concurrency, per_second: self.at(concurrency) };
        (self.kappa > 0.0 && peak.per_second.is_finite()).then_some(peak)
    }

    fn limit(self) -> Option<f64> {
        let limit = self.lambda / self.sigma;
        (self.sigma > 0.0 && limit.is_finite()).then_some(limit)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::observations;
    use super::*;

    /// The SPEC SDM91 benchmark in Gunther, "Guerrilla Capacity Planning", as shipped with the R package `usl`.
    const SPECSDM91: [(u32, f64); 7] =
        [(1, 64.9), (18, 995.9), (36, 1652.4), (72, 1853.2), (108, 1828.9), (144, 1775.0), (216, 1702.2)];

    fn usl(points: &[(u32, f64)]) -> Usl {
        Usl::fit(&observations(points)).unwrap()
    }

    #[track_caller]
    fn assert_close(found: f64, published: f64, half_of_its_last_digit: f64) {
        assert!((found - published).abs() <= half_of_its_last_digit, "{found} is not the published {published}");
    }

    #[test]
    fn the_published_fit_of_specsdm91_is_reproduced() {
        let fit = usl(&SPECSDM91);
        assert_close(fit.sigma, 0.027_728_5, 1e-7);
        assert_close(fit.kappa, 0.000_104_4, 5e-8);
        assert_close(fit.lambda, 89.9952, 1.5e-4);
        assert_close(fit.residuals.standard_error.unwrap(), 82.8, 0.05);
        let peak = fit.peak.unwrap();
        assert_close(peak.concurrency, 96.52, 0.005);
        assert_close(peak.per_second, 1884.0, 0.5);
        assert_close(fit.limit.unwrap(), 3246.0, 0.5);
    }

    #[test]
    fn the_synthetic_set_of_the_usl_package_is_reproduced() {
        let fit = usl(&[(1, 1.0), (2, 1.8868), (4, 3.0769), (6, 3.5294), (8, 3.5398), (10, 3.3557)]);
        assert_close(fit.sigma, 0.02, 5e-5);
        assert_close(fit.kappa, 0.02, 5e-5);
        assert_close(fit.lambda, 1.0, 5e-4);
        assert_close(fit.peak.unwrap().concurrency, 7.0, 0.005);
    }

    #[test]
    fn the_textbook_vector_peaks_where_its_formula_says() {
        let exact = |n: f64| 120.0 * n / (1.0 + 0.03 * (n - 1.0) + 0.0005 * n * (n - 1.0));
        let fit = usl(&[1, 5, 10, 20, 50].map(|n| (n, exact(f64::from(n)))));
        assert_close(fit.peak.unwrap().concurrency, 44.05, 0.005);
        assert!(fit.residuals.each.iter().all(|r| r.abs() < 1e-6), "{:?}", fit.residuals);
    }

    #[test]
    fn no_neighbour_within_the_bounds_fits_better() {
        // Data whose unbounded optimum breaks each bound, besides the published one that breaks none.
        let superlinear = [(1, 10.0), (2, 22.0), (4, 46.0), (8, 100.0), (16, 230.0)];
        let negative_sigma = [(1, 10.0), (2, 21.0), (4, 44.0), (8, 70.0), (16, 60.0)];
        let negative_kappa = [(1, 10.0), (2, 11.0), (4, 13.0), (8, 19.0), (16, 30.0)];
        let sets: [&[(u32, f64)]; 4] = [&SPECSDM91, &superlinear, &negative_sigma, &negative_kappa];
        for set in sets {
            let fit = usl(set);
            let squares = |l: f64, s: f64, k: f64| -> f64 {
                let curve = Curve { lambda: l, sigma: s, kappa: k };
                set.iter().map(|&(n, x)| (x - curve.at(f64::from(n))).powi(2)).sum()
            };
            let found = squares(fit.lambda, fit.sigma, fit.kappa);
            for factor in [0.9, 0.99, 0.999, 1.001, 1.01, 1.1] {
                for (s, k) in [(0.0, 0.0), (1e-6, 0.0), (0.0, 1e-6), (1e-3, 0.0), (0.0, 1e-3)] {
                    let (sigma, kappa) = (fit.sigma * factor + s, fit.kappa / factor + k);
                    let other = squares(fit.lambda * factor, sigma, kappa).min(squares(fit.lambda, sigma, kappa));
                    assert!(found <= other * (1.0 + 1e-9), "σ {sigma} κ {kappa} fits better than {fit:?}");
                }
            }
        }
        assert_eq!((usl(&superlinear).sigma, usl(&superlinear).kappa), (0.0, 0.0));
        assert_eq!(usl(&negative_sigma).sigma, 0.0);
        assert_eq!(usl(&negative_kappa).kappa, 0.0);
    }

    #[test]
    fn on_a_bound_there_is_no_peak_or_no_limit() {
        let flat_server = usl(&[(1, 50.0), (5, 250.0), (10, 500.0), (20, 1_000.0), (50, 2_500.0)]);
        assert!(flat_server.sigma < 1e-9 && flat_server.kappa < 1e-9, "{flat_server:?}");
        let amdahl = Amdahl::fit(&observations(&[(1, 100.0), (2, 180.0), (4, 300.0), (8, 450.0)])).unwrap();
        assert_close(amdahl.limit.unwrap(), amdahl.lambda / amdahl.sigma, 1e-9);
        let superlinear = usl(&[(1, 10.0), (2, 22.0), (4, 46.0), (8, 100.0)]);
        assert_eq!((superlinear.peak, superlinear.peak_beyond_range, superlinear.limit), (None, false, None));
    }

    #[test]
    fn a_peak_beyond_twice_the_range_is_not_given() {
        let exact = |n: u32| 100.0 * f64::from(n) / (1.0 + 1e-5 * f64::from(n) * f64::from(n - 1));
        // √(1/0.00001) = 316.2: beyond twice 158, within twice 159.
        let last = |last: u32| usl(&[1, 20, 60, 110, last].map(|n| (n, exact(n))));
        assert_eq!((last(158).peak, last(158).peak_beyond_range), (None, true));
        assert_close(last(159).peak.unwrap().concurrency, 316.2, 0.05);
        assert!(!last(159).peak_beyond_range);
    }

    #[test]
    fn a_server_that_takes_one_at_a_time_is_all_contention() {
        let fit = usl(&[(1, 80.0), (5, 80.0), (10, 80.0), (20, 80.0)]);
        assert_close(fit.sigma, 1.0, 1e-6);
        assert_close(fit.at(15.0), 80.0, 1e-4);
    }

    #[test]
    fn the_unit_of_throughput_does_not_matter() {
        for unit in [1e-250, 1e-9, 1e12, 1e250] {
            let fit = usl(&SPECSDM91.map(|(n, x)| (n, x * unit)));
            assert_close(fit.sigma, 0.027_728_5, 1e-7);
            assert_close(fit.lambda / unit, 89.9952, 1.5e-4);
            assert_close(fit.residuals.standard_error.unwrap() / unit, 82.8, 0.05);
        }
    }

    #[test]
    fn as_many_parameters_as_levels_leave_no_standard_error() {
        let fit = usl(&[(1, 10.0), (4, 30.0), (16, 60.0)]);
        assert_eq!(fit.residuals.standard_error, None);
        assert!(fit.residuals.each.iter().all(|r| r.abs() < 1e-6));
    }
}
