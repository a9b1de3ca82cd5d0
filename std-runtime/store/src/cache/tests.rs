//! The file: its bound, who shares it, and what is left when it is damaged.

use std::{fs, time::Duration};

use rusqlite::Connection;
use tidegate::transport::scripted::answer;

use super::*;

fn at(seconds: u64) -> Instant {
    Instant::ORIGIN.saturating_add(Duration::from_secs(seconds))
}

fn request(number: usize) -> Request {
    Request::new(format!("http://tiles.test/8/{number}/0.png"))
}

fn open(folder: &Path, bytes_max: u64) -> TileCache {
    let config = CacheConfig { bytes_max, ..CacheConfig::DEFAULT };
    TileCache::open(folder, config, at(0), SystemTime::now()).expect("it can be opened")
}

fn keep(cache: &TileCache, number: usize, seconds: u64, body: &[u8]) {
    let request = request(number);
    let sent = answer(200, &[("etag", "\"v1\"")], b"");
    let (asked, answered) = (at(seconds), at(seconds));
    cache.keep(&Exchange { request: &request, status: 200, headers: &sent.headers, body, asked, answered });
}

fn body(cache: &TileCache, number: usize, seconds: u64) -> Option<Vec<u8>> {
    let kept = cache.look(at(seconds), &request(number))?;
    cache.read(&kept).map(|response| response.body.detach())
}

/// What the triggers say and what is there.
fn totals(folder: &Path) -> ((i64, i64), (i64, i64)) {
    let db = Connection::open(folder.join(table::FILE)).expect("a database");
    let both = |sql| db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).expect("two numbers");
    (both("SELECT answers, bytes FROM totals"), both("SELECT count(*), coalesce(sum(size), 0) FROM answers"))
}

#[test]
fn the_least_recently_used_make_room_and_the_bound_holds_at_every_step() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), 20_000);
    for number in 0..10 {
        keep(&cache, number, number as u64, &[7; 1_500]);
    }
    assert_eq!((cache.stats().answers, cache.stats().evicted), (10, 0));
    assert!(body(&cache, 0, 100).is_some(), "used again, a minute later");
    for number in 10..14 {
        keep(&cache, number, 101, &[7; 1_500]);
        assert!(cache.stats().bytes <= 20_000, "{:?}", cache.stats());
    }
    let left: Vec<usize> = (0..14).filter(|number| body(&cache, *number, 102).is_some()).collect();
    assert_eq!(left, [0, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13], "1 and 2 were used least recently");
    assert_eq!(cache.stats(), CacheStats { answers: 12, bytes: cache.stats().bytes, evicted: 2, failed: 0 });
}

#[test]
fn what_is_larger_than_all_the_room_drives_nothing_out() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), 10_000);
    keep(&cache, 1, 0, b"small");
    keep(&cache, 2, 0, &[7; 10_000]);
    assert_eq!((body(&cache, 1, 0).as_deref(), body(&cache, 2, 0)), (Some(&b"small"[..]), None));
}

#[test]
fn the_totals_are_those_of_the_answers_whatever_is_done_to_them() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), 30_000);
    let sent = answer(304, &[("cache-control", "max-age=600"), ("etag", "W/\"v1\"")], b"");
    for step in 0..300 {
        let number = step * 7 % 31;
        keep(&cache, number, step as u64, &vec![7; step * 13 % 2_000]);
        if let (0, Some(kept)) = (step % 3, cache.look(at(step as u64), &request(number))) {
            let (request, time) = (request(number), at(step as u64));
            let exchange = Exchange {
                request: &request,
                status: 304,
                headers: &sent.headers,
                body: b"",
                asked: time,
                answered: time,
            };
            cache.confirm(&kept, &exchange);
        }
    }
    let (said, counted) = totals(folder.path());
    assert_eq!(said, counted);
    assert!(said.0 > 5 && said.1 <= 30_000, "{said:?}");
}

