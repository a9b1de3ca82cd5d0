//! What was asked for and what came of it, counted twice so that nothing is lost or made up.
//!
//! > requested = fetched + revalidated + stale + from_parent + empty + failed + cancelled
//!
//! `requested` is counted when a tile is taken up, the rest when its report comes back. One name per thing, here, in JSON
//! and in metrics.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::fetch::{ACCESS_REFUSED, BARRED, Fault, TileOutcome, TileReport, USAGE_POLICY};

/// Counts of tiles and attempts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Tiles asked for.
    pub requested: u64,
    /// Tiles that were fetched and verified.
    pub fetched: u64,
    /// Tiles that were already there and still valid: within their time, unchanged (304), or found in the archive.
    pub revalidated: u64,
    /// Tiles served from before, past their time.
    pub stale: u64,
    /// Tiles that a kept parent stands in for.
    pub from_parent: u64,
    /// Tiles of which the server said that there is nothing.
    pub empty: u64,
    /// Tiles given up.
    pub failed: u64,
    /// Tiles not finished because the run was stopped or its time was over.
    pub cancelled: u64,
    /// Attempts made.
    pub attempts: u64,
    /// Attempts beyond the first of their tile, without those beside them.
    pub retries: u64,
    /// Attempts beside one that was slow.
    pub hedges: u64,
    /// Those of them that answered first.
    pub hedges_won: u64,
    /// Bytes of the tiles fetched, as sent.
    pub bytes: u64,
    /// Requests that the cache made unnecessary.
    pub requests_saved: u64,
    /// Bytes that were not sent again, because they were kept.
    pub bytes_saved: u64,
    /// Tiles given up, by kind; those that a parent stands in for are not among them.
    pub failed_by_kind: BTreeMap<&'static str, u64>,
    /// Attempts that went wrong, by kind, whether or not the tile came in the end.
    pub faults_by_kind: BTreeMap<&'static str, u64>,
}

/// A ledger that does not balance: a defect of tidegate, worth a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the ledger does not balance: {requested} tiles requested, {accounted} accounted for; please report this")]
pub struct Imbalance {
    /// Tiles asked for.
    pub requested: u64,
    /// Tiles of which something is known.
    pub accounted: u64,
}

impl Ledger {
    /// Counts tiles that are asked for.
    pub fn request(&mut self, tiles: u64) {
        self.requested += tiles;
    }

    /// Counts tiles that will not be begun any more.
    pub fn cancel(&mut self, tiles: u64) {
        self.cancelled += tiles;
    }

    /// Counts tiles that are given up without a report of their own, as of this kind.
    pub fn give_up(&mut self, tiles: u64, kind: &'static str) {
        self.failed += tiles;
        if tiles > 0 {
            *self.failed_by_kind.entry(kind).or_default() += tiles;
        }
    }

    /// Counts what came of one tile.
    pub fn record(&mut self, report: &TileReport) {
        match &report.outcome {
            TileOutcome::Fetched(fetched) => {
                self.fetched += 1;
                self.bytes += fetched.body.len() as u64;
            }
            TileOutcome::Revalidated { .. } => self.revalidated += 1,
            TileOutcome::Stale { .. } => self.stale += 1,
            TileOutcome::FromParent { .. } => self.from_parent += 1,
            TileOutcome::Empty => self.empty += 1,
            TileOutcome::Failed(failure) => self.give_up(1, failure.kind()),
            TileOutcome::Cancelled => self.cancelled += 1,
        }
        self.requests_saved += report.saved.requests;
        self.bytes_saved += report.saved.bytes;
        let attempts = report.attempts.len() as u64;
        let hedges = || report.attempts.iter().filter(|attempt| attempt.hedge);
        self.attempts += attempts;
        self.hedges += hedges().count() as u64;
        self.hedges_won += hedges().filter(|attempt| attempt.fault.is_none()).count() as u64;
        self.retries += (report.tries() as u64).saturating_sub(1);
        for fault in
            report.attempts.iter().filter_map(|attempt| attempt.fault).filter(|fault| *fault != Fault::Overtaken)
        {
            *self.faults_by_kind.entry(fault.kind()).or_default() += 1;
        }
    }

    /// Adds the attempts of tiles that were asked for after they had been handed over and counted. They are no tiles of their
    /// own here.
    pub fn add_attempts(&mut self, refreshed: &Self) {
        self.attempts += refreshed.attempts;
        self.retries += refreshed.retries;
        self.hedges += refreshed.hedges;
        self.hedges_won += refreshed.hedges_won;
        self.bytes += refreshed.bytes;
        self.bytes_saved += refreshed.bytes_saved;
        for (kind, count) in &refreshed.faults_by_kind {
            *self.faults_by_kind.entry(kind).or_default() += count;
        }
    }

    /// Whether the host refused access for good, so that tiles were given up unasked, or to every single tile.
    #[must_use]
    pub fn was_barred(&self) -> bool {
        self.failed_by_kind.contains_key(BARRED) || self.failed_by_kind.get(ACCESS_REFUSED) == Some(&self.requested)
    }

    /// Whether something would have gone to a server whose usage policy forbids it.
    #[must_use]
    pub fn met_a_usage_policy(&self) -> bool {
        self.faults_by_kind.contains_key(USAGE_POLICY)
    }

    /// Tiles of which something is known.
    #[must_use]
    pub const fn accounted(&self) -> u64 {
        self.fetched + self.revalidated + self.stale + self.from_parent + self.empty + self.failed + self.cancelled
    }

    /// Whether every tile asked for is accounted for, once.
    ///
    /// # Errors
    /// Where it is not.
    pub const fn balance(&self) -> Result<(), Imbalance> {
        let (requested, accounted) = (self.requested, self.accounted());
        if requested == accounted { Ok(()) } else { Err(Imbalance { requested, accounted }) }
    }
}
