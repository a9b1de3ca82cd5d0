//! How many bytes an area will take, told from a sample of its tiles.

use crate::TileId;

/// Collects the sizes of some tiles of each zoom.
///
/// ```
/// # use tidegate_store::area::SizeEstimate;
/// let mut sizes = SizeEstimate::default();
/// for bytes in [1_000, 3_000] {
///     sizes.add(5, bytes);
/// }
/// let estimate = sizes.estimate([(5, 100)]).unwrap();
/// assert_eq!(estimate.bytes, 200_000);
/// assert!(estimate.low < estimate.bytes && estimate.bytes < estimate.high);
/// ```
#[derive(Clone, Debug)]
pub struct SizeEstimate {
    zooms: [Sizes; TileId::ZOOM_MAX as usize + 1],
}

/// Bytes that are to be expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteEstimate {
    /// What is most likely.
    pub bytes: u64,
    /// With 95 % confidence it is not less, as far as the sample is a fair one; never below 0.
    pub low: u64,
    /// With 95 % confidence it is not more.
    pub high: u64,
    /// How many tiles the estimate rests on.
    pub sampled: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sizes {
    count: u64,
    sum: f64,
    sum_of_squares: f64,
}

impl Default for SizeEstimate {
    fn default() -> Self {
        Self { zooms: [Sizes::default(); TileId::ZOOM_MAX as usize + 1] }
    }
}

impl SizeEstimate {
    /// Adds a tile of that zoom and size. A place without a tile has 0 bytes, and counts.
    pub fn add(&mut self, zoom: u8, bytes: u64) {
        if let Some(sizes) = self.zooms.get_mut(usize::from(zoom)) {
            sizes.count += 1;
            sizes.sum += bytes as f64;
            sizes.sum_of_squares += (bytes as f64).powi(2);
        }
    }

    /// What that many tiles of each zoom will take. For a zoom that was not sampled the nearest one that was stands in,
    /// the deeper one of two. `None` without any sample.
    ///
    /// The confidence interval is that of a stratified sample: variances of the zooms' totals add up, and so few tiles ask
    /// for Student's distribution, with the degrees of freedom of Satterthwaite (1946). Sizes are skewed, so that the
    /// largest tiles of a small sample are too small, and the interval with them.
    pub fn estimate(&self, counts: impl IntoIterator<Item = (u8, u64)>) -> Option<ByteEstimate> {
        let (mut bytes, mut variance, mut variance_of_variance) = (0.0, 0.0, 0.0);
        for (zoom, count) in counts {
            let sizes = self.nearest(zoom)?;
            let (sampled, count) = (sizes.count as f64, count as f64);
            let mean = sizes.sum / sampled;
            bytes += mean * count;
            // Of one tile alone nothing is known about how sizes vary: as much as the size itself, then.
            let spread = if sizes.count > 1 {
                (sizes.sum_of_squares - sampled * mean * mean).max(0.0) / (sampled - 1.0)
            } else {
                mean * mean
            };
            // A zoom that was sampled completely has no uncertainty left.
            let unseen = (1.0 - sampled / count.max(sampled)).max(0.0);
            let of_total = count * count * spread / sampled * unseen;
            variance += of_total;
            variance_of_variance += of_total * of_total / (sampled - 1.0).max(1.0);
        }
        let margin =
            if variance > 0.0 { student(variance * variance / variance_of_variance) * variance.sqrt() } else { 0.0 };
        let sampled = self.zooms.iter().map(|sizes| sizes.count).sum();
        // Casts from floats saturate.
        Some(ByteEstimate { bytes: bytes as u64, low: (bytes - margin) as u64, high: (bytes + margin) as u64, sampled })
    }

    fn nearest(&self, zoom: u8) -> Option<&Sizes> {
        let sampled = self.zooms.iter().enumerate().filter(|(_, sizes)| sizes.count > 0);
        let nearest = sampled.min_by_key(|(other, _)| (other.abs_diff(zoom.into()), other < &usize::from(zoom)));
        nearest.map(|(_, sizes)| sizes)
    }
}

/// How many standard deviations 95 % lie within, by the expansion of Abramowitz & Stegun 26.7.5.
fn student(degrees_of_freedom: f64) -> f64 {
    const NORMAL: f64 = 1.959_964;
    // The coefficients are polynomials in NORMAL.
    [2.372_3, 2.822_5, 2.555_9, 1.589_5].iter().rev().fold(0.0, |sum, term| (sum + term) / degrees_of_freedom) + NORMAL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_sample_there_is_no_estimate() {
        assert_eq!(SizeEstimate::default().estimate([(3, 10)]), None);
    }

    #[test]
    fn a_zoom_sampled_completely_is_known_exactly() {
        let mut sizes = SizeEstimate::default();
        [100, 0, 500].into_iter().for_each(|bytes| sizes.add(2, bytes));
        let exact = ByteEstimate { bytes: 600, low: 600, high: 600, sampled: 3 };
        assert_eq!(sizes.estimate([(2, 3)]), Some(exact));
    }

    #[test]
    fn zooms_add_up_and_the_nearest_stands_in_for_one_not_sampled() {
        let mut sizes = SizeEstimate::default();
        [10, 10].into_iter().for_each(|bytes| sizes.add(4, bytes));
        [90, 90].into_iter().for_each(|bytes| sizes.add(6, bytes));
        let estimate = sizes.estimate([(4, 100), (5, 100), (6, 100), (14, 100)]).unwrap();
        assert_eq!(estimate.bytes, 100 * (10 + 90 + 90 + 90));
        assert_eq!((estimate.low, estimate.high), (estimate.bytes, estimate.bytes), "no spread, no doubt");
    }

    #[test]
    fn few_samples_ask_for_the_wider_bounds_of_the_tables() {
        let tabled =
            [(2.0, 4.303), (3.0, 3.182), (5.0, 2.571), (7.0, 2.365), (15.0, 2.131), (30.0, 2.042), (1e9, 1.96)];
        for (degrees_of_freedom, expected) in tabled {
            let found = student(degrees_of_freedom);
            assert!((found / expected - 1.0).abs() < 0.008, "{degrees_of_freedom}: {found}, {expected}");
        }
    }

    #[test]
    fn the_interval_is_that_of_a_stratified_sample() {
        let mut sizes = SizeEstimate::default();
        [1_000, 2_000, 3_000].into_iter().for_each(|bytes| sizes.add(3, bytes));
        [4_000, 6_000].into_iter().for_each(|bytes| sizes.add(4, bytes));
        // Variances of the totals: 60^2 * 10^6 / 3 * 57/60 with two degrees of freedom, 200^2 * 2 * 10^6 / 2 * 198/200 with
        // one; together 4.074 * 10^10 with 1.058, of which 95 % lie within 10.15 standard deviations.
        let estimate = sizes.estimate([(3, 60), (4, 200)]).unwrap();
        assert_eq!((estimate.bytes, estimate.low, estimate.sampled), (120_000 + 1_000_000, 0, 5));
        assert!((3_160_000..3_180_000).contains(&estimate.high), "{estimate:?}");
    }

    #[test]
    fn more_samples_narrow_the_interval() {
        let width = |count: u64| {
            let mut sizes = SizeEstimate::default();
            (0..count).for_each(|n| sizes.add(3, 1000 + 500 * (n % 3)));
            let estimate = sizes.estimate([(3, 1_000_000)]).unwrap();
            estimate.high - estimate.low
        };
        assert!(width(300) * 8 < width(3) * 2, "{} and {}", width(300), width(3));
    }
}
