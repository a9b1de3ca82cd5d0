//! The run: one event after another, through the real gates and calls.
//!
//! The rules are those of the core's driver: calls wait in one line per gate, only the head asks, every settle lets the
//! head ask again, and whoever leaves the head lets the next one ask. A call backs off outside the line, and so does a retry
//! at its head that has no budget; then it goes to the end.

mod attempt;
mod books;
mod fleet;
mod line;
mod station;

pub(super) use station::fresh_gate;

/// For the estimate of what a world takes.
pub(super) const BYTES_OF_CLIENT: usize = size_of::<Client>();
pub(super) const BYTES_OF_STATION: usize = size_of::<Station>();

use std::time::Duration;

use tidegate_core::{CallPolicy, Instant};

use self::books::Road;
use self::fleet::{Client, Crew};
use self::station::Station;
use super::agenda::{Agenda, Event};
use super::backend::Backend;
use super::calls::Calls;
use super::report::{Moment, Report};
use super::trace::Trace;
use super::watch::Breach;
use super::world::World;

/// A promise of the core that a run found broken. It never happens; should it, this is how to see it again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed}, {at:?} after the beginning, {place}: {breach}")]
pub struct Violation {
    /// Of the world.
    pub seed: u64,
    /// When.
    pub at: Duration,
    /// Which gate.
    pub place: String,
    /// Which promise.
    pub breach: Breach,
}

/// A world at work.
pub(super) struct Engine<'w> {
    pub(super) world: &'w World,
    policies: &'w [CallPolicy],
    pub(super) now_ns: u64,
    pub(super) agenda: Agenda,
    trace: Trace,
    events: u64,
    step: usize,
    step_end_ns: u64,
    backends: Vec<Backend<'w>>,
    /// The way to each server.
    pub(super) roads: Vec<Road>,
    pub(super) stations: Vec<Station>,
    pub(super) clients: Vec<Client>,
    pub(super) fleets: Vec<Crew<'w>>,
    pub(super) calls: Calls<'w>,
    /// The gate that was asked last, for the report of a breach.
    pub(super) asked: usize,
    /// Gates that something happened to since the last step ended.
    touched: Vec<u32>,
}

impl<'w> Engine<'w> {
    pub(super) fn new(world: &'w World, policies: &'w [CallPolicy]) -> Self {
        let steps = world.length.as_nanos().div_ceil(world.step.as_nanos()) as usize;
        let mut engine = Self {
            world,
            policies,
            now_ns: 0,
            agenda: Agenda::default(),
            trace: Trace::default(),
            events: 0,
            step: 0,
            step_end_ns: ns(world.step),
            backends: world.servers.iter().map(|server| Backend::new(server, world.seed, steps)).collect(),
            roads: vec![Road::default(); world.servers.len()],
            stations: Vec::new(),
            clients: Vec::new(),
            fleets: Vec::new(),
            calls: Calls::default(),
            asked: 0,
            touched: Vec::new(),
        };
        for (fleet, index) in world.fleets.iter().zip(0..) {
            engine.add(fleet, index, steps);
        }
        engine
    }

    pub(super) fn run(mut self) -> Result<Report, Violation> {
        let length_ns = ns(self.world.length);
        (0..self.fleets.len()).for_each(|fleet| self.start(fleet));
        while let Some((at_ns, event)) = self.agenda.next(length_ns) {
            while at_ns >= self.step_end_ns {
                self.close_step();
            }
            self.now_ns = at_ns;
            self.events += 1;
            self.trace.event(at_ns, event);
            self.happen(event).map_err(|breach| self.violation(breach))?;
        }
        self.now_ns = length_ns;
        let steps = self.world.length.as_nanos().div_ceil(self.world.step.as_nanos()) as usize;
        while self.step < steps {
            self.close_step();
        }
        self.finish().map_err(|breach| self.violation(breach))?;
        Ok(self.report())
    }

    fn happen(&mut self, event: Event) -> Result<(), Breach> {
        match event {
            Event::Arrival { client, stamp } => self.arrival(client, stamp),
            Event::Thought { client, stamp } => self.thought(client, stamp),
            Event::Timer { place, stamp } => self.timer(place, stamp),
            Event::Request { server, place, stamp } => {
                self.request(server, place, stamp);
                Ok(())
            }
            Event::Answer { place, stamp, reply } => match self.calls.current(place, stamp) {
                Some(_) => self.settle(place, reply.outcome()),
                None => Ok(()),
            },
            Event::Down { fleet, restart } => {
                self.down(fleet, restart);
                Ok(())
            }
            Event::Up { fleet, restart } => self.up(fleet, restart),
        }
    }

    pub(super) fn now(&self) -> Instant {
        Instant::from_nanos(self.now_ns)
    }

    fn moment(&mut self, fleet: usize) -> &mut Moment {
        &mut self.fleets[fleet].report.steps[self.step]
    }

    /// Something may happen to this gate: it is counted anew when the step ends. Most gates rest in most steps.
    pub(super) fn touch(&mut self, station: usize) {
        if !std::mem::replace(&mut self.stations[station].is_touched, true) {
            self.touched.push(station as u32);
        }
    }

    fn violation(&self, breach: Breach) -> Violation {
        let place = self.stations.get(self.asked).map_or_else(String::new, |station| {
            let crew = &self.fleets[usize::from(station.fleet)];
            let server = &self.world.servers[usize::from(station.server)].name;
            format!("gate {} of fleet `{}` to server `{server}`", self.asked - crew.stations.start, crew.fleet.name)
        });
        Violation { seed: self.world.seed, at: Duration::from_nanos(self.now_ns), place, breach }
    }
}

/// A span of a world, which is at most a year.
pub(super) fn ns(span: Duration) -> u64 {
    span.as_nanos() as u64
}
