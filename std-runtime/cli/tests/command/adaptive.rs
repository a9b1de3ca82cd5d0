//! What adapts says what it came to.

use serde_json::Value;

use crate::support::{code, json, mock, run, stderr, stdout};

fn found(output: &std::process::Output) -> Value {
    json(output)["found"].clone()
}

#[test]
fn a_hidden_limit_is_found_and_the_report_says_so_and_how_sure_it_is() {
    // Told by nothing but refusals without a hint.
    let server = mock("rate=100/s,burst=5,retry-after=none\nlatency=uniform:5ms..20ms");
    let url = server.url_template();
    let flags = ["bench", "--adaptive", "-n", "100000", "--retries", "254", "--global-timeout", "9s", "--seed", "7"];
    let output = run(&[&flags[..], &["--output-format", "json", "--url-template", &url]].concat());
    assert_eq!(code(&output), Some(5), "{}", stderr(&output));
    let found = found(&output);
    let rate = &found[0]["rate_per_second"];
    let value = rate["value"].as_f64().expect("a number");
    assert!(rate["state"] == "found" && (75.0..130.0).contains(&value), "{found:#}");
    assert!(rate["cuts"].as_u64() >= Some(1) && rate["confidence"] != "low", "{found:#}");
    assert!(rate["low"].as_f64() <= Some(value) && rate["high"].as_f64() >= Some(value), "{found:#}");
}

#[test]
fn a_limit_that_was_never_touched_is_not_said_to_be_found() {
    let server = mock("");
    let url = server.url_template();
    let flags = ["bench", "--adaptive", "-n", "300", "--seed", "7", "--url-template", &url];
    let found = found(&run(&[&flags[..], &["--output-format", "json"]].concat()));
    assert_eq!(found[0]["rate_per_second"]["state"], "not_reached", "{found:#}");
    let text = run(&flags);
    assert!(stdout(&text).contains("rate found            none: nothing slowed it down"), "{}", stdout(&text));
}

#[test]
fn a_ceiling_is_told_from_a_limit() {
    let server = mock("");
    let url = server.url_template();
    let flags = ["bench", "--preset", "polite", "-n", "14", "--seed", "7", "--url-template", &url];
    let found = found(&run(&[&flags[..], &["--output-format", "json"]].concat()));
    assert_eq!(found[0]["rate_per_second"], serde_json::json!({ "state": "at_ceiling", "value": 4.0 }), "{found:#}");
}

#[test]
fn what_is_fixed_finds_nothing_and_each_source_finds_its_own() {
    let (first, second) = (mock(""), mock(""));
    let (url, other) = (first.url_template(), second.url_template());
    let json = ["--output-format", "json", "--url-template", &url];
    assert_eq!(found(&run(&[&["bench"], &json[..]].concat())), serde_json::json!([]));
    let both = found(&run(&[&["bench", "--adaptive", "--mirror", &other], &json[..]].concat()));
    assert_eq!((&both[0]["source"], &both[1]["source"]), (&0.into(), &1.into()), "{both:#}");
    let fixed = found(&run(&[&["bench", "--preset", "bulk", "--rate", "500/s"], &json[..]].concat()));
    assert!(fixed[0]["rate_per_second"].is_null() && fixed[0]["concurrency"].is_object(), "{fixed:#}");
}
