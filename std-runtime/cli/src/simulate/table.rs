//! The figures as a table: a column for each fleet, and one for each server.

use tidegate_lab::{
    measure::{
        percentile::Summary,
        text::{Micros, PerSecond, Percent, grouped},
    },
    sim::figures::{Figures, FleetFigures, NoBaseline, Recovery, ServerFigures},
};

use super::Played;

/// A name and, for each column, a value.
struct Row {
    name: &'static str,
    values: Vec<String>,
}

impl Row {
    fn of<T>(name: &'static str, columns: &[(String, &T)], value: fn(&T) -> String) -> Self {
        Self { name, values: columns.iter().map(|(_, figures)| value(figures)).collect() }
    }
}

pub(super) fn of(played: &[Played]) -> String {
    let mut lines: Vec<String> = played.iter().flat_map(|one| heading(one, played.len() > 1)).collect();
    let fleets: Vec<_> = columns(played, |one| &one.figures.fleets, |fleet| &fleet.name);
    let servers: Vec<_> = columns(played, |one| &one.figures.servers, |server| &server.name);
    lines.push(String::new());
    lines.extend(laid_out("clients", fleets.iter().map(|(name, _)| name.clone()), &fleet_rows(&fleets)));
    lines.push(String::new());
    lines.extend(laid_out("servers", servers.iter().map(|(name, _)| name.clone()), &server_rows(&servers)));
    lines.join("\n")
}

/// What was played, and what it takes to play it again.
fn heading(one: &Played, compared: bool) -> [String; 2] {
    let title = match (one.title.is_empty(), compared) {
        (true, _) => one.name.clone(),
        (false, false) => one.title.clone(),
        (false, true) => format!("{}: {}", one.name, one.title),
    };
    let Figures { length_s, seed, trace, .. } = &one.figures;
    let indent = if compared { "  " } else { "" };
    [title, format!("{indent}{length_s} s, seed {seed}, trace {trace}")]
}

/// What stands in the columns, each with its heading.
fn columns<'p, T>(
    played: &'p [Played],
    of: impl Fn(&'p Played) -> &'p Vec<T>,
    name: impl Fn(&T) -> &str,
) -> Vec<(String, &'p T)> {
    let mut all = Vec::new();
    for one in played {
        let entries = of(one);
        for entry in entries {
            let heading = match (played.len() > 1, entries.len() > 1) {
                (false, _) => name(entry).to_owned(),
                (true, false) => one.name.clone(),
                (true, true) => format!("{}/{}", one.name, name(entry)),
            };
            all.push((heading, entry));
        }
    }
    all
}

fn fleet_rows(fleets: &[(String, &FleetFigures)]) -> Vec<Row> {
    let row = |name, value| Row::of(name, fleets, value);
    let of_calls = vec![
        row("goodput", |it| PerSecond(it.goodput_per_s).to_string()),
        row("calls", |it| grouped(it.calls.offered)),
        row("  succeeded", |it| counted(it.calls.succeeded, it.success_share)),
    ];
    let of_those_that_did_not = vec![
        row("  nothing there", |it| grouped(it.calls.empty)),
        row("  refused", |it| grouped(it.calls.refused + it.calls.barred)),
        row("  attempts used up", |it| grouped(it.calls.exhausted)),
        row("  deadline passed", |it| grouped(it.calls.out_of_time)),
        row("  not worth waiting", |it| grouped(it.calls.out_of_patience)),
        row("  turned away", |it| grouped(it.calls.queue_full)),
        row("  lost with the power", |it| grouped(it.calls.interrupted)),
        row("  going on at the end", |it| grouped(it.calls.in_progress)),
    ];
    let of_attempts = vec![
        row("attempts", |it| grouped(it.attempts.sent)),
        row("  amplification", |it| it.amplification.map_or_else(none, |times| format!("{times:.2}"))),
    ];
    let of_those_that_came_to_nothing = vec![
        row("  told to come later", |it| counted(it.attempts.throttled, it.throttled_share)),
        row("  failed", |it| grouped(it.attempts.failed)),
        row("  timed out", |it| grouped(it.attempts.timed_out)),
        row("recovered after", recovered),
        row("breaker opened", |it| grouped(it.breaker_opened)),
        row("fairness (Jain)", |it| it.fairness.map_or_else(none, |index| format!("{index:.3}"))),
    ];
    let of_time = vec![
        row("call latency p50", |it| it.latency_ms.p50.to_string()),
        row("  p90", |it| it.latency_ms.p90.to_string()),
        row("  p95", |it| it.latency_ms.p95.to_string()),
        row("  p99", |it| it.latency_ms.p99.to_string()),
        row("  max", |it| longest(&it.latency_ms)),
        row("answer latency p50", |it| it.answer_latency_ms.p50.to_string()),
        row("  p90", |it| it.answer_latency_ms.p90.to_string()),
        row("  p95", |it| it.answer_latency_ms.p95.to_string()),
        row("  p99", |it| it.answer_latency_ms.p99.to_string()),
    ];
    [of_calls, met(of_those_that_did_not), of_attempts, met(of_those_that_came_to_nothing), of_time]
        .into_iter()
        .flatten()
        .collect()
}

