//! A sweep for people.

use std::collections::BTreeMap;

use tidegate_lab::{
    measure::{
        histogram::Row,
        text::{Micros, PerSecond, Percent, grouped, three_digits},
    },
    report::{Bin, Fitted, LevelReport, SweepReport},
};

use crate::{
    output::{Colour, Output},
    report::text::{bar, gates},
};

pub(super) fn lines(report: &SweepReport, judged: Option<u32>, output: &Output) -> Vec<String> {
    let mut lines = vec![format!("{}, seed {}", report.target, report.seed)];
    lines.extend(report.settings.iter().map(|(name, value)| format!("  {name:<22}{value}")));
    lines.push(String::new());
    lines.push(row(&HEADINGS.map(str::to_owned)));
    lines.extend(report.baseline.iter().map(|level| row(&cells("no gate".to_owned(), level))));
    lines.extend(report.levels.iter().map(|level| {
        let line = row(&cells(level.concurrency.to_string(), level));
        if level.failed > 0 { output.paint(&line, Colour::Yellow) } else { line }
    }));
    lines.push("  latency: first grant to verified result. ~ few samples, – too few".to_owned());
    lines.extend(report.levels.iter().flat_map(errors));
    lines.extend(distribution(report, judged));
    lines.push(String::new());
    lines.extend(fits(report, output));
    lines.extend(gates(&report.requirements, output));
    lines.push(String::new());
    lines.push(output.paint(&report.advice.sentence, Colour::Bold));
    lines
}

const HEADINGS: [&str; 13] = [
    "in flight",
    "tiles",
    "per second",
    "p50",
    "p95",
    "p99",
    "queue p95",
    "failed",
    "retries",
    "CPU s",
    "MiB",
    "threads",
    "open",
];

fn row(cells: &[String; 13]) -> String {
    let widths = [9, 7, 10, 9, 9, 9, 9, 7, 7, 6, 5, 7, 5];
    let cells = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:>width$}"));
    format!("  {}", cells.collect::<Vec<_>>().join(" "))
}

fn cells(name: String, level: &LevelReport) -> [String; 13] {
    let latency = &level.latency_ms;
    let held = &level.resources;
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "–".to_owned());
    [
        name,
        grouped(level.requested),
        or_dash(level.per_second.median.map(|rate| PerSecond(rate).to_string())),
        latency.p50.to_string(),
        latency.p95.to_string(),
        latency.p99.to_string(),
        level.queue_wait_ms.p95.to_string(),
        grouped(level.failed),
        grouped(level.retries),
        or_dash(held.cpu_seconds.map(three_digits)),
        or_dash(held.resident_bytes_max.map(|bytes| three_digits(bytes as f64 / f64::from(1 << 20)))),
        or_dash(held.threads_max.map(grouped)),
        or_dash(held.descriptors_max.map(grouped)),
    ]
}

/// What went wrong at a level, in attempts and in the end.
fn errors(level: &LevelReport) -> impl Iterator<Item = String> {
    let listed = |counts: &BTreeMap<String, u64>| {
        counts.iter().map(|(kind, count)| format!("{} {kind}", grouped(*count))).collect::<Vec<_>>().join(", ")
    };
    [("attempts that went wrong", &level.faults_by_kind), ("tiles given up", &level.failed_by_kind)]
        .into_iter()
        .filter(|(_, counts)| !counts.is_empty())
        .map(move |(what, counts)| format!("  {what} at {}: {}", level.concurrency, listed(counts)))
}

fn distribution(report: &SweepReport, judged: Option<u32>) -> Vec<String> {
    let Some(level) = report.levels.iter().find(|level| Some(level.concurrency) == judged) else { return Vec::new() };
    let rows = rows(&level.distribution.bins);
    let peak = rows.iter().map(|row| row.count).max().unwrap_or(0);
    let heading = format!("\n  {:>10} {:>8}  at {} in flight", "up to", "tiles", level.concurrency);
    let bars = rows.into_iter().map(|row| bar(row, peak));
    [heading].into_iter().chain(bars).collect()
}

