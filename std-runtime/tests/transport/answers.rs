//! Heads of answers, from servers that behave and servers that do not.

use std::io::{Read, Write};
use std::time::Duration;

use super::support::{Server, client, config, error_after, get, ok, read_head};
use tidegate::transport::{Field, HttpConfig, HttpTransport, Phase, TransportError};

#[test]
fn statuses_are_responses_with_their_headers() {
    let server = Server::answering(|head| {
        let answer: &str = match head.split(' ').nth(1) {
            Some("/429") => "HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nslow",
            Some("/304") => "HTTP/1.1 304 Not Modified\r\nETag: \"b\"\r\n\r\n",
            Some("/204") => "HTTP/1.1 204 No Content\r\n\r\n",
            _ => "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
        };
        answer.as_bytes().to_vec()
    });
    let http = client(1);
    let throttled = get(&http, server.url("/429")).unwrap();
    assert_eq!((throttled.status, throttled.headers.get(Field::RetryAfter)), (429, Some("7")));
    assert_eq!(&*throttled.body, b"slow");
    let unchanged = get(&http, server.url("/304")).unwrap();
    assert_eq!((unchanged.status, unchanged.headers.get(Field::ETag)), (304, Some("\"b\"")));
    assert_eq!(get(&http, server.url("/204")).unwrap().status, 204);
    assert_eq!(get(&http, server.url("/500")).unwrap().status, 500);
    assert_eq!(server.connections(), 1, "none of these needs a new connection");
}

#[test]
fn a_head_may_come_in_any_pieces_and_after_others_that_only_announce_it() {
    let server = Server::start(|mut stream| {
        while read_head(&mut stream).is_some() {
            let answer = [b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", &ok(b"tile")[..]].concat();
            for byte in answer.chunks(1) {
                let _ = stream.write_all(byte);
            }
        }
    });
    let http = client(1);
    for _ in 0..2 {
        let response = get(&http, server.url("/")).unwrap();
        assert_eq!((response.status, &*response.body), (200, &b"tile"[..]));
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn what_comes_before_a_head_or_after_the_last_chunk_is_no_longer_than_a_head() {
    let hints: &[u8] = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    let trailers: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ntile\r\n0\r\n";
    for (first, then) in [(hints, hints), (trailers, b"X: y\r\n")] {
        let server = Server::start(move |mut stream| {
            let _ = read_head(&mut stream);
            let _ = stream.write_all(first);
            for _ in 0..20_000 {
                if stream.write_all(then).is_err() {
                    break;
                }
            }
        });
        assert_eq!(get(&client(1), server.url("/")).unwrap_err(), TransportError::Protocol);
    }
}

#[test]
fn answers_that_are_not_http_are_protocol_errors() {
    assert_eq!(error_after(b"\x00\x01\x02\x03 garbage\r\n\r\n"), TransportError::Protocol);
    assert_eq!(error_after(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), TransportError::Protocol);
    assert_eq!(
        error_after(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nfour\r\n0\r\n\r\n"),
        TransportError::Protocol
    );
    assert_eq!(error_after(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"), TransportError::Protocol);
    static LARGE_HEAD: [u8; 40_000] = [b'a'; 40_000];
    let server = Server::start(|mut stream| {
        let _ = read_head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX-Large: ");
        let _ = stream.write_all(&LARGE_HEAD);
        let _ = stream.read(&mut [0]);
    });
    assert_eq!(get(&client(1), server.url("/")).unwrap_err(), TransportError::Protocol);
}

#[test]
fn silence_is_a_timeout_that_names_the_phase() {
    let server = Server::start(|mut stream| {
        let head = read_head(&mut stream).unwrap_or_default();
        if head.contains("/body") {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfour");
        }
        let _ = stream.read(&mut [0]);
    });
    let after = Duration::from_millis(40);
    let http = HttpTransport::new(HttpConfig { read_timeout: after, ..config(1) }).unwrap();
    let timeout = |phase| TransportError::Timeout { phase, after };
    assert_eq!(get(&http, server.url("/head")).unwrap_err(), timeout(Phase::Head));
    assert_eq!(get(&http, server.url("/body")).unwrap_err(), timeout(Phase::Body));
    assert_eq!(http.pool().open_connections, 0);
}
