//! What a breaker remembers: the last calls, or the last stretch of time.

use core::{fmt, time::Duration};

use crate::time::{Instant, nanos};

/// Calls seen by a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Counts {
    /// How many calls the window holds.
    pub calls: u32,
    /// How many of them failed.
    pub failed: u32,
    /// How many of them were slow, failed or not.
    pub slow: u32,
}

/// One call, as a window sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// It failed.
    pub failed: bool,
    /// It took longer than the slow limit.
    pub slow: bool,
}

/// A kind of window. Two exist, [`CallWindow`] and [`PeriodWindow`]; the breaker that uses one does not pay for the other.
pub trait Window: sealed::Sealed {
    /// Remembers one call.
    fn record(&mut self, now: Instant, sample: Sample);
    /// Remembers one more good call beside good ones alone, where that is less work than [`Window::record`]; false where it
    /// is not, and nothing is remembered.
    fn record_good(&mut self) -> bool {
        false
    }
    /// What it remembers at this time.
    fn counts(&mut self, now: Instant) -> Counts;
    /// Forgets everything.
    fn clear(&mut self);
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::CallWindow {}
    impl Sealed for super::PeriodWindow {}
}

/// Why a window was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum WindowError {
    /// A window of 0, or of more than 64 calls.
    CallsOutOfRange,
    /// A window of less than 10 ms, or of more than a day.
    PeriodOutOfRange,
}

impl fmt::Display for WindowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CallsOutOfRange => "a breaker remembers the last 1 to 64 calls: change the size of its window",
            Self::PeriodOutOfRange => "a breaker remembers the last 10 ms to 1 day: change the period of its window",
        })
    }
}

impl core::error::Error for WindowError {}

/// The last `n` calls, `n` from 1 to 64, as a ring of bits. 20 bytes.
///
/// Invariant: its counts are those of a list of the last `n` samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct CallWindow {
    // 32-bit halves: a 64-bit shift by a variable is a loop on a small device.
    failed: [u32; 2],
    slow: [u32; 2],
    size: u8,
    /// The place of the next sample, and in the second turn and all later ones `size` more.
    next: u8,
    failed_count: u8,
    slow_count: u8,
}

impl CallWindow {
    /// A window over the last `calls` calls.
    ///
    /// # Errors
    /// Unless `calls` is 1 to 64.
    pub const fn last(calls: u8) -> Result<Self, WindowError> {
        if calls == 0 || calls > 64 {
            return Err(WindowError::CallsOutOfRange);
        }
        Ok(Self { failed: [0; 2], slow: [0; 2], size: calls, next: 0, failed_count: 0, slow_count: 0 })
    }

    pub(crate) const fn size(&self) -> u8 {
        self.size
    }

    const fn step(&mut self) {
        // Below 2 · 64.
        let next = self.next.wrapping_add(1);
        self.next = if next < self.size << 1 { next } else { self.size };
    }
}

impl Window for CallWindow {
    fn record(&mut self, _now: Instant, sample: Sample) {
        let at = if self.next < self.size { self.next } else { self.next - self.size };
        let half = usize::from(at >> 5) & 1;
        let bit = 1 << (at & 31);
        self.failed_count = replace(&mut self.failed[half], bit, sample.failed, self.failed_count);
        // Most calls are not slow and push none out: leave that half of the work where it is.
        if sample.slow || self.slow_count > 0 {
            self.slow_count = replace(&mut self.slow[half], bit, sample.slow, self.slow_count);
        }
        self.step();
    }

    #[inline]
    fn record_good(&mut self) -> bool {
        // No bit is set, so none is overwritten.
        let is_spotless = (self.failed_count | self.slow_count) == 0;
        if is_spotless {
            self.step();
        }
        is_spotless
    }

    fn counts(&mut self, _now: Instant) -> Counts {
        Counts {
            calls: u32::from(self.next.min(self.size)),
            failed: u32::from(self.failed_count),
            slow: u32::from(self.slow_count),
        }
    }

    fn clear(&mut self) {
        (self.failed, self.slow) = ([0; 2], [0; 2]);
        (self.next, self.failed_count, self.slow_count) = (0, 0, 0);
    }
}

/// Writes one bit and returns the new number of bits set.
fn replace(word: &mut u32, bit: u32, value: bool, count: u8) -> u8 {
    let was = *word & bit != 0;
    if value {
        *word |= bit;
    } else {
        *word &= !bit;
    }
    // The count is that of the bits set, so it is at least 1 where one of them was.
    count.wrapping_add(u8::from(value)).wrapping_sub(u8::from(was))
}

/// The last stretch of time in ten cells, the oldest of which is dropped as a whole. 80 bytes.
///
/// Invariant: it holds every call of the last nine tenths of the period, and none older than the period. A cell counts
/// up to 65,535 calls; further ones in the same tenth are not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PeriodWindow {
    cells: [Cell; CELLS],
    /// The end of the present cell.
    cell_end: Instant,
    cell_ns: u64,
    at: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
