//! What a world does to itself, and when.

use std::time::Duration;

use super::world::{Fleet, Server, Traffic, World};
use crate::plot::Tone;

/// A stretch of time in which something is not as usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Disturbance {
    pub(super) from: Duration,
    pub(super) until: Duration,
    pub(super) label: &'static str,
    pub(super) tone: Tone,
}

impl World {
    /// What a server goes through: its outages and slow times, and what befalls those who call it, since their surges,
    /// partitions and losses of power end with a rush to it.
    pub(super) fn disturbances_of_server(&self, server: &Server) -> Vec<Disturbance> {
        let callers = self.fleets.iter().filter(|fleet| fleet.servers.contains(&server.name));
        self.within(callers.flat_map(Fleet::disturbances).chain(server.disturbances()))
    }

    /// What a fleet goes through: its own, and all of each server that it calls. What befalls other servers is none of its
    /// business.
    pub(super) fn disturbances_of_fleet(&self, fleet: &Fleet) -> Vec<Disturbance> {
        let servers = self.servers.iter().filter(|server| fleet.servers.contains(&server.name));
        let theirs = servers.flat_map(|server| self.disturbances_of_server(server));
        self.within(fleet.disturbances().into_iter().chain(theirs))
    }

    /// Those that begin within the run, cut at its end, each once.
    fn within(&self, all: impl IntoIterator<Item = Disturbance>) -> Vec<Disturbance> {
        let mut distinct: Vec<Disturbance> = Vec::new();
        for it in all.into_iter().filter(|it| it.from < self.length) {
            let it = Disturbance { until: it.until.min(self.length), ..it };
            if !distinct.contains(&it) {
                distinct.push(it);
            }
        }
        distinct
    }
}

impl Server {
    fn disturbances(&self) -> Vec<Disturbance> {
        let outages = self.rules.outages.iter().map(|it| of(it.from, it.until, "outage", Tone::Bad));
        outages.chain(self.slow.iter().map(|it| of(it.from, it.until, "slow server", Tone::Warn))).collect()
    }
}

impl Fleet {
    fn disturbances(&self) -> Vec<Disturbance> {
        let mut all = Vec::new();
        if let Traffic::Open { surges, .. } = &self.traffic {
            all.extend(surges.iter().map(|it| of(it.from, it.until, "surge", Tone::Info)));
        }
        all.extend(self.link.partition.map(|(from, until)| of(from, until, "partition", Tone::Bad)));
        all.extend(self.restarts.iter().map(|it| of(it.at, it.at + it.down, "no power", Tone::Bad)));
        all
    }
}

fn of(from: Duration, until: Duration, label: &'static str, tone: Tone) -> Disturbance {
    Disturbance { from, until, label, tone }
}
