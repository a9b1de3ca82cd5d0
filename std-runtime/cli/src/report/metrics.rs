//! The figures of a run, under names that stay.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value, json};
use tidegate::{
    fetch::{TileOutcome, TileReport},
    ledger::Ledger,
    transport::pooled::PoolState,
    upstream::Status,
};
use tidegate_lab::measure::{percentile::Summary, requirement::Judgement};
use tidegate_store::cache::CacheStats;

use super::{found::Found, open_loop::OnTime};

/// Latencies as they come in, in microseconds.
#[derive(Debug)]
pub(super) struct Samples {
    pub(super) chance: fastrand::Rng,
    tiles_us: Reservoir,
    failed_us: Reservoir,
    attempts_us: Reservoir,
    queue_us: Reservoir,
}

/// All of what comes in up to [`SAMPLES_MAX`], and beyond that a fair sample of it (Vitter's algorithm R): a fetch may run
/// for weeks.
#[derive(Debug, Default)]
pub(super) struct Reservoir {
    seen: u64,
    pub(super) kept: Vec<u64>,
}

impl Reservoir {
    pub(super) fn push(&mut self, value: u64, chance: &mut fastrand::Rng) {
        self.seen += 1;
        if self.kept.len() < SAMPLES_MAX {
            self.kept.push(value);
        } else if let Some(place) = self.kept.get_mut(chance.u64(0..self.seen) as usize) {
            *place = value;
        }
    }
}

/// 8 MB of each kind.
const SAMPLES_MAX: usize = 1_000_000;

impl Samples {
    pub(super) fn from_seed(seed: u64) -> Self {
        let [tiles_us, failed_us, attempts_us, queue_us] = std::array::from_fn(|_| Reservoir::default());
        Self { chance: fastrand::Rng::with_seed(seed), tiles_us, failed_us, attempts_us, queue_us }
    }

    pub(super) fn record(&mut self, report: &TileReport) {
        let Self { chance, tiles_us, failed_us, attempts_us, queue_us } = self;
        // What was kept waited for no grant, and has no latency.
        let is_here = report.outcome.tile().is_some() || matches!(report.outcome, TileOutcome::Empty);
        if report.attempts.is_empty() && is_here {
            return;
        }
        queue_us.push(micros(report.queue_wait), chance);
        for attempt in &report.attempts {
            attempts_us.push(micros(attempt.latency), chance);
        }
        match report.outcome {
            TileOutcome::Fetched(_) | TileOutcome::Revalidated { .. } | TileOutcome::Empty => {
                tiles_us.push(micros(report.latency), chance);
            }
            TileOutcome::Stale { .. } | TileOutcome::FromParent { .. } | TileOutcome::Failed(_) => {
                failed_us.push(micros(report.latency), chance);
            }
            TileOutcome::Cancelled => {}
        }
    }
}

/// Whole microseconds.
pub(crate) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// The figures of a run, beside its ledger.
#[derive(Debug)]
pub(super) struct Metrics {
    pub(super) wall: Duration,
    /// From the first grant to the verified result, retries included.
    pub(super) tiles: Summary,
    /// The same of tiles that were given up.
    pub(super) failed: Summary,
    pub(super) attempts: Summary,
    pub(super) queue: Summary,
    pub(super) status: Status,
    /// What the cache holds and did, where there is one.
    pub(super) cache: Option<CacheStats>,
    /// Connections at the end of the run.
    pub(super) pool: PoolState,
    /// Latencies of tiles, sorted.
    pub(super) tiles_us: Vec<u64>,
    /// Where there was a schedule.
    pub(super) on_time: Option<OnTime>,
}

impl Metrics {
    pub(super) fn new(
        mut samples: Samples,
        wall: Duration,
        (status, pool, cache): (Status, PoolState, Option<CacheStats>),
        on_time: Option<OnTime>,
    ) -> Self {
        Self {
            wall,
            tiles: Summary::of(&mut samples.tiles_us.kept),
            failed: Summary::of(&mut samples.failed_us.kept),
            attempts: Summary::of(&mut samples.attempts_us.kept),
            queue: Summary::of(&mut samples.queue_us.kept),
            status,
            cache,
            pool,
            tiles_us: samples.tiles_us.kept,
            on_time,
        }
    }

    /// What somebody waited: counted from when a tile was due, where there was a schedule.
    pub(super) fn waited(&self) -> &Summary {
        self.on_time.as_ref().map_or(&self.tiles, |on_time| &on_time.since_due)
    }

    /// Tiles that came to a good end, per second; those that were in the archive before are none of them.
    pub(super) fn per_second(&self, ledger: &Ledger, found: u64) -> f64 {
        let kept = (ledger.revalidated + ledger.stale).saturating_sub(found);
        (ledger.fetched + kept + ledger.empty) as f64 / self.wall.as_secs_f64()
    }

    fn cache_to_json(&self, ledger: &Ledger) -> Value {
        self.cache.map_or(Value::Null, |CacheStats { answers, bytes, evicted, failed }| {
            json!({
                "requests_saved": ledger.requests_saved,
                "bytes_saved": ledger.bytes_saved,
                "answers": answers,
                "bytes": bytes,
                "evicted": evicted,
                "failed": failed,
            })
        })
    }

    pub(super) fn to_json(
        &self,
        ledger: &Ledger,
        found: u64,
        seed: u64,
        judged: &[Judgement],
        adapted: &[Found],
    ) -> String {
        let Status { opened, half_opened, closed, limit, interval, in_flight_max, .. } = self.status;
        let document = json!({
            "schema_version": 1,
            "seed": seed,
            "wall_seconds": self.wall.as_secs_f64(),
            "metrics": {
                "requested": ledger.requested,
                "fetched": ledger.fetched,
                "revalidated": ledger.revalidated,
                "stale": ledger.stale,
                "from_parent": ledger.from_parent,
                "empty": ledger.empty,
                "failed": ledger.failed,
                "cancelled": ledger.cancelled,
                "attempts": ledger.attempts,
                "retries": ledger.retries,
                "requests_per_second": self.per_second(ledger, found),
                "bytes": ledger.bytes,
                "max_in_flight": in_flight_max,
                "samples": self.tiles.samples,
                "latency_ms": self.tiles,
                "attempt_latency_ms": self.attempts,
                "queue_wait_ms": self.queue,
                "failed_latency_ms": self.failed,
            },
            "cache": self.cache_to_json(ledger),
            "hedges": { "made": ledger.hedges, "won": ledger.hedges_won },
            "failed_by_kind": counts(&ledger.failed_by_kind),
            "faults_by_kind": counts(&ledger.faults_by_kind),
            "breaker": { "opened": opened, "half_opened": half_opened, "closed": closed },
            "connections": {
                "opened": self.pool.opened_connections,
                "open": self.pool.open_connections,
                "idle": self.pool.idle_connections,
            },
            "requirements": judged,
            "limit": limit,
            "interval_seconds": interval.as_secs_f64(),
            "found": adapted.iter().map(Found::to_json).collect::<Vec<_>>(),
            "open_loop": self.on_time.as_ref().map(|on_time| on_time.to_json(&self.tiles)),
        });
        format!("{document:#}")
    }
}

fn counts(by_kind: &BTreeMap<&'static str, u64>) -> Value {
    Value::Object(by_kind.iter().map(|(kind, count)| ((*kind).to_owned(), json!(count))).collect::<Map<_, _>>())
}
