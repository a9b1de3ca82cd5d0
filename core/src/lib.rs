//! Resilience decisions without a clock, a heap or I/O.
#![no_std]
#![forbid(unsafe_code)]

pub mod backoff;
pub mod breaker;
pub mod budget;
pub mod entropy;
pub mod outcome;
pub mod rate;
mod share;
pub mod time;

pub use entropy::Entropy;
pub use outcome::{Outcome, Refusal};
pub use share::Share;
pub use time::Instant;
