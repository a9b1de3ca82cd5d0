//! What adapted by itself, what it came to, and how sure that is.
//!
//! A limit is found by touching it: a rate that nothing ever refused says only how much was asked for. So three ends are kept
//! apart: *found*, with the range of the second half of the run; *at its ceiling*, where the settings allow no more; and *not
//! reached*, with what was really used.
//!
//! | confidence | cuts | second half lasts | a tenth to nine tenths of it lie within | used, of what was found |
//! |---|---|---|---|---|
//! | high | 3 | 5 s | 25 % | 3/4 |
//! | medium | 1 | 2 s | 50 % | 1/2 |
//! | low | else | | | |
//!
//! The last column is for servers that want silence after each refusal: a rate that is hardly ever used was not tried.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate::{
    fetch::{Fetcher, TileReport},
    transport::HttpTransport,
    upstream::Upstream,
};
use tidegate_core::{GateConfig, Instant, RateControl, drive::Clock, limit::LimitKind};
use tidegate_lab::measure::text::PerSecond;

use crate::source::Source;

/// Looks at the gates while they adapt.
#[derive(Debug)]
pub(super) struct Seeking {
    fetcher: Fetcher<HttpTransport>,
    started: Instant,
    sources: Vec<Seeker>,
    /// When was looked last, and how long after that it is worth looking again.
    looked_at: Instant,
    every: Duration,
}

/// One gate.
#[derive(Debug)]
struct Seeker {
    config: GateConfig,
    sent: u64,
    looks: Vec<Look>,
}

#[derive(Clone, Copy, Debug)]
struct Look {
    at: Instant,
    per_second: f64,
    limit: u16,
}

/// What a source's gate came to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    source: usize,
    /// Attempts per second; `None` where that does not adapt.
    rate: Option<Level>,
    /// Attempts in flight; `None` where that does not adapt.
    concurrency: Option<Level>,
}

