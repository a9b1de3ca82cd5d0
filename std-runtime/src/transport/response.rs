//! What came back.

use std::time::Duration;

use super::{Body, Headers};

/// A complete response: its head, and the whole body exactly as it was sent.
///
/// Complete means that the transfer ended as HTTP says it ends. Whether the body is a tile is another question, for
/// [`crate::verify`].
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// The status code, 100 to 999.
    pub status: u16,
    /// The headers that the fetcher has a use for.
    pub headers: Headers,
    /// The body, still compressed where the server compressed it. Empty for 204 and 304.
    pub body: Body,
    /// What took how long.
    pub timing: Timing,
    /// How many redirects were followed; each was one more request.
    pub redirects: u32,
}

impl Response {
    /// A response with a status, and otherwise empty.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }
}

/// The clocks of one exchange. They start when the request is taken up, not while it waits for its turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// From handing the request to the transport until it had its turn.
    pub queued: Duration,
    /// The TCP connection alone; `None` where one was reused.
    pub connect: Option<Duration>,
    /// From taking the request up until the head of the answer was complete, connection and redirects included.
    pub head: Duration,
    /// From there until the body was complete.
    pub body: Duration,
}
