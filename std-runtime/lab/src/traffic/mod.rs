//! Traffic as users make it: when requests are due, and which tiles they are for.
//!
//! An open loop needs both without looking at the server. [`Traffic`] says when, in one of a few [`Shape`]s; [`Session`] says
//! which, as somebody does who pans and zooms.

mod session;
mod shape;

pub use session::Session;
pub use shape::Shape;

use std::time::Duration;

use serde::Serialize;
use tidegate_core::rate::Rate;

use shape::Stretch;

/// Requests over a stretch of time: how many when, and how evenly.
///
/// ```
/// use std::time::Duration;
/// use tidegate_core::rate::Rate;
/// use tidegate_lab::traffic::{Arrivals, Shape, Traffic};
///
/// let traffic =
///     Traffic { shape: Shape::Ramp, rate: Rate::per_second(50), span: Duration::from_secs(10), arrivals: Arrivals::Even };
/// assert_eq!(traffic.count(), 250); // half of what 50/s would have been
/// assert_eq!(traffic.due().count(), 250);
/// assert!(traffic.due().is_sorted());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// How the rate changes.
    pub shape: Shape,
    /// The rate, or the highest one where it changes.
    pub rate: Rate,
    /// How long it goes on.
    pub span: Duration,
    /// How evenly requests come at a given rate.
    pub arrivals: Arrivals,
}

/// How evenly requests come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// Each after the same time at the same rate. A server's queue is never shorter than with this.
    Even,
    /// As from many users who know nothing of each other (a Poisson process), from this seed.
    Random {
        /// What it repeats from.
        seed: u64,
    },
}

impl Arrivals {
    /// What reports call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Even => "even",
            Self::Random { .. } => "random",
        }
    }
}

impl Serialize for Arrivals {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Traffic {
    /// The times since the start at which requests are due, in ascending order and all before the span is over.
    pub fn due(&self) -> Due {
        let chance = match self.arrivals {
            Arrivals::Even => None,
            Arrivals::Random { seed } => Some(fastrand::Rng::with_seed(seed)),
        };
        let mut due = Due { traffic: *self, chance, total: self.expected(), next: 0.0, stretch: 0, before: 0.0 };
        // Even ones begin with one; random ones with a wait for it.
        due.next = due.chance.as_mut().map_or(0.0, gap);
        due
    }

    /// How many requests are due in all: exactly where they come evenly, on average where they come at random.
    pub fn count(&self) -> u64 {
        (self.expected() - ROUNDING).ceil().max(0.0) as u64
    }

    /// The highest rate, per second.
    pub fn per_second_max(&self) -> f64 {
        f64::from(self.rate.count) / self.rate.period.as_secs_f64()
    }

    /// What the rate is at a time since the start, per second.
    pub fn per_second_at(&self, at: Duration) -> f64 {
        let share = at.as_secs_f64() / self.span.as_secs_f64();
        let mut from = 0.0;
        for stretch in self.shape.stretches() {
            if share < from + stretch.share {
                let within = (share - from) / stretch.share;
                return self.per_second_max() * (stretch.first + (stretch.last - stretch.first) * within);
            }
            from += stretch.share;
        }
        0.0
    }

    fn expected(&self) -> f64 {
        self.shape.stretches().iter().map(|stretch| self.area(stretch)).sum()
    }

    /// How many requests a stretch has.
    fn area(&self, stretch: &Stretch) -> f64 {
        self.per_second_max() * self.span.as_secs_f64() * stretch.share * stretch.mean()
    }
}

/// The times of a [`Traffic`], one by one.
#[derive(Clone, Debug)]
pub struct Due {
    traffic: Traffic,
    chance: Option<fastrand::Rng>,
    total: f64,
    /// How many requests there are before the next one; not a whole number where they come at random.
    next: f64,
    stretch: usize,
    /// How many requests there are before this stretch.
    before: f64,
}

impl Iterator for Due {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        if self.next > self.total - ROUNDING {
            return None;
        }
        let stretches = self.traffic.shape.stretches();
        let (stretch, area) = loop {
            let stretch = stretches.get(self.stretch)?;
            let area = self.traffic.area(stretch);
            if self.next < self.before + area || self.stretch + 1 == stretches.len() {
                break (stretch, area);
            }
            self.before += area;
            self.stretch += 1;
        };
        let from: f64 = stretches[..self.stretch].iter().map(|stretch| stretch.share).sum();
        let within = stretch.when((self.next - self.before) / area.max(f64::MIN_POSITIVE));
        let at = self.traffic.span.mul_f64((from + stretch.share * within).clamp(0.0, 1.0));
        self.next += self.chance.as_mut().map_or(1.0, gap);
        Some(at)
    }
}

/// How far it is to the next of requests that have nothing to do with each other, 1 on average.
fn gap(chance: &mut fastrand::Rng) -> f64 {
    // The logarithm of what lies above zero is finite.
    -libm::log(1.0 - chance.f64())
}

