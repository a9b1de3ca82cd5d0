//! What is kept between runs, and what that saves.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::Value;
use tidegate_lab::mock::{Mock, MockConfig};

use crate::support::{code, json, run, settled, stderr, stdout, tidegate, wait_for};

/// A server whose tiles are good for so long.
fn server(cache_control: &str) -> Mock {
    let config = MockConfig { cache_control: cache_control.to_owned(), ..MockConfig::default() };
    Mock::start(config).expect("a mock server starts")
}

/// Runs a benchmark of 60 tiles of a server with the cache in a folder.
fn bench(url: &str, folder: &Path, more: &[&str]) -> (Option<i32>, Value) {
    let folder = folder.to_str().expect("UTF-8");
    let arguments =
        ["bench", "-n", "60", "--seed", "5", "--output-format", "json", "--url-template", url, "--cache", folder];
    let output = run(&[&arguments, more].concat());
    (code(&output), json(&output))
}

fn counts<const N: usize>(report: &Value, names: [&str; N]) -> [u64; N] {
    names.map(|name| {
        let place = if name.contains("saved") { &report["cache"] } else { &report["metrics"] };
        place[name].as_u64().unwrap_or_else(|| panic!("{name}: {report}"))
    })
}

#[test]
fn the_second_run_asks_nobody_and_says_what_that_saved() {
    let (server, folder) = (server("max-age=3600"), tempfile::tempdir().expect("a folder"));
    let url = server.url_template();
    let (exit, first) = bench(&url, folder.path(), &[]);
    let [fetched, empty, bytes] = counts(&first, ["fetched", "empty", "bytes"]);
    assert_eq!((exit, fetched + empty), (Some(0), 60));
    assert!(fetched > 20 && empty > 5, "{first}");
    assert_eq!(counts(&first, ["requests_saved", "bytes_saved"]), [0, 0]);
    let asked = settled(&server).received;

    let (exit, second) = bench(&url, folder.path(), &[]);
    assert_eq!((exit, server.stats().received), (Some(0), asked));
    assert_eq!(counts(&second, ["fetched", "revalidated", "empty", "attempts", "bytes"]), [0, fetched, empty, 0, 0]);
    assert_eq!(counts(&second, ["requests_saved", "bytes_saved"]), [60, bytes]);
    assert_eq!(second["cache"]["answers"], 60);

    let folder = folder.path().to_str().expect("UTF-8");
    let text = stdout(&run(&["bench", "-n", "60", "--seed", "5", "--url-template", &url, "--cache", folder]));
    assert!(text.contains("saved by the cache    60 requests and "), "{text}");
}

#[test]
fn what_is_past_its_time_is_asked_about_in_one_attempt_each_and_not_sent_again() {
    let (server, folder) = (server("max-age=0"), tempfile::tempdir().expect("a folder"));
    let url = server.url_template();
    let (_, first) = bench(&url, folder.path(), &[]);
    let [fetched, empty, bytes, attempts] = counts(&first, ["fetched", "empty", "bytes", "attempts"]);
    let (exit, second) = bench(&url, folder.path(), &[]);
    assert_eq!(exit, Some(0));
    assert_eq!(counts(&second, ["fetched", "revalidated", "empty", "bytes"]), [0, fetched, empty, 0]);
    let [requests_saved, bytes_saved, asked] = counts(&second, ["requests_saved", "bytes_saved", "attempts"]);
    // That there is nothing comes without a word about time, and is believed for an hour.
    assert_eq!((requests_saved, bytes_saved, asked), (empty, bytes, fetched));
    let stats = settled(&server);
    assert_eq!(stats.received, attempts + asked, "every request is in the books");
    assert_eq!(stats.answered[&304], fetched);
}

