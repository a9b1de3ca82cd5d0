//! How far a fetch is: a line that rewrites itself on a terminal, a line every few seconds elsewhere.

use std::time::{Duration, Instant};

use tidegate::ledger::Ledger;
use tidegate_core::breaker::BreakerState;

use crate::{
    output::{Output, bytes},
    source::Source,
};

/// How far a fetch is. A retry never counts as work, so it never shows more than there is.
pub(super) struct Progress {
    wanted: u64,
    quiet: bool,
    started: Instant,
    shown: Option<Instant>,
}

impl Progress {
    pub(super) fn start(wanted: u64, quiet: bool) -> Self {
        Self { wanted, quiet, started: Instant::now(), shown: None }
    }

    /// How often it shows where things stand.
    pub(super) fn interval(output: &Output) -> Duration {
        if output.has_terminal() { ON_TERMINAL } else { ELSEWHERE }
    }

    /// Shows where things stand, if it is time to.
    pub(super) fn show(&mut self, ledger: &Ledger, source: &Source, output: &mut Output) {
        let since = self.shown.unwrap_or(self.started);
        if self.quiet || since.elapsed() < Self::interval(output) {
            return;
        }
        self.shown = Some(Instant::now());
        output.progress(&self.line(ledger, source));
    }

    /// Leaves the line as it is.
    pub(super) fn end(&self, output: &mut Output) {
        if self.shown.is_some() {
            output.end_progress();
        }
    }

    fn line(&self, ledger: &Ledger, source: &Source) -> String {
        let done = ledger.accounted();
        let percent = done * 100 / self.wanted.max(1);
        let per_second = done as f64 / self.started.elapsed().as_secs_f64().max(0.001);
        let left = (self.wanted.saturating_sub(done)) as f64 / per_second.max(0.001);
        let eta = Duration::try_from_secs_f64(left.ceil()).unwrap_or(Duration::MAX);
        let status = source.fetcher.upstream().status();
        let breaker = match status.breaker {
            BreakerState::Closed { ramp: u16::MAX, .. } => "closed",
            BreakerState::Closed { .. } => "recovering",
            BreakerState::Open { .. } => "open",
            BreakerState::HalfOpen { .. } => "half-open",
        };
        format!(
            "{done}/{} tiles {percent}% {} {per_second:.0} t/s ETA {eta:?} | ok {} there {} empty {} failed {} retries {} \
             | in flight {}/{} breaker {breaker}",
            self.wanted,
            bytes(ledger.bytes),
            ledger.fetched,
            ledger.revalidated,
            ledger.empty,
            ledger.failed,
            ledger.retries,
            status.in_flight,
            status.limit
        )
    }
}

const ON_TERMINAL: Duration = Duration::from_millis(200);
const ELSEWHERE: Duration = Duration::from_secs(5);
