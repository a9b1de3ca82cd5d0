//! Runs the command and reads what it says.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
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

/// Runs `serve` on each connection, on a thread of its own.
pub(crate) fn listen(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("its number");
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = Arc::clone(&serve);
            thread::spawn(move || serve(stream));
        }
    });
    addr
}

/// The head of the next request, in small letters; `None` where there is none.
pub(crate) fn head(stream: &mut impl Read) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if !matches!(stream.read(&mut byte), Ok(1)) {
            return None;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).ok().map(|head| head.to_ascii_lowercase())
}

pub(crate) const NOTHING_THERE: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

/// A server that has no tile, and the heads of what it was asked.
pub(crate) fn scribe() -> (String, Arc<Mutex<Vec<String>>>) {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let written = Arc::clone(&heads);
    let addr = listen(move |mut stream| {
        while let Some(head) = head(&mut stream) {
            written.lock().expect("no panic").push(head);
            let _ = stream.write_all(NOTHING_THERE);
        }
    });
    (format!("http://{addr}/{{z}}/{{x}}/{{y}}.png"), heads)
}
