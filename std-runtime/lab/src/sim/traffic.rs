//! When clients call, and when they lose their power.

use std::time::Duration;

use tidegate_core::gate::Downtime;

use super::agenda::Event;
use super::calls::{Line, Phase};
use super::engine::{Engine, fresh_gate, ns};
use super::report::Ended;
use super::watch::Breach;
use super::world::{Episode, Traffic};

impl Engine<'_> {
    /// Plans a fleet's first calls and its losses of power.
    pub(super) fn start(&mut self, fleet: usize) {
        let crew = &self.fleets[fleet];
        for (restart, index) in crew.fleet.restarts.iter().zip(0..) {
            self.agenda.plan(ns(restart.at), Event::Down { fleet: fleet as u16, restart: index });
        }
        if let Traffic::Closed { calls: Some(calls), .. } = crew.fleet.traffic {
            self.clients[crew.clients.clone()].iter_mut().for_each(|client| client.left = calls);
        }
        self.set_going(fleet);
    }

    /// Plans the next call of each client of a fleet: now, or when the fleet begins to call.
    fn set_going(&mut self, fleet: usize) {
        let crew = &self.fleets[fleet];
        let (from_ns, spread_ns) = (self.now_ns.max(ns(crew.fleet.from)), ns(crew.fleet.spread));
        for index in crew.clients.clone() {
            let client = &mut self.clients[index];
            let at = from_ns + client.pace.below(spread_ns);
            let (client, stamp) = (index as u32, client.stamp);
            match crew.fleet.traffic {
                // Those that come in even steps begin with one.
                Traffic::Open { even: true, .. } => self.agenda.plan(at, Event::Arrival { client, stamp }),
                Traffic::Open { even: false, .. } => {
                    let first = next_arrival(&crew.fleet.traffic, at, &mut self.clients[index].pace);
                    if let Some(at) = first {
                        self.agenda.plan(at, Event::Arrival { client, stamp });
                    }
                }
                Traffic::Closed { users, .. } => {
                    (0..users).for_each(|_| self.agenda.plan(at, Event::Thought { client, stamp }));
                }
            }
        }
    }

    pub(super) fn arrival(&mut self, index: u32, stamp: u32) -> Result<(), Breach> {
        let client = &mut self.clients[index as usize];
        let fleet = self.fleets[usize::from(client.fleet)].fleet;
        if client.stamp != stamp || is_over(fleet.until, self.now_ns) {
            return Ok(());
        }
        if let Some(at) = next_arrival(&fleet.traffic, self.now_ns, &mut client.pace) {
            self.agenda.plan(at, Event::Arrival { client: index, stamp });
        }
        self.begin_call(index)
    }

    pub(super) fn thought(&mut self, index: u32, stamp: u32) -> Result<(), Breach> {
        let client = &mut self.clients[index as usize];
        let fleet = self.fleets[usize::from(client.fleet)].fleet;
        if client.stamp != stamp || client.left == 0 || is_over(fleet.until, self.now_ns) {
            return Ok(());
        }
        client.left -= 1;
        self.begin_call(index)
    }

    /// A call of this client ended: in a closed loop, the user thinks.
    pub(super) fn think(&mut self, index: u32, taken_ns: u64, is_answered: bool) {
        let client = &mut self.clients[index as usize];
        if let Traffic::Closed { think, .. } = self.fleets[usize::from(client.fleet)].fleet.traffic {
            let least_ns = if is_answered && taken_ns > 0 { 0 } else { RETURN_NS_MIN };
            let (at, stamp) = (self.now_ns + client.pace.span_ns(think).max(least_ns), client.stamp);
            self.agenda.plan(at, Event::Thought { client: index, stamp });
        }
    }

    /// The power goes: every call in progress ends, and all that is left is what the gates saved.
    pub(super) fn down(&mut self, fleet: u16, restart: u16) {
        let crew = &mut self.fleets[usize::from(fleet)];
        if std::mem::replace(&mut crew.is_down, true) {
            return;
        }
        let down_ns = ns(crew.fleet.restarts[usize::from(restart)].down);
        let (clients, stations) = (crew.clients.clone(), crew.stations.clone());
        self.agenda.plan(self.now_ns + down_ns, Event::Up { fleet, restart });
        let now = self.now();
        stations.clone().for_each(|station| self.touch(station));
        for station in &mut self.stations[stations] {
            station.kept = Some(station.gate.snapshot(now));
            station.line = Line::EMPTY;
        }
        let alive: Vec<u32> = self
            .calls
            .alive()
            .filter(|(_, seat)| clients.contains(&(seat.client as usize)))
            .map(|(place, _)| place)
            .collect();
        for place in alive {
            let seat = self.calls.seat(place);
            let owner = &mut self.clients[seat.client as usize];
            owner.left = owner.left.saturating_add(1);
            let was_away = matches!(seat.turn(Phase::Resting), Phase::Away { .. });
            self.fleets[usize::from(fleet)].report.attempts.cancelled += u64::from(was_away);
            self.end(place, Ended::PowerLost);
        }
        self.clients[clients].iter_mut().for_each(|client| client.stamp += 1);
    }

    /// The power is back: gates start fresh, or as strict as they were.
    pub(super) fn up(&mut self, fleet: u16, restart: u16) -> Result<(), Breach> {
        let now = self.now();
        self.fleets[usize::from(fleet)].stations.clone().for_each(|station| self.touch(station));
        let crew = &mut self.fleets[usize::from(fleet)];
        crew.is_down = false;
        let restart = crew.fleet.restarts[usize::from(restart)];
        let downtime = Downtime::AtLeast(restart.down);
        for (id, station) in crew.stations.clone().zip(&mut self.stations[crew.stations.clone()]) {
            self.asked = id;
            if let Some(gate) = fresh_gate(crew.fleet, id) {
                station.gate = gate;
            }
            let kept = station.kept.take().filter(|_| restart.restores);
            if let Some(kept) = &kept {
                station.gate.restore(now, kept, downtime).map_err(Breach::NotRestored)?;
            }
            station.watch.restarted(now, &station.gate, &crew.terms, kept.is_some())?;
        }
        self.set_going(usize::from(fleet));
        Ok(())
    }
}

