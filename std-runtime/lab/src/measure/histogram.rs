//! Eleven equal steps from the fastest to the slowest: the histogram that load testers print.

use serde::Serialize;

/// One bin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Samples up to and including this many microseconds, and above the row before, are in this bin.
    pub up_to_us: u64,
    /// How many samples there are in it.
    pub count: u64,
}

impl Row {
    /// The length of this row's bar when the bar of `peak` samples is `width` long. Up: one sample is never invisible.
    pub fn bar_length(self, peak: u64, width: u32) -> u32 {
        let length = (u128::from(self.count) * u128::from(width)).div_ceil(u128::from(peak.max(1)));
        u32::try_from(length).unwrap_or(width).min(width)
    }
}

/// The rows that a terminal shows, fastest first: 11, or one if all samples are equal, or none without samples.
///
/// The first row holds the fastest alone (and what equals it), the last ends at the slowest.
pub fn histogram(samples_us: &[u64]) -> Vec<Row> {
    bins(samples_us, 10)
}

/// The same with any number of equal steps; a step shorter than a microsecond is made one microsecond long.
pub fn bins(samples_us: &[u64], steps: u32) -> Vec<Row> {
    let (Some(&fastest), Some(&slowest)) = (samples_us.iter().min(), samples_us.iter().max()) else {
        return Vec::new();
    };
    let span = slowest - fastest;
    let steps = u64::from(steps).clamp(1, BINS_MAX).min(span);
    // `step` of `steps` lies at fastest + ⌊span · step / steps⌋; with steps = 0 all samples are equal.
    let edge = |step: u64| {
        let offset = (u128::from(span) * u128::from(step)).checked_div(u128::from(steps)).unwrap_or(0);
        fastest + u64::try_from(offset).unwrap_or(span)
    };
    let mut rows: Vec<Row> = (0..=steps).map(|step| Row { up_to_us: edge(step), count: 0 }).collect();
    for &us in samples_us {
        let index = rows.partition_point(|row| row.up_to_us < us);
        rows[index].count += 1;
    }
    rows
}

/// More bins than a screen has columns show nothing more.
const BINS_MAX: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eleven_rows_run_from_the_fastest_to_the_slowest() {
        let rows = histogram(&[100, 200, 110, 150, 151, 200]);
        assert_eq!(rows.iter().map(|r| r.up_to_us).collect::<Vec<_>>(), (100..=200).step_by(10).collect::<Vec<_>>());
        assert_eq!(rows.iter().map(|r| r.count).collect::<Vec<_>>(), [1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 2]);
    }

    #[test]
    fn no_sample_is_lost_whatever_the_spread() {
        for samples in
            [vec![7], vec![7; 30], vec![7, 8], vec![0, u64::MAX, 5], (0..997).map(|i| i * i % 1009).collect()]
        {
            for steps in [0, 1, 10, 40, u32::MAX] {
                let rows = bins(&samples, steps);
                let total: u64 = rows.iter().map(|row| row.count).sum();
                assert_eq!(total, samples.len() as u64, "{steps} steps over {samples:?}");
                assert!(rows.windows(2).all(|pair| pair[0].up_to_us < pair[1].up_to_us), "rows must ascend: {rows:?}");
                assert_eq!(rows.last().map(|row| row.up_to_us), samples.iter().max().copied());
            }
        }
    }

    #[test]
    fn equal_samples_make_one_row_and_no_samples_none() {
        assert_eq!(histogram(&[42, 42]), [Row { up_to_us: 42, count: 2 }]);
        assert_eq!(histogram(&[]), []);
    }

    #[test]
    fn a_bar_is_never_invisible_and_never_too_long() {
        let row = |count| Row { up_to_us: 1, count };
        assert_eq!(row(0).bar_length(1_000, 40), 0);
        assert_eq!(row(1).bar_length(1_000, 40), 1);
        assert_eq!(row(1_000).bar_length(1_000, 40), 40);
        assert_eq!(row(5).bar_length(0, 40), 40);
    }
}
