//! A body that comes in chunks (RFC 9112 §7.1).
//!
//! Each chunk is a line with its size, that many bytes, and an empty line; one of size zero is the last, and lines of
//! trailers may follow it up to an empty one. Stricter than it has to be: a size is digits alone, and a line ends with CR and
//! LF. Whoever reads on where another would stop takes the rest of one answer for the next.

/// Tells the bytes of a body from those around them, whatever the pieces they come in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Chunks {
    /// In front of a line with the size of the next chunk.
    #[default]
    Size,
    /// Inside of a chunk, with so many bytes to come.
    Data { left: usize },
    /// Behind the bytes of a chunk, and in front of the end of their line.
    DataEnd,
    /// Behind the last chunk, and in front of a trailer or of the empty line.
    Trailer,
    /// Behind all of it.
    End,
}

/// What stands at the front of what was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// So many bytes of the body.
    Body(usize),
    /// So many bytes that are no body.
    Around(usize),
    /// Too few bytes to tell.
    Unfinished,
    /// Nothing that belongs to this body.
    End,
}

/// These are no chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl Chunks {
    /// Tells what stands at the front of `received`; the caller takes it off before the next call.
    pub(super) fn next(&mut self, received: &[u8]) -> Result<Part, Malformed> {
        match *self {
            Self::Data { left } if received.is_empty() => {
                debug_assert!(left > 0);
                Ok(Part::Unfinished)
            }
            Self::Data { left } => {
                let count = left.min(received.len());
                *self = if count == left { Self::DataEnd } else { Self::Data { left: left - count } };
                Ok(Part::Body(count))
            }
            Self::End => Ok(Part::End),
            Self::Size | Self::DataEnd | Self::Trailer => {
                let limit = if *self == Self::Trailer { TRAILER_BYTES_MAX } else { SIZE_BYTES_MAX };
                let Some(line) = line(received, limit)? else { return Ok(Part::Unfinished) };
                *self = self.behind(line)?;
                Ok(Part::Around(line.len() + 2))
            }
        }
    }

    /// True as soon as all of the body was there: only lines that follow the last chunk may be missing.
    pub(super) const fn is_whole(self) -> bool {
        matches!(self, Self::Trailer | Self::End)
    }

    /// What comes after `line`.
    fn behind(self, line: &[u8]) -> Result<Self, Malformed> {
        match self {
            Self::Size => Ok(match size(line)? {
                0 => Self::Trailer,
                left => Self::Data { left },
            }),
            Self::DataEnd if line.is_empty() => Ok(Self::Size),
            Self::Trailer if line.is_empty() => Ok(Self::End),
            Self::Trailer => Ok(Self::Trailer),
            Self::DataEnd | Self::Data { .. } | Self::End => Err(Malformed),
        }
    }
}

/// The line at the front without its end; `None` until it is there as a whole.
fn line(received: &[u8], limit: usize) -> Result<Option<&[u8]>, Malformed> {
    let searched = &received[..received.len().min(limit)];
    match searched.iter().position(|byte| *byte == b'\n') {
        // CR alone ends a line for some.
        Some(end) => searched[..end].strip_suffix(b"\r").filter(|it| !it.contains(&b'\r')).map(Some).ok_or(Malformed),
        None if searched.len() == limit => Err(Malformed),
        None => Ok(None),
    }
}

/// The size that a line tells. What may be said about a chunk behind it is passed over.
fn size(line: &[u8]) -> Result<usize, Malformed> {
    let end = line.iter().position(|byte| matches!(byte, b';' | b' ' | b'\t')).unwrap_or(line.len());
    let (digits, rest) = line.split_at(end);
    let is_said_properly = matches!(rest.trim_ascii_start(), [] | [b';', ..]);
    if !is_said_properly || digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(Malformed);
    }
    str::from_utf8(digits).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok()).ok_or(Malformed)
}

