//! One call through a gate that others use as well.

use super::*;
use crate::{
    backoff::{BackoffConfig, Growth, Jitter},
    breaker::{AfterClosing, BreakerConfig},
    budget::RetryBudgetConfig,
    call::{Call, CallConfig, CallPolicy, End, Next, Step},
    gate::{Admission, Gate, GateConfig, RateControl, Try},
    limit::LimitConfig,
    outcome::Outcome,
    share::Share,
    ticket::Ticket,
};

const DEADLINE: u64 = 4;
const ATTEMPTS: u8 = 3;
const HINT: Outcome = Outcome::Throttled { retry_after: Some(Duration::from_secs(2)) };
const OUTCOMES: [Outcome; 3] = [Outcome::Success, Outcome::Failure, HINT];

#[derive(Clone, Copy, Debug)]
enum Move {
    Tick,
    Poll,
    PollBehind,
    Settle(Outcome),
    Lose,
    /// Somebody else's attempt fails, or a place is taken until its lease ends.
    OtherFails,
    OtherStays,
    /// The call is ended from outside.
    End,
}

#[derive(Clone, Debug, Hash)]
struct Small {
    gate: Gate,
    call: Call<'static>,
    now: u64,
    held: Option<Ticket>,
    others: u8,
    taken: u8,
    ended: Option<End>,
}

impl Small {
    fn new(config: GateConfig, policy: &'static CallPolicy) -> Self {
        let gate = Gate::new(config).expect("valid settings");
        let call = Call::new(policy, at(DEADLINE));
        Self { gate, call, now: 0, held: None, others: 0, taken: 0, ended: None }
    }

    fn polled(&mut self, step: Step) -> Result<(), Broken> {
        match step {
            Step::Attempt(ticket) => {
                self.taken += 1;
                require(self.taken <= ATTEMPTS, || format!("{} tickets of {ATTEMPTS}", self.taken))?;
                require(self.ended.is_none(), || format!("an attempt after {:?}", self.ended))?;
                require(ticket.started() < at(DEADLINE), || format!("started at {:?}", ticket.started()))?;
                self.held = Some(ticket);
                Ok(())
            }
            Step::Wait { until, why } | Step::Full { until, why } => {
                let in_time = until > at(self.now) && until <= at(DEADLINE);
                require(in_time && self.ended.is_none(), || format!("told to wait until {until:?}: {why}"))
            }
            Step::Done(end) => self.done(end),
        }
    }

    fn done(&mut self, end: End) -> Result<(), Broken> {
        let first = *self.ended.get_or_insert(end);
        require(first == end, || format!("ended as {first:?}, then as {end:?}"))
    }

    fn other(&mut self) -> Option<Ticket> {
        self.others += 1;
        match self.gate.poll(at(self.now), Try::First) {
            Admission::Go(ticket) => Some(ticket),
            Admission::Wait { .. } | Admission::Full { .. } | Admission::Never { .. } => None,
        }
    }
}

impl World for Small {
    type Move = Move;

    fn moves(&self) -> Vec<Move> {
        let mut moves = std::vec![Move::PollBehind];
        if self.now <= DEADLINE {
            moves.push(Move::Tick);
        }
        if self.held.is_some() {
            moves.push(Move::Lose);
            moves.extend(OUTCOMES.map(Move::Settle));
        } else {
            moves.push(Move::Poll);
        }
        if self.others < 1 {
            moves.extend([Move::OtherFails, Move::OtherStays]);
        }
        if self.ended.is_none() {
            moves.push(Move::End);
        }
        moves
    }

