//! How long calls took, in a few hundred bytes that never grow.
//!
//! **Why this exists.** A timeout, a hedge or an alarm is set from a high quantile. An average hides it, and keeping
//! every sample is not bounded. Here a latency falls into one of some hundred cells, and a quantile comes back with an
//! error that is known beforehand, however many samples there were.
//!
//! **When it harms.** A cell says nothing about the order of what is in it, so two windows cannot show a trend within
//! themselves. Latencies of failures belong into buckets of their own: fast refusals would make a broken server look
//! fast. And a client that waits for each answer before it sends again does not see what it would have waited for;
//! record from the intended start where that matters.
//!
//! **Algorithm.** Log-linear cells, as in HdrHistogram (Tene) and Circllhist (Hartmann and Schlossnagle, "Circllhist",
//! 2020): the position of the leading one says which octave, the six bits after it which 64th of it. A table gathers
//! the 64ths into cells, each as wide as the resolution lets it be. With edges e₀, e₁, … in 64ths of the octave's
//! beginning, e₀ = 64 and eₙ₊₁ = eₙ + ⌊eₙ / s⌋ up to 128, no value in a cell exceeds another by more than one s-th.
//! A quantile is by nearest rank: the value at position ⌈q·n⌉ of n in order, as the upper end of its cell.
//!
//! **Deviation.** HdrHistogram divides octaves into equal cells, eight of them for an error of 12.5 %. The upper ones
//! are then needlessly narrow; letting them grow needs six, so that the default range takes 96 cells instead of 127
//! and two windows of it fit into 512 bytes.
//!
//! Times are kept in units of 256 ns. Latencies beyond the range are counted in the outermost cells and, besides, by
//! [`LatencyView::below`] and [`LatencyView::above`]: none is lost. The range extends to the far edges of the cells
//! that its ends are in.
//!
//! ```
//! use core::time::Duration;
//! use tidegate_core::latency::{LatencyBuckets, LatencyConfig, Quantile};
//!
//! const CONFIG: LatencyConfig = LatencyConfig::DEFAULT;
//! let mut buckets = LatencyBuckets::<{ CONFIG.cells() }>::new(CONFIG)?;
//! for ms in 1..=100 {
//!     buckets.record(Duration::from_millis(ms));
//! }
//! let seen = buckets.view();
//! assert_eq!(seen.count(), 100);
//! // True: 50 ms and 99 ms. Reported: never less, and at most an eighth more.
//! assert_eq!(seen.quantile(Quantile::P50), Some(Duration::from_nanos(53_477_375)));
//! assert_eq!(seen.quantile(Quantile::P99), Some(Duration::from_nanos(100_000_255)));
//! # Ok::<(), tidegate_core::latency::LatencyError>(())
//! ```

mod octave;
mod rotating;
mod view;

use core::{fmt, time::Duration};

use crate::time::Instant;
use octave::Octave;

pub use octave::Resolution;
pub use rotating::RotatingBuckets;
pub use view::{LatencyView, Quantile};

/// What latencies are told apart, and how finely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct LatencyConfig {
    /// How far a reported quantile may be above the true one.
    pub resolution: Resolution,
    /// The shortest latency that is told apart from shorter ones, from 32.768 µs.
    pub lowest: Duration,
    /// The longest latency that is told apart from longer ones, up to 1,000 s.
    pub highest: Duration,
}

impl LatencyConfig {
    /// What the answers of a server over a network need.
    ///
    /// # Default
    /// - `resolution`: an eighth, 12.5 %
    /// - `lowest`: 1 ms
    /// - `highest`: 60 s
    ///
    /// It needs 96 cells.
    pub const DEFAULT: Self =
        Self { resolution: Resolution::Eighth, lowest: Duration::from_millis(1), highest: Duration::from_secs(60) };

    /// The number of cells that this range needs at this resolution: what `CELLS` must be. Zero where
    /// [`LatencyBuckets::new`] would refuse the range.
    pub const fn cells(&self) -> usize {
        match self.check() {
            Ok(()) => {
                let octave = self.resolution.octave();
                octave.cell(units(self.highest)).saturating_sub(octave.cell(units(self.lowest))) as usize + 1
            }
            Err(_) => 0,
        }
    }

