//! The gate: every ticket settled in any order, at any time, lost, late, or from an earlier era.

use super::*;
use crate::{
    backoff::{BackoffConfig, Growth, Jitter},
    breaker::{AfterClosing, BreakerConfig, BreakerMode, BreakerState},
    budget::RetryBudgetConfig,
    gate::{Admission, Gate, GateConfig, RateControl, Try},
    limit::LimitConfig,
    outcome::Outcome,
    rate::{Rate, RateConfig},
    share::Share,
    ticket::Ticket,
};

/// A lease of three ticks is counted in cells of one: it ends after three ticks and is noticed within four.
const LEASE_TICKS: u64 = 3;
const LIMIT: u16 = 2;
const HINT: Outcome = Outcome::Throttled { retry_after: Some(TICK) };
const OUTCOMES: [Outcome; 4] = [Outcome::Success, Outcome::Failure, HINT, Outcome::Cancelled];

#[derive(Clone, Copy, Debug)]
enum Move {
    Tick,
    Poll(Try),
    Settle(usize, Outcome),
    Lose(usize),
    Mode(BreakerMode),
}

/// How far a world is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Bounds {
    horizon: u64,
    held_max: usize,
    tries: &'static [Try],
    outcomes: &'static [Outcome],
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Small {
    gate: Gate,
    bounds: Bounds,
    probes: u8,
    /// How often the breaker may still be forced and released.
    forces: u8,
    now: u64,
    /// Tickets that may still come back, and when those started that will not.
    held: Vec<Ticket>,
    lost: Vec<u64>,
}

impl Small {
    fn new(config: GateConfig, bounds: Bounds, forces: u8) -> Self {
        let gate = Gate::new(config).expect("valid settings");
        Self { gate, bounds, probes: config.breaker.probes, forces, now: 0, held: Vec::new(), lost: Vec::new() }
    }

    fn started(ticket: &Ticket) -> u64 {
        ticket.started().saturating_since(at(0)).as_secs()
    }

    fn age(&self, started: u64) -> u64 {
        self.now - started
    }

    fn poll(&mut self, attempt: Try) -> Result<(), Broken> {
        let before = self.gate.clone();
        let mut looked = self.gate.clone();
        let look = looked.peek(at(self.now), attempt);
        match self.gate.poll(at(self.now), attempt) {
            Admission::Go(ticket) => {
                require(look.is_none(), || format!("the look said {look:?}, the poll go"))?;
                let free = before.in_flight() < LIMIT && before.paused_until() <= at(self.now);
                require(free, || {
                    format!("{} in flight, paused until {:?}", before.in_flight(), before.paused_until())
                })?;
                let shut = matches!(before.breaker().state(), BreakerState::Open { until, .. } if until > at(self.now));
                let forced = before.breaker().mode() == BreakerMode::ForcedOpen;
                require(!shut && !forced, || format!("admitted by {:?}", before.breaker()))?;
                require(self.gate.in_flight() == before.in_flight() + 1, || String::from("no place was taken"))?;
                self.held.push(ticket);
                Ok(())
            }
            refused @ (Admission::Wait { until, .. } | Admission::Full { until, .. }) => {
                require(look.as_ref() == Some(&refused), || format!("the look said {look:?}, the poll {refused:?}"))?;
                require(self.gate == looked, || format!("{refused:?} took something"))?;
                require(until > at(self.now), || format!("told to come back at {until:?}"))?;
                let early = Instant::from_nanos(until.as_nanos() - 1);
                let still = !matches!(self.gate.clone().poll(early, attempt), Admission::Go(_));
                require(still, || format!("{refused:?}, but it would have gone earlier"))?;
                let late = !matches!(self.gate.clone().poll(at(0), attempt), Admission::Go(_));
                require(late, || format!("{refused:?}, but a late reading goes"))
            }
            Admission::Never { why } => Err(Broken(format!("nobody refused access: {why}"))),
        }
    }

    fn settle(&mut self, index: usize, outcome: Outcome) -> Result<(), Broken> {
        let ticket = self.held.remove(index);
        let (age, era) = (self.age(Self::started(&ticket)), ticket.era);
        let before = self.gate.clone();
        self.gate.settle(at(self.now), ticket, outcome, ENTROPY);
        if age > LEASE_TICKS {
            return require(self.gate == before, || format!("{outcome:?} of a reclaimed ticket changed something"));
        }
        if era != before.breaker().era {
            let same = self.gate.breaker() == before.breaker();
            require(same, || format!("{outcome:?} of an earlier era decided in {:?}", before.breaker().state()))?;
        }
        if age < LEASE_TICKS {
            let left = self.gate.in_flight();
            require(left + 1 == before.in_flight(), || format!("{left} places after {outcome:?} came back"))?;
            let heeded = outcome != HINT || self.gate.paused_until() >= at(self.now + 1);
            require(heeded, || format!("paused only until {:?}", self.gate.paused_until()))?;
        }
        Ok(())
    }
}

impl World for Small {
    type Move = Move;

    fn moves(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        if self.now < self.bounds.horizon {
            moves.push(Move::Tick);
        }
        if self.held.len() < self.bounds.held_max {
            moves.extend(self.bounds.tries.iter().copied().map(Move::Poll));
        }
        for index in 0..self.held.len() {
            if index == 0 || self.held[index] != self.held[index - 1] {
                moves.push(Move::Lose(index));
                moves.extend(self.bounds.outcomes.iter().map(|outcome| Move::Settle(index, *outcome)));
            }
        }
        if self.forces > 0 {
            let enforces = self.gate.breaker().mode() == BreakerMode::Enforce;
            moves.push(Move::Mode(if enforces { BreakerMode::ForcedOpen } else { BreakerMode::Enforce }));
        }
        moves
    }

