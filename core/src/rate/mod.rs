//! How often: a rate limiter, and a rate that finds a server's hidden limit.
//!
//! - [`RateLimiter`] keeps a rate that is given: see [`limiter`] for the algorithm and when it harms.
//! - [`AdaptiveRate`] finds the rate from what the server says: see [`adaptive`].

pub mod adaptive;
pub mod limiter;

pub(crate) use adaptive::Adaptation;
pub use adaptive::{AdaptiveKind, AdaptiveRate, AdaptiveRateConfig, AdaptiveRateError, Grant};
pub use limiter::{Pacing, Rate, RateConfig, RateConfigError, RateLimiter};
