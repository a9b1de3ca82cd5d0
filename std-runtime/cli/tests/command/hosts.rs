//! Rules for hosts: what a file says where neither a flag nor the environment does.

use std::{
    fs,
    io::Write,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use crate::support::{code, head, listen, mock, run, scribe, settled, stderr, stdout, tidegate};

/// A file with these rules, and the directory that keeps it.
fn rules(text: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("tidegate.toml");
    fs::write(&path, text).expect("a file");
    (directory, path)
}

fn rows<'a>(config: &'a str, name: &str) -> Vec<Vec<&'a str>> {
    let rows = config.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.first() == Some(&name)).collect()
}

#[test]
fn each_source_has_the_rules_of_its_own_host_and_shows_where_they_come_from() {
    let (_kept, path) = rules(
        "[hosts.\"*\"]\nmax-concurrency = 7\n[hosts.\"tiles.example.org\"]\npreset = \"bulk\"\nrate = \"5/s\"\n\
         [hosts.localhost]\ntimeout = \"3s\"\nheaders = { X-Api-Key = \"k3y\" }\n",
    );
    let arguments = [
        "fetch",
        "--print-config",
        "--config",
        path.to_str().expect("UTF-8"),
        "--url-template",
        "https://tiles.example.org/{z}/{x}/{y}.png",
        "--mirror",
        "http://localhost/{z}/{x}/{y}.png",
        "--mirror",
        "https://tiles.example.net/{z}/{x}/{y}.png",
    ];
    let output = tidegate(&arguments).env("RETRIES", "2").output().expect("the command starts");
    let config = stdout(&output);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let [first, local, public] = &rows(&config, "preset")[..] else { panic!("three sources in {config}") };
    assert_eq!(first[1..], ["bulk", "file"]);
    assert_eq!(local[1..], ["bulk", "preset"]);
    assert_eq!(public[1..], ["polite", "preset"], "a mirror that is public is asked politely by itself");
    let rates: Vec<String> = rows(&config, "rate").iter().map(|row| row[1..].join(" ")).collect();
    assert_eq!(rates[0], "fixed at 5/s file");
    assert!(rates[1].ends_with("preset") && rates[2].ends_with("4/s preset"), "{rates:?}");
    assert!(rows(&config, "max-concurrency").iter().all(|row| row.last() == Some(&"file")), "{config}");
    let timeouts: Vec<String> = rows(&config, "timeout").iter().map(|row| row[1..].join(" ")).collect();
    assert_eq!(timeouts, ["10s preset", "3s file", "30s preset"]);
    assert_eq!(rows(&config, "attempts")[0][1..], ["3", "environment"]);
    assert!(!config.contains("k3y"), "{config}");
}

