//! How often: a rate limiter, and a rate that finds a server's hidden limit.
//!
//! - [`RateLimiter`] keeps a rate that is given.
//! - [`AdaptiveRate`] finds the rate from what the server says.

mod adaptive;
mod limiter;

pub(crate) use adaptive::Adaptation;
pub use adaptive::{AdaptiveKind, AdaptiveRate, AdaptiveRateConfig, AdaptiveRateError, Grant};
pub use limiter::{Pacing, Rate, RateConfig, RateConfigError, RateLimiter};