    fn step(&mut self, step: Move) -> Result<(), Broken> {
        match step {
            Move::Tick => {
                self.now += 1;
                let _: Option<Admission> = self.gate.peek(at(self.now), Try::First);
                let now = self.now;
                self.lost.retain(|started| now - started <= LEASE_TICKS);
                Ok(())
            }
            Move::Poll(attempt) => self.poll(attempt),
            Move::Settle(index, outcome) => self.settle(index, outcome),
            Move::Lose(index) => {
                let started = Self::started(&self.held.remove(index));
                if self.age(started) <= LEASE_TICKS {
                    self.lost.push(started);
                    self.lost.sort_unstable();
                }
                Ok(())
            }
            Move::Mode(mode) => {
                self.forces -= 1;
                self.gate.set_breaker_mode(mode);
                Ok(())
            }
        }
    }

    fn check(&self) -> Result<(), Broken> {
        let starts = || self.held.iter().map(Self::started).chain(self.lost.iter().copied());
        let out = |age_max: u64| starts().filter(|started| self.age(*started) <= age_max).count();
        let (least, most) = (out(LEASE_TICKS - 1), out(LEASE_TICKS));
        let counted = usize::from(self.gate.in_flight());
        let right = least <= counted && counted <= most && counted <= usize::from(LIMIT);
        require(right, || format!("{counted} in flight, {least} to {most} are"))?;
        let era = self.gate.breaker().era;
        let young = |ticket: &&Ticket| self.age(Self::started(ticket)) < LEASE_TICKS;
        let probes = self.held.iter().filter(|ticket| ticket.is_probe() && ticket.era == era).filter(young).count();
        require(probes <= usize::from(self.probes), || format!("{probes} probes of {} that may be", self.probes))?;
        self.returns_every_place()?;
        self.recovers()
    }
}

impl Small {
    /// Whatever is never settled is reclaimed.
    fn returns_every_place(&self) -> Result<(), Broken> {
        let mut gate = self.gate.clone();
        let _: Option<Admission> = gate.peek(at(self.now + LEASE_TICKS + 1), Try::First);
        require(gate.in_flight() == 0, || format!("{} places are lost for good", gate.in_flight()))
    }

    /// Time and success lead to a closed breaker and to admissions of either kind, unless it is forced open.
    fn recovers(&self) -> Result<(), Broken> {
        let mut gate = self.gate.clone();
        if gate.breaker().mode() == BreakerMode::ForcedOpen {
            return Ok(());
        }
        let mut retried = false;
        for tick in self.now..self.now + 16 {
            for attempt in [Try::Again, Try::First] {
                if let Admission::Go(ticket) = gate.poll(at(tick), attempt) {
                    retried |= attempt == Try::Again;
                    gate.settle(at(tick), ticket, Outcome::Success, ENTROPY);
                }
            }
            if retried && matches!(gate.breaker().state(), BreakerState::Closed { .. }) {
                return Ok(());
            }
        }
        Err(Broken(format!("no way back: retried {retried}, {:?}", gate.breaker().state())))
    }
}

fn config() -> GateConfig {
    GateConfig {
        breaker: BreakerConfig {
            window: 2,
            calls_min: 2,
            failed: Share::of(1, 1),
            open: BackoffConfig { growth: Growth::Constant, base: TICK * 2, cap: TICK * 2, jitter: Jitter::None },
            after_closing: AfterClosing::FullTraffic,
            ..BreakerConfig::DEFAULT
        },
        rate: RateControl::Unlimited,
        limit: LimitConfig::fixed(LIMIT),
        budget: None,
        attempt_timeout: TICK * 2,
        slow_after: TICK * 2,
        lease: TICK * LEASE_TICKS as u32,
        id: 0,
    }
}

/// Without a budget a first attempt and a further one are the same.
const BOUNDS: Bounds = Bounds { horizon: 5, held_max: 3, tries: &[Try::First], outcomes: &OUTCOMES };

#[test]
fn every_state_of_a_small_gate() {
    let states = explore(Small::new(config(), BOUNDS, 0));
    assert!(states > 10_000, "{states} states cannot show anything");
}

#[test]
fn every_state_of_a_small_gate_that_is_forced_open_and_released() {
    let twitchy = BreakerConfig { window: 1, calls_min: 1, probes: 2, ..config().breaker };
    let bounds = Bounds { horizon: 3, ..BOUNDS };
    let states = explore(Small::new(GateConfig { breaker: twitchy, ..config() }, bounds, 2));
    assert!(states > 10_000, "{states} states cannot show anything");
}

#[test]
fn every_state_of_a_small_gate_with_a_rate_and_a_budget() {
    let rate = RateControl::Fixed(RateConfig { rate: Rate { count: 1, period: TICK }, burst: 2 });
    let budget = RetryBudgetConfig { retries: 1, answers: 1, saved_max: 1, reserve: 1, reserve_refill: TICK * 2 };
    let bounds = Bounds {
        horizon: 3,
        held_max: 2,
        tries: &[Try::First, Try::Again],
        outcomes: &[Outcome::Success, Outcome::Failure, Outcome::Unsent],
    };
    let states = explore(Small::new(GateConfig { rate, budget: Some(budget), ..config() }, bounds, 0));
    assert!(states > 10_000, "{states} states cannot show anything");
}
