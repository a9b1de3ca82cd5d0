//! No wait without a reason.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use crate::support::{mock, tidegate};

/// The first line of progress of a fetch from there with these arguments.
fn first_line(url: &str, further: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a directory");
    let tiles = folder.path().join("tiles");
    let arguments = ["fetch", "--bbox=1,2,3,4", "--zooms", "0-3", "--url-template", url, "--output"];
    let mut command = tidegate(&[&arguments[..], &[tiles.to_str().expect("UTF-8")], further].concat());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the command starts");
    let said = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    let line = said.map(|line| line.expect("UTF-8")).find(|line| line.starts_with("0/4 tiles"));
    child.kill().expect("it still waits");
    child.wait().expect("it ends");
    line.expect("a line of progress")
}

#[test]
fn where_nobody_listens_the_line_says_what_is_waited_for_and_what_went_wrong() {
    for further in [&[][..], &["--dry-run"]] {
        let line = first_line("http://127.0.0.1:1/", further);
        // The breaker is open, or a tile backs off until it would let a probe pass.
        assert!(line.contains("| waiting ") && line.contains(" s: b"), "{line}");
        assert!(line.contains("; last: connection refused"), "{line}");
        assert!(line.contains("| retries ") && !line.contains("| retries 0 "), "{line}");
    }
}

#[test]
fn where_the_server_asked_for_a_pause_the_line_says_so_and_for_how_long() {
    let line = first_line(&mock("429:3600=100%").url_template(), &[]);
    assert!(line.contains(" min: the server asked for a pause; last: status 429 |"), "{line}");
}
