//! Every state that the shipped types can reach in small configurations, searched breadth first.
//!
//! Time stands still, passes in whole ticks up to a horizon, or is read late; passes, slots and tickets come back late,
//! twice reclaimed, from an earlier era, or never. Each step is compared with what a plain rule says, and from every state
//! that is found a finite story of time and success must lead back to health. The types are clonable for this alone.

mod breaker;
mod budget;
mod call;
mod explore;
mod gate;
mod limit;
mod limiter;

use core::time::Duration;
use std::{format, string::String, vec::Vec};

use crate::{entropy::Entropy, time::Instant};
use explore::{Broken, World, explore};

/// One tick of these worlds.
const TICK: Duration = Duration::from_secs(1);

/// The instant of a tick, away from the origin so that readings can be late.
fn at(tick: u64) -> Instant {
    Instant::from_secs(100 + tick)
}

const ENTROPY: Entropy = Entropy::new(u32::MAX / 2);

/// For rules: `Err` with what is broken.
fn require(holds: bool, broken: impl FnOnce() -> String) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(Broken(broken())) }
}
