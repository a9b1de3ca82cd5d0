//! The result for people.

use std::{cmp::Reverse, collections::BTreeMap};

use tidegate::ledger::Ledger;
use tidegate_lab::measure::{
    histogram::{Row, histogram},
    percentile::Summary,
    requirement::Judgement,
    text::Micros,
};
use tidegate_store::cache::CacheStats;

use super::{Run, metrics::Metrics, open_loop::OnTime};
use crate::output::{Colour, Output, bytes};

pub(super) fn lines(title: Vec<String>, run: &Run, output: &Output) -> Vec<String> {
    let metrics = &run.metrics;
    let colour = match run.share() {
        1.0 => Colour::Green,
        0.99.. => Colour::Yellow,
        _ => Colour::Red,
    };
    let mut lines = title;
    lines.extend(rows(run).into_iter().enumerate().map(|(index, (name, value))| {
        // The first says how much succeeded, and that is what is looked for.
        let value = if index == 0 { output.paint(&value, colour) } else { value };
        format!("  {name:<22}{value}")
    }));
    lines.push(String::new());
    lines.push(line("", PERCENTILES.map(str::to_owned)));
    lines.extend(latencies(metrics).into_iter().map(|(name, summary)| line(name, percentiles(summary))));
    lines.push("  tile latency: first grant to verified result. ~ few samples, – too few".to_owned());
    lines.extend(metrics.on_time.iter().map(|on_time| format!("  {}", on_time.meaning(&metrics.tiles))));
    lines.extend(bars(metrics.on_time.as_ref().map_or(&metrics.tiles_us, |on_time| &on_time.since_due_us)));
    lines.extend(gates(&run.judged, output));
    lines
}

/// What came of a run: names and values, how much succeeded first.
pub(super) fn rows(run: &Run) -> Vec<(&'static str, String)> {
    let Run { metrics, ledger, .. } = run;
    let status = &metrics.status;
    let empty =
        if run.is_all_empty() { "every tile: the URL may be wrong".to_owned() } else { ledger.empty.to_string() };
    let mut rows = vec![("succeeded", run.succeeded()), ("  of them empty", empty)];
    if run.found > 0 {
        rows.push(("  already there", run.found.to_string()));
    }
    if metrics.cache.is_some() {
        rows.push(("  kept, still good", (ledger.revalidated - run.found).to_string()));
        rows.push(("  kept, but stale", ledger.stale.to_string()));
    }
    if ledger.from_parent > 0 {
        rows.push(("shown by a parent", ledger.from_parent.to_string()));
    }
    rows.push(("failed", with_kinds(&ledger.failed_by_kind)));
    if ledger.cancelled > 0 {
        rows.push(("cancelled", ledger.cancelled.to_string()));
    }
    rows.push(("attempts", format!("{}, of them {} retries", ledger.attempts, ledger.retries)));
    rows.push(("  that went wrong", with_kinds(&ledger.faults_by_kind)));
    if ledger.hedges > 0 {
        rows.push(("  hedges", format!("{}, of which {} answered first", ledger.hedges, ledger.hedges_won)));
    }
    rows.push(("throughput", format!("{} over {}", run.throughput(), Micros(metrics.wall.as_micros() as u64))));
    rows.extend(metrics.on_time.iter().flat_map(OnTime::rows));
    rows.push(("received", bytes(ledger.bytes)));
    if let Some(cache) = &metrics.cache {
        rows.push(("saved by the cache", saved(ledger, cache)));
    }
    rows.push(("in flight", format!("at most {}; the limit is {}", status.in_flight_max, status.limit)));
    rows.extend(run.adapted.iter().flat_map(|found| found.rows(run.adapted.len() == 1)));
    let pool = &metrics.pool;
    rows.push(("connections", format!("{} opened, {} open", pool.opened_connections, pool.open_connections)));
    rows.push((
        "breaker",
        match status.opened {
            0 => "never opened".to_owned(),
            opened => format!("opened {opened}, half-opened {}, closed {} times", status.half_opened, status.closed),
        },
    ));
    rows
}

fn saved(ledger: &Ledger, cache: &CacheStats) -> String {
    let CacheStats { answers, bytes: held, evicted, failed } = *cache;
    let mut text = format!(
        "{} requests and {}; it holds {answers} answers, {}",
        ledger.requests_saved,
        bytes(ledger.bytes_saved),
        bytes(held)
    );
    if evicted > 0 {
        text += &format!("; {evicted} older ones made room");
    }
    if failed > 0 {
        text += &format!("; {failed} times it could not be used");
    }
    text
}

/// What was measured, by name.
pub(super) fn latencies(metrics: &Metrics) -> Vec<(&'static str, &Summary)> {
    let since_due = metrics.on_time.iter().map(|on_time| ("since tiles were due", &on_time.since_due));
    let always =
        [("tile latency", &metrics.tiles), ("attempt latency", &metrics.attempts), ("queue wait", &metrics.queue)];
    let failed = (metrics.failed.samples > 0).then_some(("latency of the failed", &metrics.failed));
    since_due.chain(always).chain(failed).collect()
}

/// The figures of a summary, as [`PERCENTILES`] names them.
pub(super) fn percentiles(summary: &Summary) -> [String; 6] {
    let Summary { p50, p90, p95, p99, max, mean, .. } = summary;
    let [max, mean] = [max, mean].map(|us| us.map_or("–".to_owned(), |us| Micros(us).to_string()));
    [p50.to_string(), p90.to_string(), p95.to_string(), p99.to_string(), max, mean]
}

pub(super) const PERCENTILES: [&str; 6] = ["p50", "p90", "p95", "p99", "max", "mean"];

fn line(name: &str, cells: [String; 6]) -> String {
    let cells: String = cells.iter().map(|cell| format!("{cell:>10}")).collect();
    format!("  {name:<22}{cells}")
}

fn bars(sorted_us: &[u64]) -> Vec<String> {
    let rows = histogram(sorted_us);
    let peak = rows.iter().map(|row| row.count).max().unwrap_or(0);
    let heading = (!rows.is_empty()).then(|| format!("\n  {:>10} {:>8}", "up to", "tiles"));
    heading.into_iter().chain(rows.iter().map(|row| bar(*row, peak))).collect()
}

/// One line of a histogram whose longest is `peak`.
pub(crate) fn bar(row: Row, peak: u64) -> String {
    let length = row.bar_length(peak, BAR_WIDTH) as usize;
    format!("  {:>10} {:>8} {}", Micros(row.up_to_us).to_string(), row.count, "▪".repeat(length))
}

/// What became of each requirement.
pub(crate) fn gates(judged: &[Judgement], output: &Output) -> Vec<String> {
    let line = |judged: &Judgement| {
        let colour = if judged.is_met() { Colour::Green } else { Colour::Red };
        output.paint(&format!("  require {judged}"), colour)
    };
    let heading = (!judged.is_empty()).then(String::new);
    heading.into_iter().chain(judged.iter().map(line)).collect()
}

const BAR_WIDTH: u32 = 40;

/// The total, and the kinds it is made of, most frequent first.
fn with_kinds(by_kind: &BTreeMap<&'static str, u64>) -> String {
    let mut kinds: Vec<_> = by_kind.iter().collect();
    kinds.sort_by_key(|&(kind, count)| (Reverse(*count), *kind));
    let total: u64 = by_kind.values().sum();
    let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    if kinds.is_empty() { total.to_string() } else { format!("{total}: {}", kinds.join(", ")) }
}