#[test]
fn a_server_that_is_down_is_made_do_without_as_far_as_that_is_allowed() {
    let (healthy, folder) = (server("max-age=0"), tempfile::tempdir().expect("a folder"));
    let url = healthy.url_template();
    let (_, first) = bench(&url, folder.path(), &[]);
    let [fetched, empty] = counts(&first, ["fetched", "empty"]);
    drop(healthy.stop());

    let (exit, strict) = bench(&url, folder.path(), &["--retries", "0"]);
    assert_eq!(counts(&strict, ["stale", "failed", "empty"]), [0, fetched, empty]);
    assert_eq!(exit, Some(1));
    let (exit, lenient) = bench(&url, folder.path(), &["--retries", "0", "--allow-stale", "1d"]);
    assert_eq!(counts(&lenient, ["stale", "failed", "empty"]), [fetched, 0, empty]);
    assert_eq!(exit, Some(0));
    let (exit, offline) = bench(&url, folder.path(), &["--cache-mode", "offline"]);
    assert_eq!((exit, counts(&offline, ["stale", "attempts", "requests_saved"])), (Some(0), [fetched, 0, 60]));
    let (_, never) = bench(&url, folder.path(), &["--cache-mode", "offline", "--allow-stale", "never"]);
    assert_eq!(counts(&never, ["stale", "failed", "attempts"]), [0, fetched, 0]);
}

#[test]
fn what_a_parent_stands_in_for_is_not_written_but_left_as_a_dead_letter() {
    let (server, folder) = (server("max-age=3600"), tempfile::tempdir().expect("a folder"));
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (url, cache, output, letters) = (server.url_template(), path("cache"), path("tiles"), path("letters"));
    let fetch = |more: &[&str]| {
        let all =
            ["fetch", "--bbox=-180,-85,180,85", "--output-format", "json", "--extension", "png", "--retries", "0"];
        let paths = ["--url-template", &url, "--cache", &cache, "--output", &output, "--dead-letter", &letters];
        run(&[&all, &paths[..], more].concat())
    };
    assert_eq!(code(&fetch(&["--zooms", "0-1"])), Some(0));
    drop(server.stop());
    let result = fetch(&["--zooms", "0-2", "--allow-parent", "1", "--max-concurrency", "4", "--preset", "ancestor"]);
    assert_eq!(code(&result), Some(1), "{}", stderr(&result));
    let [requested, there, from_parent, failed] =
        counts(&json(&result), ["requested", "revalidated", "from_parent", "failed"]);
    assert_eq!((requested, there + from_parent + failed, failed), (21, 21, 0));
    assert_eq!(from_parent, 16, "the four children of each of four tiles");
    assert!(stderr(&result).contains("a parent stands in for 16 of them"), "{}", stderr(&result));
    assert!(!Path::new(&output).join("2").exists(), "no part of a parent is in the archive");
    assert_eq!(fs::read_to_string(&letters).expect("letters").lines().count(), 16);
}

#[test]
fn in_the_background_every_request_is_in_the_books() {
    let (server, folder) = (server("max-age=0"), tempfile::tempdir().expect("a folder"));
    let url = server.url_template();
    let (_, first) = bench(&url, folder.path(), &[]);
    let [fetched, empty, attempts] = counts(&first, ["fetched", "empty", "attempts"]);
    let (exit, second) = bench(&url, folder.path(), &["--cache-mode", "refresh"]);
    assert_eq!(exit, Some(0));
    let [stale, nothing, asked] = counts(&second, ["stale", "empty", "attempts"]);
    assert_eq!((stale, nothing, asked), (fetched, empty, fetched));
    assert_eq!(settled(&server).received, attempts + asked);
}

