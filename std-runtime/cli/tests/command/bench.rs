//! What a benchmark prints, and that it is so.

use serde_json::Value;

use crate::support::{code, json, mock, run, settled, stderr, stdout, tidegate};

#[test]
fn without_a_flag_there_is_a_result() {
    let output = run(&[]);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    for part in
        ["20 tiles from the embedded tile server", "succeeded", "20 of 20", "tile latency", "queue wait", "seed "]
    {
        assert!(text.contains(part), "{part:?} is missing in {text}");
    }
    assert!(!text.contains('\x1b'), "colours are for terminals");
}

#[test]
fn colour_is_for_terminals_or_for_who_asks_for_it() {
    let painted = |flags: &[&str], no_color: &str| {
        let output = tidegate(&[&["bench", "-n", "1"], flags].concat()).env("NO_COLOR", no_color).output();
        stdout(&output.expect("the command starts")).contains("\x1b[")
    };
    assert!(!painted(&[], ""), "standard output is no terminal here");
    assert!(painted(&["--color", "always"], ""));
    assert!(painted(&["--color", "always"], "1"), "a flag wins over the environment");
    assert!(!painted(&["--color", "never"], ""));
}

/// The keys that other programs may rely on.
pub(crate) fn assert_stable_metrics(document: &Value) {
    let metrics = document["metrics"].as_object().expect("metrics on the top level");
    for key in [
        "requested",
        "fetched",
        "revalidated",
        "stale",
        "from_parent",
        "empty",
        "failed",
        "cancelled",
        "attempts",
        "retries",
        "requests_per_second",
        "bytes",
        "max_in_flight",
        "samples",
    ] {
        assert!(metrics.get(key).is_some_and(Value::is_number), "{key} in {document:#}");
    }
    for latency in ["latency_ms", "attempt_latency_ms", "queue_wait_ms"] {
        for key in ["p50", "p90", "p95", "p99", "max", "mean"] {
            let value = metrics[latency].get(key).unwrap_or_else(|| panic!("{latency}.{key} in {document:#}"));
            assert!(value.is_number() || value.is_null(), "{latency}.{key} in {document:#}");
        }
    }
    let sum: u64 = ["fetched", "revalidated", "stale", "from_parent", "empty", "failed", "cancelled"]
        .iter()
        .map(|key| metrics[*key].as_u64().expect("a count"))
        .sum();
    assert_eq!(metrics["requested"].as_u64(), Some(sum), "the ledger balances");
}

#[test]
fn json_has_the_stable_metrics() {
    let output = run(&["bench", "--output-format", "json", "--tile-count", "50", "--seed", "7"]);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let document = json(&output);
    assert_stable_metrics(&document);
    assert_eq!(document["seed"], 7);
    let metrics = &document["metrics"];
    assert_eq!(metrics["requested"], 50);
    assert!(metrics["latency_ms"]["p95"].is_number(), "50 samples carry a p95");
    assert!(metrics["latency_ms"]["p99"].is_null(), "and no p99");
}

#[test]
fn attempts_are_those_that_the_server_received() {
    let mock = mock("503=10%\n reset=5%\n truncate=5%\n latency=1ms\n seed=3");
    let url = mock.url_template();
    let arguments =
        ["bench", "--url-template", &url, "--tile-count", "200", "--max-concurrency", "8", "--retries", "6"];
    // The breaker of the benchmark's own preset may open at so many faults; that of the bulk preset does not.
    let further = ["--preset", "bulk", "--output-format", "json", "--seed", "5"];
    let output = run(&[&arguments[..], &further[..]].concat());
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let (document, stats) = (json(&output), settled(&mock));
    assert_eq!(document["metrics"]["attempts"], stats.received, "{document:#} {stats:?}");
    assert!(document["metrics"]["retries"].as_u64() > Some(0), "the faults were met: {document:#}");
    assert!(document["faults_by_kind"]["status 503"].as_u64() > Some(0), "{document:#}");
    assert!(stats.max_in_flight <= 8, "{stats:?}");
}

#[test]
fn never_more_than_asked_for_are_in_flight() {
    let mock = mock("latency=5ms");
    let url = mock.url_template();
    for limit in ["1", "3"] {
        mock.reset();
        let output = run(&["-c", limit, "-n", "30", "--url-template", &url, "--output-format", "json"]);
        assert_eq!(code(&output), Some(0), "{}", stderr(&output));
        let most = settled(&mock).max_in_flight;
        assert_eq!(most.to_string(), limit, "the limit is kept, and used");
        assert_eq!(json(&output)["metrics"]["max_in_flight"], most);
    }
}

#[test]
fn the_same_seed_asks_for_the_same_tiles() {
    let bytes = |seed| json(&run(&["--output-format", "json", "--seed", seed]))["metrics"]["bytes"].clone();
    assert_eq!(bytes("11"), bytes("11"));
}

#[test]
fn the_configuration_is_shown_with_its_origins() {
    let output =
        tidegate(&["bench", "--print-config", "--timeout", "3s", "--url-template", "http://127.0.0.1:9/?key=canary"])
            .args(["--proxy", "http://canary:canary@proxy:3128", "-H", "X-Api-Key: canary", "--global-timeout", "90s"])
            .env("MAX_CONCURRENCY", "7")
            .env("TIMEOUT_SECONDS", "99")
            .output()
            .expect("the command starts");
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    let row = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} in {text}"));
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("preset"), "preset ancestor preset");
    assert_eq!(row("max-concurrency"), "max-concurrency fixed at 7 environment");
    assert_eq!(row("timeout"), "timeout 3s flag");
    assert_eq!(row("attempts"), "attempts 3 preset");
    assert_eq!(row("max-idle-age"), "max-idle-age 15s default");
    assert_eq!(row("proxy"), "proxy http://proxy:3128 flag");
    assert_eq!(row("headers"), "headers X-Api-Key flag");
    assert_eq!(row("global-timeout"), "global-timeout 90s flag");
    assert!(!text.contains("canary"), "{text}");
    let embedded = stdout(&run(&["bench", "--print-config", "--preset", "polite"]));
    assert!(embedded.contains("the embedded tile server") && !embedded.contains("127.0.0.1"), "{embedded}");
    assert!(embedded.lines().any(|line| line.starts_with("preset") && line.ends_with("flag")), "{embedded}");
    let nowhere = stdout(&run(&["fetch", "--print-config"]));
    assert!(nowhere.contains("this command needs one") && !nowhere.contains("embedded"), "{nowhere}");
}

#[test]
fn there_are_never_more_attempts_than_connections() {
    let mock = mock("latency=50ms");
    let url = mock.url_template();
    let flags = ["--max-concurrency", "8", "--max-connections", "2"];
    let document =
        json(&run(&[&["bench", "-n", "8", "--output-format", "json", "--url-template", &url], &flags[..]].concat()));
    assert_eq!(document["metrics"]["max_in_flight"], 2, "one that waits for a connection would look slow");
    assert_eq!((&document["metrics"]["failed"], settled(&mock).connections.accepted), (&0.into(), 2));
    assert_eq!((&document["connections"]["opened"], &document["connections"]["open"]), (&2.into(), &2.into()));
}
