//! A second request to another source when the first one is slow.
//!
//! Most answers come quickly; the few that do not decide how long a page takes. When an attempt has lasted longer than
//! [`QUANTILE`] of what its source took lately, the same tile is asked of another source, and the first whole answer counts
//! (Dean and Barroso, "The Tail at Scale", 2013). That is about one attempt in twenty.
//!
//! > A hedge only adds. Whatever becomes of it, the attempt that it hedges has its whole time and its own outcome.
//!
//! - It is a retry at its source's gate: healthy, with room at once, and out of that gate's retry budget, or there is none.
//!   It does not wait, and an empty budget is no reason to end anything.
//! - The one that is overtaken is dropped, and settled as cancelled. Both are attempts in the report, also where a hedge was
//!   overtaken before it had left the machine.
//! - How long the overtaken one had taken by then counts as its latency, though it is only a lower bound: without it the
//!   slow ones would vanish from what is measured, and more and more would be hedged.
//!
//! **When it harms**: where the sources share what is slow (a database, a line), since it is then asked twice. And it may hold
//! twice as many bodies as there are places.

use std::{
    future::Future,
    pin::pin,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tidegate_core::{
    Admission, Entropy, Instant, Outcome, Ticket, TileId, Try,
    drive::Clock,
    latency::{LatencyConfig, Quantile, RotatingBuckets},
};

use super::{Attempt, CorrelationId, Fault, Shared, attempt::Answer, route::Shunned, stock::Stock};
use crate::{
    transport::{Request, Transport},
    upstream::Upstream,
};

/// What an attempt has to outlast to be hedged.
const QUANTILE: Quantile = Quantile::P95;
/// With fewer answers than this the quantile is only the slowest of them.
pub const HEDGE_SAMPLES_MIN: u64 = 20;
/// Answers of at least this time are looked at, and at most of twice as much.
const WINDOW: Duration = Duration::from_secs(60);

type Buckets = RotatingBuckets<{ LatencyConfig::DEFAULT.cells() }>;

/// How long each source took lately.
#[derive(Debug)]
pub(super) struct Hedges(Vec<Mutex<Buckets>>);

impl Hedges {
    /// Of so many sources; `None` with fewer than two.
    pub(super) fn new(sources: usize) -> Option<Self> {
        let buckets = (0..sources).map(|_| Buckets::new(LatencyConfig::DEFAULT, WINDOW).ok().map(Mutex::new));
        let buckets = buckets.collect::<Option<Vec<_>>>()?;
        (buckets.len() > 1).then_some(Self(buckets))
    }

    /// How long an attempt at this source lasts before it is hedged; `None` while too little is known.
    fn after(&self, source: usize, now: Instant) -> Option<Duration> {
        let buckets = lock(self.0.get(source)?);
        let view = buckets.view(now);
        if u64::from(view.count()) < HEDGE_SAMPLES_MIN { None } else { view.quantile(QUANTILE) }
    }

    fn record(&self, source: usize, now: Instant, latency: Duration) {
        if let Some(buckets) = self.0.get(source) {
            lock(buckets).record(now, latency);
        }
    }
}

/// What came of an attempt, hedged or not.
pub(super) struct Raced {
    /// The answer that counts.
    pub(super) answer: Answer,
    /// Where it came from, if that was the hedge …
    pub(super) overtaken_by: Option<usize>,
    /// … and then what became of the attempt itself.
    pub(super) original: Option<Fault>,
}

impl Raced {
    const fn original(answer: Answer) -> Self {
        Self { answer, overtaken_by: None, original: None }
    }
}

/// The hedge of an attempt, also where that ended before it.
#[derive(Debug, Default)]
pub(super) struct Beside(Mutex<Option<Begun>>);

#[derive(Clone, Copy, Debug)]
struct Begun {
    source: usize,
    started: Instant,
    /// How it ended by itself.
    ended: Option<(Instant, Option<Fault>)>,
}

impl Beside {
    /// As an attempt of the report; one that did not end by itself was dropped at `now`.
    pub(super) fn into_attempt(self, now: Instant, dropped: Fault) -> Option<Attempt> {
        let Begun { source, started, ended } = self.0.into_inner().unwrap_or_else(PoisonError::into_inner)?;
        let (at, fault) = ended.unwrap_or((now, Some(dropped)));
        Some(Attempt { source, latency: at.saturating_since(started), fault, again: false, hedge: true })
    }

    fn set(&self, begun: Begun) {
        *lock(&self.0) = Some(begun);
    }
}

/// What is to be asked, and by whom.
#[derive(Clone, Copy)]
pub(super) struct Errand {
    pub(super) id: CorrelationId,
    pub(super) tile: TileId,
    /// Attempts made before.
    pub(super) attempts: usize,
    pub(super) shunned: Shunned,
}

/// A place at a gate, given back as cancelled when it is dropped.
struct Second<'s, C: Clock> {
    source: usize,
    upstream: &'s Upstream<C>,
    ticket: Option<Ticket>,
}

