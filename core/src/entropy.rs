//! Randomness as an argument.
//!
//! The core owns no generator and has no default seed. A caller with a generator wraps one of its words; a device that
//! has none mixes one purely from what tells it apart from its neighbours, so that ten thousand devices that boot
//! together still spread out.

/// 32 random bits, used for one decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Entropy(u32);

impl Entropy {
    /// Entropy from a word of the caller's generator. All 32 bits are used.
    pub const fn new(word: u32) -> Self {
        Self(word)
    }

    /// Entropy for a device without a generator: a pure mix of a seed chosen for the fleet, what identifies the device
    /// (a serial number, an Ethernet address) and a count that never repeats on it (of attempts, say).
    ///
    /// The mix is the finaliser of SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number
    /// Generators", 2014), applied once per input.
    ///
    /// ```
    /// # use tidegate_core::Entropy;
    /// assert_eq!(Entropy::mix(1, 2, 3), Entropy::mix(1, 2, 3));
    /// assert_ne!(Entropy::mix(1, 2, 3), Entropy::mix(1, 3, 3)); // the neighbour's device
    /// ```
    pub const fn mix(seed: u64, device: u64, count: u64) -> Self {
        let word = finalise(finalise(finalise(seed).wrapping_add(device)).wrapping_add(count));
        Self((word >> 32) as u32)
    }

    /// A second, unrelated word for another use within the same decision.
    #[must_use = "the original is left as it was"]
    pub(crate) const fn derive(self, salt: u32) -> Self {
        // lowbias32 (Wellons, "Prospecting for Hash Functions"): 32-bit only, as a Cortex-M0 has no 64-bit multiply.
        let mut word = self.0 ^ salt;
        word = (word ^ (word >> 16)).wrapping_mul(0x7feb_352d);
        word = (word ^ (word >> 15)).wrapping_mul(0x846c_a68b);
        Self(word ^ (word >> 16))
    }

    /// A number from 0 up to and including `limit`, uniform to one part in 2^32, without a division.
    pub(crate) const fn up_to(self, limit: u64) -> u64 {
        // limit + 1 choices scaled by word / 2^32, in two halves because a 128-bit product is dear on a small device.
        let choices = limit.saturating_add(1);
        let word = self.0 as u64;
        (choices >> 32) * word + (((choices & 0xffff_ffff) * word) >> 32)
    }
}

const fn finalise(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix_gives_the_known_words_of_splitmix64() {
        // finalise(0) is the first word of the published generator seeded with zero.
        assert_eq!(finalise(0), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn words_are_mixed_as_published() {
        // By the same constants, outside of this code.
        assert_eq!(Entropy::mix(0, 0, 0), Entropy(0x2382_75bc));
        assert_eq!(Entropy::mix(1, 2, 3), Entropy(0x6ae5_15c1));
        let derived = [(0, 0), (1, 0), (0xdead_beef, 0), (0xdead_beef, 0x9e37_79b9)].map(|(word, salt)| {
            let Entropy(derived) = Entropy::new(word).derive(salt);
            derived
        });
        assert_eq!(derived, [0, 0x6889_90c0, 0xe628_c683, 0xa7b7_6319]);
    }

    #[test]
    fn up_to_scales_the_word_whatever_the_size_of_the_limit() {
        let half = Entropy::new(1 << 31);
        for (limit, expected) in
            [(0, 0), (1, 1), (99, 50), (u64::from(u32::MAX), 1 << 31), ((6 << 32) + 9, (3 << 32) + 5)]
        {
            assert_eq!(half.up_to(limit), expected, "half of 0 to {limit}");
        }
    }

    #[test]
    fn up_to_reaches_both_ends_and_never_exceeds_its_limit() {
        for limit in [0, 1, 2, 7, 1 << 20, u64::from(u32::MAX), 1 << 40, u64::MAX >> 1, u64::MAX] {
            assert_eq!(Entropy::new(0).up_to(limit), 0);
            let top = Entropy::new(u32::MAX).up_to(limit);
            assert!(top <= limit, "{top} exceeds {limit}");
            // Within one part in 2^32 of the limit: the upper end is used.
            assert!(limit - top <= limit >> 31, "{top} is far below {limit}");
        }
    }

    #[test]
    fn devices_that_boot_together_spread_out() {
        let mut bins = [0u32; 100];
        for device in 0..10_000 {
            bins[Entropy::mix(7, device, 0).up_to(99) as usize] += 1;
        }
        // 100 expected per bin, standard deviation 10.
        assert!(bins.iter().all(|&n| (50..=150).contains(&n)), "{bins:?}");
    }
}
