//! Tiles that arrive, whatever the server does on the way.

use std::{collections::BTreeMap, fs, path::Path};

use tidegate_lab::mock::Mock;

use crate::{
    bench::assert_stable_metrics,
    support::{code, json, mock, run, settled, stderr, stdout},
};

/// Every tile of the world to zoom 4, as `fetch` and the server name it.
fn names() -> impl Iterator<Item = String> {
    (0..=4u32).flat_map(|z| (0..1 << z).flat_map(move |x| (0..1 << z).map(move |y| format!("{z}/{x}/{y}"))))
}

/// Every file below a directory, by its path.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else {
                let name = entry.strip_prefix(root).expect("below").with_extension("");
                found.insert(name.to_str().expect("UTF-8").to_owned(), fs::read(&entry).expect("readable"));
            }
        }
    }
    found
}

/// The tiles as a server without fault serves them, fetched by this library's own client.
fn served() -> BTreeMap<String, Vec<u8>> {
    use tidegate::transport::{HttpConfig, HttpTransport, Request, Transport};
    let mock = mock("");
    let client = HttpTransport::new(HttpConfig::default()).expect("the default is valid");
    let ask = |name: &str| smol::block_on(client.send(Request::new(format!("http://{}/{name}", mock.addr()))));
    let tile = |name: String| {
        let response = ask(&name).expect("an answer");
        (response.status == 200).then(|| (name, response.body.to_vec()))
    };
    names().filter_map(tile).collect()
}

fn fetch(mock: &Mock, directory: &Path, further: &[&str]) -> std::process::Output {
    let (url, directory) = (mock.url_template(), directory.to_str().expect("UTF-8"));
    let arguments =
        ["fetch", "--bbox=-180,-85.06,180,85.06", "--zooms", "0-4", "--output", directory, "--url-template", &url];
    run(&[&arguments[..], &["--output-format", "json", "--seed", "1"], further].concat())
}

#[test]
fn a_world_through_a_bad_server_is_byte_for_byte_the_world() {
    let mock = mock("503=10%\n reset=5%\n reset-body=2%\n truncate=5%\n html=2%\n seed=2");
    let directory = tempfile::tempdir().expect("a directory");
    let output = fetch(&mock, directory.path(), &["-c", "16"]);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let (document, stats) = (json(&output), settled(&mock));
    assert_stable_metrics(&document);
    let metrics = &document["metrics"];
    let (expected, got) = (served(), files(directory.path()));
    assert_eq!(metrics["requested"], 341);
    assert_eq!(metrics["fetched"], expected.len());
    assert_eq!(metrics["empty"], 341 - expected.len());
    assert!(got == expected, "{} files, {} tiles", got.len(), expected.len());
    assert_eq!(metrics["attempts"], stats.received, "{stats:?}");
    assert!(metrics["retries"].as_u64() > Some(0), "the faults were met");
    assert!(stats.max_in_flight <= 16, "{stats:?}");

    // A second run fetches nothing again that is there.
    mock.set_faults("".parse().expect("no rules")).expect("valid");
    mock.reset();
    let again = fetch(&mock, directory.path(), &[]);
    assert_eq!(code(&again), Some(0), "{}", stderr(&again));
    let metrics = json(&again)["metrics"].clone();
    assert_eq!((&metrics["revalidated"], &metrics["fetched"]), (&expected.len().into(), &0.into()));
    assert_eq!(settled(&mock).received as usize, 341 - expected.len(), "only what was empty is asked for");
}

#[test]
fn what_is_there_is_fetched_again_where_that_is_asked_for() {
    let mock = mock("");
    let directory = tempfile::tempdir().expect("a directory");
    let zoom_one = ["--bbox=-180,-85,180,85", "--zooms", "1", "--no-resume"];
    let (url, path) = (mock.url_template(), directory.path().to_str().expect("UTF-8"));
    for run_number in 1..=2 {
        let output = run(&[&["fetch", "--output", path, "--url-template", &url][..], &zoom_one[..]].concat());
        assert_eq!(code(&output), Some(0), "{}", stderr(&output));
        assert_eq!(mock.stats().received, 4 * run_number);
    }
}

#[test]
fn a_dry_run_without_a_sample_counts_and_asks_nobody() {
    let mock = mock("");
    let output = run(&[
        "fetch",
        "--bbox=-180,-85,180,85",
        "--zooms",
        "0-2",
        "--dry-run",
        "--sample",
        "0",
        "--url-template",
        &mock.url_template(),
    ]);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    assert!(
        stdout(&output).lines().any(|line| line.starts_with("in all") && line.contains(" 21 ")),
        "{}",
        stdout(&output)
    );
    assert_eq!(mock.stats().received, 0);
}

#[test]
fn where_every_tile_is_empty_the_report_says_that_the_url_may_be_wrong() {
    let mock = mock("404=100%");
    for format in ["text", "json"] {
        let output = run(&["-n", "20", "--url-template", &mock.url_template(), "--output-format", format]);
        assert_eq!(code(&output), Some(0), "that there is nothing is an answer: {}", stderr(&output));
        assert!(stderr(&output).contains("every tile was empty") && stderr(&output).contains("the URL is wrong"));
        assert_eq!(stdout(&output).contains("of them empty       every tile: the URL may be wrong"), format == "text");
    }
    mock.set_faults("0/0/0=404".parse().expect("a rule")).expect("valid");
    let some = run(&["-n", "20", "--url-template", &mock.url_template()]);
    assert!(!stderr(&some).contains("empty") && !stdout(&some).contains("the URL"), "{}", stdout(&some));
}
