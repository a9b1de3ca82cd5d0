//! Resilience decisions without a clock, a heap or I/O.
#![no_std]
#![forbid(unsafe_code)]

pub mod backoff;
pub mod breaker;
pub mod budget;
pub mod call;
pub mod drive;
pub mod entropy;
pub mod gate;
pub mod http;
pub mod latency;
pub mod limit;
pub mod outcome;
pub mod rate;
mod share;
pub mod ticket;
pub mod tile;
pub mod time;

pub use call::{Call, CallConfig, CallError, CallPolicy, End, Next, Step};
pub use entropy::Entropy;
pub use gate::{Admission, Barred, Gate, GateConfig, GateError, Gatekeeper, RateControl, Try, Why};
pub use latency::{LatencyBuckets, LatencyConfig, Quantile, RotatingBuckets};
pub use outcome::{Outcome, Quota, Refusal};
pub use share::Share;
pub use ticket::Ticket;
pub use tile::TileId;
pub use time::Instant;
