//! One tile, from being asked for to its report.
//!
//! What is kept comes first, then the sources, one call after the other while a tile moves between them, and then whatever
//! can stand in for what did not come.

use tidegate_core::{Call, End, Instant, TileId, drive::Clock};

use super::{
    CorrelationId, Done, Failure, Saved, Shared, Slot, TileOutcome, TileReport,
    route::{Ended, Shunned},
    stock::{Beforehand, OFFLINE, Stock},
};
use crate::transport::Transport;

impl<T, C> Shared<T, C>
where
    T: Transport,
    C: Clock<Sleep: Send> + Send + Sync + 'static,
{
    /// Runs one tile to its end. Where there is nobody to ask afterwards, nothing is put off.
    pub(super) async fn fetch(&self, id: CorrelationId, tile: TileId, deadline: Instant, has_afterwards: bool) -> Done {
        let clock = self.parts.upstream.clock();
        let asked_at = clock.now();
        let mut report = not_begun(id, tile);
        let mut first_grant = None;
        let mut stock = self.stock(tile);
        let (slot, refresh) = match self.beforehand(&stock, &mut report, has_afterwards).await {
            Beforehand::Done { slot, refresh } => (Some(slot), refresh),
            Beforehand::Ask => (self.ask(&mut stock, deadline, &mut report, &mut first_grant).await, false),
            Beforehand::Missing => {
                report.outcome = TileOutcome::Failed(OFFLINE);
                (self.make_do(&stock, &mut report, OFFLINE).await, false)
            }
            Beforehand::Stopped => (None, false),
        };
        let now = clock.now();
        report.queue_wait = first_grant.unwrap_or(now).saturating_since(asked_at);
        report.latency = first_grant.map_or(std::time::Duration::ZERO, |granted| now.saturating_since(granted));
        log_end(&report, self.parts.log_locations);
        self.routes.watch.tile(now, &report);
        Done { report, slot, refresh }
    }

    /// Asks for a tile that was handed over as it was kept. What comes of it is for the next one who wants it.
    pub(super) async fn refresh(&self, id: CorrelationId, tile: TileId, deadline: Instant) {
        let mut report = not_begun(id, tile);
        let mut stock = self.stock(tile);
        drop(self.ask(&mut stock, deadline, &mut report, &mut None).await);
        log_end(&report, self.parts.log_locations);
        let mut afterwards = self.afterwards();
        afterwards.request(1);
        afterwards.record(&report);
    }

    /// Asks the sources, as long as it takes and is worth it.
    async fn ask(
        &self,
        stock: &mut Stock,
        deadline: Instant,
        report: &mut TileReport,
        first_grant: &mut Option<Instant>,
    ) -> Option<Slot> {
        let mut shunned = Shunned::default();
        let (end, slot) = loop {
            let mut call = Call::new(&self.parts.policy, deadline);
            match self.attempts(&mut call, shunned, stock, report, first_grant).await {
                Ended::Elsewhere { source } => shunned = shunned.with(source),
                Ended::Here { end, slot } => break (end, slot),
            }
        };
        if report.outcome.tile().is_some() {
            return slot;
        }
        let failure = Failure { end, last: report.last_fault() };
        report.outcome = outcome_of(failure, deadline);
        // Its body has gone already, and another one may take its place.
        drop(slot);
        match report.outcome {
            TileOutcome::Failed(_) | TileOutcome::Cancelled => self.make_do(stock, report, failure).await,
            _ => None,
        }
    }

    /// Puts something lesser in the place of a tile that did not come, where there is anything.
    async fn make_do(&self, stock: &Stock, report: &mut TileReport, failure: Failure) -> Option<Slot> {
        let (outcome, slot) = self.stand_in(stock, report.tile, failure).await?;
        report.outcome = outcome;
        Some(slot)
    }
}

/// A tile of which nothing is known yet.
pub(super) const fn not_begun(id: CorrelationId, tile: TileId) -> TileReport {
    TileReport {
        id,
        tile,
        outcome: TileOutcome::Cancelled,
        attempts: Vec::new(),
        late: std::time::Duration::ZERO,
        queue_wait: std::time::Duration::ZERO,
        latency: std::time::Duration::ZERO,
        saved: Saved { requests: 0, bytes: 0 },
    }
}

/// What an end without a body means for the tile.
fn outcome_of(failure: Failure, deadline: Instant) -> TileOutcome {
    match failure.end {
        End::Empty => TileOutcome::Empty,
        End::Cancelled => TileOutcome::Cancelled,
        // The deadline is the whole run's: what it cuts short is unfinished, whatever went wrong before. Without a deadline
        // only a server's hint reaches the end of time, and that is a failure.
        End::OutOfTime { .. } if deadline < Instant::MAX => TileOutcome::Cancelled,
        End::Succeeded
        | End::Refused(_)
        | End::Exhausted { .. }
        | End::OutOfTime { .. }
        | End::OutOfPatience { .. }
        | End::Barred(_)
        | End::QueueFull => TileOutcome::Failed(failure),
    }
}

fn log_end(report: &TileReport, with_location: bool) {
    let (id, tile, attempts) = (report.id, report.tile, report.attempts.len());
    let location = with_location.then(|| tracing::field::display(tile.show_location()));
    match &report.outcome {
        TileOutcome::Failed(failure) => tracing::warn!(%id, %tile, location, attempts, %failure, "tile given up"),
        TileOutcome::Stale { past, .. } => {
            tracing::info!(%id, %tile, location, attempts, past_s = past.as_secs(), "tile is stale")
        }
        TileOutcome::FromParent { part, after, .. } => {
            let levels = part.levels;
            tracing::warn!(%id, %tile, location, attempts, failure = %after, levels, "a parent stands in");
        }
        TileOutcome::Fetched(_) | TileOutcome::Revalidated { .. } | TileOutcome::Empty => {
            tracing::debug!(%id, %tile, location, attempts, "tile done");
        }
        TileOutcome::Cancelled => tracing::debug!(%id, %tile, location, attempts, "tile cancelled"),
    }
}
