//! What others can ask while it runs.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::Stdio,
};

use crate::support::{code, mock, run, stderr, tidegate};

#[test]
fn health_and_metrics_are_served_while_it_runs_and_say_nothing_of_places() {
    let server = mock("pool=1,service=50ms,queue=200");
    let url = format!("http://{}/{{z}}/{{x}}/{{y}}.mvt?key=canary", server.addr());
    let mut command = tidegate(&["bench", "-v", "-n", "2000", "--listen", "127.0.0.1:0", "--url-template", &url]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the command starts");
    let mut messages = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut line = String::new();
    while !line.contains("serving health and metrics") {
        line.clear();
        assert!(messages.read_line(&mut line).expect("UTF-8") > 0, "it ended without a word");
    }
    let address = line.trim().rsplit("address=").next().expect("the last field");
    let get = |path: &str| {
        let mut stream = TcpStream::connect(address).expect("it listens");
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    };
    let (health, metrics) = (get("/healthz"), get("/metrics"));
    child.kill().expect("it still runs");
    child.wait().expect("it ended");
    assert!(health.contains("\"status\":\"healthy\"") && health.contains("\"current_concurrency\":"), "{health}");
    assert!(metrics.contains("tidegate_limit{source=\"0\"} 10"), "{metrics}");
    // The ancestor's: no limit of the rate, and no budget.
    assert!(metrics.contains("tidegate_rate_per_second{source=\"0\"} +Inf"), "{metrics}");
    assert!(!metrics.contains("tidegate_retries_available{"), "{metrics}");
    assert!(!health.contains("canary") && !metrics.contains("canary"));
}

#[test]
fn an_address_that_is_taken_is_refused_before_anything_is_asked() {
    let server = mock("");
    let output = run(&["--listen", &server.addr().to_string(), "--url-template", &server.url_template()]);
    assert_eq!(code(&output), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("--listen=127.0.0.1:"), "{}", stderr(&output));
    assert_eq!(server.stats().received, 0);
}
