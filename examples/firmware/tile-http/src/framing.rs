//! Where a body ends, and what of the bytes behind the head belongs to it.

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Framing {
    /// After this many bytes.
    Length(u64),
    /// Each chunk announces its length, and an empty one is the last.
    Chunked,
    /// When the server closes. Whether all of it came is then for the content itself to tell.
    UntilClose,
}

/// Unpacks one body.
#[derive(Clone, Debug)]
pub struct BodyReader {
    state: State,
}

/// Why the body cannot be read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum FramingError {
    /// A chunk's length is missing, is not hexadecimal or exceeds 64 bits.
    ChunkLength,
    /// A chunk is longer than it announced.
    ChunkEnd,
    /// More than [`EXTRA_MAX`] bytes of chunk extensions and trailers.
    TooLong,
    /// The server closed before the end.
    Incomplete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A stretch of body.
    Data {
        left: u64,
        then: Then,
    },
    ChunkLength {
        length: Option<u64>,
        extra: u16,
    },
    /// What follows a chunk's length on its line.
    Extension {
        length: u64,
        extra: u16,
    },
    /// The line end behind a chunk's data.
    ChunkEnd {
        extra: u16,
    },
    /// Headers behind the last chunk, ended by an empty line.
    Trailer {
        line: u16,
        extra: u16,
    },
    UntilClose,
    Ended,
}

/// What follows a stretch of body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    End,
    ChunkEnd { extra: u16 },
}

impl BodyReader {
    /// At the beginning of a body.
    pub const fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::Length(0) => State::Ended,
            Framing::Length(left) => State::Data { left, then: Then::End },
            Framing::Chunked => State::ChunkLength { length: None, extra: 0 },
            Framing::UntilClose => State::UntilClose,
        };
        Self { state }
    }

    /// Takes from the front of `bytes` what comes next, and gives the part of it that is body, which may be empty.
    ///
    /// To be called until [`is_complete`](Self::is_complete), or `bytes` is empty.
    ///
    /// # Errors
    /// The first thing that is wrong with the framing. Nothing may be taken afterwards.
    pub fn take<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<&'a [u8], FramingError> {
        match self.state {
            State::Data { left, then } => {
                let length = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                let (data, rest) = bytes.split_at_checked(length).unwrap_or_default();
                *bytes = rest;
                self.state = match (left.saturating_sub(length as u64), then) {
                    (0, Then::End) => State::Ended,
                    (0, Then::ChunkEnd { extra }) => State::ChunkEnd { extra },
                    (left, then) => State::Data { left, then },
                };
                Ok(data)
            }
            State::UntilClose => Ok(core::mem::take(bytes)),
            _ => {
                if let Some((&byte, rest)) = bytes.split_first() {
                    *bytes = rest;
                    self.state = self.between(byte)?;
                }
                Ok(&[])
            }
        }
    }

    /// The state after a byte that is not body.
    fn between(&self, byte: u8) -> Result<State, FramingError> {
        Ok(match self.state {
            State::ChunkLength { length, extra } => match ((byte as char).to_digit(16), length) {
                (Some(digit), length) => State::ChunkLength { length: Some(append(length, digit)?), extra },
                (None, Some(length)) => extension(byte, length, extra)?,
                (None, None) => return Err(FramingError::ChunkLength),
            },
            State::Extension { length, extra } => extension(byte, length, extra)?,
            State::ChunkEnd { extra } => match byte {
                b'\r' => State::ChunkEnd { extra: counted(extra)? },
                b'\n' => State::ChunkLength { length: None, extra },
                _ => return Err(FramingError::ChunkEnd),
            },
            State::Trailer { line: 0, extra: _ } if byte == b'\n' => State::Ended,
            State::Trailer { line, extra } => match byte {
                b'\r' => State::Trailer { line, extra: counted(extra)? },
                b'\n' => State::Trailer { line: 0, extra: counted(extra)? },
                _ => State::Trailer { line: line.saturating_add(1), extra: counted(extra)? },
            },
            State::Data { .. } | State::UntilClose | State::Ended => self.state,
        })
    }

    /// Whether the body's end has been reached. A body that ends with the connection is never complete.
    pub fn is_complete(&self) -> bool {
        self.state == State::Ended
    }

    /// What the server's closing of the connection means.
    ///
    /// # Errors
    /// [`FramingError::Incomplete`] where more was to come.
    pub fn close(&self) -> Result<(), FramingError> {
        match self.state {
            State::Ended | State::UntilClose => Ok(()),
            _ => Err(FramingError::Incomplete),
        }
    }
}

