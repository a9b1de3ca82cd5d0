//! A benchmark on schedule: it sends when it is time, and counts from when it was.

use std::fs;

use serde_json::Value;

use crate::{
    bench::assert_stable_metrics,
    support::{code, json, mock, run, settled, stderr, stdout},
};

fn ms(document: &Value, latency: &str, which: &str) -> f64 {
    document["open_loop"][latency][which].as_f64().unwrap_or_else(|| panic!("{latency}.{which} in {document:#}"))
}

#[test]
fn everything_that_is_due_is_sent_and_reaches_the_server() {
    let mock = mock("latency=2ms");
    let url = mock.url_template();
    let flags = ["--rate", "100/s", "--duration", "300ms", "--output-format", "json", "--seed", "7"];
    let output = run(&[&["bench", "--url-template", &url], &flags[..]].concat());
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let (document, stats) = (json(&output), settled(&mock));
    assert_stable_metrics(&document);
    let open = &document["open_loop"];
    assert_eq!((&open["due"], &open["sent"], &open["not_sent"]), (&30.into(), &30.into(), &0.into()), "{open:#}");
    assert_eq!((&open["traffic"], &open["arrivals"]), (&"steady".into(), &"even".into()));
    assert_eq!(open["alive_max"], 400, "four for each that may be in flight");
    assert_eq!((open["rate_per_second"].as_f64(), open["duration_seconds"].as_f64()), (Some(100.0), Some(0.3)));
    assert_eq!(document["metrics"]["attempts"], stats.received, "one try each: {document:#} {stats:?}");
    assert!(document["wall_seconds"].as_f64() >= Some(0.29), "the last one is due after 290 ms: {document:#}");
    assert_eq!(document["metrics"]["latency_ms"], open["uncorrected_latency_ms"], "metrics keep their meaning");
}

#[test]
fn a_slow_server_is_sent_more_all_the_same_and_the_wait_is_told() {
    // 30 tiles within 300 ms, of which two at a time take 40 ms.
    let mock = mock("latency=40ms");
    let url = mock.url_template();
    let flags = ["--rate", "100/s", "--duration", "300ms", "-c", "2", "--url-template", &url];
    let output = run(&[&["bench", "--output-format", "json"], &flags[..]].concat());
    assert_eq!(code(&output), Some(1), "what was not sent was given up: {}", stderr(&output));
    let document = json(&output);
    // Eight may be alive, and each 20 ms one more comes than goes.
    let open = &document["open_loop"];
    assert_eq!(open["alive_max"], 8);
    assert!(open["not_sent"].as_u64() > Some(0), "{open:#}");
    assert_eq!(document["failed_by_kind"]["not sent"], open["not_sent"], "never silently");
    assert!(ms(&document, "latency_since_due_ms", "p50") > ms(&document, "uncorrected_latency_ms", "p50"));
    // With eight alive, six waited for two: three times 40 ms before their own.
    assert!(ms(&document, "latency_since_due_ms", "max") >= 120.0, "{document:#}");
}

#[test]
fn what_is_not_sent_is_said_to_people_and_fails_the_gate() {
    let mock = mock("latency=60ms");
    let url = mock.url_template();
    let flags = ["--rate", "200/s", "--duration", "150ms", "-c", "1", "--require", "success>=100%"];
    let output = run(&[&["bench", "--url-template", &url], &flags[..]].concat());
    assert_eq!(code(&output), Some(99), "{}", stderr(&output));
    assert!(stderr(&output).contains("--require does not hold: success>=100%: missed"), "{}", stderr(&output));
    let text = stdout(&output);
    for part in ["30 over 150 ms: steady, 200/s, even", "4 were alive already", "since tiles were due", "not sent"] {
        assert!(text.contains(part), "{part:?} is missing in {text}");
    }
}

