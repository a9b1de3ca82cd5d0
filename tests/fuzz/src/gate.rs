//! Any sequence of operations on a gate of any settings.

use std::time::Duration;

use tidegate_core::{
    Admission, Entropy, Gate, GateConfig, Instant, Outcome, Quota, Ticket, Try,
    breaker::{BreakerMode, BreakerState},
    gate::Downtime,
};

use super::input::{Input, START};

/// A gate, what is out, and the time.
struct World {
    gate: Gate,
    config: GateConfig,
    held: Vec<Ticket>,
    /// Tickets that were thrown away, and whose leases may still run.
    lost: usize,
    now: Instant,
}

pub fn run(data: &[u8]) {
    let mut input = Input(data);
    match Gate::new(input.any_config()) {
        Ok(_gate) => {}
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let config = input.sound_config();
    let gate = Gate::new(config).expect("sound settings");
    let mut world = World { gate, config, held: Vec::new(), lost: 0, now: START };
    while !input.is_empty() {
        world.step(&mut input);
        assert!(usize::from(world.gate.in_flight()) <= world.held.len() + world.lost, "in flight out of nothing");
    }
    world.recovers();
}

impl World {
    fn step(&mut self, input: &mut Input<'_>) {
        match input.byte() % 16 {
            0..=3 => self.poll(input),
            4..=7 => self.settle(input),
            8 | 9 => self.now = self.now.saturating_add(input.span()),
            10 => self.gate.pause_until(self.now, self.now.saturating_add(input.span())),
            11 => {
                let (remaining, resets_in) = (input.byte().into(), input.span());
                let limit = (input.coin()).then(|| input.magnitude() as u32);
                self.gate.observe_quota(self.now, Quota { limit, remaining, resets_in });
            }
            12 => self.gate.set_breaker_mode(
                [BreakerMode::Enforce, BreakerMode::ForcedOpen, BreakerMode::ForcedClosed, BreakerMode::ObserveOnly]
                    [usize::from(input.byte() % 4)],
            ),
            13 => {
                let GateConfig { attempt_timeout, slow_after, lease, .. } = self.config;
                let config = GateConfig { attempt_timeout, slow_after, lease, ..input.sound_config() };
                self.gate.reconfigure(self.now, config).expect("sound settings");
                self.config = config;
            }
            14 => self.restart(input),
            _ => self.gate.readmit(),
        }
    }

    fn poll(&mut self, input: &mut Input<'_>) {
        let attempt = if input.coin() { Try::First } else { Try::Again };
        let before = self.gate.in_flight();
        match self.gate.poll(self.now, attempt) {
            Admission::Go(ticket) => {
                assert!(self.gate.in_flight() <= self.gate.limit(), "{} in flight", self.gate.in_flight());
                assert!(self.gate.paused_until() <= self.now, "admitted in a pause");
                assert_ne!(self.gate.breaker().mode(), BreakerMode::ForcedOpen);
                self.held.push(ticket);
                if self.held.len() > 16 && input.byte() == 255 {
                    // Lost, as when a task is leaked: its lease gives its place back.
                    drop(self.held.swap_remove(0));
                    self.lost += 1;
                }
            }
            Admission::Wait { until, why } | Admission::Full { until, why } => {
                assert!(until > self.now, "{why}: told to come back at once");
                assert!(self.gate.in_flight() <= before, "refused, and yet a place was taken");
                let again = self.gate.peek(self.now, attempt);
                assert!(again.is_some(), "refused for {why}, and then the look says go");
            }
            Admission::Never { why } => assert!(!why.to_string().is_empty()),
        }
    }

    fn settle(&mut self, input: &mut Input<'_>) {
        if self.held.is_empty() {
            return;
        }
        let ticket = self.held.swap_remove(usize::from(input.byte()) % self.held.len());
        let late = Instant::from_nanos(self.now.as_nanos() - input.magnitude() % START.as_nanos());
        let now = if input.byte() & 7 == 0 { late } else { self.now };
        let before = self.gate.in_flight();
        self.gate.settle(now, ticket, input.outcome(), Entropy::new(input.magnitude() as u32));
        assert!(self.gate.in_flight() <= before, "settling one took a place");
    }

    /// Everything in flight is gone, what holds it back stays.
    fn restart(&mut self, input: &mut Input<'_>) {
        let saved = self.gate.snapshot(self.now);
        let paused_for = self.gate.paused_until().saturating_since(self.now);
        self.gate = Gate::new(self.config).expect("sound settings");
        (self.held, self.lost) = (Vec::new(), 0);
        let off = input.span();
        self.gate.restore(self.now, &saved, Downtime::AtLeast(off)).expect("just saved");
        let left = self.gate.paused_until().saturating_since(self.now);
        assert!(left >= paused_for.saturating_sub(off).min(Duration::from_secs(3600)), "a pause was forgotten");
    }

    /// Whatever happened: once nothing is out and everything has had its time, calls succeed again.
    fn recovers(mut self) {
        self.gate.set_breaker_mode(BreakerMode::Enforce);
        self.gate.readmit();
        for ticket in self.held.drain(..) {
            self.gate.settle(self.now, ticket, Outcome::Cancelled, Entropy::new(0));
        }
        // What came back after its lease is not counted back; its place is free again a third of a lease later.
        self.now = self.now.saturating_add(self.config.lease * 2);
        let mut succeeded = 0;
        for _ in 0..10_000 {
            match self.gate.poll(self.now, Try::First) {
                Admission::Go(ticket) => {
                    succeeded += 1;
                    assert_eq!(self.gate.in_flight(), 1, "a place was lost");
                    self.gate.settle(self.now, ticket, Outcome::Success, Entropy::new(0));
                    let closed = matches!(self.gate.breaker().state(), BreakerState::Closed { .. });
                    if closed && succeeded >= 10 {
                        return;
                    }
                }
                Admission::Wait { until, .. } | Admission::Full { until, .. } => {
                    assert!(until < Instant::MAX, "it waits for ever");
                    self.now = until;
                }
                Admission::Never { why } => panic!("{why}, although it was let in again"),
            }
        }
        panic!("it does not recover: {succeeded} succeeded, now {:?}", self.gate);
    }
}
