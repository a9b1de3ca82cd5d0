//! The simulator, and the core inside it.

use std::time::Duration;

use super::*;
use crate::mock::rules::Delay;

mod basics;
mod rate;

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

/// One server and one fleet, second by second.
fn world(seed: u64, length_s: u64, rules: &str, fleet: Fleet) -> World {
    let server = Server::new("server", rules).expect("good rules");
    World { seed, length: seconds(length_s), step: seconds(1), servers: vec![server], fleets: vec![fleet] }
}

fn run(world: &World) -> Report {
    world.run().unwrap_or_else(|error| panic!("seed {}: {error}", world.seed))
}
