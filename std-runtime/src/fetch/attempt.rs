//! One attempt: a request, its answer, and what that means to the core.

use std::{cell::RefCell, panic::AssertUnwindSafe};

use smol::future::FutureExt;
use tidegate_core::{Instant, Outcome, Refusal, TileId, drive::Clock, http};

use super::{CorrelationId, Exchange, Fault, Fetched, Kept, Shared, TileOutcome, Validity};
use crate::{
    transport::{Headers, Request, Response, Transport, TransportError},
    verify::{self, Checked, Expect},
};

/// Bytes, or what went wrong; nothing did where the server said that there is nothing.
pub type Made = Result<Fetched, Option<Fault>>;

/// What an attempt brought, and what that says about what is kept.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) made: Made,
    /// It was kept, and the server says that it has not changed.
    pub(super) is_unchanged: bool,
    /// The server says that it has not changed, but it is not there any more.
    pub(super) is_gone: bool,
}

impl Answer {
    const fn new(made: Made) -> Self {
        Self { made, is_unchanged: false, is_gone: false }
    }

    const fn fault(fault: Fault) -> Self {
        Self::new(Err(Some(fault)))
    }

    /// What became of the tile, if this ended well with bytes; else what went wrong, if anything did.
    pub(super) fn into_outcome(self) -> Result<TileOutcome, Option<Fault>> {
        let Self { made, is_unchanged, is_gone: _ } = self;
        made.map(|tile| match is_unchanged {
            true => TileOutcome::Revalidated { tile, by: Validity::NotModified },
            false => TileOutcome::Fetched(tile),
        })
    }
}

impl<T, C> Shared<T, C>
where
    T: Transport,
    C: Clock<Sleep: Send> + Send + Sync + 'static,
{
    /// What a source is asked for a tile, without anything that belongs to one attempt.
    pub(super) fn plain_request(&self, source: usize, tile: TileId) -> Request {
        let mut url = String::with_capacity(URL_BYTES);
        self.template(source).expand(tile, &mut url);
        Request::new(url)
    }

    pub(super) fn request(&self, source: usize, id: CorrelationId, tile: TileId, attempts: usize) -> Request {
        let request = self.plain_request(source, tile);
        if self.tells_id(source) {
            request.header("x-correlation-id", format!("{id}/{}", attempts + 1))
        } else {
            request
        }
    }

    /// Makes one attempt, on the condition that what is `kept` is not good any more. A transport that panics has failed it, no
    /// more: its permit goes back, and the call goes on.
    pub(super) async fn attempt(&self, source: usize, request: Request, kept: Option<&Kept>) -> (Outcome, Answer) {
        let panicked =
            |_| (outcome_of(TransportError::Panicked), Answer::fault(Fault::Transport(TransportError::Panicked)));
        AssertUnwindSafe(self.exchange(source, request, kept)).catch_unwind().await.unwrap_or_else(panicked)
    }

    async fn exchange(&self, source: usize, request: Request, kept: Option<&Kept>) -> (Outcome, Answer) {
        if self.routes.cache.is_none() {
            return self.exchange_once(source, request).await;
        }
        let asked = self.parts.upstream.clock().now();
        let kept = kept.filter(|kept| kept.can_be_confirmed());
        let conditional = kept.map_or_else(|| request.clone(), |kept| kept.condition(request.clone()));
        let response = match self.parts.transport.send(conditional).await {
            Ok(response) => response,
            Err(error) => return (outcome_of(error), Answer::fault(Fault::Transport(error))),
        };
        self.heed_quota(source, &response);
        match kept {
            Some(kept) if response.status == 304 => self.unchanged(&request, asked, kept, &response),
            Some(_) | None => self.changed(&request, asked, response),
        }
    }

    /// Without a cache nobody wants to know afterwards what was asked, so no copy of it is made.
    async fn exchange_once(&self, source: usize, request: Request) -> (Outcome, Answer) {
        match self.parts.transport.send(request).await {
            Ok(response) => {
                self.heed_quota(source, &response);
                let (outcome, made) = judge(response, self.parts.expect);
                (outcome, Answer::new(made))
            }
            Err(error) => (outcome_of(error), Answer::fault(Fault::Transport(error))),
        }
    }

    /// What is kept is good, if it is still there; else it is asked for again, without a condition.
    fn unchanged(&self, request: &Request, asked: Instant, kept: &Kept, response: &Response) -> (Outcome, Answer) {
        let whole = self.routes.cache.as_ref().and_then(|caching| caching.cache.read(kept));
        let judged = whole.map(|whole| judge(whole, self.parts.expect));
        let (Some((_, made @ (Ok(_) | Err(None)))), Some(caching)) = (judged, &self.routes.cache) else {
            return (Outcome::Failure, Answer { is_gone: true, ..Answer::fault(Fault::Status(response.status)) });
        };
        caching.cache.confirm(kept, &self.exchanged(request, asked, response.status, &response.headers, &[]));
        (Outcome::Success, Answer { made, is_unchanged: true, is_gone: false })
    }

    /// An answer of its own; what was looked into is worth keeping, unless it came from somewhere else than it was asked of.
    fn changed(&self, request: &Request, asked: Instant, response: Response) -> (Outcome, Answer) {
        let Some(caching) = self.routes.cache.as_ref().filter(|_| response.redirects == 0) else {
            let (outcome, made) = judge(response, self.parts.expect);
            return (outcome, Answer::new(made));
        };
        let (status, headers) = (response.status, response.headers.clone());
        let (outcome, made) = judge(response, self.parts.expect);
        match &made {
            Ok(fetched) => caching.cache.keep(&self.exchanged(request, asked, status, &headers, &fetched.body)),
            Err(None) => caching.cache.keep(&self.exchanged(request, asked, status, &headers, &[])),
            Err(Some(_)) => {}
        }
        (outcome, Answer::new(made))
    }

    fn exchanged<'e>(
        &self,
        request: &'e Request,
        asked: Instant,
        status: u16,
        headers: &'e Headers,
        body: &'e [u8],
    ) -> Exchange<'e> {
        Exchange { request, status, headers, body, asked, answered: self.parts.upstream.clock().now() }
    }

    /// A server that says how much is left is heard before it has to refuse.
    fn heed_quota(&self, source: usize, response: &Response) {
        if let Some(quota) = response.headers.quota() {
            let upstream = self.upstream(source);
            upstream.control(|gate| gate.observe_quota(upstream.clock().now(), quota));
        }
    }
}

/// Most URLs of tiles are shorter: one allocation, and not one each time it grows.
const URL_BYTES: usize = 128;

thread_local! {
    /// What a body unpacks to, while it is looked into: one buffer for all tiles of a thread.
    static UNPACKED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What an answer means to the core, and what it brought. Nothing is a success that was not looked into.
pub fn judge(response: Response, expect: Expect) -> (Outcome, Made) {
    if response.status == 304 {
        // Nobody said what it is that has not changed: the server has mixed something up.
        return (Outcome::Failure, Err(Some(Fault::Status(response.status))));
    }
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
        // As if the server had refused access: a source that leads there is left alone.
        TransportError::UsagePolicy => Outcome::Refused(Refusal::Access),
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
