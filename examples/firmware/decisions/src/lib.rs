//! What the core decides on given inputs, as one number: the same on every processor.
//!
//! The inputs are fixed; the decisions are folded into a hash. A host's test, a Cortex-M3, a Cortex-M0 and a RISC-V core
//! all compare theirs with [`EXPECTED`].
#![no_std]
#![forbid(unsafe_code)]

mod calls;
mod words;

use tidegate_core::Gate;

/// The hash of all decisions in this crate. A change of it is a change of what the core decides.
pub const EXPECTED: u64 = 0x51d8_3c1c_d91a_227d;

/// Takes all the decisions and gives their hash, with the gate that took most of them.
pub fn digest() -> (u64, Gate) {
    let mut hash = Hash::new();
    words::time(&mut hash);
    words::entropy(&mut hash);
    words::http(&mut hash);
    words::tiles(&mut hash);
    let gate = calls::play(&mut hash);
    (hash.0, gate)
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
        let (digest, _) = super::digest();
        assert_eq!(digest, super::EXPECTED, "decisions changed: the digest is {digest:#018x}");
    }
}
