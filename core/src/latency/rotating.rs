//! The latencies of the recent past: a window that fills, and the one before it.

use core::{mem, time::Duration};

use super::{LatencyBuckets, LatencyConfig, LatencyError, LatencyView};
use crate::time::{Instant, nanos};

/// Latencies of at least the last window and at most the last two.
///
/// Invariant: a latency is seen for at least one window after it was recorded, and not beyond two.
///
/// Recording takes as long as in [`LatencyBuckets`], but once in a window, when the two change places, a time that
/// grows with `CELLS`. However long nothing was recorded, that happens once. A reading of the clock from before one
/// already seen means that no time has passed.
///
/// With the default range the size is 480 bytes.
///
/// ```
/// use core::time::Duration;
/// use tidegate_core::{Instant, latency::{LatencyConfig, RotatingBuckets}};
///
/// const CONFIG: LatencyConfig = LatencyConfig::DEFAULT;
/// let mut recent = RotatingBuckets::<{ CONFIG.cells() }>::new(CONFIG, Duration::from_secs(10))?;
/// recent.record(Instant::from_secs(0), Duration::from_millis(20));
/// recent.record(Instant::from_secs(12), Duration::from_millis(30));
/// assert_eq!(recent.view(Instant::from_secs(19)).count(), 2);
/// assert_eq!(recent.view(Instant::from_secs(20)).count(), 1);
/// assert_eq!(recent.view(Instant::from_secs(30)).count(), 0);
/// # Ok::<(), tidegate_core::latency::LatencyError>(())
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RotatingBuckets<const CELLS: usize> {
    current: LatencyBuckets<CELLS>,
    previous: LatencyBuckets<CELLS>,
    /// When the current window began.
    began: Instant,
    window_ns: u64,
}

impl<const CELLS: usize> RotatingBuckets<CELLS> {
    /// Empty buckets that remember for `window` to twice as long.
    ///
    /// # Errors
    /// [`LatencyError::Window`] when the window is zero, and as [`LatencyBuckets::new`].
    pub const fn new(config: LatencyConfig, window: Duration) -> Result<Self, LatencyError> {
        if window.is_zero() {
            return Err(LatencyError::Window);
        }
        match (LatencyBuckets::new(config), LatencyBuckets::new(config)) {
            (Ok(current), Ok(previous)) => {
                Ok(Self { current, previous, began: Instant::ORIGIN, window_ns: nanos(window) })
            }
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }

    /// Counts one latency, at the time it is known: when the call has ended.
    pub fn record(&mut self, now: Instant, latency: Duration) {
        self.rotate(now);
        self.current.record(latency);
    }

    /// Counts the time from `started` to `now`; see [`LatencyBuckets::record_since`].
    pub fn record_since(&mut self, now: Instant, started: Instant) {
        self.rotate(now);
        self.current.record_since(now, started);
    }

    #[inline]
    fn rotate(&mut self, now: Instant) {
        let age_ns = now.since_ns(self.began);
        if age_ns >= self.window_ns {
            self.begin_window(now, age_ns);
        }
    }

    #[cold]
    #[inline(never)]
    fn begin_window(&mut self, now: Instant, age_ns: u64) {
        mem::swap(&mut self.current, &mut self.previous);
        self.current.clear();
        if age_ns < self.window_ns.saturating_mul(2) {
            self.began = self.began.plus_ns(self.window_ns);
        } else {
            self.previous.clear();
            self.began = now;
        }
    }

    /// Counts, mean and quantiles of what is recent.
    pub const fn view(&self, now: Instant) -> LatencyView<'_, CELLS> {
        let age_ns = now.since_ns(self.began);
        if age_ns < self.window_ns {
            LatencyView { newer: Some(&self.current), older: Some(&self.previous) }
        } else if age_ns < self.window_ns.saturating_mul(2) {
            LatencyView { newer: Some(&self.current), older: None }
        } else {
            LatencyView { newer: None, older: None }
        }
    }
}

