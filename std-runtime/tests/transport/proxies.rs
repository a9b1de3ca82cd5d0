//! Proxies, of HTTP and of SOCKS.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::support::{Server, config, get, ok, read_head};
use tidegate::transport::pooled::config::Proxy;
use tidegate::transport::{HttpConfig, HttpTransport, Phase, TransportError};

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
        .args(["--exact", "connections::one_connection_carries_request_after_request"])
        // Nothing listens there.
        .envs([("ALL_PROXY", "http://127.0.0.1:9"), ("http_proxy", "http://127.0.0.1:9")])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
