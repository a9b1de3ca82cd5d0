//! The HTTP client against servers that behave, and servers that do not.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::support::{Server, client, config, eventually, ok, read_head};
use async_io::block_on;
use tidegate::transport::error::RedirectError;
use tidegate::transport::pooled::config::{HostHeaders, Proxy};
use tidegate::transport::{Field, HttpConfig, HttpTransport, Phase, Request, Response, Transport, TransportError};

fn get(http: &HttpTransport, url: impl Into<String>) -> Result<Response, TransportError> {
    block_on(http.send(Request::new(url)))
}

/// The error of one request to a server that answers it, and all others, with these bytes and then closes.
fn error_after(answer: &'static [u8]) -> TransportError {
    let server = Server::start(move |mut stream| {
        let _ = read_head(&mut stream);
        let _ = stream.write_all(answer);
    });
    get(&client(1), server.url("/")).expect_err("an error is expected")
}

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
fn the_request_on_the_wire_is_the_one_configured() {
    let heads = Arc::new(Mutex::new(String::new()));
    let server = Server::answering({
        let heads = Arc::clone(&heads);
        move |head| {
            heads.lock().unwrap().push_str(head);
            ok(b"")
        }
    });
    let http = HttpTransport::new(HttpConfig {
        user_agent: "MyMap/1.2 (+https://my.map)".into(),
        headers: vec![("X-Api-Key".into(), "k3y".into())],
        ..config(1)
    })
    .unwrap();
    let request = Request::new(server.url("/1/0/1.png?v=2")).if_none_match("W/\"a\"").header("x-request-id", "7");
    block_on(http.send(request)).unwrap();
    let head = heads.lock().unwrap().to_ascii_lowercase();
    assert!(head.starts_with("get /1/0/1.png?v=2 http/1.1\r\n"), "{head}");
    for line in [
        "user-agent: mymap/1.2 (+https://my.map)",
        "accept: */*",
        "accept-encoding: gzip",
        "x-api-key: k3y",
        "if-none-match: w/\"a\"",
        "x-request-id: 7",
    ] {
        assert_eq!(head.matches(&format!("\r\n{line}\r\n")).count(), 1, "{line} in {head}");
    }
    assert_eq!(head.lines().filter(|line| line.contains(':')).count(), 7, "nothing else but the host: {head}");
}

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
fn requests_that_cannot_be_sent_are_told_without_a_connection() {
    let http = client(1);
    for url in ["", "/0/0/0.png", "no url", "ftp://a.test/", "http://", "http:///x"] {
        let error = get(&http, url).expect_err(url);
        assert!(matches!(error, TransportError::Request(_)), "{url}: {error:?}");
    }
    let broken = Request::new("http://127.0.0.1:1/").header("x-request-id", "a\r\nx-evil: b");
    assert!(matches!(block_on(http.send(broken)), Err(TransportError::Request(_))));
    assert_eq!(http.pool().opened_connections, 0);
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

#[test]
fn redirects_are_followed_counted_and_limited() {
    let server = Server::answering(|head| match head.split(' ').nth(1) {
        Some("/a") => b"HTTP/1.1 301 Moved\r\nLocation: /b\r\nContent-Length: 5\r\n\r\nmoved".to_vec(),
        Some("/b") => b"HTTP/1.1 302 Found\r\nLocation: c?x=1\r\nContent-Length: 0\r\n\r\n".to_vec(),
        Some("/c?x=1") => ok(b"tile"),
        Some("/nowhere") => b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
        _ => b"HTTP/1.1 307 Loop\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n".to_vec(),
    });
    let http = client(1);
    let response = get(&http, server.url("/a")).unwrap();
    assert_eq!((response.status, response.redirects, &*response.body), (200, 2, &b"tile"[..]));
    assert_eq!(server.connections(), 1, "a redirect's body is read, so its connection can be used again");
    assert_eq!(get(&http, server.url("/loop")).unwrap_err(), RedirectError::TooMany { max: 3 }.into());
    assert_eq!(get(&http, server.url("/nowhere")).unwrap_err(), RedirectError::Location.into());

    let http = HttpTransport::new(HttpConfig { max_redirects: 0, ..config(1) }).unwrap();
    assert_eq!(get(&http, server.url("/a")).unwrap().status, 301);
}

#[test]
fn a_redirect_to_another_host_takes_no_secrets_along() {
    let heads = Arc::new(Mutex::new(String::new()));
    let other = Server::answering({
        let heads = Arc::clone(&heads);
        move |head| {
            heads.lock().unwrap().push_str(head);
            ok(b"tile")
        }
    });
    let location = other.url("/tile");
    let server = Server::answering(move |_| {
        format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n").into_bytes()
    });
    let http =
        HttpTransport::new(HttpConfig { headers: vec![("X-Api-Key".into(), "k3y".into())], ..config(1) }).unwrap();
    let request = Request::new(server.url("/")).header("authorization", "Bearer t0ken");
    assert_eq!(block_on(http.send(request)).unwrap().redirects, 1);
    let head = heads.lock().unwrap().to_ascii_lowercase();
    assert!(head.contains("user-agent: tidegate/"), "{head}");
    assert!(!head.contains("k3y") && !head.contains("t0ken"), "{head}");
}

#[test]
fn headers_of_a_host_go_to_that_host_alone_also_where_a_redirect_leads_there() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let server = Server::answering({
        let heads = Arc::clone(&heads);
        move |head| {
            heads.lock().unwrap().push(head.to_ascii_lowercase());
            let port = head.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("host: ")?.split(':').nth(1).map(str::to_owned)
            });
            let moved = format!(
                "HTTP/1.1 302 Found\r\nLocation: http://localhost:{}/tile\r\nContent-Length: 0\r\n\r\n",
                port.unwrap()
            );
            if head.starts_with("GET /tile") { ok(b"tile") } else { moved.into_bytes() }
        }
    });
    let rule = |hosts: &str, value: &str| HostHeaders {
        hosts: hosts.parse().unwrap(),
        headers: vec![("X-Api-Key".into(), value.into())],
    };
    let host_headers = vec![rule("127.0.0.1", "first"), rule("localhost", "second"), rule("*.test", "third")];
    let headers = vec![("X-Api-Key".into(), "any".into())];
    let http = HttpTransport::new(HttpConfig { headers, host_headers, ..config(1) }).unwrap();
    assert_eq!(get(&http, server.url("/")).unwrap().redirects, 1);
    let heads = heads.lock().unwrap();
    let keys: Vec<_> = heads
        .iter()
        .map(|head| head.lines().filter(|line| line.starts_with("x-api-key")).collect::<Vec<_>>())
        .collect();
    assert_eq!(keys, [["x-api-key: first"], ["x-api-key: second"]]);
}

