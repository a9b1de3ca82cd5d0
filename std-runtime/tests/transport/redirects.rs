//! Redirects: where they lead, and what is taken along.

use std::sync::{Arc, Mutex};

use super::support::{Server, client, config, get, ok};
use async_io::block_on;
use tidegate::transport::error::RedirectError;
use tidegate::transport::{HttpConfig, HttpTransport, Request, Transport, TransportError};

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
