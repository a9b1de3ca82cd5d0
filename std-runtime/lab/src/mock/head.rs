//! Reading the head of a request.

use tidegate_core::TileId;

use super::dice::{fingerprint, tile_bits};
use super::reply::seconds;
use super::rules::{Fault, RuleError};

/// What the server wants to know of a request.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) method: Method,
    pub(super) target: Target,
    /// HTTP/1.0, which knows no chunks.
    pub(super) is_old: bool,
    pub(super) keep_alive: bool,
    pub(super) if_none_match: Option<String>,
    /// In seconds after 1970.
    pub(super) if_modified_since: Option<u64>,
    /// What `x-mock-fault` asks for.
    pub(super) fault: Option<Result<Fault, RuleError>>,
    pub(super) body_bytes: u64,
    /// The client waits for a word before it sends the body.
    pub(super) expects_continue: bool,
    /// The body is said to be TOML.
    pub(super) is_toml: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
    Post,
    Other,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Tile(TileId),
    /// A path that begins with `/__`.
    Control(String),
    /// Anything else, by its fingerprint.
    Other(u64),
}

/// A head that is no request, and the answer that it gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadHead {
    pub(super) status: u16,
    pub(super) reason: &'static str,
}

impl Head {
    /// Reads a head that ends with its empty line.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, BadHead> {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut request = httparse::Request::new(&mut fields);
        match request.parse(bytes) {
            Ok(httparse::Status::Complete(_)) => {}
            Err(httparse::Error::TooManyHeaders) => {
                return Err(BadHead { status: 431, reason: "more than 64 header fields" });
            }
            Err(httparse::Error::Version) => {
                return Err(BadHead { status: 505, reason: "neither HTTP/1.1 nor HTTP/1.0" });
            }
            _ => return Err(BAD_REQUEST),
        }
        let is_old = request.version == Some(0);
        let mut head = Self {
            method: Method::of(request.method.unwrap_or_default()),
            target: Target::of(request.path.unwrap_or_default()),
            is_old,
            keep_alive: !is_old,
            if_none_match: None,
            if_modified_since: None,
            fault: None,
            body_bytes: 0,
            expects_continue: false,
            is_toml: false,
        };
        let mut hosts = 0;
        for field in request.headers.iter() {
            hosts += usize::from(field.name.eq_ignore_ascii_case("host"));
            head.read_field(field.name, field.value)?;
        }
        if hosts > 1 || hosts == 0 && !is_old {
            return Err(BadHead { status: 400, reason: "exactly one Host field is needed" });
        }
        Ok(head)
    }

    fn read_field(&mut self, name: &str, value: &[u8]) -> Result<(), BadHead> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        let text = || std::str::from_utf8(value).map(str::trim).map_err(|_| BAD_REQUEST);
        match name.len() {
            6 if is("expect") => self.expects_continue = text()?.eq_ignore_ascii_case("100-continue"),
            10 if is("connection") => {
                for option in text()?.split(',').map(str::trim) {
                    // The wish to close wins over the wish to go on.
                    if option.eq_ignore_ascii_case("close") {
                        self.keep_alive = false;
                        break;
                    }
                    self.keep_alive |= option.eq_ignore_ascii_case("keep-alive");
                }
            }
            12 if is("content-type") => self.is_toml = text()?.to_ascii_lowercase().contains("toml"),
            12 if is("x-mock-fault") => self.fault = Some(text()?.parse()),
            13 if is("if-none-match") => self.if_none_match = Some(text()?.to_owned()),
            14 if is("content-length") => self.body_bytes = length(text()?).ok_or(BAD_LENGTH)?,
            17 if is("transfer-encoding") => {
                return Err(BadHead {
                    status: 501,
                    reason: "requests with a transfer coding are not read; send Content-Length",
                });
            }
            17 if is("if-modified-since") => {
                self.if_modified_since = httpdate::parse_http_date(text()?).ok().map(seconds)
            }
            _ => {}
        }
        Ok(())
    }

    /// The number by which the faults of this request are drawn.
    pub(super) fn key(&self) -> u64 {
        match &self.target {
            Target::Tile(key) => tile_bits(*key),
            // The upper bit sets them apart from tiles.
            Target::Other(fingerprint) => fingerprint | 1 << 63,
            Target::Control(_) => u64::MAX,
        }
    }

    /// Whether the client has this version already (RFC 9110, section 13.2.2).
    pub(super) fn has(&self, tag: &str, modified: u64) -> bool {
        match (&self.if_none_match, self.if_modified_since) {
            (Some(list), _) => list
                .split(',')
                .map(str::trim)
                .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag),
            (None, Some(since)) => modified <= since,
            (None, None) => false,
        }
    }
}

impl Method {
    fn of(name: &str) -> Self {
        match name {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            _ => Self::Other,
        }
    }
}

impl Target {
    /// The path in either form, without what follows a `?` or `#`.
    fn of(target: &str) -> Self {
        let path = match target.split_once("://") {
            Some((_, rest)) if !target.starts_with('/') => rest.find('/').map_or("/", |slash| &rest[slash..]),
            _ => target,
        };
        let path = path.split(['?', '#']).next().unwrap_or_default();
        if path.starts_with("/__") {
            return Self::Control(path.to_owned());
        }
        tile_at(path).map_or_else(|| Self::Other(fingerprint(path.as_bytes())), Self::Tile)
    }
}

