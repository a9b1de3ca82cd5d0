//! The circuit breaker beside a list of the last calls, or of the calls of the last stretch of time.

use core::{fmt::Debug, hash::Hash};

use super::*;
use crate::{
    backoff::{BackoffConfig, Growth, Jitter},
    breaker::{
        AfterClosing, BreakerConfig, BreakerState, CallWindow, CircuitBreaker, Counts, Pass, PeriodWindow, Rejected,
        Verdict, Window,
    },
    share::Share,
};

const HORIZON: u64 = 5;
const RAMP_MAX: u16 = 8;
const LEASE_TICKS: u64 = 2;

#[derive(Clone, Copy, Debug)]
enum Move {
    Tick,
    Acquire,
    Settle(usize, Verdict),
    Lose(usize),
}

const VERDICTS: [Verdict; 4] = [Verdict::Success, Verdict::Failure, Verdict::Answered, Verdict::Neutral];
/// Only where slowness is judged: otherwise these are a success and a failure.
const SLOW_VERDICTS: [Verdict; 2] = [Verdict::Slow, Verdict::SlowFailure];

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Small<W> {
    breaker: CircuitBreaker<W>,
    settings: Settings,
    now: u64,
    /// Passes that may still come back, and how many of them there may be.
    out: Vec<Pass>,
    out_max: usize,
    /// When the leases of the present era's probes end, lost ones included.
    leases: Vec<u64>,
    /// The calls of the present era that count, oldest first.
    list: Vec<Call>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Call {
    failed: bool,
    slow: bool,
    /// The tick at which it ended, where that matters.
    ended: u64,
}

/// Which calls the oracle remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Memory {
    /// The last ones.
    Calls(usize),
    /// Those that ended less than so many ticks ago. Below ten ticks that is exact: a tenth of the period, by which a window
    /// may be off, is less than a tick then.
    Ticks(u64),
}

/// What the oracle has to know of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Settings {
    memory: Memory,
    calls_min: u32,
    failed: Share,
    slow: Option<Share>,
    probes: u8,
}

impl Small<CallWindow> {
    fn new(config: BreakerConfig) -> Self {
        let breaker = CircuitBreaker::new(config).expect("valid settings");
        // The smallest windows leave room for one more call at a time.
        let out_max = if config.window == 1 { 3 } else { 2 };
        Self::with(breaker, config, Memory::Calls(config.window.into()), out_max)
    }
}

impl Small<PeriodWindow> {
    fn over_ticks(ticks: u32, config: BreakerConfig) -> Self {
        assert!(ticks < 10, "{ticks} ticks: what is remembered is not exact");
        let window = PeriodWindow::last(TICK * ticks).expect("a valid period");
        let breaker = CircuitBreaker::over_period(window, config).expect("valid settings");
        Self::with(breaker, config, Memory::Ticks(ticks.into()), 2)
    }
}

impl<W: Window + Clone + PartialEq> Small<W> {
    fn with(breaker: CircuitBreaker<W>, config: BreakerConfig, memory: Memory, out_max: usize) -> Self {
        let BreakerConfig { calls_min, failed, slow, probes, .. } = config;
        let settings = Settings { memory, calls_min: calls_min.into(), failed, slow, probes };
        Self { breaker, settings, now: 0, out: Vec::new(), out_max, leases: Vec::new(), list: Vec::new() }
    }

    fn acquire(&mut self) -> Result<(), Broken> {
        let before = self.breaker.state();
        let admitted = self.breaker.try_acquire(at(self.now));
        let must = match before {
            BreakerState::Closed { .. } => true,
            BreakerState::Open { until, .. } => at(self.now) >= until,
            BreakerState::HalfOpen { lease_end, outstanding, .. } => {
                outstanding < self.settings.probes || at(self.now) >= lease_end
            }
        };
        require(admitted.is_ok() == must, || format!("{admitted:?} although it was {before:?}"))?;
        match admitted {
            Ok(pass) => {
                if !matches!(before, BreakerState::Closed { .. }) {
                    // A new era begins where time ended the open one, or all leases.
                    let anew = match before {
                        BreakerState::HalfOpen { outstanding, .. } => outstanding >= self.settings.probes,
                        BreakerState::Open { .. } | BreakerState::Closed { .. } => true,
                    };
                    if anew {
                        self.leases.clear();
                    }
                    self.leases.push(self.now + LEASE_TICKS);
                    self.leases.sort_unstable();
                }
                self.out.push(pass);
                self.out.sort_by_key(|pass| (pass.era, pass.probe));
                Ok(())
            }
            Err(Rejected::Open { until, .. } | Rejected::Probing { until, .. }) => {
                // What is said about the future holds, and a late reading is not better off.
                let mut later = self.breaker.clone();
                require(until > at(self.now), || format!("told to come back at {until:?}"))?;
                require(later.try_acquire(until).is_ok(), || format!("refused at the instant named, {until:?}"))?;
                let mut late = self.breaker.clone();
                require(late.try_acquire(at(self.now - self.now.min(1))).is_err(), || {
                    String::from("a late reading goes")
                })
            }
            Err(Rejected::Forced) => Err(Broken(String::from("nobody forced it"))),
        }
    }

