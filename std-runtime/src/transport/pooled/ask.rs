//! The head of a request, as it goes on the wire (RFC 9112 §3).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ureq_proto::http::uri::Authority;
use ureq_proto::http::{Uri, header};

use super::redirect::default_port;
use super::told::Told;
use crate::transport::Body;

/// Writes a `GET` for `uri` behind what is in `into`. A user in the URL is told as `Authorization`, unless that is among the
/// headers.
pub(super) fn write(into: &mut Body, uri: &Uri, told: &Told<'_>) {
    let target = uri.path_and_query().map_or("/", |it| it.as_str());
    // A query alone needs the path that nobody wrote (RFC 9112 §3.2.1).
    let slash = if target.starts_with('/') { "" } else { "/" };
    push(into, ["GET ", slash, target, " HTTP/1.1\r\nhost: ", uri.host().unwrap_or_default()]);
    if let Some(port) = uri.port().filter(|port| Some(port.as_u16()) != default_port(uri)) {
        push(into, [":", port.as_str()]);
    }
    push(into, ["\r\n"]);
    if let Some(login) = uri.authority().and_then(login)
        && told.iter().all(|(name, _)| *name != header::AUTHORIZATION)
    {
        push(into, ["authorization: Basic ", &login, "\r\n"]);
    }
    for (name, value) in told.iter() {
        push(into, [name.as_str(), ": "]);
        into.push(value.as_bytes());
        push(into, ["\r\n"]);
    }
    push(into, ["\r\n"]);
}

fn push<const N: usize>(into: &mut Body, words: [&str; N]) {
    for word in words {
        into.push(word.as_bytes());
    }
}

/// The user and the password of a URL, as they are told to its host.
fn login(authority: &Authority) -> Option<String> {
    let (user, _) = authority.as_str().rsplit_once('@')?;
    let (name, word) = user.rsplit_once(':').unwrap_or((user, ""));
    Some(BASE64_STANDARD.encode(format!("{name}:{word}")))
}

#[cfg(test)]
mod tests {
    use std::slice;

    use ureq_proto::http::HeaderValue;

    use super::super::settings::Header;
    use super::*;

    fn written(uri: &'static str, headers: &[Header]) -> String {
        let mut head = Body::default();
        let told = Told { all: headers, own: &[], of_host: Vec::new(), is_chosen: true };
        write(&mut head, &Uri::from_static(uri), &told);
        String::from_utf8(head.to_vec()).expect("text")
    }

    #[test]
    fn the_target_and_the_host_are_those_of_the_url() {
        for (uri, target, host) in [
            ("http://a.test", "/", "a.test"),
            ("http://A.test:80/x/1.png?v=2", "/x/1.png?v=2", "A.test"),
            ("https://a.test:443/", "/", "a.test"),
            ("https://a.test:80/", "/", "a.test:80"),
            ("http://[::1]:8001?q", "/?q", "[::1]:8001"),
            ("http://a.test:/", "/", "a.test"),
        ] {
            assert_eq!(written(uri, &[]), format!("GET {target} HTTP/1.1\r\nhost: {host}\r\n\r\n"), "{uri}");
        }
    }

    #[test]
    fn a_user_is_told_unless_a_header_does_that() {
        let own = (header::AUTHORIZATION, HeaderValue::from_static("Bearer t0ken"));
        let other = (header::ACCEPT, HeaderValue::from_static("*/*"));
        let start = "GET / HTTP/1.1\r\nhost: a.test\r\n";
        for (uri, login) in [("http://anna:s3cret@a.test/", "YW5uYTpzM2NyZXQ="), ("http://anna@a.test/", "YW5uYTo=")] {
            let expected = format!("{start}authorization: Basic {login}\r\naccept: */*\r\n\r\n");
            assert_eq!(written(uri, slice::from_ref(&other)), expected);
            assert_eq!(written(uri, slice::from_ref(&own)), format!("{start}authorization: Bearer t0ken\r\n\r\n"));
        }
    }
}
