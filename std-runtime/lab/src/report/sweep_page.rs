//! The sweep as a page: what to do, the curves, the levels, the fits, the time line.

use std::collections::{BTreeMap, BTreeSet};

use super::level::{LevelReport, Resources, Throughput};
use super::page::{Block, Column, Page, Section, Table};
use super::sweep::{Fitted, FittedUsl, Intervals, SweepReport};
use crate::measure::little::Verdict;
use crate::measure::scaling::bootstrap::Interval;
use crate::measure::scaling::{Amdahl, Ceiling, Law, Residuals};
use crate::measure::text::{Micros, PerSecond, Percent, grouped, three_digits};

impl SweepReport {
    /// One file for a browser, without a script and without a network.
    #[must_use = "building a page writes nothing"]
    pub fn to_html(&self) -> String {
        self.page().to_html()
    }

    fn page(&self) -> Page {
        let loud = self.little.filter(|worst| worst.little.is_loud());
        let missed = self.requirements.iter().filter(|judgement| !judgement.is_met());
        let warnings = loud
            .map(|worst| format!("At a concurrency of {}: {}.", worst.concurrency, worst.little))
            .into_iter()
            .chain(missed.map(|judgement| format!("Requirement {judgement}.")));
        let subtitle = [&self.target, &self.when].map(String::as_str);
        let subtitle: Vec<&str> = subtitle.into_iter().filter(|part| !part.is_empty()).collect();
        let mut sections = vec![self.curves(), self.levels(), self.fits(), self.distributions()];
        if let Some(timeline) = &self.timeline {
            let figure = timeline.figure("timeline", "Over time");
            sections.push(Section { heading: "Timeline".to_owned(), blocks: vec![Block::Figures(vec![figure])] });
        }
        sections.push(self.method());
        Page {
            title: "How throughput and latency scale with concurrency".to_owned(),
            subtitle: subtitle.join(" · "),
            lead: self.advice.sentence.clone(),
            warnings: warnings.collect(),
            sections,
        }
    }

    fn curves(&self) -> Section {
        let figures = vec![self.throughput_figure(), self.latency_figure()];
        Section { heading: "Against concurrency".to_owned(), blocks: vec![Block::Figures(figures)] }
    }

    fn distributions(&self) -> Section {
        let figures = vec![self.distribution_figure()];
        Section { heading: "Distribution".to_owned(), blocks: vec![Block::Figures(figures)] }
    }

    fn levels(&self) -> Section {
        let rows = |row: fn(String, &LevelReport) -> Vec<String>| -> Vec<Vec<String>> {
            let baseline = self.baseline.iter().map(|level| row("one, no gate".to_owned(), level));
            baseline.chain(self.levels.iter().map(|level| row(level.concurrency.to_string(), level))).collect()
        };
        let speed = Table::of_numbers(
            "Throughput and latency over all repeats, the first and last tenth of each run left out. ~ marks a \
             percentile beyond which fewer than ten samples lie, – one for which there are too few.",
            Column::number("in flight"),
            &["median", "slowest", "fastest", "p50", "p90", "p95", "p99", "max", "failed", "retries"],
            rows(speed_row),
        );
        let cost = Table::of_numbers(
            "What it took: the wait for a permit, attempts, and the whole process's share of the machine",
            Column::number("in flight"),
            &[
                "queue p50",
                "queue p95",
                "queue p99",
                "requested",
                "attempts",
                "CPU s",
                "memory MiB",
                "threads",
                "descriptors",
            ],
            rows(cost_row),
        );
        let mut blocks = vec![Block::Table(speed), Block::Table(cost)];
        let errors: Vec<Vec<String>> = self.levels.iter().flat_map(error_rows).collect();
        if !errors.is_empty() {
            blocks.push(Block::Table(Table::of_numbers(
                "What went wrong: in how many attempts, and for how many tiles in the end",
                Column::text("kind"),
                &["in flight", "attempts", "share of attempts", "tiles", "share of tiles"],
                errors,
            )));
        }
        if self.little.is_some() {
            blocks.push(Block::Table(Table::of_numbers(
                "Little's law: the number in flight as a gauge showed it, and as rate times time under a permit demands",
                Column::number("in flight"),
                &["gauge", "rate × time", "apart"],
                self.levels.iter().filter_map(little_row).collect(),
            )));
        }
        Section { heading: "Levels".to_owned(), blocks }
    }

