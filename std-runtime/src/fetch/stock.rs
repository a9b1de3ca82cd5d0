//! What is kept of a tile and its parents, and when that is good enough.

use tidegate_core::{End, Instant, TileId, drive::Clock};

use super::{
    CacheMode, Caching, Failure, Fault, Fetched, Kept, Part, Saved, Shared, Slot, TileOutcome, TileReport, Validity,
    judge,
};
use crate::{
    stop::Extent,
    transport::{Request, Transport},
};

/// What is kept of one tile, by source. Empty without a cache.
#[derive(Debug, Default)]
pub(super) struct Stock(Vec<Option<Kept>>);

impl Stock {
    fn look(caching: &Caching, now: Instant, requests: impl Iterator<Item = Request>) -> Self {
        Self(requests.map(|request| caching.cache.look(now, &request)).collect())
    }

    /// What is kept of a source's answer.
    pub(super) fn of(&self, source: usize) -> Option<&Kept> {
        self.0.get(source)?.as_ref()
    }

    /// It is not there any more.
    pub(super) fn forget(&mut self, source: usize) {
        if let Some(place) = self.0.get_mut(source) {
            *place = None;
        }
    }

    /// The best that may be used: what is fresh, of the first source that has it, and else what is least past its time.
    fn best(&self, may_be_used: impl Fn(&Kept) -> bool) -> Option<&Kept> {
        self.0.iter().flatten().filter(|kept| may_be_used(kept)).min_by_key(|kept| kept.past)
    }
}

/// What follows before any server is asked.
pub(super) enum Beforehand {
    /// The tile is there.
    Done {
        slot: Slot,
        /// It is to be asked for all the same, afterwards.
        refresh: bool,
    },
    /// A server has to be asked.
    Ask,
    /// No server is to be asked.
    Missing,
    /// The run was stopped.
    Stopped,
}

impl<T, C> Shared<T, C>
where
    T: Transport,
    C: Clock<Sleep: Send> + Send + Sync + 'static,
{
    /// What is kept of a tile.
    pub(super) fn stock(&self, tile: TileId) -> Stock {
        let Some(caching) = &self.routes.cache else { return Stock::default() };
        let requests = (0..self.sources()).map(|source| self.plain_request(source, tile));
        Stock::look(caching, self.parts.upstream.clock().now(), requests)
    }

    /// Hands the tile over at once where its mode allows it.
    pub(super) async fn beforehand(&self, stock: &Stock, report: &mut TileReport, has_afterwards: bool) -> Beforehand {
        let Some(caching) = &self.routes.cache else { return Beforehand::Ask };
        let is_offline = caching.mode == CacheMode::Offline;
        let may_be_stale = match caching.mode {
            CacheMode::Online => false,
            CacheMode::Refresh => has_afterwards,
            CacheMode::IfMissing | CacheMode::Offline => true,
        };
        let is_good = |kept: &Kept| {
            // That there is nothing is worth less, once it is past its time, than asking again.
            let is_worth_it = kept.is_tile() || is_offline;
            let allowed = may_be_stale && is_worth_it && !kept.must_ask && caching.degrade.stale.is_some();
            kept.past.is_none() || allowed
        };
        if let Some(kept) = stock.best(is_good) {
            let Some(slot) = self.stop.or(Extent::Drain, self.slots.acquire()).await else {
                return Beforehand::Stopped;
            };
            if let Some(made) = self.read(caching, kept) {
                let refresh = kept.past.is_some() && caching.mode == CacheMode::Refresh;
                if !refresh {
                    report.saved = Saved { requests: 1, bytes: kept.bytes };
                }
                report.outcome = match (made, kept.past) {
                    (None, _) => TileOutcome::Empty,
                    (Some(tile), None) => TileOutcome::Revalidated { tile, by: Validity::Fresh },
                    (Some(tile), Some(past)) => TileOutcome::Stale { tile, past, after: None },
                };
                return Beforehand::Done { slot, refresh };
            }
        }
        if is_offline { Beforehand::Missing } else { Beforehand::Ask }
    }

    /// The best that there is of a tile that its servers did not give, as far down as the caller goes. `None` where that is
    /// nothing, or where they have said that it is not for this client.
    pub(super) async fn stand_in(&self, stock: &Stock, tile: TileId, after: Failure) -> Option<(TileOutcome, Slot)> {
        let caching = self.routes.cache.as_ref().filter(|_| is_no_refusal(after.end))?;
        let degrade = caching.in_its_mode();
        let may_stand_in = |kept: &Kept| kept.is_tile() && kept.may_stand_in(degrade);
        let own = stock.best(may_stand_in).map(|kept| (kept.clone(), None));
        let parents = (1..=degrade.parents).map_while(|levels| Part::of(tile, levels)).filter_map(|part| {
            let kept = self.stock(part.ancestor).best(may_stand_in).cloned()?;
            Some((kept, Some(part)))
        });
        for (kept, part) in own.into_iter().chain(parents) {
            let slot = self.stop.or(Extent::Drain, self.slots.acquire()).await?;
            if let Some(Some(tile)) = self.read(caching, &kept) {
                let outcome = match (part, kept.past) {
                    (Some(part), past) => TileOutcome::FromParent { tile, part, past, after },
                    (None, Some(past)) => TileOutcome::Stale { tile, past, after: Some(after) },
                    (None, None) => TileOutcome::Revalidated { tile, by: Validity::Fresh },
                };
                return Some((outcome, slot));
            }
        }
        None
    }

    /// What is kept, looked into like anything that a server sends: a tile, or `Some(None)` where that there is none is what is
    /// kept.
    fn read(&self, caching: &Caching, kept: &Kept) -> Option<Option<Fetched>> {
        match judge(caching.cache.read(kept)?, self.parts.expect).1 {
            Ok(tile) => Some(Some(tile)),
            Err(None) => Some(None),
            Err(Some(_)) => None,
        }
    }
}

/// No attempt was made and none will be.
pub(super) const OFFLINE: Failure =
    Failure { end: End::Exhausted { attempts: 0, resume_at: Instant::MAX }, last: Some(Fault::Offline) };

/// Whether a server that cannot answer, or does not in time, is all that is wrong. One that says no has answered.
const fn is_no_refusal(end: End) -> bool {
    match end {
        End::Exhausted { .. } | End::OutOfTime { .. } | End::OutOfPatience { .. } | End::QueueFull => true,
        End::Succeeded | End::Empty | End::Refused(_) | End::Barred(_) | End::Cancelled => false,
    }
}
