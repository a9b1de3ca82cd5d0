//! A run as a picture.

use super::figures::Recovery;
use super::report::{FleetReport, Moment, Report};
use super::world::World;
use crate::plot::{Axis, Band, Figure, Panel, Series, Span};

/// Runs above each other, each fleet with a panel of its own: what was offered, attempted, answered and refused. For a single
/// fleet also what went wrong, what was in flight, and breakers; for several, what was in flight where its limit moved, and
/// breakers where they opened. 960 pixels wide, and the scales of all fleets are the same.
#[must_use = "drawing writes nothing"]
pub fn timeline(title: &str, runs: &[(&str, &World, &Report)]) -> Figure {
    let mut figure = Figure::new("simulation", title, Axis::time("time"));
    figure.width = 960;
    let fleets: Vec<Track<'_>> = runs.iter().flat_map(|run| tracks(run, runs.len() > 1)).collect();
    let most = fleets.iter().map(Track::most).fold(0.0, f64::max);
    let longest = runs.iter().map(|(_, world, _)| world.length.as_secs_f64()).fold(0.0, f64::max);
    figure.x.range = Some((0.0, longest));
    for track in &fleets {
        let mut rates = track.rates();
        if let [_, _, ..] = fleets[..] {
            rates.y.range = Some((0.0, most * 1.05));
            rates.height = 120;
            rates.series.extend(track.refusals());
        }
        figure.panels.push(rates);
        if fleets.len() == 1 {
            figure.panels.extend([track.troubles(), track.flight()]);
        } else if track.limit_moves() {
            figure.panels.push(track.flight());
        }
        figure.panels.extend(track.breakers());
    }
    for disturbance in runs.iter().flat_map(|(_, world, _)| world.disturbances()) {
        let (from, to) = (disturbance.from.as_secs_f64(), disturbance.until.as_secs_f64());
        let band = Band { from, to, label: disturbance.label.to_owned(), tone: disturbance.tone };
        if !figure.bands.contains(&band) {
            figure.bands.push(band);
        }
    }
    figure.description = fleets.iter().map(Track::description).collect::<Vec<_>>().join(" ");
    figure
}

/// A fleet over time.
struct Track<'r> {
    /// What to call it; nothing where there is only one.
    name: String,
    fleet: &'r FleetReport,
    gates: f64,
    step_s: f64,
    recovery: Recovery,
}

fn tracks<'r>(&(run, world, report): &(&str, &World, &'r Report), compares: bool) -> Vec<Track<'r>> {
    let several = report.fleets.len() > 1;
    let figures = super::figures::Figures::of(world, report);
    let of = |((fleet, config), figures): ((&'r FleetReport, &super::Fleet), &super::figures::FleetFigures)| Track {
        name: match (compares, several) {
            (true, true) => format!("{run}, {}", fleet.name),
            (true, false) => run.to_owned(),
            (false, true) => fleet.name.clone(),
            (false, false) => String::new(),
        },
        fleet,
        gates: if config.shares_gate { 1.0 } else { f64::from(config.clients) } * config.servers.len() as f64,
        step_s: report.step.as_secs_f64(),
        recovery: figures.recovery,
    };
    report.fleets.iter().zip(&world.fleets).zip(&figures.fleets).map(of).collect()
}

