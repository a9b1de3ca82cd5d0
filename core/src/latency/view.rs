//! What buckets say: counts, mean, quantiles.

use core::{fmt, time::Duration};

use super::{LatencyBuckets, UNIT_BITS};

/// A share of all latencies, in parts of 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Quantile(u16);

impl Quantile {
    /// The median.
    pub const P50: Self = Self(5_000);
    /// Nine of ten.
    pub const P90: Self = Self(9_000);
    /// Nineteen of twenty.
    pub const P95: Self = Self(9_500);
    /// 99 of a hundred.
    pub const P99: Self = Self(9_900);
    /// 999 of a thousand. It takes thousands of latencies to mean anything.
    pub const P99_9: Self = Self(9_990);

    /// The share of `parts` in 10,000; more than all is taken for all. Zero asks for the smallest latency's cell.
    pub const fn per_10_000(parts: u16) -> Self {
        if parts > 10_000 { Self(10_000) } else { Self(parts) }
    }

    /// Nearest rank: the position, from 1, of the latency that has this share of `total` at or before it.
    const fn rank(self, total: u64) -> u64 {
        // Up, as nearest rank is defined: the median of three is the second. A total is far below 2^48.
        let rank = (total.wrapping_mul(self.0 as u64)).div_ceil(10_000);
        if rank == 0 { 1 } else { rank }
    }
}

/// The latencies of one set of buckets, or of two windows together.
#[derive(Clone, Copy)]
#[must_use = "looks at the buckets and changes nothing"]
pub struct LatencyView<'a, const CELLS: usize> {
    pub(super) newer: Option<&'a LatencyBuckets<CELLS>>,
    pub(super) older: Option<&'a LatencyBuckets<CELLS>>,
}

impl<const CELLS: usize> LatencyView<'_, CELLS> {
    /// How many latencies there are; stops at 4,294,967,295.
    pub fn count(&self) -> u32 {
        u32::try_from(self.total()).unwrap_or(u32::MAX)
    }

    /// How many of them were below the range. They are counted in its lowest cell.
    pub fn below(&self) -> u32 {
        self.sum_of(|buckets| buckets.below)
    }

    /// How many of them were above the range. They are counted in its highest cell.
    pub fn above(&self) -> u32 {
        self.sum_of(|buckets| buckets.above)
    }

    /// The shortest latency, rounded down by less than 256 ns.
    pub fn min(&self) -> Option<Duration> {
        // An empty window has the largest of all minima and the smallest of all maxima.
        let min = self.windows().map(|buckets| buckets.min_units).min()?;
        (min <= self.max_units()?).then(|| begin_of(u64::from(min)))
    }

    /// The longest latency, rounded up by less than 256 ns. Beyond 1,099.51 s it is that.
    pub fn max(&self) -> Option<Duration> {
        self.min()?;
        Some(last_before(u64::from(self.max_units()?) + 1))
    }

    /// The mean latency, to within 128 ns: it does not suffer from the width of the cells.
    pub fn mean(&self) -> Option<Duration> {
        let sum = self.windows().fold(0u64, |sum, buckets| sum.saturating_add(buckets.sum_units));
        let count = self.total();
        // Down; the half unit makes up for what rounding each latency down took, on average.
        let whole = sum.checked_div(count)?;
        // The count is far below 2^48, and so is the remainder: no shift here loses a bit.
        let rest = sum.checked_rem(count)?.wrapping_shl(UNIT_BITS).wrapping_add(count.wrapping_shl(UNIT_BITS - 1));
        Some(begin_of(whole).saturating_add(Duration::from_nanos(rest.checked_div(count)?)))
    }

    /// The latency that a share of all latencies does not exceed, by nearest rank.
    ///
    /// Never less than the true one, and above it by at most the resolution. Outside the range the second half does not
    /// hold: what is below comes back as the end of the lowest cell, what is above as [`LatencyView::max`].
    pub fn quantile(&self, quantile: Quantile) -> Option<Duration> {
        let max = self.max()?;
        let reference = self.windows().next()?;
        let rank = quantile.rank(self.placed());
        let mut seen = 0u64;
        let index = self.cells().position(|count| {
            seen = seen.saturating_add(count);
            seen >= rank
        })?;
        // In the highest cell, where all that were placed have been seen, those above the range stand behind those within. Full,
        // it lacks some of them: then rather one too many is taken for one of those.
        if index + 1 == CELLS && rank > seen.saturating_sub(u64::from(self.above())) {
            return Some(max);
        }
        // An index is below CELLS, which construction made to fit.
        let end = reference.octave.end(u32::from(reference.first).wrapping_add(index as u32));
        Some(last_before(end).min(max))
    }

    /// All latencies: those in cells and those that found theirs full.
    fn total(&self) -> u64 {
        self.placed().saturating_add(u64::from(self.sum_of(|buckets| buckets.unplaced)))
    }

    fn placed(&self) -> u64 {
        self.cells().fold(0, u64::saturating_add)
    }

    fn max_units(&self) -> Option<u32> {
        self.windows().map(|buckets| buckets.max_units).max()
    }

    fn windows(&self) -> impl Iterator<Item = &LatencyBuckets<CELLS>> {
        self.newer.into_iter().chain(self.older)
    }

    fn sum_of(&self, count: impl Fn(&LatencyBuckets<CELLS>) -> u32) -> u32 {
        self.windows().fold(0u32, |sum, buckets| sum.saturating_add(count(buckets)))
    }

    /// The counts of both windows, cell by cell.
    fn cells(&self) -> impl Iterator<Item = u64> {
        let of = |window: Option<&LatencyBuckets<CELLS>>, index: usize| {
            window.and_then(|buckets| buckets.cells.get(index)).map_or(0, |&count| u64::from(count))
        };
        (0..CELLS).map(move |index| of(self.newer, index) + of(self.older, index))
    }
}

impl<const CELLS: usize> fmt::Debug for LatencyView<'_, CELLS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latencies")
            .field("count", &self.count())
            .field("p50", &self.quantile(Quantile::P50))
            .field("p99", &self.quantile(Quantile::P99))
            .field("max", &self.max())
            .finish()
    }
}

#[cfg(feature = "defmt")]
impl<const CELLS: usize> defmt::Format for LatencyView<'_, CELLS> {
    fn format(&self, f: defmt::Formatter<'_>) {
        let (p50, p99) = (self.quantile(Quantile::P50), self.quantile(Quantile::P99));
        defmt::write!(f, "Latencies {{ count: {}, p50: {}, p99: {}, max: {} }}", self.count(), p50, p99, self.max());
    }
}

/// The shortest time of this many units.
fn begin_of(units: u64) -> Duration {
    Duration::from_nanos(units.wrapping_shl(UNIT_BITS))
}

/// The longest time that is less than this many units.
fn last_before(units: u64) -> Duration {
    Duration::from_nanos(units.wrapping_shl(UNIT_BITS).saturating_sub(1))
}
