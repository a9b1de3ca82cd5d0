//! The simulator, and the core inside it.

mod basics;
mod books;
mod interplay;
mod limit;
mod occ;
mod outage;
mod rate;
mod swarm;
mod truths;

use std::time::Duration;

use tidegate_core::backoff::{BackoffConfig, Jitter};
use tidegate_core::breaker::{BreakerConfig, BreakerMode};
use tidegate_core::limit::LimitConfig;
use tidegate_core::{CallConfig, GateConfig, RateControl};

use super::*;
use crate::mock::rules::Delay;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn uniform(min_ms: u64, max_ms: u64) -> Delay {
    Delay::Uniform { min: millis(min_ms), max: millis(max_ms) }
}

/// A closed loop of users that never think.
fn hungry(users: u32, calls: Option<u64>) -> Traffic {
    Traffic::Closed { users, think: Delay::Fixed(Duration::ZERO), calls }
}

/// A gate that admits whatever it is asked for.
fn open_gate() -> GateConfig {
    GateConfig {
        rate: RateControl::Unlimited,
        limit: LimitConfig::fixed(10_000),
        budget: None,
        breaker: BreakerConfig { mode: BreakerMode::ForcedClosed, ..BreakerConfig::DEFAULT },
        ..GateConfig::DEFAULT
    }
}

/// A single attempt.
fn once() -> CallConfig {
    CallConfig { attempts: 1, ..CallConfig::DEFAULT }
}

/// So many attempts, always so long apart.
fn every(delay: Duration, attempts: u8) -> CallConfig {
    let backoff = BackoffConfig { base: delay, cap: delay, jitter: Jitter::None, ..BackoffConfig::DEFAULT };
    CallConfig { attempts, backoff, throttled: backoff, patience: None }
}

/// One server and one fleet, second by second.
fn world(seed: u64, length_s: u64, rules: &str, fleet: Fleet) -> World {
    let server = Server::new("server", rules).expect("good rules");
    World { seed, length: seconds(length_s), step: seconds(1), servers: vec![server], fleets: vec![fleet] }
}

fn run(world: &World) -> Report {
    world.run().unwrap_or_else(|error| panic!("seed {}: {error}", world.seed))
}
