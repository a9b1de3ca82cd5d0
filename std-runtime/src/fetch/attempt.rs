//! One attempt: a request, its answer, and what that means to the core.

use std::{cell::RefCell, panic::AssertUnwindSafe};

use smol::future::FutureExt;
use tidegate_core::{Outcome, Refusal, TileId, drive::Clock, http};

use super::{CorrelationId, Fault, Fetched, Shared};
use crate::{
    transport::{Request, Response, Transport, TransportError},
    verify::{self, Checked, Expect},
};

/// Bytes, or what went wrong; nothing did where the server said that there is nothing.
pub type Made = Result<Fetched, Option<Fault>>;

impl<T, C> Shared<T, C>
where
    T: Transport,
    C: Clock<Sleep: Send> + Send + Sync + 'static,
{
    pub(super) fn request(&self, source: usize, id: CorrelationId, tile: TileId, attempts: usize) -> Request {
        let mut url = String::new();
        self.template(source).expand(tile, &mut url);
        let request = Request::new(url);
        if self.parts.send_correlation_id {
            request.header("x-correlation-id", format!("{id}/{}", attempts + 1))
        } else {
            request
        }
    }

    /// Makes one attempt. A transport that panics has failed it, no more: its permit goes back, and the call goes on.
    pub(super) async fn attempt(&self, source: usize, request: Request) -> (Outcome, Made) {
        let panicked =
            |_| (outcome_of(TransportError::Panicked), Err(Some(Fault::Transport(TransportError::Panicked))));
        AssertUnwindSafe(self.exchange(source, request)).catch_unwind().await.unwrap_or_else(panicked)
    }

    async fn exchange(&self, source: usize, request: Request) -> (Outcome, Made) {
        match self.parts.transport.send(request).await {
            Ok(response) => {
                self.heed_quota(source, &response);
                judge(response, self.parts.expect)
            }
            Err(error) => (outcome_of(error), Err(Some(Fault::Transport(error)))),
        }
    }

    /// A server that says how much is left is heard before it has to refuse.
    fn heed_quota(&self, source: usize, response: &Response) {
        if let Some(quota) = response.headers.quota() {
            let upstream = self.upstream(source);
            upstream.control(|gate| gate.observe_quota(upstream.clock().now(), quota));
        }
    }
}

thread_local! {
    /// What a body unpacks to, while it is looked into: one buffer for all tiles of a thread.
    static UNPACKED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What an answer means to the core, and what it brought. Nothing is a success that was not looked into.
pub fn judge(response: Response, expect: Expect) -> (Outcome, Made) {
    let hint = response.headers.retry_after();
    let outcome = http::outcome(response.status, hint);
    match outcome {
        Outcome::Success => match UNPACKED.with_borrow_mut(|unpacked| verify::check(&response, &expect, unpacked)) {
            Ok(Checked::Tile { format, packed }) => (outcome, Ok(Fetched { body: response.body, format, packed })),
            Ok(Checked::NoTile) => (Outcome::Empty, Err(None)),
            Err(defect) => (Outcome::Failure, Err(Some(Fault::Defect(defect)))),
        },
        Outcome::Empty => (outcome, Err(None)),
        Outcome::Failure
        | Outcome::Timeout
        | Outcome::Throttled { .. }
        | Outcome::Refused(_)
        | Outcome::Cancelled
        | Outcome::Unsent => (outcome, Err(Some(Fault::Status(response.status)))),
    }
}

/// What a failed exchange means.
const fn outcome_of(error: TransportError) -> Outcome {
    match error {
        // No server at fault, and no attempt will change it.
        TransportError::Request(_) => Outcome::Refused(Refusal::Request),
        TransportError::Redirect(_) => Outcome::Refused(Refusal::Request),
        TransportError::ShutDown => Outcome::Unsent,
        TransportError::Timeout { .. } => Outcome::Timeout,
        TransportError::Resolve
        | TransportError::Connect(_)
        | TransportError::Proxy
        | TransportError::Tls(_)
        | TransportError::Reset { .. }
        | TransportError::Closed { .. }
        | TransportError::IncompleteBody { .. }
        | TransportError::BodyTooLarge { .. }
        | TransportError::Protocol
        | TransportError::Exhausted(_)
        | TransportError::Io(_)
        | TransportError::Panicked => Outcome::Failure,
    }
}