fn server_rows(servers: &[(String, &ServerFigures)]) -> Vec<Row> {
    let row = |name, value| Row::of(name, servers, value);
    let arrivals = vec![row("requests", |it| grouped(it.requests.arrived))];
    let fates = vec![
        row("  accepted", |it| grouped(it.requests.accepted)),
        row("  throttled", |it| grouped(it.requests.throttled)),
        row("  during an outage", |it| grouped(it.requests.down)),
        row("  shed, queue full", |it| grouped(it.requests.shed)),
        row("  failed", |it| grouped(it.requests.faulty)),
    ];
    let most = vec![
        row("peak arrivals", |it| peak(it.peak_arrivals, it)),
        row("  after disturbance", |it| it.peak_after.map_or_else(none, |count| peak(count, it))),
    ];
    [arrivals, met(fates), met(most)].into_iter().flatten().collect()
}

/// Without those that nobody met.
fn met(mut rows: Vec<Row>) -> Vec<Row> {
    rows.retain(|row| row.values.iter().any(|value| value != "0" && value != "–" && value != UNDISTURBED));
    rows
}

/// Names to the left, values to the right below their heading.
fn laid_out(heading: &str, names: impl Iterator<Item = String>, rows: &[Row]) -> Vec<String> {
    let names: Vec<String> = names.collect();
    let left = rows.iter().map(|row| row.name.chars().count()).chain([heading.len()]).max().unwrap_or(0);
    let width = |column: usize, name: &String| {
        let values = rows.iter().filter_map(|row| row.values.get(column));
        values.chain([name]).map(|text| text.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = names.iter().enumerate().map(|(column, name)| width(column, name)).collect();
    let line = |name: &str, values: &[String]| {
        let mut line = format!("{name:<left$}");
        for (value, width) in values.iter().zip(&widths) {
            line.push_str(&format!("  {value:>width$}"));
        }
        line
    };
    [line(heading, &names)].into_iter().chain(rows.iter().map(|row| line(row.name, &row.values))).collect()
}

fn counted(count: u64, share: Option<f64>) -> String {
    match share {
        Some(share) if count > 0 => format!("{} ({})", grouped(count), Percent(share)),
        _ => grouped(count),
    }
}

fn recovered(fleet: &FleetFigures) -> String {
    match fleet.recovery {
        Recovery::NotApplicable { why: NoBaseline::Undisturbed } => UNDISTURBED.to_owned(),
        Recovery::NotApplicable { why: NoBaseline::NothingBefore } => "no answers before".to_owned(),
        Recovery::NotApplicable { why: NoBaseline::CallsRunOut } => "calls run out".to_owned(),
        Recovery::NotObservable => "run too short".to_owned(),
        Recovery::Never => "never".to_owned(),
        Recovery::After { after_s: 0.0 } => "at once".to_owned(),
        Recovery::After { after_s } => seconds(after_s),
    }
}

fn longest(latency: &Summary) -> String {
    latency.max.map_or_else(none, |us| Micros(us).to_string())
}

fn peak(arrivals: u32, server: &ServerFigures) -> String {
    format!("{} in {}", grouped(arrivals.into()), seconds(server.step_s))
}

fn seconds(count: f64) -> String {
    Micros((count * 1e6) as u64).to_string()
}

const UNDISTURBED: &str = "undisturbed";

fn none() -> String {
    "–".to_owned()
}
