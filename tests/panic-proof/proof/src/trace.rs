//! Recording and replaying.

use core::time::Duration;

use tidegate_core::{
    Admission, Entropy, Gate, Gatekeeper, Instant, Outcome, Ticket, Traced, Try,
    gate::Control,
    trace::{self, Granted, Record, ReplayError},
};

type Recorded = Traced<Gate, 64>;

#[unsafe(no_mangle)]
pub fn proven_traced_new(gate: Gate) -> Recorded {
    Traced::new(gate)
}

#[unsafe(no_mangle)]
pub fn proven_traced_poll(traced: &mut Recorded, now: Instant, attempt: Try) -> Admission {
    Traced::poll(traced, now, attempt)
}

#[unsafe(no_mangle)]
pub fn proven_traced_peek(traced: &mut Recorded, now: Instant, attempt: Try) -> Option<Admission> {
    Traced::peek(traced, now, attempt)
}

#[unsafe(no_mangle)]
pub fn proven_traced_settle(traced: &mut Recorded, now: Instant, ticket: Ticket, outcome: Outcome, entropy: Entropy) {
    Traced::settle(traced, now, ticket, outcome, entropy);
}

#[unsafe(no_mangle)]
pub fn proven_traced_cancel(traced: &mut Recorded, now: Instant, ticket: Ticket) {
    Traced::cancel(traced, now, ticket);
}

#[unsafe(no_mangle)]
pub fn proven_traced_control(traced: &mut Recorded, now: Instant, control: Control) {
    Traced::control(traced, now, control);
}

#[unsafe(no_mangle)]
pub fn proven_traced_change(traced: &mut Recorded, now: Instant) {
    Traced::change(traced, now, |gate| gate.readmit());
}

#[unsafe(no_mangle)]
pub fn proven_traced_look(traced: &Recorded) -> (u64, u64, Duration, u16, usize) {
    let limit = Traced::gate(traced).limit();
    (
        Traced::recorded(traced),
        Traced::hash(traced),
        Traced::attempt_timeout(traced),
        limit,
        Traced::records(traced).fold(0usize, |count, _| count.saturating_add(1)),
    )
}

#[unsafe(no_mangle)]
pub fn proven_traced_replay(traced: &Recorded, gate: &mut Gate) -> Result<u64, ReplayError> {
    Traced::replay(traced, gate)
}

#[unsafe(no_mangle)]
pub fn proven_trace_replay(records: &[Record], gate: &mut Gate) -> Result<u64, ReplayError> {
    trace::replay(records.iter().copied(), gate)
}

#[unsafe(no_mangle)]
pub fn proven_trace_started(granted: &Granted) -> Instant {
    Granted::started(granted)
}
