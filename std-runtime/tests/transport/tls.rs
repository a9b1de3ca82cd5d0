//! TLS: trusted, not trusted, and not TLS at all.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;

use super::support::{Server, config, ok, read_head};
use async_io::block_on;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tidegate::transport::error::TlsError;
use tidegate::transport::pooled::config::Roots;
use tidegate::transport::{HttpConfig, HttpTransport, Request, Transport, TransportError};

const AUTHORITY: &[u8] = include_bytes!("../data/tls/ca.pem");

fn tls_server() -> Server {
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
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
        while read_head(&mut stream).is_some() {
            if stream.write_all(&ok(b"tile")).and_then(|()| stream.flush()).is_err() {
                break;
            }
        }
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
