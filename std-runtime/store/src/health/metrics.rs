//! The Prometheus text format, version 0.0.4.

use std::{fmt::Write, fs, time::Duration};

use tidegate::upstream::Status;
use tidegate_core::{Instant, breaker::BreakerState};

use super::{BOUNDS_MS, Figures, Source, State};

pub(super) fn text(state: &State, figures: &Figures, uptime: Duration) -> String {
    let mut page = Page::default();
    let ledger = &state.ledger;
    page.family("tidegate_tiles_total", "counter", "Tiles that came to their end, by what came of them.");
    for (outcome, count) in [
        ("fetched", ledger.fetched),
        ("revalidated", ledger.revalidated),
        ("stale", ledger.stale),
        ("from_parent", ledger.from_parent),
        ("empty", ledger.empty),
        ("failed", ledger.failed),
        ("cancelled", ledger.cancelled),
    ] {
        page.sample("", &[("outcome", outcome)], count as f64);
    }
    page.family("tidegate_tile_bytes_total", "counter", "Bytes of the tiles fetched, as sent.");
    page.sample("", &[], ledger.bytes as f64);
    page.family("tidegate_requests_saved_total", "counter", "Requests that the cache made unnecessary.");
    page.sample("", &[], ledger.requests_saved as f64);
    page.family("tidegate_bytes_saved_total", "counter", "Bytes that were not sent again, because they were kept.");
    page.sample("", &[], ledger.bytes_saved as f64);
    page.family("tidegate_hedges_total", "counter", "Attempts beside one that was slow.");
    page.sample("", &[], ledger.hedges as f64);
    page.family("tidegate_hedges_won_total", "counter", "Those of them that answered first.");
    page.sample("", &[], ledger.hedges_won as f64);
    attempts(&mut page, &state.sources);
    gates(&mut page, &figures.sources, figures.now);
    page.family("tidegate_connections", "gauge", "Connections of the HTTP client, by state.");
    let pool = figures.pool;
    page.sample("", &[("state", "open")], pool.open_connections as f64);
    page.sample("", &[("state", "idle")], pool.idle_connections as f64);
    page.family("tidegate_connections_opened_total", "counter", "Connections opened since the start.");
    page.sample("", &[], pool.opened_connections as f64);
    page.family("tidegate_requests_under_way", "gauge", "Requests that the HTTP client has under way.");
    page.sample("", &[], pool.busy as f64);
    if let Ok(descriptors) = fs::read_dir("/proc/self/fd") {
        page.family("process_open_fds", "gauge", "Open file descriptors.");
        page.sample("", &[], descriptors.count() as f64);
    }
    if let Some(most) = fs::read_to_string("/proc/self/limits").ok().as_deref().and_then(descriptors_max) {
        page.family("process_max_fds", "gauge", "Most file descriptors that may be open.");
        page.sample("", &[], most);
    }
    page.family("tidegate_uptime_seconds", "gauge", "Seconds since the start.");
    page.sample("", &[], uptime.as_secs_f64());
    page.text
}

/// The soft limit of open files, as Linux shows it.
fn descriptors_max(limits: &str) -> Option<f64> {
    limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next()?.parse().ok())
}

fn attempts(page: &mut Page, sources: &[Source]) {
    let named = || sources.iter().enumerate().map(|(number, source)| (number.to_string(), source));
    page.family("tidegate_attempts_total", "counter", "Attempts that ended, by source and by what came of them.");
    for (number, source) in named() {
        for (outcome, count) in
            [("succeeded", source.succeeded), ("failed", source.failed), ("cut_off", source.cut_off)]
        {
            page.sample("", &[("source", &number), ("outcome", outcome)], count as f64);
        }
    }
    page.family("tidegate_attempt_faults_total", "counter", "Attempts that went wrong, by source and kind.");
    for (number, source) in named() {
        for (kind, count) in &source.faults {
            page.sample("", &[("source", &number), ("kind", kind)], *count as f64);
        }
    }
    page.family(
        "tidegate_attempt_duration_seconds",
        "histogram",
        "From an attempt's admission to its end, by source; without those cut off.",
    );
    for (number, source) in named() {
        let mut so_far = 0;
        for (bound, count) in BOUNDS_MS.iter().zip(source.buckets) {
            so_far += count;
            let bound = (*bound as f64 / 1e3).to_string();
            page.sample("_bucket", &[("source", &number), ("le", &bound)], so_far as f64);
        }
        let all = (source.succeeded + source.failed) as f64;
        page.sample("_bucket", &[("source", &number), ("le", "+Inf")], all);
        page.sample("_sum", &[("source", &number)], source.latency.as_secs_f64());
        page.sample("_count", &[("source", &number)], all);
    }
}

fn gates(page: &mut Page, sources: &[Status], now: Instant) {
    let mut each = |name, kind, help, value: &dyn Fn(&Status) -> Option<f64>| {
        page.family(name, kind, help);
        for (number, status) in sources.iter().enumerate() {
            if let Some(value) = value(status) {
                page.sample("", &[("source", &number.to_string())], value);
            }
        }
    };
    each("tidegate_in_flight", "gauge", "Attempts in flight.", &|status| Some(status.in_flight.into()));
    each("tidegate_limit", "gauge", "Attempts that may be in flight.", &|status| Some(status.limit.into()));
    each("tidegate_limit_cuts_total", "counter", "How often the limit was lowered.", &|status| {
        Some(status.limit_cuts.into())
    });
    each(
        "tidegate_rate_per_second",
        "gauge",
        "Attempts per second that may be made; +Inf where unlimited.",
        &|status| Some(1.0 / status.interval.as_secs_f64()),
    );
    each("tidegate_interval_seconds", "gauge", "Time between requests; 0 where the rate is unlimited.", &|status| {
        Some(status.interval.as_secs_f64())
    });
    each("tidegate_rate_cuts_total", "counter", "How often the rate was lowered.", &|status| {
        Some(status.rate_cuts.into())
    });
    each(
        "tidegate_retries_available",
        "gauge",
        "Retries that the budget has; absent where there is no budget.",
        &|status| status.retries_available.map(f64::from),
    );
    each("tidegate_pause_seconds", "gauge", "How long the server wants to be left alone yet.", &|status| {
        Some(status.paused_until.saturating_since(now).as_secs_f64())
    });
    each("tidegate_breaker_opened_total", "counter", "How often the breaker opened.", &|status| {
        Some(status.opened.into())
    });
    page.family("tidegate_breaker_state", "gauge", "1 for the state that the breaker is in.");
    for (number, status) in sources.iter().enumerate() {
        let now = match status.breaker {
            BreakerState::Closed { .. } => "closed",
            BreakerState::Open { .. } => "open",
            BreakerState::HalfOpen { .. } => "half_open",
        };
        for state in ["closed", "open", "half_open"] {
            let is_now = if state == now { 1.0 } else { 0.0 };
            page.sample("", &[("source", &number.to_string()), ("state", state)], is_now);
        }
    }
}

#[derive(Default)]
struct Page {
    text: String,
    family: &'static str,
}

/// Writing to a string does not fail.
impl Page {
    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.family = name;
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Labels are this crate's own words: none needs escaping.
    fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        // Rust writes `inf`, the format `+Inf`.
        let value = if value == f64::INFINITY { "+Inf".to_owned() } else { value.to_string() };
        let _ = writeln!(self.text, "{}{suffix}{labels} {value}", self.family);
    }
}
