//! What the pages say, read by somebody else's parser and asked for by bad clients.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::{Duration, Instant as Now},
};

use prometheus_parse::{Scrape, Value};
use tidegate::{
    fetch::{Attempt, Fault, Watch},
    transport::pooled::PoolState,
    upstream::Upstream,
};
use tidegate_core::{Admission, Entropy, Gate, GateConfig, Instant, Outcome, RateControl, Try};

use super::{
    Figures, Health, Server, WINDOW,
    server::{CONNECTIONS_MAX, SECONDS_MAX},
};

fn figures() -> Figures {
    let upstream = Upstream::new(Gate::new(GateConfig::DEFAULT).expect("the default is valid"));
    let sources = vec![upstream.status(); 2];
    Figures { now: Instant::from_secs(90), sources, pool: PoolState { busy: 3, ..PoolState::default() } }
}

/// Sources 0 and 1, asked so often with and without success, 20 ms each.
fn health(succeeded: usize, failed: usize) -> Health {
    let health = Health::start(Instant::from_secs(30), 2);
    let latency = Duration::from_millis(20);
    let settle = |source, fault| {
        health.attempt(Instant::ORIGIN, &Attempt { source, latency, fault, again: false, hedge: false })
    };
    (0..succeeded).for_each(|_| settle(0, None));
    (0..failed).for_each(|_| settle(1, Some(Fault::Status(503))));
    health
}

#[test]
fn it_is_healthy_while_over_95_percent_of_the_window_succeeded_or_nothing_was_asked() {
    let status = |succeeded, failed| health(succeeded, failed).healthz(&figures())["status"].clone();
    assert_eq!(status(0, 0), "healthy");
    assert_eq!(status(96, 4), "healthy");
    assert_eq!(status(95, 5), "degraded", "95 % is not over 95 %");
    assert_eq!(status(0, 1), "degraded");
    assert_eq!(status(10_000, 5), "degraded", "only the last {WINDOW} count");
    assert_eq!(status(19, 1), "degraded", "95 % of few");
    assert_eq!(status(20, 1), "healthy", "over 95 % of few");
}

#[test]
fn what_left_the_window_counts_no_more() {
    let health = health(0, 50);
    let status = || health.healthz(&figures())["status"].clone();
    let succeed = |times| {
        let attempt = Attempt { source: 0, latency: Duration::ZERO, fault: None, again: false, hedge: false };
        (0..times).for_each(|_| health.attempt(Instant::ORIGIN, &attempt));
    };
    succeed(WINDOW - 5);
    assert_eq!(status(), "degraded", "five of the failures are still in it");
    succeed(1);
    assert_eq!(status(), "healthy");
    assert_eq!(health.healthz(&figures())["stats"]["requests_failed"], 50, "the totals are of the whole run");
}

#[test]
fn the_figures_of_healthz_are_those_of_the_attempts() {
    let page = health(3, 1).healthz(&figures());
    let stats = serde_json::json!({
        "requests_total": 4, "requests_successful": 3, "requests_failed": 1, "avg_latency_ms": 20.0, "current_concurrency": 0,
    });
    assert_eq!((&page["uptime_seconds"], &page["stats"]), (&60.into(), &stats));
}

#[test]
fn what_the_caller_cut_off_is_neither_success_nor_failure() {
    let health = health(1, 0);
    let cut_off =
        Attempt { source: 0, latency: Duration::ZERO, fault: Some(Fault::CutOff), again: false, hedge: false };
    health.attempt(Instant::ORIGIN, &cut_off);
    assert_eq!(health.healthz(&figures())["stats"]["requests_total"], 1);
    let metrics = health.metrics(&figures());
    assert!(metrics.contains("tidegate_attempts_total{source=\"0\",outcome=\"cut_off\"} 1\n"), "{metrics}");
}

