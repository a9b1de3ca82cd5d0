//! The gate over either window, and tickets.

use core::time::Duration;

use tidegate_core::{
    Admission, Entropy, Gate, GateConfig, GateError, Gatekeeper, Instant, Outcome, Quota, Ticket, Try,
    breaker::{BreakerMode, CallWindow, CircuitBreaker, Counts, PeriodWindow},
    gate::{Control, Downtime, Snapshot, SnapshotError},
};

type Calls = Gate<CallWindow>;
type Period = Gate<PeriodWindow>;

#[unsafe(no_mangle)]
pub fn proven_gate_new(config: GateConfig) -> Result<Calls, GateError> {
    Gate::new(config)
}

#[unsafe(no_mangle)]
pub fn proven_gate_over_period(window: PeriodWindow, config: GateConfig) -> Result<Period, GateError> {
    Gate::over_period(window, config)
}

#[unsafe(no_mangle)]
pub fn proven_gate_poll(gate: &mut Calls, now: Instant, attempt: Try) -> Admission {
    Gate::poll(gate, now, attempt)
}

#[unsafe(no_mangle)]
pub fn proven_gate_poll_period(gate: &mut Period, now: Instant, attempt: Try) -> Admission {
    Gate::poll(gate, now, attempt)
}

#[unsafe(no_mangle)]
pub fn proven_gate_peek(gate: &mut Calls, now: Instant, attempt: Try) -> Option<Admission> {
    Gate::peek(gate, now, attempt)
}

#[unsafe(no_mangle)]
pub fn proven_gate_peek_period(gate: &mut Period, now: Instant, attempt: Try) -> Option<Admission> {
    Gate::peek(gate, now, attempt)
}

#[unsafe(no_mangle)]
pub fn proven_gate_settle(gate: &mut Calls, now: Instant, ticket: Ticket, outcome: Outcome, entropy: Entropy) {
    Gate::settle(gate, now, ticket, outcome, entropy);
}

#[unsafe(no_mangle)]
pub fn proven_gate_settle_period(gate: &mut Period, now: Instant, ticket: Ticket, outcome: Outcome, entropy: Entropy) {
    Gate::settle(gate, now, ticket, outcome, entropy);
}

#[unsafe(no_mangle)]
pub fn proven_gate_cancel(gate: &mut Calls, now: Instant, ticket: Ticket) {
    Gate::cancel(gate, now, ticket);
}

#[unsafe(no_mangle)]
pub fn proven_gate_cancel_period(gate: &mut Period, now: Instant, ticket: Ticket) {
    Gate::cancel(gate, now, ticket);
}

#[unsafe(no_mangle)]
pub fn proven_gate_pause(gate: &mut Calls, now: Instant, until: Instant) {
    Gate::pause_until(gate, now, until);
}

#[unsafe(no_mangle)]
pub fn proven_gate_quota(gate: &mut Calls, now: Instant, quota: Quota) {
    Gate::observe_quota(gate, now, quota);
}

#[unsafe(no_mangle)]
pub fn proven_gate_control(gate: &mut Calls, mode: BreakerMode) {
    Gate::readmit(gate);
    Gate::set_breaker_mode(gate, mode);
}

#[unsafe(no_mangle)]
pub fn proven_gate_control_period(gate: &mut Period, now: Instant, until: Instant, quota: Quota, mode: BreakerMode) {
    Gate::pause_until(gate, now, until);
    Gate::observe_quota(gate, now, quota);
    Gate::readmit(gate);
    Gate::set_breaker_mode(gate, mode);
}

#[unsafe(no_mangle)]
pub fn proven_gate_observed(gate: &mut Calls, now: Instant) -> (Counts, bool) {
    (Gate::breaker_counts(gate, now), Gate::would_open(gate, now))
}

#[unsafe(no_mangle)]
pub fn proven_gate_observed_period(gate: &mut Period, now: Instant) -> (Counts, bool) {
    (Gate::breaker_counts(gate, now), Gate::would_open(gate, now))
}

#[unsafe(no_mangle)]
pub fn proven_gate_reconfigure(gate: &mut Calls, now: Instant, config: GateConfig) -> Result<(), GateError> {
    Gate::reconfigure(gate, now, config)
}

#[unsafe(no_mangle)]
pub fn proven_gate_reconfigure_over_period(
    gate: &mut Period,
    now: Instant,
    window: PeriodWindow,
    config: GateConfig,
) -> Result<(), GateError> {
    Gate::reconfigure_over_period(gate, now, window, config)
}

#[unsafe(no_mangle)]
pub fn proven_gate_snapshot(gate: &mut Calls, now: Instant) -> Snapshot {
    Gate::snapshot(gate, now)
}

#[unsafe(no_mangle)]
pub fn proven_gate_snapshot_period(gate: &mut Period, now: Instant) -> Snapshot {
    Gate::snapshot(gate, now)
}

#[unsafe(no_mangle)]
pub fn proven_gate_restore(
    gate: &mut Calls,
    now: Instant,
    snapshot: &Snapshot,
    downtime: Downtime,
) -> Result<(), SnapshotError> {
    Gate::restore(gate, now, snapshot, downtime)
}

#[unsafe(no_mangle)]
pub fn proven_gate_restore_period(
    gate: &mut Period,
    now: Instant,
    snapshot: &Snapshot,
    downtime: Downtime,
) -> Result<(), SnapshotError> {
    Gate::restore(gate, now, snapshot, downtime)
}

#[unsafe(no_mangle)]
pub fn proven_gate_look(gate: &Calls) -> (bool, [u16; 3], Instant) {
    let limits = [Gate::limit(gate), Gate::learnt_limit(gate), Gate::in_flight(gate)];
    (Gate::is_healthy(gate), limits, Gate::paused_until(gate))
}

#[unsafe(no_mangle)]
pub fn proven_gate_spans(gate: &Calls) -> (Duration, Duration) {
    (Gate::interval(gate), Gate::attempt_timeout(gate))
}

#[unsafe(no_mangle)]
pub fn proven_gate_retries(gate: &Calls, now: Instant) -> Option<u32> {
    Gate::retries_available(gate, now)
}

#[unsafe(no_mangle)]
pub fn proven_gate_breaker(gate: &Calls) -> &CircuitBreaker<CallWindow> {
    Gate::breaker(gate)
}

#[unsafe(no_mangle)]
pub fn proven_ticket(ticket: &Ticket, now: Instant) -> (Instant, Duration, bool) {
    (Ticket::started(ticket), Ticket::age(ticket, now), Ticket::is_probe(ticket))
}

#[unsafe(no_mangle)]
pub fn proven_gate_is_neutral(gate: &mut Calls, now: Instant) -> bool {
    Gate::is_neutral(gate, now)
}

#[unsafe(no_mangle)]
pub fn proven_gate_is_neutral_period(gate: &mut Period, now: Instant) -> bool {
    Gate::is_neutral(gate, now)
}

#[unsafe(no_mangle)]
pub fn proven_gate_control_as_a_value(gate: &mut Calls, now: Instant, control: Control) {
    Gate::control(gate, now, control);
}
