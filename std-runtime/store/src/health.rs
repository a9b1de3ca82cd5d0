//! How a run is doing, for whoever watches it from outside: a few pages over HTTP.
//!
//! | page | says |
//! |---|---|
//! | `/healthz` | JSON: healthy or degraded, and a few figures; 200 for both, since a source's trouble is no reason to restart |
//! | `/livez` | 200: the process answers |
//! | `/readyz` | 200 while some source can be asked, 503 while the breakers of all are open |
//! | `/metrics` | everything that is counted, as Prometheus text |
//!
//! [`Health`] counts as a [`Watch`] of the fetcher; a [`Server`] shows it on a thread of its own, with a bound on connections
//! and on the time that each may take. Sources are numbered in the order of the command line. No page says where a tile is.

mod metrics;
mod server;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use tidegate::{
    fetch::{Attempt, Fault, TileReport, Watch},
    ledger::Ledger,
    transport::pooled::PoolState,
    upstream::Status,
};
use tidegate_core::{Instant, breaker::BreakerState};

pub use server::Server;

/// What is counted for the pages.
#[derive(Debug)]
pub struct Health {
    started: Instant,
    state: Mutex<State>,
}

/// What is looked up when a page is asked for.
#[derive(Clone, Debug)]
pub struct Figures {
    /// The present time, on the fetcher's clock.
    pub now: Instant,
    /// Each source's gate.
    pub sources: Vec<Status>,
    /// The HTTP client.
    pub pool: PoolState,
}

#[derive(Debug, Default)]
struct State {
    ledger: Ledger,
    sources: Vec<Source>,
    /// Whether each of the last [`WINDOW`] attempts succeeded.
    window: VecDeque<bool>,
}

#[derive(Clone, Debug, Default)]
struct Source {
    succeeded: u64,
    failed: u64,
    /// Ended by whoever made them: neither.
    cut_off: u64,
    faults: BTreeMap<&'static str, u64>,
    latency: Duration,
    /// Attempts that took no longer than the bound of the same place in [`BOUNDS_MS`], and longer than the one before.
    buckets: [u64; BOUNDS_MS.len()],
}

/// How many attempts `/healthz` judges by.
pub const WINDOW: usize = 100;
/// Upper bounds of the latency histogram.
const BOUNDS_MS: [u64; 12] = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000];

impl Health {
    /// Counts from `now` on, for so many sources.
    #[must_use]
    pub fn start(now: Instant, sources: usize) -> Self {
        let state = State { sources: vec![Source::default(); sources], ..State::default() };
        Self { started: now, state: Mutex::new(state) }
    }

    /// What `/healthz` says.
    #[must_use]
    pub fn healthz(&self, figures: &Figures) -> Value {
        let state = self.state();
        let (mut succeeded, mut failed, mut latency) = (0, 0, Duration::ZERO);
        for source in &state.sources {
            succeeded += source.succeeded;
            failed += source.failed;
            latency += source.latency;
        }
        let total = succeeded + failed;
        let average_ms = if total == 0 { 0.0 } else { latency.as_secs_f64() * 1e3 / total as f64 };
        json!({
            "status": if state.is_healthy() { "healthy" } else { "degraded" },
            "uptime_seconds": figures.now.saturating_since(self.started).as_secs(),
            "stats": {
                "requests_total": total,
                "requests_successful": succeeded,
                "requests_failed": failed,
                "avg_latency_ms": average_ms,
                "current_concurrency": figures.sources.iter().map(|status| u64::from(status.in_flight)).sum::<u64>(),
            },
        })
    }

    /// What `/metrics` says.
    #[must_use]
    pub fn metrics(&self, figures: &Figures) -> String {
        metrics::text(&self.state(), figures, figures.now.saturating_since(self.started))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Figures {
    /// Whether some source can be asked.
    fn is_ready(&self) -> bool {
        let is_open = |status: &Status| matches!(status.breaker, BreakerState::Open { until, .. } if self.now < until);
        !self.sources.iter().all(is_open)
    }
}

impl State {
    /// Over 95 % succeeded, or nothing was asked yet.
    fn is_healthy(&self) -> bool {
        let succeeded = self.window.iter().filter(|succeeded| **succeeded).count();
        self.window.is_empty() || succeeded * 100 > self.window.len() * 95
    }
}

impl Watch for Health {
    fn attempt(&self, _now: Instant, attempt: &Attempt) {
        let mut state = self.state();
        // What its own caller cut off is neither.
        if matches!(attempt.fault, Some(Fault::CutOff | Fault::Overtaken)) {
            if let Some(source) = state.sources.get_mut(attempt.source) {
                source.cut_off += 1;
            }
            return;
        }
        if state.window.len() == WINDOW {
            state.window.pop_front();
        }
        state.window.push_back(attempt.fault.is_none());
        let Some(source) = state.sources.get_mut(attempt.source) else { return };
        source.latency += attempt.latency;
        if let Some(place) = BOUNDS_MS.iter().position(|bound| attempt.latency <= Duration::from_millis(*bound)) {
            source.buckets[place] += 1;
        }
        match attempt.fault {
            None => source.succeeded += 1,
            Some(fault) => {
                source.failed += 1;
                *source.faults.entry(fault.kind()).or_default() += 1;
            }
        }
    }

    fn tile(&self, _now: Instant, report: &TileReport) {
        let ledger = &mut self.state().ledger;
        ledger.request(1);
        ledger.record(report);
    }
}

#[cfg(test)]
mod tests;
