//! The server when nothing is wrong.

use std::thread;

use rusqlite::{Connection as Archive, OpenFlags};
use tidegate_lab::mock::{MockConfig, TileSource};

use crate::client::{Connection, fetch, get, mock, start};

#[test]
fn every_tile_is_served_as_it_is_in_the_archive() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/world-z4.mbtiles");
    let archive = Archive::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the archive");
    let mut select = archive.prepare("SELECT zoom_level, tile_column, tile_row, tile_data FROM tiles").expect("tables");
    let tiles: Vec<(u32, u32, u32, Vec<u8>)> = select
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .and_then(Iterator::collect)
        .expect("tiles");
    let mock = mock("");
    let mut connection = Connection::open(mock.addr());
    for (zoom, x, tms_row, data) in &tiles {
        let y = (1 << zoom) - 1 - tms_row;
        let answer = connection.get(&format!("/{zoom}/{x}/{y}.mvt"), "").expect("an answer");
        assert_eq!((answer.status, &answer.body), (200, data), "{zoom}/{x}/{y}");
    }
    let stats = mock.stop();
    assert_eq!((tiles.len(), stats.answered[&200], stats.connections.accepted), (267, 267, 1));
    let bytes: u64 = tiles.iter().map(|tile| tile.3.len() as u64).sum();
    assert_eq!(stats.body_bytes_sent, bytes);
}

#[test]
fn an_answer_tells_what_it_is() {
    let mock = mock("");
    assert_eq!(mock.url_template(), format!("http://{}/{{z}}/{{x}}/{{y}}.mvt", mock.addr()));
    for path in ["/0/0/0.mvt", "/0/0/0.png", "/0/0/0.pbf", "/0/0/0", "/some/prefix/0/0/0@2x.webp?key=1"] {
        let answer = fetch(mock.addr(), path, "").expect("an answer");
        assert_eq!((answer.status, answer.body.len()), (200, 17_588), "{path}");
        assert_eq!(answer.field("Content-Type"), Some("application/vnd.mapbox-vector-tile"));
        assert_eq!(answer.field("Content-Encoding"), Some("gzip"));
        assert_eq!(answer.field("Cache-Control"), Some("max-age=3600"));
        assert_eq!(answer.field("Last-Modified"), Some("Wed, 01 Jan 2025 00:00:00 GMT"));
        assert!(answer.field("Date").is_some_and(|date| httpdate::parse_http_date(date).is_ok()));
        assert!(answer.field("ETag").is_some());
    }
}

#[test]
fn who_has_the_tile_gets_304() {
    let mock = mock("");
    let mut connection = Connection::open(mock.addr());
    let first = connection.get("/0/0/0", "").expect("an answer");
    let tag = first.field("ETag").expect("a tag");
    for field in
        [format!("If-None-Match: W/{tag}\r\n"), "If-Modified-Since: Wed, 01 Jan 2025 00:00:00 GMT\r\n".to_owned()]
    {
        let again = connection.get("/0/0/0", &field).expect("an answer");
        assert_eq!((again.status, again.body.len(), again.field("ETag")), (304, 0, Some(tag)));
        assert_eq!(again.field("Content-Length"), None);
        assert!(again.field("Date").is_some() && again.field("Cache-Control").is_some());
    }
    let other = connection.get("/1/0/0", &format!("If-None-Match: {tag}\r\n")).expect("an answer");
    assert_eq!(other.status, 200, "the tag of another tile");
}

#[test]
fn an_archive_of_ones_own_is_served_with_its_own_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/world-z4.mbtiles");
    let mock = start(MockConfig { tiles: TileSource::Archive(path.into()), ..MockConfig::default() });
    let mut connection = Connection::open(mock.addr());
    let first = connection.get("/0/0/0", "").expect("an answer");
    let date = first.field("Last-Modified").expect("a date");
    // The file's time has a fraction of a second, and the header has none.
    let again = connection.get("/0/0/0", &format!("If-Modified-Since: {date}\r\n")).expect("an answer");
    assert_eq!((first.status, again.status), (200, 304));
}

#[test]
fn a_head_request_gets_the_head_alone() {
    let mock = mock("");
    let mut connection = Connection::open(mock.addr());
    connection.send(b"HEAD /0/0/0 HTTP/1.1\r\nHost: mock\r\n\r\n").expect("sent");
    let answer = connection.answer(false).expect("an answer");
    assert_eq!((answer.status, answer.field("Content-Length")), (200, Some("17588")));
    let next = connection.get("/1/0/0", "").expect("the connection is still in step");
    assert_eq!(next.status, 200);
}

