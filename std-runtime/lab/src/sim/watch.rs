//! The core's promises, checked from outside during every run.
//!
//! A watch stands beside each gate. It is told what the gate admitted and what was settled, keeps its own books, and
//! compares. It never looks into the core's arithmetic: what it checks is what the documentation of the core promises.

use tidegate_core::breaker::BreakerState;
use tidegate_core::{Gate, GateConfig, Instant, Outcome, RateControl, Ticket};

/// A promise that was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// More in flight than may be.
    #[error("an attempt was admitted with {in_flight} in flight where {limit} may be")]
    OverLimit {
        /// In flight before it.
        in_flight: u32,
        /// How many may be.
        limit: u16,
    },
    /// The gate's own count is not that of those who saw it.
    #[error("the gate counts {counted} in flight, but {seen} are")]
    Miscounted {
        /// By the gate.
        counted: u16,
        /// In truth.
        seen: u32,
    },
    /// An attempt while the breaker is open.
    #[error("an attempt was admitted {early_ns} ns before the breaker's open time is over")]
    WhileOpen {
        /// How long before.
        early_ns: u64,
    },
    /// More probes than may be out.
    #[error("a probe was admitted with {out} of {probes} out")]
    Probes {
        /// Out before it.
        out: u32,
        /// How many may be.
        probes: u8,
    },
    /// An attempt while the server wants to be left alone.
    #[error("an attempt was admitted {early_ns} ns before the server's pause is over")]
    WhilePaused {
        /// How long before.
        early_ns: u64,
    },
    /// A retry before the time that the server gave.
    #[error("a call tried again {early_ns} ns before the server's hint")]
    BeforeHint {
        /// How long before.
        early_ns: u64,
    },
    /// An attempt at or after the call's deadline.
    #[error("an attempt was admitted {late_ns} ns after the call's deadline")]
    PastDeadline {
        /// How long after.
        late_ns: u64,
    },
    /// More attempts than the call may make.
    #[error("attempt {attempt} of a call that may make {attempts}")]
    TooManyAttempts {
        /// Which one.
        attempt: u8,
        /// How many there may be.
        attempts: u8,
    },
    /// More retries than the budget allows.
    #[error("{retries} retries after {answers} answers exceed the retry budget of {allowed}")]
    OverBudget {
        /// So far.
        retries: u64,
        /// So far.
        answers: u64,
        /// How many there may be.
        allowed: u64,
    },
    /// More attempts than the fixed rate allows.
    #[error("{attempts} attempts exceed the fixed rate, which allows {allowed}")]
    OverRate {
        /// So far.
        attempts: u64,
        /// How many there may be.
        allowed: u64,
    },
    /// "Come back" at a time that is not in the future: a driver would spin.
    #[error("told to come back {behind_ns} ns ago")]
    WaitInThePast {
        /// How long ago; zero is now.
        behind_ns: u64,
    },
    /// Calls or attempts that are neither ended nor in progress.
    #[error("{began} began, {ended} ended and {alive} are in progress: {} are lost", (*.began).abs_diff(*.ended + *.alive))]
    Unbalanced {
        /// Calls, or attempts.
        began: u64,
        /// Of these.
        ended: u64,
        /// Of these.
        alive: u64,
    },
}

/// The books of one gate.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    born: Instant,
    in_flight: u32,
    sent: u64,
    retries: u64,
    answers: u64,
    open_until: Instant,
    paused_until: Instant,
    /// Counts the times the breaker opened: probes of an earlier one do not count any more.
    pub(super) era: u32,
    probes_out: u32,
}

/// What a gate shows before it is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    limit: u16,
}

impl Watch {
    pub(super) fn new(born: Instant) -> Self {
        Self {
            born,
            in_flight: 0,
            sent: 0,
            retries: 0,
            answers: 0,
            open_until: Instant::ORIGIN,
            paused_until: Instant::ORIGIN,
            era: 0,
            probes_out: 0,
        }
    }

    pub(super) fn before(gate: &Gate) -> Before {
        Before { limit: gate.limit() }
    }

    /// The gate admitted an attempt.
    pub(super) fn admitted(
        &mut self,
        now: Instant,
        gate: &Gate,
        config: &GateConfig,
        before: Before,
        ticket: &Ticket,
        is_retry: bool,
    ) -> Result<(), Breach> {
        if self.in_flight >= u32::from(before.limit) {
            return Err(Breach::OverLimit { in_flight: self.in_flight, limit: before.limit });
        }
        if now < self.open_until {
            return Err(Breach::WhileOpen { early_ns: since_ns(self.open_until, now) });
        }
        if now < self.paused_until {
            return Err(Breach::WhilePaused { early_ns: since_ns(self.paused_until, now) });
        }
        if ticket.is_probe() {
            let probes = config.breaker.probes;
            if self.probes_out >= u32::from(probes) {
                return Err(Breach::Probes { out: self.probes_out, probes });
            }
            self.probes_out += 1;
        }
        self.in_flight += 1;
        self.sent += 1;
        self.check_rate(now, config)?;
        if is_retry {
            self.retries += 1;
            self.check_budget(now, config)?;
        }
        self.look(gate)
    }