/// The tile that a path ends with: `/3/1/2.png`, `/any/prefix/3/1/2@2x.png`, `/3/1/2`.
fn tile_at(path: &str) -> Option<TileId> {
    let (before_zoom, _) = path.rmatch_indices('/').nth(2)?;
    let place = &path[before_zoom + 1..];
    let (last_slash, _) = place.rmatch_indices('/').next()?;
    let ending = place[last_slash..].find(['.', '@']).map_or(place.len(), |at| last_slash + at);
    place[..ending].parse().ok()
}

fn length(text: &str) -> Option<u64> {
    // `parse` would take a sign as well.
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

const BAD_REQUEST: BadHead = BadHead { status: 400, reason: "not an HTTP request" };

const BAD_LENGTH: BadHead = BadHead { status: 400, reason: "Content-Length is not a number" };

/// Browsers send about twenty.
const FIELDS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Head, BadHead> {
        Head::parse(text.replace('\n', "\r\n").as_bytes())
    }

    fn get(path: &str) -> Target {
        parse(&format!("GET {path} HTTP/1.1\nHost: x\n\n")).expect("a good head").target
    }

    fn tile(text: &str) -> Target {
        Target::Tile(text.parse().expect("a tile"))
    }

    #[test]
    fn a_tile_is_found_behind_any_prefix_and_before_any_ending() {
        for path in [
            "/3/1/2",
            "/3/1/2.png",
            "/3/1/2.mvt?key=secret",
            "/v1/world/3/1/2.pbf",
            "/3/1/2@2x.png",
            "http://127.0.0.1:1/3/1/2.mvt",
            "/3/1/2?from=http://host/4/4/4",
            "/3/1/2#x",
        ] {
            assert_eq!(get(path), tile("3/1/2"), "{path}");
        }
    }

    #[test]
    fn other_paths_are_no_tiles() {
        for path in
            ["/", "/3/1", "/3/8/0", "/3/-1/2", "/3/+1/2", "/3//2", "/3/1/2/", "/a/b/c", "*", "http://host", "/99/1/1"]
        {
            assert!(matches!(get(path), Target::Other(_)), "{path}");
        }
        assert_eq!(get("/__stats?x"), Target::Control("/__stats".to_owned()));
    }

    #[test]
    fn connections_persist_as_each_version_has_it() {
        let keeps = |head: &str| parse(head).map(|head| head.keep_alive);
        assert_eq!(keeps("GET / HTTP/1.1\nHost: x\n\n"), Ok(true));
        assert_eq!(keeps("GET / HTTP/1.1\nHost: x\nConnection: Close\n\n"), Ok(false));
        assert_eq!(keeps("GET / HTTP/1.1\nHost: x\nConnection: keep-alive, close\n\n"), Ok(false));
        assert_eq!(keeps("GET / HTTP/1.0\n\n"), Ok(false));
        assert_eq!(keeps("GET / HTTP/1.0\nConnection: Keep-Alive\n\n"), Ok(true));
    }

    #[test]
    fn conditions_are_compared_weakly_and_tags_win_over_dates() {
        let modified = 784_111_777;
        let has = |field: &str| {
            parse(&format!("GET / HTTP/1.1\nHost: x\n{field}\n\n")).map(|head| head.has("\"a1\"", modified))
        };
        for (field, expected) in [
            ("If-None-Match: \"a1\"", true),
            ("If-None-Match: W/\"a1\"", true),
            ("If-None-Match: \"b\", \"a1\"", true),
            ("If-None-Match: *", true),
            ("If-None-Match: \"b\"", false),
            ("If-None-Match: a1", false),
            ("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", true),
            ("If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT", false),
            ("If-Modified-Since: yesterday", false),
            ("If-None-Match: \"b\"\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", false),
            ("Accept: */*", false),
        ] {
            assert_eq!(has(field), Ok(expected), "{field}");
        }
    }

    #[test]
    fn what_is_no_request_is_answered_with_the_reason() {
        let many = format!("GET / HTTP/1.1\nHost: x\n{}\n", "A: b\n".repeat(64));
        for (head, status) in [
            ("GET /\n\n", 400),
            ("GET / HTTP/2.0\nHost: x\n\n", 505),
            ("GET / HTTP/1.1\n\n", 400),
            ("GET / HTTP/1.1\nHost: x\nHost: y\n\n", 400),
            ("GET / HTTP/1.1\nHost: x\nContent-Length: +5\n\n", 400),
            ("GET / HTTP/1.1\nHost: x\nContent-Length: 99999999999999999999\n\n", 400),
            ("GET / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n", 501),
            ("GET / HTTP/1.1\nHost x\n\n", 400),
            ("\u{1}\u{2}\n\n", 400),
            (many.as_str(), 431),
        ] {
            assert_eq!(parse(head).err().map(|bad| bad.status), Some(status), "{head}");
        }
    }

    #[test]
    fn a_fault_asked_for_is_read() {
        let fault = |text: &str| {
            parse(&format!("GET / HTTP/1.1\nHost: x\nX-Mock-Fault: {text}\n\n")).expect("a good head").fault
        };
        assert_eq!(fault("reset"), Some(Ok(Fault::Reset)));
        assert!(matches!(fault("reste"), Some(Err(RuleError::Fault { .. }))));
    }
}