#[test]
fn what_is_opened_smaller_becomes_smaller() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), 4 << 20);
    (0..100).for_each(|number| keep(&cache, number, number as u64, &[7; 20_000]));
    drop(cache);
    let size = || fs::metadata(folder.path().join(table::FILE)).unwrap().len();
    let before = size();
    let cache = open(folder.path(), 200_000);
    assert_eq!((cache.stats().answers, cache.stats().evicted), (9, 91));
    drop(cache);
    assert!(size() < before / 5, "{before} bytes were given back but for {}", size());
    assert_eq!(body(&open(folder.path(), 200_000), 99, 0), Some(vec![7; 20_000]), "the newest is still there");
}

#[test]
fn two_who_share_it_see_what_the_other_one_keeps() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (open(folder.path(), 1 << 20), open(folder.path(), 1 << 20));
    keep(&one, 1, 0, b"one");
    keep(&other, 2, 0, b"other");
    assert_eq!((body(&other, 1, 0), body(&one, 2, 0)), (Some(b"one".to_vec()), Some(b"other".to_vec())));
}

#[test]
fn whoever_finds_it_locked_does_without_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), 1 << 20);
    keep(&cache, 1, 0, b"before");
    let other = Connection::open(folder.path().join(table::FILE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    keep(&cache, 2, 0, b"meanwhile");
    assert_eq!(cache.stats().failed, 1);
    assert_eq!(body(&cache, 1, 0), Some(b"before".to_vec()), "reading goes on");
    other.execute_batch("COMMIT").unwrap();
    keep(&cache, 2, 0, b"after");
    assert_eq!(body(&cache, 2, 0), Some(b"after".to_vec()));
}

#[test]
fn a_body_that_is_not_the_one_that_came_is_not_handed_over() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), 1 << 20);
    keep(&cache, 1, 0, b"as it came");
    let db = Connection::open(folder.path().join(table::FILE)).unwrap();
    db.execute("UPDATE answers SET body = CAST('as it CAME' AS BLOB)", []).unwrap();
    assert_eq!(body(&cache, 1, 0), None);
    assert_eq!(cache.stats().answers, 0, "and nobody asks for it again");
}

#[test]
fn a_damaged_file_has_nothing_and_breaks_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(table::FILE);
    let cache = open(folder.path(), 4 << 20);
    (0..200).for_each(|number| keep(&cache, number, 0, &[7; 5_000]));
    drop(cache);
    let mut bytes = fs::read(&file).unwrap();
    let length = bytes.len();
    // All but the first page, which says what it is.
    bytes[4_096..length].fill(0x5a);
    fs::write(&file, bytes).unwrap();
    match TileCache::open(folder.path(), CacheConfig::DEFAULT, at(0), SystemTime::now()) {
        Err(error) => {
            assert!(error.to_string().contains("it can be removed without losing anything but time"), "{error}")
        }
        Ok(cache) => {
            assert!((0..200).all(|number| body(&cache, number, 0).is_none()));
            keep(&cache, 1, 0, b"new");
            assert!(cache.stats().failed > 0);
        }
    }
}

#[test]
fn a_file_of_another_version_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), 1 << 20);
    keep(&cache, 1, 0, b"old");
    drop(cache);
    Connection::open(folder.path().join(table::FILE)).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let cache = open(folder.path(), 1 << 20);
    assert_eq!((body(&cache, 1, 0), cache.stats()), (None, CacheStats::default()));
    keep(&cache, 1, 0, b"new");
    assert_eq!(body(&cache, 1, 0), Some(b"new".to_vec()));
}

#[test]
fn what_varies_by_a_header_of_the_client_is_another_answer_for_another_client() {
    let folder = tempfile::tempdir().unwrap();
    let with = |language: &str| {
        let request_headers = vec![("Accept-Language".to_owned(), language.to_owned())];
        let config = CacheConfig { request_headers, ..CacheConfig::DEFAULT };
        TileCache::open(folder.path(), config, at(0), SystemTime::now()).expect("it can be opened")
    };
    let (german, french) = (with("de"), with("fr"));
    let sent = answer(200, &[("vary", "accept-language")], b"");
    let request = request(1);
    german.keep(&Exchange {
        request: &request,
        status: 200,
        headers: &sent.headers,
        body: b"Genf",
        asked: at(0),
        answered: at(0),
    });
    assert!(german.look(at(0), &request).is_some());
    assert_eq!(french.look(at(0), &request), None);
}