/// Sums of shares are not exact, and the request at the very end of a span is not in it.
const ROUNDING: f64 = 1e-6;

#[cfg(test)]
mod tests {
    use super::*;

    fn traffic(shape: Shape, per_second: u32, seconds: u64) -> Traffic {
        let (rate, span) = (Rate::per_second(per_second), Duration::from_secs(seconds));
        Traffic { shape, rate, span, arrivals: Arrivals::Even }
    }

    /// How many are due in each tenth of the span.
    fn tenths(traffic: &Traffic) -> [usize; 10] {
        let mut counts = [0; 10];
        for at in traffic.due() {
            let tenth = (at.as_nanos() * 10 / traffic.span.as_nanos()) as usize;
            counts[tenth.min(9)] += 1;
        }
        counts
    }

    #[test]
    fn steady_traffic_comes_at_exact_intervals_and_ends_with_its_span() {
        let due: Vec<Duration> = traffic(Shape::Steady, 50, 2).due().collect();
        assert_eq!(due.len(), 100);
        for (number, at) in due.iter().enumerate() {
            let wanted = Duration::from_millis(20 * number as u64);
            assert!(at.abs_diff(wanted) < Duration::from_nanos(10), "{number} at {at:?} and not at {wanted:?}");
        }
    }

    #[test]
    fn a_rate_of_less_than_one_a_second_is_kept() {
        let rate = Rate { count: 90, period: Duration::from_secs(3_600) };
        let traffic = Traffic { rate, ..traffic(Shape::Steady, 1, 7_200) };
        assert_eq!((traffic.count(), traffic.due().nth(1)), (180, Some(Duration::from_secs(40))));
    }

    #[test]
    fn a_ramp_rises_evenly_from_nothing_to_the_rate() {
        let counts = tenths(&traffic(Shape::Ramp, 100, 100));
        // 100/s × 10 s × the mean share of each tenth: 5 %, 15 %, … 95 %.
        for (tenth, count) in counts.iter().enumerate() {
            assert!(count.abs_diff(50 + 100 * tenth) <= 1, "{counts:?}");
        }
    }

    #[test]
    fn bursts_are_five_times_what_is_between_them() {
        let burst = traffic(Shape::Burst, 100, 100);
        // Five rounds of 20 s: 16 s at 20/s and 4 s at 100/s.
        assert_eq!(burst.count(), 5 * (16 * 20 + 4 * 100));
        assert_eq!(tenths(&burst), [200, 6 * 20 + 400, 200, 520, 200, 520, 200, 520, 200, 520]);
        assert_eq!(burst.per_second_at(Duration::from_secs(3)), 20.0);
        assert_eq!(burst.per_second_at(Duration::from_secs(18)), 100.0);
    }

    #[test]
    fn a_day_has_a_night_and_two_peaks() {
        let day = traffic(Shape::Diurnal, 100, 240);
        let at = |hour: u64| day.per_second_at(Duration::from_secs(10 * hour)).round() as u64;
        assert_eq!((at(0), at(4), at(8), at(12), at(17)), (12, 5, 90, 70, 100));
        assert_eq!(day.per_second_at(Duration::from_secs(240)), 0.0, "it is over");
        let hour: Vec<usize> = (0..24).map(|hour| day.due().filter(|at| at.as_secs() / 10 == hour).count()).collect();
        assert!(hour[3] < 80 && hour[17] > 900, "{hour:?}");
    }

    #[test]
    fn every_shape_gives_as_many_as_it_says_in_order_and_within_its_span() {
        for shape in Shape::ALL {
            for (per_second, seconds) in [(1, 1), (3, 7), (50, 30), (997, 11)] {
                let traffic = traffic(shape, per_second, seconds);
                let due: Vec<Duration> = traffic.due().collect();
                assert_eq!(due.len() as u64, traffic.count(), "{traffic:?}");
                assert!(due.is_sorted() && due.last().is_none_or(|last| *last < traffic.span), "{traffic:?}");
            }
        }
    }

    #[test]
    fn what_comes_at_random_has_the_rate_the_spread_and_the_seed() {
        let random = |seed| Traffic { arrivals: Arrivals::Random { seed }, ..traffic(Shape::Steady, 100, 100) };
        let due: Vec<Duration> = random(7).due().collect();
        // 10,000 on average, standard deviation 100.
        assert!((9_500..=10_500).contains(&due.len()), "{}", due.len());
        let gaps = || due.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64() * 100.0);
        let mean = gaps().sum::<f64>() / (due.len() - 1) as f64;
        let variance = gaps().map(|gap| (gap - mean).powi(2)).sum::<f64>() / (due.len() - 2) as f64;
        assert!((mean - 1.0).abs() < 0.05 && (variance - 1.0).abs() < 0.1, "{mean} {variance}");
        assert!(due.is_sorted() && random(7).due().eq(due) && !random(7).due().eq(random(8).due()));
    }
}
