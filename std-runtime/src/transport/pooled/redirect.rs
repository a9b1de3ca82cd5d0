//! Where a redirect leads, and whether to go there.
//!
//! The protocol library would follow by itself, but it goes from `https` to `http` without asking and takes every header
//! along, an API key for the first host included.

use ureq_proto::http::uri::{PathAndQuery, Uri};
use ureq_proto::http::{HeaderMap, StatusCode, header};

use crate::transport::error::RedirectError;
use crate::transport::reference;
use crate::transport::request::has_odd_port;

/// The address that a response sends on to; `None` where it is no redirect of a `GET`.
pub(super) fn target(from: &Uri, status: StatusCode, headers: &HeaderMap) -> Result<Option<Uri>, RedirectError> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    let to = location.and_then(|location| join(from, location)).ok_or(RedirectError::Location)?;
    match (from.scheme_str(), to.scheme_str()) {
        (_, Some("https")) | (Some("http"), Some("http")) => {}
        _ => return Err(RedirectError::Scheme),
    }
    if to.authority().is_some_and(has_odd_port) { Err(RedirectError::Port) } else { Ok(Some(to)) }
}

/// Whether two addresses are served by the same host and port over the same scheme, so that secrets may go there.
pub(super) fn same_origin(one: &Uri, other: &Uri) -> bool {
    let host = |uri: &Uri| uri.host().map(str::to_ascii_lowercase);
    one.scheme() == other.scheme() && host(one) == host(other) && port(one) == port(other)
}

/// The port that a URL leads to.
pub(super) fn port(uri: &Uri) -> Option<u16> {
    uri.port_u16().or(default_port(uri))
}

/// The port that a URL leads to where it names none.
pub(super) fn default_port(uri: &Uri) -> Option<u16> {
    match uri.scheme_str() {
        Some("https") => Some(443),
        Some("http") => Some(80),
        _ => None,
    }
}

/// Resolves `location` against `base`: RFC 3986 §5.2 for the references that servers send. A fragment stays here.
fn join(base: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next()?.trim();
    let absolute = location.find("://").is_some_and(|colon| !location[..colon].contains(['/', '?']));
    if absolute {
        return location.parse().ok().filter(|uri: &Uri| uri.authority().is_some());
    }
    if location.starts_with("//") {
        return format!("{}:{location}", base.scheme_str()?).parse().ok();
    }
    if location.is_empty() {
        return None;
    }
    let mut parts = base.clone().into_parts();
    parts.path_and_query = Some(reference::below(base.path(), location).parse::<PathAndQuery>().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(from: &str, status: u16, location: &str) -> Result<Option<String>, RedirectError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::LOCATION, location.parse().unwrap());
        let status = StatusCode::from_u16(status).unwrap();
        target(&from.parse().unwrap(), status, &headers).map(|to| to.map(|uri| uri.to_string()))
    }

    #[test]
    fn references_are_resolved_against_the_address_asked_for() {
        let base = "http://a.test/b/c/d?q";
        for (location, expected) in [
            ("https://b.test/x", "https://b.test/x"),
            ("//b.test/x?y", "http://b.test/x?y"),
            ("/x/y.png?z#f", "http://a.test/x/y.png?z"),
            ("g", "http://a.test/b/c/g"),
            ("./g", "http://a.test/b/c/g"),
            ("../g", "http://a.test/b/g"),
            ("../../../g", "http://a.test/g"),
            ("..", "http://a.test/b/"),
            ("?y", "http://a.test/b/c/d?y"),
            ("/x?u=http://c.test/", "http://a.test/x?u=http://c.test/"),
            ("g?u=http://c.test/../", "http://a.test/b/c/g?u=http://c.test/../"),
        ] {
            assert_eq!(follow(base, 302, location), Ok(Some(expected.to_owned())), "{location}");
        }
    }

    #[test]
    fn a_secure_address_never_leads_to_an_insecure_one() {
        assert_eq!(follow("https://a.test/", 301, "http://a.test/"), Err(RedirectError::Scheme));
        assert_eq!(follow("http://a.test/", 301, "ftp://a.test/"), Err(RedirectError::Scheme));
        assert_eq!(follow("https://a.test/", 301, "file:///etc/passwd"), Err(RedirectError::Location));
        assert_eq!(follow("http://a.test/", 308, "https://a.test/"), Ok(Some("https://a.test/".to_owned())));
    }

    #[test]
    fn a_port_that_cannot_be_read_is_not_taken_for_the_default_one() {
        for odd in ["http://b.test:99999/", "//b.test:port/", "https://anna@b.test:8o8o/", "http://[::1]:65536/"] {
            assert_eq!(follow("http://a.test/", 302, odd), Err(RedirectError::Port), "{odd}");
        }
        for (good, expected) in [("http://b.test:/", "http://b.test:/"), ("//anna@[::1]:81/", "http://anna@[::1]:81/")]
        {
            assert_eq!(follow("http://a.test/", 302, good), Ok(Some(expected.to_owned())), "{good}");
        }
    }

    #[test]
    fn other_statuses_are_no_redirects_and_a_missing_location_is_an_error() {
        assert_eq!(follow("http://a.test/", 304, "/x"), Ok(None));
        assert_eq!(follow("http://a.test/", 200, "/x"), Ok(None));
        assert_eq!(follow("http://a.test/", 302, ""), Err(RedirectError::Location));
        let status = StatusCode::from_u16(302).unwrap();
        let none = target(&"http://a.test/".parse().unwrap(), status, &HeaderMap::new());
        assert_eq!(none, Err(RedirectError::Location));
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let same = |one: &str, other: &str| same_origin(&one.parse().unwrap(), &other.parse().unwrap());
        assert!(same("http://a.test/x", "http://A.test:80/y"));
        assert!(!same("http://a.test/", "https://a.test/"));
        assert!(!same("http://a.test/", "http://b.test/"));
        assert!(!same("http://a.test/", "http://a.test:8080/"));
    }
}
