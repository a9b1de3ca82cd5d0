//! Sending an answer that is whole.

use super::head::{Head, Method};
use super::reply::{Framing, Reply};
use super::request::Request;
use super::rules::Pace;
use super::server::{Next, Server};
use super::stats::End;
use super::wire::Wire;

/// Who asked, and how the answer is sent.
pub(super) struct Delivery<'a> {
    /// None: what came in was no request.
    pub(super) head: Option<&'a Head>,
    pub(super) is_last: bool,
    pub(super) pace: Option<Pace>,
}

/// Sends the answer and, where it is counted, ends its request with the last byte.
pub(super) async fn deliver(
    wire: &mut Wire,
    server: &Server,
    reply: &Reply,
    delivery: Delivery<'_>,
    counted: Option<&mut Request<'_>>,
) -> Next {
    let head = head_bytes(server, reply, delivery.head, Framing::Length(reply.body().len()), delivery.is_last);
    let is_head_only = delivery.head.is_some_and(|head| head.method == Method::Head);
    let body = if is_head_only { &[] } else { reply.body() };
    let counted = counted.map(|request| (request, Some(End::Answered(reply.status))));
    match wire.send(&head, body, delivery.pace, counted).await {
        Ok(()) if !delivery.is_last => Next::KeepOpen,
        Ok(()) => Next::Linger,
        Err(_) => Next::Close,
    }
}

/// The head of an answer as it is sent.
pub(super) fn head_bytes(
    server: &Server,
    reply: &Reply,
    asked: Option<&Head>,
    framing: Framing,
    is_last: bool,
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD_BYTES);
    let is_old = asked.is_some_and(|head| head.is_old);
    reply.write_head(&mut bytes, is_old, framing, is_last, &server.date(reply.second));
    bytes
}

/// Heads have about 300 bytes.
const HEAD_BYTES: usize = 512;
