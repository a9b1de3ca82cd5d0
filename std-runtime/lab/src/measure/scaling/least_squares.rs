//! Levenberg–Marquardt for three parameters.
//!
//! Marquardt, "An Algorithm for Least-Squares Estimation of Nonlinear Parameters", 1963: between Gauss–Newton and
//! steepest descent, with the damping scaled by the diagonal, so that parameters of unlike size (λ near 100, κ near
//! 10⁻⁴) need no scaling. Written out because the crates that have it bring a matrix library for any size, and three by
//! three is a screen of code.
//!
//! Bounds are kept by the caller, who holds a parameter at its bound and frees the others; see `rational.rs`.

/// Parameters, or one value for each.
pub(super) type Triple = [f64; 3];

/// A curve at one observation.
pub(super) struct Evaluated {
    /// Measured minus fitted.
    pub(super) residual: f64,
    /// How the fitted value changes with each parameter.
    pub(super) slope: Triple,
}

/// Moves the `free` parameters from `start` to where the sum of squared residuals over `points` is least nearby.
///
/// `curve` evaluates one point, or gives `None` where the parameters make no sense; no step goes there.
pub(super) fn minimise<P>(
    points: &[P],
    start: Triple,
    free: [bool; 3],
    curve: impl Fn(&Triple, &P) -> Option<Evaluated>,
) -> Option<Triple> {
    let mut parameters = start;
    let (mut normal, mut squares) = linearise(points, &parameters, &curve)?;
    let mut damping = 1e-3;
    for _ in 0..ITERATIONS_MAX {
        let Some(step) = normal.damped(damping).solve(free) else { break };
        if (0..3).all(|i| step[i].abs() <= STEP_MIN * parameters[i].abs()) {
            break;
        }
        let tried = [parameters[0] + step[0], parameters[1] + step[1], parameters[2] + step[2]];
        match linearise(points, &tried, &curve) {
            Some((there, fewer)) if fewer < squares => {
                let gained = squares - fewer;
                (parameters, normal) = (tried, there);
                if gained <= squares * GAIN_MIN {
                    break;
                }
                (squares, damping) = (fewer, (damping / 10.0).max(1e-12));
            }
            Some(_) | None if damping < DAMPING_MAX => damping *= 10.0,
            Some(_) | None => break,
        }
    }
    Some(parameters)
}

/// The equations of the best step from `parameters` if the curve were straight, and the sum of squares there.
fn linearise<P>(
    points: &[P],
    parameters: &Triple,
    curve: impl Fn(&Triple, &P) -> Option<Evaluated>,
) -> Option<(Normal, f64)> {
    let (mut normal, mut squares) = (Normal::default(), 0.0);
    for point in points {
        let Evaluated { residual, slope } = curve(parameters, point)?;
        normal.add(&slope, residual, 1.0);
        squares += residual * residual;
    }
    Some((normal, squares))
}

/// The normal equations of a linear least-squares problem in three unknowns.
#[derive(Clone, Copy, Default)]
pub(super) struct Normal {
    matrix: [Triple; 3],
    right: Triple,
}

impl Normal {
    /// Adds one equation `coefficients · unknowns = value`.
    pub(super) fn add(&mut self, coefficients: &Triple, value: f64, weight: f64) {
        for i in 0..3 {
            for j in 0..3 {
                self.matrix[i][j] += weight * coefficients[i] * coefficients[j];
            }
            self.right[i] += weight * coefficients[i] * value;
        }
    }

    /// (JᵀJ + damping · diag JᵀJ) δ = Jᵀr: shorter steps the more it is damped.
    fn damped(mut self, damping: f64) -> Self {
        for i in 0..3 {
            self.matrix[i][i] *= 1.0 + damping;
        }
        self
    }

