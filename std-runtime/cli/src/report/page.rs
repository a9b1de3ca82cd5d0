//! A run as one page for a browser.

use tidegate_lab::{
    measure::percentile::Summary,
    plot::{Axis, Figure, Panel, Series},
    report::{Block, Column, Distribution, Page, Section, Table, Timeline},
    traffic::Traffic,
};

use super::{Run, text};

impl Run {
    /// One file for a browser, without a script and without a network. `title` says what was fetched from where.
    pub(crate) fn to_html(&self, title: &[String], timeline: &Timeline) -> String {
        self.page(title, timeline).to_html()
    }

    fn page(&self, title: &[String], timeline: &Timeline) -> Page {
        let on_time = self.metrics.on_time.as_ref();
        let figures = text::rows(self).into_iter().map(|(name, value)| vec![name.trim().to_owned(), value]);
        let figures = Table {
            caption: "What came of it".to_owned(),
            columns: vec![Column::text("figure"), Column::text("value")],
            rows: figures.collect(),
        };
        let missed = self.judged.iter().filter(|judged| !judged.is_met());
        let section = |heading: &str, blocks| Section { heading: heading.to_owned(), blocks };
        Page {
            title: if on_time.is_some() { "A benchmark on schedule" } else { "A benchmark" }.to_owned(),
            subtitle: title.iter().filter(|line| !line.is_empty()).cloned().collect::<Vec<_>>().join(" · "),
            lead: on_time.map_or_else(|| self.in_short(), |on_time| on_time.meaning(&self.metrics.tiles)),
            warnings: missed.map(|judgement| format!("Requirement {judgement}.")).collect(),
            sections: vec![
                section("Figures", vec![Block::Table(figures)]),
                section("Latency", vec![Block::Table(self.latencies()), Block::Figures(vec![self.distribution()])]),
                section("Timeline", vec![Block::Figures(vec![over_time(timeline, on_time.map(|it| it.traffic))])]),
            ],
        }
    }

    fn in_short(&self) -> String {
        let (p50, p95) = (self.metrics.tiles.p50, self.metrics.tiles.p95);
        format!("{} at {}; tile latency {p50} (p50), {p95} (p95).", self.succeeded(), self.throughput())
    }

    fn latencies(&self) -> Table {
        let row = |(name, summary): (&str, &Summary)| {
            [name.to_owned()].into_iter().chain(text::percentiles(summary)).collect()
        };
        Table::of_numbers(
            "From the first grant to the verified result, unless the name says otherwise. ~ marks a percentile beyond which \
             fewer than ten samples lie, – one for which there are too few.",
            Column::text(""),
            &text::PERCENTILES,
            text::latencies(&self.metrics).into_iter().map(row).collect(),
        )
    }

    fn distribution(&self) -> Figure {
        let panel = |(color, (name, sorted_us)): (usize, (&str, &Vec<u64>))| {
            let bars = Distribution::of(sorted_us).bars();
            Panel { height: 110, ..Panel::new(Axis::from_zero(name), vec![Series::bars("", bars).color(color)]) }
        };
        let since_due = self.metrics.on_time.iter().map(|on_time| ("tiles since due", &on_time.since_due_us));
        let all = since_due.chain([("tiles since sent", &self.metrics.tiles_us)]);
        let mut figure = Figure::new("distribution", "Latency distribution", Axis::log("ms"));
        figure.width = WIDE;
        figure.description = "How many tiles took how long; the bins are equal factors, 4.4 % wide.".to_owned();
        figure.panels = all.enumerate().map(panel).collect();
        figure
    }
}

/// What the gate did, and what was due where there was a schedule.
fn over_time(timeline: &Timeline, traffic: Option<Traffic>) -> Figure {
    let mut figure = timeline.figure("timeline", "Over time");
    if let (Some(traffic), Some(panel)) = (traffic, figure.panels.first_mut()) {
        let at = |step: u32| traffic.span.mul_f64(f64::from(step) / f64::from(STEPS));
        let point = |step| (at(step).as_secs_f64(), traffic.per_second_at(at(step)));
        panel.series.push(Series::line("due", (0..STEPS).map(point).collect::<Vec<_>>()).color(3).dashed());
    }
    figure
}

/// The whole width of a page.
const WIDE: u32 = 960;
/// Enough that the corners of a burst look sharp.
const STEPS: u32 = 960;
