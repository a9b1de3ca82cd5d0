//! The result for people.

use std::{cmp::Reverse, collections::BTreeMap};

use tidegate::ledger::Ledger;
use tidegate_lab::measure::{
    histogram::{Row, histogram},
    percentile::Summary,
    requirement::Judgement,
    text::{Micros, PerSecond, Percent},
};
use tidegate_store::cache::CacheStats;

use super::{Run, open_loop::OnTime};
use crate::output::{Colour, Output, bytes};

pub(super) fn lines(title: Vec<String>, run: &Run, output: &Output) -> Vec<String> {
    let Run { metrics, ledger, .. } = run;
    let status = &metrics.status;
    let good = ledger.fetched + ledger.revalidated + ledger.stale + ledger.empty;
    let share = if ledger.requested == 0 { 0.0 } else { good as f64 / ledger.requested as f64 };
    let colour = match share {
        1.0 => Colour::Green,
        0.99.. => Colour::Yellow,
        _ => Colour::Red,
    };
    let share = output.paint(&Percent(share).to_string(), colour);
    let mut lines = title;
    let mut row = |name: &str, value: String| lines.push(format!("  {name:<22}{value}"));
    row("succeeded", format!("{good} of {} ({share})", ledger.requested));
    row("  of them empty", ledger.empty.to_string());
    if run.found > 0 {
        row("  already there", run.found.to_string());
    }
    if metrics.cache.is_some() {
        row("  kept, still good", (ledger.revalidated - run.found).to_string());
        row("  kept, but stale", ledger.stale.to_string());
    }
    if ledger.from_parent > 0 {
        row("shown by a parent", ledger.from_parent.to_string());
    }
    row("failed", with_kinds(&ledger.failed_by_kind));
    if ledger.cancelled > 0 {
        row("cancelled", ledger.cancelled.to_string());
    }
    row("attempts", format!("{}, of them {} retries", ledger.attempts, ledger.retries));
    row("  that went wrong", with_kinds(&ledger.faults_by_kind));
    let rate = PerSecond(metrics.per_second(ledger, run.found));
    row("throughput", format!("{rate} over {}", Micros(metrics.wall.as_micros() as u64)));
    for (name, value) in metrics.on_time.iter().flat_map(OnTime::rows) {
        row(name, value);
    }
    row("received", bytes(ledger.bytes));
    if let Some(cache) = &metrics.cache {
        row("saved by the cache", saved(ledger, cache));
    }
    row("in flight", format!("at most {}; the limit is {}", status.in_flight_max, status.limit));
    let pool = &metrics.pool;
    row(
        "connections",
        format!("{} opened, {} open; {} threads", pool.opened_connections, pool.open_connections, pool.workers),
    );
    row(
        "breaker",
        match status.opened {
            0 => "never opened".to_owned(),
            opened => format!("opened {opened}, half-opened {}, closed {} times", status.half_opened, status.closed),
        },
    );
    lines.push(String::new());
    lines.push(format!("  {:<22}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}", "", "p50", "p90", "p95", "p99", "max", "mean"));
    if let Some(on_time) = &metrics.on_time {
        lines.push(percentiles("since tiles were due", &on_time.since_due));
    }
    lines.push(percentiles("tile latency", &metrics.tiles));
    lines.push(percentiles("attempt latency", &metrics.attempts));
    lines.push(percentiles("queue wait", &metrics.queue));
    if metrics.failed.samples > 0 {
        lines.push(percentiles("latency of the failed", &metrics.failed));
    }
    lines.push("  tile latency: first grant to verified result. ~ few samples, – too few".to_owned());
    if let Some(on_time) = &metrics.on_time {
        lines.push(format!("  {}", on_time.meaning(&metrics.tiles)));
    }
    lines.extend(bars(metrics.on_time.as_ref().map_or(&metrics.tiles_us, |on_time| &on_time.since_due_us)));
    lines.extend(gates(&run.judged, output));
    lines
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

fn percentiles(name: &str, summary: &Summary) -> String {
    let Summary { p50, p90, p95, p99, max, mean, .. } = summary;
    let [max, mean] = [max, mean].map(|us| us.map_or("–".to_owned(), |us| Micros(us).to_string()));
    format!("  {name:<22}{p50:>10}{p90:>10}{p95:>10}{p99:>10}{max:>10}{mean:>10}")
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