#[test]
fn the_servers_of_openstreetmap_are_spared_where_that_is_asked_for_also_by_a_redirect() {
    let server = Server::answering(|_| {
        b"HTTP/1.1 302 Found\r\nLocation: http://A.Tile.OpenStreetMap.ORG.:1/0/0/0.png\r\nContent-Length: 0\r\n\r\n"
            .to_vec()
    });
    let http = HttpTransport::new(HttpConfig { spare_openstreetmap: true, ..config(1) }).unwrap();
    for url in [server.url("/"), "http://tile.openstreetmap.org:1/0/0/0.png".to_owned()] {
        assert_eq!(get(&http, url).unwrap_err(), TransportError::UsagePolicy);
    }
    // Names are looked up before anything is sent: there is no connection but that to the server that redirects.
    assert_eq!(http.pool().opened_connections, 1);
}

#[test]
fn a_proxy_is_used_where_it_is_asked_for() {
    let server = Server::answering(|_| ok(b"tile"));
    let asked = Arc::new(Mutex::new(String::new()));
    let proxy = Server::start({
        let asked = Arc::clone(&asked);
        move |mut stream| {
            let head = read_head(&mut stream).unwrap_or_default();
            let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
            asked.lock().unwrap().push_str(&head);
            let Ok(mut upstream) = TcpStream::connect(target) else { return };
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            let (mut from, mut to) = (stream.try_clone().unwrap(), upstream.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            let _ = std::io::copy(&mut upstream, &mut stream);
        }
    });
    let through = Proxy::Url(format!("http://anna:s3cret@{}", proxy.addr));
    let http = HttpTransport::new(HttpConfig { proxy: through, ..config(1) }).unwrap();
    for _ in 0..3 {
        assert_eq!(&*get(&http, server.url("/")).unwrap().body, b"tile");
    }
    assert_eq!((proxy.connections(), server.connections()), (1, 1), "one tunnel carries them all");
    assert_eq!(http.pool().idle_connections, 1, "the tunnel, and not the connection to the proxy beside it");
    let head = asked.lock().unwrap().clone();
    assert!(head.starts_with(&format!("CONNECT {} HTTP/1.1\r\n", server.addr)), "{head}");
    assert!(head.contains("Proxy-Authorization: Basic YW5uYTpzM2NyZXQ="), "{head}");

    let refusing = Server::answering(|_| b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_vec());
    let through = Proxy::Url(refusing.url(""));
    let http = HttpTransport::new(HttpConfig { proxy: through, ..config(1) }).unwrap();
    assert_eq!(get(&http, server.url("/")).unwrap_err(), TransportError::Proxy);
}

/// What a SOCKS5 proxy heard before it connected, and the proxy, which connects to `target` whatever it was asked for.
fn socks_proxy(target: std::net::SocketAddr, heard: &Arc<Mutex<Vec<u8>>>) -> Server {
    let heard = Arc::clone(heard);
    Server::start(move |stream| {
        let take = |count: usize| {
            let mut bytes = vec![0; count];
            (&stream).read_exact(&mut bytes).ok()?;
            heard.lock().unwrap().extend_from_slice(&bytes);
            Some(bytes)
        };
        // Greeting with two methods, then name and password of 4 and 6 letters.
        let Some(_) = take(4) else { return };
        let _ = (&stream).write_all(&[5, 2]);
        let Some(_) = take(1 + 1 + 4 + 1 + 6) else { return };
        let _ = (&stream).write_all(&[1, 0]);
        let Some(head) = take(4) else { return };
        let address = if head[3] == 3 { usize::from(take(1).map_or(0, |length| length[0])) } else { 4 };
        let Some(_) = take(address + 2) else { return };
        let Ok(upstream) = TcpStream::connect(target) else { return };
        let _ = (&stream).write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        let (from, to) = (stream.try_clone().unwrap(), upstream.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut &from, &mut &to));
        let _ = std::io::copy(&mut &upstream, &mut &stream);
    })
}

