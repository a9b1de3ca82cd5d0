//! Bodies: where they end, and what it means that they do not.

use std::io::{Read, Write};

use super::support::{Server, client, config, error_after, get, ok, read_head};
use tidegate::transport::{Field, HttpConfig, HttpTransport, TransportError};

#[test]
fn a_compressed_body_is_handed_over_as_it_was_sent() {
    let packed = b"\x1f\x8b\x08\x00 not unpacked";
    let server = Server::answering(move |_| {
        let mut response =
            format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", packed.len())
                .into_bytes();
        response.extend_from_slice(packed);
        response
    });
    let response = get(&client(1), server.url("/")).unwrap();
    assert_eq!(&*response.body, packed);
    assert_eq!(response.headers.get(Field::ContentEncoding), Some("gzip"));
    assert_eq!(response.headers.content_length(), Some(packed.len() as u64));
}

#[test]
fn bodies_of_any_framing_and_size_arrive_whole() {
    let big: Vec<u8> = (0..300_000u32).map(|i| (i % 251) as u8).collect();
    let expected = big.clone();
    let server = Server::start(move |mut stream| {
        while let Some(head) = read_head(&mut stream) {
            if head.contains("/chunked") {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n");
                for chunk in big.chunks(7_001) {
                    let _ = stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes());
                    let _ = stream.write_all(chunk);
                    let _ = stream.write_all(b"\r\n");
                }
                let _ = stream.write_all(b"0\r\n\r\n");
            } else if head.contains("/close") {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
                let _ = stream.write_all(&big);
                return;
            } else {
                let _ = stream.write_all(&ok(&big));
            }
        }
    });
    let http = client(1);
    for path in ["/length", "/chunked", "/length", "/close"] {
        let response = get(&http, server.url(path)).unwrap();
        assert!(&*response.body == expected.as_slice(), "{path}: {} bytes", response.body.len());
        if path == "/chunked" {
            assert_eq!(response.headers.content_length(), None, "a length beside chunks is no length");
        }
    }
    assert_eq!(server.connections(), 1);
    assert_eq!(http.pool().open_connections, 0, "the last one was closed by the server");
}

#[test]
fn a_body_is_whole_with_its_last_chunk_also_where_the_connection_ends_there() {
    let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ntile\r\n0\r\n";
    let server = Server::start(move |mut stream| {
        let _ = read_head(&mut stream);
        let _ = stream.write_all(answer);
    });
    let http = client(1);
    assert_eq!(&*get(&http, server.url("/")).unwrap().body, b"tile");
    assert_eq!(http.pool().open_connections, 0);
}

#[test]
fn a_chunk_that_never_says_how_long_it_is_ends() {
    let server = Server::start(|mut stream| {
        let _ = read_head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;");
        while stream.write_all(&[b'x'; 4_096]).is_ok() {}
    });
    assert_eq!(get(&client(1), server.url("/")).unwrap_err(), TransportError::Protocol);
}

#[test]
fn a_body_that_ends_early_is_incomplete_however_it_is_framed() {
    let cut = error_after(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfour");
    assert_eq!(cut, TransportError::IncompleteBody { received: 4 });
    let cut = error_after(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n");
    assert_eq!(cut, TransportError::IncompleteBody { received: 4 });
    let cut = error_after(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nfour");
    assert_eq!(cut, TransportError::IncompleteBody { received: 4 });
}

#[test]
fn a_reset_is_told_apart_from_an_end_also_where_the_end_is_the_framing() {
    for framing in ["Content-Length: 100", "Transfer-Encoding: chunked", "Connection: close"] {
        let server = Server::start(move |mut stream| {
            let mut byte = [0];
            let _ = stream.read(&mut byte);
            let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n4\r\nfour").as_bytes());
            // Closed with most of the request unread, which makes the system send a reset.
        });
        let error = get(&client(1), server.url("/")).expect_err(framing);
        assert_eq!(error, TransportError::Reset { stale: false }, "{framing}");
    }
}

#[test]
fn a_body_beyond_the_limit_is_refused_by_its_length_or_by_its_bytes() {
    let server = Server::start(|mut stream| {
        let head = read_head(&mut stream).unwrap_or_default();
        let length = if head.contains("/said") { "Content-Length: 1001\r\n" } else { "" };
        let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\n{length}\r\n").as_bytes());
        let _ = stream.write_all(&[7; 1_001]);
    });
    let http = HttpTransport::new(HttpConfig { max_body_bytes: 1_000, ..config(1) }).unwrap();
    for path in ["/said", "/unsaid"] {
        assert_eq!(get(&http, server.url(path)).unwrap_err(), TransportError::BodyTooLarge { max: 1_000 }, "{path}");
    }
    let exact = Server::answering(|_| ok(&[7; 1_000]));
    assert_eq!(get(&http, exact.url("/")).unwrap().body.len(), 1_000);
}
