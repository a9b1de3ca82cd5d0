//! Times, as many as are worth keeping.

use crate::measure::percentile::Summary;

/// Times in microseconds, rounded up. Of the first million all are kept, of more every second, fourth, eighth, and so on:
/// percentiles hardly change, and memory is bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Samples {
    kept_us: Vec<u64>,
    /// How many there were.
    count: u64,
    /// One in 2^sparsity is kept.
    sparsity: u32,
}

impl Samples {
    pub(super) fn add_ns(&mut self, ns: u64) {
        if self.count.trailing_zeros() >= self.sparsity {
            if self.kept_us.len() == KEPT_MAX {
                let mut position = 0;
                self.kept_us.retain(|_| {
                    position += 1;
                    position % 2 == 1
                });
                self.sparsity += 1;
            }
            // Still one of those to be kept: the count is KEPT_MAX times the old distance.
            self.kept_us.push(ns.div_ceil(1_000));
        }
        self.count += 1;
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The usual figures, of those that were kept.
    pub fn summary(&self) -> Summary {
        Summary::of(&mut self.kept_us.clone())
    }
}

/// 8 MB for each fleet.
const KEPT_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_keeps_every_second_and_then_every_fourth() {
        let mut samples = Samples::default();
        let total = 3 * KEPT_MAX as u64;
        (0..total).for_each(|index| samples.add_ns(index * 1_000));
        assert_eq!((samples.count(), samples.sparsity), (total, 2));
        assert!(samples.kept_us.iter().copied().eq((0..total).step_by(4)), "not every fourth");
    }

    #[test]
    fn times_are_rounded_up_to_microseconds() {
        let mut samples = Samples::default();
        [0, 1, 1_000, 1_001].into_iter().for_each(|ns| samples.add_ns(ns));
        assert_eq!(samples.kept_us, [0, 1, 1, 2]);
        assert_eq!(samples.summary().max, Some(2));
    }
}
