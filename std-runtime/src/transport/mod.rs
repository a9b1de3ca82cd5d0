//! How a request gets to a server and its answer back.
//!
//! [`Transport`] is the seam: one request in, one response out, and dropping the future takes the request back.
//! There is no blocking in that contract, and nothing of a particular HTTP library.
//!
//! - [`HttpTransport`] is the real one: HTTP/1.1 over kept connections ([`pooled`]).
//! - [`Scripted`] answers from a closure, without a socket, for tests ([`scripted`]).
//!
//! What it deliberately does not do: retry, count, limit, cache or check. A status is not an error here, and a body
//! is handed over as it was sent ([`crate::verify`] looks into it).

pub mod body;
pub mod error;
pub mod headers;
pub mod pooled;
pub mod reference;
pub mod request;
pub mod response;
pub mod scripted;

use std::future::Future;

pub use body::Body;
pub use error::{Phase, TransportError};
pub use headers::{Field, Headers};
pub use pooled::HttpTransport;
pub use pooled::config::HttpConfig;
pub use request::Request;
pub use response::{Response, Timing};
pub use scripted::Scripted;

/// Sends one request and returns its head and whole body.
///
/// > A future that is dropped leaves nothing running: a request that has not begun is never sent, and one that has is
/// > cut off at the socket at once.
///
/// The total deadline is the caller's, who drops the future. One call is one request at the server, apart from
/// redirects, which [`Response::redirects`] counts.
pub trait Transport: Send + Sync + 'static {
    /// Sends `request`.
    ///
    /// # Errors
    /// Whatever kept a complete response from arriving. A status, even 500, is a response.
    fn send(&self, request: Request) -> impl Future<Output = Result<Response, TransportError>> + Send;
}

impl<T: Transport> Transport for std::sync::Arc<T> {
    fn send(&self, request: Request) -> impl Future<Output = Result<Response, TransportError>> + Send {
        T::send(self, request)
    }
}