impl Track<'_> {
    fn most(&self) -> f64 {
        let of = |step: &Moment| step.offered.max(step.sent).max(step.succeeded);
        f64::from(self.fleet.steps.iter().map(of).max().unwrap_or(0)) / self.step_s
    }

    fn label(&self, what: &str) -> String {
        if self.name.is_empty() { what.to_owned() } else { format!("{}: {what}", self.name) }
    }

    /// What happened in each step, per second, drawn at its middle.
    fn per_second(&self, count: fn(&Moment) -> u32) -> Vec<(f64, f64)> {
        let point = |(index, step): (usize, &Moment)| {
            ((index as f64 + 0.5) * self.step_s, f64::from(count(step)) / self.step_s)
        };
        self.fleet.steps.iter().enumerate().map(point).collect()
    }

    /// How things stood at the end of each step.
    fn stood(&self, value: impl Fn(&Moment) -> f64) -> Vec<(f64, f64)> {
        let point = |(index, step): (usize, &Moment)| ((index as f64 + 1.0) * self.step_s, value(step));
        self.fleet.steps.iter().enumerate().map(point).collect()
    }

    fn rates(&self) -> Panel {
        let mut series = vec![
            Series::line("attempts", self.per_second(|step| step.sent)).color(1),
            Series::line("calls that succeed", self.per_second(|step| step.succeeded)).color(0),
            Series::line("calls that begin", self.per_second(|step| step.offered)).color(2).dashed(),
        ];
        // A rate that is not limited is none, and one far above what is asked would only flatten the picture.
        let most = self.most();
        let limited: Vec<_> = self
            .stood(|step| match step.rate_millis as f64 / 1_000.0 {
                rate if rate > 0.0 && rate <= most * 1.5 => rate,
                _ => f64::NAN,
            })
            .into_iter()
            .collect();
        if limited.iter().any(|(_, rate)| rate.is_finite()) {
            series.push(Series::step("rate allowed", limited).color(4).dashed());
        }
        Panel { height: 160, ..Panel::new(Axis::from_zero(self.label("per second")), series) }
    }

    /// Where there were any.
    fn refusals(&self) -> Option<Series> {
        let series = || Series::line(TOLD_LATER, self.per_second(|step| step.throttled)).color(3);
        (self.fleet.attempts.throttled > 0).then(series)
    }

    /// Whether it has more than one value, and one that what was in flight came near.
    fn limit_moves(&self) -> bool {
        // It is zero where the power is gone.
        let limits = || self.fleet.steps.iter().map(|step| step.limit).filter(|limit| *limit > 0);
        let most = self.fleet.steps.iter().map(|step| step.in_flight).max().unwrap_or(0);
        limits().min() != limits().max() && limits().min().is_some_and(|least| least <= most)
    }

    fn troubles(&self) -> Panel {
        let series = vec![
            Series::line("attempts that fail or time out", self.per_second(|step| step.failed)).color(1),
            Series::line(TOLD_LATER, self.per_second(|step| step.throttled)).color(3),
            Series::line("calls given up", self.per_second(|step| step.given_up)).color(2).dashed(),
        ];
        Panel { height: 90, ..Panel::new(Axis::from_zero("per second"), series) }
    }

    fn flight(&self) -> Panel {
        let span = |(x, high)| Span { x, low: 0.0, y: high, high };
        let in_flight: Vec<_> = self.stood(|step| f64::from(step.in_flight)).into_iter().map(span).collect();
        let most = in_flight.iter().map(|span| span.high).fold(0.0, f64::max);
        let limit = self.stood(|step| f64::from(step.limit));
        let mut series = vec![Series::area("in flight", in_flight).color(2)];
        // A limit that nothing comes near says nothing.
        if limit.iter().any(|&(_, limit)| limit <= most * 3.0) {
            series.push(Series::step("limit", limit).color(3));
        }
        Panel { height: 90, ..Panel::new(Axis::from_zero(self.label("requests")), series) }
    }

    /// Where a breaker ever opened.
    fn breakers(&self) -> Option<Panel> {
        if self.fleet.opened == 0 {
            return None;
        }
        let open = self.stood(|step| f64::from(step.open) * 100.0 / self.gates);
        let area: Vec<_> = open.iter().map(|&(x, high)| Span { x, low: 0.0, y: high, high }).collect();
        let series = vec![Series::area("breakers not closed", area).color(1)];
        let mut panel = Panel { height: 48, ..Panel::new(Axis::from_zero(self.label("% of gates")), series) };
        panel.y.range = Some((0.0, 100.0));
        Some(panel)
    }

    fn description(&self) -> String {
        let calls = self.fleet.calls;
        let recovery = match self.recovery {
            Recovery::NotApplicable => String::new(),
            Recovery::Never => " It never recovers.".to_owned(),
            Recovery::After(seconds) => format!(" It recovers after {seconds} s."),
        };
        format!(
            "{} {} calls begin, {} attempts are made, {} calls succeed.{recovery}",
            self.label("over time:"),
            calls.offered,
            self.fleet.attempts.sent,
            calls.succeeded
        )
    }
}

const TOLD_LATER: &str = "attempts told to come back later";
