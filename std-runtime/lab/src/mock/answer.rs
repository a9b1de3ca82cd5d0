//! Answering a request for a tile, or failing to.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use async_io::Timer;
use futures_lite::future;

use super::deliver::{Delivery, deliver, head_bytes};
use super::dice::{Dice, Lane};
use super::head::{Head, Method, Target};
use super::plan::{Asked, Decision};
use super::reply::{Framing, Reply, version_fields};
use super::request::Request;
use super::rules::{Fault, RuleError};
use super::server::{Next, Server};
use super::stats::cause;
use super::wire::Wire;

/// Answers one request, or does to it what the faults in force want.
pub(super) async fn answer(wire: &mut Wire, server: &Server, head: &Head, is_turned_away: bool) -> Next {
    let now = Instant::now();
    let request = Request::received(server.ledger(), wire.line().clone(), now);
    let wish = match &head.fault {
        Some(Err(error)) => return reject(wire, server, head, request, error).await,
        Some(Ok(fault)) => Some(fault),
        None => None,
    };
    let (decision, dice) = if is_turned_away {
        turned_away(head)
    } else {
        let tile = if let Target::Tile(key) = head.target { Some(key) } else { None };
        server.plan().decide(now, &Asked { key: head.key(), tile, wish })
    };
    if !decision.wait.is_zero() && wire.pause(decision.wait).await.is_err() {
        return Next::Close;
    }
    let is_last = is_last(head) || is_turned_away;
    Answer { wire, server, head, request, decision, dice, is_last }.perform().await
}

struct Answer<'a, 'b> {
    wire: &'a mut Wire,
    server: &'b Server,
    head: &'a Head,
    request: Request<'b>,
    decision: Decision,
    dice: Dice,
    is_last: bool,
}

impl Answer<'_, '_> {
    async fn perform(mut self) -> Next {
        match self.decision.fault {
            Fault::Close => return self.cut_off(Next::Close),
            Fault::Reset => return self.cut_off(Next::Reset),
            Fault::Hang => return self.hang().await,
            _ => {}
        }
        if self.head.method == Method::Head && self.decision.fault.needs_body() {
            self.decision.fault = Fault::None;
        }
        let mut reply = self.reply().await;
        if !self.can_show(&reply) {
            self.decision.fault = Fault::None;
        }
        if self.decision.fault != Fault::None {
            self.request.injected(&self.cause());
            reply = self.falsified(reply);
        }
        match self.decision.fault {
            Fault::Truncate => self.broken(&reply, Next::Close).await,
            Fault::Chunk if self.head.is_old => self.broken(&reply, Next::Close).await,
            Fault::Chunk => self.broken_chunks(&reply).await,
            Fault::ResetBody => self.broken(&reply, Next::Reset).await,
            _ => self.whole(&reply).await,
        }
    }

    /// What would be answered if nothing went wrong on the way.
    async fn reply(&self) -> Reply {
        let reply = match (&self.decision.fault, self.head.method) {
            (Fault::Status { code, retry_after }, _) => {
                let text = format!("{code}, as the mock server was told\n");
                Reply::text(*code, text).with_retry_after(retry_after.as_ref())
            }
            (Fault::Html, Method::Get | Method::Head) => Reply::html(),
            (_, Method::Post | Method::Other) => {
                Reply::text(405, "tiles are asked for with GET\n").with("Allow: GET, HEAD\r\n")
            }
            (fault, Method::Get | Method::Head) => tile_reply(self.server, self.head, fault).await,
        };
        if self.decision.fields.is_empty() { reply } else { reply.with(&self.decision.fields) }
    }

    /// Whether the fault, if it is one of the body, can be done to this one.
    fn can_show(&self, reply: &Reply) -> bool {
        match self.decision.fault {
            Fault::Magic | Fault::Gzip | Fault::Empty => reply.as_tile().is_some(),
            Fault::WrongTile => reply.as_tile().is_some_and(|tile| self.server.tiles().other_than(tile).is_some()),
            // One byte cannot be cut to a shorter body that is still one.
            Fault::Short => reply.body().len() > 1,
            _ => !self.decision.fault.needs_body() || !reply.body().is_empty(),
        }
    }

    /// The answer with its content spoilt, if that is the fault.
    fn falsified(&self, reply: Reply) -> Reply {
        let mut bytes = reply.body().to_vec();
        match self.decision.fault {
            Fault::Empty => reply.with_body(Vec::new()),
            Fault::Short => {
                bytes.truncate(self.cut(bytes.len()));
                reply.with_body(bytes)
            }
            Fault::Magic => {
                bytes.iter_mut().take(4).for_each(|byte| *byte ^= 0xff);
                reply.with_body(bytes)
            }
            Fault::Gzip => {
                // The checksum at the end, so that even data that still unpacks is found out.
                bytes.iter_mut().rev().take(8).for_each(|byte| *byte ^= 0xff);
                reply.with_body(bytes).said_to_be_gzip()
            }
            Fault::WrongTile => {
                let other = reply
                    .as_tile()
                    .and_then(|tile| self.server.tiles().other_than(tile))
                    .map(|tile| tile.bytes().to_vec());
                reply.with_body(other.unwrap_or(bytes))
            }
            _ => reply,
        }
    }

