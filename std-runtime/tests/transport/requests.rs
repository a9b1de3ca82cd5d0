//! Requests, as they go out.

use std::sync::{Arc, Mutex};

use super::support::{Server, client, config, get, ok};
use async_io::block_on;
use tidegate::transport::pooled::config::HostHeaders;
use tidegate::transport::{HttpConfig, HttpTransport, Request, Transport, TransportError};

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
