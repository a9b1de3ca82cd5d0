//! The concurrency limit, fixed and adaptive, to its last count of good and bad.

use super::*;
use crate::{
    limit::{ConcurrencyLimit, LimitConfig, LimitKind, Load, Slot},
    share::Share,
};

#[derive(Clone, Copy, Debug)]
enum Move {
    Acquire,
    Settle(usize, Load),
    Narrow,
}

const LOADS: [Load; 4] = [Load::Carried, Load::Failed, Load::TimedOut, Load::Neutral];

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Small {
    limit: ConcurrencyLimit,
    out: Vec<Slot>,
    floor: u16,
    ceiling: u16,
    narrowed: bool,
}

impl Small {
    fn new(config: LimitConfig) -> Self {
        let limit = ConcurrencyLimit::new(config).expect("valid settings");
        Self { limit, out: Vec::new(), floor: config.floor, ceiling: config.ceiling, narrowed: false }
    }

    /// Only whether a slot is from before the last cut matters, not how many cuts there were.
    fn count_cuts_from_zero(&mut self) {
        for slot in &mut self.out {
            slot.cuts = u8::from(slot.cuts != self.limit.cuts);
        }
        self.limit.cuts = 0;
        self.out.sort_by_key(|slot| slot.cuts);
    }
}

impl World for Small {
    type Move = Move;

    fn moves(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        moves.push(Move::Acquire);
        if !self.narrowed {
            moves.push(Move::Narrow);
        }
        for index in 0..self.out.len() {
            if index == 0 || self.out[index] != self.out[index - 1] {
                moves.extend(LOADS.map(|load| Move::Settle(index, load)));
            }
        }
        moves
    }

    fn step(&mut self, step: Move) -> Result<(), Broken> {
        let (before, out) = (self.limit.limit(), self.out.len());
        match step {
            Move::Acquire => {
                let admitted = self.limit.try_acquire();
                let must = out < usize::from(before);
                require(admitted.is_ok() == must, || format!("{admitted:?} with {out} of {before} in flight"))?;
                self.out.extend(admitted.ok());
            }
            Move::Settle(index, load) => {
                let slot = self.out.remove(index);
                let stale = slot.cuts != self.limit.cuts;
                self.limit.settle(slot, load, Duration::ZERO);
                let after = self.limit.limit();
                let one_flight = !stale || after == before;
                require(one_flight, || {
                    format!("{load:?} of an earlier flight moved the limit from {before} to {after}")
                })?;
                let direction = match load {
                    Load::Carried => after <= before + 1,
                    Load::Failed | Load::TimedOut => after <= before,
                    Load::Neutral => after == before,
                };
                require(direction, || format!("{load:?} moved the limit from {before} to {after}"))?;
            }
            Move::Narrow => {
                self.narrowed = true;
                self.ceiling = self.floor;
                self.limit.set_bounds(self.floor, self.ceiling).expect("valid bounds");
            }
        }
        self.count_cuts_from_zero();
        Ok(())
    }

    fn check(&self) -> Result<(), Broken> {
        let (limit, in_flight) = (self.limit.limit(), usize::from(self.limit.in_flight()));
        require(in_flight == self.out.len(), || format!("{in_flight} counted, {} out", self.out.len()))?;
        let bounded = self.floor <= limit && limit <= self.ceiling;
        require(bounded, || format!("{limit} outside {}..={}", self.floor, self.ceiling))?;
        self.grows()
    }
}

impl Small {
    /// Successes under full use lead back to the ceiling, whatever came before.
    fn grows(&self) -> Result<(), Broken> {
        let (mut limit, mut out) = (self.limit.clone(), self.out.clone());
        for _ in 0..200 {
            if limit.limit() == self.ceiling {
                return Ok(());
            }
            out.extend(core::iter::from_fn(|| limit.try_acquire().ok()));
            let Some(slot) = out.pop() else { break };
            limit.settle(slot, Load::Carried, Duration::ZERO);
        }
        Err(Broken(format!("stuck at {} of {}", limit.limit(), self.ceiling)))
    }
}

#[test]
fn every_state_of_small_limits() {
    for tolerated in [Share::of(1, 3), Share::of(1, 1)] {
        let kind = LimitKind::Aimd { tolerated };
        let states = explore(Small::new(LimitConfig { kind, start: 1, floor: 1, ceiling: 2 }));
        assert!(states > 1_000, "{states} states cannot show anything");
    }
    let fixed = explore(Small::new(LimitConfig::fixed(3)));
    assert!(fixed > 4);
}