/// A byte on the line of a chunk's length, behind the length.
fn extension(byte: u8, length: u64, extra: u16) -> Result<State, FramingError> {
    let extra = counted(extra)?;
    Ok(match (byte, length) {
        (b'\n', 0) => State::Trailer { line: 0, extra },
        (b'\n', left) => State::Data { left, then: Then::ChunkEnd { extra } },
        _ => State::Extension { length, extra },
    })
}

fn append(length: Option<u64>, digit: u32) -> Result<u64, FramingError> {
    let length = length.unwrap_or(0);
    if length >> 60 != 0 {
        return Err(FramingError::ChunkLength);
    }
    Ok(length << 4 | u64::from(digit))
}

fn counted(extra: u16) -> Result<u16, FramingError> {
    if extra >= EXTRA_MAX { Err(FramingError::TooLong) } else { Ok(extra + 1) }
}

/// The most bytes of a chunked body that are neither data nor lengths, line ends behind the lengths included: a body of
/// a few thousand chunks, and no endless one.
pub const EXTRA_MAX: u16 = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    extern crate std;
    use std::vec::Vec;

    /// The body and what is left behind it, with the bytes handed over in pieces.
    fn read(framing: Framing, bytes: &[u8], piece: usize) -> Result<(Vec<u8>, usize), FramingError> {
        let (mut reader, mut body, mut taken) = (BodyReader::new(framing), Vec::new(), 0);
        for mut bytes in bytes.chunks(piece) {
            while !bytes.is_empty() && !reader.is_complete() {
                let before = bytes.len();
                body.extend_from_slice(reader.take(&mut bytes)?);
                taken += before - bytes.len();
            }
        }
        reader.close()?;
        Ok((body, bytes.len() - taken))
    }

    #[test]
    fn a_length_ends_the_body_and_leaves_what_follows() {
        for piece in 1..10 {
            assert_eq!(read(Framing::Length(4), b"tilemore", piece), Ok((b"tile".to_vec(), 4)));
        }
        assert_eq!(read(Framing::Length(0), b"x", 1), Ok((Vec::new(), 1)));
    }

    #[test]
    fn chunks_are_unpacked_wherever_the_pieces_are_cut() {
        let bytes = b"4\r\ntile\r\n00a;name=\"x\"\r\n0123456789\r\n0\r\nDigest: x\r\n\r\nnext";
        for piece in 1..bytes.len() {
            assert_eq!(read(Framing::Chunked, bytes, piece), Ok((b"tile0123456789".to_vec(), 4)), "pieces of {piece}");
        }
    }

    #[test]
    fn a_body_without_a_length_goes_on_to_the_close() {
        assert_eq!(read(Framing::UntilClose, b"tile", 3), Ok((b"tile".to_vec(), 0)));
    }

    #[test]
    fn a_close_before_the_end_is_told() {
        let incomplete = Err(FramingError::Incomplete);
        assert_eq!(read(Framing::Length(5), b"tile", 2), incomplete);
        for bytes in ["", "4", "4\r\n", "4\r\nti", "4\r\ntile", "4\r\ntile\r\n", "4\r\ntile\r\n0\r\n", "0\r\nA: b\r\n"]
        {
            assert_eq!(read(Framing::Chunked, bytes.as_bytes(), 64), incomplete, "{bytes:?}");
        }
    }

    #[test]
    fn broken_chunks_are_told() {
        assert_eq!(read(Framing::Chunked, b"\r\n", 9), Err(FramingError::ChunkLength));
        assert_eq!(read(Framing::Chunked, b"-1\r\n", 9), Err(FramingError::ChunkLength));
        assert_eq!(read(Framing::Chunked, b"10000000000000000\r\n", 64), Err(FramingError::ChunkLength));
        assert_eq!(read(Framing::Chunked, b"2\r\ntile\r\n", 64), Err(FramingError::ChunkEnd));
        let endless = [b"4;".as_slice(), &[b'x'; EXTRA_MAX as usize + 1]].concat();
        assert_eq!(read(Framing::Chunked, &endless, 512), Err(FramingError::TooLong));
        let trailers = [b"0\r\n".as_slice(), &[b'x'; EXTRA_MAX as usize + 1]].concat();
        assert_eq!(read(Framing::Chunked, &trailers, 512), Err(FramingError::TooLong));
    }
}
