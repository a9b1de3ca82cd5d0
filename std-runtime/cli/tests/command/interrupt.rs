//! Ctrl-C: once to finish what has begun, twice to end at once.
#![cfg(unix)]

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use tidegate_lab::mock::Mock;

use crate::support::{code, json, mock, stderr, tidegate, wait_for};

/// A benchmark that has as many requests in flight as it may.
fn begun(mock: &Mock) -> Child {
    let url = mock.url_template();
    let child =
        tidegate(&["-n", "500", "-c", "4", "--timeout", "60", "--url-template", &url, "--output-format", "json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
    assert!(wait_for(|| mock.stats().in_flight == 4), "it begins: {:?}", mock.stats());
    child
}

const PATIENCE: Duration = Duration::from_secs(30);

fn interrupt(child: &Child) {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success());
}

fn end(child: Child) -> Output {
    child.wait_with_output().expect("it ends")
}

#[test]
fn the_first_one_drains_and_reports() {
    let mock = mock("latency=80ms");
    let child = begun(&mock);
    interrupt(&child);
    let output = end(child);
    assert_eq!(code(&output), Some(130), "{}", stderr(&output));
    let metrics = json(&output)["metrics"].clone();
    let stats = mock.stats();
    assert_eq!(stats.aborted, 0, "what had begun was finished: {stats:?}");
    assert_eq!(metrics["attempts"], stats.received);
    let done = metrics["fetched"].as_u64().unwrap_or(0) + metrics["empty"].as_u64().unwrap_or(0);
    assert_eq!(done, stats.received, "{metrics:#}");
    assert_eq!(metrics["cancelled"], 500 - done);
    assert!(stderr(&output).contains("interrupted with"), "{}", stderr(&output));
}

#[test]
fn what_a_supervisor_sends_twice_is_the_first_one() {
    let mock = mock("latency=300ms");
    let child = begun(&mock);
    let id = child.id().to_string();
    // Another signal than the first, since two of one kind may be one to the system already.
    let both = Command::new("sh").args(["-c", &format!("kill -TERM {id}; kill -INT {id}")]).status();
    assert!(both.expect("a shell").success());
    let output = end(child);
    assert_eq!(code(&output), Some(130), "{}", stderr(&output));
    assert_eq!(json(&output)["metrics"]["requested"], 500, "it reports");
}

/// More than what counts as one.
const BETWEEN_WISHES: Duration = Duration::from_millis(80);

#[test]
fn the_second_one_ends_at_once() {
    let mock = mock("hang=100%");
    let mut child = begun(&mock);
    let mut said = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    let asked = Instant::now();
    interrupt(&child);
    // Signals of one kind that come too close together are one: it says when it has had the first.
    let answer = said.next().expect("it says what it does").expect("UTF-8");
    assert!(answer.contains("interrupt again to end at once"), "{answer}");
    thread::sleep(BETWEEN_WISHES);
    interrupt(&child);
    let output = end(child);
    assert_eq!(code(&output), Some(130), "{:?}", said.collect::<Vec<_>>());
    assert!(asked.elapsed() < PATIENCE, "an attempt would have had a minute");
    assert!(output.stdout.is_empty(), "nothing is reported");
}
