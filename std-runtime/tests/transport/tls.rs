//! TLS: trusted, not trusted, and not TLS at all.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use super::support::{Server, config, ok, read_head};
use async_io::block_on;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tidegate::transport::error::TlsError;
use tidegate::transport::pooled::config::{Proxy, Roots};
use tidegate::transport::{HttpConfig, HttpTransport, Request, Transport, TransportError};

const AUTHORITY: &[u8] = include_bytes!("../data/tls/ca.pem");

/// A server that answers `/big` with [`big`] in chunks, and all else with a tile; everything over TLS.
fn tls_server() -> Server {
    secured(|mut stream| {
        while let Some(head) = read_head(&mut stream) {
            let answer = if head.starts_with("GET /big") { chunked(&big()) } else { ok(b"tile") };
            if stream.write_all(&answer).and_then(|()| stream.flush()).is_err() {
                break;
            }
        }
    })
}

/// More than a record of TLS, a buffer, or a socket takes at once.
fn big() -> Vec<u8> {
    (0..3_000_000_u32).map(|index| (index % 251) as u8).collect()
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.chunks(70_001) {
        answer.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        answer.extend_from_slice(chunk);
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"0\r\n\r\n");
    answer
}

/// A server whose connections are handed over with TLS around them.
fn secured(handler: impl Fn(StreamOwned<ServerConnection, TcpStream>) + Send + Sync + 'static) -> Server {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("../data/tls/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../data/tls/server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    Server::start(move |stream: TcpStream| {
        handler(StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream));
    })
}

fn client(roots: Roots) -> HttpTransport {
    HttpTransport::new(HttpConfig { roots, ..config(2) }).unwrap()
}

#[test]
fn a_trusted_server_is_read_over_one_connection() {
    let server = tls_server();
    let http = client(Roots::Pem(AUTHORITY.to_vec()));
    for host in ["localhost", "localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{}/", server.addr.port());
        assert_eq!(&*block_on(http.send(Request::new(url))).unwrap().body, b"tile");
    }
    assert_eq!(server.connections(), 2, "one for each name");
}

#[test]
fn a_body_of_many_records_arrives_whole_and_its_connection_is_used_again() {
    let server = tls_server();
    let http = client(Roots::Pem(AUTHORITY.to_vec()));
    for _ in 0..2 {
        let url = format!("https://localhost:{}/big", server.addr.port());
        let body = block_on(http.send(Request::new(url))).unwrap().body;
        assert!(*body == big(), "{} bytes", body.len());
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn what_came_behind_a_body_in_the_same_record_is_not_the_next_answer() {
    // Longer than what is read before the length is known, so that the rest is read up to its end and no further.
    let body = &big()[..100_000];
    let answer = [&ok(body)[..], &ok(b"evil")[..]].concat();
    let server = secured(move |mut stream| {
        while read_head(&mut stream).is_some() {
            let _ = stream.write_all(&answer).and_then(|()| stream.flush());
        }
    });
    let http = client(Roots::Pem(AUTHORITY.to_vec()));
    for expected in 1..=2 {
        let url = format!("https://localhost:{}/", server.addr.port());
        assert!(*block_on(http.send(Request::new(url))).unwrap().body == *body, "another answer");
        assert_eq!((server.connections(), http.pool().open_connections), (expected, 0));
    }
}

#[test]
fn a_body_whose_end_tls_does_not_confirm_is_incomplete() {
    let server = secured(|mut stream| {
        let _ = read_head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfour");
        // Closed as somebody in between could have, without a word of TLS.
    });
    let url = format!("https://localhost:{}/", server.addr.port());
    let error = block_on(client(Roots::Pem(AUTHORITY.to_vec())).send(Request::new(url))).unwrap_err();
    assert_eq!(error, TransportError::IncompleteBody { received: 4 });
}

/// Answers one `CONNECT` and then passes everything on, both ways, in turn: what is asked first, then the answer.
fn tunnel(mut stream: impl Read + Write) {
    let head = read_head(&mut stream).unwrap_or_default();
    let Some(Ok(mut upstream)) = head.split(' ').nth(1).map(TcpStream::connect) else { return };
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").and_then(|()| stream.flush());
    let _ = upstream.set_read_timeout(Some(Duration::from_millis(50)));
    let mut bytes = [0; 16 * 1024];
    loop {
        match stream.read(&mut bytes) {
            Ok(read @ 1..) => drop(upstream.write_all(&bytes[..read])),
            _ => return,
        }
        while let Ok(read @ 1..) = upstream.read(&mut bytes) {
            let _ = stream.write_all(&bytes[..read]).and_then(|()| stream.flush());
        }
    }
}

#[test]
fn a_tunnel_carries_tls_also_where_the_proxy_itself_is_spoken_to_over_tls() {
    let server = tls_server();
    for (proxy, scheme) in [(Server::start(tunnel), "http"), (secured(tunnel), "https")] {
        let through = Proxy::Url(format!("{scheme}://localhost:{}", proxy.addr.port()));
        let roots = Roots::Pem(AUTHORITY.to_vec());
        let http = HttpTransport::new(HttpConfig { roots, proxy: through, ..config(1) }).unwrap();
        for _ in 0..2 {
            let url = format!("https://localhost:{}/", server.addr.port());
            assert_eq!(&*block_on(http.send(Request::new(url))).unwrap().body, b"tile", "{scheme}");
        }
        assert_eq!(proxy.connections(), 1, "one tunnel carries both");
    }
    assert_eq!(server.connections(), 2, "one for each proxy");
}

#[test]
fn a_server_of_an_unknown_authority_is_refused() {
    let server = tls_server();
    let url = format!("https://localhost:{}/", server.addr.port());
    let error = block_on(client(Roots::Bundled).send(Request::new(url))).unwrap_err();
    assert_eq!(error, TransportError::Tls(TlsError::Certificate));
}

#[test]
fn a_server_without_tls_is_a_failed_handshake() {
    let server = Server::start(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let url = format!("https://localhost:{}/", server.addr.port());
    let error = block_on(client(Roots::Bundled).send(Request::new(url))).unwrap_err();
    assert_eq!(error, TransportError::Tls(TlsError::Handshake));
}
