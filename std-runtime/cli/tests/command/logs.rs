//! What logs say, and what they keep to themselves.

use serde_json::Value;

use crate::support::{mock, run, stderr};

/// Everything that a run of one tile says, with secrets in every place that has one.
fn logged(format: &str) -> String {
    let mock = mock("14/8580/5737=503,reset,html,200");
    let url =
        format!("http://canary-user:canary-word@{}/canary-path/{{z}}/{{x}}/{{y}}.mvt?key=canary-key", mock.addr());
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_str().expect("UTF-8");
    // One tile at zoom 14, near the centre of Zurich.
    let area =
        ["fetch", "--bbox", "8.54,47.37,8.541,47.371", "--zooms", "14", "--output", path, "--url-template", &url];
    let output = run(&[&area[..], &["-vvv", "--log-format", format, "--retries", "5"]].concat());
    let said = stderr(&output);
    // The box that was asked for is echoed to whoever asked, before anything is logged.
    said.lines().filter(|line| !line.starts_with("west,south,east,north")).collect::<Vec<_>>().join("\n")
}

/// Of the URL and of the tile's place; a bare number may stand in any time stamp.
const PRIVATE: [&str; 5] = ["canary", "/8580", "/5737", "key=", ",47.37"];

#[test]
fn text_logs_name_attempts_and_no_places() {
    let said = logged("text");
    for part in ["attempt failed", "attempt answered", "status 503", "attempt=1", "attempt=2", "id="] {
        assert!(said.contains(part), "{part:?} is missing in {said}");
    }
    for private in PRIVATE {
        assert!(!said.contains(private), "{private:?} in {said}");
    }
}

#[test]
fn json_logs_are_objects_that_name_attempts_and_no_places() {
    let said = logged("json");
    let lines: Vec<Value> = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let failed: Vec<&Value> = lines.iter().filter(|line| line["message"] == "attempt failed").collect();
    assert_eq!(failed.len(), 3, "{said}");
    assert!(failed.iter().all(|line| line["id"] == failed[0]["id"] && line["id"].is_string()), "{said}");
    assert_eq!(failed.iter().map(|line| line["attempt"].as_u64()).collect::<Vec<_>>(), [Some(1), Some(2), Some(3)]);
    for private in PRIVATE {
        assert!(!said.contains(private), "{private:?} in {said}");
    }
}

#[test]
fn quiet_is_quiet() {
    let mock = mock("500=100%");
    let said = stderr(&run(&["-q", "-vvv", "-n", "5", "--retries", "0", "--url-template", &mock.url_template()]));
    assert_eq!(said.lines().count(), 1, "only why it ended: {said}");
}
