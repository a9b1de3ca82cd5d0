//! Every exit code, and what is said with it.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::Path,
    process::Stdio,
};

use crate::support::{code, json, mock, run, stderr, stdout, tidegate};

/// A fetch of the whole world at zoom 0 to 1.
fn fetch_into(directory: &Path, url: &str) -> std::process::Output {
    let directory = directory.to_str().expect("UTF-8");
    let area = ["fetch", "--bbox", "-180,-85,180,85", "--zooms", "0-1", "--output", directory];
    run(&[&area[..], &["--url-template", url, "--quiet"]].concat())
}

#[test]
fn one_where_some_tiles_are_given_up() {
    let mock = mock("0/0/0=500");
    let output =
        run(&["-n", "341", "--retries", "0", "--url-template", &mock.url_template(), "--output-format", "json"]);
    assert_eq!(code(&output), Some(1), "{}", stderr(&output));
    assert_eq!(json(&output)["metrics"]["failed"], 1);
    assert_eq!(json(&output)["failed_by_kind"]["status 500"], 1);
    assert!(stderr(&output).contains("1 tiles were given up"), "{}", stderr(&output));
}

#[test]
fn two_where_a_flag_cannot_be_used() {
    for (arguments, parts) in [
        (&["--max-concurrency", "0"][..], ["'0'", "--max-concurrency", "give 1 to 200"]),
        (&["--timeout", "soon"], ["'soon'", "--timeout", "500ms, 10s, 2m"]),
        (&["--retries", "300"], ["'300'", "--retries", "give 0 to 254"]),
        (&["--retries", "-1"], ["'-1'", "--retries", "give 0 to 254"]),
        (&["simulate", "x.toml", "--seed", "x"], ["'x'", "--seed", "give 0 to 18446744073709551615"]),
        (&["bench", "-n", "-5"], ["'-5'", "--tile-count", "give 1 to 10000000"]),
        (&["--tile-count", "0"], ["'0'", "--tile-count", "give 1 to 10000000"]),
        (&["--rate", "5/week"], ["'5/week'", "--rate", "50/s, 600/m, 5000/h"]),
        (&["--global-timeout", "0"], ["'0'", "--global-timeout", "out of range"]),
        (&["--output-format", "xml"], ["'xml'", "--output-format", "text, json"]),
        (&["--url-template", "ftp://a.test/"], ["--url-template", "ftp", "https and http"]),
        (&["--header", "nothing"], ["--header", "no name and value", "X-Api-Key: value"]),
        (&["--max-idle-age", "2h"], ["'2h'", "--max-idle-age", "give 1ms to 3600s"]),
        (&["--max-connections", "201"], ["'201'", "--max-connections", "give 1 to 200"]),
        (&["--max-idle-connections", "no"], ["'no'", "--max-idle-connections", "give 0 to 200"]),
        (&["--seed", "x"], ["'x'", "--seed", "give 0 to 18446744073709551615"]),
        (&["--listen", "9090"], ["'9090'", "--listen", "127.0.0.1:9090"]),
        (&["--proxy", "gopher://x"], ["--proxy", "cannot be used", "http://host:port"]),
        (&["fetch", "--bbox", "1,2,3", "--zooms", "0", "--output", "x"], ["'1,2,3'", "--bbox", ""]),
        (&["fetch", "--bbox", "-1,-1,1,1", "--zooms", "9-x", "--output", "x"], ["'9-x'", "--zooms", ""]),
    ] {
        let output = run(arguments);
        let said = stderr(&output);
        assert_eq!(code(&output), Some(2), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty(), "{arguments:?}: {}", stdout(&output));
        for part in parts {
            assert!(said.contains(part), "{arguments:?}: {part:?} is missing in {said}");
        }
    }
}

#[test]
fn two_where_a_variable_cannot_be_used() {
    for (name, value, fix) in [
        ("MAX_CONCURRENCY", "many", "give 1 to 200"),
        ("TIMEOUT_SECONDS", "-1", "give 1ms to 3600s"),
        ("RETRIES", "1.5", "give 0 to 254"),
        ("TILE_BASE_URL", "tiles.test", "write https:// or http:// in front"),
    ] {
        let output = tidegate(&[]).env(name, value).output().expect("the command starts");
        let said = stderr(&output);
        assert_eq!(code(&output), Some(2), "{said}");
        assert!(said.contains(name) && said.contains(fix), "{said}");
        // What stands in a URL may be a secret.
        assert_eq!(said.contains(&format!("{name}={value}")), name != "TILE_BASE_URL", "{said}");
    }
}

