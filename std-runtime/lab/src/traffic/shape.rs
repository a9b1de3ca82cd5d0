//! How a rate changes over time.

/// How a rate changes over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// It stays the same.
    Steady,
    /// It rises evenly from nothing: where does it begin to hurt?
    Ramp,
    /// Five rounds of a fifth of the rate, and at the end of each, for a fifth of it, the whole: what is left of one burst
    /// when the next one comes?
    Burst,
    /// One day from midnight to midnight: a quiet night, a peak in the morning and a higher one in the afternoon. Made up,
    /// not recorded.
    Diurnal,
}

impl Shape {
    /// Every shape.
    pub const ALL: [Self; 4] = [Self::Steady, Self::Ramp, Self::Burst, Self::Diurnal];

    /// What it is called on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Ramp => "ramp",
            Self::Burst => "burst",
            Self::Diurnal => "diurnal",
        }
    }

    /// What it is made of.
    pub(super) const fn stretches(self) -> &'static [Stretch] {
        match self {
            Self::Steady => &[Stretch { share: 1.0, first: 1.0, last: 1.0 }],
            Self::Ramp => &[Stretch { share: 1.0, first: 0.0, last: 1.0 }],
            Self::Burst => &BURSTS,
            Self::Diurnal => &DAY,
        }
    }
}

/// A part of a shape in which the rate goes in a straight line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    /// Of the whole time.
    pub(super) share: f64,
    /// Of the highest rate, at its beginning …
    pub(super) first: f64,
    /// … and at its end.
    pub(super) last: f64,
}

impl Stretch {
    pub(super) const fn mean(&self) -> f64 {
        (self.first + self.last) / 2.0
    }

    /// After which share of its time this share of its requests has come.
    pub(super) fn when(&self, share: f64) -> f64 {
        // first t + (last − first) t²/2 = area, solved in the form that loses no digits where the line is almost level.
        let area = share.clamp(0.0, 1.0) * self.mean();
        let root = (self.first * self.first + 2.0 * (self.last - self.first) * area).max(0.0).sqrt();
        let below = self.first + root;
        if below > 0.0 { 2.0 * area / below } else { 0.0 }
    }
}

const BURSTS: [Stretch; 10] = {
    let calm = Stretch { share: 0.16, first: 0.2, last: 0.2 };
    let burst = Stretch { share: 0.04, first: 1.0, last: 1.0 };
    [calm, burst, calm, burst, calm, burst, calm, burst, calm, burst]
};

const DAY: [Stretch; 24] = {
    let mut day = [Stretch { share: 1.0 / 24.0, first: 0.0, last: 0.0 }; 24];
    let mut hour = 0;
    while hour < 24 {
        day[hour].first = PERCENT[hour] as f64 / 100.0;
        day[hour].last = PERCENT[(hour + 1) % 24] as f64 / 100.0;
        hour += 1;
    }
    day
};

/// Of the highest rate, at the beginning of each hour.
const PERCENT: [u8; 24] = [12, 8, 6, 5, 5, 12, 30, 65, 90, 80, 68, 66, 70, 70, 72, 80, 92, 100, 95, 75, 58, 44, 32, 20];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stretches_of_a_shape_are_its_whole_time_and_reach_the_rate() {
        for shape in Shape::ALL {
            let stretches = shape.stretches();
            let share: f64 = stretches.iter().map(|stretch| stretch.share).sum();
            assert!((share - 1.0).abs() < 1e-9, "{shape:?}: {share}");
            let highest = stretches.iter().flat_map(|s| [s.first, s.last]).fold(0.0, f64::max);
            assert_eq!(highest, 1.0, "{shape:?}");
        }
    }

    #[test]
    fn a_share_of_the_requests_has_come_when_the_area_below_the_line_is_that_share() {
        for (first, last) in [(1.0, 1.0), (0.0, 1.0), (1.0, 0.0), (0.3, 0.300_000_001), (0.9, 0.2)] {
            let stretch = Stretch { share: 1.0, first, last };
            for percent in 0..=100 {
                let (share, at) = (f64::from(percent) / 100.0, stretch.when(f64::from(percent) / 100.0));
                let area = first * at + (last - first) * at * at / 2.0;
                assert!((area - share * stretch.mean()).abs() < 1e-9, "{stretch:?} at {percent} %: {at}");
            }
        }
        assert_eq!(Stretch { share: 1.0, first: 0.0, last: 0.0 }.when(0.5), 0.0, "nothing ever comes");
    }
}
