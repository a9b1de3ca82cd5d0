//! Giving up: a dropped request frees its place, and a closed client leaves no connection.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::support::{Server, client, config, eventually, ok, read_head};
use async_io::{Timer, block_on};
use futures_lite::future::{or, poll_once};
use tidegate::transport::pooled::config::Proxy;
use tidegate::transport::{HttpConfig, HttpTransport, Phase, Request, Transport, TransportError};

/// A place whose request was given up has to be free within this time.
const FREE_WITHIN: Duration = Duration::from_millis(50);

/// Lets a request that does not end go on until `condition` holds; fails after five seconds.
async fn until(request: impl Future + Unpin, condition: impl Fn() -> bool) {
    let ended = async {
        request.await;
        panic!("the request was expected to hang");
    };
    let reached = async {
        let deadline = Instant::now() + Duration::from_secs(5);
        while !condition() {
            assert!(Instant::now() < deadline, "not within 5 s");
            Timer::after(Duration::from_millis(1)).await;
        }
    };
    or(ended, reached).await;
}

/// Starts a request, gives it time to get stuck, drops it, and measures how long its place and its connection take to come free.
fn time_until_free(http: &HttpTransport, stuck_url: &str) -> Duration {
    block_on(async {
        let stuck = async {
            let _ = http.send(Request::new(stuck_url)).await;
            panic!("{stuck_url} was expected to hang");
        };
        let waited = async {
            Timer::after(Duration::from_millis(20)).await;
        };
        or(stuck, waited).await;
    });
    let dropped_at = Instant::now();
    eventually("nothing is left", || http.pool().busy == 0 && http.pool().open_connections == 0);
    dropped_at.elapsed()
}

/// Once in many times is enough: what is measured is the interruption, not how busy the machine is.
fn assert_frees_its_place(stuck_url: &str) {
    let http = client(1);
    let mut taken = Vec::new();
    let in_time = (0..50).any(|_| {
        taken.push(time_until_free(&http, stuck_url));
        taken.last().is_some_and(|time| *time < FREE_WITHIN)
    });
    assert!(in_time, "free after {taken:?}");
    let good = Server::answering(|_| ok(b"tile"));
    assert_eq!(block_on(http.send(Request::new(good.url("/")))).unwrap().status, 200);
    assert_eq!(http.pool().open_connections, 1, "nothing of the given up requests is left");
}

