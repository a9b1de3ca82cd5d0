//! `tidegate simulate` on the ready scenarios, and what it says about bad ones.

use std::{fs, path::PathBuf};

use serde_json::Value;

use crate::support::{code, json, run, stderr, stdout};

fn scenario(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../examples/scenarios/{name}.toml"));
    path.to_str().expect("UTF-8").to_owned()
}

/// A file in a directory that lasts as long as the first of the two.
fn file(text: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("scenario.toml");
    fs::write(&path, text).expect("a file");
    let path = path.to_str().expect("UTF-8").to_owned();
    (directory, path)
}

const SHORT: &str = r#"
length = "20s"
[[server]]
name = "tiles"
rules = ["rate=20/s", "outage=5s..8s:503"]
[[fleet]]
name = "mirror"
servers = ["tiles"]
users = 5
round-trip = "uniform:5ms..80ms"
"#;

#[test]
fn every_ready_scenario_gives_its_table_and_its_picture() {
    let directory = tempfile::tempdir().expect("a directory");
    // The herd's ten thousand are tested with the simulator.
    for name in ["retry-storm", "rate-limit", "bad-mirror", "slow-server"] {
        let picture = directory.path().join(format!("{name}.svg"));
        let output = run(&["simulate", &scenario(name), "--timeline", picture.to_str().expect("UTF-8")]);
        assert_eq!(code(&output), Some(0), "{name}: {}", stderr(&output));
        for row in ["goodput", "attempts", "call latency p50", "servers", "requests"] {
            assert!(stdout(&output).contains(row), "{name}: {row:?} is missing in {}", stdout(&output));
        }
        let svg = fs::read_to_string(picture).expect("a picture");
        assert!(svg.starts_with("<svg ") && svg.contains("calls answered"), "{name}: {svg:.200}");
        let [refused, breakers, rate] =
            ["told to come back later", "breakers not closed", "rate allowed"].map(|series| svg.contains(series));
        let expected = match name {
            "rate-limit" => (true, false, true),
            "retry-storm" | "bad-mirror" | "slow-server" => (false, true, false),
            other => panic!("nobody said what is to be seen in {other}"),
        };
        assert_eq!((refused, breakers, rate), expected, "{name}: refusals, breakers and rates in the picture");
    }
}