#[test]
fn what_is_required_is_held_against_what_somebody_waited() {
    let mock = mock("latency=40ms");
    let url = mock.url_template();
    // Four tiles in one go, one at a time, are 160 ms for the last one, and 40 ms each for who does not count the wait.
    let flags =
        ["--rate", "1000/s", "--duration", "4ms", "-c", "1", "--output-format", "json", "--require", "max<150ms"];
    let output = run(&[&["bench", "--url-template", &url], &flags[..]].concat());
    assert_eq!(code(&output), Some(99), "{}", stdout(&output));
}

#[test]
fn a_schedule_that_is_cut_short_is_not_finished() {
    let flags = ["--rate", "100/s", "--duration", "10s", "--global-timeout", "200ms", "--output-format", "json"];
    let output = run(&[&["bench"], &flags[..]].concat());
    assert_eq!(code(&output), Some(5), "{}", stderr(&output));
    assert!(stderr(&output).contains("the figures are of what was due by then"), "{}", stderr(&output));
    let document = json(&output);
    assert_stable_metrics(&document);
    let due = document["open_loop"]["due"].as_u64().expect("a count");
    assert!(due <= 21, "one every 10 ms until 200 ms: {document:#}");
    assert_eq!(document["metrics"]["requested"], 1_000);
    assert!(document["metrics"]["cancelled"].as_u64() >= Some(1_000 - due), "{document:#}");
}

#[test]
fn each_shape_of_traffic_sends_what_it_says() {
    for (shape, due) in [("ramp", 20), ("burst", 15), ("diurnal", 21)] {
        let flags = ["--rate", "200/s", "--duration", "200ms", "--traffic", shape, "--output-format", "json"];
        let output = run(&[&["bench"], &flags[..]].concat());
        assert_eq!(code(&output), Some(0), "{}", stderr(&output));
        let open = &json(&output)["open_loop"];
        assert_eq!((&open["traffic"], &open["due"]), (&shape.into(), &due.into()), "{open:#}");
    }
}

#[test]
fn a_recorded_list_is_played_in_its_order_and_again() {
    let list = tempfile::NamedTempFile::new().expect("a file");
    fs::write(list.path(), "# a drive\n0/0/0\n1/0/1\n0/0/0 # back\n").expect("it is written");
    let path = list.path().to_str().expect("UTF-8");
    let of = |flags: &[&str]| {
        let output = run(&[&["bench", "--list", path, "--output-format", "json"], flags].concat());
        assert_eq!(code(&output), Some(0), "{}", stderr(&output));
        let metrics = json(&output)["metrics"].clone();
        (metrics["requested"].as_u64().expect("a count"), metrics["bytes"].as_u64().expect("a count"))
    };
    let (once, bytes) = of(&[]);
    assert_eq!(once, 3, "where nobody says how many, all of them");
    assert_eq!(of(&["-n", "6"]), (6, 2 * bytes), "and from the beginning again");
    assert_eq!(of(&["--rate", "500/s", "--duration", "12ms"]), (6, 2 * bytes));
    let text = stdout(&run(&["bench", "--list", path]));
    assert!(text.contains("3 tiles listed in "), "{text}");

    fs::write(list.path(), "# nothing\n").expect("it is written");
    let output = run(&["bench", "--list", path]);
    assert_eq!(code(&output), Some(2));
    assert!(stderr(&output).contains("there is no tile in it"), "{}", stderr(&output));
}

#[test]
fn a_drive_asks_for_what_comes_into_view() {
    let route = tempfile::NamedTempFile::new().expect("a file");
    let line = r#"{"type": "LineString", "coordinates": [[8.5, 47.4], [13.4, 52.5]]}"#;
    fs::write(route.path(), line).expect("it is written");
    let path = route.path().to_str().expect("UTF-8");
    let output = run(&["bench", "--route", path, "--max-zoom", "4", "--output-format", "json"]);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    assert_eq!(json(&output)["metrics"]["requested"], 9, "one place at zoom 4, and what is around it");
    fs::write(route.path(), "{}").expect("it is written");
    let output = run(&["bench", "--route", path]);
    assert_eq!(code(&output), Some(2));
    assert!(stderr(&output).contains("not GeoJSON"), "{}", stderr(&output));
}

