//! The pictures of a sweep.

use super::level::{LevelReport, Throughput};
use super::sweep::SweepReport;
use crate::measure::percentile::Percentile;
use crate::measure::scaling::Law;
use crate::plot::{Axis, Figure, Mark, Panel, Series, Span};

impl SweepReport {
    /// Measured medians with their spread, the fitted laws, and the recommended concurrency.
    pub fn throughput_figure(&self) -> Figure {
        let measured: Vec<Span> = self.levels.iter().filter_map(throughput_span).collect();
        let highest = self.levels.last().map_or(1.0, |level| f64::from(level.concurrency));
        let curve = |name: &str, at: &dyn Fn(f64) -> f64, color| {
            let xs = (0..=CURVE_POINTS).map(|i| 1.0 + (highest - 1.0) * f64::from(i) / f64::from(CURVE_POINTS));
            Series::line(name, xs.map(|n| (n, at(n))).collect::<Vec<_>>()).color(color)
        };
        // The chosen law leaves out levels that fail, so it is drawn as it was chosen, not as it fits all levels.
        let chosen = self.advice.law.as_ref();
        let mut series = Vec::new();
        series.extend(chosen.map(|law| match law {
            Law::Ceiling(ceiling) => {
                let bend = [(1.0, ceiling.at(1.0)), (ceiling.knee(), ceiling.capacity), (highest, ceiling.at(highest))];
                Series::line("fixed capacity", bend).color(2)
            }
            Law::Amdahl(amdahl) => curve(AMDAHL, &|n| amdahl.at(n), 1),
            Law::Usl(usl) => curve(USL, &|n| usl.at(n), 3),
        }));
        if let Some(amdahl) = self.amdahl.fit().filter(|_| !matches!(chosen, Some(Law::Amdahl(_)))) {
            series.push(curve(AMDAHL, &|n| amdahl.at(n), 1).dashed());
        }
        if let Some(fitted) = self.usl.fit().filter(|_| !matches!(chosen, Some(Law::Usl(_)))) {
            series.push(curve(USL, &|n| fitted.usl.at(n), 3).dashed());
        }
        series.push(Series::points("measured", measured).color(0));
        let mut figure = Figure::new("throughput", "Throughput", Axis::from_zero("in flight"));
        figure.width = NARROW;
        figure.description = "Median of the repeats, with whiskers from the slowest to the fastest; the law that the \
                              advice rests on is drawn solid, the others dashed."
            .to_owned();
        figure.panels = vec![Panel { height: 220, ..Panel::new(Axis::from_zero("per second"), series) }];
        figure.marks = self.recommendation_mark();
        figure
    }

    /// Percentiles of latency at each level.
    pub fn latency_figure(&self) -> Figure {
        let of = |percentile: fn(&LevelReport) -> Percentile| {
            let at = |level: &LevelReport| {
                let ms = percentile(level).us()? as f64 / 1e3;
                Some(Span { x: f64::from(level.concurrency), low: ms, y: ms, high: ms })
            };
            self.levels.iter().filter_map(at).collect::<Vec<Span>>()
        };
        let percentiles = [
            ("p50", of(|level| level.latency_ms.p50)),
            ("p95", of(|level| level.latency_ms.p95)),
            ("p99", of(|level| level.latency_ms.p99)),
        ];
        let all = || percentiles.iter().flat_map(|(_, spans)| spans).map(|span| span.y);
        // Where the highest would press the others flat, factors say more than differences.
        let steep = all().fold(0.0, f64::max) > 30.0 * all().fold(f64::INFINITY, f64::min);
        let axis = if steep { Axis::log("ms") } else { Axis::from_zero("ms") };
        let mut series = Vec::new();
        for (color, (name, spans)) in percentiles.into_iter().enumerate() {
            let line: Vec<(f64, f64)> = spans.iter().map(|span| (span.x, span.y)).collect();
            series.push(Series::line("", line).color(color));
            series.push(Series::points(name, spans).color(color));
        }
        let mut figure = Figure::new("latency", "Latency", Axis::from_zero("in flight"));
        figure.width = NARROW;
        figure.description =
            "From the first grant to the verified result, retries included; a percentile is left out where there are \
             too few samples for it."
                .to_owned();
        figure.panels = vec![Panel { height: 220, ..Panel::new(axis, series) }];
        figure.marks = self.recommendation_mark();
        figure
    }

    fn recommendation_mark(&self) -> Vec<Mark> {
        self.recommended().map(|n| Mark { x: f64::from(n), label: format!("use {n}") }).into_iter().collect()
    }

    /// How the latencies are distributed at the lowest level, at the recommended one and at the highest.
    pub fn distribution_figure(&self) -> Figure {
        let shown = self.telling_levels();
        let mut figure = Figure::new("distribution", "Latency distribution", Axis::log("ms"));
        figure.width = WIDE;
        figure.description = "How many requests took how long; the bins are equal factors, 4.4 % wide.".to_owned();
        figure.panels = shown
            .iter()
            .enumerate()
            .map(|(color, level)| {
                let bars = Series::bars("", level.distribution.bars()).color(color);
                let axis = Axis::from_zero(format!("requests at {} in flight", level.concurrency));
                Panel { height: 90, ..Panel::new(axis, vec![bars]) }
            })
            .collect();
        figure
    }

    /// The lowest level, the one at or above the recommended concurrency, and the highest.
    fn telling_levels(&self) -> Vec<&LevelReport> {
        let wanted = self.recommended().unwrap_or(u32::MAX);
        let last = self.levels.len().saturating_sub(1);
        let near = self.levels.iter().position(|level| level.concurrency >= wanted).unwrap_or(last);
        let mut indices = vec![0, near, last];
        indices.dedup();
        indices.into_iter().filter_map(|index| self.levels.get(index)).collect()
    }
}

fn throughput_span(level: &LevelReport) -> Option<Span> {
    let Throughput { median, min, max, .. } = &level.per_second;
    let y = (*median)?;
    Some(Span { x: f64::from(level.concurrency), low: min.unwrap_or(y), y, high: max.unwrap_or(y) })
}

const AMDAHL: &str = "Amdahl's law";
const USL: &str = "Universal Scalability Law";
/// Two stand beside each other on a desk, and one is readable on a telephone.
const NARROW: u32 = 420;
/// The whole width of a page.
const WIDE: u32 = 960;
/// Enough that a curve looks like one.
const CURVE_POINTS: u32 = 120;
