//! What the server's thread and its owner share.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use async_channel::Sender;

use super::plan::Plan;
use super::rules::Faults;
use super::stats::{Ledger, MockStats};

/// Counters and faults, and the way to tell the server's thread that these have changed.
pub(super) struct Shared {
    pub(super) ledger: Ledger,
    plan: Mutex<Plan>,
    orders: Sender<Order>,
}

/// What the server's thread is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// The faults have changed.
    Look,
    Stop,
}

impl Shared {
    pub(super) fn new(faults: Faults, now: Instant, orders: Sender<Order>) -> Self {
        Self { ledger: Ledger::new(now), plan: Mutex::new(Plan::new(faults, now)), orders }
    }

    pub(super) fn plan(&self) -> MutexGuard<'_, Plan> {
        // No step of a decision can panic half way; and if one did, the next would be a decision all the same.
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stats(&self) -> MockStats {
        self.ledger.snapshot(Instant::now())
    }

    /// Puts other faults in force, from their beginning.
    pub(super) fn set_faults(&self, faults: Faults) {
        *self.plan() = Plan::new(faults, Instant::now());
        self.look();
    }

    /// Starts the faults from their beginning, and the counters from zero.
    pub(super) fn reset(&self) {
        {
            let mut plan = self.plan();
            *plan = Plan::new(plan.faults().clone(), Instant::now());
            // While nobody can decide in between.
            self.ledger.reset();
        }
        self.look();
    }

    /// Waits until the server's thread has taken the order, or has ended.
    pub(super) fn stop(&self) {
        let _ = self.orders.send_blocking(Order::Stop);
    }

    fn look(&self) {
        // A full channel already holds an order to look.
        let _ = self.orders.try_send(Order::Look);
    }
}
