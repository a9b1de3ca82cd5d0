//! Resilience decisions without a clock, a heap or I/O.
#![no_std]
#![forbid(unsafe_code)]

pub mod entropy;
pub mod outcome;
pub mod time;

pub use entropy::Entropy;
pub use outcome::{Outcome, Refusal};
pub use time::Instant;
