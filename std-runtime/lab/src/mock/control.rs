//! The control endpoint: counters out, faults in.

use std::time::Duration;

use super::deliver::{Delivery, deliver};
use super::head::{BadHead, Head, Method};
use super::reply::Reply;
use super::rules::Faults;
use super::server::{Next, Server};
use super::wire::Wire;

/// Answers a request whose path begins with `/__`.
pub(super) async fn control(wire: &mut Wire, server: &Server, head: &Head, path: &str) -> Next {
    server.ledger().control();
    let (reply, is_last) = match read_body(wire, head).await {
        Ok(body) => (reply(server, head, path, &body), !head.keep_alive),
        Err(bad) => (Reply::text(bad.status, format!("{}\n", bad.reason)), true),
    };
    let delivery = Delivery { head: Some(head), is_last, pace: None };
    deliver(wire, server, &reply, delivery, None).await
}

fn reply(server: &Server, head: &Head, path: &str, body: &[u8]) -> Reply {
    match (path, head.method) {
        ("/__stats", Method::Get | Method::Head) => match serde_json::to_vec_pretty(&server.shared().stats()) {
            Ok(mut json) => {
                json.push(b'\n');
                Reply::json(json)
            }
            Err(error) => Reply::text(500, format!("the counters cannot be written: {error}\n")),
        },
        ("/__reset", Method::Post) => {
            server.shared().reset();
            Reply::text(200, "reset\n")
        }
        ("/__faults", Method::Get | Method::Head) => Reply::text(200, server.shared().plan().faults().to_string()),
        ("/__faults", Method::Post) => set_faults(server, body, head.is_toml),
        ("/__stats" | "/__reset" | "/__faults", _) => {
            Reply::text(405, "ask for /__stats and /__faults with GET, for /__reset and /__faults with POST\n")
                .with(if path == "/__reset" { "Allow: POST\r\n" } else { "Allow: GET, HEAD, POST\r\n" })
        }
        _ => Reply::text(404, "there is GET /__stats, POST /__reset, GET /__faults and POST /__faults\n"),
    }
}

fn set_faults(server: &Server, body: &[u8], is_toml: bool) -> Reply {
    let Ok(text) = std::str::from_utf8(body) else {
        return Reply::text(400, "the faults are not UTF-8 text\n");
    };
    let faults = if is_toml { Faults::from_toml(text) } else { text.parse() };
    match faults {
        Ok(faults) => {
            let said = faults.to_string();
            server.shared().set_faults(faults);
            Reply::text(200, said)
        }
        Err(error) => {
            let hint = "send one rule a line, or TOML with Content-Type: application/toml";
            Reply::text(400, format!("{error}\n{hint}\n"))
        }
    }
}

async fn read_body(wire: &mut Wire, head: &Head) -> Result<Vec<u8>, BadHead> {
    let bytes = usize::try_from(head.body_bytes).unwrap_or(usize::MAX);
    if bytes > BODY_BYTES_MAX {
        return Err(BadHead { status: 413, reason: "the body is larger than 64 KiB" });
    }
    // Should the client have left, reading its body finds that out.
    if head.expects_continue && bytes > 0 && wire.send(b"HTTP/1.1 100 Continue\r\n\r\n", b"", None, None).await.is_err()
    {
        return Err(BadHead { status: 400, reason: "the connection ended inside a body" });
    }
    wire.body(bytes, BODY_TIMEOUT).await
}

/// A thousand rules fit into it.
const BODY_BYTES_MAX: usize = 64 << 10;

const BODY_TIMEOUT: Duration = Duration::from_secs(10);