    /// An attempt that was admitted in `era` came back.
    pub(super) fn settled(
        &mut self,
        now: Instant,
        gate: &Gate,
        was_probe: bool,
        era: u32,
        outcome: Outcome,
    ) -> Result<(), Breach> {
        self.in_flight = self.in_flight.saturating_sub(1);
        if was_probe && era == self.era {
            self.probes_out = self.probes_out.saturating_sub(1);
        }
        match outcome {
            Outcome::Success | Outcome::Empty => self.answers += 1,
            Outcome::Throttled { retry_after: Some(hint) } => {
                self.paused_until = self.paused_until.max(now.saturating_add(hint));
            }
            Outcome::Throttled { retry_after: None }
            | Outcome::Failure
            | Outcome::Timeout
            | Outcome::Refused(_)
            | Outcome::Cancelled
            | Outcome::Unsent => {}
        }
        self.look(gate)
    }

    /// Compares the books with what the gate shows. To be called after whatever may have changed it.
    pub(super) fn look(&mut self, gate: &Gate) -> Result<(), Breach> {
        if let BreakerState::Open { until, .. } = gate.breaker().state()
            && until != self.open_until
        {
            self.open_until = until;
            self.era += 1;
            self.probes_out = 0;
        }
        if u32::from(gate.in_flight()) != self.in_flight {
            return Err(Breach::Miscounted { counted: gate.in_flight(), seen: self.in_flight });
        }
        Ok(())
    }

    /// The power went: what was owed stays owed where the gate is restored.
    pub(super) fn restarted(&mut self, now: Instant, restores: bool) {
        let (open_until, paused_until) = (self.open_until, self.paused_until);
        *self = Self { era: self.era, ..Self::new(now) };
        if restores {
            (self.open_until, self.paused_until) = (open_until, paused_until);
        }
    }

    /// Retries ≤ what answers earned + the reserve + what came back to it since.
    fn check_budget(&self, now: Instant, config: &GateConfig) -> Result<(), Breach> {
        let Some(budget) = config.budget else { return Ok(()) };
        let refill_ns = budget.reserve_refill.as_nanos().max(1_000_000) as u64;
        let earned = self.answers * u64::from(budget.retries) / u64::from(budget.answers);
        let allowed = earned + u64::from(budget.reserve) + since_ns(now, self.born) / refill_ns;
        if self.retries > allowed {
            return Err(Breach::OverBudget { retries: self.retries, answers: self.answers, allowed });
        }
        Ok(())
    }

    /// Attempts ≤ burst + time / interval.
    fn check_rate(&self, now: Instant, config: &GateConfig) -> Result<(), Breach> {
        let RateControl::Fixed(fixed) = config.rate else { return Ok(()) };
        let elapsed_ns = u128::from(since_ns(now, self.born));
        let cells = elapsed_ns * u128::from(fixed.rate.count) / fixed.rate.period.as_nanos().max(1);
        let allowed = u64::from(fixed.burst).saturating_add(cells as u64);
        if self.sent > allowed {
            return Err(Breach::OverRate { attempts: self.sent, allowed });
        }
        Ok(())
    }
}

fn since_ns(now: Instant, earlier: Instant) -> u64 {
    now.as_nanos().saturating_sub(earlier.as_nanos())
}

#[cfg(test)]
mod tests {
    //! A watch that never barks proves nothing: here gates do one thing and their watches are told another.

    use std::time::Duration;

    use tidegate_core::limit::LimitConfig;
    use tidegate_core::rate::{Rate, RateConfig};
    use tidegate_core::{Admission, Entropy, Try};

    use super::*;

    const NOW: Instant = Instant::from_secs(10);
    const FREE: GateConfig =
        GateConfig { rate: RateControl::Unlimited, limit: LimitConfig::fixed(10), ..GateConfig::DEFAULT };

    struct Beat {
        gate: Gate,
        watch: Watch,
        /// What the watch is told about the gate.
        told: GateConfig,
    }

    impl Beat {
        fn new(told: GateConfig) -> Self {
            Self { gate: Gate::new(FREE).expect("valid"), watch: Watch::new(NOW), told }
        }

        fn admit(&mut self, now: Instant, is_retry: bool) -> Result<Ticket, Breach> {
            let before = Before { limit: self.told.limit.start.min(self.gate.limit()) };
            let Admission::Go(ticket) = self.gate.poll(now, Try::First) else { panic!("the gate refused") };
            self.watch.admitted(now, &self.gate, &self.told, before, &ticket, is_retry).map(|()| ticket)
        }

        fn settle(&mut self, now: Instant, ticket: Ticket, outcome: Outcome) -> Result<(), Breach> {
            let was_probe = ticket.is_probe();
            self.gate.settle(now, ticket, outcome, Entropy::new(7));
            self.watch.settled(now, &self.gate, was_probe, self.watch.era, outcome)
        }
    }

    #[test]
    fn it_is_quiet_while_all_is_well() {
        let mut beat = Beat::new(FREE);
        for _ in 0..100 {
            let ticket = beat.admit(NOW, false).expect("well");
            beat.settle(NOW, ticket, Outcome::Success).expect("well");
        }
    }

