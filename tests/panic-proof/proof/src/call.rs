//! One logical request.

use tidegate_core::{
    Call, CallConfig, CallError, CallPolicy, End, Entropy, Gate, Instant, Next, Outcome, Step, Ticket, Traced,
};

#[unsafe(no_mangle)]
pub fn proven_policy_new(config: CallConfig) -> Result<CallPolicy, CallError> {
    CallPolicy::new(config)
}

#[unsafe(no_mangle)]
pub fn proven_policy_attempts(policy: &CallPolicy) -> u8 {
    CallPolicy::attempts(policy)
}

#[unsafe(no_mangle)]
pub fn proven_call_new(policy: &CallPolicy, deadline: Instant) -> Call<'_> {
    Call::new(policy, deadline)
}

#[unsafe(no_mangle)]
pub fn proven_call_poll(call: &mut Call<'_>, now: Instant, gate: &mut Gate) -> Step {
    Call::poll(call, now, gate)
}

#[unsafe(no_mangle)]
pub fn proven_call_poll_behind(call: &mut Call<'_>, now: Instant, gate: &mut Gate) -> Step {
    Call::poll_behind(call, now, gate)
}

#[unsafe(no_mangle)]
pub fn proven_call_settle(
    call: &mut Call<'_>,
    now: Instant,
    gate: &mut Gate,
    ticket: Ticket,
    outcome: Outcome,
    entropy: Entropy,
) -> Next {
    Call::settle(call, now, gate, ticket, outcome, entropy)
}

#[unsafe(no_mangle)]
pub fn proven_call_end(call: &mut Call<'_>, end: End) {
    Call::end(call, end);
}

#[unsafe(no_mangle)]
pub fn proven_call_cut_off(call: &mut Call<'_>, until: Instant) -> Outcome {
    Call::cut_off(call, until)
}

#[unsafe(no_mangle)]
pub fn proven_call_look(call: &Call<'_>, gate: &Gate, started: Instant) -> (u8, Instant, Instant) {
    (Call::attempts(call), Call::deadline(call), Call::attempt_deadline(call, gate, started))
}

/// A gate that tells by its hash what it decided, as the firmware has it.
type Recorded = Traced<Gate, 1>;

#[unsafe(no_mangle)]
pub fn proven_call_poll_recorded(call: &mut Call<'_>, now: Instant, gate: &mut Recorded) -> Step {
    Call::poll(call, now, gate)
}

#[unsafe(no_mangle)]
pub fn proven_call_poll_behind_recorded(call: &mut Call<'_>, now: Instant, gate: &mut Recorded) -> Step {
    Call::poll_behind(call, now, gate)
}

#[unsafe(no_mangle)]
pub fn proven_call_settle_recorded(
    call: &mut Call<'_>,
    now: Instant,
    gate: &mut Recorded,
    ticket: Ticket,
    outcome: Outcome,
    entropy: Entropy,
) -> Next {
    Call::settle(call, now, gate, ticket, outcome, entropy)
}