#[test]
fn the_metrics_are_read_by_a_parser_of_others() {
    let text = health(3, 2).metrics(&figures());
    let lines = text.lines().map(|line| Ok(line.to_owned()));
    let scrape = Scrape::parse(lines).expect("it is the text format");
    let find = |name: &str, label: &str, value: &str| {
        let found = scrape.samples.iter().find(|s| s.metric == name && s.labels.get(label) == Some(value));
        found.unwrap_or_else(|| panic!("no {name} with {label}={value} in\n{text}")).value.clone()
    };
    assert_eq!(find("tidegate_attempt_faults_total", "kind", "status 503"), Value::Counter(2.0));
    assert_eq!(find("tidegate_breaker_state", "state", "closed"), Value::Gauge(1.0));
    let under_way = scrape.samples.iter().find(|sample| sample.metric == "tidegate_requests_under_way");
    assert_eq!(under_way.map(|sample| sample.value.clone()), Some(Value::Gauge(3.0)));
    assert_eq!(find("tidegate_attempts_total", "outcome", "succeeded"), Value::Counter(3.0));
    assert_eq!(find("tidegate_retries_available", "source", "1"), Value::Gauge(10.0));
    assert_eq!(find("tidegate_rate_per_second", "source", "0"), Value::Gauge(50.0));
    let Value::Histogram(buckets) = find("tidegate_attempt_duration_seconds", "source", "0") else {
        panic!("a histogram, in\n{text}")
    };
    let counts: Vec<(f64, f64)> = buckets.iter().map(|bucket| (bucket.less_than, bucket.count)).collect();
    assert_eq!(counts[..3], [(0.005, 0.0), (0.01, 0.0), (0.025, 3.0)]);
    assert_eq!(counts.last(), Some(&(f64::INFINITY, 3.0)));
}

#[test]
fn it_is_ready_until_the_breakers_of_all_sources_are_open() {
    let config = GateConfig { rate: RateControl::Unlimited, ..GateConfig::DEFAULT };
    let upstream = Upstream::new(Gate::new(config).expect("the settings are valid"));
    let well = upstream.status();
    let now = Instant::from_secs(100);
    for _ in 0..32 {
        upstream.control(|gate| {
            if let Admission::Go(ticket) = gate.poll(now, Try::First) {
                gate.settle(now, ticket, Outcome::Failure, Entropy::new(7));
            }
        });
    }
    let sick = upstream.status();
    assert_eq!(sick.opened, 1, "{sick:?}");
    let ready = |now, sources| Figures { now, sources, pool: PoolState::default() }.is_ready();
    assert!(ready(now, vec![sick, well]));
    assert!(!ready(now, vec![sick, sick]));
    assert!(ready(Instant::from_secs(1_000), vec![sick, sick]), "the next one is a probe");
}

fn server() -> Server {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    Server::start(address, Arc::new(health(3, 0)), figures).expect("a free port")
}

fn ask(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).expect("it listens");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    // A reset is an answer as well.
    let _cut = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn every_page_is_there_and_nothing_else() {
    let server = server();
    let get = |path: &str| ask(&server, &format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"));
    for (path, says) in [
        ("/healthz", "\"status\":\"healthy\""),
        ("/livez", "alive"),
        ("/readyz", "ready"),
        ("/metrics", "tidegate_attempt_duration_seconds_count{source=\"0\"} 3"),
    ] {
        let answer = get(path);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(says), "{path}: {answer}");
    }
    assert!(get("/").starts_with("HTTP/1.1 404"));
    assert!(ask(&server, "POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").starts_with("HTTP/1.1 405"));
}

#[test]
fn whoever_sends_nonsense_or_too_much_or_nothing_leaves_the_others_their_answers() {
    let server = server();
    let connect = |_| TcpStream::connect(server.address()).expect("it listens");
    // Many times as many as are served at once.
    let silent: Vec<TcpStream> = (0..CONNECTIONS_MAX * 8).map(connect).collect();
    let started = Now::now();
    ask(&server, "\x16\x03\x01 not HTTP\r\n\r\n");
    ask(&server, &format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(100_000)));
    assert!(ask(&server, "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").starts_with("HTTP/1.1 200"));
    assert!(started.elapsed() < Duration::from_secs(SECONDS_MAX), "nobody's time had to be over for that");
    drop(silent);
    let started = Now::now();
    drop(server);
    assert!(started.elapsed() < Duration::from_secs(SECONDS_MAX / 2), "it waits for nobody's time to be over");
}

#[test]
fn one_connection_has_one_answer() {
    let server = server();
    let twice = "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n".repeat(2);
    assert_eq!(ask(&server, &twice).matches("HTTP/1.1 200").count(), 1);
    let posted = "POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n";
    assert!(ask(&server, posted).starts_with("HTTP/1.1 405"), "the body is not waited for");
}
