//! Whether a gzip stream (RFC 1952) is complete and sound, found out while it passes by.
//!
//! A tile cut off by a server that then announces the shorter length looks complete to HTTP. Only the stream itself
//! tells: its last block must end where the trailer begins, eight bytes before the end, and the trailer's length must
//! be the one that the blocks come to.
//!
//! The blocks are followed and not inflated, because inflating wants the last 32 KiB of output at hand for each tile
//! under way. So a literal changed for another passes: the CRC over the output cannot be computed. Every change of the
//! stream's structure is found, and TCP's checksum guards the rest.

use crate::{
    bits::Bits,
    deflate::{Progress, Walk},
};
pub use crate::{deflate::DeflateError, huffman::CodeError};

/// A gzip stream of one member that is being checked.
#[derive(Clone, Debug, Default)]
pub struct GzipCheck {
    bits: Bits,
    state: State,
    walk: Walk,
}

/// Why this is not a gzip stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum GzipError {
    /// It does not begin with 1f 8b.
    Magic,
    /// A compression other than DEFLATE, or flags that are reserved.
    Header,
    /// The compressed data are not DEFLATE.
    Deflate(DeflateError),
    /// The trailer tells another length than the data.
    Length,
    /// Something follows the trailer.
    Trailing,
    /// It ends before its trailer does.
    Incomplete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum State {
    #[default]
    Magic,
    Method,
    /// Modification time, extra flags and operating system, none of which matter.
    Skip {
        left: u8,
        flags: u8,
    },
    ExtraLength {
        flags: u8,
    },
    Extra {
        left: u16,
        flags: u8,
    },
    /// File name or comment, up to a zero byte.
    Text {
        flags: u8,
    },
    HeaderCheck {
        left: u8,
    },
    Data,
    /// The CRC-32 of the output, which is not at hand.
    Crc {
        left: u8,
    },
    /// The output's length modulo 2^32.
    Length {
        seen: u8,
        length: u32,
    },
    Ended,
}

impl GzipCheck {
    /// Nothing seen yet.
    pub const fn new() -> Self {
        Self { bits: Bits::new(), state: State::Magic, walk: Walk::new() }
    }

    /// Takes the next piece of the stream, of any size.
    ///
    /// # Errors
    /// The first thing that is wrong with the stream. Nothing may be pushed afterwards.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), GzipError> {
        loop {
            self.bits.fill(&mut bytes);
            match self.step()? {
                Some(next) => self.state = next,
                // All that a step can want fits into the bits, so only the end of the input can leave it hungry.
                None => return Ok(()),
            }
        }
    }

    /// The length of what the stream would inflate to.
    ///
    /// # Errors
    /// [`GzipError::Incomplete`] unless the stream has ended.
    pub fn finish(&self) -> Result<u64, GzipError> {
        if self.state == State::Ended { Ok(self.walk.produced()) } else { Err(GzipError::Incomplete) }
    }

    /// The state after the next step; `None` while the bits do not suffice.
    fn step(&mut self) -> Result<Option<State>, GzipError> {
        let bits = &mut self.bits;
        Ok(match self.state {
            State::Magic => match bits.take(16) {
                Some(MAGIC) => Some(State::Method),
                Some(_) => return Err(GzipError::Magic),
                None => None,
            },
            State::Method => match bits.take(16).map(u32::to_le_bytes) {
                Some([DEFLATE, flags, ..]) if flags & RESERVED == 0 => Some(State::Skip { left: 6, flags }),
                Some(_) => return Err(GzipError::Header),
                None => None,
            },
            State::Skip { left: 0, flags } => Some(after_fixed_header(flags)),
            State::Skip { left, flags } => bits.take(8).map(|_| State::Skip { left: left - 1, flags }),
            State::ExtraLength { flags } => bits.take(16).map(|left| State::Extra { left: left as u16, flags }),
            State::Extra { left: 0, flags } => Some(after_fixed_header(flags & !EXTRA)),
            State::Extra { left, flags } => bits.take(8).map(|_| State::Extra { left: left - 1, flags }),
            State::Text { flags } => bits.take(8).map(|byte| match byte {
                0 if flags & NAME != 0 => after_fixed_header(flags & !NAME),
                0 => after_fixed_header(flags & !COMMENT),
                _ => State::Text { flags },
            }),
            State::HeaderCheck { left: 0 } => Some(State::Data),
            State::HeaderCheck { left } => bits.take(8).map(|_| State::HeaderCheck { left: left - 1 }),
            State::Data => match self.walk.step(bits).map_err(GzipError::Deflate)? {
                Progress::Stepped => Some(State::Data),
                Progress::Hungry => None,
                Progress::Ended => {
                    bits.align();
                    Some(State::Crc { left: 4 })
                }
            },
            State::Crc { left: 0 } => Some(State::Length { seen: 0, length: 0 }),
            State::Crc { left } => bits.take(8).map(|_| State::Crc { left: left - 1 }),
            State::Length { seen: 4, length } if length == self.walk.produced() as u32 => Some(State::Ended),
            State::Length { seen: 4.., .. } => return Err(GzipError::Length),
            State::Length { seen, length } => bits
                .take(8)
                // The least significant byte comes first, so each one enters at the top.
                .map(|byte| State::Length { seen: seen + 1, length: length >> 8 | byte << 24 }),
            State::Ended if bits.is_empty() => None,
            State::Ended => return Err(GzipError::Trailing),
        })
    }
}

/// What comes next in the header, as announced by the flags that have not been dealt with.
fn after_fixed_header(flags: u8) -> State {
    if flags & EXTRA != 0 {
        State::ExtraLength { flags }
    } else if flags & (NAME | COMMENT) != 0 {
        State::Text { flags }
    } else if flags & HEADER_CRC != 0 {
        State::HeaderCheck { left: 2 }
    } else {
        State::Data
    }
}

const MAGIC: u32 = 0x8b1f;
const DEFLATE: u8 = 8;
const HEADER_CRC: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0xe0;

#[cfg(test)]
#[path = "gzip/tests.rs"]
mod tests;
