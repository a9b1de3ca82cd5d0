//! Fleets: their clients, their gates, and how they are set up.

use std::ops::Range;

use tidegate_core::Instant;

use super::Engine;
use super::station::{Standing, Station, fresh_gate};
use crate::sim::calls::Line;
use crate::sim::dice::Dice;
use crate::sim::report::{FleetReport, Moment};
use crate::sim::samples::Samples;
use crate::sim::watch::{Terms, Watch};
use crate::sim::world::Fleet;
pub(in crate::sim) struct Client {
    pub(in crate::sim) fleet: u16,
    /// Its first station; those for the other servers follow.
    pub(super) first_station: u32,
    /// Counts its losses of power: what was planned before one is out of date.
    pub(in crate::sim) stamp: u32,
    /// Calls that it still has to make.
    pub(in crate::sim) left: u64,
    pub(super) answered: u64,
    pub(in crate::sim) pace: Dice,
    pub(super) luck: Dice,
    pub(super) link: Dice,
}

/// A fleet and what came of it so far.
pub(in crate::sim) struct Crew<'w> {
    pub(in crate::sim) fleet: &'w Fleet,
    /// What its gates promise.
    pub(in crate::sim) terms: Terms,
    pub(in crate::sim) report: FleetReport,
    pub(in crate::sim) clients: Range<usize>,
    pub(in crate::sim) stations: Range<usize>,
    pub(in crate::sim) is_down: bool,
    pub(super) standing: Standing,
}

impl<'w> Engine<'w> {
    /// Sets up a fleet: its gates, closed and rested, and its clients.
    pub(super) fn add(&mut self, fleet: &'w Fleet, index: u16, steps: usize) {
        let (first_station, first_client) = (self.stations.len(), self.clients.len());
        let terms = Terms::of(&fleet.gate);
        let gates = if fleet.shares_gate { 1 } else { fleet.clients };
        let servers: Vec<u16> = fleet.servers.iter().filter_map(|server| self.world.index_of(server)).collect();
        for _ in 0..gates {
            for &server in &servers {
                let id = self.stations.len();
                let Some(gate) = fresh_gate(fleet, id) else { continue };
                let watch = Watch::new(Instant::ORIGIN, &terms);
                self.stations.push(Station {
                    fleet: index,
                    server,
                    gate,
                    line: Line::EMPTY,
                    watch,
                    kept: None,
                    counted: Standing::default(),
                    is_touched: false,
                });
                self.touch(id);
            }
        }
        let seed = self.world.seed;
        for client in 0..fleet.clients {
            let dice = |role| Dice::of(seed, role, &fleet.name, u64::from(client));
            let gate = if fleet.shares_gate { 0 } else { client as usize };
            self.clients.push(Client {
                fleet: index,
                first_station: (first_station + gate * servers.len()) as u32,
                stamp: 0,
                left: u64::MAX,
                answered: 0,
                pace: dice("pace"),
                luck: dice("luck"),
                link: dice("link"),
            });
        }
        self.fleets.push(Crew {
            fleet,
            terms,
            report: FleetReport {
                name: fleet.name.clone(),
                calls: Default::default(),
                attempts: Default::default(),
                opened: 0,
                latency: Samples::default(),
                answer_latency: Samples::default(),
                steps: vec![Moment::default(); steps],
                answered_by_client: Vec::new(),
            },
            clients: first_client..self.clients.len(),
            stations: first_station..self.stations.len(),
            is_down: false,
            standing: Standing::default(),
        });
    }
}