    #[test]
    fn it_sees_more_in_flight_than_may_be() {
        let mut beat = Beat::new(GateConfig { limit: LimitConfig::fixed(1), ..FREE });
        let _first = beat.admit(NOW, false).expect("well");
        assert_eq!(beat.admit(NOW, false), Err(Breach::OverLimit { in_flight: 1, limit: 1 }));
    }

    #[test]
    fn it_sees_a_gate_that_miscounts() {
        let mut beat = Beat::new(FREE);
        let ticket = beat.admit(NOW, false).expect("well");
        // The gate is never told, as if it had forgotten.
        drop(ticket);
        let forgotten = beat.watch.settled(NOW, &beat.gate, false, 0, Outcome::Success);
        assert_eq!(forgotten, Err(Breach::Miscounted { counted: 1, seen: 0 }));
    }

    #[test]
    fn it_sees_an_attempt_through_an_open_breaker_and_a_pause() {
        let later = Instant::from_secs(11);
        let mut beat = Beat::new(FREE);
        beat.watch.open_until = later;
        assert_eq!(beat.admit(NOW, false), Err(Breach::WhileOpen { early_ns: 1_000_000_000 }));
        let mut beat = Beat::new(FREE);
        beat.watch.paused_until = later;
        assert_eq!(beat.admit(NOW, false), Err(Breach::WhilePaused { early_ns: 1_000_000_000 }));
    }

    #[test]
    fn it_remembers_when_a_breaker_opens_and_what_a_server_asks_for() {
        let mut beat = Beat::new(FREE);
        let ticket = beat.admit(NOW, false).expect("well");
        let hint = Outcome::Throttled { retry_after: Some(Duration::from_secs(3)) };
        beat.settle(NOW, ticket, hint).expect("well");
        assert_eq!(beat.watch.paused_until, Instant::from_secs(13));
        let mut beat = Beat::new(FREE);
        let tickets: Vec<Ticket> = (0..10).map(|_| beat.admit(NOW, false).expect("well")).collect();
        tickets.into_iter().for_each(|ticket| beat.settle(NOW, ticket, Outcome::Failure).expect("well"));
        for _ in 0..6 {
            let ticket = beat.admit(NOW, false).expect("well");
            beat.settle(NOW, ticket, Outcome::Failure).expect("well");
        }
        assert!(beat.watch.open_until > NOW, "16 failures of 16 open the default breaker");
        assert_eq!(beat.watch.era, 1);
    }

    #[test]
    fn it_sees_one_probe_too_many() {
        let mut beat = Beat::new(FREE);
        let ticket = beat.admit(NOW, false).expect("well");
        beat.settle(NOW, ticket, Outcome::Success).expect("well");
        beat.watch.probes_out = 1;
        while beat.watch.era == 0 {
            let ticket = beat.admit(NOW, false).expect("well");
            beat.settle(NOW, ticket, Outcome::Failure).expect("well");
        }
        assert_eq!(beat.watch.probes_out, 0, "an era begins without probes");
        beat.watch.probes_out = 1;
        let after = beat.watch.open_until;
        assert_eq!(beat.admit(after, false), Err(Breach::Probes { out: 1, probes: 1 }));
    }

    #[test]
    fn it_sees_retries_beyond_the_budget() {
        let mut beat = Beat::new(FREE);
        // The reserve is 10, and two answers earn one more.
        for _ in 0..2 {
            let ticket = beat.admit(NOW, false).expect("well");
            beat.settle(NOW, ticket, Outcome::Success).expect("well");
        }
        for _ in 0..11 {
            let ticket = beat.admit(NOW, true).expect("well");
            beat.settle(NOW, ticket, Outcome::Cancelled).expect("well");
        }
        assert_eq!(beat.admit(NOW, true), Err(Breach::OverBudget { retries: 12, answers: 2, allowed: 11 }));
    }

    #[test]
    fn it_sees_a_rate_that_is_exceeded() {
        let rate = RateControl::Fixed(RateConfig { rate: Rate::per_second(2), burst: 3 });
        let mut beat = Beat::new(GateConfig { rate, ..FREE });
        for _ in 0..3 {
            let ticket = beat.admit(NOW, false).expect("well");
            beat.settle(NOW, ticket, Outcome::Success).expect("well");
        }
        let half_a_second_later = Instant::from_millis(10_500);
        let _fourth = beat.admit(half_a_second_later, false).expect("well");
        assert_eq!(beat.admit(half_a_second_later, false), Err(Breach::OverRate { attempts: 5, allowed: 4 }));
    }

    #[test]
    fn a_gate_that_is_restored_still_owes_what_it_owed() {
        let mut watch = Watch::new(NOW);
        watch.paused_until = Instant::from_secs(60);
        let mut forgetful = watch.clone();
        watch.restarted(NOW, true);
        forgetful.restarted(NOW, false);
        assert_eq!((watch.paused_until, forgetful.paused_until), (Instant::from_secs(60), Instant::ORIGIN));
    }
}
