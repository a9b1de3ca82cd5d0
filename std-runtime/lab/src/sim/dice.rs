//! One generator for each entity.

use tidegate_core::Entropy;

use crate::mock::dice::{GOLDEN, fingerprint, mix, unit};
use crate::mock::rules::Delay;

/// SplitMix64, started from the seed and from who draws: a new entity shifts nobody else's numbers.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// The generator of entity `index` of those called `name`, for the purpose `role`.
    pub(super) fn of(seed: u64, role: &str, name: &str, index: u64) -> Self {
        let seeded = mix(seed.wrapping_add(GOLDEN)) ^ fingerprint(role.as_bytes());
        let named = mix(seeded.wrapping_add(GOLDEN)) ^ fingerprint(name.as_bytes());
        Self(mix(mix(named.wrapping_add(GOLDEN)).wrapping_add(index)))
    }

    pub(super) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    pub(super) fn entropy(&mut self) -> Entropy {
        Entropy::new((self.draw() >> 32) as u32)
    }

    /// A number below `limit`; zero where the limit is zero.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        // The high half of a product with a number below `limit` is itself below `limit`.
        ((u128::from(self.draw()) * u128::from(limit)) >> 64) as u64
    }

    /// A time in nanoseconds; nothing is drawn where it is always the same.
    pub(super) fn span_ns(&mut self, delay: Delay) -> u64 {
        let pair = match delay {
            Delay::Fixed(_) => (1.0, 1.0),
            Delay::Uniform { .. } | Delay::Exponential { .. } | Delay::Pareto { .. } => (unit(self.draw()), 1.0),
            Delay::LogNormal { .. } => (unit(self.draw()), unit(self.draw())),
        };
        // No delay is longer than a minute.
        delay.sample(pair).as_nanos() as u64
    }

    /// A time without memory around `mean_ns`, for arrivals that have nothing to do with each other. At most 37 means.
    pub(super) fn exponential_ns(&mut self, mean_ns: u64) -> u64 {
        (mean_ns as f64 * -libm::log(unit(self.draw()))) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_the_name_gives_other_numbers() {
        let first = |seed, role, name, index| Dice::of(seed, role, name, index).draw();
        let base = first(1, "link", "cars", 3);
        assert_eq!(base, first(1, "link", "cars", 3));
        for other in [
            first(2, "link", "cars", 3),
            first(1, "luck", "cars", 3),
            first(1, "link", "vans", 3),
            first(1, "link", "cars", 4),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn ten_thousand_neighbours_draw_evenly() {
        let mut bins = [0_u32; 100];
        (0..10_000).for_each(|index| bins[Dice::of(7, "luck", "cars", index).below(100) as usize] += 1);
        // 100 expected in each, standard deviation 10.
        assert!(bins.iter().all(|&count| (50..=150).contains(&count)), "{bins:?}");
    }

    #[test]
    fn the_exponential_has_its_mean() {
        let mut dice = Dice::of(7, "arrivals", "cars", 0);
        let sum: u64 = (0..20_000).map(|_| dice.exponential_ns(1_000_000)).sum();
        assert!((980_000..1_020_000).contains(&(sum / 20_000)), "a mean of {}", sum / 20_000);
    }
}