    fn fits(&self) -> Section {
        let mut laws = Vec::new();
        if let Some(Law::Ceiling(ceiling)) = &self.advice.law {
            laws.push(LawRow::of_ceiling(ceiling));
        }
        laws.extend(self.amdahl.fit().map(LawRow::of_amdahl));
        laws.extend(self.usl.fit().map(LawRow::of_usl));
        let blocks = match &self.usl {
            Fitted::Impossible { error } => vec![Block::Text(format!("No curve was fitted: {error}."))],
            Fitted::Fit(_) => vec![Block::Table(parameters(&laws)), Block::Table(self.residuals(&laws))],
        };
        Section { heading: "Fits".to_owned(), blocks }
    }

    /// How far each measured median lies from each law.
    fn residuals(&self, laws: &[LawRow<'_>]) -> Table {
        let measured = self.levels.iter().filter_map(|level| Some((level.concurrency, level.per_second.median?)));
        let row = |(index, (concurrency, median)): (usize, (u32, f64))| {
            let off = |law: &LawRow<'_>| law.residuals.each.get(index).map_or("–".to_owned(), |r| signed(*r));
            [concurrency.to_string(), PerSecond(median).to_string()].into_iter().chain(laws.iter().map(off)).collect()
        };
        let names: Vec<&str> = ["measured"].into_iter().chain(laws.iter().map(|law| law.name)).collect();
        let caption = "Residuals: measured minus fitted, per second";
        Table::of_numbers(caption, Column::number("in flight"), &names, measured.enumerate().map(row).collect())
    }

    fn method(&self) -> Section {
        let seed = ("seed".to_owned(), self.seed.to_string());
        let version = ("tidegate".to_owned(), self.tidegate.to_owned());
        let settings = self.settings.iter().map(|(name, value)| (name.clone(), value.clone()));
        let requirements = self.requirements.iter();
        let requirements = requirements.map(|judged| (format!("require {}", judged.clause), judged.outcome()));
        let table = Table {
            caption: "What was asked for".to_owned(),
            columns: vec![Column::text("setting"), Column::text("value")],
            rows: [version, seed].into_iter().chain(settings).chain(requirements).map(|(n, v)| vec![n, v]).collect(),
        };
        let how = "Levels were run in rounds, each in an order of its own, so that slow drift falls on all alike. Laws are \
                   fitted by least squares to the median of each level's repeats.";
        Section { heading: "Method".to_owned(), blocks: vec![Block::Text(how.to_owned()), Block::Table(table)] }
    }
}

/// A law as the tables show it.
struct LawRow<'a> {
    name: &'static str,
    /// λ, σ, κ, peak and limit; empty where the law has none.
    cells: [String; 5],
    residuals: &'a Residuals,
}

impl<'a> LawRow<'a> {
    fn of_ceiling(ceiling: &'a Ceiling) -> Self {
        let knee = format!("rises up to {}", three_digits(ceiling.knee()));
        let [lambda, limit] = [ceiling.lambda, ceiling.capacity].map(|rate| PerSecond(rate).to_string());
        let cells = [lambda, String::new(), String::new(), knee, limit];
        Self { name: "fixed capacity", cells, residuals: &ceiling.residuals }
    }

    fn of_amdahl(amdahl: &'a Amdahl) -> Self {
        let (lambda, sigma) = (PerSecond(amdahl.lambda).to_string(), three_digits(amdahl.sigma));
        let cells = [lambda, sigma, String::new(), "none".to_owned(), limit(amdahl.limit)];
        Self { name: "Amdahl's law", cells, residuals: &amdahl.residuals }
    }

    fn of_usl(FittedUsl { usl, intervals }: &'a FittedUsl) -> Self {
        let within = |value: f64, interval: fn(&Intervals) -> Interval| {
            let spread = intervals.as_ref().map(interval);
            let spread = spread.map(|i| format!(" ({} to {})", three_digits(i.low), three_digits(i.high)));
            three_digits(value) + &spread.unwrap_or_default()
        };
        let peak = match usl.peak {
            Some(peak) => format!("{} at {}", PerSecond(peak.per_second), three_digits(peak.concurrency)),
            None if usl.peak_beyond_range => "beyond twice the range".to_owned(),
            None => "none".to_owned(),
        };
        let cells = [
            within(usl.lambda, |i| i.lambda) + "/s",
            within(usl.sigma, |i| i.sigma),
            within(usl.kappa, |i| i.kappa),
            peak,
            limit(usl.limit),
        ];
        Self { name: "Universal Scalability Law", cells, residuals: &usl.residuals }
    }
}

