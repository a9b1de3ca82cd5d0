//! Canonical Huffman codes, decoded without a lookup table.
//!
//! A canonical code is given by the length of each symbol's code alone: codes of one length are consecutive numbers, in
//! the order of the symbols, and shorter codes come first. So for each length it is enough to know how many codes there
//! are, and decoding compares the code so far with the first one of its length. That is the slow, small way of Mark
//! Adler's `puff.c` (zlib's contrib): two bytes a symbol instead of a table of thousands.

use crate::bits::Bits;

/// The longest code that DEFLATE allows.
pub(crate) const LENGTH_MAX: usize = 15;

/// The code of an alphabet of at most `SYMBOLS` symbols.
#[derive(Clone, Debug)]
pub(crate) struct Code<const SYMBOLS: usize> {
    /// How many codes there are of each length; nothing at length 0.
    counts: [u16; LENGTH_MAX + 1],
    /// The symbols in the order of their codes.
    symbols: [u16; SYMBOLS],
}

/// What a code makes of the bits at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// A symbol, whose code has been taken from the bits.
    Symbol(u16),
    /// The bits are the beginning of a code; nothing was taken.
    Hungry,
    /// No code begins like this.
    Unknown,
}

/// The lengths do not make a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum CodeError {
    /// More codes than there are bit patterns, or more symbols than the alphabet has.
    Oversubscribed,
    /// Bit patterns without a symbol, and more than one code.
    Incomplete,
}

impl<const SYMBOLS: usize> Code<SYMBOLS> {
    /// A code without symbols: all is [`Decoded::Unknown`].
    pub(crate) const EMPTY: Self = Self { counts: [0; LENGTH_MAX + 1], symbols: [0; SYMBOLS] };

    /// Builds the code from the length of each symbol's code; a length of 0 leaves the symbol out.
    ///
    /// # Errors
    /// Lengths above [`LENGTH_MAX`], more lengths than `SYMBOLS`, and lengths that do not fill the tree exactly. A tree
    /// with a single code of one bit, or none, is allowed, as in RFC 1951 for distances.
    pub(crate) fn assign(&mut self, lengths: &[u8]) -> Result<(), CodeError> {
        if lengths.len() > SYMBOLS {
            return Err(CodeError::Oversubscribed);
        }
        self.counts = [0; LENGTH_MAX + 1];
        for &length in lengths {
            let count = self.counts.get_mut(usize::from(length)).ok_or(CodeError::Oversubscribed)?;
            *count = count.saturating_add(1);
        }
        self.counts[0] = 0;
        self.check()?;

        // Where the symbols of each length begin.
        let mut places = [0u16; LENGTH_MAX + 1];
        let mut place = 0u16;
        for (start, &count) in places.iter_mut().zip(&self.counts) {
            *start = place;
            place = place.saturating_add(count);
        }
        for (symbol, &length) in (0..=u16::MAX).zip(lengths) {
            let Some(place) = places.get_mut(usize::from(length)).filter(|_| length > 0) else { continue };
            if let Some(slot) = self.symbols.get_mut(usize::from(*place)) {
                *slot = symbol;
            }
            *place = place.saturating_add(1);
        }
        Ok(())
    }

    /// Whether the codes use every bit pattern once.
    fn check(&self) -> Result<(), CodeError> {
        let (mut free, mut codes) = (1u32, 0u32);
        for &count in &self.counts[1..] {
            let count = u32::from(count);
            free = (free << 1).checked_sub(count).ok_or(CodeError::Oversubscribed)?;
            codes = codes.saturating_add(count);
        }
        let alone = codes == 0 || (codes == 1 && self.counts[1] == 1);
        if free == 0 || alone { Ok(()) } else { Err(CodeError::Incomplete) }
    }

    /// Takes the next code from `bits`.
    pub(crate) fn decode(&self, bits: &mut Bits) -> Decoded {
        // The code read so far, the first code of its length, and the place of that one's symbol.
        let (mut code, mut first, mut place) = (0u32, 0u32, 0u32);
        let (mut word, bits_at_hand) = bits.at_hand();
        for (length, &count) in (1..=LENGTH_MAX as u32).zip(&self.counts[1..]) {
            if length > bits_at_hand {
                return Decoded::Hungry;
            }
            code = (code << 1) | (word & 1);
            word >>= 1;
            first <<= 1;
            let nth = code.wrapping_sub(first);
            if nth < u32::from(count) {
                let Some(&symbol) = self.symbols.get(place.wrapping_add(nth) as usize) else { return Decoded::Unknown };
                bits.take(length);
                return Decoded::Symbol(symbol);
            }
            first = first.wrapping_add(u32::from(count));
            place = place.wrapping_add(u32::from(count));
        }
        Decoded::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(lengths: &[u8]) -> Result<Code<8>, CodeError> {
        let mut code = Code::EMPTY;
        code.assign(lengths).map(|()| code)
    }

    #[test]
    fn the_example_of_rfc_1951_decodes() {
        // Section 3.2.2: symbols A to H with lengths 3,3,3,3,3,2,4,4 have the codes 010, 011, 100, 101, 110, 00, 1110, 1111.
        let code = code(&[3, 3, 3, 3, 3, 2, 4, 4]).expect("a complete code");
        for (symbol, word) in ["010", "011", "100", "101", "110", "00", "1110", "1111"].iter().enumerate() {
            // The first bit of a code is the first bit of the stream.
            let byte = word.bytes().rev().fold(0u8, |byte, bit| byte << 1 | (bit - b'0'));
            let mut bits = Bits::new();
            bits.fill(&mut [byte].as_slice());
            assert_eq!(code.decode(&mut bits), Decoded::Symbol(symbol as u16), "{word}");
            assert_eq!(bits.at_hand().1, 8 - word.len() as u32, "{word}: as many bits taken as the code has");
        }
    }

    #[test]
    fn lengths_that_do_not_fill_the_tree_are_refused() {
        assert_eq!(code(&[1, 1, 1]).err(), Some(CodeError::Oversubscribed));
        assert_eq!(code(&[1, 2]).err(), Some(CodeError::Incomplete));
        assert_eq!(code(&[2]).err(), Some(CodeError::Incomplete));
        assert_eq!(code(&[16]).err(), Some(CodeError::Oversubscribed));
        assert_eq!(code(&[4; 9]).err(), Some(CodeError::Oversubscribed));
        assert!(code(&[0, 1]).is_ok(), "a single distance");
        assert!(code(&[0, 0]).is_ok(), "no distance at all");
    }

    #[test]
    fn a_code_that_has_only_begun_takes_nothing() {
        let code = code(&[3; 8]).expect("a complete code");
        let mut bits = Bits::new();
        bits.fill(&mut [0xffu8].as_slice());
        assert_eq!(bits.take(6), Some(0x3f));
        assert_eq!(code.decode(&mut bits), Decoded::Hungry);
        assert_eq!(bits.take(2), Some(3));
    }
}