    fn settle(&mut self, index: usize, verdict: Verdict) -> Result<(), Broken> {
        let pass = self.out.remove(index);
        let before = self.breaker.clone();
        let (stale, probe) = (pass.era != before.era, pass.probe);
        self.breaker.settle(at(self.now), pass, verdict, ENTROPY);
        if stale {
            return require(self.breaker == before, || format!("{verdict:?} from an earlier era changed something"));
        }
        match before.state() {
            BreakerState::Closed { ramp, .. } => self.settled_while_closed(ramp, verdict),
            BreakerState::HalfOpen { outstanding, .. } => {
                require(probe, || String::from("a call that is no probe belongs to a half-open era"))?;
                if let BreakerState::HalfOpen { outstanding: left, .. } = self.breaker.state() {
                    require(left + 1 == outstanding, || {
                        format!("{left} probes out after one of {outstanding} came back")
                    })?;
                    self.leases.pop();
                } else {
                    self.leases.clear();
                    self.list.clear();
                }
                let slow_is_bad = self.settings.slow.is_some() && verdict == Verdict::Slow;
                let bad = matches!(verdict, Verdict::Failure | Verdict::SlowFailure) || slow_is_bad;
                let open = matches!(self.breaker.state(), BreakerState::Open { .. });
                require(open == bad, || format!("{:?} after a probe's {verdict:?}", self.breaker.state()))
            }
            BreakerState::Open { .. } => Err(Broken(String::from("a pass of an era in which nothing is admitted"))),
        }
    }

    /// The rule of opening against the list.
    fn settled_while_closed(&mut self, ramp: u16, verdict: Verdict) -> Result<(), Broken> {
        let outcome = match verdict {
            Verdict::Success => Some((false, false)),
            Verdict::Slow => Some((false, true)),
            Verdict::Failure => Some((true, false)),
            Verdict::SlowFailure => Some((true, true)),
            Verdict::Answered | Verdict::Neutral => None,
        };
        if let Some((failed, slow)) = outcome {
            let ended = match self.settings.memory {
                Memory::Calls(_) => 0,
                Memory::Ticks(_) => self.now,
            };
            self.list.push(Call { failed, slow, ended });
            self.forget();
        }
        let Counts { calls, failed, slow } = self.listed();
        let share = |share: Share, part: u32| part * u32::from(share.whole) >= calls * u32::from(share.part);
        let bad = match verdict {
            Verdict::Failure | Verdict::SlowFailure => true,
            Verdict::Slow => self.settings.slow.is_some(),
            Verdict::Success | Verdict::Answered | Verdict::Neutral => false,
        };
        // On the ramp after an outage, as many calls are enough as it lets through at once, but at least four of them.
        let enough = self.settings.calls_min.min(u32::from(ramp).max(4));
        let reached = share(self.settings.failed, failed) || self.settings.slow.is_some_and(|limit| share(limit, slow));
        let must_open = bad && calls >= enough && reached;
        let open = matches!(self.breaker.state(), BreakerState::Open { .. });
        let list = &self.list;
        require(open == must_open, || format!("{:?} with the last calls {list:?}", self.breaker.state()))?;
        if open {
            self.list.clear();
        }
        Ok(())
    }

    /// What is too many or too old leaves the list.
    fn forget(&mut self) {
        match self.settings.memory {
            Memory::Calls(size) => drop(self.list.drain(..self.list.len().saturating_sub(size))),
            Memory::Ticks(ticks) => self.list.retain(|call| self.now - call.ended < ticks),
        }
    }

    fn listed(&self) -> Counts {
        let count = |which: fn(&&Call) -> bool| self.list.iter().filter(which).count() as u32;
        Counts { calls: count(|_| true), failed: count(|call| call.failed), slow: count(|call| call.slow) }
    }

    /// Whether one more call may end without leaving the world: a window over time holds any number of them.
    fn has_room(&self) -> bool {
        match self.settings.memory {
            Memory::Calls(_) => true,
            // More than it takes to open: also what is judged for the second time.
            Memory::Ticks(_) => self.list.len() + self.out.len() <= self.settings.calls_min as usize + 1,
        }
    }
}

impl<W: Window + Clone + PartialEq + Hash + Debug> World for Small<W> {
    type Move = Move;

