//! What a gate did over time.

use serde::Serialize;

use crate::plot::{Axis, Band, Figure, Mark, Panel, Series, Span, Tone};

/// A run as it went, in even or uneven steps of time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Timeline {
    /// In the order of time.
    pub samples: Vec<Sample>,
    /// When the breaker was not closed.
    pub breaker: Vec<BreakerSpan>,
    /// What happened from outside, or was decided.
    pub events: Vec<Event>,
}

/// One moment, and the rates since the one before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// Seconds since the start.
    pub at_s: f64,
    /// Requests that ended well, per second.
    pub succeeded_per_s: f64,
    /// Attempts that failed, per second.
    pub failed_per_s: f64,
    /// Attempts that were retries, per second.
    pub retried_per_s: f64,
    /// How many were in flight.
    pub in_flight: f64,
    /// How many could have been; `None` where there is no limit.
    pub limit: Option<f64>,
    /// How many per second were allowed to start; `None` where there is no limit.
    pub rate_per_s: Option<f64>,
}

/// A time during which the breaker was not closed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BreakerSpan {
    /// Seconds since the start.
    pub from_s: f64,
    /// Seconds since the start.
    pub to_s: f64,
    /// What it was instead.
    pub state: BreakerState,
}

/// A state of the breaker other than closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// Nothing was let through.
    Open,
    /// Probes were.
    HalfOpen,
}

/// Something worth a line in the picture.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// Seconds since the start.
    pub at_s: f64,
    /// What it was, in a few words.
    pub label: String,
}

impl Timeline {
    /// Rates, concurrency and errors above each other, with the breaker's state behind them; 960 pixels wide.
    pub fn figure(&self, id: impl Into<String>, title: impl Into<String>) -> Figure {
        let of = |value: fn(&Sample) -> f64| self.samples.iter().map(|s| (s.at_s, value(s))).collect::<Vec<_>>();
        // A limit that is not there is a gap.
        let limit = of(|s| s.limit.unwrap_or(f64::NAN));
        let rate = of(|s| s.rate_per_s.unwrap_or(f64::NAN));
        let in_flight: Vec<Span> =
            self.samples.iter().map(|s| Span { x: s.at_s, low: 0.0, y: s.in_flight, high: s.in_flight }).collect();
        let mut rates = vec![Series::line("succeeded", of(|s| s.succeeded_per_s)).color(0)];
        if rate.iter().any(|(_, y)| y.is_finite()) {
            rates.push(Series::step("rate limit", rate).color(4).dashed());
        }
        let mut flight = vec![Series::area("in flight", in_flight).color(2)];
        if limit.iter().any(|(_, y)| y.is_finite()) {
            flight.push(Series::step("limit", limit).color(3));
        }
        let errors = vec![
            Series::line("failed attempts", of(|s| s.failed_per_s)).color(1),
            Series::line("retries", of(|s| s.retried_per_s)).color(0).dashed(),
        ];
        let mut figure = Figure::new(id, title, Axis::time("time since the start"));
        figure.width = 960;
        figure.description = self.description();
        figure.panels = vec![
            Panel { height: 140, ..Panel::new(Axis::from_zero("per second"), rates) },
            Panel { height: 90, ..Panel::new(Axis::from_zero("requests"), flight) },
            Panel { height: 90, ..Panel::new(Axis::from_zero("per second"), errors) },
        ];
        figure.bands = self.breaker.iter().map(BreakerSpan::band).collect();
        figure.marks = self.events.iter().map(|event| Mark { x: event.at_s, label: event.label.clone() }).collect();
        figure
    }

    fn description(&self) -> String {
        let seconds = self.samples.last().map_or(0.0, |sample| sample.at_s);
        let open = self.breaker.iter().filter(|span| span.state == BreakerState::Open);
        let (times, open_s) = open.fold((0, 0.0), |(n, sum), span| (n + 1, sum + (span.to_s - span.from_s)));
        format!(
            "Successes, concurrency, failures and retries per second over {seconds:.0} s. Breaker openings: {times}, for \
             {open_s:.1} s in all."
        )
    }
}

impl BreakerSpan {
    fn band(&self) -> Band {
        let (label, tone) = match self.state {
            BreakerState::Open => ("breaker open", Tone::Bad),
            BreakerState::HalfOpen => ("breaker half-open", Tone::Warn),
        };
        Band { from: self.from_s, to: self.to_s, label: label.to_owned(), tone }
    }
}
