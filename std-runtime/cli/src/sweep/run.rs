//! One run of a sweep: so many in flight, from the first tile to the last.

use std::collections::BTreeMap;

use tidegate::{
    fetch::{TileOutcome, TileReport},
    ledger::Ledger,
    stop::Extent,
};
use tidegate_core::Instant;
use tidegate_lab::{
    measure::{little::Observed, steady::Steady},
    report::{Resources, Run, Timeline},
};

use super::Sweep;
use crate::{
    exit::Fatal,
    output::Output,
    progress::{Progress, each},
    report::micros,
    resources,
    sampler::{Counts, Sampled, Sampler},
    source::Source,
    tiles,
};

/// A run that is about to be made.
pub(super) struct Course<'a> {
    pub(super) sweep: &'a Sweep<'a>,
    pub(super) source: &'a Source,
    pub(super) level: u16,
    /// Which of the sweep's runs it is.
    pub(super) number: u64,
}

/// What came of it.
pub(super) struct Ended {
    /// Nothing where it was cut short: half a run is no measurement.
    pub(super) run: Option<Run>,
    pub(super) timeline: Timeline,
}

/// What is remembered of a tile.
struct Done {
    at_us: u64,
    latency_us: u64,
    queue_wait_us: u64,
    succeeded: bool,
}

impl Course<'_> {
    /// Fetches its tiles and takes down what came of them.
    pub(super) fn run(&self, progress: &mut Progress, total: &mut Ledger, output: &mut Output) -> Result<Ended, Fatal> {
        let source = self.source;
        let seed = self.sweep.seed.wrapping_add(self.number);
        let tiles = tiles::draw(self.sweep.args.tiles_at(self.level), self.sweep.args.max_zoom, seed);
        let (mut ledger, mut done) = (Ledger::default(), Vec::with_capacity(tiles.len()));
        ledger.request(tiles.len() as u64);
        let counts = Counts::shared();
        let (fetcher, stop) = (source.fetcher.clone(), std::sync::Arc::clone(&self.sweep.stop));
        let _relay = source.runtime.spawn(async move {
            stop.asked(Extent::Drain).await;
            fetcher.stop().ask(Extent::Drain);
        });
        let cpu_before = resources::cpu_seconds();
        let sampler =
            Sampler::start(source.fetcher.clone(), &counts, self.sweep.started, seed).map_err(Fatal::local)?;
        let started = source.now();
        let mut permit_time_us: u64 = 0;
        each(source, tiles.into_iter(), |report| {
            if let Some(report) = report {
                done.push(Done::of(&report, source.now().saturating_since(started)));
                permit_time_us += report.attempts.iter().map(|attempt| micros(attempt.latency)).sum::<u64>();
                ledger.record(&report);
                total.record(&report);
                counts.record(&report);
            }
            progress.show(total, source, output);
        });
        let Sampled { in_flight_mean, elapsed, held, timeline } = sampler.end();
        let is_whole = ledger.requested == ledger.accounted() && ledger.cancelled == 0;
        let run = is_whole.then(|| Run {
            resources: Resources {
                cpu_seconds: resources::cpu_seconds().zip(cpu_before).map(|(after, before)| after - before),
                ..held
            },
            in_flight: Some(Observed {
                in_flight_mean,
                attempts: ledger.attempts,
                permit_time_us,
                elapsed_us: micros(elapsed),
            }),
            ..measured(u32::from(self.level), &ledger, done)
        });
        Ok(Ended { run, timeline })
    }
}

/// The figures of the steady part, and the counts of the whole.
fn measured(concurrency: u32, ledger: &Ledger, mut done: Vec<Done>) -> Run {
    let steady = Steady::of(&mut done, 0, |tile| tile.at_us);
    let succeeded = steady.samples.iter().filter(|tile| tile.succeeded);
    let share = succeeded.clone().count() as f64 / steady.samples.len().max(1) as f64;
    Run {
        concurrency,
        latencies_us: succeeded.map(|tile| tile.latency_us).collect(),
        queue_waits_us: steady.samples.iter().map(|tile| tile.queue_wait_us).collect(),
        per_second: steady.per_second().map_or(0.0, |per_second| per_second * share),
        requested: ledger.requested,
        failed: named(&ledger.failed_by_kind),
        faults: named(&ledger.faults_by_kind),
        attempts: ledger.attempts,
        retries: ledger.retries,
        ..Run::default()
    }
}

fn named(counts: &BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    counts.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect()
}

impl Done {
    fn of(report: &TileReport, at: std::time::Duration) -> Self {
        Self {
            at_us: micros(at),
            latency_us: micros(report.latency),
            queue_wait_us: micros(report.queue_wait),
            succeeded: matches!(report.outcome, TileOutcome::Fetched(_) | TileOutcome::Empty),
        }
    }
}

/// The same of a sequence that was measured by itself.
pub(super) fn sequential(ledger: &Ledger, exchanges: &[(Instant, std::time::Duration, bool)]) -> Run {
    let done = exchanges.iter().map(|&(at, latency, succeeded)| Done {
        at_us: micros(at.saturating_since(Instant::ORIGIN)),
        latency_us: micros(latency),
        queue_wait_us: 0,
        succeeded,
    });
    measured(1, ledger, done.collect())
}
