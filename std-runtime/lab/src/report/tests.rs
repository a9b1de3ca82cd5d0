use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

use super::*;
use crate::measure::little::Observed;
use crate::measure::percentile::Summary;
use crate::measure::requirement::{Measured, Requirements};

/// A sweep as it comes from a server with 16 workers of 20 ms, with everything that a report can hold.
fn sixteen_workers() -> SweepInput {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut runs = Vec::new();
    for _ in 0..5 {
        for concurrency in [1, 5, 10, 20, 50] {
            runs.push(run(concurrency, &mut rng));
        }
    }
    let latency = Summary::of(&mut runs[3].latencies_us.clone());
    let measured = Measured { latency: &latency, succeeded: 398, requested: 400, per_second: Some(790.0) };
    SweepInput {
        target: "embedded server <16 workers>".to_owned(),
        when: "2026-11-23 21:40 UTC".to_owned(),
        seed: 7,
        settings: [("levels", "1,5,10,20,50"), ("repeats", "5"), ("timeout", "10 s")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        baseline: Some(Run { in_flight: None, ..run(1, &mut rng) }),
        requirements: "p95<60ms,success>99.9%".parse::<Requirements>().unwrap().judge(&measured),
        timeline: Some(timeline(&mut rng)),
        runs,
    }
}

fn run(concurrency: u32, rng: &mut fastrand::Rng) -> Run {
    let count = 400;
    let busy = f64::from(concurrency.min(16));
    let per_second = 50.0 * busy * (0.98 + 0.04 * rng.f64());
    let mean_ms = 1e3 * f64::from(concurrency) / per_second;
    // Mostly close to the mean, one in fifty up to three times as long.
    let mut latency = || {
        let slow = if rng.u32(..50) == 0 { 1.0 + 2.0 * rng.f64() } else { 1.0 };
        (1e3 * mean_ms * slow * (0.95 + 0.1 * rng.f64())) as u64
    };
    let latencies_us: Vec<u64> = (0..count).map(|_| latency()).collect();
    let permit_time_us = latencies_us.iter().sum();
    let elapsed_us = permit_time_us / u64::from(concurrency);
    let kinds = |timeouts, refusals| match concurrency {
        50 => [("timeout".to_owned(), timeouts), ("status 503".to_owned(), refusals)].into(),
        _ => BTreeMap::new(),
    };
    Run {
        concurrency,
        queue_waits_us: (0..count).map(|_| u64::from(rng.u32(..900))).collect(),
        per_second,
        requested: count,
        failed: kinds(2, 1),
        faults: kinds(6, 2),
        attempts: count + u64::from(concurrency / 10),
        retries: u64::from(concurrency / 10),
        resources: Resources {
            cpu_seconds: Some(0.01 * busy),
            resident_bytes_max: Some(20 << 20),
            threads_max: Some(3 + u64::from(concurrency)),
            descriptors_max: None,
        },
        in_flight: Some(Observed {
            in_flight_mean: f64::from(concurrency) * 0.99,
            attempts: count,
            permit_time_us,
            elapsed_us,
        }),
        latencies_us,
    }
}

fn timeline(rng: &mut fastrand::Rng) -> Timeline {
    let mut sample = |i: u32| {
        let outage = (40..80).contains(&i);
        Sample {
            at_s: f64::from(i) / 4.0,
            succeeded_per_s: if outage { 0.0 } else { 700.0 + 80.0 * rng.f64() },
            failed_per_s: if outage { 20.0 * rng.f64() } else { 0.0 },
            retried_per_s: if outage { 8.0 * rng.f64() } else { 0.0 },
            in_flight: if outage { 2.0 } else { 18.0 + 2.0 * rng.f64() },
            limit: Some(if outage { 4.0 } else { 20.0 }),
            rate_per_s: (i > 100).then_some(800.0),
        }
    };
    Timeline {
        samples: (0..120).map(&mut sample).collect(),
        breaker: vec![
            BreakerSpan { from_s: 11.0, to_s: 19.0, state: BreakerState::Open },
            BreakerSpan { from_s: 19.0, to_s: 20.5, state: BreakerState::HalfOpen },
        ],
        events: vec![Event { at_s: 10.0, label: "outage begins".to_owned() }],
    }
}

#[path = "../../schema/check.rs"]
mod check;
use check::violations;

fn schema() -> Value {
    serde_json::from_str(include_str!("../../schema/sweep-report.schema.json")).expect("the schema is JSON")
}

fn json(report: &SweepReport) -> Value {
    serde_json::to_value(report).expect("a report is JSON")
}

/// Reports of every kind that there is.
static ALL_KINDS: LazyLock<Vec<SweepReport>> = LazyLock::new(|| {
    let full = sixteen_workers();
    let with = |change: &dyn Fn(&mut Run)| {
        let mut input = full.clone();
        input.runs.iter_mut().for_each(change);
        input
    };
    let at = |curve: fn(f64) -> f64| with(&move |run| run.per_second = curve(f64::from(run.concurrency)));
    vec![
        full.clone(),
        SweepInput::default(),
        SweepInput { runs: full.runs[..1].to_vec(), ..SweepInput::default() },
        at(|n| 50.0 * n),
        at(|n| 50.0 * n / (1.0 + 0.1 * (n - 1.0))),
        at(|n| 100.0 * n / (1.0 + 0.03 * (n - 1.0) + 0.003 * n * (n - 1.0))),
        at(|n| 100.0 * n / (1.0 + 0.01 * (n - 1.0) + 0.00001 * n * (n - 1.0))),
        at(|_| f64::NAN),
        with(&|run| run.failed = [("timeout".to_owned(), if run.concurrency > 5 { 40 } else { 0 })].into()),
        with(&|run| run.failed = [("timeout".to_owned(), 400)].into()),
        with(&|run| run.in_flight = run.in_flight.map(|o| Observed { in_flight_mean: f64::NAN, ..o })),
        with(&|run| run.in_flight = run.in_flight.map(|o| Observed { in_flight_mean: 1.0, ..o })),
        with(&|run| run.latencies_us.truncate(1)),
        SweepInput {
            requirements: "p99<1s".parse::<Requirements>().unwrap().judge(&Measured {
                latency: &Summary::of(&mut [1; 20]),
                succeeded: 20,
                requested: 20,
                per_second: None,
            }),
            ..SweepInput::default()
        },
    ]
    .into_iter()
    .map(SweepReport::from_runs)
    .collect()
});

#[test]
fn every_kind_of_report_follows_the_published_schema() {
    let schema = schema();
    for report in ALL_KINDS.iter() {
        let json = json(report);
        let found = violations(&schema, &json, &schema, "");
        assert!(found.is_empty(), "{}\n{:#?}", report.advice.sentence, found);
    }
}

#[test]
fn the_schema_notices_what_is_missing_added_or_of_another_kind() {
    let schema = schema();
    let good = json(&SweepReport::from_runs(sixteen_workers()));
    let broken = |pointer: &str, change: &dyn Fn(&mut Value)| {
        let mut json = good.clone();
        change(json.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")));
        violations(&schema, &json, &schema, "").len()
    };
    for name in good.as_object().unwrap().keys() {
        assert!(broken("", &|json| drop(json.as_object_mut().unwrap().remove(name))) > 0, "{name} may be missing");
    }
    let objects =
        ["/levels/0", "/levels/0/latency_ms", "/usl", "/usl/residuals", "/amdahl", "/little", "/advice", "/timeline"];
    for pointer in objects {
        assert!(broken(pointer, &|json| json["surplus"] = 1.into()) > 0, "{pointer} may have anything");
    }
    for pointer in
        ["/schema_version", "/advice/confidence", "/levels/2/little/verdict", "/requirements/0/verdict", "/seed"]
    {
        assert!(broken(pointer, &|json| *json = "something else".into()) > 0, "{pointer} may be anything");
    }
}

#[test]
fn a_page_is_well_formed_and_fetches_nothing() {
    for report in ALL_KINDS.iter() {
        let html = report.to_html();
        let document = html.strip_prefix("<!doctype html>\n").expect("a doctype");
        let document = roxmltree::Document::parse(document).unwrap_or_else(|error| panic!("{error}"));
        let count = |name: &str| document.descendants().filter(|n| n.has_tag_name(name)).count();
        assert_eq!((count("script"), count("link"), count("img"), count("h1")), (0, 0, 0, 1));
        assert!(!html.contains("http://") && !html.contains("https://") && !html.contains("url(h"), "{html}");
        assert!(document.descendants().any(|n| n.text() == Some(report.advice.sentence.as_str())));
        let mut ids: Vec<&str> = document.descendants().filter_map(|n| n.attribute("id")).collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "an id is there twice");
        for node in document.descendants().filter(|n| n.has_attribute("aria-labelledby")) {
            let wanted = node.attribute("aria-labelledby").unwrap();
            assert!(wanted.split(' ').all(|id| ids.contains(&id)), "{wanted} names nothing");
        }
        assert_eq!(count("table"), count("caption"), "a table without a caption");
        for row in document.descendants().filter(|n| n.has_tag_name("tr")) {
            let header = row.children().next().and_then(|cell| cell.attribute("scope"));
            assert!(matches!(header, Some("row" | "col")), "a row without a header");
        }
    }
}

#[test]
fn the_page_shows_what_was_found_out() {
    let html = SweepReport::from_runs(sixteen_workers()).to_html();
    for text in [
        "embedded server &lt;16 workers&gt; · 2026-11-23 21:40 UTC",
        "Use a concurrency of 16",
        "Requirement success&gt;99.9%: missed, 99.5 %.",
        "use 16",
        "Universal Scalability Law",
        "status 503",
        "breaker half-open",
        "outage begins",
        "require p95&lt;60ms",
        "one, no gate",
    ] {
        assert!(html.contains(text), "{text} is not on the page");
    }
}

#[test]
fn a_broken_law_of_littles_is_a_warning_on_top() {
    let mut input = sixteen_workers();
    for run in &mut input.runs {
        run.in_flight = run.in_flight.map(|o| Observed { in_flight_mean: o.in_flight_mean * 0.8, ..o });
    }
    let html = SweepReport::from_runs(input).to_html();
    let warning = html.find("Little&#39;s law is off by").expect("a warning");
    assert!(warning < html.find("<h2>").unwrap(), "below the first heading");
}

#[test]
fn the_same_runs_give_the_same_bytes() {
    let (one, other) = (SweepReport::from_runs(sixteen_workers()), SweepReport::from_runs(sixteen_workers()));
    assert_eq!(one.to_html(), other.to_html());
    assert_eq!(one.to_csv(), other.to_csv());
    assert_eq!(json(&one), json(&other));
}

#[test]
fn repeats_are_put_together() {
    let report = SweepReport::from_runs(sixteen_workers());
    let concurrencies: Vec<u32> = report.levels.iter().map(|level| level.concurrency).collect();
    assert_eq!(concurrencies, [1, 5, 10, 20, 50]);
    let last = &report.levels[4];
    assert_eq!((last.samples, last.requested, last.failed, last.retries), (2_000, 2_000, 15, 25));
    assert_eq!(last.failed_by_kind, [("status 503".to_owned(), 5), ("timeout".to_owned(), 10)].into());
    assert_eq!(last.faults_by_kind, [("status 503".to_owned(), 10), ("timeout".to_owned(), 30)].into());
    assert_eq!(last.distribution.bins.iter().map(|bin| bin.count).sum::<u64>(), 2_000);
    assert_eq!((last.resources.cpu_seconds, last.resources.threads_max), (Some(0.8), Some(53)));
    let Throughput { median: Some(median), min: Some(min), max: Some(max), repeats } = &last.per_second else {
        panic!("{:?}", last.per_second)
    };
    assert!(min <= median && median <= max && repeats.len() == 5);
}

#[test]
fn bins_are_equal_factors_and_hold_their_latencies() {
    let latencies_us = vec![0, 1, 1_000, 1_024, 2_048, u64::MAX];
    let run = Run { concurrency: 1, latencies_us, ..Run::default() };
    let input = SweepInput { runs: vec![run], ..SweepInput::default() };
    let level = SweepReport::from_runs(input).levels.remove(0);
    let bins = &level.distribution.bins;
    assert_eq!(bins.iter().map(|bin| bin.count).collect::<Vec<_>>(), [2, 1, 1, 1, 1]);
    assert!(bins.iter().all(|bin| (bin.to_ms / bin.from_ms - 1.0443).abs() < 1e-4), "{bins:?}");
    assert!(bins[2].from_ms <= 1.024 && 1.024 < bins[2].to_ms);
}

#[test]
fn the_page_says_that_a_peak_is_beyond_twice_the_range() {
    let mut input = sixteen_workers();
    let curve = |n: f64| 100.0 * n / (1.0 + 0.01 * (n - 1.0) + 0.00001 * n * (n - 1.0));
    input.runs.iter_mut().for_each(|run| run.per_second = curve(f64::from(run.concurrency)));
    let report = SweepReport::from_runs(input);
    // √(0.99/0.00001) = 315 is beyond 100.
    let fitted = report.usl.fit().unwrap();
    assert_eq!((fitted.usl.peak, fitted.usl.peak_beyond_range), (None, true));
    assert!(report.to_html().contains("beyond twice the range"));
}

#[test]
fn csv_has_one_line_for_each_level_and_as_many_fields_in_each() {
    let csv = SweepReport::from_runs(sixteen_workers()).to_csv();
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines.len(), 7);
    assert!(lines.iter().all(|fields| fields.len() == lines[0].len()), "{csv}");
    let column = |name: &str| lines[0].iter().position(|&field| field == name).unwrap();
    assert_eq!((lines[1][column("kind")], lines[1][column("concurrency")]), ("baseline", "1"));
    assert_eq!((lines[6][column("concurrency")], lines[6][column("failed")]), ("50", "15"));
    assert_eq!(lines[6][column("descriptors_max")], "", "what was not measured is empty");
    assert!(lines[6][column("latency_p99_ms")].parse::<f64>().is_ok_and(|ms| ms > 60.0));
    assert_eq!(SweepReport::from_runs(SweepInput::default()).to_csv(), "");
}
