//! What is asked for.

use std::fmt;

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
    fn debug_shows_neither_place_nor_key_nor_user() {
        let request = Request::new("https://anna:s3cret@tiles.example.org:8443/14/8802/5373.png?key=k3y")
            .if_none_match("\"abc\"");
        assert_eq!(format!("{request:?}"), "Request { origin: \"https://tiles.example.org:8443\", headers: 1 }");
        assert_eq!(format!("{:?}", Request::new("no/url?key=k3y")), "Request { origin: \"(not a URL)\", headers: 0 }");
    }
}
