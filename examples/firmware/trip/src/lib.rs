//! Which tiles a vehicle needs and when, and what became of each.
//!
//! > Each tile of the route is accounted for exactly once: fetched, empty, failed, or behind the vehicle before it could be
//! > fetched.
//!
//! | module | keeps |
//! |---|---|
//! | [`route`] | which tiles, in order, and when the vehicle gets there |
//! | [`later`] | tiles that failed and are worth another try, in a fixed number of places |
//! | [`trip`] | which of these is next, and how each ended |
//! | [`tally`] | counts that balance, of tiles and of attempts |
//! | [`script`] | a server that misbehaves by a script, on whatever time it is told |
//!
//! No clock, no network, no heap: the firmware brings the first two.
#![no_std]
#![forbid(unsafe_code)]

pub mod later;
pub mod route;
pub mod script;
pub mod tally;
pub mod trip;

pub use later::Later;
pub use route::{Errand, Route, RouteError};
pub use script::{Script, What};
pub use tally::{Attempts, Tiles};
pub use trip::{Fate, Next, Trip};
