//! The CRC-32 of gzip, PNG and Ethernet, half a byte at a time: a table of 64 bytes.

/// The check value of the bytes so far.
#[derive(Clone, Debug)]
pub(crate) struct Crc32(u32);

impl Crc32 {
    /// Of no bytes.
    pub(crate) const fn new() -> Self {
        Self(u32::MAX)
    }

    /// Adds bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 ^= u32::from(byte);
            for _ in 0..2 {
                self.0 = (self.0 >> 4) ^ TABLE[(self.0 & 0xf) as usize];
            }
        }
    }

    /// The check value.
    pub(crate) const fn value(&self) -> u32 {
        !self.0
    }
}

/// What four bits that leave the register do to the rest of it.
const TABLE: [u32; 16] = {
    let mut table = [0; 16];
    let mut bits = 0;
    while bits < 16 {
        let mut word = bits as u32;
        let mut step = 0;
        while step < 4 {
            word = (word >> 1) ^ if word & 1 == 1 { POLYNOMIAL } else { 0 };
            step += 1;
        }
        table[bits] = word;
        bits += 1;
    }
    table
};

/// x^32 + x^26 + x^23 + … + 1, its lowest power in the highest bit.
const POLYNOMIAL: u32 = 0xedb8_8320;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_is_the_published_one() {
        let mut crc32 = Crc32::new();
        crc32.update(b"1234");
        crc32.update(b"56789");
        assert_eq!(crc32.value(), 0xcbf4_3926);
    }
}
