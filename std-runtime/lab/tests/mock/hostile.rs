//! Clients that mean harm, or are merely broken, and those beside them.

use std::time::{Duration, Instant};

use tidegate_lab::mock::MockConfig;

use crate::client::{Connection, fetch, get, mock, start, stats_when};

#[test]
fn what_is_no_request_is_answered_and_closed_while_others_go_on() {
    let mock = mock("");
    let mut other = Connection::open(mock.addr());
    for (bytes, status) in [
        (b"\x16\x03\x01\x02\x00\x01\x00\n\n".to_vec(), "400"),
        (b"GET / HTTP/3.0\r\nHost: x\r\n\r\n".to_vec(), "505"),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "400"),
        (format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(70)).into_bytes(), "431"),
        (format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(40_000)).into_bytes(), "431"),
        (format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(16_400)).into_bytes(), "431"),
        (vec![b'x'; 200_000], "431"),
    ] {
        let mut connection = Connection::open(mock.addr());
        // The server may have answered and closed before all is sent.
        let _ = connection.send(&bytes);
        let (answer, _) = connection.rest();
        assert_eq!(answer.get(9..12), Some(status.as_bytes()), "{}", String::from_utf8_lossy(&answer));
        assert_eq!(other.get("/0/0/0", "").expect("an answer").status, 200);
    }
    let stats = mock.stop();
    assert_eq!((stats.malformed, stats.received), (7, 7));
}

#[test]
fn a_slow_head_is_ended_in_time_while_others_go_on() {
    let mock = start(MockConfig { head_timeout: Duration::from_millis(60), ..MockConfig::default() });
    let mut slow = Connection::open(mock.addr());
    let began = Instant::now();
    for byte in get("/0/0/0", "").bytes() {
        if slow.send(&[byte]).is_err() || began.elapsed() > Duration::from_millis(90) {
            break;
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    assert_eq!(fetch(mock.addr(), "/0/0/0", "").expect("an answer").status, 200);
    let answer = slow.answer(true).expect("an answer");
    assert_eq!((answer.status, answer.field("Connection")), (408, Some("close")));
    assert_eq!(stats_when(&mock, |stats| stats.malformed == 1).malformed, 1);
}

#[test]
fn an_idle_connection_is_closed_in_time() {
    let mock = start(MockConfig { idle_timeout: Duration::from_millis(60), ..MockConfig::default() });
    let silent = Connection::open(mock.addr());
    // On a busy machine its time may be over before it asks.
    let serve = |_| {
        let mut served = Connection::open(mock.addr());
        served.get("/0/0/0", "").is_ok_and(|answer| answer.status == 200).then_some(served)
    };
    let served = (0..50).find_map(serve).expect("one is quick enough");
    for connection in [silent, served] {
        let (bytes, end) = connection.rest();
        assert!(bytes.is_empty() && end.is_ok(), "{end:?}");
    }
    assert_eq!(mock.stop().malformed, 0, "to be idle is no offence");
}

#[test]
fn line_ends_alone_do_not_keep_a_connection_open() {
    let mock = start(MockConfig { idle_timeout: Duration::from_millis(40), ..MockConfig::default() });
    let mut connection = Connection::open(mock.addr());
    let until = Instant::now() + Duration::from_secs(5);
    while connection.send(b"\r\n").is_ok() {
        assert!(Instant::now() < until, "still open");
        std::thread::sleep(Duration::from_millis(4));
    }
}

#[test]
fn a_request_being_worked_on_is_not_idle() {
    let config = MockConfig { idle_timeout: Duration::from_millis(70), ..MockConfig::default() };
    let mock = start(MockConfig { faults: "latency=90ms".parse().expect("a good rule"), ..config });
    // On a busy machine its time may be over before it asks; if being worked on were idle, it would be so each time.
    assert!((0..20).any(|_| fetch(mock.addr(), "/0/0/0", "").is_ok_and(|answer| answer.status == 200)));
}

#[test]
fn who_leaves_while_the_server_waits_is_noticed_at_once() {
    let mock = mock("latency=60s");
    let mut connection = Connection::open(mock.addr());
    connection.send(get("/0/0/0", "").as_bytes()).expect("sent");
    stats_when(&mock, |stats| stats.in_flight == 1);
    drop(connection);
    let stats = stats_when(&mock, |stats| stats.connections.open == 0);
    assert_eq!((stats.aborted, stats.in_flight, stats.connections.open), (1, 0, 0));
}

#[test]
fn who_leaves_while_requests_are_sent_ahead_is_noticed_too() {
    let mock = mock("latency=60s");
    let mut connection = Connection::open(mock.addr());
    connection.send(get("/0/0/0", "").repeat(3).as_bytes()).expect("sent");
    stats_when(&mock, |stats| stats.in_flight == 1);
    drop(connection);
    let stats = stats_when(&mock, |stats| stats.in_flight == 0);
    assert_eq!((stats.received, stats.aborted), (1, 1), "what was never begun was not received");
}

#[test]
fn who_leaves_in_the_middle_of_a_slow_body_is_noticed() {
    let mock = mock("3/1/2=drip:100/20ms");
    let mut connection = Connection::open(mock.addr());
    connection.send(get("/3/1/2", "").as_bytes()).expect("sent");
    connection.answer(false).expect("a head");
    drop(connection);
    let stats = stats_when(&mock, |stats| stats.in_flight == 0);
    assert_eq!((stats.aborted, stats.injected["drip"]), (1, 1));
}

#[test]
fn who_reads_nothing_holds_up_nobody() {
    let config = MockConfig { synthetic_bytes: Some(16 << 20), ..MockConfig::default() };
    let mock = start(config);
    let mut deaf = Connection::open(mock.addr());
    deaf.send(get("/9/1/1", "").as_bytes()).expect("sent");
    stats_when(&mock, |stats| stats.bytes_sent > 0);
    assert_eq!(fetch(mock.addr(), "/0/0/0", "").expect("an answer").status, 200);
    assert_eq!(mock.stats().in_flight, 1);
    drop(deaf);
    let stats = stats_when(&mock, |stats| stats.in_flight == 0);
    assert_eq!((stats.aborted, stats.answered[&200]), (1, 1));
}

#[test]
fn no_more_connections_are_open_than_allowed() {
    let mock = start(MockConfig { max_connections: 2, ..MockConfig::default() });
    let mut open: Vec<_> = (0..2).map(|_| Connection::open(mock.addr())).collect();
    for connection in &mut open {
        assert_eq!(connection.get("/0/0/0", "").expect("an answer").status, 200);
    }
    let mut third = Connection::open(mock.addr());
    third.send(get("/0/0/0", "").as_bytes()).expect("sent into the backlog");
    drop(open);
    assert_eq!(third.answer(true).expect("an answer").status, 200);
    assert_eq!(mock.stats().connections.max_open, 2);
}

#[test]
fn a_body_where_none_belongs_ends_the_connection_after_the_answer() {
    let mock = mock("");
    let mut connection = Connection::open(mock.addr());
    connection
        .send(get("/4/0/0", "Content-Length: 5\r\n").as_bytes())
        .and_then(|()| connection.send(b"hello"))
        .expect("sent");
    let answer = connection.answer(true).expect("an answer");
    assert_eq!((answer.status, answer.field("Connection")), (404, Some("close")));
    let (rest, end) = connection.rest();
    assert!(rest.is_empty() && end.is_ok());
    let chunked = fetch(mock.addr(), "/0/0/0", "Transfer-Encoding: chunked\r\n").expect("an answer");
    assert_eq!(chunked.status, 501);
}
