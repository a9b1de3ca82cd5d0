//! What the server's thread and its owner share.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::plan::Plan;
use super::rules::Faults;
use super::stats::Ledger;

/// Counters and faults.
pub(super) struct Shared {
    pub(super) ledger: Ledger,
    plan: Mutex<Plan>,
}

impl Shared {
    pub(super) fn new(faults: Faults, now: Instant) -> Self {
        Self { ledger: Ledger::new(now), plan: Mutex::new(Plan::new(faults, now)) }
    }

    pub(super) fn plan(&self) -> MutexGuard<'_, Plan> {
        // No step of a decision can panic half way; and if one did, the next would be a decision all the same.
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts other faults in force, from their beginning.
    pub(super) fn set_faults(&self, faults: Faults) {
        *self.plan() = Plan::new(faults, Instant::now());
    }

    /// Starts the faults from their beginning, and the counters from zero.
    pub(super) fn reset(&self) {
        let mut plan = self.plan();
        *plan = Plan::new(plan.faults().clone(), Instant::now());
        self.ledger.reset();
    }
}
