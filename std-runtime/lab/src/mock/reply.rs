//! Answers, before they are sent.

use std::io::Write;
use std::time::{Duration, SystemTime};

use super::rules::RetryAfter;
use super::tiles::{Format, Tile};

/// An answer: status, header fields and body.
pub(super) struct Reply {
    pub(super) status: u16,
    /// When it was made, in seconds after 1970.
    pub(super) second: u64,
    content_type: &'static str,
    is_gzip: bool,
    /// More header fields, each with its line end.
    fields: Vec<u8>,
    body: Body,
}

enum Body {
    None,
    Tile(Tile),
    Made(Vec<u8>),
}

/// How the end of the body is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(usize),
    Chunked,
}

impl Reply {
    /// A tile and what tells its version.
    pub(super) fn tile(tile: Tile, format: Format, version: Vec<u8>) -> Self {
        let is_gzip = format == Format::Pbf && tile.is_gzip();
        Self { is_gzip, fields: version, body: Body::Tile(tile), ..Self::bare(200, format.content_type()) }
    }

    /// What the client has is still good.
    pub(super) fn not_modified(version: Vec<u8>) -> Self {
        Self { fields: version, ..Self::bare(304, "") }
    }

    /// A line of text; 204 and 304 go without it.
    pub(super) fn text(status: u16, text: impl Into<String>) -> Self {
        let body = if has_body(status) { Body::Made(text.into().into_bytes()) } else { Body::None };
        Self { body, ..Self::bare(status, "text/plain; charset=utf-8") }
    }

    pub(super) fn html() -> Self {
        Self { content_type: "text/html; charset=utf-8", ..Self::text(200, HTML) }
    }

    pub(super) fn json(bytes: Vec<u8>) -> Self {
        Self { body: Body::Made(bytes), ..Self::bare(200, "application/json") }
    }

    fn bare(status: u16, content_type: &'static str) -> Self {
        let second = seconds(SystemTime::now());
        Self { status, second, content_type, is_gzip: false, fields: Vec::new(), body: Body::None }
    }

    /// Adds a header field, or several, each with its line end.
    pub(super) fn with(mut self, fields: &str) -> Self {
        self.fields.extend_from_slice(fields.as_bytes());
        self
    }

    /// Adds `Retry-After`, counted from the second of the answer where it is a date.
    pub(super) fn with_retry_after(self, retry_after: Option<&RetryAfter>) -> Self {
        let value = match retry_after {
            None => return self,
            Some(RetryAfter::Seconds(seconds)) => seconds.to_string(),
            Some(RetryAfter::Date(offset)) => http_date(self.second.saturating_add_signed(*offset)),
            Some(RetryAfter::Verbatim(text)) => text.clone(),
        };
        self.with(&format!("Retry-After: {value}\r\n"))
    }

    /// Puts another body in the place of a tile.
    pub(super) fn with_body(mut self, bytes: Vec<u8>) -> Self {
        self.body = Body::Made(bytes);
        self
    }

    /// Says that the body is gzip data, true or not.
    pub(super) fn said_to_be_gzip(mut self) -> Self {
        self.is_gzip = true;
        self
    }

    /// The tile that is served, if it is one.
    pub(super) fn as_tile(&self) -> Option<&Tile> {
        match &self.body {
            Body::Tile(tile) => Some(tile),
            Body::None | Body::Made(_) => None,
        }
    }

    pub(super) fn body(&self) -> &[u8] {
        match &self.body {
            Body::None => &[],
            Body::Tile(tile) => tile.bytes(),
            Body::Made(bytes) => bytes,
        }
    }

    /// Writes the head to the end of `out`. HTTP/1.0 clients are told if the connection stays open, others if not.
    pub(super) fn write_head(&self, out: &mut Vec<u8>, is_old: bool, framing: Framing, is_last: bool, date: &str) {
        let mut push = |parts: &[&str]| parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
        let mut digits = [0; 20];
        push(&["HTTP/1.1 ", decimal(self.status.into(), &mut digits), " ", reason(self.status), "\r\nDate: ", date]);
        push(&["\r\nServer: tidegate-mock\r\n"]);
        if is_last {
            push(&["Connection: close\r\n"]);
        } else if is_old {
            push(&["Connection: keep-alive\r\n"]);
        }
        if has_body(self.status) {
            push(&["Content-Type: ", self.content_type, "\r\n"]);
            match framing {
                Framing::Length(length) => push(&["Content-Length: ", decimal(length as u64, &mut digits), "\r\n"]),
                Framing::Chunked => push(&["Transfer-Encoding: chunked\r\n"]),
            }
            if self.is_gzip {
                push(&["Content-Encoding: gzip\r\n"]);
            }
        }
        out.extend_from_slice(&self.fields);
        out.extend_from_slice(b"\r\n");
    }
}

/// The header fields by which a client can tell whether a tile has changed.
pub(super) fn version_fields(tag: &str, modified: &str, cache_control: &str) -> Vec<u8> {
    let mut fields = Vec::with_capacity(128);
    // Writing to memory cannot fail.
    let _ = write!(fields, "ETag: {tag}\r\nLast-Modified: {modified}\r\n");
    if !cache_control.is_empty() {
        let _ = write!(fields, "Cache-Control: {cache_control}\r\n");
    }
    fields
}

/// Seconds after 1970, rounded down; what was before that is at its beginning.
pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The date so many seconds after 1970 as it is written in a header.
pub(super) fn http_date(second: u64) -> String {
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(second.min(DATE_S_MAX)))
}

fn has_body(status: u16) -> bool {
    !matches!(status, 204 | 304)
}

fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &str {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return std::str::from_utf8(&digits[at..]).unwrap_or_default();
        }
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        410 => "Gone",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        // The phrase may be empty, and clients do not read it.
        _ => "",
    }
}

const HTML: &str = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\n\
    <body><p>Please sign in to use this network.</p></body></html>\n";

/// The last second of the year 9999; later dates cannot be written.
const DATE_S_MAX: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    fn head_of(reply: &Reply, is_old: bool, framing: Framing, is_last: bool) -> String {
        let mut out = Vec::new();
        reply.write_head(&mut out, is_old, framing, is_last, "Sun, 06 Nov 1994 08:49:37 GMT");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn heads_are_as_the_protocol_wants_them() {
        let reply = Reply::text(503, "no\n").with_retry_after(Some(&RetryAfter::Seconds(2)));
        assert_eq!(
            head_of(&reply, false, Framing::Length(3), false),
            "HTTP/1.1 503 Service Unavailable\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: tidegate-mock\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\nRetry-After: 2\r\n\r\n"
        );
        let old = head_of(&Reply::text(299, ""), true, Framing::Chunked, false);
        assert!(old.starts_with("HTTP/1.1 299 \r\n") && old.contains("\r\nConnection: keep-alive\r\n"), "{old}");
        assert!(old.contains("\r\nTransfer-Encoding: chunked\r\n") && !old.contains("Content-Length"), "{old}");
    }

    #[test]
    fn answers_that_have_no_body_by_definition_tell_no_length() {
        for status in [204, 304] {
            let reply = Reply::text(status, "unwanted");
            assert_eq!(reply.body(), b"");
            let head = head_of(&reply, false, Framing::Length(0), true);
            assert!(!head.contains("Content-"), "{head}");
            assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
        }
    }

    #[test]
    fn dates_far_away_do_not_break_anything() {
        assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http_date(u64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
