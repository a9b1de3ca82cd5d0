//! What a world does to itself, and when.

use std::time::Duration;

use super::world::{Traffic, World};
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
    /// Outages, slow times, surges, partitions and losses of power that begin within the run, cut at its end.
    pub(super) fn disturbances(&self) -> Vec<Disturbance> {
        let of = |from, until, label, tone| Disturbance { from, until, label, tone };
        let mut all = Vec::new();
        for server in &self.servers {
            all.extend(server.rules.outages.iter().map(|it| of(it.from, it.until, "outage", Tone::Bad)));
            all.extend(server.slow.iter().map(|it| of(it.from, it.until, "slow server", Tone::Warn)));
        }
        for fleet in &self.fleets {
            if let Traffic::Open { surges, .. } = &fleet.traffic {
                all.extend(surges.iter().map(|it| of(it.from, it.until, "surge", Tone::Info)));
            }
            all.extend(fleet.link.partition.map(|(from, until)| of(from, until, "partition", Tone::Bad)));
            all.extend(fleet.restarts.iter().map(|it| of(it.at, it.at + it.down, "no power", Tone::Bad)));
        }
        all.retain(|it| it.from < self.length);
        all.iter_mut().for_each(|it| it.until = it.until.min(self.length));
        let mut distinct: Vec<Disturbance> = Vec::new();
        for it in all {
            if !distinct.contains(&it) {
                distinct.push(it);
            }
        }
        distinct
    }
}
