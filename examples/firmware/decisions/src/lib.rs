//! What the core decides on given inputs, as one number: the same on every processor.
//!
//! The inputs are fixed; the decisions are folded into a hash. A host's test, a Cortex-M3, a Cortex-M0 and a RISC-V core
//! all compare theirs with [`EXPECTED`].
#![no_std]
#![forbid(unsafe_code)]

use core::time::Duration;

use tidegate_core::{Entropy, Instant, time::TickExtender};

/// The hash of all decisions in this crate. A change of it is a change of what the core decides.
pub const EXPECTED: u64 = 0x2b6f_2e70_8669_3170;

/// Takes all the decisions and gives their hash.
pub fn digest() -> u64 {
    let mut hash = Hash::new();
    time(&mut hash);
    entropy(&mut hash);
    hash.0
}

/// Ticks that wrap, at rates that do and do not divide a second, and arithmetic at both ends.
fn time(hash: &mut Hash) {
    let mut ticks = TickExtender::new();
    let mut reading = 0u32;
    for round in 0..200u32 {
        reading = reading.wrapping_add(round.wrapping_mul(0x0123_4567));
        let count = ticks.extend(reading);
        hash.add(count);
        for hz in [1, 1_000, 32_768, 12_500_000, u32::MAX] {
            hash.add(Instant::from_ticks(count, hz).as_nanos());
        }
    }
    for instant in [Instant::ORIGIN, Instant::from_secs(1), Instant::MAX] {
        for span in [Duration::ZERO, Duration::from_millis(1), Duration::MAX] {
            let later = instant.saturating_add(span);
            hash.add(later.as_nanos());
            hash.add(later.saturating_since(instant).as_secs());
        }
    }
}

/// What devices that boot together draw.
fn entropy(hash: &mut Hash) {
    for device in 0..16 {
        for count in 0..16 {
            // The word itself is private to the core; equality is what can be observed.
            let word = Entropy::mix(7, device, count);
            hash.add(u64::from(word == Entropy::mix(7, count, device)));
        }
    }
}

/// FNV-1a over eight bytes at a time.
struct Hash(u64);

impl Hash {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x0000_0100_0000_01b3);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_decisions_are_the_expected_ones() {
        assert_eq!(super::digest(), super::EXPECTED, "decisions changed: digest is {:#018x}", super::digest());
    }
}
