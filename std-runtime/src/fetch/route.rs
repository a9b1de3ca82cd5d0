//! Where an attempt goes, where there is more than one source, and who hears what came of it.
//!
//! Each source has a gate of its own, so that one that is down costs the others nothing. Which of them an attempt goes to is
//! asked anew for each: a [`Choice`] looks at the gates, and what has failed at one source may be tried again at another. A
//! call that waits for a gate looks again whenever an attempt went wrong anywhere, and leaves for a better one.
//!
//! **When it harms**: sources that serve different maps. Whoever names several promises that they are the same.

use std::{fmt, pin::pin, sync::Arc};

use tidegate_core::{
    Call, End, Instant, TileId, Try,
    drive::{Clock, Permit},
};

use super::{Attempt, Caching, Fault, Shared, Slot, TileReport, call::log_attempt};
use crate::{
    clock::SystemClock,
    template::UrlTemplate,
    transport::Transport,
    upstream::{Guarded, Upstream, View},
};

/// A further source of the same tiles.
#[derive(Debug)]
pub struct Mirror<C = SystemClock> {
    /// Its gate. On the clock of the first source's.
    pub upstream: Upstream<C>,
    /// Where a tile is there.
    pub template: UrlTemplate,
    /// Whether requests carry their correlation id: only to hosts that are ours.
    pub send_correlation_id: bool,
}

/// Where tiles may come from beside the first source, who chooses, and who listens.
#[derive(Debug)]
pub struct Routes<C = SystemClock> {
    /// The further sources, numbered from 1; at most [`MIRRORS_MAX`].
    pub mirrors: Vec<Mirror<C>>,
    /// Who chooses.
    pub choice: Arc<dyn Choice>,
    /// Who hears of each attempt and each tile.
    pub watch: Arc<dyn Watch>,
    /// What was kept from before, asked before any source.
    pub cache: Option<Caching>,
    /// Whether a slow attempt is hedged at another source: see [`HEDGE_SAMPLES_MIN`](super::HEDGE_SAMPLES_MIN).
    pub hedge: bool,
}

impl<C> Default for Routes<C> {
    fn default() -> Self {
        Self { mirrors: Vec::new(), choice: Arc::new(First), watch: Arc::new(Unwatched), cache: None, hedge: false }
    }
}

/// Most sources beside the first.
pub const MIRRORS_MAX: usize = 15;

/// What is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The tile.
    pub tile: TileId,
    /// Whether it was tried before.
    pub attempt: Try,
}

/// Chooses a source for each attempt.
pub trait Choice: fmt::Debug + Send + Sync {
    /// The source to go to, by its place in `views`; `None` in there is one that is out of the question. Anything else than one
    /// of the others counts as the first of them. The same question in the same state has the same answer.
    fn choose(&self, wanted: Wanted, views: &[Option<View>]) -> usize;

    /// Hears what came of an attempt.
    fn settled(&self, now: Instant, attempt: &Attempt);
}

/// Hears what happens, as it happens. It is called between requests, so it must not block.
pub trait Watch: fmt::Debug + Send + Sync {
    /// An attempt ended.
    fn attempt(&self, now: Instant, attempt: &Attempt);
    /// A tile came to its end.
    fn tile(&self, now: Instant, report: &TileReport);
    /// A tile is left alone until then, before attempt number `attempt` of `attempts`.
    fn backs_off(&self, _now: Instant, _until: Instant, _attempt: u8, _attempts: u8) {}
}

/// The first source that is left.
#[derive(Debug)]
struct First;

impl Choice for First {
    fn choose(&self, _wanted: Wanted, _views: &[Option<View>]) -> usize {
        0
    }

    fn settled(&self, _now: Instant, _attempt: &Attempt) {}
}

#[derive(Debug)]
struct Unwatched;

impl Watch for Unwatched {
    fn attempt(&self, _now: Instant, _attempt: &Attempt) {}
    fn tile(&self, _now: Instant, _report: &TileReport) {}
}

/// Sources that a tile does not go to any more, by their bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shunned(u32);

impl Shunned {
    pub(super) const fn with(self, source: usize) -> Self {
        Self(self.0 | 1 << (source % 32))
    }

    pub(super) const fn has(self, source: usize) -> bool {
        self.0 & 1 << (source % 32) != 0
    }
}

/// What is chosen among the sources that are not shunned; `None` where none is left.
pub(super) fn choose(
    choice: &dyn Choice,
    wanted: Wanted,
    shunned: Shunned,
    views: impl Iterator<Item = View>,
) -> Option<usize> {
    let mut seen = [None; MIRRORS_MAX + 1];
    let mut count = 0;
    for (place, (source, view)) in seen.iter_mut().zip(views.enumerate()) {
        *place = (!shunned.has(source)).then_some(view);
        count += 1;
    }
    let seen = seen.get(..count)?;
    let first = seen.iter().position(Option::is_some)?;
    let chosen = choice.choose(wanted, seen);
    Some(if seen.get(chosen).is_some_and(Option::is_some) { chosen } else { first })
}

