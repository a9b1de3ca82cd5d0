//! Walks through a DEFLATE stream (RFC 1951) without inflating it.
//!
//! Inflating wants the last 32 KiB of output at hand, half the RAM of the board and more, for each tile under way.
//! Following the codes wants only the codes: about a kilobyte. That is enough to know that the stream is complete, that
//! each code exists, that no copy reaches back before the beginning, and how many bytes would come out. What it cannot
//! know is whether those bytes are the right ones: a changed literal passes, and the CRC over the output cannot be
//! computed. TCP's checksum and the trailer's length have to do for that.

use crate::{
    bits::Bits,
    huffman::{Code, CodeError, Decoded},
};

/// A stream that is being followed.
#[derive(Clone, Debug)]
pub(crate) struct Walk {
    state: State,
    /// The running block is the last one.
    last: bool,
    /// Bytes that would have come out so far.
    produced: u64,
    literals: Code<LITERALS>,
    /// The code of distances; while the head of a block is read, the code in which its code lengths are written.
    distances: Code<DISTANCES>,
    /// Code lengths of both alphabets, one after the other, as the head of a block announces them; before that, those
    /// of the code in which they are written.
    lengths: heapless::Vec<u8, { LITERALS + DISTANCES }>,
}

/// Where a [`Walk`] has got to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// A step was made; there may be more in the bits at hand.
    Stepped,
    /// More bits are wanted.
    Hungry,
    /// The last block has ended.
    Ended,
}

/// Why this is not a DEFLATE stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum DeflateError {
    /// The reserved kind of block.
    BlockKind,
    /// A stored block whose length and its complement disagree.
    StoredLength,
    /// The head of a block announces an impossible number of codes, or repeats a length before the first.
    CodeLengths,
    /// The announced lengths do not make a code.
    Code(CodeError),
    /// Bits that begin no code, or a symbol without a meaning.
    Symbol,
    /// A copy from before the beginning of the output.
    Distance,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    BlockHead,
    StoredLength,
    StoredComplement { length: u16 },
    Stored { left: u16 },
    CodeCounts,
    CodeLengths { counts: Counts, seen: u8, of: u8 },
    Lengths { counts: Counts },
    Repeat { counts: Counts, length: u8, bits: u32, least: u8 },
    Symbol,
    Length { base: u16, bits: u32 },
    DistanceSymbol { length: u16 },
    Distance { length: u16, base: u16, bits: u32 },
    Ended,
}

/// How many lengths the head of a block with codes of its own announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counts {
    literals: u16,
    all: u16,
}

impl Walk {
    /// At the beginning of a stream.
    pub(crate) const fn new() -> Self {
        Self {
            state: State::BlockHead,
            last: false,
            produced: 0,
            literals: Code::EMPTY,
            distances: Code::EMPTY,
            lengths: heapless::Vec::new(),
        }
    }

    /// Bytes that would have come out so far.
    pub(crate) const fn produced(&self) -> u64 {
        self.produced
    }

    /// Makes one step with the bits at hand.
    ///
    /// # Errors
    /// The stream is not DEFLATE; nothing more can be learnt from it.
    pub(crate) fn step(&mut self, bits: &mut Bits) -> Result<Progress, DeflateError> {
        match self.follow(bits)? {
            Some(State::Ended) => {
                self.state = State::Ended;
                Ok(Progress::Ended)
            }
            Some(next) => {
                self.state = next;
                Ok(Progress::Stepped)
            }
            None => Ok(Progress::Hungry),
        }
    }