struct Cell {
    calls: u16,
    failed: u16,
    slow: u16,
}

const CELLS: usize = 10;

impl PeriodWindow {
    /// A window over the last `period`.
    ///
    /// # Errors
    /// Unless `period` is 10 ms to 1 day.
    pub const fn last(period: Duration) -> Result<Self, WindowError> {
        let period_ns = nanos(period);
        if period_ns < 10_000_000 || period_ns > 86_400_000_000_000 {
            return Err(WindowError::PeriodOutOfRange);
        }
        let empty = Cell { calls: 0, failed: 0, slow: 0 };
        // Up: nothing of the period is left out.
        let cell_ns = period_ns.div_ceil(CELLS as u64);
        Ok(Self { cells: [empty; CELLS], cell_end: Instant::ORIGIN, cell_ns, at: 0 })
    }

    /// Begins as many cells as time has passed, ten at most.
    fn rotate(&mut self, now: Instant) {
        if now < self.cell_end {
            return;
        }
        if self.cells.iter().all(|cell| cell.calls == 0) {
            // Nothing is remembered: where the cells begin does not depend on the origin of time.
            self.cell_end = now.plus_ns(self.cell_ns);
            return;
        }
        for _ in 0..CELLS {
            if now < self.cell_end {
                return;
            }
            self.at = if usize::from(self.at) + 1 < CELLS { self.at + 1 } else { 0 };
            self.cell_end = self.cell_end.plus_ns(self.cell_ns);
            if let Some(cell) = self.cells.get_mut(usize::from(self.at)) {
                *cell = Cell::default();
            }
        }
        // Everything was older than the period: cells begin anew from here.
        if self.cell_end <= now {
            self.cell_end = now.plus_ns(self.cell_ns);
        }
    }
}

impl Window for PeriodWindow {
    fn record(&mut self, now: Instant, sample: Sample) {
        self.rotate(now);
        if let Some(cell) = self.cells.get_mut(usize::from(self.at))
            && cell.calls < u16::MAX
        {
            cell.calls += 1;
            cell.failed = cell.failed.saturating_add(u16::from(sample.failed));
            cell.slow = cell.slow.saturating_add(u16::from(sample.slow));
        }
    }

    fn counts(&mut self, now: Instant) -> Counts {
        self.rotate(now);
        self.cells.iter().fold(Counts::default(), |sum, cell| Counts {
            calls: sum.calls.saturating_add(u32::from(cell.calls)),
            failed: sum.failed.saturating_add(u32::from(cell.failed)),
            slow: sum.slow.saturating_add(u32::from(cell.slow)),
        })
    }

    fn clear(&mut self) {
        self.cells = [Cell::default(); CELLS];
    }
}