/// How a call ended.
pub(super) enum Ended {
    /// For good.
    Here { end: End, slot: Option<Slot> },
    /// Only at this source.
    Elsewhere { source: usize },
}

impl<T, C> Shared<T, C>
where
    T: Transport,
    C: Clock<Sleep: Send> + Send + Sync + 'static,
{
    /// Waits for admission at the best source, and moves to another one that has become better meanwhile.
    pub(super) async fn admit(
        &self,
        call: &mut Call<'_>,
        shunned: Shunned,
        tile: TileId,
    ) -> (usize, Result<Permit<'_, C, Guarded>, End>) {
        if self.sources() == 1 {
            return (0, self.parts.upstream.driver().admit(call).await);
        }
        let attempt = if call.attempts() == 0 { Try::First } else { Try::Again };
        let wanted = Wanted { tile, attempt };
        // Listened for before it is chosen: what changes in between is not missed.
        let mut turned = self.turned.listen();
        let mut source = self.choose(wanted, shunned).unwrap_or(0);
        loop {
            let driver = self.upstream(source).driver();
            let mut admit = pin!(driver.admit(call));
            source = loop {
                let turn = async {
                    (&mut turned).await;
                    None
                };
                if let Some(admitted) = smol::future::or(turn, async { Some(admit.as_mut().await) }).await {
                    return (source, admitted);
                }
                turned = self.turned.listen();
                match self.choose(wanted, shunned) {
                    Some(better) if better != source => break better,
                    Some(_) | None => {}
                }
            };
        }
    }

    fn choose(&self, wanted: Wanted, shunned: Shunned) -> Option<usize> {
        let views = (0..self.sources()).map(|source| self.upstream(source).view(wanted.attempt));
        choose(&*self.routes.choice, wanted, shunned, views)
    }

    /// The best of the other sources for what was tried at those shunned; `None` where there is none.
    pub(super) fn choose_again(&self, tile: TileId, shunned: Shunned) -> Option<usize> {
        self.choose(Wanted { tile, attempt: Try::Again }, shunned)
    }

    /// Tells everybody of an attempt.
    pub(super) fn attempted(&self, report: &mut TileReport, attempt: Attempt) {
        report.attempts.push(attempt);
        log_attempt(report, attempt);
        let now = self.parts.upstream.clock().now();
        self.routes.watch.attempt(now, &attempt);
        if self.sources() > 1 {
            self.routes.choice.settled(now, &attempt);
            if attempt.fault.is_some_and(|fault| fault != Fault::Overtaken) {
                self.turned.notify(usize::MAX);
            }
        }
    }

    /// A source that refuses says nothing about the others: the tile goes there, as if it had not been asked for yet.
    pub(super) fn ended(
        &self,
        source: usize,
        shunned: Shunned,
        end: End,
        report: &TileReport,
        slot: Option<Slot>,
    ) -> Ended {
        let refused = matches!(end, End::Refused(_) | End::Barred(_));
        if refused && self.may_go_elsewhere(source, shunned, report) {
            Ended::Elsewhere { source }
        } else {
            Ended::Here { end, slot }
        }
    }

    /// Whether this source asked to be left alone and another one can be asked at once.
    pub(super) fn is_paused_alone(&self, source: usize, shunned: Shunned, report: &TileReport) -> bool {
        self.may_go_elsewhere(source, shunned, report)
            && matches!(self.upstream(source).view(Try::Again), View::Paused { .. })
            && (0..self.sources()).any(|other| {
                let is_left = other != source && !shunned.has(other);
                is_left && matches!(self.upstream(other).view(Try::First), View::Free | View::Busy)
            })
    }

    /// Whether attempts and sources are left.
    fn may_go_elsewhere(&self, source: usize, shunned: Shunned, report: &TileReport) -> bool {
        let with_this = shunned.with(source);
        report.tries() < usize::from(self.parts.policy.attempts())
            && (0..self.sources()).any(|other| !with_this.has(other))
    }

    pub(super) fn sources(&self) -> usize {
        1 + self.routes.mirrors.len()
    }

    /// The gate of a source.
    pub(super) fn upstream(&self, source: usize) -> &Upstream<C> {
        self.mirror(source).map_or(&self.parts.upstream, |mirror| &mirror.upstream)
    }

    pub(super) fn template(&self, source: usize) -> &UrlTemplate {
        self.mirror(source).map_or(&self.parts.template, |mirror| &mirror.template)
    }

    /// Whether a source is told correlation ids.
    pub(super) fn tells_id(&self, source: usize) -> bool {
        self.mirror(source).map_or(self.parts.send_correlation_id, |mirror| mirror.send_correlation_id)
    }

    fn mirror(&self, source: usize) -> Option<&Mirror<C>> {
        self.routes.mirrors.get(source.checked_sub(1)?)
    }
}
