//! A server on loopback that does what a test tells it to, connection by connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use async_io::block_on;
use tidegate::transport::{HttpConfig, HttpTransport, Request, Response, Transport, TransportError};

/// Runs a handler on a thread of its own for each connection, until the process ends.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) fn start(handler: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let (handler, count) = (Arc::new(handler), Arc::clone(&connections));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::SeqCst);
                let handler = Arc::clone(&handler);
                thread::spawn(move || handler(stream));
            }
        });
        Self { addr, connections }
    }

    /// Answers each request of each connection with what `answer` makes of its head.
    pub(crate) fn answering(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::start(move |mut stream| {
            while let Some(head) = read_head(&mut stream) {
                if stream.write_all(&answer(&head)).is_err() {
                    break;
                }
            }
        })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// The head of the next request; `None` where the connection ended instead.
pub(crate) fn read_head(stream: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return None,
        }
    }
    String::from_utf8(head).ok()
}

/// A response with a body of stated length.
pub(crate) fn ok(body: &[u8]) -> Vec<u8> {
    let mut response = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    response.extend_from_slice(body);
    response
}

/// A client that has so many requests under way at most, and otherwise defaults.
pub(crate) fn client(requests: usize) -> HttpTransport {
    HttpTransport::new(config(requests)).unwrap()
}

pub(crate) fn config(requests: usize) -> HttpConfig {
    HttpConfig { max_connections: requests, ..HttpConfig::default() }
}

/// Polls until `condition` holds; fails after five seconds.
pub(crate) fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !condition() {
        assert!(Instant::now() < deadline, "not within 5 s: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

pub(crate) fn get(http: &HttpTransport, url: impl Into<String>) -> Result<Response, TransportError> {
    block_on(http.send(Request::new(url)))
}

/// The error of one request to a server that answers it, and all others, with these bytes and then closes.
pub(crate) fn error_after(answer: &'static [u8]) -> TransportError {
    let server = Server::start(move |mut stream| {
        let _ = read_head(&mut stream);
        let _ = stream.write_all(answer);
    });
    get(&client(1), server.url("/")).expect_err("an error is expected")
}
