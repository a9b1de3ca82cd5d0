//! The books: how things stand at the end of each step, and of it all.

use super::station::Standing;
use super::{Engine, ns};
use crate::sim::agenda::Event;
use crate::sim::calls::Phase;
use crate::sim::report::{FleetReport, Moment, Report, ServerReport};
use crate::sim::watch::Breach;

/// The way to a server: what went off, and what never arrived.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::sim) struct Road {
    pub(in crate::sim) sent: u64,
    pub(in crate::sim) lost: u64,
}

impl Engine<'_> {
    /// Looks how things stand at the end of a step.
    pub(super) fn close_step(&mut self) {
        for index in self.touched.drain(..) {
            let station = &mut self.stations[index as usize];
            let standing = &mut self.fleets[usize::from(station.fleet)].standing;
            let now = station.standing();
            standing.replace(station.counted, now);
            (station.counted, station.is_touched) = (now, false);
        }
        for crew in &mut self.fleets {
            let Standing { open, waiting, in_flight, limit, rate_millis } = crew.standing;
            let moment = &mut crew.report.steps[self.step];
            *moment = Moment { open, waiting, in_flight, limit, rate_millis, ..*moment };
        }
        self.step += 1;
        self.step_end_ns += ns(self.world.step);
    }

    /// The last look: nothing may be lost.
    pub(super) fn finish(&mut self) -> Result<(), Breach> {
        for (_, seat) in self.calls.alive() {
            let fleet = usize::from(self.clients[seat.client as usize].fleet);
            let FleetReport { calls, attempts, .. } = &mut self.fleets[fleet].report;
            calls.in_progress += 1;
            attempts.in_flight += u64::from(matches!(seat.phase, Phase::Away { .. }));
        }
        for crew in &self.fleets {
            let FleetReport { calls, attempts, .. } = &crew.report;
            balance(calls.offered, calls.ended(), calls.in_progress)?;
            balance(attempts.sent, attempts.settled(), attempts.in_flight)?;
        }
        let mut under_way = vec![0; self.roads.len()];
        for event in self.agenda.left() {
            if let Event::Request { server, .. } = event {
                under_way[usize::from(server)] += 1;
            }
        }
        for ((backend, road), under_way) in self.backends.iter().zip(&self.roads).zip(under_way) {
            let arrived = backend.requests.arrived;
            balance(road.sent, road.lost + arrived, under_way)?;
            balance(arrived, backend.requests.met(), 0)?;
        }
        let attempts = self.fleets.iter().map(|crew| crew.report.attempts.sent).sum();
        balance(attempts, self.roads.iter().map(|road| road.sent).sum(), 0)
    }

    pub(super) fn report(self) -> Report {
        let fleets = self.fleets.into_iter().map(|crew| {
            let answered_by_client = self.clients[crew.clients].iter().map(|client| client.answered).collect();
            let opened = self.stations[crew.stations].iter().map(|station| u64::from(station.watch.era)).sum();
            FleetReport { answered_by_client, opened, ..crew.report }
        });
        let servers = self.backends.into_iter().zip(&self.world.servers).map(|(backend, server)| ServerReport {
            name: server.name.clone(),
            requests: backend.requests,
            steps: backend.steps,
        });
        Report {
            seed: self.world.seed,
            length: self.world.length,
            step: self.world.step,
            events: self.events,
            trace: self.trace.hash(),
            fleets: fleets.collect(),
            servers: servers.collect(),
        }
    }
}

fn balance(began: u64, ended: u64, alive: u64) -> Result<(), Breach> {
    if began == ended + alive { Ok(()) } else { Err(Breach::Unbalanced { began, ended, alive }) }
}