const _: () = assert!(size_of::<CallWindow>() == 20);
const _: () = assert!(size_of::<PeriodWindow>() == 80);

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{collections::VecDeque, vec::Vec};

    use super::*;
    use crate::entropy::Entropy;

    fn sample(bits: u32) -> Sample {
        Sample { failed: bits & 1 == 1, slow: bits & 2 == 2 }
    }

    fn count<'a>(samples: impl Iterator<Item = &'a Sample>) -> Counts {
        samples.fold(Counts::default(), |sum, sample| Counts {
            calls: sum.calls + 1,
            failed: sum.failed + u32::from(sample.failed),
            slow: sum.slow + u32::from(sample.slow),
        })
    }

    #[test]
    fn a_call_window_counts_as_a_list_of_the_last_calls_does() {
        for size in 1..=64 {
            let mut window = CallWindow::last(size).expect("in range");
            let mut list = VecDeque::new();
            for step in 0..300 {
                let sample = sample(Entropy::mix(u64::from(size), step, 0).up_to(3) as u32);
                window.record(Instant::ORIGIN, sample);
                list.push_back(sample);
                if list.len() > usize::from(size) {
                    list.pop_front();
                }
                assert_eq!(window.counts(Instant::ORIGIN), count(list.iter()), "size {size}, step {step}");
            }
            window.clear();
            assert_eq!(window.counts(Instant::ORIGIN), Counts::default());
        }
    }

    #[test]
    fn beside_what_is_both_failed_and_slow_a_success_is_not_alone() {
        let mut window = CallWindow::last(2).expect("in range");
        window.record(Instant::ORIGIN, Sample { failed: true, slow: true });
        assert!(!window.record_good(), "the window has something to forget");
        assert_eq!(window.counts(Instant::ORIGIN), Counts { calls: 1, failed: 1, slow: 1 });
    }

    #[test]
    fn a_long_run_of_successes_does_not_hide_failures() {
        // A published "sliding" window never slid: 10,000 successes took 10,000 failures to outweigh.
        let mut window = CallWindow::last(10).expect("in range");
        (0..10_000).for_each(|_| window.record(Instant::ORIGIN, Sample { failed: false, slow: false }));
        (0..10).for_each(|_| window.record(Instant::ORIGIN, Sample { failed: true, slow: false }));
        assert_eq!(window.counts(Instant::ORIGIN), Counts { calls: 10, failed: 10, slow: 0 });
    }

    #[test]
    fn a_period_window_holds_nine_tenths_and_nothing_older_than_the_period() {
        let period_ns = 10_000_000_000;
        let mut window = PeriodWindow::last(Duration::from_nanos(period_ns)).expect("in range");
        let mut all: Vec<(Instant, Sample)> = Vec::new();
        let mut now = Instant::from_secs(3);
        for step in 0..5_000 {
            let entropy = Entropy::mix(11, step, 0);
            // Mostly milliseconds apart, now and then a gap longer than the period.
            let gap_ns = if step % 500 == 499 { 2 * period_ns } else { entropy.up_to(40_000_000) };
            now = now.plus_ns(gap_ns);
            let sample = sample(entropy.derive(1).up_to(3) as u32);
            window.record(now, sample);
            all.push((now, sample));
            let within =
                |span_ns| count(all.iter().filter(|(at, _)| now.since_ns(*at) < span_ns).map(|(_, sample)| sample));
            let (least, most) = (within(period_ns * 9 / 10), within(period_ns));
            let counts = window.counts(now);
            assert!(least.calls <= counts.calls && counts.calls <= most.calls, "{least:?} {counts:?} {most:?}");
            assert!(least.failed <= counts.failed && counts.failed <= most.failed, "{least:?} {counts:?} {most:?}");
            assert!(least.slow <= counts.slow && counts.slow <= most.slow, "{least:?} {counts:?} {most:?}");
        }
    }

    #[test]
    fn a_call_at_the_edge_of_two_cells_belongs_to_the_later_one() {
        let mut window = PeriodWindow::last(Duration::from_secs(10)).expect("in range");
        window.record(Instant::from_secs(100), sample(1));
        window.record(Instant::from_secs(101), sample(2));
        assert_eq!(window.counts(Instant::from_secs(110)), Counts { calls: 1, failed: 0, slow: 1 });
        window.clear();
        assert_eq!(window.counts(Instant::from_secs(110)), Counts::default());
    }

    #[test]
    fn a_tenth_of_a_period_counts_no_more_than_it_can() {
        let mut window = PeriodWindow::last(Duration::from_secs(10)).expect("in range");
        (0..70_000).for_each(|_| window.record(Instant::from_secs(100), sample(3)));
        assert_eq!(window.counts(Instant::from_secs(100)), Counts { calls: 65_535, failed: 65_535, slow: 65_535 });
    }

    #[test]
    fn time_running_backwards_leaves_the_period_window_as_it_is() {
        let mut window = PeriodWindow::last(Duration::from_secs(10)).expect("in range");
        window.record(Instant::from_secs(100), sample(3));
        window.record(Instant::from_secs(50), sample(3));
        assert_eq!(window.counts(Instant::ORIGIN), Counts { calls: 2, failed: 2, slow: 2 });
        assert_eq!(window.counts(Instant::MAX), Counts::default(), "a year's jump drops everything");
    }

    #[test]
    fn where_its_cells_begin_does_not_depend_on_the_origin_of_time() {
        let seen = |origin: Instant| -> Vec<u32> {
            let mut window = PeriodWindow::last(Duration::from_secs(10)).expect("in range");
            let instants = (0..300).map(|step| origin.plus_ns(700_000_000 + step * 190_000_000));
            instants
                .map(|now| {
                    window.record(now, sample(3));
                    window.counts(now).calls
                })
                .collect()
        };
        let at_origin = seen(Instant::ORIGIN);
        for shift in [Instant::from_nanos(1), Instant::from_millis(400), Instant::from_secs(86_400)] {
            assert_eq!(seen(shift), at_origin, "shifted by {shift:?}");
        }
    }

    #[test]
    fn sizes_out_of_range_are_rejected() {
        assert_eq!(CallWindow::last(0), Err(WindowError::CallsOutOfRange));
        assert_eq!(CallWindow::last(65), Err(WindowError::CallsOutOfRange));
        assert_eq!(PeriodWindow::last(Duration::from_millis(9)), Err(WindowError::PeriodOutOfRange));
        assert_eq!(PeriodWindow::last(Duration::from_secs(86_401)), Err(WindowError::PeriodOutOfRange));
        assert!(
            [Duration::from_millis(10), Duration::from_secs(86_400)].map(PeriodWindow::last).iter().all(Result::is_ok)
        );
    }
}