    fn step(&mut self, step: Move) -> Result<(), Broken> {
        match step {
            Move::Tick => self.now += 1,
            Move::Poll => {
                let step = self.call.poll(at(self.now), &mut self.gate);
                return self.polled(step);
            }
            Move::PollBehind => {
                let which = if self.taken == 0 { Try::First } else { Try::Again };
                let mut looked = self.gate.clone();
                let step = self.call.poll_behind(at(self.now), &mut self.gate);
                let untouched = self.gate == looked || {
                    let _: Option<Admission> = looked.peek(at(self.now), which);
                    self.gate == looked
                };
                require(untouched, || format!("{step:?} behind the head took something"))?;
                return self.polled(step);
            }
            Move::Settle(outcome) => {
                let Some(ticket) = self.held.take() else { return Ok(()) };
                match self.call.settle(at(self.now), &mut self.gate, ticket, outcome, ENTROPY) {
                    Next::Retry { at: ready } => {
                        let least = if outcome == HINT { 3 } else { 1 };
                        let right = ready >= at(self.now + least) && ready < at(DEADLINE) && self.ended.is_none();
                        require(right && self.taken < ATTEMPTS, || format!("{outcome:?} is retried at {ready:?}"))?;
                        let early = Instant::from_nanos(ready.as_nanos() - 1);
                        let step = self.call.clone().poll(early, &mut self.gate.clone());
                        let waits = matches!(step, Step::Wait { until, .. } if until == ready);
                        require(waits, || format!("{step:?} although it backs off until {ready:?}"))?;
                    }
                    Next::Done(end) => return self.done(end),
                }
            }
            Move::Lose => self.held = None,
            Move::OtherFails => {
                if let Some(ticket) = self.other() {
                    self.gate.settle(at(self.now), ticket, Outcome::Failure, ENTROPY);
                }
            }
            Move::OtherStays => {
                let _stays: Option<Ticket> = self.other();
            }
            Move::End => {
                self.call.end(End::Cancelled);
                return self.done(End::Cancelled);
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Broken> {
        require(self.call.attempts() == self.taken, || format!("{} counted", self.call.attempts()))?;
        // Left to itself, with every attempt failing, it ends; and it ends by its deadline.
        let (mut gate, mut call, mut now) = (self.gate.clone(), self.call.clone(), at(self.now));
        for _ in 0..30 {
            now = match call.poll(now, &mut gate) {
                Step::Done(_) => return Ok(()),
                Step::Wait { until, .. } | Step::Full { until, .. } => until,
                Step::Attempt(ticket) => match call.settle(now, &mut gate, ticket, Outcome::Failure, ENTROPY) {
                    Next::Retry { at } => at,
                    Next::Done(_) => return Ok(()),
                },
            };
        }
        Err(Broken(format!("it never ends: {call:?}")))
    }
}

const EACH_TICK: BackoffConfig =
    BackoffConfig { growth: Growth::Constant, base: TICK, cap: TICK, jitter: Jitter::None };

const fn policy(patience: Option<Duration>) -> CallPolicy {
    match CallPolicy::new(CallConfig { attempts: ATTEMPTS, backoff: EACH_TICK, throttled: EACH_TICK, patience }) {
        Ok(policy) => policy,
        Err(_) => panic!("rejected at compile time"),
    }
}

fn config() -> GateConfig {
    GateConfig {
        breaker: BreakerConfig {
            window: 1,
            calls_min: 1,
            failed: Share::of(1, 1),
            open: EACH_TICK,
            after_closing: AfterClosing::FullTraffic,
            ..BreakerConfig::DEFAULT
        },
        rate: RateControl::Unlimited,
        limit: LimitConfig::fixed(2),
        budget: None,
        attempt_timeout: TICK,
        slow_after: TICK,
        lease: TICK * 3,
        id: 0,
    }
}

#[test]
fn every_state_of_a_small_call() {
    static PATIENT: CallPolicy = policy(None);
    static HASTY: CallPolicy = policy(Some(TICK));
    let budget = RetryBudgetConfig { retries: 1, answers: 1, saved_max: 1, reserve: 1, reserve_refill: TICK * 2 };
    for policy in [&PATIENT, &HASTY] {
        for budget in [None, Some(budget)] {
            let states = explore(Small::new(GateConfig { budget, ..config() }, policy));
            assert!(states > 1_000, "{states} states cannot show anything");
        }
    }
}
