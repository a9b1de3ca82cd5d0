//! The table of gates by host.

use tidegate_core::{
    GateConfig, HostTable, Instant,
    breaker::{CallWindow, PeriodWindow},
    hosts::HostError,
};

type Calls = HostTable<u32, 4, CallWindow>;
type Period = HostTable<u32, 4, PeriodWindow>;

#[unsafe(no_mangle)]
pub fn proven_hosts_new() -> Calls {
    HostTable::new()
}

#[unsafe(no_mangle)]
pub fn proven_hosts_gate(table: &mut Calls, now: Instant, host: u32, config: GateConfig) -> Result<u16, HostError> {
    HostTable::gate(table, now, host, config).map(|gate| gate.in_flight())
}

#[unsafe(no_mangle)]
pub fn proven_hosts_gate_over_period(
    table: &mut Period,
    now: Instant,
    host: u32,
    window: PeriodWindow,
    config: GateConfig,
) -> Result<u16, HostError> {
    HostTable::gate_over_period(table, now, host, window, config).map(|gate| gate.in_flight())
}

#[unsafe(no_mangle)]
pub fn proven_hosts_remove(table: &mut Calls, host: u32) -> Option<u16> {
    HostTable::remove(table, &host).map(|gate| gate.in_flight())
}

#[unsafe(no_mangle)]
pub fn proven_hosts_look(table: &mut Calls, host: u32) -> (usize, bool, u64, Option<u16>) {
    let in_flight = HostTable::iter(table).fold(0u64, |sum, (_, gate)| sum.saturating_add(gate.in_flight().into()));
    let found = HostTable::get(table, &host).map(|gate| gate.limit());
    (HostTable::len(table), HostTable::is_empty(table), in_flight, found)
}
