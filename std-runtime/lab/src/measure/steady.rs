//! The middle of a run: first and last tenth dropped.
//!
//! At the start connections are opened and no queue has formed; at the end workers run dry one after another. Both ends
//! are slower per second than the load under test, and the more so the higher the concurrency.

/// The part of a run that counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Steady<'a, T> {
    /// What completed in it, in order of completion.
    pub samples: &'a [T],
    /// How long it took, in microseconds: from the completion before its first sample to that of its last.
    pub elapsed_us: u64,
}

impl<'a, T> Steady<'a, T> {
    /// Sorts `samples` by completion and keeps the middle: without the first and the last tenth (rounded down each).
    ///
    /// `started_us` is when the run began, on the clock of `completed_us`; it matters below ten samples only, where
    /// nothing is dropped.
    pub fn of(samples: &'a mut [T], started_us: u64, completed_us: impl Fn(&T) -> u64) -> Self {
        samples.sort_by_key(&completed_us);
        let dropped = samples.len() / 10;
        let began = dropped.checked_sub(1).and_then(|index| samples.get(index)).map_or(started_us, &completed_us);
        let kept = &samples[dropped..samples.len() - dropped];
        let ended = kept.last().map_or(began, &completed_us);
        Self { samples: kept, elapsed_us: ended.saturating_sub(began) }
    }

    /// Completions per second; `None` if nothing completed or no time passed.
    pub fn per_second(&self) -> Option<f64> {
        let measured = !self.samples.is_empty() && self.elapsed_us > 0;
        measured.then(|| self.samples.len() as f64 * 1e6 / self.elapsed_us as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_tenth_by_completion_are_dropped() {
        let mut completions: Vec<u64> = (1..=20).rev().map(|i| i * 1_000).collect();
        let steady = Steady::of(&mut completions, 0, |&at| at);
        assert_eq!(steady.samples.first().zip(steady.samples.last()), Some((&3_000, &18_000)));
        // 16 completions in the 16 ms from the second to the eighteenth.
        assert_eq!((steady.samples.len(), steady.elapsed_us), (16, 16_000));
        assert_eq!(steady.per_second(), Some(1_000.0));
    }

    #[test]
    fn a_slow_start_and_a_slow_end_do_not_count() {
        // One per millisecond in the middle, ten times slower at both ends.
        let mut at = 0;
        let mut completions: Vec<u64> = (0..100)
            .map(|i| {
                at += if (10..90).contains(&i) { 1_000 } else { 10_000 };
                at
            })
            .collect();
        assert_eq!(Steady::of(&mut completions, 0, |&at| at).per_second(), Some(1_000.0));
    }

    #[test]
    fn below_ten_samples_nothing_is_dropped_and_the_start_counts() {
        let mut completions = [500_000, 1_000_000];
        let steady = Steady::of(&mut completions, 0, |&at| at);
        assert_eq!((steady.samples.len(), steady.per_second()), (2, Some(2.0)));
    }

    #[test]
    fn no_samples_or_no_time_give_no_rate() {
        assert_eq!(Steady::of(&mut [], 5, |&at: &u64| at).per_second(), None);
        assert_eq!(Steady::of(&mut [5; 40], 5, |&at| at).per_second(), None);
        // A start after the completions, from a clock read too late, is no time rather than a wrap.
        assert_eq!(Steady::of(&mut [5], 9, |&at| at).per_second(), None);
    }
}
