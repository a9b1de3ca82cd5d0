//! Where an answer ends, and whether another may follow it over the same connection.

use ureq_proto::http::{HeaderMap, HeaderName, Response, StatusCode, Version, header};

use crate::transport::TransportError;

/// What there is to read behind the head of an answer to a `GET` (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// No body.
    Nothing,
    /// So many bytes.
    Length(u64),
    /// As its chunks say.
    Chunks,
    /// All until the connection ends.
    Close,
}

impl Framing {
    /// # Errors
    /// Lengths that contradict one another or are no number, and codings that nobody asked for.
    pub(super) fn of(response: &Response<()>) -> Result<Self, TransportError> {
        let (status, headers) = (response.status(), response.headers());
        if status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            return Ok(Self::Nothing);
        }
        let length = length(headers)?;
        // It was said once to mean that there is none.
        let mut codings =
            elements(headers, header::TRANSFER_ENCODING).filter(|it| !it.eq_ignore_ascii_case("identity"));
        match (response.version(), codings.next(), codings.next()) {
            // A coding means nothing there; nothing more comes over that connection.
            (Version::HTTP_10, ..) | (_, None, _) => Ok(length.map_or(Self::Close, Self::Length)),
            (_, Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => Ok(Self::Chunks),
            (_, Some(_), _) => Err(TransportError::Protocol),
        }
    }
}

/// Whether the server keeps the connection open after this answer (RFC 9112 §9.3).
pub(super) fn keeps_alive(response: &Response<()>) -> bool {
    let says = |option| elements(response.headers(), header::CONNECTION).any(|it| it.eq_ignore_ascii_case(option));
    match response.version() {
        _ if says("close") || response.status() == StatusCode::SWITCHING_PROTOCOLS => false,
        // HTTP/1.0 knows no coding of transfer: where such an answer ends is anybody's guess (RFC 9112 §6.1).
        Version::HTTP_10 if response.headers().contains_key(header::TRANSFER_ENCODING) => false,
        Version::HTTP_10 => says("keep-alive"),
        _ => true,
    }
}

/// The length that is stated. It may come more than once, as long as it stays the same.
fn length(headers: &HeaderMap) -> Result<Option<u64>, TransportError> {
    let mut stated = None;
    for text in elements(headers, header::CONTENT_LENGTH) {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let length: u64 = text.parse().ok().filter(|_| is_number).ok_or(TransportError::Protocol)?;
        if stated.is_some_and(|other| other != length) {
            return Err(TransportError::Protocol);
        }
        stated = Some(length);
    }
    Ok(stated)
}

/// All elements of a header that is a list. One that is no text is an empty element.
fn elements(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().map(|value| value.to_str().unwrap_or_default());
    lines.flat_map(|line| line.split(',').map(str::trim))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(version: Version, status: u16, lines: &[(&str, &str)]) -> Response<()> {
        let head = Response::builder().version(version).status(status);
        let head = lines.iter().fold(head, |head, (name, value)| head.header(*name, *value));
        head.body(()).expect("a head")
    }

    #[test]
    fn a_body_ends_where_its_head_says() {
        const LENGTH: (&str, &str) = ("content-length", "4");
        const CHUNKS: (&str, &str) = ("transfer-encoding", "Chunked");
        let framing = |version, status, lines: &[_]| Framing::of(&response(version, status, lines));
        for (lines, in_11, in_10) in [
            (&[][..], Framing::Close, Framing::Close),
            (&[LENGTH], Framing::Length(4), Framing::Length(4)),
            (&[CHUNKS], Framing::Chunks, Framing::Close),
            (&[LENGTH, CHUNKS], Framing::Chunks, Framing::Length(4)),
            (&[LENGTH, LENGTH], Framing::Length(4), Framing::Length(4)),
            (&[("content-length", "4, 04")], Framing::Length(4), Framing::Length(4)),
            (&[LENGTH, ("transfer-encoding", "identity")], Framing::Length(4), Framing::Length(4)),
        ] {
            assert_eq!(framing(Version::HTTP_11, 200, lines), Ok(in_11), "{lines:?}");
            assert_eq!(framing(Version::HTTP_10, 200, lines), Ok(in_10), "{lines:?}");
            for status in [101, 204, 304] {
                assert_eq!(framing(Version::HTTP_11, status, lines), Ok(Framing::Nothing), "{status} {lines:?}");
            }
        }
    }

    #[test]
    fn an_end_that_two_could_see_in_two_places_is_refused() {
        for (name, value) in [
            ("content-length", "4, 5"),
            ("content-length", "+4"),
            ("content-length", ""),
            ("content-length", "4,"),
            ("content-length", "0x4"),
            ("content-length", "18446744073709551616"),
            ("transfer-encoding", "gzip"),
            ("transfer-encoding", "gzip, chunked"),
            ("transfer-encoding", "chunked, chunked"),
            ("transfer-encoding", ""),
        ] {
            let framing = Framing::of(&response(Version::HTTP_11, 200, &[(name, value)]));
            assert_eq!(framing, Err(TransportError::Protocol), "{name}: {value}");
        }
    }

    #[test]
    fn a_connection_is_kept_as_its_version_and_its_options_say() {
        for (version, option, keeps) in [
            (Version::HTTP_11, "", true),
            (Version::HTTP_11, "Keep-Alive", true),
            (Version::HTTP_11, "close", false),
            (Version::HTTP_11, "x, Close", false),
            (Version::HTTP_10, "", false),
            (Version::HTTP_10, "Keep-Alive", true),
            (Version::HTTP_10, "keep-alive, close", false),
        ] {
            let response = response(version, 200, &[("connection", option)]);
            assert_eq!(keeps_alive(&response), keeps, "{version:?} {option:?}");
        }
        assert!(!keeps_alive(&response(Version::HTTP_11, 101, &[])));
        for (version, keeps) in [(Version::HTTP_11, true), (Version::HTTP_10, false)] {
            let coded = response(version, 200, &[("connection", "keep-alive"), ("transfer-encoding", "chunked")]);
            assert_eq!(keeps_alive(&coded), keeps, "{version:?} with a coding of transfer");
        }
    }
}
