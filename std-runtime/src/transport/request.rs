//! What is asked for.

use std::fmt;

use ureq_proto::http::Uri;
use ureq_proto::http::uri::Authority;

use super::error::RequestError;

/// A `GET` for one URL. Building one without headers allocates nothing beyond the URL.
///
/// `Debug` shows scheme and host only: paths hold places, queries hold keys.
#[derive(Clone)]
pub struct Request {
    /// An absolute `http` or `https` URL.
    pub url: String,
    /// Headers of this request alone, beside those of the client's configuration.
    pub headers: Vec<(&'static str, String)>,
}

impl Request {
    /// A request for `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), headers: Vec::new() }
    }

    /// Adds a header, a correlation id say.
    #[must_use = "the request is changed by value"]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Asks for a body only where the entity tag is another one. `etag` goes out as it was received, quotes and `W/`
    /// included. Servers prefer it over [`if_modified_since`](Self::if_modified_since).
    #[must_use = "the request is changed by value"]
    pub fn if_none_match(self, etag: impl Into<String>) -> Self {
        self.header("if-none-match", etag)
    }

    /// Asks for a body only where it changed after `date`, the `Last-Modified` that came with the stored one.
    #[must_use = "the request is changed by value"]
    pub fn if_modified_since(self, date: impl Into<String>) -> Self {
        self.header("if-modified-since", date)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("origin", &origin(&self.url)).field("headers", &self.headers.len()).finish()
    }
}

/// Reads a URL as the transport will: absolute, `http` or `https`, with a host, and with a port only if it is a number.
pub(crate) fn parse_url(url: String) -> Result<Uri, RequestError> {
    let uri = Uri::try_from(url).map_err(|_| RequestError::Url)?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(RequestError::Url);
    };
    if !matches!(scheme, "http" | "https") {
        return Err(RequestError::Scheme);
    }
    if authority.host().is_empty() || has_odd_port(authority) { Err(RequestError::Url) } else { Ok(uri) }
}

/// Whether what stands behind the host is no port: the library takes any text for one, and then uses the default one, which
/// is meant only where there is none (RFC 3986 §3.2.3).
pub(crate) fn has_odd_port(authority: &Authority) -> bool {
    let named = authority.as_str().rsplit('@').next().and_then(|host_port| host_port.strip_prefix(authority.host()));
    named.is_none_or(|port| !matches!(port, "" | ":") && authority.port_u16().is_none())
}

/// Scheme and host of a URL, for people to read; without user info, path and query.
fn origin(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return "(not a URL)".to_owned();
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_urls_of_known_schemes_are_read() {
        for good in
            ["http://a.test", "HTTPS://A.test/x?y", "http://u:p@a.test:80/", "http://[::1]:8001/x", "http://127.0.0.1/"]
        {
            assert!(parse_url(good.to_owned()).is_ok(), "{good}");
        }
        for bad in [
            "",
            "/x",
            "a.test",
            "a.test:80",
            "http://",
            "http:///x",
            "http://:80/",
            "http://a.test:port/",
            "http://a.test:99999/",
            "http://a b/",
            "http://a.test/ x",
        ] {
            assert_eq!(parse_url(bad.to_owned()), Err(RequestError::Url), "{bad}");
        }
        assert_eq!(parse_url("ftp://a.test/".to_owned()), Err(RequestError::Scheme));
    }

    #[test]
    fn debug_shows_neither_place_nor_key_nor_user() {
        let request = Request::new("https://anna:s3cret@tiles.example.org:8443/14/8802/5373.png?key=k3y")
            .if_none_match("\"abc\"");
        assert_eq!(format!("{request:?}"), "Request { origin: \"https://tiles.example.org:8443\", headers: 1 }");
        assert_eq!(format!("{:?}", Request::new("no/url?key=k3y")), "Request { origin: \"(not a URL)\", headers: 0 }");
    }
}
