//! Each fault as it is seen on the wire.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tidegate_lab::mock::Mock;

use crate::client::{Connection, fetch, get, mock, stats_when, with_fault};

/// The tile at 0/0/0 as it is served without fault.
fn world(mock: &Mock) -> Vec<u8> {
    fetch(mock.addr(), "/0/0/0", "").expect("an answer").body
}

/// Head and body of what came in.
fn split(bytes: &[u8]) -> (String, &[u8]) {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    (String::from_utf8_lossy(&bytes[..end]).into_owned(), &bytes[end..])
}

fn unpacks(bytes: &[u8]) -> bool {
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut Vec::new()).is_ok()
}

/// Asserts what the counters say after exactly this one fault.
fn assert_counted(mock: &Mock, name: &str, answered: Option<u16>) {
    let stats = stats_when(mock, |stats| stats.in_flight == 0);
    assert_eq!(stats.injected, BTreeMap::from([(name.to_owned(), 1)]), "{stats:?}");
    match answered {
        Some(status) => assert_eq!(stats.answered.get(&status), Some(&1), "{stats:?}"),
        None => assert_eq!(stats.unanswered, BTreeMap::from([(name.to_owned(), 1)]), "{stats:?}"),
    }
}

#[test]
fn statuses_come_with_the_retry_after_that_was_asked_for() {
    let mock = mock("");
    let answer = |fault: &str| fetch(mock.addr(), "/0/0/0", &format!("x-mock-fault: {fault}\r\n")).expect("an answer");
    let header = |fault: &str| answer(fault).field("Retry-After").map(str::to_owned);
    assert_eq!(header("503"), None);
    assert_eq!(header("429:2").as_deref(), Some("2"));
    assert_eq!(header("429:18446744073709551615").as_deref(), Some("18446744073709551615"));
    assert_eq!(header("503:\"soon\"").as_deref(), Some("soon"));
    for (fault, offset) in [("503:date+30", 30), ("429:date-3600", -3_600)] {
        let answer = answer(fault);
        let date = |name| {
            let text = answer.field(name).unwrap_or_else(|| panic!("{name} is missing"));
            let date = httpdate::parse_http_date(text).expect("a date").duration_since(SystemTime::UNIX_EPOCH);
            date.expect("after 1970").as_secs() as i64
        };
        assert_eq!(date("Retry-After") - date("Date"), offset, "{fault}");
    }
    for code in [204, 304, 403, 404, 500, 599] {
        assert_eq!(answer(&code.to_string()).status, code);
    }
}

#[test]
fn close_ends_without_a_byte() {
    let mock = mock("");
    let (bytes, end) = with_fault(&mock, "/0/0/0", "close");
    assert!(bytes.is_empty() && end.is_ok(), "{end:?}");
    assert_counted(&mock, "close", None);
}

#[test]
fn reset_ends_without_a_byte_and_with_an_error() {
    let mock = mock("");
    let (bytes, end) = with_fault(&mock, "/0/0/0", "reset");
    assert!(bytes.is_empty());
    assert_eq!(end.map_err(|error| error.kind()), Err(io::ErrorKind::ConnectionReset));
    assert_counted(&mock, "reset", None);
}

#[test]
fn reset_body_ends_in_the_middle_and_with_an_error() {
    let mock = mock("");
    let (bytes, end) = with_fault(&mock, "/0/0/0", "reset-body");
    let (head, body) = split(&bytes);
    assert!(head.contains("Content-Length: 17588") && (1..17_588).contains(&body.len()), "{head} {}", body.len());
    assert_eq!(end.map_err(|error| error.kind()), Err(io::ErrorKind::ConnectionReset));
    assert_counted(&mock, "reset-body", None);
}

#[test]
fn truncate_tells_the_whole_length_and_ends_before_it() {
    let mock = mock("");
    let (bytes, end) = with_fault(&mock, "/0/0/0", "truncate");
    let (head, body) = split(&bytes);
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("Content-Length: 17588"), "{head}");
    assert!((1..17_588).contains(&body.len()) && end.is_ok());
    assert_counted(&mock, "truncate", None);
    assert!(world(&mock).starts_with(body));
}

#[test]
fn short_tells_the_length_of_the_cut_body() {
    let mock = mock("");
    let (bytes, end) = with_fault(&mock, "/0/0/0", "short");
    let (head, body) = split(&bytes);
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())) && end.is_ok(), "{head}");
    assert!((1..17_588).contains(&body.len()) && !unpacks(body));
    assert_counted(&mock, "short", Some(200));
}

