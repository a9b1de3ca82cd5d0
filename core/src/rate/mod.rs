//! How often: a rate limiter, and a rate that finds a server's hidden limit.
//!
//! - [`RateLimiter`] keeps a rate that is given.
//! - [`AdaptiveRate`] finds the rate from what the server says.

mod adaptive;
mod limiter;

pub use adaptive::{AdaptiveKind, AdaptiveRate, AdaptiveRateConfig, AdaptiveRateError};
pub(crate) use limiter::Shortage;
pub use limiter::{Pacing, Rate, RateConfig, RateConfigError, RateLimiter};