#[cfg(any(target_pointer_width = "32", target_pointer_width = "64"))]
const _: () = assert!(size_of::<RotatingBuckets<{ LatencyConfig::DEFAULT.cells() }>>() == 480);

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    const CELLS: usize = LatencyConfig::DEFAULT.cells();
    const WINDOW: u64 = 100;

    fn rotating() -> RotatingBuckets<CELLS> {
        RotatingBuckets::new(LatencyConfig::DEFAULT, Duration::from_nanos(WINDOW)).expect("a valid config")
    }

    #[test]
    fn a_window_of_zero_and_a_wrong_range_are_refused() {
        let zero = RotatingBuckets::<CELLS>::new(LatencyConfig::DEFAULT, Duration::ZERO);
        assert_eq!(zero.err(), Some(LatencyError::Window));
        let few = RotatingBuckets::<7>::new(LatencyConfig::DEFAULT, Duration::from_secs(1));
        assert_eq!(few.err(), Some(LatencyError::Cells { given: 7, needed: 96 }));
    }

    #[test]
    fn what_is_seen_is_one_to_two_windows_old_at_every_instant() {
        // Against a list of everything: each must be seen for one window, may be for a second, and not after.
        let mut word = 0x5eed_u64;
        for _ in 0..200 {
            let (mut recent, mut list, mut now) = (rotating(), Vec::new(), 0u64);
            for _ in 0..100 {
                word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                now += (word >> 33) % if word >> 63 == 0 { 20 } else { 350 };
                if word >> 62 & 1 == 0 {
                    recent.record(Instant::from_nanos(now), Duration::from_millis(5));
                    list.push(now);
                }
                let seen = recent.view(Instant::from_nanos(now)).count();
                let within = |age: u64| list.iter().filter(|&&at| now - at < age).count() as u32;
                assert!(seen >= within(WINDOW), "at {now} only {seen} of {list:?} are seen");
                assert!(seen <= within(2 * WINDOW), "at {now} still {seen} of {list:?} are seen");
            }
        }
    }

    #[test]
    fn looking_is_as_if_the_windows_had_already_changed() {
        // A view at an instant and a record at the same instant agree on what is left.
        for age in 0..3 * WINDOW {
            let mut recent = rotating();
            recent.record(Instant::from_nanos(1_000), Duration::from_millis(5));
            recent.record(Instant::from_nanos(1_150), Duration::from_millis(5));
            let now = Instant::from_nanos(1_150 + age);
            let before = recent.view(now).count();
            recent.record(now, Duration::from_millis(5));
            assert_eq!(recent.view(now).count(), before + 1, "{age} ns later");
        }
    }

    #[test]
    fn after_two_windows_of_silence_a_window_begins_with_what_is_recorded() {
        let mut recent = rotating();
        recent.record(Instant::from_nanos(1_000), Duration::from_millis(5));
        recent.record(Instant::from_nanos(1_200), Duration::from_millis(5));
        assert_eq!(recent.view(Instant::from_nanos(1_399)).count(), 1, "for two windows from then on");
        assert_eq!(recent.view(Instant::from_nanos(1_400)).count(), 0);
    }

    #[test]
    fn a_call_that_is_given_by_its_start_counts_as_its_latency_does() {
        let (mut by_start, mut by_latency) = (rotating(), rotating());
        for (started, ended) in [(1_000, 9_001_000), (9_001_050, 9_001_150), (5_001_000, 9_001_250)] {
            let (started, ended) = (Instant::from_nanos(started), Instant::from_nanos(ended));
            by_start.record_since(ended, started);
            by_latency.record(ended, ended.saturating_since(started));
            assert_eq!(std::format!("{:?}", by_start.view(ended)), std::format!("{:?}", by_latency.view(ended)));
            assert!(by_start.view(ended).count() > 0);
        }
    }

    #[test]
    fn time_running_backwards_changes_nothing() {
        let mut recent = rotating();
        recent.record(Instant::from_nanos(1_000), Duration::from_millis(5));
        recent.record(Instant::from_nanos(1_120), Duration::from_millis(6));
        for now in [1_119, 1_000, 0] {
            assert_eq!(recent.view(Instant::from_nanos(now)).count(), 2, "at {now}");
            recent.clone().record(Instant::from_nanos(now), Duration::from_millis(7));
        }
        recent.record(Instant::ORIGIN, Duration::from_millis(7));
        assert_eq!(recent.view(Instant::from_nanos(1_120)).count(), 3, "counted in the window that is open");
        // The end of time is an instant like any other.
        recent.record(Instant::MAX, Duration::from_millis(8));
        assert_eq!(recent.view(Instant::MAX).count(), 1);
    }

    #[test]
    fn quantiles_are_of_both_windows_together() {
        let mut recent = rotating();
        for _ in 0..90 {
            recent.record(Instant::from_nanos(1_000), Duration::from_millis(10));
        }
        for _ in 0..10 {
            recent.record(Instant::from_nanos(1_110), Duration::from_millis(500));
        }
        let seen = recent.view(Instant::from_nanos(1_150));
        let ms = |parts| seen.quantile(crate::latency::Quantile::per_10_000(parts)).map(|span| span.as_millis());
        assert_eq!((ms(9_000), ms(9_001)), (Some(10), Some(500)));
        assert_eq!(seen.mean().map(|mean| mean.as_millis()), Some(59));
        assert_eq!(
            (seen.min().map(|min| min.as_millis()), seen.max().map(|max| max.as_millis())),
            (Some(9), Some(500))
        );
    }
}
