//! Connections: which are used again, and which are not.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::support::{Server, client, config, eventually, get, ok, read_head};
use tidegate::transport::{HttpConfig, HttpTransport, TransportError};

#[test]
fn one_connection_carries_request_after_request() {
    let server = Server::answering(|_| ok(b"tile"));
    let http = client(4);
    for _ in 0..20 {
        let response = get(&http, server.url("/")).unwrap();
        assert_eq!((response.status, &*response.body), (200, &b"tile"[..]));
    }
    assert_eq!(server.connections(), 1);
    let pool = http.pool();
    assert_eq!((pool.busy, pool.opened_connections), (0, 1));
    assert_eq!((pool.open_connections, pool.idle_connections), (1, 1));
}

#[test]
fn without_idle_connections_each_request_has_its_own() {
    let server = Server::answering(|_| ok(b"tile"));
    let http = HttpTransport::new(HttpConfig { max_idle_connections: 0, ..config(1) }).unwrap();
    for expected in 1..=3 {
        assert_eq!(get(&http, server.url("/")).unwrap().status, 200);
        assert_eq!((server.connections(), http.pool().open_connections), (expected, 0));
    }
}

#[test]
fn a_connection_on_which_more_came_than_was_asked_for_is_not_used_again() {
    let answers = [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntileHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"[..],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ntile\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ntile",
        b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\ntile",
        b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\ntile",
    ];
    for answer in answers {
        let server = Server::answering(move |_| answer.to_vec());
        let http = client(1);
        for expected in 1..=2 {
            assert_eq!(&*get(&http, server.url("/")).unwrap().body, b"tile");
            assert_eq!((server.connections(), http.pool().open_connections), (expected, 0));
        }
    }
}

#[test]
fn debug_shows_neither_keys_nor_whom_it_is_connected_to() {
    let server = Server::answering(|_| ok(b"tile"));
    let headers = vec![("X-Api-Key".into(), "k3y".into())];
    let http = HttpTransport::new(HttpConfig { headers, ..config(1) }).unwrap();
    get(&http, format!("http://anna:s3cret@{}/", server.addr)).unwrap();
    let shown = format!("{http:?}");
    assert!(shown.contains("idle_connections: 1"), "{shown}");
    for secret in ["k3y", "anna", "s3cret", "127.0.0.1"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[test]
fn a_refused_connection_says_so() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = get(&client(1), format!("http://{unused}/")).unwrap_err();
    assert_eq!(error, TransportError::Connect(std::io::ErrorKind::ConnectionRefused));
}

#[test]
fn a_connection_closed_while_idle_is_replaced_without_an_error() {
    let server = Server::start(|mut stream| {
        let _ = read_head(&mut stream);
        let _ = stream.write_all(&ok(b"tile"));
    });
    let http = client(1);
    for expected in 1..=3 {
        assert_eq!(get(&http, server.url("/")).unwrap().status, 200);
        assert_eq!(server.connections(), expected);
        // The end of the connection has to be here before the next request looks for it.
        eventually("the server hung up", || {
            std::thread::sleep(Duration::from_millis(2));
            http.pool().idle_connections <= 1
        });
    }
}

#[test]
fn a_request_lost_on_a_used_connection_is_labelled_and_not_sent_twice() {
    let requests = Arc::new(AtomicUsize::new(0));
    let server = Server::start({
        let requests = Arc::clone(&requests);
        move |mut stream| {
            for answer in [Some(ok(b"tile")), None] {
                if read_head(&mut stream).is_some() {
                    requests.fetch_add(1, Ordering::SeqCst);
                }
                // The second request of each connection is read and then hung up on.
                if let Some(answer) = answer {
                    let _ = stream.write_all(&answer);
                }
            }
        }
    });
    let http = client(1);
    get(&http, server.url("/")).unwrap();
    let lost = get(&http, server.url("/")).unwrap_err();
    assert_eq!(lost, TransportError::Closed { stale: true });
    assert!(lost.maybe_stale());
    assert_eq!(requests.load(Ordering::SeqCst), 2, "one request per call at the server");
    assert_eq!(get(&http, server.url("/")).unwrap().status, 200, "the next one gets a new connection");
}

#[test]
fn a_connection_that_dies_before_any_use_is_not_called_stale() {
    let server = Server::start(|mut stream| {
        let _ = read_head(&mut stream);
    });
    let error = get(&client(1), server.url("/")).unwrap_err();
    assert_eq!(error, TransportError::Closed { stale: false });
}

#[test]
fn a_host_name_is_looked_up() {
    let server = Server::answering(|_| ok(b"tile"));
    let http = client(1);
    let url = format!("http://localhost:{}/", server.addr.port());
    assert_eq!(get(&http, url).unwrap().status, 200);
}
