//! What the logger of an application hears of a request: nothing that tells a place, a key or a user, at any level.

use std::sync::Mutex;

use async_io::block_on;
use log::{LevelFilter, Log, Metadata, Record};
use tidegate::transport::{HttpConfig, HttpTransport, Request, Transport};

use super::support::{Server, config};

/// Keeps all that is logged, by whomever.
struct Listener(Mutex<Vec<String>>);

impl Log for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        self.0.lock().unwrap().push(format!("{} {} {}", record.level(), record.target(), record.args()));
    }

    fn flush(&self) {}
}

static LISTENER: Listener = Listener(Mutex::new(Vec::new()));

#[test]
fn no_logger_hears_a_place_a_key_or_a_user() {
    log::set_logger(&LISTENER).unwrap();
    log::set_max_level(LevelFilter::Trace);
    // Said again and again: a library that logs pieces of sixteen bytes has the word whole in one of them.
    let place = "/canary".repeat(20);
    let moved = format!("HTTP/1.1 302 Found\r\nLocation: {place}/moved\r\nContent-Length: 0\r\n\r\n");
    let chunk = "canary ".repeat(20);
    let tile = format!(
        "HTTP/1.1 200 OK\r\nETag: \"{place}\"\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{chunk}\r\n0\r\n\r\n",
        chunk.len()
    );
    let server = Server::answering(move |head| {
        let answer = if head.contains("/moved") { &tile } else { &moved };
        answer.clone().into_bytes()
    });
    let headers = vec![("X-Api-Key".into(), "canary ".repeat(20).trim().to_owned())];
    let http = HttpTransport::new(HttpConfig { headers, ..config(1) }).unwrap();
    let user = "canary.".repeat(20);
    let url = format!("http://{user}:{user}@{}{place}?key={place}", server.addr);
    let response = block_on(http.send(Request::new(url))).unwrap();
    assert_eq!((response.status, response.redirects, response.body.len()), (200, 1, 140));
    log::info!("the listener hears");
    let heard = LISTENER.0.lock().unwrap();
    assert!(heard.iter().any(|line| line.contains("the listener hears")), "{heard:?}");
    let told: Vec<_> = heard.iter().filter(|line| line.contains("canary")).collect();
    assert!(told.is_empty(), "{} lines, {:?} among them", told.len(), told.first());
}
