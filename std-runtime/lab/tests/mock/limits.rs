//! Limits, overload and outages.

use std::io;
use std::time::{Duration, Instant};

use crate::client::{Connection, fetch, get, mock, stats_when};

#[test]
fn a_rate_limit_answers_429_with_the_time_and_the_quota() {
    let mock = mock("rate=2/h,kind=fixed,headers=draft");
    let mut connection = Connection::open(mock.addr());
    let mut ask = || connection.get("/0/0/0", "").expect("an answer");
    let answers = [ask(), ask(), ask()];
    assert_eq!(answers.each_ref().map(|answer| answer.status), [200, 200, 429]);
    assert!(answers[0].field("RateLimit").is_some_and(|value| value.starts_with("\"default\";r=1;t=")));
    assert_eq!(answers[2].field("RateLimit-Policy"), Some("\"default\";q=2;w=3600"));
    let seconds: u64 = answers[2].field("Retry-After").and_then(|value| value.parse().ok()).expect("seconds");
    assert!((3_595..=3_600).contains(&seconds), "{seconds}");
    assert_eq!(mock.stats().injected["rate"], 1);
}

#[test]
fn latency_comes_before_the_answer() {
    let mock = mock("latency=30ms");
    let began = Instant::now();
    assert_eq!(fetch(mock.addr(), "/0/0/0", "").expect("an answer").status, 200);
    assert!(began.elapsed() >= Duration::from_millis(30));
}

#[test]
fn a_bandwidth_holds_for_the_whole_answer() {
    // 17.9 kB at 500 kB/s take 36 ms, of which the first hundredth of a second is free.
    let mock = mock("bandwidth=500000/s");
    let began = Instant::now();
    assert_eq!(fetch(mock.addr(), "/0/0/0", "").expect("an answer").body.len(), 17_588);
    assert!(began.elapsed() >= Duration::from_millis(25), "{:?}", began.elapsed());
}

#[test]
fn a_pool_turns_away_what_its_queue_cannot_hold() {
    let mock = mock("pool=1,service=60s,queue=1");
    let mut connections: Vec<_> = (0..4).map(|_| Connection::open(mock.addr())).collect();
    for (index, connection) in connections.iter_mut().enumerate() {
        connection.send(get("/0/0/0", "").as_bytes()).expect("sent");
        stats_when(&mock, |stats| stats.received == index as u64 + 1);
    }
    for connection in &mut connections[2..] {
        assert_eq!(connection.answer(true).expect("an answer").status, 503);
    }
    let stats = mock.stats();
    assert_eq!((stats.injected["pool"], stats.in_flight, stats.max_in_flight), (2, 2, 3));
}

#[test]
fn a_pool_takes_its_time_for_the_work() {
    let mock = mock("pool=1,service=30ms");
    let began = Instant::now();
    assert_eq!(fetch(mock.addr(), "/0/0/0", "").expect("an answer").status, 200);
    assert!(began.elapsed() >= Duration::from_millis(30));
}

#[test]
fn work_that_was_taken_on_is_done_for_nobody() {
    let mock = mock("pool=1,service=60s");
    let mut leaver = Connection::open(mock.addr());
    leaver.send(get("/0/0/0", "").as_bytes()).expect("sent");
    stats_when(&mock, |stats| stats.in_flight == 1);
    drop(leaver);
    assert_eq!(stats_when(&mock, |stats| stats.aborted == 1).aborted, 1);
    let next = fetch(mock.addr(), "/0/0/0", "").expect("an answer");
    assert_eq!(next.status, 503, "the worker is still busy with the work of the one who left");
}

#[test]
fn one_connection_too_many_is_reset() {
    let mock = mock("connections=1");
    let mut first = Connection::open(mock.addr());
    assert_eq!(first.get("/0/0/0", "").expect("an answer").status, 200);
    let second = fetch(mock.addr(), "/0/0/0", "");
    assert!(
        second.is_err_and(|error| matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe))
    );
    drop(first);
    let stats = stats_when(&mock, |stats| stats.connections.open == 0);
    assert_eq!((stats.connections.turned_away, stats.connections.max_open, stats.injected["connections"]), (1, 2, 1));
    assert_eq!(fetch(mock.addr(), "/0/0/0", "").expect("an answer").status, 200);
}

#[test]
fn one_connection_too_many_is_answered_503_if_so_wanted() {
    let mock = mock("connections=1,excess=503");
    let mut first = Connection::open(mock.addr());
    assert_eq!(first.get("/0/0/0", "").expect("an answer").status, 200);
    let answer = fetch(mock.addr(), "/0/0/0", "").expect("an answer");
    assert_eq!((answer.status, answer.field("Connection")), (503, Some("close")));
    assert_eq!(first.get("/0/0/0", "").expect("an answer").status, 200, "the first goes on");
}

#[test]
fn one_connection_too_many_waits_if_so_wanted() {
    let mock = mock("connections=1,excess=wait");
    let mut first = Connection::open(mock.addr());
    assert_eq!(first.get("/0/0/0", "").expect("an answer").status, 200);
    let mut second = Connection::open(mock.addr());
    second.send(get("/0/0/0", "").as_bytes()).expect("sent into the backlog");
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!((mock.stats().received, mock.stats().connections.accepted), (1, 1));
    drop(first);
    assert_eq!(second.answer(true).expect("an answer").status, 200);
}

#[test]
fn an_outage_that_answers_does_so_until_it_is_over() {
    let mock = mock("outage=0s..1h:503:1");
    let answer = fetch(mock.addr(), "/0/0/0", "").expect("an answer");
    assert_eq!((answer.status, answer.field("Retry-After")), (503, Some("1")));
    mock.set_faults("outage=0s..50ms:503".parse().expect("a good rule")).expect("good faults");
    let until = Instant::now() + Duration::from_secs(5);
    while fetch(mock.addr(), "/0/0/0", "").expect("an answer").status == 503 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    let stats = mock.stats();
    assert_eq!(stats.answered[&200], 1);
    assert_eq!(stats.injected["outage"], stats.answered[&503]);
}

#[test]
fn an_outage_that_refuses_cuts_off_what_is_open() {
    let mock = mock("script=hang");
    let mut hanging = Connection::open(mock.addr());
    hanging.send(get("/0/0/0", "").as_bytes()).expect("sent");
    stats_when(&mock, |stats| stats.in_flight == 1);
    mock.set_faults("outage=0s..1h:refuse".parse().expect("a good rule")).expect("good faults");
    let (bytes, end) = hanging.rest();
    assert!(bytes.is_empty());
    assert_eq!(end.map_err(|error| error.kind()), Err(io::ErrorKind::ConnectionReset));
    let stats = stats_when(&mock, |stats| stats.connections.open == 0);
    assert_eq!((stats.unanswered["outage"], stats.connections.open), (1, 0));
    let refused = Connection::try_open(mock.addr()).err().map(|error| error.kind());
    assert_eq!(refused, Some(io::ErrorKind::ConnectionRefused));
}

#[test]
fn a_server_comes_back_after_refusing() {
    let mock = mock("outage=0s..50ms:refuse");
    let until = Instant::now() + Duration::from_secs(5);
    let back = loop {
        match fetch(mock.addr(), "/0/0/0", "") {
            Err(_) if Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
            answer => break answer.expect("the server comes back"),
        }
    };
    assert_eq!(back.status, 200);
}