/// A level, and what is known of it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Level {
    Found { value: f64, low: f64, high: f64, cuts: u32, confidence: Confidence },
    AtCeiling { value: f64 },
    NotReached { used: f64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Confidence {
    High,
    Medium,
    Low,
}

impl Seeking {
    /// `None` where nothing adapts.
    pub(super) fn start(source: &Source) -> Option<Self> {
        let sources: Vec<Seeker> = source.gates().map(Seeker::new).collect();
        let adapts = sources.iter().any(|seeker| seeker.has_rate() || seeker.has_limit());
        let started = source.now();
        let fetcher = source.fetcher.clone();
        adapts.then_some(Self { fetcher, started, sources, looked_at: started, every: EVERY })
    }

    /// A tile has ended: time to look, now and then.
    pub(super) fn record(&mut self, report: &TileReport) {
        for attempt in &report.attempts {
            if let Some(seeker) = self.sources.get_mut(attempt.source) {
                seeker.sent += 1;
            }
        }
        let now = self.fetcher.upstream().clock().now();
        if now.saturating_since(self.looked_at) < self.every {
            return;
        }
        self.looked_at = now;
        for (seeker, upstream) in self.sources.iter_mut().zip(self.fetcher.upstreams()) {
            seeker.look(now, upstream);
        }
        if self.sources.iter().any(|seeker| seeker.looks.len() >= LOOKS_MAX) {
            // Every other one: what is kept stays bounded, and even.
            self.every *= 2;
            for seeker in &mut self.sources {
                let mut keep = false;
                seeker.looks.retain(|_| {
                    keep = !keep;
                    keep
                });
            }
        }
    }

    /// What it came to.
    pub(super) fn end(self) -> Vec<Found> {
        let span = self.fetcher.upstream().clock().now().saturating_since(self.started);
        let each = self.sources.iter().zip(self.fetcher.upstreams()).enumerate();
        each.map(|(source, (seeker, upstream))| seeker.found(source, upstream, span)).collect()
    }
}

impl Seeker {
    fn new(config: GateConfig) -> Self {
        Self { config, sent: 0, looks: Vec::new() }
    }

    const fn has_rate(&self) -> bool {
        matches!(self.config.rate, RateControl::Adaptive(_))
    }

    fn has_limit(&self) -> bool {
        let limit = self.config.limit;
        limit.kind != LimitKind::Fixed && limit.floor < limit.ceiling
    }

    fn look(&mut self, at: Instant, upstream: &Upstream) {
        let status = upstream.status();
        self.looks.push(Look { at, per_second: 1.0 / status.interval.as_secs_f64().max(1e-9), limit: status.limit });
    }

    fn found(&self, source: usize, upstream: &Upstream, span: Duration) -> Found {
        let status = upstream.status();
        let half = self.looks.last().map(|last| {
            let first = self.looks.first().unwrap_or(last);
            first.at.saturating_add(last.at.saturating_since(first.at) / 2)
        });
        let later: Vec<Look> =
            self.looks.iter().copied().filter(|look| half.is_some_and(|half| look.at >= half)).collect();
        let lasts =
            later.first().zip(later.last()).map_or(Duration::ZERO, |(first, last)| last.at.saturating_since(first.at));
        let rate = match self.config.rate {
            RateControl::Adaptive(config) => {
                let ceiling = f64::from(config.ceiling.count) / config.ceiling.period.as_secs_f64();
                let sent = self.sent as f64 / span.as_secs_f64().max(1e-9);
                let seen = later.iter().map(|look| look.per_second).collect();
                Some(Level::of(seen, lasts, status.rate_cuts, ceiling, sent, status.rate_cuts == 0))
            }
            RateControl::Unlimited | RateControl::Fixed(_) => None,
        };
        let concurrency = self.has_limit().then(|| {
            let (ceiling, used) = (f64::from(self.config.limit.ceiling), f64::from(status.in_flight_max));
            let seen: Vec<f64> = later.iter().map(|look| f64::from(look.limit)).collect();
            let is_unused = status.in_flight_max < status.limit;
            Level::of(seen, lasts, status.limit_cuts, ceiling, used, is_unused)
        });
        Found { source, rate, concurrency }
    }
}

impl Level {
    /// From what was `seen` in the second half of a run, and what was `used` where nothing stood in the way.
    fn of(mut seen: Vec<f64>, lasts: Duration, cuts: u32, ceiling: f64, used: f64, is_free: bool) -> Self {
        seen.sort_by(f64::total_cmp);
        let at = |tenths: usize| seen.get(seen.len().saturating_sub(1) * tenths / 10).copied();
        let (Some(low), Some(value), Some(high)) = (at(1), at(5), at(9)) else { return Self::NotReached { used } };
        // A thousandth: intervals are kept in whole nanoseconds.
        if value >= ceiling * 0.999 && used >= ceiling * 0.9 {
            return Self::AtCeiling { value: ceiling };
        }
        if is_free {
            return Self::NotReached { used };
        }
        let spread = (high - low) / value;
        let share = used / value;
        let confidence = if cuts >= 3 && lasts >= Duration::from_secs(5) && spread <= 0.25 && share >= 0.75 {
            Confidence::High
        } else if cuts >= 1 && lasts >= Duration::from_secs(2) && spread <= 0.5 && share >= 0.5 {
            Confidence::Medium
        } else {
            Confidence::Low
        };
        Self::Found { value, low, high, cuts, confidence }
    }

    fn to_json(self) -> Value {
        match self {
            Self::Found { value, low, high, cuts, confidence } => json!({
                "state": "found", "value": value, "low": low, "high": high, "cuts": cuts, "confidence": confidence.name(),
            }),
            Self::AtCeiling { value } => json!({ "state": "at_ceiling", "value": value }),
            Self::NotReached { used } => json!({ "state": "not_reached", "value": used }),
        }
    }
}

impl Confidence {
    const fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

impl Found {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "source": self.source,
            "rate_per_second": self.rate.map(Level::to_json),
            "concurrency": self.concurrency.map(Level::to_json),
        })
    }

    /// In words; of several sources the number stands in front.
    pub(super) fn rows(&self, is_alone: bool) -> Vec<(&'static str, String)> {
        let whose = if is_alone { String::new() } else { format!("source {}: ", self.source) };
        let rate = self.rate.map(|rate| ("rate found", format!("{whose}{}", rate_in_words(rate))));
        let concurrency =
            self.concurrency.map(|level| ("concurrency found", format!("{whose}{}", limit_in_words(level))));
        rate.into_iter().chain(concurrency).collect()
    }
}

