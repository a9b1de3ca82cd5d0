//! Status line and headers, a line at a time.
//!
//! Heads of one or two kilobytes are common (cookies, content policies), so no head is ever held: each line is kept up
//! to [`LINE_MAX`] bytes, looked at and forgotten.

use heapless::Vec;

use crate::framing::Framing;

/// What of a response's head matters to a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Head {
    /// 100 to 999.
    pub status: u16,
    /// How the end of the body is known.
    pub framing: Framing,
    /// `Retry-After` as it was sent, seconds or a date; the last one, where there are several.
    pub retry_after: Option<Field>,
    /// `Date` as it was sent: what a date in `Retry-After` is to be compared with on a device that has no calendar.
    pub date: Option<Field>,
}

/// The value of a header, without the white space around it. The longest date is 33 bytes.
pub type Field = Vec<u8, 40>;

/// Reads the head of one response, handed over in pieces of any size.
#[derive(Clone, Debug, Default)]
pub struct HeadReader {
    line: Vec<u8, LINE_MAX>,
    /// The line is longer than what is kept of it.
    cut: bool,
    /// Bytes of the head so far.
    size: usize,
    status: Option<u16>,
    length: Option<u64>,
    chunked: bool,
    retry_after: Option<Field>,
    date: Option<Field>,
}

/// Why this is not the head of an HTTP response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum HeadError {
    /// The first line is not `HTTP/1.` and a status of three digits.
    StatusLine,
    /// `Content-Length` is not one number, or two of them disagree.
    ContentLength,
    /// `Transfer-Encoding` is other than `chunked`, or comes with a `Content-Length`.
    TransferEncoding,
    /// More than [`HEAD_MAX`] bytes.
    TooLong,
}

impl HeadReader {
    /// At the beginning of a response.
    pub const fn new() -> Self {
        Self {
            line: Vec::new(),
            cut: false,
            size: 0,
            status: None,
            length: None,
            chunked: false,
            retry_after: None,
            date: None,
        }
    }

    /// Takes bytes from the front of `bytes` up to the end of the head; the head once it is complete.
    ///
    /// Interim responses (1xx) are read over.
    ///
    /// # Errors
    /// The first thing that is wrong with the head. Nothing may be pushed afterwards.
    pub fn push(&mut self, bytes: &mut &[u8]) -> Result<Option<Head>, HeadError> {
        while let Some((&byte, rest)) = bytes.split_first() {
            *bytes = rest;
            self.size = self.size.saturating_add(1);
            if self.size > HEAD_MAX {
                return Err(HeadError::TooLong);
            }
            if byte != b'\n' {
                self.cut |= self.line.push(byte).is_err();
                continue;
            }
            // RFC 9112 lets a recipient take a bare line feed for the end of a line.
            if self.line.last() == Some(&b'\r') {
                self.line.pop();
            }
            let head = self.line_end()?;
            self.line.clear();
            self.cut = false;
            if head.is_some() {
                return Ok(head);
            }
        }
        Ok(None)
    }

    fn line_end(&mut self) -> Result<Option<Head>, HeadError> {
        let Some(status) = self.status else {
            self.status = Some(status_of(&self.line)?);
            return Ok(None);
        };
        if !self.line.is_empty() || self.cut {
            self.header()?;
            return Ok(None);
        }
        if status < 200 {
            // The final response follows. What the head has taken so far counts towards its limit.
            *self = Self { size: self.size, ..Self::new() };
            return Ok(None);
        }
        let framing = match (status, self.chunked, self.length) {
            (204 | 304, ..) => Framing::Length(0),
            (_, true, None) => Framing::Chunked,
            (_, true, Some(_)) => return Err(HeadError::TransferEncoding),
            (_, false, Some(length)) => Framing::Length(length),
            (_, false, None) => Framing::UntilClose,
        };
        Ok(Some(Head { status, framing, retry_after: self.retry_after.take(), date: self.date.take() }))
    }

    fn header(&mut self) -> Result<(), HeadError> {
        // A line without a colon, or one that continues the line before, says nothing that is of interest here.
        let Some(colon) = self.line.iter().position(|&byte| byte == b':') else { return Ok(()) };
        let (name, value) = self.line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = number(value).filter(|_| !self.cut).ok_or(HeadError::ContentLength)?;
            if self.length.is_some_and(|earlier| earlier != length) {
                return Err(HeadError::ContentLength);
            }
            self.length = Some(length);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.cut || self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(HeadError::TransferEncoding);
            }
            self.chunked = true;
        } else if name.eq_ignore_ascii_case(b"retry-after") {
            self.retry_after = field(value).filter(|_| !self.cut);
        } else if name.eq_ignore_ascii_case(b"date") {
            self.date = field(value).filter(|_| !self.cut);
        }
        Ok(())
    }
}

/// The value, where it fits.
fn field(value: &[u8]) -> Option<Field> {
    let mut field = Field::new();
    value.iter().try_for_each(|&byte| field.push(byte)).ok()?;
    Some(field)
}