    /// The state after the next step; `None` while the bits do not suffice.
    fn follow(&mut self, bits: &mut Bits) -> Result<Option<State>, DeflateError> {
        match self.state {
            State::BlockHead => self.block_head(bits),
            State::StoredLength => {
                bits.align();
                Ok(bits.take(16).map(|length| State::StoredComplement { length: length as u16 }))
            }
            State::StoredComplement { length } => match bits.take(16) {
                None => Ok(None),
                Some(complement) if complement as u16 == !length => Ok(Some(State::Stored { left: length })),
                Some(_) => Err(DeflateError::StoredLength),
            },
            State::Stored { left } => Ok(self.stored(bits, left)),
            State::CodeCounts => self.code_counts(bits),
            State::CodeLengths { counts, seen, of } => self.code_length(bits, counts, seen, of),
            State::Lengths { counts } => self.length(bits, counts),
            State::Repeat { counts, length, bits: extra, least } => match bits.take(extra) {
                None => Ok(None),
                Some(more) => self.repeat(counts, length, usize::from(least).saturating_add(more as usize)),
            },
            State::Symbol => self.symbol(bits),
            State::Length { base, bits: extra } => {
                Ok(bits.take(extra).map(|more| State::DistanceSymbol { length: base.saturating_add(more as u16) }))
            }
            State::DistanceSymbol { length } => match self.distances.decode(bits) {
                Decoded::Hungry => Ok(None),
                Decoded::Unknown => Err(DeflateError::Symbol),
                Decoded::Symbol(symbol) => {
                    let (base, bits) = *DISTANCE.get(usize::from(symbol)).ok_or(DeflateError::Symbol)?;
                    Ok(Some(State::Distance { length, base, bits: u32::from(bits) }))
                }
            },
            State::Distance { length, base, bits: extra } => match bits.take(extra) {
                None => Ok(None),
                Some(more) if u64::from(base) + u64::from(more) > self.produced => Err(DeflateError::Distance),
                Some(_) => {
                    self.produced = self.produced.saturating_add(u64::from(length));
                    Ok(Some(State::Symbol))
                }
            },
            State::Ended => Ok(Some(State::Ended)),
        }
    }

    fn block_head(&mut self, bits: &mut Bits) -> Result<Option<State>, DeflateError> {
        let Some(head) = bits.take(3) else { return Ok(None) };
        self.last = head & 1 == 1;
        match head >> 1 {
            0 => Ok(Some(State::StoredLength)),
            1 => {
                self.fixed_codes()?;
                Ok(Some(State::Symbol))
            }
            2 => Ok(Some(State::CodeCounts)),
            _ => Err(DeflateError::BlockKind),
        }
    }

    fn stored(&mut self, bits: &mut Bits, left: u16) -> Option<State> {
        let Some(left) = left.checked_sub(1) else { return Some(self.block_end()) };
        bits.take(8)?;
        self.produced = self.produced.saturating_add(1);
        Some(State::Stored { left })
    }

    fn code_counts(&mut self, bits: &mut Bits) -> Result<Option<State>, DeflateError> {
        let Some(head) = bits.take(14) else { return Ok(None) };
        let literals = 257 + (head & 0x1f) as u16;
        let distances = 1 + (head >> 5 & 0x1f) as u16;
        // Both alphabets have two symbols more in the fixed codes, which must not be used.
        if literals > 286 || distances > 30 {
            return Err(DeflateError::CodeLengths);
        }
        self.lengths.clear();
        self.lengths.resize(CODE_LENGTH_ORDER.len(), 0).map_err(|_| DeflateError::CodeLengths)?;
        let counts = Counts { literals, all: literals + distances };
        Ok(Some(State::CodeLengths { counts, seen: 0, of: 4 + (head >> 10) as u8 }))
    }

    /// The lengths of the code in which the lengths of the block's codes are written.
    fn code_length(
        &mut self,
        bits: &mut Bits,
        counts: Counts,
        seen: u8,
        of: u8,
    ) -> Result<Option<State>, DeflateError> {
        if seen < of {
            let Some(length) = bits.take(3) else { return Ok(None) };
            let symbol = CODE_LENGTH_ORDER.get(usize::from(seen));
            let slot = symbol.and_then(|&symbol| self.lengths.get_mut(usize::from(symbol)));
            *slot.ok_or(DeflateError::CodeLengths)? = length as u8;
            return Ok(Some(State::CodeLengths { counts, seen: seen.saturating_add(1), of }));
        }
        // The code for distances is free until the lengths are known.
        self.distances.assign(&self.lengths).map_err(DeflateError::Code)?;
        self.lengths.clear();
        Ok(Some(State::Lengths { counts }))
    }

    /// The next length of the block's codes.
    fn length(&mut self, bits: &mut Bits, counts: Counts) -> Result<Option<State>, DeflateError> {
        if self.lengths.len() >= usize::from(counts.all) {
            return self.dynamic_codes(counts).map(Some);
        }
        let (length, bits, least) = match self.distances.decode(bits) {
            Decoded::Hungry => return Ok(None),
            Decoded::Unknown => return Err(DeflateError::Symbol),
            Decoded::Symbol(length @ 0..=15) => return self.repeat(counts, length as u8, 1),
            Decoded::Symbol(16) => (*self.lengths.last().ok_or(DeflateError::CodeLengths)?, 2, 3),
            Decoded::Symbol(17) => (0, 3, 3),
            Decoded::Symbol(_) => (0, 7, 11),
        };
        Ok(Some(State::Repeat { counts, length, bits, least }))
    }