/// At most eleven rows of equal factors from the fastest to the slowest. Each is a whole number of bins, of which there are
/// 16 to the double.
fn rows(bins: &[Bin]) -> Vec<Row> {
    let (Some(first), Some(last)) = (bins.first(), bins.last()) else { return Vec::new() };
    let place = |ms: f64| ((ms / first.from_ms).log2() * 16.0).round() as usize;
    let in_a_row = place(last.to_ms).div_ceil(ROWS_MAX).max(1);
    let edge_us = |row: usize| (first.from_ms * 1e3 * (((row + 1) * in_a_row) as f64 / 16.0).exp2()).round() as u64;
    let mut rows: Vec<Row> = Vec::new();
    for bin in bins {
        let row = place(bin.from_ms) / in_a_row;
        rows.extend((rows.len()..=row).map(|row| Row { up_to_us: edge_us(row), count: 0 }).collect::<Vec<_>>());
        rows[row].count += bin.count;
    }
    rows
}

const ROWS_MAX: usize = 11;

fn fits(report: &SweepReport, output: &Output) -> Vec<String> {
    let off = |relative: Option<f64>| relative.map_or("–".to_owned(), |share| Percent(share).to_string());
    let mut lines = Vec::new();
    lines.push(match &report.usl {
        Fitted::Fit(fitted) => {
            let usl = &fitted.usl;
            let spread = fitted.intervals.map_or(String::new(), |i| {
                let [s, k] = [i.sigma, i.kappa].map(|i| format!("{} to {}", three_digits(i.low), three_digits(i.high)));
                format!("; nine in ten resamplings σ {s}, κ {k}")
            });
            format!(
                "  USL     λ {}, σ {}, κ {}, off by {}{spread}",
                PerSecond(usl.lambda),
                three_digits(usl.sigma),
                three_digits(usl.kappa),
                off(usl.residuals.relative),
            )
        }
        Fitted::Impossible { error } => format!("  USL     not fitted: {error}"),
    });
    lines.push(match &report.amdahl {
        Fitted::Fit(amdahl) => format!(
            "  Amdahl  λ {}, σ {}, off by {}",
            PerSecond(amdahl.lambda),
            three_digits(amdahl.sigma),
            off(amdahl.residuals.relative)
        ),
        Fitted::Impossible { error } => format!("  Amdahl  not fitted: {error}"),
    });
    if let (Some(baseline), Some(one)) = (&report.baseline, report.levels.iter().find(|level| level.concurrency == 1))
        && let (Some(without), Some(with)) = (baseline.latency_ms.p50.us(), one.latency_ms.p50.us())
    {
        lines.push(format!("  gate    p50 of one at a time {} without, {} with", Micros(without), Micros(with)));
    }
    if let Some(worst) = &report.little {
        let line = format!("  check   at {} in flight, where it holds least: {}", worst.concurrency, worst.little);
        lines.push(if worst.little.is_loud() { output.paint(&line, Colour::Red) } else { line });
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_is_shown_in_few_rows_that_hold_all_of_it() {
        let bin = |index: i32| {
            let edge = |index: i32| (f64::from(index) / 16.0).exp2();
            Bin { from_ms: edge(index), to_ms: edge(index + 1), count: 3 }
        };
        let few = rows(&[bin(16)]);
        assert_eq!(few, [Row { up_to_us: 2_089, count: 3 }]);
        let many: Vec<Bin> = (0..400).filter(|index| index % 7 != 3).map(bin).collect();
        let shown = rows(&many);
        assert!((9..=ROWS_MAX).contains(&shown.len()), "{shown:?}");
        assert_eq!(shown.iter().map(|row| row.count).sum::<u64>(), 3 * many.len() as u64);
        assert!(shown.windows(2).all(|pair| pair[0].up_to_us < pair[1].up_to_us), "{shown:?}");
        assert_eq!(rows(&[]), []);
    }
}