#[test]
fn chunk_never_comes_to_a_good_end() {
    // The shape is drawn for each tile; both are among these.
    let (mut garbled, mut unended) = (0, 0);
    for x in 0..8 {
        let mock = mock("");
        let (bytes, end) = with_fault(&mock, &format!("/4/{x}/5"), "chunk");
        let (head, body) = split(&bytes);
        assert!(head.contains("Transfer-Encoding: chunked") && !head.contains("Content-Length"), "{head}");
        assert!(end.is_ok() && !body.ends_with(b"0\r\n\r\n"));
        let size = body.split(|byte| *byte == b'\r').next().and_then(|hex| std::str::from_utf8(hex).ok());
        let size = size.and_then(|hex| usize::from_str_radix(hex, 16).ok()).expect("a first chunk size");
        let line_end = body.iter().position(|byte| *byte == b'\n').expect("a line") + 1;
        match &body[line_end + size..] {
            [b'\r', b'\n', b'z', b'z', ..] => garbled += 1,
            _ => unended += 1,
        }
        assert_counted(&mock, "chunk", None);
    }
    assert!(garbled > 0 && unended > 0, "{garbled} garbled, {unended} without an end");
}

#[test]
fn chunk_becomes_truncate_where_there_are_no_chunks() {
    let mock = mock("script=chunk");
    let mut connection = Connection::open(mock.addr());
    connection.send(b"GET /0/0/0 HTTP/1.0\r\n\r\n").expect("sent");
    let (bytes, _) = connection.rest();
    let (head, body) = split(&bytes);
    assert!(head.contains("Content-Length: 17588") && body.len() < 17_588, "{head}");
}

#[test]
fn hang_never_answers_and_ends_when_the_client_leaves() {
    let mock = mock("script=hang");
    let mut connection = Connection::open(mock.addr());
    connection.send(get("/0/0/0", "").as_bytes()).expect("sent");
    // In flight from the end of its head; that it hangs is counted a moment later.
    let hanging = stats_when(&mock, |stats| stats.injected.contains_key("hang"));
    assert_eq!((hanging.in_flight, hanging.injected["hang"]), (1, 1));
    drop(connection);
    assert_counted(&mock, "hang", None);
}

#[test]
fn html_comes_with_200_even_where_no_tile_is() {
    let mock = mock("");
    let answer = fetch(mock.addr(), "/4/0/0", "x-mock-fault: html\r\n").expect("an answer");
    assert_eq!((answer.status, answer.field("Content-Type")), (200, Some("text/html; charset=utf-8")));
    assert!(answer.text().starts_with("<!DOCTYPE html>"));
    assert_counted(&mock, "html", Some(200));
}

#[test]
fn empty_is_a_200_without_a_body() {
    let mock = mock("");
    let answer = fetch(mock.addr(), "/0/0/0", "x-mock-fault: empty\r\n").expect("an answer");
    assert_eq!((answer.status, answer.field("Content-Length")), (200, Some("0")));
    assert_counted(&mock, "empty", Some(200));
}

#[test]
fn magic_and_gzip_spoil_the_bytes_and_nothing_else() {
    for (fault, keeps_magic) in [("magic", false), ("gzip", true)] {
        let mock = mock("");
        let answer = fetch(mock.addr(), "/0/0/0", &format!("x-mock-fault: {fault}\r\n")).expect("an answer");
        assert_eq!((answer.status, answer.body.len(), answer.field("Content-Encoding")), (200, 17_588, Some("gzip")));
        assert_eq!(answer.body.starts_with(&[0x1f, 0x8b]), keeps_magic, "{fault}");
        assert!(!unpacks(&answer.body), "{fault}");
        assert_counted(&mock, fault, Some(200));
        assert!(unpacks(&world(&mock)));
    }
}

#[test]
fn wrong_tile_is_a_good_tile_but_another() {
    let mock = mock("");
    let answer = fetch(mock.addr(), "/0/0/0", "x-mock-fault: wrong-tile\r\n").expect("an answer");
    assert!(answer.status == 200 && unpacks(&answer.body));
    assert_counted(&mock, "wrong-tile", Some(200));
    assert_ne!(answer.body, world(&mock));
}

#[test]
fn drip_sends_head_and_body_little_by_little() {
    let mock = mock("");
    let began = Instant::now();
    let (bytes, end) = with_fault(&mock, "/4/0/0", "drip:32/2ms");
    let (head, body) = split(&bytes);
    assert!(head.starts_with("HTTP/1.1 404 ") && body == b"there is no such tile\n" && end.is_ok());
    let pauses = u32::try_from(bytes.len().div_ceil(32) - 1).expect("few");
    assert!(began.elapsed() >= Duration::from_millis(2) * pauses, "{:?} for {pauses} pauses", began.elapsed());
    assert_counted(&mock, "drip", Some(404));
}

