//! The rate limiter beside a list of the cells that were used.

use super::*;
use crate::rate::{Pacing, Rate, RateConfig, RateLimiter};

const HORIZON: u64 = 7;
const INTERVAL_TICKS: u64 = 2;

#[derive(Clone, Copy, Debug)]
enum Move {
    Tick,
    Acquire(u32),
    /// The cell is used after all: from here on it counts.
    Use(usize),
    Refund(usize),
    PauseFor(u64),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Small {
    limiter: RateLimiter,
    burst: u32,
    now: u64,
    paused_until: u64,
    /// Cells that may be used or given back, and cells that were used: when they were taken.
    open: Vec<u64>,
    used: Vec<u64>,
}

impl Small {
    fn new(burst: u32) -> Self {
        let rate = Rate { count: 1, period: TICK * INTERVAL_TICKS as u32 };
        let limiter = RateLimiter::new(RateConfig { rate, burst }).expect("valid settings");
        Self { limiter, burst, now: 0, paused_until: 0, open: Vec::new(), used: Vec::new() }
    }

    fn acquire(&mut self, cells: u32) -> Result<(), Broken> {
        let mut before = self.limiter.clone();
        match self.limiter.try_acquire(at(self.now), cells) {
            Pacing::Go => {
                require(self.now >= self.paused_until, || String::from("admitted during a pause"))?;
                require(cells <= self.burst, || format!("{cells} at once of a burst of {}", self.burst))?;
                // Given back at once it is as if it had never been taken.
                let mut refunded = self.limiter.clone();
                refunded.refund(at(self.now), cells);
                let again = [&mut refunded, &mut before].map(|limiter| limiter.try_acquire(at(self.now), cells));
                require(again == [Pacing::Go; 2] && refunded == before, || String::from("a fresh refund was lost"))?;
                self.open.extend((0..cells).map(|_| self.now));
                Ok(())
            }
            Pacing::NotBefore(until) => {
                require(self.limiter == before, || String::from("a refusal changed something"))?;
                let early = Instant::from_nanos(until.as_nanos() - 1);
                let mut in_time = before.clone();
                require(before.try_acquire(early, cells) != Pacing::Go, || format!("{until:?} is too late"))?;
                require(in_time.try_acquire(until, cells) == Pacing::Go, || format!("{until:?} is too early"))
            }
            Pacing::Never { burst } => {
                require(burst == self.burst && cells > burst, || format!("never {cells}, but {} may go", self.burst))
            }
        }
    }
}

impl World for Small {
    type Move = Move;

    fn moves(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        if self.now < HORIZON {
            moves.push(Move::Tick);
        }
        if self.open.len() < 2 && self.used.len() < 6 {
            moves.extend([1, 2, self.burst + 1].map(Move::Acquire));
        }
        for index in 0..self.open.len() {
            moves.extend([Move::Use(index), Move::Refund(index)]);
        }
        if self.paused_until == 0 {
            moves.push(Move::PauseFor(3));
        }
        moves
    }

    fn step(&mut self, step: Move) -> Result<(), Broken> {
        match step {
            Move::Tick => self.now += 1,
            Move::Acquire(cells) => return self.acquire(cells),
            Move::Use(index) => {
                let taken = self.open.remove(index);
                self.used.push(taken);
                self.used.sort_unstable();
            }
            Move::Refund(index) => {
                let taken = self.open.remove(index);
                self.limiter.refund(at(taken), 1);
            }
            Move::PauseFor(ticks) => {
                self.paused_until = self.now + ticks;
                self.limiter.pause_until(at(self.paused_until));
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Broken> {
        // Never more: in any span the burst and what the rate gives.
        for (first, from) in self.used.iter().enumerate() {
            for (last, to) in self.used.iter().enumerate().skip(first) {
                let cells = (last - first + 1) as u64;
                let allowed = u64::from(self.burst) + (to - from) / INTERVAL_TICKS;
                require(cells <= allowed, || format!("{cells} cells used from {from} to {to}, {allowed} may be"))?;
            }
        }
        // Never less: after a rest the whole burst goes.
        let mut limiter = self.limiter.clone();
        let rested = self.now.max(self.paused_until) + INTERVAL_TICKS * u64::from(self.burst) * 2;
        let admitted = (0..self.burst).filter(|_| limiter.try_acquire(at(rested), 1) == Pacing::Go).count();
        require(admitted == self.burst as usize, || format!("{admitted} of {} after a long rest", self.burst))
    }
}

#[test]
fn every_state_of_small_limiters() {
    for burst in 1..=3 {
        let states = explore(Small::new(burst));
        assert!(states > 1_000, "a burst of {burst} has only {states} states: they cannot show anything");
    }
}