    const fn check(&self) -> Result<(), LatencyError> {
        let (lowest, highest) = (crate::time::nanos(self.lowest), crate::time::nanos(self.highest));
        if lowest < LOWEST_NS_MIN {
            Err(LatencyError::Lowest { lowest: self.lowest })
        } else if highest > HIGHEST_NS_MAX {
            Err(LatencyError::Highest { highest: self.highest })
        } else if lowest > highest {
            Err(LatencyError::Order { lowest: self.lowest, highest: self.highest })
        } else {
            Ok(())
        }
    }
}

/// Counts of latencies by size.
///
/// Invariant: every recorded latency is counted once, in a cell or, when that is full, in `unplaced`. A cell is full at
/// 65,535; from then on a quantile leans towards the cells that still count. Count and mean are right up to
/// 4,294,967,295 latencies, where the count stops; the extremes always are.
///
/// `CELLS` is what [`LatencyConfig::cells`] says. A clone counts on its own from then on. With the default range the
/// size is 232 bytes.
#[derive(Clone)]
pub struct LatencyBuckets<const CELLS: usize> {
    octave: &'static Octave,
    /// Below 2^64 as long as the count is right: both factors are below 2^32.
    sum_units: u64,
    /// `u32::MAX` while there is none.
    min_units: u32,
    max_units: u32,
    below: u32,
    above: u32,
    unplaced: u32,
    /// The number of cells[0], as the octave counts them.
    first: u16,
    cells: [u16; CELLS],
}

impl<const CELLS: usize> LatencyBuckets<CELLS> {
    /// Empty buckets for a range.
    ///
    /// # Errors
    /// - [`LatencyError::Lowest`] when `lowest` is below 32.768 µs
    /// - [`LatencyError::Highest`] when `highest` is above 1,000 s
    /// - [`LatencyError::Order`] when `lowest` is above `highest`
    /// - [`LatencyError::Cells`] when `CELLS` is not what [`LatencyConfig::cells`] says
    pub const fn new(config: LatencyConfig) -> Result<Self, LatencyError> {
        if let Err(error) = config.check() {
            return Err(error);
        }
        if CELLS != config.cells() {
            return Err(LatencyError::Cells { given: CELLS, needed: config.cells() });
        }
        let octave = config.resolution.octave();
        Ok(Self {
            octave,
            sum_units: 0,
            min_units: u32::MAX,
            max_units: 0,
            below: 0,
            above: 0,
            unplaced: 0,
            // At most 27 cells in each of 26 octaves.
            first: octave.cell(units(config.lowest)) as u16,
            cells: [0; CELLS],
        })
    }

    /// Counts one latency. Any is fine: none at all, or one beyond the range.
    pub fn record(&mut self, latency: Duration) {
        self.count_units(units(latency));
    }

    /// Counts the time from `started` to `now`, as zero where `now` is before. As [`LatencyBuckets::record`], but
    /// without a `Duration`, which is dear to make on a device that has no division of 64 bits.
    pub fn record_since(&mut self, now: Instant, started: Instant) {
        self.count_units(units_of_ns(now.since_ns(started)));
    }

    fn count_units(&mut self, units: u32) {
        let place = self.octave.cell(units);
        let index = place.wrapping_sub(u32::from(self.first)) as usize;
        let index = if index < CELLS { index } else { self.outermost(place) };
        if let Some(cell) = self.cells.get_mut(index) {
            match cell.checked_add(1) {
                Some(more) => *cell = more,
                None => self.unplaced = self.unplaced.saturating_add(1),
            }
        }
        self.sum_units = self.sum_units.wrapping_add(u64::from(units));
        self.min_units = self.min_units.min(units);
        self.max_units = self.max_units.max(units);
    }

    /// The cell for a latency beyond the range.
    #[cold]
    fn outermost(&mut self, place: u32) -> usize {
        if place < u32::from(self.first) {
            self.below = self.below.saturating_add(1);
            0
        } else {
            self.above = self.above.saturating_add(1);
            CELLS.saturating_sub(1)
        }
    }

    /// Counts here, too, what other buckets of the same range have counted.
    ///
    /// # Errors
    /// [`RangesDiffer`] when the range or the resolution is another; nothing is counted then.
    pub fn merge(&mut self, other: &Self) -> Result<(), RangesDiffer> {
        if !core::ptr::eq(self.octave, other.octave) || self.first != other.first {
            return Err(RangesDiffer);
        }
        for (cell, more) in self.cells.iter_mut().zip(other.cells) {
            let fits = more.min(u16::MAX - *cell);
            *cell = cell.saturating_add(fits);
            self.unplaced = self.unplaced.saturating_add(u32::from(more.saturating_sub(fits)));
        }
        self.sum_units = self.sum_units.wrapping_add(other.sum_units);
        self.min_units = self.min_units.min(other.min_units);
        self.max_units = self.max_units.max(other.max_units);
        self.below = self.below.saturating_add(other.below);
        self.above = self.above.saturating_add(other.above);
        self.unplaced = self.unplaced.saturating_add(other.unplaced);
        Ok(())
    }