#[test]
fn what_a_tilejson_document_names_has_the_rules_of_its_own_host() {
    let addr = listen(|mut stream| {
        while head(&mut stream).is_some() {
            let body = r#"{"tilejson":"3.0.0","tiles":["http://localhost:1/{z}/{x}/{y}.png"]}"#;
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    let (_kept, path) = rules("[hosts.localhost]\nmax-concurrency = 7\n[hosts.\"127.0.0.1\"]\nmax-concurrency = 3\n");
    let url = format!("http://{addr}/tiles.json");
    let scheme = ["--scheme", "tilejson", "--url-template", &url];
    let output = run(&[&["--print-config", "--config", path.to_str().expect("UTF-8")], &scheme[..]].concat());
    let config = stdout(&output);
    assert_eq!(rows(&config, "max-concurrency")[0][1..], ["fixed", "at", "7", "file"], "{config}{}", stderr(&output));
}

#[test]
fn a_flag_and_the_environment_win_over_the_file() {
    let (_kept, path) = rules("[hosts.\"*\"]\nmax-concurrency = 7\ntimeout = 3\nrate = 5\npreset = \"bulk\"\n");
    let path = path.to_str().expect("UTF-8");
    let flags = ["bench", "--print-config", "--config", path, "--timeout", "4s", "--preset", "polite"];
    let command = [&flags[..], &["--url-template", "http://localhost/"]].concat();
    let output = tidegate(&command).env("MAX_CONCURRENCY", "9").output().expect("the command starts");
    let config = stdout(&output);
    assert_eq!(rows(&config, "preset")[0][1..], ["polite", "flag"], "{}", stderr(&output));
    assert_eq!(rows(&config, "timeout")[0][1..], ["4s", "flag"]);
    assert_eq!(rows(&config, "max-concurrency")[0].last(), Some(&"environment"));
    assert_eq!(rows(&config, "rate")[0].last(), Some(&"file"));
}

#[test]
fn the_rules_of_a_mirror_hold_at_the_mirror_and_not_at_the_first_source() {
    let (first, second) = (mock("latency=100ms"), mock("latency=20ms"));
    let urls = [first.url_template(), second.url_template().replace("127.0.0.1", "localhost")];
    let (_kept, path) = rules("[hosts.localhost]\nmax-concurrency = 2\n[hosts.\"127.0.0.1\"]\nrate = \"40/s\"\n");
    let flags = ["bench", "-n", "100", "--seed", "3", "--config", path.to_str().expect("UTF-8")];
    let output = run(&[&flags[..], &["--url-template", &urls[0], "--mirror", &urls[1]]].concat());
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let (first, second) = (settled(&first), settled(&second));
    assert!(second.received >= 10 && second.max_in_flight <= 2, "{second:?}");
    assert!(first.max_in_flight > 2, "the other one has its own: {first:?}");
}

#[test]
fn a_rate_of_a_host_holds_there() {
    let server = mock("");
    let (_kept, path) = rules("[hosts.\"127.0.0.1\"]\nrate = \"20/s\"\n");
    let flags = ["-n", "20", "--config", path.to_str().expect("UTF-8"), "--url-template"];
    let started = std::time::Instant::now();
    let output = run(&[&flags[..], &[&server.url_template()]].concat());
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    assert!(started.elapsed().as_millis() >= 950, "19 intervals of 50 ms, not {:?}", started.elapsed());
}

#[test]
fn headers_go_to_their_host_alone() {
    let ((first, heads), (second, others)) = (scribe(), scribe());
    let second = second.replace("127.0.0.1", "localhost");
    let (_kept, path) = rules("[hosts.localhost]\nheaders = { X-Api-Key = \"k3y\", X-Both = \"ours\" }\n");
    let flags = ["-n", "9", "-c", "1", "-H", "X-Both: all", "--config", path.to_str().expect("UTF-8")];
    for url in [&first, &second] {
        let output = run(&[&flags[..], &["--url-template", url]].concat());
        assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    }
    let (heads, others) = (heads.lock().expect("no panic"), others.lock().expect("no panic"));
    assert!(heads.iter().all(|head| head.contains("x-both: all") && !head.contains("k3y")), "{heads:?}");
    assert!(others.iter().all(|head| head.contains("x-both: ours") && head.contains("x-api-key: k3y")), "{others:?}");
    assert_eq!((heads.len(), others.len()), (9, 9));
}

#[test]
fn correlation_ids_go_to_the_hosts_that_are_ours_alone() {
    // The first source refuses everything, so each tile goes to both.
    let theirs = listen_refusing();
    let (ours, heads) = scribe();
    let (_kept, path) = rules("[hosts.localhost]\nsend-correlation-id = true\n");
    let mirror = ours.replace("127.0.0.1", "localhost");
    let flags = ["-n", "3", "-c", "1", "--config", path.to_str().expect("UTF-8"), "--mirror", &mirror];
    let output = run(&[&flags[..], &["--url-template", &theirs.0]].concat());
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let (theirs, ours) = (theirs.1.lock().expect("no panic"), heads.lock().expect("no panic"));
    assert!(!theirs.is_empty() && theirs.iter().all(|head| !head.contains("correlation")), "{theirs:?}");
    assert!(ours.len() == 3 && ours.iter().all(|head| head.contains("x-correlation-id: ")), "{ours:?}");
}

/// A server that finds every request bad, and the heads of what it was asked.
fn listen_refusing() -> (String, Arc<Mutex<Vec<String>>>) {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let written = Arc::clone(&heads);
    let addr = listen(move |mut stream| {
        while let Some(head) = head(&mut stream) {
            written.lock().expect("no panic").push(head);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        }
    });
    (format!("http://{addr}/{{z}}/{{x}}/{{y}}.png"), heads)
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_key_value_and_fix_before_anything_is_asked() {
    let server = mock("");
    let url = server.url_template();
    for (text, parts) in [
        ("[hosts.a]\nrate = \"5/week\"", ["hosts.\"a\".rate=5/week", "50/s, 600/m, 5000/h"]),
        ("[hosts.a\nrate = 5", ["line 1: ", ""]),
        ("[hosts.\"127.0.0.1\"]\nretries = 5", ["hosts.\"127.0.0.1\".retries", "give preset, rate, max-concurrency"]),
    ] {
        let (_kept, path) = rules(text);
        let path = path.to_str().expect("UTF-8");
        let output = run(&["--config", path, "--url-template", &url]);
        let said = stderr(&output);
        assert_eq!(code(&output), Some(2), "{text}: {said}");
        assert!(said.contains(&format!("--config={path}: ")) && parts.iter().all(|part| said.contains(part)), "{said}");
    }
    let missing = run(&["--config", "/nowhere.toml", "--url-template", &url]);
    assert_eq!(code(&missing), Some(2));
    assert!(stderr(&missing).contains("--config=/nowhere.toml: "), "{}", stderr(&missing));
    assert_eq!(server.stats().received, 0);
}

#[test]
fn what_adapts_and_what_is_fixed_contradict_each_other() {
    for (text, flags, says) in [
        ("rate = 5", &["--adaptive"][..], "has a fixed rate for this host"),
        ("preset = \"load\"", &["--adaptive"], "the preset load (file) is fixed"),
        ("", &["--adaptive", "--preset", "load"], "the preset load (flag) is fixed"),
        ("max-concurrency = 5", &["--levels", "1,6"], "6 in flight are more than max-concurrency=5"),
    ] {
        let (_kept, path) = rules(&format!("[hosts.\"*\"]\n{text}"));
        let command = if flags[0] == "--levels" { "sweep" } else { "bench" };
        let always = [command, "--url-template", "http://localhost:1/", "--config", path.to_str().expect("UTF-8")];
        let output = run(&[&always, flags].concat());
        assert_eq!(code(&output), Some(2), "{text}: {}", stderr(&output));
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
    }
}
