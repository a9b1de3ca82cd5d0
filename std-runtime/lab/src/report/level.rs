//! One run, and the figures of all runs of one concurrency.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::measure::little::{Little, Observed};
use crate::measure::percentile::Summary;
use crate::measure::scaling::medians;
use crate::plot::Bar;

/// What one run found out. Latencies are those of the steady part, see [`Steady`](crate::measure::steady::Steady).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// How many requests were kept in flight.
    pub concurrency: u32,
    /// From the first grant to the verified result, retries included, in microseconds.
    pub latencies_us: Vec<u64>,
    /// From the request to its first grant, in microseconds.
    pub queue_waits_us: Vec<u64>,
    /// Successes per second in the steady part.
    pub per_second: f64,
    /// How many were requested.
    pub requested: u64,
    /// How many failed for good, by kind.
    pub failed: BTreeMap<String, u64>,
    /// How many attempts went wrong, by kind, whether or not the tile came in the end.
    pub faults: BTreeMap<String, u64>,
    /// Attempts made, first ones and retries.
    pub attempts: u64,
    /// Attempts that were retries.
    pub retries: u64,
    /// What the run took from the machine.
    pub resources: Resources,
    /// The in-flight gauge and the clocks, if they were read.
    pub in_flight: Option<Observed>,
}

/// What a run took from the machine; `None` where the system does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Resources {
    /// Processor time of the whole process, in seconds.
    pub cpu_seconds: Option<f64>,
    /// Largest resident memory, in bytes.
    pub resident_bytes_max: Option<u64>,
    /// Most threads at a time.
    pub threads_max: Option<u64>,
    /// Most open file descriptors at a time.
    pub descriptors_max: Option<u64>,
}

impl Resources {
    /// Of two runs together: the sum of what is used up, the larger of what is held.
    fn and(self, other: Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds.zip(other.cpu_seconds).map(|(a, b)| a + b),
            resident_bytes_max: self.resident_bytes_max.max(other.resident_bytes_max),
            threads_max: self.threads_max.max(other.threads_max),
            descriptors_max: self.descriptors_max.max(other.descriptors_max),
        }
    }
}

/// The figures of one concurrency over all of its repeats.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LevelReport {
    /// How many requests were kept in flight.
    pub concurrency: u32,
    /// Successes per second.
    pub per_second: Throughput,
    /// How many latencies there are.
    pub samples: u64,
    /// From the first grant to the verified result, retries included.
    pub latency_ms: Summary,
    /// From the request to its first grant.
    pub queue_wait_ms: Summary,
    /// How the latencies are distributed.
    pub distribution: Distribution,
    /// How many were requested.
    pub requested: u64,
    /// How many failed for good.
    pub failed: u64,
    /// The same by kind.
    pub failed_by_kind: BTreeMap<String, u64>,
    /// Attempts that went wrong, by kind, whether or not the tile came in the end.
    pub faults_by_kind: BTreeMap<String, u64>,
    /// Attempts made.
    pub attempts: u64,
    /// Attempts that were retries.
    pub retries: u64,
    /// What it took from the machine.
    pub resources: Resources,
    /// Whether gauge and clocks agree; `None` if they were not read.
    pub little: Option<Little>,
}

/// Successes per second over the repeats of a level.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Throughput {
    /// The median of the repeats; `None` if none succeeded.
    pub median: Option<f64>,
    /// The slowest repeat.
    pub min: Option<f64>,
    /// The fastest repeat.
    pub max: Option<f64>,
    /// Each of them.
    pub repeats: Vec<f64>,
}

/// Latencies in bins of equal factors, 16 to the double: the same bins in every report, so that reports can be compared
/// and added up. Empty bins are left out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Distribution {
    /// In ascending order.
    pub bins: Vec<Bin>,
}

/// One bin of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bin {
    /// From here on …
    pub from_ms: f64,
    /// … up to before here.
    pub to_ms: f64,
    /// How many latencies there are.
    pub count: u64,
}

impl LevelReport {
    pub(super) fn of(concurrency: u32, runs: &[&Run]) -> Self {
        let all = |values: fn(&Run) -> &Vec<u64>| -> Vec<u64> {
            runs.iter().flat_map(|run| values(run).iter().copied()).collect()
        };
        let total = |value: fn(&Run) -> u64| runs.iter().map(|run| value(run)).fold(0, u64::saturating_add);
        let repeats: Vec<f64> = runs.iter().map(|run| run.per_second).collect();
        let failed_by_kind = added(runs.iter().map(|run| &run.failed));
        let observed: Vec<Observed> = runs.iter().filter_map(|run| run.in_flight).collect();
        let mut latencies = all(|run| &run.latencies_us);
        let latency_ms = Summary::of(&mut latencies);
        Self {
            concurrency,
            samples: latency_ms.samples,
            distribution: Distribution::of(&latencies),
            latency_ms,
            queue_wait_ms: Summary::of(&mut all(|run| &run.queue_waits_us)),
            requested: total(|run| run.requested),
            failed: failed_by_kind.values().copied().fold(0, u64::saturating_add),
            failed_by_kind,
            faults_by_kind: added(runs.iter().map(|run| &run.faults)),
            attempts: total(|run| run.attempts),
            retries: total(|run| run.retries),
            resources: runs.iter().map(|run| run.resources).reduce(Resources::and).unwrap_or_default(),
            little: Observed::together(&observed).map(Little::judge),
            per_second: Throughput::of(concurrency, repeats),
        }
    }

    /// The share that failed for good, 0 to 1.
    pub fn failed_share(&self) -> f64 {
        self.failed as f64 / self.requested.max(1) as f64
    }
}

impl Throughput {
    fn of(concurrency: u32, repeats: Vec<f64>) -> Self {
        let median = medians([(concurrency, repeats.as_slice())]).first().map(|observation| observation.per_second);
        let finite = || repeats.iter().copied().filter(|x| x.is_finite());
        Self { median, min: finite().reduce(f64::min), max: finite().reduce(f64::max), repeats }
    }
}

impl Distribution {
    /// Of latencies in microseconds, in any order.
    pub fn of(latencies_us: &[u64]) -> Self {
        let mut counts: BTreeMap<i32, u64> = BTreeMap::new();
        for &us in latencies_us {
            // The clock does not tell less than a microsecond.
            let bin = ((us.max(1) as f64).log2() * BINS_PER_DOUBLE).floor() as i32;
            *counts.entry(bin).or_insert(0) += 1;
        }
        let edge = |bin: i32| (f64::from(bin) / BINS_PER_DOUBLE).exp2() / 1e3;
        let bin = |(bin, count)| Bin { from_ms: edge(bin), to_ms: edge(bin + 1), count };
        Self { bins: counts.into_iter().map(bin).collect() }
    }

    /// To be drawn.
    pub fn bars(&self) -> Vec<Bar> {
        self.bins.iter().map(|bin| Bar { from: bin.from_ms, to: bin.to_ms, y: bin.count as f64 }).collect()
    }
}

/// The counts of all runs together.
fn added<'a>(runs: impl Iterator<Item = &'a BTreeMap<String, u64>>) -> BTreeMap<String, u64> {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for (kind, count) in runs.flatten() {
        let sum = sums.entry(kind.clone()).or_insert(0);
        *sum = sum.saturating_add(*count);
    }
    sums
}

/// Each bin is 4.4 % wide.
const BINS_PER_DOUBLE: f64 = 16.0;