impl<C: Clock> Second<'_, C> {
    fn settle(mut self, outcome: Outcome, entropy: Entropy) {
        if let Some(ticket) = self.ticket.take() {
            let now = self.upstream.clock().now();
            self.upstream.control(|gate| gate.settle(now, ticket, outcome, entropy));
        }
    }
}

impl<C: Clock> Drop for Second<'_, C> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            let now = self.upstream.clock().now();
            self.upstream.control(|gate| gate.cancel(now, ticket));
        }
    }
}

impl<T, C> Shared<T, C>
where
    T: Transport,
    C: Clock<Sleep: Send> + Send + Sync + 'static,
{
    /// Makes one attempt, and hedges it where that is wanted and worth it.
    pub(super) async fn race(
        &self,
        source: usize,
        request: Request,
        stock: &Stock,
        errand: Errand,
        beside: &Beside,
    ) -> (Outcome, Raced) {
        let clock = self.parts.upstream.clock();
        let started = clock.now();
        let mut original = pin!(self.attempt(source, request, stock.of(source)));
        let Some(hedges) = &self.hedges else {
            let (outcome, answer) = original.await;
            return (outcome, Raced::original(answer));
        };
        let took = |source, since: Instant| {
            let now = clock.now();
            hedges.record(source, now, now.saturating_since(since));
        };
        let alone = |(outcome, answer): (Outcome, Answer)| {
            if is_answer(outcome) {
                took(source, started);
            }
            (outcome, Raced::original(answer))
        };
        let slow = async {
            match hedges.after(source, started) {
                Some(after) => clock.sleep_until(started.saturating_add(after)).await,
                None => std::future::pending().await,
            }
        };
        if let Some(quick) = either(original.as_mut(), slow).await {
            return alone(quick);
        }
        let Some(second) = self.second(source, errand) else { return alone(original.await) };

        let begun = Begun { source: second.source, started: clock.now(), ended: None };
        beside.set(begun);
        let request = self.request(second.source, errand.id, errand.tile, errand.attempts + 1);
        // Seldom, and not worth its room in every attempt.
        let mut hedge = Box::pin(self.attempt(second.source, request, stock.of(second.source)));
        let first = smol::future::or(async { Whose::Original(original.as_mut().await) }, async {
            Whose::Hedge(hedge.as_mut().await)
        });
        match first.await {
            Whose::Original(ended) if is_answer(ended.0) => alone(ended),
            Whose::Original((outcome, answer)) => {
                let (also, hedged) = hedge.await;
                self.end_second(second, begun, also, &hedged, beside);
                if is_answer(also) {
                    took(begun.source, begun.started);
                    let original = answer.made.err().flatten();
                    return (outcome, Raced { answer: hedged, overtaken_by: Some(begun.source), original });
                }
                (outcome, Raced::original(answer))
            }
            Whose::Hedge((outcome, hedged)) => {
                self.end_second(second, begun, outcome, &hedged, beside);
                if !is_answer(outcome) {
                    return alone(original.await);
                }
                took(begun.source, begun.started);
                took(source, started);
                let raced =
                    Raced { answer: hedged, overtaken_by: Some(begun.source), original: Some(Fault::Overtaken) };
                (Outcome::Cancelled, raced)
            }
        }
    }

    /// A place for a hedge elsewhere: at once, or none.
    fn second(&self, source: usize, errand: Errand) -> Option<Second<'_, C>> {
        let other = self.choose_again(errand.tile, errand.shunned.with(source))?;
        let upstream = self.upstream(other);
        let now = upstream.clock().now();
        let admission = upstream.control(|gate| gate.is_healthy().then(|| gate.poll(now, Try::Again)))?;
        match admission {
            Admission::Go(ticket) => Some(Second { source: other, upstream, ticket: Some(ticket) }),
            Admission::Wait { .. } | Admission::Full { .. } | Admission::Never { .. } => None,
        }
    }

    fn end_second(&self, second: Second<'_, C>, begun: Begun, outcome: Outcome, answer: &Answer, beside: &Beside) {
        let fault = answer.made.as_ref().err().copied().flatten();
        beside.set(Begun { ended: Some((self.parts.upstream.clock().now(), fault)), ..begun });
        second.settle(outcome, self.parts.chance.draw());
    }
}

enum Whose {
    Original((Outcome, Answer)),
    Hedge((Outcome, Answer)),
}

/// Whether the tile's fate is known by this: a tile, or that there is none.
const fn is_answer(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Success | Outcome::Empty)
}

/// The output of `work`, or `None` where `limit` is over first.
async fn either<W>(work: impl Future<Output = W>, limit: impl Future<Output = ()>) -> Option<W> {
    let limit = async {
        limit.await;
        None
    };
    smol::future::or(async { Some(work.await) }, limit).await
}

fn lock<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