#[test]
fn a_cache_that_was_killed_at_work_is_whole_and_goes_on() {
    let (server, folder) = (server("max-age=3600"), tempfile::tempdir().expect("a folder"));
    let (url, cache) = (server.url_template(), folder.path().to_str().expect("UTF-8").to_owned());
    let arguments =
        ["bench", "-n", "2000", "--seed", "5", "--output-format", "json", "--url-template", &url, "--cache", &cache];
    let mut child = tidegate(&arguments).stdout(std::process::Stdio::null()).spawn().expect("the command starts");
    assert!(wait_for(|| server.stats().received > 50), "it is at work");
    child.kill().expect("it can be killed");
    child.wait().expect("it has ended");
    let asked = settled(&server).received;
    let output = run(&arguments);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let report = json(&output);
    let again = settled(&server).received - asked;
    let [attempts, requests_saved] = counts(&report, ["attempts", "requests_saved"]);
    assert_eq!((attempts, report["cache"]["failed"].as_u64()), (again, Some(0)));
    assert_eq!(attempts + requests_saved, 2000);
    // In flight when it was killed: at most ten were answered and not kept, and as many on their way.
    assert!(report["cache"]["answers"].as_u64() <= Some(asked + again), "{report}");
}

#[test]
fn nobody_but_its_owner_reads_it_and_no_key_is_in_it() {
    let (server, folder) = (server("max-age=3600"), tempfile::tempdir().expect("a folder"));
    let cache = folder.path().join("cache");
    let url = server.url_template() + "?token=s3cretkey";
    let (exit, _) = bench(&url, &cache, &[]);
    assert_eq!(exit, Some(0));
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&cache), 0o700);
    for file in fs::read_dir(&cache).expect("a folder") {
        let path = file.expect("a file").path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        let bytes = fs::read(&path).expect("it can be read");
        assert!(!bytes.windows(9).any(|part| part == b"s3cretkey"), "{}", path.display());
    }
}

#[test]
fn a_file_that_is_no_cache_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    for content in [
        &b"my notes, which are longer than the head of a database: one hundred bytes, or even some more than that"[..],
        include_bytes!("../../../lab/data/world-z4.mbtiles"),
    ] {
        let file = folder.path().join("answers.sqlite");
        fs::write(&file, content).expect("it can be written");
        let output = run(&["bench", "-n", "1", "--cache", folder.path().to_str().expect("UTF-8")]);
        assert_eq!(code(&output), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains("is not a cache of tidegate: give another folder"), "{}", stderr(&output));
        assert_eq!(fs::read(&file).expect("it can be read"), content, "not a byte is changed");
    }
}

#[test]
fn flags_of_a_cache_want_one() {
    for flag in
        [["--cache-mode", "offline"], ["--cache-size", "1GiB"], ["--allow-stale", "1d"], ["--allow-parent", "2"]]
    {
        let output = run(&[&["bench"], &flag[..]].concat());
        assert_eq!((code(&output), stderr(&output).contains("--cache <DIR>")), (Some(2), true), "{}", stderr(&output));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().to_str().expect("UTF-8");
    let output = run(&[
        "bench",
        "--cache",
        cache,
        "--cache-mode",
        "offline",
        "--scheme",
        "tilejson",
        "--url",
        "http://localhost",
    ]);
    assert_eq!(
        (code(&output), stderr(&output).contains("--cache-mode=offline")),
        (Some(2), true),
        "{}",
        stderr(&output)
    );
}

#[test]
fn what_is_in_force_is_printed_with_its_origin() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    let path = cache.to_str().expect("UTF-8");
    let shown = |arguments: &[&str]| stdout(&run(&[&["fetch", "--print-config"], arguments].concat()));
    let row = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.split_whitespace().next() == Some(name));
        line.unwrap_or_else(|| panic!("{name}: {text}")).split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    let absent = shown(&[]);
    assert_eq!(row(&absent, "cache"), "nowhere default");
    assert_eq!(row(&absent, "allow-stale"), "as the server allows default");
    let given =
        shown(&["--cache", path, "--cache-mode", "if-missing", "--cache-size", "2MiB", "--allow-stale", "never"]);
    assert_eq!(row(&given, "cache-mode"), "if-missing flag");
    assert_eq!(
        (row(&given, "cache-size"), row(&given, "allow-stale")),
        ("2.0 MiB flag".to_owned(), "never flag".to_owned())
    );
    assert_eq!(row(&given, "allow-parent"), "0 levels default");
    assert!(!cache.exists(), "and nothing is made");
}
