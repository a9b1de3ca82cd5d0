//! A tunnel through an HTTP proxy: `CONNECT` (RFC 9110 §9.3.6), for `http` as for `https`.

use std::io::{self, ErrorKind};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ureq::Proxy;
use ureq_proto::parser::try_parse_response;

use super::settings::{HEAD_BYTES_MAX, HEADERS_MAX};
use super::socks::Target;
use super::wire::Wire;

/// Asks the proxy at the other end of `wire` to connect to `target`. After it, `wire` leads there.
///
/// # Errors
/// The proxy's refusal, or its going away.
pub(super) async fn open(wire: &mut Wire, proxy: &Proxy, target: Target<'_>, user_agent: &str) -> io::Result<()> {
    let request = request(target, user_agent, proxy.username().zip(proxy.password().or(Some(""))));
    let mut left = request.as_bytes();
    while !left.is_empty() {
        let sent = wire.send(left).await?;
        left = &left[sent..];
    }
    wire.flushed().await?;
    let mut answer = Vec::new();
    loop {
        let mut part = [0; 1024];
        let received = wire.receive(&mut part).await?;
        answer.extend_from_slice(&part[..received]);
        if received == 0 || answer.len() > HEAD_BYTES_MAX {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if let Some(opened) = is_opened(&answer)? {
            return if opened { Ok(()) } else { Err(ErrorKind::ConnectionRefused.into()) };
        }
    }
}

fn request(target: Target<'_>, user_agent: &str, login: Option<(&str, &str)>) -> String {
    let login = login.map_or_else(String::new, |(name, word)| {
        format!("Proxy-Authorization: Basic {}\r\n", BASE64_STANDARD.encode(format!("{name}:{word}")))
    });
    format!(
        "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: {user_agent}\r\nProxy-Connection: Keep-Alive\r\n{login}\r\n"
    )
}

/// Whether these words open the tunnel; `None` while more of them have to come.
fn is_opened(answer: &[u8]) -> io::Result<Option<bool>> {
    match try_parse_response::<HEADERS_MAX>(answer) {
        // Nobody speaks at the other end before being asked: bytes beyond the head are no part of a tunnel.
        Ok(Some((length, head))) => Ok(Some(head.status().is_success() && length == answer.len())),
        Ok(None) => Ok(None),
        Err(_) => Err(ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_names_the_target_twice_and_tells_a_password_only_where_there_is_one() {
        let target = Target::Name("tiles.test", 443);
        let open = "CONNECT tiles.test:443 HTTP/1.1\r\nHost: tiles.test:443\r\nUser-Agent: me/1\r\nProxy-Connection: Keep-Alive\r\n";
        assert_eq!(request(target, "me/1", None), format!("{open}\r\n"));
        let login = "Proxy-Authorization: Basic YW5uYTpzM2NyZXQ=\r\n";
        assert_eq!(request(target, "me/1", Some(("anna", "s3cret"))), format!("{open}{login}\r\n"));
        let address = Target::Address("[::1]:80".parse().expect("an address"));
        assert!(request(address, "me/1", None).starts_with("CONNECT [::1]:80 HTTP/1.1\r\nHost: [::1]:80\r\n"));
    }

    #[test]
    fn only_a_whole_head_that_says_yes_and_nothing_more_opens() {
        for (answer, opened) in [
            ("HTTP/1.1 200 OK\r\n\r\n", Some(true)),
            ("HTTP/1.0 200 Connection established\r\nVia: p\r\n\r\n", Some(true)),
            ("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1", Some(false)),
            ("HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", Some(false)),
            ("HTTP/1.1 200 OK\r\nVia: p\r\n", None),
        ] {
            assert_eq!(is_opened(answer.as_bytes()).expect("proper HTTP"), opened, "{answer:?}");
        }
        assert!(is_opened(b"SSH-2.0-OpenSSH\r\n\r\n").is_err());
    }
}
