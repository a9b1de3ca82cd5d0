//! How much memory a world takes, before it takes it.

use super::calls::Seat;
use super::engine::{BYTES_OF_CLIENT, BYTES_OF_STATION};
use super::report::{Moment, Step};
use super::world::{Traffic, World, WorldError};

impl World {
    /// Each number is within its bounds, and their product need not be: 1,000 fleets of 100,000 steps are. Counts what a run
    /// is sure to take: timelines, gates, clients and users. Calls of an open loop come on top, as many as are alive.
    pub(super) fn check_memory(&self) -> Result<(), WorldError> {
        let steps = self.length.as_nanos().div_ceil(self.step.as_nanos());
        let (servers, fleets) = (self.servers.len() as u128, self.fleets.len() as u128);
        let timelines = steps * (fleets * size_of::<Moment>() as u128 + servers * size_of::<Step>() as u128);
        let mut gates = 0;
        let mut clients = 0;
        let mut users = 0;
        for fleet in &self.fleets {
            let number = u128::from(fleet.clients);
            gates += if fleet.shares_gate { 1 } else { number } * fleet.servers.len() as u128;
            clients += number;
            users += match fleet.traffic {
                Traffic::Open { .. } => number,
                Traffic::Closed { users, .. } => number * u128::from(users),
            };
        }
        let bytes = timelines
            + gates * BYTES_OF_STATION as u128
            + clients * BYTES_OF_CLIENT as u128
            + users * size_of::<Seat<'_>>() as u128;
        if bytes <= BYTES_MAX {
            return Ok(());
        }
        let (taken_mib, most_mib) = (bytes >> 20, BYTES_MAX >> 20);
        Err(WorldError::Memory { taken_mib, most_mib, fleets, steps, gates, users })
    }
}

/// Half of what a small machine has: vectors that grow hold the old and the new at once.
const BYTES_MAX: u128 = 1 << 30;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sim::{Fleet, Server};

    fn world(steps: u64, fleets: usize, clients: u32, servers: usize) -> World {
        let names: Vec<String> = (0..servers).map(|server| format!("server {server}")).collect();
        let fleet = |number| Fleet { clients, servers: names.clone(), ..Fleet::new(&format!("fleet {number}"), "") };
        let step = Duration::from_millis(1);
        World {
            seed: 1,
            length: step * steps as u32,
            step,
            servers: names.iter().map(|name| Server::new(name, "").expect("no rules")).collect(),
            fleets: (0..fleets).map(fleet).collect(),
        }
    }

    #[test]
    fn a_world_that_would_not_fit_is_refused_before_it_takes_anything() {
        for (world, part) in [
            (world(100_000, 1_000, 1, 1), "1000 fleets with 100000 steps"),
            (world(10, 1, 1_000_000, 16), "16000000 gates"),
        ] {
            let error = world.run().expect_err("it does not fit").to_string();
            assert!(error.contains(part) && error.contains("at most 1024 MiB") && error.contains("fewer"), "{error}");
        }
    }

    #[test]
    fn a_million_clients_of_one_server_fit() {
        assert_eq!(world(1_000, 1, 1_000_000, 1).check_memory(), Ok(()));
    }
}