fn rate_in_words(rate: Level) -> String {
    match rate {
        Level::Found { value, low, high, cuts, confidence } => format!(
            "{} attempts ({:.0} to {:.0} in the second half); cut {cuts} times, confidence {}",
            PerSecond(value),
            low,
            high,
            confidence.name()
        ),
        Level::AtCeiling { value } => format!("{} attempts, the most that is allowed here", PerSecond(value)),
        Level::NotReached { used } => {
            format!("none: nothing slowed it down at {}", PerSecond(used))
        }
    }
}

fn limit_in_words(limit: Level) -> String {
    match limit {
        Level::Found { value, low, high, cuts, confidence } => format!(
            "{value:.0} at once ({low:.0} to {high:.0} in the second half); cut {cuts} times, confidence {}",
            confidence.name()
        ),
        Level::AtCeiling { value } => format!("{value:.0} at once, the most that is allowed here"),
        Level::NotReached { used } => format!("no limit: never more than {used:.0} were in flight"),
    }
}

/// How often it is looked at first.
const EVERY: Duration = Duration::from_millis(50);
/// More looks than anybody can tell apart.
const LOOKS_MAX: usize = 2_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn level(seen: &[f64], seconds: u64, cuts: u32) -> Level {
        Level::of(seen.to_vec(), Duration::from_secs(seconds), cuts, 1_000.0, 40.0, cuts == 0)
    }

    fn confidence(seen: &[f64], seconds: u64, cuts: u32) -> Option<Confidence> {
        match level(seen, seconds, cuts) {
            Level::Found { confidence, .. } => Some(confidence),
            Level::AtCeiling { .. } | Level::NotReached { .. } => None,
        }
    }

    #[test]
    fn it_is_as_sure_as_the_table_says() {
        let (steady, uneven, wild) = ([48.0, 50.0, 52.0], [40.0, 50.0, 60.0], [10.0, 50.0, 90.0]);
        assert_eq!(confidence(&steady, 5, 3), Some(Confidence::High));
        assert_eq!(confidence(&steady, 4, 3), Some(Confidence::Medium), "for too short a time");
        assert_eq!(confidence(&steady, 5, 2), Some(Confidence::Medium), "touched too seldom");
        assert_eq!(confidence(&steady, 1, 1), Some(Confidence::Low));
        assert_eq!(confidence(&[uneven.as_slice(); 4].concat(), 60, 9), Some(Confidence::Medium), "uneven");
        assert_eq!(confidence(&[wild.as_slice(); 4].concat(), 60, 9), Some(Confidence::Low), "wild");
        let used_less = |times: f64| confidence(&steady.map(|rate| rate * times), 60, 9);
        assert_eq!(used_less(1.05), Some(Confidence::High));
        assert_eq!(used_less(1.1), Some(Confidence::Medium), "less than three quarters of it were used");
        assert_eq!(used_less(2.0), Some(Confidence::Low), "less than half of it was used");
    }

    #[test]
    fn what_was_never_refused_was_not_found() {
        assert_eq!(level(&[50.0, 500.0], 60, 0), Level::NotReached { used: 40.0 });
        assert_eq!(level(&[], 0, 5), Level::NotReached { used: 40.0 }, "nor what was never looked at");
    }

    #[test]
    fn a_ceiling_counts_only_where_it_was_used() {
        let at = |used| Level::of(vec![4.0; 9], Duration::from_secs(9), 0, 4.0, used, true);
        assert_eq!(at(3.9), Level::AtCeiling { value: 4.0 });
        assert_eq!(at(1.0), Level::NotReached { used: 1.0 });
    }
}
