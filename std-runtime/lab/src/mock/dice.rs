//! Randomness that depends on what is asked, not on when.
//!
//! A fault drawn from one running generator would change with every change of the order in which requests arrive. So
//! each decision is a pure function of the seed, of the tile and of how many times this tile has been asked for.
//! The mixing step is the finaliser of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
//! generators", 2014).

use tidegate_core::TileId;

/// The draws that belong to one request. Draws of different lanes are independent of each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dice(u64);

/// What a draw is for, so that a new use does not shift the others.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lane {
    /// Which fault, if any.
    Fault = 1,
    /// The latency.
    Latency = 2,
    /// The time that a worker of the pool takes.
    Service = 3,
    /// Where a body is cut.
    Cut = 4,
    /// Which of several shapes a fault takes.
    Shape = 5,
}

impl Dice {
    pub(super) fn new(seed: u64, key: u64, ask: u32) -> Self {
        let seeded = mix(seed.wrapping_add(GOLDEN));
        Self(mix(mix(seeded ^ key).wrapping_add(u64::from(ask))))
    }

    /// 64 random bits.
    pub(super) fn draw(self, lane: Lane) -> u64 {
        mix(self.0.wrapping_add(GOLDEN.wrapping_mul(lane as u64)))
    }

    /// A number below `limit`; zero where the limit is zero. The bias is below 2^-32 for the limits used here.
    pub(super) fn below(self, lane: Lane, limit: u64) -> u64 {
        // The high half of a product with a number below `limit` is itself below `limit`.
        ((u128::from(self.draw(lane)) * u128::from(limit)) >> 64) as u64
    }

    /// Two independent numbers, each above 0 and at most 1.
    pub(super) fn pair(self, lane: Lane) -> (f64, f64) {
        let first = self.draw(lane);
        (unit(first), unit(mix(first.wrapping_add(GOLDEN))))
    }
}

/// Bits below 2^61 that no other tile has: a one that tells the zoom, then column and row.
pub(super) const fn tile_bits(tile: TileId) -> u64 {
    1 << (2 * tile.z()) | (tile.x() as u64) << tile.z() | tile.y() as u64
}

/// FNV-1a over 64 bits: the same on every machine and in every build, which an entity tag has to be.
pub(crate) fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// The finaliser of SplitMix64.
pub(crate) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The upper 53 bits as a number above 0 and at most 1, so that its logarithm is finite.
pub(crate) fn unit(bits: u64) -> f64 {
    ((bits >> 11) + 1) as f64 / (1_u64 << 53) as f64
}

/// 2^64 divided by the golden ratio, the increment of SplitMix64.
pub(crate) const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixing_gives_the_published_first_outputs_of_splitmix64() {
        assert_eq!(mix(GOLDEN), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mix(GOLDEN.wrapping_mul(2)), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn fingerprints_are_those_of_fnv_1a() {
        assert_eq!(fingerprint(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fingerprint(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fingerprint(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn tiles_have_bits_of_their_own_even_at_the_corners() {
        let last = (1 << 30) - 1;
        let corners =
            [(30, last, last), (30, last, 0), (30, 0, last), (30, 0, 0), (29, 0, 0), (1, 1, 0), (1, 0, 1), (0, 0, 0)];
        let tiles = corners.map(|(z, x, y)| TileId::new(z, x, y).expect("on the map"));
        let mut bits = tiles.map(tile_bits);
        bits.sort_unstable();
        assert!(bits.windows(2).all(|pair| pair[0] < pair[1]) && bits[7] < 1 << 61, "{bits:?}");
    }

    #[test]
    fn a_draw_changes_with_each_of_its_inputs_and_with_nothing_else() {
        let draw = |seed, key, ask, lane| Dice::new(seed, key, ask).draw(lane);
        let base = draw(1, 2, 3, Lane::Fault);
        assert_eq!(base, draw(1, 2, 3, Lane::Fault));
        for other in [
            draw(2, 2, 3, Lane::Fault),
            draw(1, 3, 3, Lane::Fault),
            draw(1, 2, 4, Lane::Fault),
            draw(1, 2, 3, Lane::Cut),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn bounded_draws_fill_their_range_evenly() {
        let mut seen = [0_u32; 8];
        for key in 0..8_000 {
            seen[Dice::new(7, key, 0).below(Lane::Cut, 8) as usize] += 1;
        }
        assert!(seen.iter().all(|count| (850..1_150).contains(count)), "{seen:?}");
        assert_eq!(Dice::new(7, 1, 0).below(Lane::Cut, 0), 0);
    }

    #[test]
    fn units_are_never_zero_and_never_above_one() {
        assert!(unit(0) > 0.0);
        assert!(unit(u64::MAX) <= 1.0);
    }
}