#[test]
fn two_where_a_fetch_does_not_know_the_extension() {
    let directory = tempfile::tempdir().expect("a directory");
    let mock = mock("");
    let output = fetch_into(directory.path(), &format!("http://{}/{{z}}/{{x}}/{{y}}", mock.addr()));
    assert_eq!(code(&output), Some(2));
    assert!(stderr(&output).contains("--extension png"), "{}", stderr(&output));
}

#[test]
fn three_where_nobody_listens() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its number");
    let output = run(&["--url-template", &format!("http://{closed}/"), "-n", "3", "--retries", "0"]);
    assert_eq!(code(&output), Some(3), "{}", stderr(&output));
    assert!(stdout(&output).contains("3 no connection"), "{}", stdout(&output));
}

#[test]
fn three_where_access_is_refused_and_the_host_is_left_alone() {
    let mock = mock("403=100%");
    let output = run(&["--url-template", &mock.url_template(), "-n", "200", "-c", "1"]);
    assert_eq!(code(&output), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("refuses access (401, 403); a key"), "{}", stderr(&output));
    assert_eq!(mock.stats().received, 3, "three in a row are an answer");
}

#[test]
fn three_where_access_is_refused_to_the_few_that_were_asked_for() {
    let output = run(&["--url-template", &mock("401=100%").url_template(), "-n", "2"]);
    assert_eq!(code(&output), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("refuses access (401, 403); a key"), "{}", stderr(&output));
}

#[test]
fn four_where_the_output_cannot_be_written() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("file");
    File::create(&file).expect("a file");
    let mock = mock("");
    for path in [file.clone(), file.join("below")] {
        let output = fetch_into(&path, &mock.url_template());
        let said = stderr(&output);
        assert_eq!(code(&output), Some(4), "{said}");
        assert!(said.contains("--output") && said.contains(path.to_str().expect("UTF-8")), "{said}");
    }
    assert_eq!(mock.stats().received, 0, "what cannot be kept is not fetched");
}

#[test]
fn four_where_writing_fails_on_the_way() {
    let directory = tempfile::tempdir().expect("a directory");
    // A file where the tiles of zoom 1 belong.
    fs::write(directory.path().join("1"), "in the way").expect("a file");
    let directory = directory.path().to_str().expect("UTF-8");
    let area = ["fetch", "--bbox", "-180,-85,180,85", "--zooms", "0-1", "--output", directory];
    let output = run(&[&area[..], &["--output-format", "json", "--url-template", &mock("").url_template()]].concat());
    assert_eq!(code(&output), Some(4), "{}", stderr(&output));
    let metrics = json(&output)["metrics"].clone();
    assert_eq!(
        (&metrics["fetched"], &metrics["cancelled"]),
        (&1.into(), &4.into()),
        "what is there is what was fetched"
    );
}

#[test]
fn five_where_time_runs_out() {
    let mock = mock("hang=100%");
    let url = mock.url_template();
    let arguments =
        ["-n", "40", "-c", "4", "--global-timeout", "150ms", "--url-template", &url, "--output-format", "json"];
    let output = run(&arguments);
    assert_eq!(code(&output), Some(5), "{}", stderr(&output));
    let document = json(&output);
    assert_eq!((&document["metrics"]["cancelled"], &document["metrics"]["failed"]), (&40.into(), &0.into()));
    assert!(stderr(&output).contains("time ran out with 40 tiles to go"), "{}", stderr(&output));
}

#[test]
fn five_with_what_goes_on_and_not_with_what_tries_again() {
    let mock = mock("hang=100%");
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("UTF-8").to_owned();
    let (tiles, letters, url) = (path("tiles"), path("letters"), mock.url_template());
    let area = ["fetch", "--bbox", "-1,-1,1,1", "--zooms", "0-1", "--output", &tiles, "--dead-letter", &letters];
    let output = run(&[&area[..], &["--url-template", &url, "--global-timeout", "100ms"]].concat());
    assert_eq!(code(&output), Some(5), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("5 tiles to go; run the same command again") && !said.contains("replay"), "{said}");
}

#[test]
fn two_where_a_file_or_a_port_that_is_named_cannot_be_used() {
    let held = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = held.local_addr().expect("its number").port().to_string();
    for (arguments, part) in [
        (&["mock", "--port", "0", "--tiles", "/nowhere.mbtiles"][..], "--tiles=/nowhere.mbtiles: "),
        (&["mock", "--port", &taken], "choose another port"),
        (&["verify", "/nowhere"], "/nowhere"),
        (&["fetch", "--list", "/nowhere", "--output", "x"], "--list=/nowhere: "),
        (&["simulate", "/nowhere.toml"], "/nowhere.toml"),
    ] {
        let output = run(arguments);
        assert_eq!(code(&output), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(part), "{arguments:?}: {}", stderr(&output));
    }
    drop(held);
}