#[test]
fn what_is_not_there_is_404_and_what_cannot_be_done_is_405() {
    let mock = mock("");
    for path in ["/4/0/0", "/5/0/0", "/3/8/0", "/", "/tiles.json"] {
        assert_eq!(fetch(mock.addr(), path, "").expect("an answer").status, 404, "{path}");
    }
    let mut connection = Connection::open(mock.addr());
    connection.send(b"DELETE /0/0/0 HTTP/1.1\r\nHost: mock\r\n\r\n").expect("sent");
    let answer = connection.answer(true).expect("an answer");
    assert_eq!((answer.status, answer.field("Allow")), (405, Some("GET, HEAD")));
    assert_eq!(mock.stop().answered.into_iter().collect::<Vec<_>>(), [(404, 5), (405, 1)]);
}

#[test]
fn requests_sent_ahead_are_answered_in_order() {
    let mock = mock("latency=1ms");
    let mut connection = Connection::open(mock.addr());
    let all: String = ["/0/0/0", "/4/0/0", "/1/0/0"].map(|path| get(path, "")).concat();
    connection.send(all.as_bytes()).expect("sent");
    let statuses = [(); 3].map(|()| connection.answer(true).expect("an answer").status);
    assert_eq!(statuses, [200, 404, 200]);
    assert_eq!(mock.stats().max_in_flight, 1);
}

#[test]
fn old_clients_get_the_connection_closed_unless_they_ask() {
    let mock = mock("");
    let mut connection = Connection::open(mock.addr());
    connection.send(b"GET /4/0/0 HTTP/1.0\r\n\r\n").expect("sent");
    let (bytes, end) = connection.rest();
    let text = String::from_utf8(bytes).expect("text");
    assert!(end.is_ok() && text.starts_with("HTTP/1.1 404 ") && text.contains("\r\nConnection: close\r\n"), "{text}");

    let mut connection = Connection::open(mock.addr());
    for _ in 0..2 {
        connection.send(b"GET /4/0/0 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").expect("still open");
        assert_eq!(connection.answer(true).expect("an answer").field("Connection"), Some("keep-alive"));
    }
}

#[test]
fn two_hundred_connections_are_served_at_a_time() {
    let mock = mock("latency=20ms");
    let addr = mock.addr();
    let paths = ["/0/0/0", "/1/0/0", "/1/1/1", "/4/0/0"];
    thread::scope(|scope| {
        for client in 0..200 {
            scope.spawn(move || {
                let mut connection = Connection::open(addr);
                for request in 0..5 {
                    let path = paths[(client + request) % paths.len()];
                    let status = connection.get(path, "").expect("an answer").status;
                    assert_eq!(status, if path == "/4/0/0" { 404 } else { 200 });
                }
            });
        }
    });
    let stats = mock.stop();
    assert_eq!((stats.received, stats.answered[&200], stats.answered[&404]), (1_000, 750, 250));
    assert!((2..=200).contains(&stats.max_in_flight), "{}", stats.max_in_flight);
    assert_eq!((stats.connections.accepted, stats.connections.open), (200, 0));
}

#[test]
fn a_hundred_thousand_tiles_can_be_made() {
    let mock = start(MockConfig { tiles: TileSource::Nothing, synthetic_bytes: Some(512), ..MockConfig::default() });
    let mut connection = Connection::open(mock.addr());
    let mut at = |path: &str| connection.get(path, "").expect("an answer");
    let (first, last) = (at("/17/0/0"), at("/17/99999/1"));
    assert_eq!((first.status, first.body.len()), (200, 512));
    assert_ne!(first.body, last.body);
    assert_ne!(first.field("ETag"), last.field("ETag"));
    assert_eq!(first.body, at("/17/0/0").body);
}

#[test]
fn after_stopping_the_port_is_free_and_nothing_is_open() {
    let mock = mock("script=hang");
    let addr = mock.addr();
    let mut connection = Connection::open(addr);
    connection.send(get("/0/0/0", "").as_bytes()).expect("sent");
    crate::client::stats_when(&mock, |stats| stats.in_flight == 1);
    let stats = mock.stop();
    assert_eq!((stats.in_flight, stats.aborted, stats.connections.open), (0, 1, 0));
    assert!(stats.balances());
    assert!(connection.rest().0.is_empty());
    assert!(Connection::try_open(addr).is_err());
    let again = start(MockConfig { port: addr.port(), ..MockConfig::default() });
    assert_eq!(fetch(addr, "/0/0/0", "").expect("an answer").status, 200);
    drop(again);
    assert!(Connection::try_open(addr).is_err(), "dropping stops as well");
}

#[test]
fn a_port_that_is_taken_is_named_in_the_error() {
    let first = mock("");
    let port = first.addr().port();
    let error =
        tidegate_lab::mock::Mock::start(MockConfig { port, ..MockConfig::default() }).expect_err("taken").to_string();
    assert!(error.contains(&format!("127.0.0.1:{port}")) && error.contains("choose another port"), "{error}");
}
