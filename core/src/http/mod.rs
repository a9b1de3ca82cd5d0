//! What an HTTP response means for the next request, without speaking HTTP.
//!
//! **Why this exists.** Each client library has its own types for a status and a header, and each driver that reads
//! them by itself repeats the same mistakes: a date in the past that becomes a negative wait, a number too large that
//! wraps to none, a clock of its own where the server's was meant. Here they are functions of bytes to a value, the
//! same on a controller and on a server.
//!
//! **When it harms.** A header is what the server says, not what it will do. All of this is advice: cap it, and leave
//! the deciding to the gate. Nor does a status say that a body is whole: 200 with an error page is for the one who
//! reads it.
//!
//! - [`outcome`]: a status and its `Retry-After` as an [`Outcome`](crate::Outcome)
//! - [`retry_after`]: `Retry-After` as seconds or as a date
//! - [`HttpDate`]: the three forms of a date (RFC 9110, section 5.6.7)
//! - [`QuotaReader`]: `RateLimit`, `RateLimit-Policy` and their older relatives as a [`Quota`](crate::Quota)
//!
//! Nothing here fails loudly. What cannot be read is `None`, as if it had not been sent; numbers too large saturate.
//! Time and memory are bounded by the input.
//!
//! ```
//! use core::time::Duration;
//! use tidegate_core::{Outcome, http};
//!
//! let hint = http::retry_after(b"Mon, 05 Aug 2019 09:27:05 GMT", Some(b"Mon, 05 Aug 2019 09:27:00 GMT"));
//! assert_eq!(hint, Some(Duration::from_secs(5)));
//! assert_eq!(http::outcome(429, hint), Outcome::Throttled { retry_after: hint });
//! assert_eq!(http::outcome(404, None), Outcome::Empty);
//! ```

mod cursor;
mod date;
mod quota;
mod rate_limit;
mod retry_after;
mod status;
mod structured;

pub use date::HttpDate;
pub use quota::QuotaReader;
pub use retry_after::retry_after;
pub use status::outcome;

#[cfg(test)]
mod tests;