    fn moves(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        if matches!(self.breaker.state(), BreakerState::Closed { ramp: RAMP_MAX.., clean: 1.. }) {
            // Further up it only goes on doubling.
            return moves;
        }
        if self.now < HORIZON {
            moves.push(Move::Tick);
        }
        if self.out.len() < self.out_max && self.has_room() {
            moves.push(Move::Acquire);
        }
        for index in 0..self.out.len() {
            // Equal passes come back in one order only.
            if index > 0 && self.out[index] == self.out[index - 1] {
                continue;
            }
            moves.push(Move::Lose(index));
            let slow = SLOW_VERDICTS.into_iter().filter(|_| self.settings.slow.is_some());
            moves.extend(VERDICTS.into_iter().chain(slow).map(|verdict| Move::Settle(index, verdict)));
        }
        moves
    }

    fn step(&mut self, step: Move) -> Result<(), Broken> {
        match step {
            Move::Tick => {
                self.now += 1;
                self.forget();
                Ok(())
            }
            Move::Acquire => self.acquire(),
            Move::Settle(index, verdict) => self.settle(index, verdict),
            Move::Lose(index) => {
                let _lost = self.out.remove(index);
                Ok(())
            }
        }
    }

    fn check(&self) -> Result<(), Broken> {
        let running = self.leases.iter().filter(|end| **end > self.now).count();
        let probes = usize::from(self.settings.probes);
        require(running <= probes, || format!("{running} probes out of {probes} that may be"))?;
        if matches!(self.breaker.state(), BreakerState::Closed { .. }) {
            let (counts, listed) = (self.breaker.clone().counts(at(self.now)), self.listed());
            require(counts == listed, || format!("{counts:?}, but the list has {listed:?}"))?;
        }
        self.recovers()
    }
}

impl<W: Window + Clone> Small<W> {
    /// Time and success lead to closed, whatever came before.
    fn recovers(&self) -> Result<(), Broken> {
        let mut breaker = self.breaker.clone();
        // The longest open time, the longest lease, then as many successes as it asks for.
        for tick in self.now..self.now + 12 {
            if matches!(breaker.state(), BreakerState::Closed { .. }) {
                return Ok(());
            }
            if let Ok(pass) = breaker.try_acquire(at(tick)) {
                breaker.settle(at(tick), pass, Verdict::Success, ENTROPY);
            }
        }
        require(matches!(breaker.state(), BreakerState::Closed { .. }), || format!("stuck in {:?}", breaker.state()))
    }
}

fn config() -> BreakerConfig {
    BreakerConfig {
        open: BackoffConfig { growth: Growth::Exponential, base: TICK, cap: TICK * 3, jitter: Jitter::None },
        lease: TICK * LEASE_TICKS as u32,
        after_closing: AfterClosing::FullTraffic,
        ..BreakerConfig::DEFAULT
    }
}

#[test]
fn every_state_of_small_breakers() {
    for (window, calls_min, failed) in [(1, 1, Share::of(1, 1)), (2, 2, Share::of(1, 2)), (3, 2, Share::of(2, 3))] {
        for (probes, successes) in [(1, 1), (2, 1), (2, 2), (1, 3)] {
            let config = BreakerConfig { window, calls_min, failed, probes, successes, ..config() };
            let states = explore(Small::new(config));
            assert!(states > 1_000, "{config:?} has only {states} states: they cannot show anything");
        }
    }
}

#[test]
fn every_state_of_small_breakers_that_judge_slowness_or_ramp_up() {
    for slow in [Share::of(1, 2), Share::of(1, 1)] {
        let config = BreakerConfig { window: 2, calls_min: 2, failed: Share::of(1, 1), slow: Some(slow), ..config() };
        let states = explore(Small::new(config));
        assert!(states > 1_000, "{config:?} has only {states} states: they cannot show anything");
    }
    let ramp = AfterClosing::Ramp;
    let config = BreakerConfig { window: 5, calls_min: 5, failed: Share::of(1, 2), after_closing: ramp, ..config() };
    let states = explore(Small::new(config));
    assert!(states > 1_000, "{config:?} has only {states} states: they cannot show anything");
}

#[test]
fn every_state_of_small_breakers_over_a_period() {
    for (ticks, calls_min, failed) in [(1, 1, Share::of(1, 1)), (2, 2, Share::of(1, 2)), (5, 2, Share::of(2, 3))] {
        for (probes, successes) in [(1, 1), (2, 2)] {
            let config = BreakerConfig { calls_min, failed, probes, successes, ..config() };
            let states = explore(Small::over_ticks(ticks, config));
            assert!(states > 1_000, "{config:?} has only {states} states: they cannot show anything");
        }
    }
}

#[test]
fn every_state_of_small_breakers_over_a_period_that_judge_slowness_or_ramp_up() {
    let (slow, ramp) = (Some(Share::of(1, 2)), AfterClosing::Ramp);
    for config in [
        BreakerConfig { calls_min: 1, failed: Share::of(1, 1), slow, ..config() },
        BreakerConfig { calls_min: 5, failed: Share::of(1, 2), after_closing: ramp, ..config() },
    ] {
        let states = explore(Small::over_ticks(2, config));
        assert!(states > 1_000, "{config:?} has only {states} states: they cannot show anything");
    }
}