#[test]
fn the_picture_in_the_readme_is_the_one_that_its_command_makes() {
    let directory = tempfile::tempdir().expect("a directory");
    let picture = directory.path().join("made.svg");
    let output = run(&["simulate", &scenario("retry-storm"), "--timeline", picture.to_str().expect("UTF-8")]);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let kept = fs::read(scenario("retry-storm").replace(".toml", ".svg")).expect("the picture of the README");
    let made = fs::read(picture).expect("a picture");
    assert!(kept == made, "make it anew: tidegate simulate …/retry-storm.toml --timeline …/retry-storm.svg");
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_one_others() {
    let (_directory, path) = file(SHORT);
    let of = |seed: &str| run(&["simulate", &path, "--seed", seed, "--output-format", "json"]).stdout;
    assert!(!of("7").is_empty());
    assert_eq!(of("7"), of("7"));
    assert_ne!(of("7"), of("8"));
}

#[test]
fn json_has_the_figures() {
    let (_directory, path) = file(SHORT);
    let document = json(&run(&["simulate", &path, "--output-format", "json"]));
    let fleet = &document["figures"]["fleets"][0];
    for key in ["goodput_per_s", "success_share", "amplification", "throttled_share", "breaker_opened"] {
        assert!(fleet[key].is_number(), "{key} in {document:#}");
    }
    assert!(fleet["latency_ms"]["p50"].is_number() && fleet["recovery"]["is"].is_string(), "{document:#}");
    assert_eq!(fleet["fairness"], Value::Null, "there is one client");
    let requests = &document["figures"]["servers"][0]["requests"];
    assert_eq!(requests["arrived"], fleet["attempts"]["sent"], "{document:#}");
}

#[test]
fn policies_are_compared_side_by_side() {
    let directory = tempfile::tempdir().expect("a directory");
    let paths = ["steady", "eager"].map(|name| directory.path().join(format!("{name}.toml")));
    fs::write(&paths[0], SHORT).expect("a file");
    fs::write(&paths[1], SHORT.replace("users = 5", "users = 5\nrate = \"unlimited\"")).expect("a file");
    let [steady, eager] = paths.each_ref().map(|path| path.to_str().expect("UTF-8"));
    let picture = directory.path().join("both.svg");
    let output = run(&["simulate", "--compare", steady, eager, "--timeline", picture.to_str().expect("UTF-8")]);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let said = stdout(&output);
    let heading = said.lines().find(|line| line.starts_with("clients")).unwrap_or_default();
    assert_eq!(heading.split_whitespace().collect::<Vec<_>>(), ["clients", "steady", "eager"], "{said}");
    let svg = fs::read_to_string(picture).expect("a picture");
    assert!(svg.contains("steady: per second") && svg.contains("eager: per second"));
    let document = json(&run(&["simulate", "--compare", steady, eager, "--output-format", "json"]));
    assert_eq!(document["compared"][1]["scenario"], "eager");
}

#[test]
fn what_cannot_be_simulated_is_told_with_what_to_change() {
    for (change, parts) in [
        (("length = \"20s\"", "lenght = \"20s\""), &["scenario.toml", "lenght", "expected one of"][..]),
        (("users = 5", "users = 5\nrate = \"quick\""), &["fleet `mirror`", "rate = \"quick\"", "50/s"]),
        (("servers = [\"tiles\"]", "servers = [\"tile\"]"), &["fleet `mirror`", "`tile`", "`tiles`"]),
        (("users = 5", "users = 5\nlimit = \"aimd,floor=9,start=3\""), &["fleet `mirror`", "floor ≤ start ≤ ceiling"]),
        (("rate=20/s", "bandwidth=1MiB/s"), &["server `tiles`", "bandwidth"]),
        (("rate=20/s", "rate=20/s,headers=draft"), &["server `tiles`", "rate=20/s", "leave out headers"]),
        (("rules =", "slow = [\"1s..2s=300%\"]\nrules ="), &["server `tiles`", "slow without a pool", "pool=4"]),
        (
            ("outage=5s", "outage=20s..30s:503\", \"outage=5s"),
            &["server `tiles`", "an outage that begins at 20s", "earlier"],
        ),
        (("users = 5", "users = 1000000\nclients = 2"), &["number of users is 2000000", "at most 1000000"]),
        (
            ("length = \"20s\"", "length = \"20s\"\ntitle = \"\\u001b[2J\""),
            &["the scenario: title", "control characters"],
        ),
    ] {
        assert!(SHORT.contains(change.0));
        let (_directory, path) = file(&SHORT.replace(change.0, change.1));
        let output = run(&["simulate", &path]);
        let said = stderr(&output);
        assert_eq!(code(&output), Some(2), "{said}");
        assert!(output.stdout.is_empty());
        parts.iter().for_each(|part| assert!(said.contains(part), "{part:?} is missing in {said}"));
    }
    let missing = run(&["simulate", "/nowhere/at-all.toml"]);
    assert_eq!(code(&missing), Some(2));
    assert!(stderr(&missing).contains("/nowhere/at-all.toml") && stderr(&missing).contains("examples/scenarios"));
}

#[test]
fn a_picture_that_cannot_be_written_is_a_local_error() {
    let (directory, path) = file(SHORT);
    let folder = directory.path().join("folder.svg");
    fs::create_dir(&folder).expect("a folder");
    let output = run(&["simulate", &path, "--timeline", folder.to_str().expect("UTF-8")]);
    assert_eq!(code(&output), Some(4), "{}", stderr(&output));
    assert!(stderr(&output).contains("--timeline="), "{}", stderr(&output));
}

#[test]
fn runs_that_are_compared_are_told_apart_and_each_says_its_length_and_seed() {
    let directory = tempfile::tempdir().expect("a directory");
    let paths = ["own/x.toml", "own2/x.toml"].map(|name| directory.path().join(name));
    paths.iter().for_each(|path| fs::create_dir(path.parent().expect("a folder")).expect("a new folder"));
    fs::write(&paths[0], format!("title = \"first\"\n{SHORT}")).expect("a file");
    fs::write(&paths[1], format!("seed = 7\n{}", SHORT.replace("20s", "30s"))).expect("a file");
    let [one, other] = paths.each_ref().map(|path| path.to_str().expect("UTF-8"));
    let said = stdout(&run(&["simulate", "--compare", one, other]));
    let lines: Vec<_> = said.lines().collect();
    assert_eq!((lines[0], lines[2]), ("own/x: first", "own2/x"), "{said}");
    assert!(lines[1].starts_with("  20 s, seed 0, trace ") && lines[3].starts_with("  30 s, seed 7, trace "), "{said}");
    let heading = said.lines().find(|line| line.starts_with("clients")).unwrap_or_default();
    assert_eq!(heading.split_whitespace().collect::<Vec<_>>(), ["clients", "own/x", "own2/x"], "{said}");
}

#[test]
fn a_picture_never_takes_the_place_of_a_scenario() {
    let (directory, path) = file(SHORT);
    let beside = |name: &str| directory.path().join(name).to_str().expect("UTF-8").to_owned();
    let picture = beside("scenario.svg");
    fs::copy(&path, &picture).expect("a scenario by an odd name");
    let mut names = vec![path.clone(), beside("picture.png"), picture.clone(), beside("./scenario.svg")];
    fs::hard_link(&picture, beside("hard.svg")).expect("a link");
    names.push(beside("hard.svg"));
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&picture, beside("soft.svg")).expect("a link");
        names.push(beside("soft.svg"));
    }
    for name in names {
        let output = run(&["simulate", &picture, "--timeline", &name]);
        let said = stderr(&output);
        assert_eq!((code(&output), output.stdout.len()), (Some(2), 0), "{name}: {said}");
        assert!(
            said.contains(&name) && (said.contains("ends in .svg") || said.contains("give another file")),
            "{said}"
        );
        assert_eq!(fs::read_to_string(&picture).expect("still there"), SHORT, "{name}");
    }
    let output = run(&["simulate", &path, "--timeline", &path]);
    assert_eq!(code(&output), Some(2), "{}", stderr(&output));
    assert_eq!(fs::read_to_string(&path).expect("still there"), SHORT);
}

