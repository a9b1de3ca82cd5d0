//! A gate with its line, and how it stands.

use tidegate_core::breaker::BreakerState;
use tidegate_core::gate::Snapshot;
use tidegate_core::{Gate, GateConfig};

use crate::sim::calls::Line;
use crate::sim::watch::Watch;
use crate::sim::world::Fleet;
/// How gates stand, one or all of a fleet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing {
    pub(super) open: u32,
    pub(super) waiting: u32,
    pub(super) in_flight: u32,
    pub(super) limit: u32,
    pub(super) rate_millis: u64,
}

/// A gate with its line and its books.
pub(in crate::sim) struct Station {
    pub(in crate::sim) fleet: u16,
    pub(super) server: u16,
    pub(in crate::sim) gate: Gate,
    pub(in crate::sim) line: Line,
    pub(in crate::sim) watch: Watch,
    /// What a loss of power leaves behind.
    pub(in crate::sim) kept: Option<Snapshot>,
    /// As it was counted last.
    pub(super) counted: Standing,
    pub(super) is_touched: bool,
}

impl Standing {
    /// One of those that are summed up here changed.
    pub(super) fn replace(&mut self, old: Self, new: Self) {
        self.open = self.open - old.open + new.open;
        self.waiting = self.waiting - old.waiting + new.waiting;
        self.in_flight = self.in_flight - old.in_flight + new.in_flight;
        self.limit = self.limit - old.limit + new.limit;
        self.rate_millis = self.rate_millis - old.rate_millis + new.rate_millis;
    }
}

impl Station {
    pub(super) fn standing(&self) -> Standing {
        let is_closed = matches!(self.gate.breaker().state(), BreakerState::Closed { .. });
        let interval_ns = self.gate.interval().as_nanos() as u64;
        Standing {
            open: u32::from(!is_closed),
            waiting: self.line.length(),
            in_flight: u32::from(self.gate.in_flight()),
            limit: u32::from(self.gate.learnt_limit()),
            rate_millis: 1_000_000_000_000_u64.checked_div(interval_ns).unwrap_or(0),
        }
    }
}

/// A gate of a fleet. Its settings were checked with the world.
pub(in crate::sim) fn fresh_gate(fleet: &Fleet, id: usize) -> Option<Gate> {
    Gate::new(GateConfig { id: id as u16, ..fleet.gate }).ok()
}
