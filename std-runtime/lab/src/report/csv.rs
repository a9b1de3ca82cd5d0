//! The levels as CSV (RFC 4180): a header and one line each, empty where nothing was measured.

use super::level::LevelReport;
use super::sweep::SweepReport;
use crate::measure::percentile::Summary;

impl SweepReport {
    /// The baseline, if there is one, and the levels. Throughput per second, latencies in milliseconds.
    pub fn to_csv(&self) -> String {
        let baseline = self.baseline.iter().map(|level| fields("baseline", level));
        let levels = self.levels.iter().map(|level| fields("level", level));
        let mut csv = String::new();
        for fields in baseline.chain(levels) {
            if csv.is_empty() {
                csv += &line(fields.iter().map(|(name, _)| name.as_str()));
            }
            csv += &line(fields.iter().map(|(_, value)| value.as_str()));
        }
        csv
    }
}

/// Numbers and words of our own choosing: none holds a comma, a quote or a line break.
fn line<'a>(values: impl Iterator<Item = &'a str>) -> String {
    values.collect::<Vec<_>>().join(",") + "\r\n"
}

/// The columns and what stands in them.
fn fields(kind: &str, level: &LevelReport) -> Vec<(String, String)> {
    let mut fields = vec![
        ("kind".to_owned(), kind.to_owned()),
        ("concurrency".to_owned(), level.concurrency.to_string()),
        ("repeats".to_owned(), level.per_second.repeats.len().to_string()),
        ("per_second_median".to_owned(), or_empty(level.per_second.median)),
        ("per_second_min".to_owned(), or_empty(level.per_second.min)),
        ("per_second_max".to_owned(), or_empty(level.per_second.max)),
        ("samples".to_owned(), level.samples.to_string()),
    ];
    for (what, summary) in [("latency", &level.latency_ms), ("queue_wait", &level.queue_wait_ms)] {
        fields.extend(six(summary).map(|(name, us)| (format!("{what}_{name}_ms"), milliseconds(us))));
    }
    let counts = [
        ("requested", level.requested),
        ("failed", level.failed),
        ("attempts", level.attempts),
        ("retries", level.retries),
    ];
    fields.extend(counts.map(|(name, count)| (name.to_owned(), count.to_string())));
    let taken = &level.resources;
    fields.extend([
        ("cpu_seconds".to_owned(), or_empty(taken.cpu_seconds)),
        ("resident_bytes_max".to_owned(), or_empty(taken.resident_bytes_max)),
        ("threads_max".to_owned(), or_empty(taken.threads_max)),
        ("descriptors_max".to_owned(), or_empty(taken.descriptors_max)),
    ]);
    fields
}

fn six(summary: &Summary) -> [(&'static str, Option<u64>); 6] {
    [
        ("p50", summary.p50.us()),
        ("p90", summary.p90.us()),
        ("p95", summary.p95.us()),
        ("p99", summary.p99.us()),
        ("max", summary.max),
        ("mean", summary.mean),
    ]
}

fn milliseconds(us: Option<u64>) -> String {
    or_empty(us.map(|us| us as f64 / 1e3))
}

fn or_empty(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}