/// Longest line with a size: nobody here has a use for what can be said about a chunk.
const SIZE_BYTES_MAX: usize = 256;
/// Longest trailer.
const TRAILER_BYTES_MAX: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// How it ended: with so many bytes left over, unfinished, or malformed.
    #[derive(Debug, PartialEq, Eq)]
    enum Ended {
        With(usize),
        Unfinished { is_whole: bool },
        Malformed,
    }

    /// What is made of bytes that come `at_once` at a time.
    fn read(bytes: &[u8], at_once: usize) -> (Vec<u8>, Ended) {
        let (mut chunks, mut body) = (Chunks::default(), Vec::new());
        let (mut from, mut to) = (0, 0);
        loop {
            match chunks.next(&bytes[from..to]) {
                Ok(Part::Body(count)) => {
                    body.extend_from_slice(&bytes[from..from + count]);
                    from += count;
                }
                Ok(Part::Around(count)) => from += count,
                Ok(Part::Unfinished) if to == bytes.len() => {
                    return (body, Ended::Unfinished { is_whole: chunks.is_whole() });
                }
                Ok(Part::Unfinished) => to = bytes.len().min(to + at_once),
                Ok(Part::End) => return (body, Ended::With(bytes.len() - from)),
                Err(Malformed) => return (body, Ended::Malformed),
            }
        }
    }

    #[test]
    fn a_body_is_what_stands_between_the_lines() {
        for (bytes, body, left) in [
            (&b"4\r\ntile\r\n0\r\n\r\n"[..], &b"tile"[..], 0),
            (b"0\r\n\r\nHTTP/1.1", b"", 8),
            (b"0a\r\n0123456789\r\n00;last\r\nExpires: 0\r\nX:\r\n\r\n", b"0123456789", 0),
            (b"1 \t;name=\"value\"\r\n\n\r\n1  \r\n\r\r\n000\r\n\r\n\r\n", b"\n\r", 2),
            (b"A\r\n0123456789\r\n2\r\nab\r\n0\r\n\r\n", b"0123456789ab", 0),
        ] {
            assert_eq!(read(bytes, bytes.len()), (body.to_vec(), Ended::With(left)), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn what_another_would_read_in_another_way_is_refused() {
        let long = [b"1;", &[b'x'; SIZE_BYTES_MAX][..]].concat();
        let trailer = [b"0\r\n", &[b'x'; TRAILER_BYTES_MAX][..]].concat();
        for bytes in [
            &b"\r\n"[..],
            b";x\r\n",
            b" 4\r\ntile",
            b"+4\r\ntile",
            b"0x4\r\ntile",
            b"4 4\r\ntile",
            b"4\ntile",
            b"4\r4\r\n",
            b"4;\r4\r\n",
            b"-1\r\n",
            b"10000000000000000\r\n",
            b"4\r\ntiles\r\n",
            b"4\r\ntile\n0\r\n\r\n",
            b"0\r\n\n",
            &long,
            &trailer,
        ] {
            assert_eq!(read(bytes, bytes.len()).1, Ended::Malformed, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_body_is_whole_with_the_line_of_its_last_chunk() {
        let bytes = b"4\r\ntile\r\n0\r\nX: y\r\n\r\n";
        let whole_at = b"4\r\ntile\r\n0\r\n".len();
        for length in 0..bytes.len() {
            let (body, ended) = read(&bytes[..length], length);
            assert_eq!(ended, Ended::Unfinished { is_whole: length >= whole_at }, "{length}");
            assert_eq!(body, b"tile"[..length.saturating_sub(3).min(4)], "{length}");
        }
    }

    /// Every text of up to seven letters of those that matter.
    #[test]
    fn the_pieces_in_which_bytes_come_make_no_difference() {
        const LETTERS: &[u8] = b"01;x\r\n";
        for length in 0..=7 {
            for index in 0..LETTERS.len().pow(length) {
                let letter = |at| LETTERS[index / LETTERS.len().pow(at) % LETTERS.len()];
                let bytes: Vec<u8> = (0..length).map(letter).collect();
                let at_once = read(&bytes, bytes.len());
                assert_eq!(read(&bytes, 1), at_once, "{}", bytes.escape_ascii());
            }
        }
    }
}
