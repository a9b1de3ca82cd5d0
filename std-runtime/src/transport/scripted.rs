//! Answers from a closure in place of a network.
//!
//! For tests of whatever stands on a [`Transport`]: no socket, no thread, and as deterministic as the closure. A
//! closure that waits should do so on the same clock as the code under test; on virtual time a year costs nothing.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Mutex, PoisonError};

use super::{Body, Headers, Request, Response, Transport, TransportError};

/// A transport whose answers are made by an async closure, and which keeps a record of what it was asked.
///
/// ```
/// use tidegate::transport::{Request, Scripted, Transport, TransportError};
/// use tidegate::transport::scripted::{answer, Script};
///
/// // Two failures, then a tile, whatever is asked for.
/// let script = Script::new([
///     Ok(answer(503, &[("retry-after", "1")], b"")),
///     Err(TransportError::Reset { stale: false }),
///     Ok(answer(200, &[("content-type", "image/png")], b"a tile")),
/// ]);
/// let transport = Scripted::new(move |_request: &Request| std::future::ready(script.next()));
///
/// # futures_lite::future::block_on(async {
/// assert_eq!(transport.send(Request::new("http://tiles.test/0/0/0.png")).await.unwrap().status, 503);
/// assert!(transport.send(Request::new("http://tiles.test/0/0/0.png")).await.is_err());
/// assert_eq!(&*transport.send(Request::new("http://tiles.test/0/0/0.png")).await.unwrap().body, b"a tile");
/// assert_eq!(transport.requests().len(), 3);
/// # });
/// ```
#[derive(Debug)]
pub struct Scripted<F> {
    answer: F,
    requests: Mutex<Vec<Request>>,
}

impl<F> Scripted<F> {
    /// A transport that calls `answer` once per request, in the order in which they are sent, and awaits its future.
    ///
    /// The future may wait, on whatever clock its test runs; where the caller gives up first, it is dropped.
    pub fn new<A>(answer: F) -> Self
    where
        F: Fn(&Request) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Response, TransportError>> + Send,
    {
        Self { answer, requests: Mutex::default() }
    }

    /// Everything it was asked, in order, answered or not.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<F, A> Transport for Scripted<F>
where
    F: Fn(&Request) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Response, TransportError>> + Send,
{
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let answer = (self.answer)(&request);
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        answer.await
    }
}

/// Results handed out one after the other, and the last one again and again.
#[derive(Debug)]
pub struct Script {
    rest: Mutex<VecDeque<Result<Response, TransportError>>>,
}

impl Script {
    /// A script of these results. An empty one has no server behind it: it says [`TransportError::ShutDown`].
    pub fn new(results: impl IntoIterator<Item = Result<Response, TransportError>>) -> Self {
        Self { rest: Mutex::new(results.into_iter().collect()) }
    }

    /// The next result.
    ///
    /// # Errors
    /// Those of the script.
    pub fn next(&self) -> Result<Response, TransportError> {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        if rest.len() > 1
            && let Some(result) = rest.pop_front()
        {
            return result;
        }
        rest.front().cloned().unwrap_or(Err(TransportError::ShutDown))
    }
}

/// A response with these headers and this body, and no `Content-Length` unless it is among them.
#[must_use]
pub fn answer(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Response {
    Response {
        status,
        headers: headers.iter().copied().collect::<Headers>(),
        body: Body::from(body.to_vec()),
        ..Response::default()
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_lite::future::{block_on, poll_once};

    use super::*;

    #[test]
    fn the_last_result_of_a_script_is_repeated() {
        let script = Script::new([Ok(answer(503, &[], b"")), Ok(answer(200, &[("age", "1")], b"tile"))]);
        let transport = Scripted::new(move |_: &Request| ready(script.next()));
        let statuses: Vec<u16> =
            (0..4).map(|_| block_on(transport.send(Request::new("http://a.test/"))).unwrap().status).collect();
        assert_eq!(statuses, [503, 200, 200, 200]);
    }

    #[test]
    fn an_empty_script_is_an_error_and_not_a_panic() {
        let script = Script::new([]);
        assert!(matches!(script.next(), Err(TransportError::ShutDown)));
    }

    #[test]
    fn answers_can_depend_on_the_request_and_on_waiting() {
        let transport = Scripted::new(|request: &Request| {
            let hangs = request.url.ends_with("/hang");
            async move { if hangs { pending().await } else { Ok(answer(200, &[], b"")) } }
        });
        block_on(async {
            assert!(poll_once(transport.send(Request::new("http://a.test/hang"))).await.is_none());
            assert!(poll_once(transport.send(Request::new("http://a.test/"))).await.is_some());
        });
        // Given up or not, it was asked.
        assert_eq!(transport.requests().len(), 2);
    }
}
