//! Bits out of bytes, least significant first, as DEFLATE wants them.

/// Up to 32 bits that have been received and not yet understood.
///
/// Invariant: bits above `count` are zero.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bits {
    word: u32,
    count: u32,
}

impl Bits {
    /// No bits.
    pub(crate) const fn new() -> Self {
        Self { word: 0, count: 0 }
    }

    /// Moves bytes from the front of `input` in here, as many as fit.
    pub(crate) fn fill(&mut self, input: &mut &[u8]) {
        while self.count <= 24 {
            let Some((&byte, rest)) = input.split_first() else { return };
            self.word |= u32::from(byte) << self.count;
            self.count += 8;
            *input = rest;
        }
    }

    /// Takes the next `count` bits, at most 16; `None` while there are fewer.
    pub(crate) fn take(&mut self, count: u32) -> Option<u32> {
        debug_assert!(count <= 16, "more bits than a step of DEFLATE has");
        if count > self.count {
            return None;
        }
        let value = self.word & !(u32::MAX << (count & 31));
        self.drop(count);
        Some(value)
    }

    /// All bits, the next one lowest, and how many there are.
    pub(crate) const fn at_hand(&self) -> (u32, u32) {
        (self.word, self.count)
    }

    /// Drops what is left of a byte that has been begun.
    pub(crate) fn align(&mut self) {
        self.drop(self.count % 8);
    }

    /// Whether there is nothing left.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn drop(&mut self, count: u32) {
        self.word >>= count & 31;
        self.count = self.count.saturating_sub(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_least_significant_first_and_across_bytes() {
        let mut bits = Bits::new();
        let mut input: &[u8] = &[0b1010_0110, 0b0000_1111];
        bits.fill(&mut input);
        assert_eq!(bits.take(3), Some(0b110));
        assert_eq!(bits.take(9), Some(0b1_1111_0100));
        bits.align();
        assert!(bits.is_empty(), "four bits of the second byte were left, and dropped");
    }

    #[test]
    fn too_few_bits_are_left_alone() {
        let mut bits = Bits::new();
        bits.fill(&mut [0xffu8].as_slice());
        assert_eq!(bits.take(9), None);
        assert_eq!(bits.take(8), Some(0xff));
    }

    #[test]
    fn a_full_word_takes_no_more() {
        let mut bits = Bits::new();
        let mut input: &[u8] = &[1, 2, 3, 4, 5];
        bits.fill(&mut input);
        assert_eq!(input, &[5]);
    }
}
