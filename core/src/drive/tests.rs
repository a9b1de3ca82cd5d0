//! What the driver promises, on virtual time and an executor of one thread: nothing here sleeps.

extern crate std;

mod agreement;
mod attempts;
mod lines;
mod settings;
mod stories;
mod turns;
mod waits;
mod world;

use core::{cell::RefCell, time::Duration};
use std::{rc::Rc, vec::Vec};

use super::*;
use crate::{
    backoff::{BackoffConfig, Growth, Jitter},
    breaker::{AfterClosing, BreakerConfig, BreakerMode},
    budget::RetryBudgetConfig,
    call::{CallConfig, CallPolicy},
    gate::{Admission, Control, GateConfig, RateControl, Try, Why},
    limit::LimitConfig,
    rate::{Rate, RateConfig},
};
use world::{START, World, millis, secs};

/// One at a time, attempts of at most 10 s, and a breaker that stays out of the way.
const ONE_AT_A_TIME: GateConfig = GateConfig {
    breaker: BreakerConfig {
        mode: BreakerMode::ForcedClosed,
        after_closing: AfterClosing::FullTraffic,
        ..BreakerConfig::DEFAULT
    },
    rate: RateControl::Unlimited,
    limit: LimitConfig::fixed(1),
    budget: None,
    ..GateConfig::DEFAULT
};

/// Three attempts, 1 s doubling, no jitter, all the patience there is.
const POLICY: CallConfig = CallConfig {
    attempts: 3,
    backoff: BackoffConfig {
        growth: Growth::Exponential,
        base: Duration::from_secs(1),
        cap: Duration::from_secs(60),
        jitter: Jitter::None,
    },
    throttled: BackoffConfig {
        growth: Growth::Exponential,
        base: Duration::from_secs(5),
        cap: Duration::from_secs(60),
        jitter: Jitter::None,
    },
    patience: None,
};

#[test]
fn a_clock_behind_a_reference_tells_the_same_time() {
    fn now_of<C: Clock>(clock: C) -> Instant {
        clock.now()
    }
    let world = world_of(ONE_AT_A_TIME);
    assert_eq!(now_of(&world.time), START);
}

fn world_of(config: GateConfig) -> World {
    World::new(config)
}

fn policy(config: CallConfig) -> CallPolicy {
    CallPolicy::new(config).expect("valid settings")
}

fn entropy() -> Entropy {
    Entropy::new(u32::MAX / 2)
}

/// What happened, and when: seconds and milliseconds after the start.
#[derive(Clone, Default)]
struct Journal(Rc<RefCell<Vec<(u64, usize)>>>);

impl Journal {
    fn note(&self, now: Instant, who: usize) {
        let ms = now.saturating_since(START).as_millis() as u64;
        self.0.borrow_mut().push((ms, who));
    }

    fn entries(&self) -> Vec<(u64, usize)> {
        self.0.borrow().clone()
    }

    fn order(&self) -> Vec<usize> {
        self.0.borrow().iter().map(|(_, who)| *who).collect()
    }
}