    /// Forgets everything counted.
    pub fn clear(&mut self) {
        self.cells = [0; CELLS];
        (self.sum_units, self.min_units, self.max_units) = (0, u32::MAX, 0);
        (self.below, self.above, self.unplaced) = (0, 0, 0);
    }

    /// Counts, mean and quantiles of what was recorded.
    pub const fn view(&self) -> LatencyView<'_, CELLS> {
        LatencyView { newer: Some(self), older: None }
    }
}

impl<const CELLS: usize> fmt::Debug for LatencyBuckets<CELLS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

#[cfg(feature = "defmt")]
impl<const CELLS: usize> defmt::Format for LatencyBuckets<CELLS> {
    fn format(&self, f: defmt::Formatter<'_>) {
        self.view().format(f);
    }
}

/// Buckets of another range or resolution cannot be counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RangesDiffer;

impl fmt::Display for RangesDiffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the buckets differ in range or resolution: merge only what was made from the same LatencyConfig")
    }
}

impl core::error::Error for RangesDiffer {}

/// Why there are no such buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum LatencyError {
    /// `lowest` is below 32.768 µs.
    Lowest {
        /// What was asked for.
        lowest: Duration,
    },
    /// `highest` is above 1,000 s.
    Highest {
        /// What was asked for.
        highest: Duration,
    },
    /// `lowest` is above `highest`.
    Order {
        /// What was asked for.
        lowest: Duration,
        /// What was asked for.
        highest: Duration,
    },
    /// `CELLS` does not fit the range.
    Cells {
        /// `CELLS` as it is.
        given: usize,
        /// `CELLS` as it has to be.
        needed: usize,
    },
    /// The window of [`RotatingBuckets`] is zero.
    Window,
}

impl fmt::Display for LatencyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Lowest { lowest } => write!(f, "lowest is {lowest:?}: make it at least 32.768µs"),
            Self::Highest { highest } => write!(f, "highest is {highest:?}: make it at most 1000s"),
            Self::Order { lowest, highest } => {
                write!(f, "lowest is {lowest:?} and highest {highest:?}: make lowest the smaller one")
            }
            Self::Cells { given, needed } => {
                write!(f, "CELLS is {given}: this range and resolution need CELLS = {needed}")
            }
            Self::Window => f.write_str("the window is zero: make it as long as latencies are to be remembered"),
        }
    }
}

impl core::error::Error for LatencyError {}

/// A latency in units of 256 ns, rounded down; saturates at 1,099.51 s.
const fn units(latency: Duration) -> u32 {
    // Not `as_nanos`: its 128 bits cost more than all the rest of `record`.
    let secs = if latency.as_secs() > SECS_MAX { SECS_MAX } else { latency.as_secs() as u32 as u64 };
    units_of_ns(secs * 1_000_000_000 + latency.subsec_nanos() as u64)
}

const fn units_of_ns(ns: u64) -> u32 {
    let units = ns >> UNIT_BITS;
    if units > u32::MAX as u64 { u32::MAX } else { units as u32 }
}

/// A unit is 2^8 ns. Fine enough that edges on 64ths of an octave are whole units from 16 µs on, coarse enough that
/// 18 minutes fit 32 bits.
const UNIT_BITS: u32 = 8;
/// More whole seconds than 2^32 units are.
const SECS_MAX: u64 = 1_100;
/// 128 units: one octave above where cells begin, so that what is shorter than the range shows.
const LOWEST_NS_MIN: u64 = 128 << UNIT_BITS;
const HIGHEST_NS_MAX: u64 = 1_000_000_000_000;

const _: () = assert!(units_of_ns(SECS_MAX * 1_000_000_000) == u32::MAX && units_of_ns(HIGHEST_NS_MAX) < u32::MAX);
#[cfg(any(target_pointer_width = "32", target_pointer_width = "64"))]
const _: () = assert!(size_of::<LatencyBuckets<{ LatencyConfig::DEFAULT.cells() }>>() == 232);

#[cfg(test)]
mod tests;
