//! What the fuzzer found worth keeping, without the fuzzer: every input in `fuzz/corpus` is played again.
//!
//! `tests/fuzz/run` looks for more.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

#[path = "fuzz/src/lib.rs"]
#[allow(missing_docs, unreachable_pub, reason = "the library of another workspace")]
mod fuzz;

#[track_caller]
fn replay(target: &str, run: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let mut played = 0;
    for entry in fs::read_dir(&folder).expect("the corpus is there") {
        let path = entry.expect("a readable folder").path();
        let input = fs::read(&path).expect("a readable input");
        let ended = catch_unwind(AssertUnwindSafe(|| run(&input)));
        assert!(ended.is_ok(), "{} breaks {target}", path.display());
        played += 1;
    }
    assert!(played >= 10, "only {played} inputs in {}", folder.display());
}

#[test]
fn bodies_of_tiles() {
    replay("body", fuzz::body::run);
}

#[test]
fn operations_on_a_gate() {
    replay("gate", fuzz::gate::run);
}

#[test]
fn what_responses_say() {
    replay("http", fuzz::http::run);
}

#[test]
fn snapshots() {
    replay("snapshot", fuzz::snapshot::run);
}

#[test]
fn texts() {
    replay("text", fuzz::text::run);
}
