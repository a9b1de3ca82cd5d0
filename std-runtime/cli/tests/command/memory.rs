//! What servers asked for, from one run to the next.

use std::{fs, process::Stdio, thread, time::Duration};

use crate::support::{code, mock, run, settled, stderr, tidegate, wait_for};

#[test]
fn a_run_that_remembers_does_not_ask_in_the_pause_that_an_earlier_one_was_told_of() {
    let mock = mock("429:600=100%");
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("UTF-8").to_owned();
    let (url, tiles, memory) = (mock.url_template(), path("tiles"), path("memory.json"));
    let fetch = |further: &[&str]| {
        let arguments = ["fetch", "--bbox=-180,-85.06,180,85.06", "--zooms", "0-2", "--output", &tiles];
        let output = run(&[&arguments[..], &["--url-template", &url, "--global-timeout", "30s"], further].concat());
        assert!(!matches!(code(&output), Some(0 | 2 | 4) | None), "{}", stderr(&output));
        settled(&mock).received
    };
    let remember = ["--remember", memory.as_str()];
    let first = fetch(&remember);
    assert!(first > 0, "nobody was told to wait");
    assert_eq!(fetch(&remember), first, "asked again in the ten minutes that the server wants to be left alone");
    assert!(fetch(&[]) > first, "who does not remember asks");
    let kept = fs::read_to_string(&memory).expect("the memory");
    assert!(kept.contains("127.0.0.1") && !kept.contains("{z}"), "the host and nothing else of the source: {kept}");
}

#[test]
fn a_pause_is_kept_before_a_kill_within_the_second_can_lose_it() {
    let mock = mock("429:600=100%");
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("UTF-8").to_owned();
    let (url, tiles, memory) = (mock.url_template(), path("tiles"), path("memory.json"));
    let mut arguments = vec!["fetch", "--bbox=-180,-85.06,180,85.06", "--zooms", "0-2", "--output", &tiles];
    arguments.extend(["--url-template", &url, "--remember", &memory]);
    let mut first = tidegate(&arguments).stderr(Stdio::null()).spawn().expect("the command starts");
    assert!(wait_for(|| mock.stats().received > 0), "nobody was told to wait");
    thread::sleep(Duration::from_secs(1));
    first.kill().expect("it waits");
    first.wait().expect("it ends");
    let asked = settled(&mock).received;
    run(&[&arguments[..], &["--global-timeout", "2s"]].concat());
    assert_eq!(settled(&mock).received, asked, "asked again in the pause");
}

#[test]
fn a_file_that_is_something_else_is_named_and_left_alone() {
    let mock = mock("");
    let directory = tempfile::tempdir().expect("a directory");
    let memory = directory.path().join("letters.ndjson");
    fs::write(&memory, "{\"tile\":1}\n").expect("a file");
    let (memory, tiles) = (memory.to_str().expect("UTF-8"), directory.path().join("tiles"));
    let url = mock.url_template();
    let arguments = ["fetch", "--bbox=0,0,1,1", "--zooms", "0", "--output", tiles.to_str().expect("UTF-8")];
    let output = run(&[&arguments[..], &["--url-template", &url, "--remember", memory]].concat());
    assert_eq!(code(&output), Some(4), "{}", stderr(&output));
    assert!(stderr(&output).contains("letters.ndjson: not the memory of an earlier run"), "{}", stderr(&output));
    assert_eq!(fs::read_to_string(memory).expect("still there"), "{\"tile\":1}\n");
    assert_eq!(settled(&mock).received, 0);
}
