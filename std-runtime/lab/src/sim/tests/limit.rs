//! A concurrency limit that finds what a server can carry from how long its answers take.

use super::*;

/// What the presets use, with room above.
const FOUND: LimitConfig = LimitConfig { ceiling: 200, ..LimitConfig::DEFAULT };
/// Answers of the first seconds are not judged.
const FROM_S: u64 = 10;
const LENGTH_S: u64 = 40;
/// What pulls at the limit: always more than any of them.
const USERS: u32 = 300;

/// A saturated closed loop: users that ask again at once, at a server with a queue for all of them.
fn saturated(seed: u64, rules: &str, limit: LimitConfig) -> World {
    let fleet = Fleet {
        gate: GateConfig { limit, ..open_gate() },
        call: once(),
        traffic: hungry(USERS, None),
        deadline: seconds(3_600),
        ..Fleet::new("mirror", "server")
    };
    world(seed, LENGTH_S, rules, fleet)
}

/// Answers per second between two seconds.
fn goodput(report: &Report, from_s: u64, until_s: u64) -> f64 {
    let steps = &report.fleets[0].steps[report.steps(seconds(from_s), seconds(until_s))];
    steps.iter().map(|step| f64::from(step.succeeded)).sum::<f64>() / (until_s - from_s) as f64
}

/// Answers per second after the start, and the mean time of an answer from the very beginning.
fn carried(world: &World) -> (f64, f64) {
    let report = run(world);
    let latency = report.fleets[0].answer_latency.summary();
    (goodput(&report, FROM_S, LENGTH_S), latency.mean.expect("there were answers") as f64)
}

/// The best fixed limit, found by trying: the lowest that carries 99 % of the most. With what it carries and how long that takes.
fn best_fixed(rules: &str, workers: u16) -> (u16, f64, f64) {
    let tried = [3, 4, 5, 6, 8].map(|quarters| {
        let limit = workers * quarters / 4;
        let (goodput, latency) = carried(&saturated(99, rules, LimitConfig::fixed(limit)));
        (limit, goodput, latency)
    });
    let most = tried.iter().map(|(_, goodput, _)| *goodput).fold(0.0, f64::max);
    let enough = tried.into_iter().find(|(_, goodput, _)| *goodput >= 0.99 * most);
    enough.expect("the most is among them")
}

/// The worst of 8 seeds: least of what is carried and longest of what it takes, both relative to the best fixed limit.
fn worst(workers: u16, service: &str) -> (f64, f64) {
    let rules = format!("pool={workers},service={service},queue=10000");
    let (_, best_goodput, best_latency) = best_fixed(&rules, workers);
    (1..=8).fold((f64::MAX, 0.0), |(least, longest): (f64, f64), seed| {
        let (goodput, latency) = carried(&saturated(seed, &rules, FOUND));
        (least.min(goodput / best_goodput), longest.max(latency / best_latency))
    })
}

#[track_caller]
fn gets_most_for_little(service: &str) {
    for workers in [4, 16, 32] {
        let (goodput, latency) = worst(workers, service);
        assert!(goodput >= 0.9, "{workers} × {service}: {goodput:.3} of the best fixed limit's goodput, at worst");
        assert!(latency < 2.0, "{workers} × {service}: {latency:.2} times the best fixed limit's latency, at worst");
    }
}

#[test]
fn it_is_nearly_as_good_as_the_best_fixed_limit_where_service_hardly_varies() {
    gets_most_for_little("lognormal:20ms/0.2");
}

#[test]
fn it_is_nearly_as_good_as_the_best_fixed_limit_where_service_is_without_memory() {
    gets_most_for_little("exponential:20ms");
}

#[test]
fn it_is_nearly_as_good_as_the_best_fixed_limit_where_service_varies_widely() {
    gets_most_for_little("lognormal:12ms/1.0");
}

/// A server that is another one from second 20 on.
fn changed(seed: u64, rules: &str, percent: u32) -> Report {
    let mut world = saturated(seed, rules, FOUND);
    world.length = seconds(60);
    world.servers[0].slow.push(Episode { from: seconds(20), until: seconds(60), percent });
    run(&world)
}

#[test]
fn a_server_that_is_slower_for_good_is_no_reason_to_starve() {
    for (percent, expected) in [(500, 160.0), (20, 4_000.0)] {
        for seed in 1..=8 {
            let report = changed(seed, "pool=16,service=exponential:20ms,queue=10000", percent);
            let after = goodput(&report, 30, 60);
            assert!(after >= 0.9 * expected, "seed {seed}: {after:.0} a second at {percent} % of the time");
        }
    }
}

#[test]
fn it_takes_what_another_client_leaves() {
    for seed in 1..=8 {
        let mut world = saturated(seed, "pool=16,service=exponential:20ms,queue=10000", FOUND);
        let mut other = Fleet { until: Some(seconds(20)), ..world.fleets[0].clone() };
        (other.name, other.gate.limit, other.traffic) = ("other".to_owned(), LimitConfig::fixed(12), hungry(12, None));
        world.fleets.push(other);
        world.length = seconds(40);
        let report = run(&world);
        let [before, after] = [(10, 20), (30, 40)].map(|(from, until)| goodput(&report, from, until));
        assert!(before < 600.0, "seed {seed}: {before:.0} a second beside 12 of another one");
        assert!(after >= 0.9 * 800.0, "seed {seed}: {after:.0} a second alone");
    }
}

#[test]
fn random_faults_do_not_collapse_it() {
    for percent in [10, 20] {
        for seed in 1..=8 {
            let rules = format!("pool=16,service=exponential:20ms,queue=10000\n503={percent}%");
            let (goodput, latency) = carried(&saturated(seed, &rules, FOUND));
            let best = 8.0 * (100 - percent) as f64;
            assert!(goodput >= 0.9 * best, "seed {seed}: {goodput:.0} a second with {percent} % faults");
            assert!(latency < 40_000.0, "seed {seed}: {latency:.0} µs with {percent} % faults");
        }
    }
}