/// A user whose call ended without an answer, or took no time at all, does not begin the next one at the same instant: one
/// that is turned away at the door, or answered there, would do so for ever.
const RETURN_NS_MIN: u64 = 1_000_000;

fn is_over(until: Option<Duration>, now_ns: u64) -> bool {
    until.is_some_and(|until| now_ns >= ns(until))
}

/// When a client of an open loop calls next; never where there is no surge without end that lets nothing through.
fn next_arrival(traffic: &Traffic, now_ns: u64, pace: &mut super::dice::Dice) -> Option<u64> {
    let Traffic::Open { rate, even, surges } = traffic else { return None };
    let mean_ns = ns(rate.period) / u64::from(rate.count.max(1));
    let mut gap_ns = if *even { mean_ns } else { pace.exponential_ns(mean_ns) };
    // The gap is measured at the normal rate: a surge of 300 % passes three of its nanoseconds in one.
    let mut at_ns = now_ns;
    loop {
        let (percent, change) = Episode::at(surges, Duration::from_nanos(at_ns));
        let change_ns = u64::try_from(change.as_nanos()).unwrap_or(u64::MAX);
        let percent = u64::from(percent);
        let passes_ns = (change_ns - at_ns).saturating_mul(percent) / 100;
        if gap_ns <= passes_ns {
            return Some(at_ns + gap_ns * 100 / percent.max(1));
        }
        if change_ns == u64::MAX {
            return None;
        }
        gap_ns -= passes_ns;
        at_ns = change_ns;
    }
}