fn parameters(laws: &[LawRow<'_>]) -> Table {
    let row = |law: &LawRow<'_>| {
        let error = match (law.residuals.standard_error, law.residuals.relative) {
            (Some(error), Some(relative)) => format!("{} ({})", PerSecond(error), Percent(relative)),
            _ => "–".to_owned(),
        };
        [law.name.to_owned()].into_iter().chain(law.cells.clone()).chain([error]).collect()
    };
    Table::of_numbers(
        "λ: throughput of one in flight. σ: share that queues. κ: cost of coordination. In brackets where nine in ten \
         resamplings of the repeats lie, and the standard error as a share of the mean.",
        Column::text("law"),
        &["λ", "σ", "κ", "peak", "limit", "standard error"],
        laws.iter().map(row).collect(),
    )
}

fn limit(per_second: Option<f64>) -> String {
    per_second.map_or("none".to_owned(), |limit| PerSecond(limit).to_string())
}

fn speed_row(name: String, level: &LevelReport) -> Vec<String> {
    let rate = |rate: Option<f64>| rate.map_or("–".to_owned(), |rate| PerSecond(rate).to_string());
    let Throughput { median, min, max, .. } = &level.per_second;
    let latency = &level.latency_ms;
    let mut row = vec![name, rate(*median), rate(*min), rate(*max)];
    row.extend([latency.p50, latency.p90, latency.p95, latency.p99].map(|percentile| percentile.to_string()));
    row.push(latency.max.map_or("–".to_owned(), |us| Micros(us).to_string()));
    row.extend([level.failed, level.retries].map(grouped));
    row
}

fn cost_row(name: String, level: &LevelReport) -> Vec<String> {
    let or_dash = |value: Option<String>| value.unwrap_or("–".to_owned());
    let Resources { cpu_seconds, resident_bytes_max, threads_max, descriptors_max } = level.resources;
    vec![
        name,
        level.queue_wait_ms.p50.to_string(),
        level.queue_wait_ms.p95.to_string(),
        level.queue_wait_ms.p99.to_string(),
        grouped(level.requested),
        grouped(level.attempts),
        or_dash(cpu_seconds.map(three_digits)),
        or_dash(resident_bytes_max.map(|bytes| three_digits(bytes as f64 / f64::from(1 << 20)))),
        or_dash(threads_max.map(grouped)),
        or_dash(descriptors_max.map(grouped)),
    ]
}

/// A row for each kind of error of a level. Some have no attempt: nothing was sent.
fn error_rows(level: &LevelReport) -> Vec<Vec<String>> {
    let kinds: BTreeSet<&String> = level.faults_by_kind.keys().chain(level.failed_by_kind.keys()).collect();
    let row = |kind: &String| {
        let of = |counts: &BTreeMap<String, u64>, whole: u64| {
            let count = counts.get(kind).copied().unwrap_or(0);
            [grouped(count), Percent(count as f64 / whole.max(1) as f64).to_string()]
        };
        let attempts = of(&level.faults_by_kind, level.attempts);
        let tiles = of(&level.failed_by_kind, level.requested);
        [kind.clone(), level.concurrency.to_string()].into_iter().chain(attempts).chain(tiles).collect()
    };
    kinds.into_iter().map(row).collect()
}

fn little_row(level: &LevelReport) -> Option<Vec<String>> {
    let little = level.little?;
    let apart = match little.verdict {
        Verdict::NotJudged => "not judged".to_owned(),
        Verdict::Agrees { off } | Verdict::Off { off } | Verdict::FarOff { off } => Percent(off.abs()).to_string(),
    };
    let sides = [little.in_flight_measured, little.in_flight_expected].map(three_digits);
    Some([level.concurrency.to_string()].into_iter().chain(sides).chain([apart]).collect())
}

fn signed(value: f64) -> String {
    if value > 0.0 { format!("+{}", three_digits(value)) } else { three_digits(value) }
}