#[test]
fn a_fault_of_the_body_is_not_done_where_there_is_none() {
    let mock = mock("");
    for fault in ["truncate", "html", "empty", "magic", "wrong-tile", "chunk", "reset-body", "short", "gzip"] {
        let mut connection = Connection::open(mock.addr());
        connection
            .send(format!("HEAD /0/0/0 HTTP/1.1\r\nHost: mock\r\nx-mock-fault: {fault}\r\n\r\n").as_bytes())
            .expect("sent");
        let answer = connection.answer(false).expect("an answer");
        assert_eq!((answer.status, answer.field("Content-Length")), (200, Some("17588")), "{fault}");
    }
    for fault in ["empty", "magic", "gzip", "wrong-tile"] {
        let absent = fetch(mock.addr(), "/4/0/0", &format!("x-mock-fault: {fault}\r\n")).expect("an answer");
        assert_eq!(absent.status, 404, "{fault}");
    }
    assert!(mock.stats().injected.is_empty());
}

#[test]
fn a_fault_is_seen_even_by_who_has_the_tile() {
    let mock = mock("script=truncate,200");
    let first = with_fault(&mock, "/0/0/0", "200").0;
    let tag = split(&first).0.lines().find_map(|line| line.strip_prefix("ETag: ").map(str::to_owned)).expect("a tag");
    let answer =
        fetch(mock.addr(), "/0/0/0", &format!("If-None-Match: {tag}\r\nx-mock-fault: magic\r\n")).expect("an answer");
    assert_eq!(answer.status, 200);
}

#[test]
fn a_fault_that_is_none_is_told_so() {
    let mock = mock("");
    let answer = fetch(mock.addr(), "/0/0/0", "x-mock-fault: reste\r\n").expect("an answer");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("there is no fault `reste`"), "{}", answer.text());
}

/// What each of these tiles met at its first, second and third request.
type Met = BTreeMap<String, Vec<String>>;

/// Asks three times for each tile, from this many clients at a time.
fn meet(rules: &str, clients: usize) -> Met {
    let mock = mock(rules);
    let tiles: Vec<String> = (0..16).flat_map(|x| (0..16).map(move |y| format!("/4/{x}/{y}"))).collect();
    let ask = |tile: &String| {
        let outcomes = (0..3).map(|_| match fetch(mock.addr(), tile, "") {
            Ok(answer) => answer.status.to_string(),
            Err(error) => error.kind().to_string(),
        });
        (tile.clone(), outcomes.collect())
    };
    thread::scope(|scope| {
        let share = tiles.len() / clients;
        let parts: Vec<_> =
            tiles.chunks(share).map(|part| scope.spawn(move || part.iter().map(ask).collect::<Met>())).collect();
        parts.into_iter().flat_map(|part| part.join().expect("a client")).collect()
    })
}

#[test]
fn the_same_seed_gives_the_same_faults_in_any_order_and_another_one_others() {
    let rules = "seed=11\n503=20%\nreset=10%\n429:1=10%";
    let alone = meet(rules, 1);
    assert_eq!(alone, meet(rules, 16));
    assert_ne!(alone, meet(&rules.replace("11", "12"), 16));
    let met: Vec<_> = alone.values().flatten().collect();
    for outcome in ["200", "404", "503", "429", "connection reset"] {
        assert!(met.iter().any(|met| *met == outcome), "nobody met {outcome}");
    }
}

#[test]
fn counters_balance_with_what_the_clients_saw() {
    let rules = "seed=3\n503=10%\nreset=5%\ntruncate=5%\nclose=5%\nhtml=5%\nchunk=5%\n429:1=5%";
    let mock = mock(rules);
    let addr = mock.addr();
    let (mut seen, mut sent) = (BTreeMap::new(), 0_u64);
    for x in 0..16 {
        for y in 0..16 {
            sent += 1;
            let mut connection = Connection::open(addr);
            connection.send(get(&format!("/4/{x}/{y}"), "Connection: close\r\n").as_bytes()).expect("sent");
            let (bytes, _) = connection.rest();
            let what = if bytes.is_empty() { "nothing".to_owned() } else { split(&bytes).0[9..12].to_owned() };
            *seen.entry(what).or_insert(0_u64) += 1;
        }
    }
    let stats = mock.stop();
    assert!(stats.balances() && stats.received == sent && stats.aborted == 0 && stats.in_flight == 0, "{stats:?}");
    let injected = |name: &str| stats.injected.get(name).copied().unwrap_or(0);
    assert_eq!(seen["503"], injected("503"));
    assert_eq!(seen["429"], injected("429"));
    assert_eq!(seen["nothing"], injected("reset") + injected("close"));
    assert_eq!(
        stats.unanswered.values().sum::<u64>(),
        ["reset", "close", "truncate", "chunk"].map(injected).iter().sum::<u64>()
    );
}
