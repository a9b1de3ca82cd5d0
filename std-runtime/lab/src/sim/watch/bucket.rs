//! A token bucket that counts time: the oracle for the rate and for the reserve of retries.
//!
//! The core keeps one instant, that of the next cell, and moves it. This keeps what has flowed in and not out again, in
//! whole nanoseconds, which is the textbook's other way to say the same: each nanosecond brings one, a cell takes an
//! interval, and what a full bucket cannot hold is gone. In any span `T` at most `most + T` flows out.

use tidegate_core::Instant;

/// What a cell takes, and how much a bucket holds. In nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Measure {
    pub(super) cell_ns: u64,
    pub(super) most_ns: u64,
}

impl Measure {
    /// A bucket of `cells` cells, at least one.
    pub(super) fn of(cell_ns: u64, cells: u64) -> Self {
        // Centuries, where it saturates: longer than any run.
        Self { cell_ns, most_ns: cell_ns.saturating_mul(cells) }
    }
}

/// A bucket, full at first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    level_ns: u64,
    /// Up to when the inflow was counted.
    seen_ns: u64,
}

impl Bucket {
    pub(super) fn full(now: Instant, measure: Measure) -> Self {
        Self { level_ns: measure.most_ns, seen_ns: now.as_nanos() }
    }

    /// How long before a cell is in it; nothing where one is.
    pub(super) fn early_ns(&mut self, now: Instant, measure: Measure) -> u64 {
        self.fill(now, measure);
        // After a pause nothing flows before its end.
        let dry_ns = self.seen_ns.saturating_sub(now.as_nanos());
        match measure.cell_ns.saturating_sub(self.level_ns) {
            0 => dry_ns,
            short_ns => dry_ns.saturating_add(short_ns),
        }
    }

    /// Takes a cell out.
    ///
    /// # Errors
    /// Where there is none: how long before there would be.
    pub(super) fn take(&mut self, now: Instant, measure: Measure) -> Result<(), u64> {
        match self.early_ns(now, measure) {
            0 => {
                self.level_ns -= measure.cell_ns;
                Ok(())
            }
            early_ns => Err(early_ns),
        }
    }

    /// Gives nothing before `until`, and then no burst.
    pub(super) fn pause(&mut self, until: Instant, measure: Measure) {
        self.fill(until, measure);
        self.level_ns = self.level_ns.min(measure.cell_ns);
    }

    fn fill(&mut self, now: Instant, measure: Measure) {
        let now_ns = now.as_nanos();
        if now_ns > self.seen_ns {
            let inflow_ns = now_ns - self.seen_ns;
            self.level_ns = self.level_ns.saturating_add(inflow_ns).min(measure.most_ns);
            self.seen_ns = now_ns;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_AT_ONCE: Measure = Measure { cell_ns: 100, most_ns: 200 };

    fn at(ns: u64) -> Instant {
        Instant::from_nanos(ns)
    }

    /// What comes of asking at these instants, in nanoseconds.
    fn asked(bucket: &mut Bucket, at_ns: &[u64]) -> Vec<Result<(), u64>> {
        at_ns.iter().map(|&ns| bucket.take(at(ns), TWO_AT_ONCE)).collect()
    }

    #[test]
    fn a_full_bucket_gives_its_burst_and_then_what_flows_in() {
        let mut bucket = Bucket::full(at(1_000), TWO_AT_ONCE);
        assert_eq!(asked(&mut bucket, &[1_000, 1_000, 1_000, 1_099]), [Ok(()), Ok(()), Err(100), Err(1)]);
        assert_eq!(asked(&mut bucket, &[1_100, 1_100, 1_250]), [Ok(()), Err(100), Ok(())]);
        assert_eq!(asked(&mut bucket, &[1_299, 1_300, 1_300]), [Err(1), Ok(()), Err(100)], "half a cell is kept");
    }

    #[test]
    fn a_rest_fills_it_and_no_more() {
        let mut bucket = Bucket::full(at(0), TWO_AT_ONCE);
        assert_eq!(
            asked(&mut bucket, &[0, 0, 1_000_000, 1_000_000, 1_000_000]),
            [Ok(()), Ok(()), Ok(()), Ok(()), Err(100)]
        );
    }

    #[test]
    fn a_pause_gives_nothing_and_leaves_no_burst() {
        let mut bucket = Bucket::full(at(0), TWO_AT_ONCE);
        bucket.pause(at(500), TWO_AT_ONCE);
        assert_eq!(asked(&mut bucket, &[0, 499, 500, 500, 600]), [Err(500), Err(1), Ok(()), Err(100), Ok(())]);
        let mut spent = Bucket::full(at(0), TWO_AT_ONCE);
        assert_eq!(asked(&mut spent, &[0, 0]), [Ok(()), Ok(())]);
        spent.pause(at(30), TWO_AT_ONCE);
        assert_eq!(asked(&mut spent, &[0, 30, 99, 100]), [Err(100), Err(70), Err(1), Ok(())], "it shortens nothing");
    }
}
