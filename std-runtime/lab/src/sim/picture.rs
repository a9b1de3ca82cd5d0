//! A run as a picture.

use super::disturbance::Disturbance;
use super::figures::{Figures, Recovery};
use super::report::{FleetReport, Moment, Report};
use super::world::World;
use crate::plot::{Axis, Band, Figure, Panel, Series, Span};

/// Runs above each other, each fleet with a panel of its own: what was offered, attempted, answered and refused. For a single
/// fleet also what went wrong, what was in flight, and breakers; for several, what was in flight where its limit moved, and
/// breakers where they opened. 960 pixels wide, and the scales of all fleets are the same. Each is shaded where something
/// befalls itself or a server that it calls.
#[must_use = "drawing writes nothing"]
pub fn timeline(title: &str, runs: &[(&str, &World, &Report)]) -> Figure {
    let mut figure = Figure::new("simulation", title, Axis::time("time"));
    figure.width = 960;
    let fleets: Vec<Track<'_>> = runs.iter().flat_map(|run| tracks(run, runs.len() > 1)).collect();
    let highest = fleets.iter().map(Track::highest).fold(0.0, f64::max);
    let longest = runs.iter().map(|(_, world, _)| world.length.as_secs_f64()).fold(0.0, f64::max);
    figure.x.range = Some((0.0, longest));
    for track in &fleets {
        let mut rates = track.rates();
        if let [_, _, ..] = fleets[..] {
            rates.y.range = Some((0.0, highest * 1.05));
            rates.height = 120;
            rates.series.extend(track.refusals());
        }
        let mut panels = vec![rates];
        if fleets.len() == 1 {
            panels.extend([track.troubles(), track.flight()]);
        } else if track.limit_moves() {
            panels.push(track.flight());
        }
        panels.extend(track.breakers());
        figure.panels.extend(panels.into_iter().map(|panel| Panel { bands: track.bands.clone(), ..panel }));
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
    /// What befell it.
    bands: Vec<Band>,
}

fn tracks<'r>(&(run, world, report): &(&str, &World, &'r Report), compares: bool) -> Vec<Track<'r>> {
    let several = report.fleets.len() > 1;
    let figures = Figures::of(world, report);
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
        bands: world.disturbances_of_fleet(config).iter().map(band).collect(),
    };
    report.fleets.iter().zip(&world.fleets).zip(&figures.fleets).map(of).collect()
}

fn band(disturbance: &Disturbance) -> Band {
    let &Disturbance { from, until, label, tone } = disturbance;
    Band { from: from.as_secs_f64(), to: until.as_secs_f64(), label: label.to_owned(), tone }
}

impl Track<'_> {
    fn most(&self) -> f64 {
        let of = |step: &Moment| step.offered.max(step.sent).max(step.answered());
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
            Series::line("calls answered", self.per_second(Moment::answered)).color(0),
            Series::line("calls that begin", self.per_second(|step| step.offered)).color(2).dashed(),
        ];
        let limited = self.rate_allowed();
        if limited.iter().any(|(_, rate)| rate.is_finite()) {
            series.push(Series::step("rate allowed", limited).color(4).dashed());
        }
        Panel { height: 160, ..Panel::new(Axis::from_zero(self.label("per second")), series) }
    }

    /// A rate that is not limited is none, and one far above what is asked would only flatten the picture.
    fn rate_allowed(&self) -> Vec<(f64, f64)> {
        let most = self.most();
        self.stood(|step| match step.rate_millis as f64 / 1_000.0 {
            rate if rate > 0.0 && rate <= most * 1.5 => rate,
            _ => f64::NAN,
        })
    }

    /// The highest that its panel of rates shows.
    fn highest(&self) -> f64 {
        self.rate_allowed().into_iter().map(|(_, rate)| rate).fold(self.most(), f64::max)
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
            Recovery::NotApplicable { .. } => String::new(),
            Recovery::NotObservable => " It ends too early to show a recovery.".to_owned(),
            Recovery::Never => " It never recovers.".to_owned(),
            Recovery::After { after_s } => format!(" It recovers after {after_s} s."),
        };
        format!(
            "{} {} calls begin, {} attempts are made, {} calls are answered.{recovery}",
            self.label("over time:"),
            calls.offered,
            self.fleet.attempts.sent,
            calls.answered()
        )
    }
}

const TOLD_LATER: &str = "attempts told to come back later";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::plot::Shape;
    use crate::sim::{Fleet, Server};

    fn world(rules: &str) -> World {
        let (length, step) = (Duration::from_secs(60), Duration::from_secs(1));
        let server = Server::new("server", rules).expect("good rules");
        World { seed: 1, length, step, servers: vec![server], fleets: vec![Fleet::new("one", "server")] }
    }

    fn compared(rules: [&str; 2]) -> Figure {
        let worlds = rules.map(world);
        let reports = worlds.each_ref().map(|world| world.run().expect("it runs"));
        timeline("both", &[("a", &worlds[0], &reports[0]), ("b", &worlds[1], &reports[1])])
    }

    #[test]
    fn a_run_is_shaded_where_it_was_disturbed_and_not_where_another_was() {
        let figure = compared(["latency=20ms\noutage=20s..30s:503", "latency=20ms"]);
        assert_eq!(figure.bands, []);
        for panel in &figure.panels {
            let stretches: Vec<_> = panel.bands.iter().map(|band| (band.from, band.to)).collect();
            let expected = if panel.y.label.starts_with("a: ") { vec![(20.0, 30.0)] } else { vec![] };
            assert_eq!(stretches, expected, "{}", panel.y.label);
        }
    }

    #[test]
    fn what_is_allowed_stays_inside_of_its_panel() {
        // A rate that finds no limit rises by and by above what is asked.
        let figure = compared(["latency=20ms\nrate=30/s,retry-after=none", "latency=20ms\nrate=20/s,retry-after=none"]);
        let mut seen = 0;
        for panel in figure.panels.iter().filter(|panel| panel.y.label.ends_with("per second")) {
            let top = panel.y.range.map_or(0.0, |(_, top)| top);
            for series in panel.series.iter().filter(|series| series.name == "rate allowed") {
                let Shape::Step(points) = &series.shape else { panic!("{series:?}") };
                seen += points.iter().filter(|(_, rate)| rate.is_finite()).count();
                assert!(points.iter().all(|(_, rate)| rate.is_nan() || *rate <= top), "above {top}");
            }
        }
        assert!(seen > 50, "{seen} steps show what is allowed");
    }
}