#[test]
fn a_session_is_made_up_from_the_seed() {
    let bytes = |seed, flags: &[&str]| {
        let fixed = ["bench", "-n", "60", "--output-format", "json", "--seed", seed];
        json(&run(&[&fixed[..], flags].concat()))["metrics"]["bytes"].clone()
    };
    assert_eq!(bytes("11", &["--session"]), bytes("11", &["--session"]));
    assert_ne!(bytes("11", &["--session"]), bytes("11", &[]));
}

#[test]
fn a_run_is_a_page_for_a_browser_and_an_object_for_programs() {
    let directory = tempfile::tempdir().expect("a directory");
    let [page, object] = ["run.html", "run.json"].map(|name| directory.path().join(name));
    let reports: Vec<&str> =
        [&page, &object].into_iter().flat_map(|path| ["--report", path.to_str().expect("UTF-8")]).collect();
    let schedule = ["--rate", "200/s", "--duration", "300ms", "--traffic", "ramp", "--require", "max<1us"];
    let output = run(&[&["bench", "--output-format", "json"], &schedule[..], &reports].concat());
    assert_eq!(code(&output), Some(99), "{}", stderr(&output));
    let document = json(&output);
    let saved: Value = serde_json::from_str(&fs::read_to_string(object).expect("a result")).expect("JSON");
    assert_eq!(saved, document);

    let page = fs::read_to_string(page).expect("a page");
    assert!(page.starts_with("<!doctype html>"), "{page}");
    let meaning = document["open_loop"]["meaning"].as_str().expect("a sentence");
    for part in [meaning, "Requirement max&lt;1us: missed", "Latency distribution", "Over time", ">due<", ">limit<"] {
        assert!(page.contains(part), "{part:?} is missing in {page}");
    }
    let closed = directory.path().join("closed.HTM");
    let output = run(&["bench", "--report", closed.to_str().expect("UTF-8")]);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let page = fs::read_to_string(closed).expect("a page");
    assert!(page.contains("20 of 20 (100 %) at ") && !page.contains(">due<"), "{page}");

    let refused = run(&["bench", "--report", "run.csv"]);
    assert_eq!(code(&refused), Some(2));
    assert!(stderr(&refused).contains("give .html or .json"), "{}", stderr(&refused));
}

#[test]
fn flags_that_do_not_go_together_are_refused() {
    for flags in [
        &["--duration", "1s"][..],
        &["--traffic", "ramp"],
        &["--rate", "5/s", "--arrivals", "random"],
        &["--rate", "5/s", "--duration", "1s", "-n", "5"],
        &["--list", "x", "--session"],
        &["--list", "x", "--route", "y"],
    ] {
        let output = run(&[&["bench"], flags].concat());
        assert_eq!(code(&output), Some(2), "{flags:?}: {}", stderr(&output));
    }
}

#[test]
fn without_a_duration_the_rate_is_the_gates() {
    let text = |flags: &[&str]| stdout(&run(&[&["bench", "--print-config", "--rate", "50/s"], flags].concat()));
    let row = |text: &str, name: &str| text.lines().find(|line| line.starts_with(name)).map(str::to_owned);
    let gate = text(&[]);
    assert!(row(&gate, "rate ").is_some_and(|row| row.contains("fixed at 50/s")), "{gate}");
    let open = text(&["--duration", "1s"]);
    assert!(row(&open, "rate ").is_some_and(|row| row.contains("unlimited")), "{open}");
    assert!(row(&open, "preset ").is_some_and(|row| row.contains("load")), "{open}");
    assert!(row(&open, "breaker opens at").is_some_and(|row| row.contains("never")), "{open}");
}