    fn repeat(&mut self, counts: Counts, length: u8, times: usize) -> Result<Option<State>, DeflateError> {
        let len = self.lengths.len().saturating_add(times);
        if len > usize::from(counts.all) {
            return Err(DeflateError::CodeLengths);
        }
        self.lengths.resize(len, length).map_err(|_| DeflateError::CodeLengths)?;
        Ok(Some(State::Lengths { counts }))
    }

    fn dynamic_codes(&mut self, counts: Counts) -> Result<State, DeflateError> {
        let (literals, distances) =
            self.lengths.split_at_checked(usize::from(counts.literals)).ok_or(DeflateError::CodeLengths)?;
        // Without a code for the end the block could not end.
        if literals.get(usize::from(BLOCK_END)).is_none_or(|&length| length == 0) {
            return Err(DeflateError::CodeLengths);
        }
        self.literals.assign(literals).map_err(DeflateError::Code)?;
        self.distances.assign(distances).map_err(DeflateError::Code)?;
        Ok(State::Symbol)
    }

    fn fixed_codes(&mut self) -> Result<(), DeflateError> {
        let mut lengths = [8u8; LITERALS];
        lengths[144..256].fill(9);
        lengths[256..280].fill(7);
        self.literals.assign(&lengths).map_err(DeflateError::Code)?;
        // All 32 codes have a length, the last two of them no meaning.
        self.distances.assign(&[5; DISTANCES]).map_err(DeflateError::Code)
    }

    fn symbol(&mut self, bits: &mut Bits) -> Result<Option<State>, DeflateError> {
        match self.literals.decode(bits) {
            Decoded::Hungry => Ok(None),
            Decoded::Unknown => Err(DeflateError::Symbol),
            Decoded::Symbol(symbol) if symbol < BLOCK_END => {
                self.produced = self.produced.saturating_add(1);
                Ok(Some(State::Symbol))
            }
            Decoded::Symbol(BLOCK_END) => Ok(Some(self.block_end())),
            Decoded::Symbol(symbol) => {
                let (base, bits) = *LENGTH.get(usize::from(symbol) - 257).ok_or(DeflateError::Symbol)?;
                Ok(Some(State::Length { base, bits: u32::from(bits) }))
            }
        }
    }

    fn block_end(&self) -> State {
        if self.last { State::Ended } else { State::BlockHead }
    }
}

impl Default for Walk {
    fn default() -> Self {
        Self::new()
    }
}

/// Literals, the end of a block, and lengths of copies.
const LITERALS: usize = 288;
const DISTANCES: usize = 32;
const BLOCK_END: u16 = 256;

/// In which order the lengths of the code for code lengths come.
const CODE_LENGTH_ORDER: [u8; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// For the symbols from 257 on: the least length of a copy, and how many bits follow that add to it.
#[rustfmt::skip]
const LENGTH: [(u16, u8); 29] = [
    (3, 0), (4, 0), (5, 0), (6, 0), (7, 0), (8, 0), (9, 0), (10, 0), (11, 1), (13, 1), (15, 1), (17, 1), (19, 2), (23, 2),
    (27, 2), (31, 2), (35, 3), (43, 3), (51, 3), (59, 3), (67, 4), (83, 4), (99, 4), (115, 4), (131, 5), (163, 5), (195, 5),
    (227, 5), (258, 0),
];

/// For each symbol: the least distance of a copy, and how many bits follow that add to it.
#[rustfmt::skip]
const DISTANCE: [(u16, u8); 30] = [
    (1, 0), (2, 0), (3, 0), (4, 0), (5, 1), (7, 1), (9, 2), (13, 2), (17, 3), (25, 3), (33, 4), (49, 4), (65, 5), (97, 5),
    (129, 6), (193, 6), (257, 7), (385, 7), (513, 8), (769, 8), (1025, 9), (1537, 9), (2049, 10), (3073, 10), (4097, 11),
    (6145, 11), (8193, 12), (12289, 12), (16385, 13), (24577, 13),
];