    /// Solves for the `free` unknowns and gives 0 for the others; `None` if the equations do not determine them.
    pub(super) fn solve(mut self, free: [bool; 3]) -> Option<Triple> {
        for i in (0..3).filter(|&i| !free[i]) {
            for j in 0..3 {
                self.matrix[i][j] = 0.0;
                self.matrix[j][i] = 0.0;
            }
            (self.matrix[i][i], self.right[i]) = (1.0, 0.0);
        }
        // Unit diagonal first: the pivots then compare, whatever the units of the unknowns.
        let scale = [0, 1, 2].map(|i| self.matrix[i][i].sqrt());
        if scale.iter().any(|&s| !s.is_normal()) {
            return None;
        }
        let mut rows: [[f64; 4]; 3] = [[0.0; 4]; 3];
        for i in 0..3 {
            for j in 0..3 {
                rows[i][j] = self.matrix[i][j] / (scale[i] * scale[j]);
            }
            rows[i][3] = self.right[i] / scale[i];
        }
        eliminate(&mut rows)?;
        let solution = [0, 1, 2].map(|i| rows[i][3] / scale[i]);
        solution.iter().all(|x| x.is_finite()).then_some(solution)
    }
}

/// Gauss–Jordan with partial pivoting: the last column becomes the solution.
fn eliminate(rows: &mut [[f64; 4]; 3]) -> Option<()> {
    for column in 0..3 {
        let pivot = (column..3).max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()))?;
        rows.swap(column, pivot);
        let head = rows[column][column];
        if head.abs() < 1e-14 {
            return None;
        }
        rows[column] = rows[column].map(|x| x / head);
        let pivot_row = rows[column];
        for other in (0..3).filter(|&other| other != column) {
            let factor = rows[other][column];
            for (value, pivot) in rows[other].iter_mut().zip(pivot_row) {
                *value -= factor * pivot;
            }
        }
    }
    Some(())
}

/// A fit of these laws takes about ten.
const ITERATIONS_MAX: usize = 200;
/// A step this much smaller than what it moves is at the end of what a double resolves in a sum of squares.
const STEP_MIN: f64 = 1e-9;
/// Converging is quadratic near the end: after a gain this small there is none.
const GAIN_MIN: f64 = 1e-12;
/// Damped this much, a step is a billionth of steepest descent: there is no way down.
const DAMPING_MAX: f64 = 1e9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_equations_are_solved_exactly() {
        // x = 1, y = 2, z = 3, over-determined and consistent.
        let mut normal = Normal::default();
        for coefficients in [[1.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 2.0, -1.0], [3.0, 1.0, 5.0]] {
            normal.add(&coefficients, coefficients[0] + 2.0 * coefficients[1] + 3.0 * coefficients[2], 1.0);
        }
        let solution = normal.solve([true; 3]).unwrap();
        assert!(solution.iter().zip([1.0, 2.0, 3.0]).all(|(x, y)| (x - y).abs() < 1e-12), "{solution:?}");
    }

    #[test]
    fn equations_that_determine_nothing_are_noticed() {
        let mut normal = Normal::default();
        normal.add(&[1.0, 2.0, 0.0], 5.0, 1.0);
        normal.add(&[2.0, 4.0, 0.0], 10.0, 1.0);
        assert!(normal.solve([true, true, false]).is_none());
    }

    #[test]
    fn an_exponential_is_found_from_a_bad_start() {
        // y = 3 exp(−0.7 t) + 0.5
        let data: Vec<(f64, f64)> =
            (0..20).map(|i| f64::from(i) / 4.0).map(|t| (t, 3.0 * (-0.7 * t).exp() + 0.5)).collect();
        let curve = |p: &Triple, &(t, y): &(f64, f64)| {
            let decay = (-p[1] * t).exp();
            Some(Evaluated { residual: y - (p[0] * decay + p[2]), slope: [decay, -p[0] * t * decay, 1.0] })
        };
        let found = minimise(&data, [1.0, 0.1, 0.0], [true; 3], curve).unwrap();
        assert!(found.iter().zip([3.0, 0.7, 0.5]).all(|(x, y)| (x - y).abs() < 1e-6), "{found:?}");
        let held = minimise(&data, [1.0, 0.1, 0.0], [true, true, false], curve).unwrap();
        assert_eq!(held[2], 0.0, "a held parameter moved");
    }
}