#[test]
fn a_socks_proxy_carries_all_requests_and_looks_the_name_up_where_it_was_told_to() {
    let server = Server::answering(|_| ok(b"tile"));
    let heard = Arc::new(Mutex::new(Vec::new()));
    let proxy = socks_proxy(server.addr, &heard);
    for (scheme, host, asked) in [
        ("socks5h", "no-such-host.test", &b"\x03\x11no-such-host.test\x00\x50"[..]),
        ("socks5", "127.0.0.1", &[1, 127, 0, 0, 1, 0, 80]),
    ] {
        let (before, through) = (proxy.connections(), Proxy::Url(format!("{scheme}://anna:s3cret@{}", proxy.addr)));
        let http = HttpTransport::new(HttpConfig { proxy: through, ..config(1) }).unwrap();
        for _ in 0..3 {
            assert_eq!(&*get(&http, format!("http://{host}/")).unwrap().body, b"tile", "{scheme}");
        }
        assert_eq!(proxy.connections(), before + 1, "one connection carries them all");
        assert_eq!((http.pool().open_connections, http.pool().idle_connections), (1, 1));
        let heard = std::mem::take(&mut *heard.lock().unwrap());
        assert!(heard.starts_with(b"\x05\x02\x02\x00\x01\x04anna\x06s3cret\x05\x01\x00"), "{heard:?}");
        assert!(heard.ends_with(asked), "{scheme}: {heard:?}");
    }
}

#[test]
fn a_socks_proxy_that_refuses_is_told_apart_from_the_server() {
    let refusing = Server::start(|mut stream| {
        let _ = stream.read(&mut [0; 3]);
        let _ = stream.write_all(&[5, 0xff]);
    });
    let through = Proxy::Url(format!("socks5h://{}", refusing.addr));
    let http = HttpTransport::new(HttpConfig { proxy: through, ..config(1) }).unwrap();
    assert_eq!(get(&http, "http://tiles.test/").unwrap_err(), TransportError::Proxy);
    let silent = Server::start(|mut stream| {
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let (through, after) = (Proxy::Url(format!("socks5h://{}", silent.addr)), Duration::from_millis(40));
    let http = HttpTransport::new(HttpConfig { proxy: through, connect_timeout: after, ..config(1) }).unwrap();
    let error = get(&http, "http://tiles.test/").unwrap_err();
    assert_eq!(error, TransportError::Timeout { phase: Phase::Connect, after });
}

#[test]
fn the_environment_has_no_say_in_the_proxy() {
    let tests = std::env::current_exe().unwrap();
    let output = std::process::Command::new(tests)
        .args(["--exact", "http::one_connection_carries_request_after_request"])
        // Nothing listens there.
        .envs([("ALL_PROXY", "http://127.0.0.1:9"), ("http_proxy", "http://127.0.0.1:9")])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn a_host_name_is_looked_up() {
    let server = Server::answering(|_| ok(b"tile"));
    let http = client(1);
    let url = format!("http://localhost:{}/", server.addr.port());
    assert_eq!(get(&http, url).unwrap().status, 200);
}