#[test]
fn five_at_once_where_the_server_asks_for_more_time_than_there_is() {
    let mock = mock("429:3600=100%");
    let output = run(&["-n", "5", "--global-timeout", "60s", "--url-template", &mock.url_template()]);
    assert_eq!(code(&output), Some(5), "{}", stderr(&output));
}

#[test]
fn six_for_bulk_work_on_the_servers_of_openstreetmap() {
    let url = "https://tile.openstreetmap.org/{z}/{x}/{y}.png";
    let directory = tempfile::tempdir().expect("a directory");
    let bench = run(&["bench", "--url-template", url]);
    let plain = tidegate(&[]).env("TILE_BASE_URL", url).output().expect("the command starts");
    let fetch = fetch_into(directory.path(), url);
    for output in [bench, plain, fetch] {
        let said = stderr(&output);
        assert_eq!(code(&output), Some(6), "{said}");
        assert!(said.contains("policy") && said.contains("embedded server"), "{said}");
    }
}

#[test]
fn flags_of_every_command_may_stand_before_it_and_others_may_not() {
    let quiet = run(&["-q", "bench", "-n", "1"]);
    assert_eq!(code(&quiet), Some(0), "{}", stderr(&quiet));
    let misplaced = run(&["--tile-count", "5", "bench"]);
    assert_eq!(code(&misplaced), Some(2));
    assert!(stderr(&misplaced).contains("--tile-count stands before bench"), "{}", stderr(&misplaced));
}

#[test]
fn help_lists_the_codes_and_is_no_error() {
    for arguments in [&["--help"][..], &["bench", "--help"], &["fetch", "--help"], &["replay", "--help"]] {
        let output = run(arguments);
        assert_eq!(code(&output), Some(0));
        for listed in ["  0  ", "  1  ", "  2  ", "  3  ", "  4  ", "  5  ", "  6  ", " 70  ", " 99  ", "130  "] {
            assert!(stdout(&output).contains(listed), "{listed:?} is missing in {arguments:?}");
        }
    }
}

#[test]
fn a_reader_that_has_seen_enough_changes_nothing() {
    let refused = mock("500=100%");
    for (arguments, expected) in
        [(&[][..], 0), (&["--help"], 0), (&["-n", "2", "--retries", "0", "--url-template", &refused.url_template()], 3)]
    {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = tidegate(arguments).stdout(writer).stderr(Stdio::piped()).output().expect("the command starts");
        let said = stderr(&output);
        assert_eq!(code(&output), Some(expected), "{arguments:?}: {said}");
        assert!(!said.contains("pipe") && !said.contains("panicked"), "{arguments:?}: {said}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_under_standard_output_is_a_local_error_and_under_the_messages_none() {
    let full = || File::options().write(true).open("/dev/full").expect("a disk that is full");
    for arguments in
        [&["-n", "2"][..], &["--help"], &["--version"], &["--print-config"], &["-n", "2", "--output-format", "json"]]
    {
        let output = tidegate(arguments).stdout(full()).stderr(Stdio::piped()).output().expect("the command starts");
        let said = stderr(&output);
        assert_eq!(code(&output), Some(4), "{arguments:?}: {said}");
        assert!(said.contains("standard output cannot be written to") && !said.contains("panicked"), "{said}");
    }
    let refused = mock("500=100%");
    let unsaid = ["-vvv", "-n", "2", "--retries", "0", "--url-template", &refused.url_template()];
    let output = tidegate(&unsaid).stdout(Stdio::piped()).stderr(full()).output().expect("the command starts");
    assert_eq!(code(&output), Some(3), "as if somebody had read it");
    assert!(stdout(&output).contains("2 status 500"), "{}", stdout(&output));
}

#[test]
#[cfg(unix)]
fn a_variable_that_is_no_text_is_refused_and_not_passed_over() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    for name in ["RETRIES", "MAX_CONCURRENCY"] {
        let output = tidegate(&[]).env(name, OsStr::from_bytes(b"2\xff")).output().expect("it runs");
        assert_eq!(code(&output), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(name), "{}", stderr(&output));
    }
}

#[test]
fn a_header_without_a_colon_is_refused_and_not_shown() {
    let output = tidegate(&["--header", "Authorization hunter2"]).output().expect("it runs");
    assert_eq!(code(&output), Some(2), "{}", stderr(&output));
    assert!(!stderr(&output).contains("hunter2"), "{}", stderr(&output));
}