    async fn whole(mut self, reply: &Reply) -> Next {
        let delivery = Delivery { head: Some(self.head), is_last: self.is_last, pace: self.decision.pace };
        deliver(self.wire, self.server, reply, delivery, Some(&mut self.request)).await
    }

    /// The head as it should be and a part of the body, and then the end of the connection.
    async fn broken(self, reply: &Reply, next: Next) -> Next {
        let body = reply.body();
        let head = head_bytes(self.server, reply, Some(self.head), Framing::Length(body.len()), false);
        let cut = &body[..self.cut(body.len())];
        self.send_part(&head, cut, next).await
    }

    /// Two chunks: after the first the size of the second is no number, or after the second the last one is missing.
    async fn broken_chunks(self, reply: &Reply) -> Next {
        let head = head_bytes(self.server, reply, Some(self.head), Framing::Chunked, false);
        let (first, second) = reply.body().split_at(self.cut(reply.body().len()));
        let mut chunks = format!("{:x}\r\n", first.len()).into_bytes();
        chunks.extend_from_slice(first);
        if self.dice.below(Lane::Shape, 2) == 0 {
            chunks.extend_from_slice(b"\r\nzz\r\n");
        } else {
            chunks.extend_from_slice(format!("\r\n{:x}\r\n", second.len()).as_bytes());
        }
        chunks.extend_from_slice(second);
        chunks.extend_from_slice(b"\r\n");
        self.send_part(&head, &chunks, Next::Close).await
    }

    async fn send_part(mut self, head: &[u8], body: &[u8], next: Next) -> Next {
        let cause = self.cause();
        if self.wire.send(head, body, self.decision.pace, Some((&mut self.request, None))).await.is_err() {
            return Next::Close;
        }
        // Before the connection ends, so that a client that has seen the end finds it counted.
        self.request.unanswered(&cause);
        next
    }

    fn cut_off(self, next: Next) -> Next {
        let cause = self.cause();
        self.request.injected(&cause);
        self.request.unanswered(&cause);
        next
    }

    async fn hang(self) -> Next {
        let cause = self.cause();
        self.request.injected(&cause);
        let forever = async {
            Timer::after(HANG_MAX).await;
        };
        future::or(self.wire.gone(), forever).await;
        self.request.unanswered(&cause);
        Next::Close
    }

    /// How much of a body is left where it is cut: at least a byte, and at least one is missing.
    fn cut(&self, length: usize) -> usize {
        match length {
            0 | 1 => 0,
            _ => 1 + self.dice.below(Lane::Cut, length as u64 - 1) as usize,
        }
    }

    /// The name under which the fault is counted.
    fn cause(&self) -> Cow<'static, str> {
        self.decision.cause.map_or_else(|| self.decision.fault.name(), Into::into)
    }
}

/// The tile, or that there is none, or that the client has it already.
async fn tile_reply(server: &Server, head: &Head, fault: &Fault) -> Reply {
    let Target::Tile(key) = head.target else {
        return Reply::text(404, "there is nothing here; tiles are at /{z}/{x}/{y}\n");
    };
    let tile = match server.tiles().find(key).await {
        Ok(Some(tile)) => tile,
        Ok(None) => return Reply::text(404, "there is no such tile\n"),
        Err(error) => return Reply::text(500, format!("the archive cannot be read: {error}\n")),
    };
    let tag = format!("\"{:016x}\"", tile.tag());
    let version = version_fields(&tag, server.modified(), server.cache_control());
    // A fault is to be seen, so a client that has the tile gets it again with the fault.
    if *fault == Fault::None && head.has(&tag, server.tiles().modified()) {
        Reply::not_modified(version)
    } else {
        Reply::tile(tile, server.tiles().format(), version)
    }
}

/// Says that the fault that was asked for is none.
async fn reject(wire: &mut Wire, server: &Server, head: &Head, mut request: Request<'_>, error: &RuleError) -> Next {
    let reply = Reply::text(400, format!("x-mock-fault: {error}\n"));
    let delivery = Delivery { head: Some(head), is_last: is_last(head), pace: None };
    deliver(wire, server, &reply, delivery, Some(&mut request)).await
}

/// What a request gets whose connection is one too many.
fn turned_away(head: &Head) -> (Decision, Dice) {
    let decision = Decision {
        wait: Duration::ZERO,
        fault: Fault::Status { code: 503, retry_after: None },
        cause: Some(cause::CONNECTIONS),
        pace: None,
        fields: String::new(),
    };
    (decision, Dice::new(0, head.key(), 0))
}

/// A body that nobody wants is in the way of the next request.
fn is_last(head: &Head) -> bool {
    !head.keep_alive || head.body_bytes > 0
}

/// No client waits that long, and no connection is to be held for ever.
const HANG_MAX: Duration = Duration::from_secs(600);
