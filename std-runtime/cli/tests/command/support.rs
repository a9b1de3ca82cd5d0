//! Runs the command and reads what it says.

use std::{
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tidegate_lab::mock::{Mock, MockConfig, MockStats};

/// The command, without anything of the environment that could change what it does.
pub(crate) fn tidegate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(arguments).stdin(Stdio::null());
    for variable in [
        "TILE_BASE_URL",
        "MAX_CONCURRENCY",
        "TIMEOUT_SECONDS",
        "RETRIES",
        "NO_COLOR",
        "ALL_PROXY",
        "HTTPS_PROXY",
        "HTTP_PROXY",
    ] {
        command.env_remove(variable);
    }
    command
}

/// Runs it to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    tidegate(arguments).output().expect("the command starts")
}

pub(crate) fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("results are UTF-8")
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("messages are UTF-8")
}

pub(crate) fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// A server that misbehaves by these rules.
pub(crate) fn mock(rules: &str) -> Mock {
    let faults = rules.parse().expect("the rules are valid");
    Mock::start(MockConfig { faults, ..MockConfig::default() }).expect("a mock server starts")
}

/// What the server counted once it has nothing in flight, or what it says after some seconds.
pub(crate) fn settled(mock: &Mock) -> MockStats {
    wait_for(|| mock.stats().in_flight == 0);
    mock.stats()
}

/// Waits until `condition` holds, for some seconds at most.
pub(crate) fn wait_for(mut condition: impl FnMut() -> bool) -> bool {
    let late = Instant::now() + Duration::from_secs(10);
    while !condition() {
        if Instant::now() > late {
            return false;
        }
        thread::sleep(Duration::from_millis(2));
    }
    true
}