#[test]
fn giving_up_on_a_server_that_never_answers_frees_its_place() {
    let server = Server::start(|mut stream| {
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    assert_frees_its_place(&server.url("/"));
}

#[test]
fn giving_up_on_a_dripping_body_frees_its_place() {
    let server = Server::start(|mut stream| {
        let _ = read_head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
        while stream.write_all(b".").is_ok() {
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    assert_frees_its_place(&server.url("/"));
}

#[test]
fn giving_up_on_a_socks_proxy_that_says_nothing_frees_its_place() {
    let proxy = Server::start(|mut stream| {
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let through = Proxy::Url(format!("socks5h://{}", proxy.addr));
    let http = HttpTransport::new(HttpConfig { proxy: through, ..config(1) }).unwrap();
    let in_time = (0..50).any(|_| time_until_free(&http, "http://tiles.test/") < FREE_WITHIN);
    assert!(in_time && http.pool().open_connections == 0);
}

#[test]
fn giving_up_on_a_handshake_frees_its_place() {
    let server = Server::start(|mut stream| {
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    assert_frees_its_place(&format!("https://{}/", server.addr));
}

/// An address on which connecting takes for ever, as its queue of connections is full. The sockets keep it full.
#[cfg(target_os = "linux")]
fn full_listener() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&addr, Duration::from_millis(50)) {
        queued.push(stream);
        assert!(queued.len() < 10_000, "the queue does not fill up");
    }
    (addr, listener, queued)
}

#[test]
#[cfg(target_os = "linux")]
fn giving_up_on_a_connect_that_hangs_frees_its_place() {
    let (addr, _listener, _queued) = full_listener();
    assert_frees_its_place(&format!("http://{addr}/"));
}

#[test]
#[cfg(target_os = "linux")]
fn a_connect_that_hangs_times_out_by_itself() {
    let (addr, _listener, _queued) = full_listener();
    let after = Duration::from_millis(30);
    let http = HttpTransport::new(HttpConfig { connect_timeout: after, ..config(1) }).unwrap();
    let error = block_on(http.send(Request::new(format!("http://{addr}/")))).unwrap_err();
    assert_eq!(error, TransportError::Timeout { phase: Phase::Connect, after });
}

#[test]
fn a_request_given_up_before_its_turn_is_never_sent() {
    let requests = Arc::new(AtomicUsize::new(0));
    let server = Server::start({
        let requests = Arc::clone(&requests);
        move |mut stream| {
            while read_head(&mut stream).is_some() {
                requests.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    let http = client(1);
    block_on(async {
        let mut first = Box::pin(http.send(Request::new(server.url("/first"))));
        until(&mut first, || requests.load(Ordering::SeqCst) == 1).await;
        let mut second = Box::pin(http.send(Request::new(server.url("/second"))));
        assert!(poll_once(&mut second).await.is_none());
        drop(second);
        assert!(poll_once(&mut first).await.is_none());
    });
    eventually("the place is free", || http.pool().busy == 0);
    assert_eq!((requests.load(Ordering::SeqCst), server.connections()), (1, 1));
}

#[test]
fn no_more_requests_than_connections_allowed() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let server = Server::answering({
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        move |_| {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(3));
            now.fetch_sub(1, Ordering::SeqCst);
            ok(b"tile")
        }
    });
    let http = Arc::new(client(5));
    let threads: Vec<_> = (0..40)
        .map(|_| {
            let (http, url) = (Arc::clone(&http), server.url("/"));
            std::thread::spawn(move || block_on(http.send(Request::new(url))).unwrap().status)
        })
        .collect();
    assert!(threads.into_iter().all(|thread| thread.join().unwrap() == 200));
    assert_eq!(most.load(Ordering::SeqCst), 5);
    assert_eq!(server.connections(), 5);
}

#[test]
fn idle_connections_are_closed_when_their_time_is_over_although_nothing_is_asked() {
    let gathered = Arc::new(std::sync::Barrier::new(6));
    let server = Server::answering({
        let gathered = Arc::clone(&gathered);
        move |_| {
            gathered.wait();
            ok(b"tile")
        }
    });
    let http =
        Arc::new(HttpTransport::new(HttpConfig { max_idle_age: Duration::from_millis(30), ..config(6) }).unwrap());
    let threads: Vec<_> = (0..6)
        .map(|_| {
            let (http, url) = (Arc::clone(&http), server.url("/"));
            std::thread::spawn(move || block_on(http.send(Request::new(url))).unwrap().status)
        })
        .collect();
    assert!(threads.into_iter().all(|thread| thread.join().unwrap() == 200));
    assert_eq!(http.pool().opened_connections, 6);
    eventually("the idle connections are closed", || http.pool().open_connections == 0);
    assert_eq!(http.pool().idle_connections, 0);
}

#[test]
fn closing_ends_every_request_and_every_connection() {
    let server = Server::start(|mut stream| {
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let http = Arc::new(client(3));
    // Three are under way, two wait for their turn.
    let threads: Vec<_> = (0..5)
        .map(|_| {
            let (http, url) = (Arc::clone(&http), server.url("/"));
            std::thread::spawn(move || block_on(http.send(Request::new(url))).map(|response| response.status))
        })
        .collect();
    eventually("three requests are under way", || server.connections() == 3);
    http.close();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), Err(TransportError::ShutDown));
    }
    let late = block_on(http.send(Request::new(server.url("/")))).unwrap_err();
    assert_eq!(late, TransportError::ShutDown);
    assert_eq!(http.pool().open_connections, 0);
    assert_eq!(http.pool().busy, 0);
    // Twice is once.
    http.close();
}

#[test]
fn closing_waits_for_nobody_and_reaches_idle_connections_and_those_in_use() {
    let server = Server::answering(|head| if head.contains("/stuck") { Vec::new() } else { ok(b"tile") });
    let http = client(2);
    block_on(async {
        let mut stuck = Box::pin(http.send(Request::new(server.url("/stuck"))));
        until(&mut stuck, || http.pool().open_connections == 1).await;
        assert_eq!(http.send(Request::new(server.url("/"))).await.unwrap().status, 200);
        assert_eq!((http.pool().open_connections, http.pool().idle_connections), (2, 1));
        let started = Instant::now();
        http.close();
        assert!(started.elapsed() < Duration::from_secs(1));
        assert_eq!((http.pool().open_connections, http.pool().idle_connections), (1, 0));
        assert_eq!(stuck.await.unwrap_err(), TransportError::ShutDown);
        assert_eq!(http.pool().open_connections, 0);
    });
}

#[test]
fn a_client_dropped_with_its_requests_does_not_hang() {
    let server = Server::answering(|_| ok(b"tile"));
    // One that hung would take its second each time.
    let is_quick = |_| {
        let http = client(2);
        assert_eq!(block_on(http.send(Request::new(server.url("/")))).unwrap().status, 200);
        let started = Instant::now();
        drop(http);
        started.elapsed() < Duration::from_millis(500)
    };
    assert!((0..20).any(is_quick));
}