/// The status in `HTTP/1.x SSS reason`.
fn status_of(line: &[u8]) -> Result<u16, HeadError> {
    let rest = line.strip_prefix(b"HTTP/1.").ok_or(HeadError::StatusLine)?;
    let [b'0'..=b'9', b' ', a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] = rest else {
        return Err(HeadError::StatusLine);
    };
    match rest.first() {
        None | Some(b' ') => Ok(u16::from(a & 0xf) * 100 + u16::from(b & 0xf) * 10 + u16::from(c & 0xf)),
        Some(_) => Err(HeadError::StatusLine),
    }
}

/// A number in decimal digits alone; `None` where it exceeds 64 bits.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, &digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit & 0xf))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// What is kept of a line: the longest header of interest is `Retry-After` with a date, 46 bytes.
pub const LINE_MAX: usize = 64;

/// The longest head, interim responses included. Servers themselves commonly stop at 8 KiB for what they receive.
pub const HEAD_MAX: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(head: &str) -> Result<Option<Head>, HeadError> {
        HeadReader::new().push(&mut head.as_bytes())
    }

    fn head(text: &str) -> Head {
        read(text).expect("a sound head").expect("a complete head")
    }

    #[test]
    fn status_and_framing_are_read() {
        let seen = head("HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\ncontent-LENGTH:  1234 \r\n\r\n");
        assert_eq!((seen.status, seen.framing), (200, Framing::Length(1234)));
        assert_eq!(head("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n").framing, Framing::Chunked);
        assert_eq!(head("HTTP/1.0 200 OK\n\n").framing, Framing::UntilClose);
        assert_eq!(head("HTTP/1.1 304\r\nContent-Length: 10\r\n\r\n").framing, Framing::Length(0));
    }

    #[test]
    fn what_a_server_says_about_coming_back_is_kept_as_it_was_sent() {
        let seen = head(concat!(
            "HTTP/1.1 429 Too Many Requests\r\nDate: Wed, 21 Oct 2026 07:28:00 GMT\r\n",
            "Retry-After: Wednesday, 21-Oct-26 07:30:00 GMT\r\nContent-Length: 0\r\n\r\n"
        ));
        assert_eq!(seen.retry_after.as_deref(), Some(b"Wednesday, 21-Oct-26 07:30:00 GMT".as_slice()));
        assert_eq!(seen.date.as_deref(), Some(b"Wed, 21 Oct 2026 07:28:00 GMT".as_slice()));
    }

    #[test]
    fn the_head_may_come_in_pieces_and_what_follows_is_left_alone() {
        let text = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbody";
        for piece in 1..text.len() {
            let (mut reader, mut found) = (HeadReader::new(), None);
            for mut bytes in text.chunks(piece) {
                found = reader.push(&mut bytes).expect("a sound head");
                if found.is_some() {
                    assert!(b"body".starts_with(bytes), "pieces of {piece}: {bytes:?} left");
                    break;
                }
            }
            let found = found.expect("a complete head");
            assert_eq!((found.status, found.retry_after.as_deref()), (503, Some(b"7".as_slice())));
        }
    }

    #[test]
    fn interim_responses_are_read_over() {
        let seen =
            head("HTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n");
        assert_eq!((seen.status, seen.framing, seen.retry_after), (200, Framing::Length(1), None));
    }

    #[test]
    fn a_long_header_is_skipped_and_an_endless_head_is_not_read_to_its_end() {
        let long = "x".repeat(3_000);
        let seen = head(&std::format!("HTTP/1.1 200 OK\r\nSet-Cookie: {long}\r\nContent-Length: 5\r\n\r\n"));
        assert_eq!(seen.framing, Framing::Length(5));
        let endless = std::format!("HTTP/1.1 200 OK\r\nSet-Cookie: {}", long.repeat(3));
        assert_eq!(read(&endless), Err(HeadError::TooLong));
    }

    #[test]
    fn what_would_leave_the_bodys_end_in_doubt_is_refused() {
        for length in ["", "-1", "+1", "1,1", "0x10", "18446744073709551616", "1 1", &"0".repeat(60)] {
            let text = std::format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            assert_eq!(read(&text), Err(HeadError::ContentLength), "{length:?}");
        }
        let twice = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n";
        assert_eq!(read(twice), Err(HeadError::ContentLength));
        for coding in ["gzip, chunked", "identity", "chunked\r\nTransfer-Encoding: chunked"] {
            let text = std::format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n");
            assert_eq!(read(&text), Err(HeadError::TransferEncoding), "{coding:?}");
        }
        let both = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n";
        assert_eq!(read(both), Err(HeadError::TransferEncoding));
    }

    #[test]
    fn what_is_no_http_is_refused_at_its_first_line() {
        for line in ["", "HTTP/2 200", "SSH-2.0-OpenSSH_9.2", "HTTP/1.1 20 OK", "HTTP/1.1 2000", "HTTP/1.1 099 X"] {
            assert_eq!(read(&std::format!("{line}\r\n")), Err(HeadError::StatusLine), "{line:?}");
        }
    }

    #[test]
    fn a_head_that_has_not_ended_is_no_head() {
        assert_eq!(read("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"), Ok(None));
        assert_eq!(read(""), Ok(None));
    }

    extern crate std;
}