#[test]
fn a_picture_is_replaced_as_a_whole_and_only_by_a_run_that_succeeds() {
    let (directory, path) = file(SHORT);
    let picture = directory.path().join("made.svg");
    let made = picture.to_str().expect("UTF-8");
    fs::write(&picture, "of the last run").expect("a picture");
    let (_other, wrong) = file(&SHORT.replace("tiles\"]", "tile\"]"));
    assert_eq!(code(&run(&["simulate", &wrong, "--timeline", made])), Some(2));
    assert_eq!(fs::read_to_string(&picture).expect("still there"), "of the last run");
    assert_eq!(code(&run(&["simulate", &path, "--timeline", made])), Some(0));
    assert!(fs::read_to_string(&picture).expect("a picture").starts_with("<svg "));
    let files = fs::read_dir(directory.path()).expect("a folder").count();
    assert_eq!(files, 2, "the scenario and its picture, and nothing is left over");
}

#[test]
fn json_has_a_timeline_that_adds_up_to_the_figures() {
    let (_directory, path) = file(SHORT);
    let document = json(&run(&["simulate", &path, "--output-format", "json"]));
    let [figures, timeline] = ["figures", "timeline"].map(|part| &document[part]["fleets"][0]);
    for (column, total) in [("offered", &figures["calls"]["offered"]), ("sent", &figures["attempts"]["sent"])] {
        let steps = timeline[column].as_array().unwrap_or_else(|| panic!("no {column} in {timeline:#}"));
        assert_eq!(steps.len(), 20);
        assert_eq!(steps.iter().filter_map(Value::as_u64).sum::<u64>(), total.as_u64().expect("a number"), "{column}");
    }
    assert_eq!(document["timeline"]["servers"][0]["arrived"].as_array().map(Vec::len), Some(20));
}

#[test]
fn every_name_in_the_json_is_explained() {
    fn names(value: &Value, all: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                all.extend(object.keys().cloned());
                object.values().for_each(|value| names(value, all));
            }
            Value::Array(values) => values.iter().for_each(|value| names(value, all)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let page = include_str!("../../../lab/src/sim/figures/json.md");
    let (_directory, path) = file(SHORT);
    let mut all = Vec::new();
    names(&json(&run(&["simulate", "--compare", &path, &path, "--output-format", "json"])), &mut all);
    assert!(all.len() > 100, "{all:?}");
    all.iter().for_each(|name| assert!(page.contains(&format!("`{name}`")), "{name} is not explained"));
}

#[test]
fn the_keys_of_a_scenario_are_shown_without_one() {
    let output = run(&["simulate", "--keys"]);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    for key in ["`length`", "`[[fleet]]`", "`slow-after`"] {
        assert!(stdout(&output).contains(key), "{key} is missing in {}", stdout(&output));
    }
}
