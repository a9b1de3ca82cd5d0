//! What is known about retries, herds, breakers and sharing, found again here; most of it in the ready scenarios.

use tidegate_core::rate::AdaptiveRateConfig;

use super::*;
use crate::sim::figures::{Figures, NoBaseline, Recovery};
use crate::sim::scenario::Scenario;

/// A scenario of `examples/scenarios`, with the presets of the command: what is tested here is what it shows.
macro_rules! ready {
    ($name:literal) => {
        ready($name, include_str!(concat!("../../../../../examples/scenarios/", $name, ".toml")))
    };
}

fn ready(name: &str, text: &str) -> World {
    let presets = tidegate::config::Preset::ALL;
    let presets = presets.map(|it| scenario::Preset { name: it.name(), gate: it.gate(), call: it.call() });
    Scenario::from_toml(text, &presets).unwrap_or_else(|error| panic!("{name}: {error}")).world
}

/// Calls that succeeded, of those that began, in these seconds.
fn goodput(report: &Report, fleet: usize, from_s: u64, until_s: u64) -> f64 {
    let steps = &report.fleets[fleet].steps[report.steps(seconds(from_s), seconds(until_s))];
    let sum = |count: fn(&Moment) -> u32| f64::from(steps.iter().map(count).sum::<u32>());
    sum(|step| step.succeeded) / sum(|step| step.offered)
}

#[test]
fn a_retry_storm_never_ends_by_itself_and_a_budget_ends_it_within_a_minute() {
    let mut world = ready!("retry-storm");
    world.length = seconds(90 + 11 * 60);
    for seed in 1..=3 {
        world.seed = seed;
        let report = run(&world);
        let [before, after] = [(30, 60), (90 + 600, 90 + 660)].map(|(from, until)| goodput(&report, 0, from, until));
        assert!(before > 0.99, "seed {seed}: {before:.3} before the overload");
        assert!(after < 0.1, "seed {seed}: {after:.3} ten minutes after an overload of half a minute");
        for fleet in [1, 2] {
            let after = goodput(&report, fleet, 90 + 60, 90 + 120);
            assert!(after > 0.9, "seed {seed}, fleet {fleet}: {after:.3} a minute after it");
        }
    }
}

#[test]
fn full_jitter_makes_a_herd_fifty_times_smaller() {
    let world = ready!("thundering-herd");
    let figures = Figures::of(&world, &run(&world));
    let [together, spread] = [0, 1].map(|server| figures.servers[server].peak_after.expect("there was an outage"));
    assert_eq!(figures.servers[0].step_s, 0.1);
    assert_eq!(together, 10_000, "all at once");
    assert!(spread * 50 <= together, "{spread} in 100 ms with full jitter, {together} without");
    for fleet in &figures.fleets {
        assert_eq!(fleet.calls.succeeded, 10_000, "{fleet:?}");
    }
}

#[test]
fn a_breaker_recovers_in_half_its_open_time_and_a_round_trip_for_each_probe() {
    for (open_ms, round_trip_ms, successes) in [(5_000, 100, 1), (5_000, 200, 3), (1_000, 20, 2)] {
        // Clients begin anywhere within ten periods, so that the outage ends at any point of theirs.
        let period = millis(open_ms + round_trip_ms);
        let open = BackoffConfig {
            base: millis(open_ms),
            cap: millis(open_ms),
            jitter: Jitter::None,
            ..BackoffConfig::DEFAULT
        };
        let breaker = BreakerConfig { window: 4, calls_min: 4, open, successes, ..BreakerConfig::DEFAULT };
        let link = Link { round_trip: Delay::Fixed(millis(round_trip_ms)), ..Link::PERFECT };
        let fleet = Fleet {
            clients: 4_000,
            gate: GateConfig { breaker, limit: LimitConfig::fixed(1), ..open_gate() },
            call: every(millis(1), 255),
            traffic: hungry(1, Some(20)),
            deadline: seconds(3_600),
            link,
            spread: period * 10,
            ..Fleet::new("cars", "server")
        };
        let end = period * 12;
        let mut world = world(7, 1, &format!("outage=0s..{}ms:503", end.as_millis()), fleet);
        (world.length, world.step) = (end + period * 2, millis(10));
        let report = run(&world);
        let after = &report.fleets[0].steps[report.steps(end, world.length)];
        let not_closed: u64 = after.iter().map(|step| u64::from(step.open)).sum();
        let found_ms = not_closed as f64 * 10.0 / 4_000.0;
        let expected_ms = (open_ms + round_trip_ms) as f64 / 2.0 + f64::from(successes) * round_trip_ms as f64;
        let off = found_ms / expected_ms - 1.0;
        assert!(off.abs() < 0.05, "open {open_ms} ms: {found_ms:.0} ms, where the formula gives {expected_ms:.0} ms");
        assert_eq!(after.last().map(|step| step.open), Some(0));
    }
}

/// Jain's index of clients that each seek the limit of one server, and how much of the limit they get together.
fn shared(seed: u64, clients: u32, rules: &str, rate: AdaptiveRateConfig) -> (f64, u64) {
    let gate = GateConfig { limit: LimitConfig::fixed(10), rate: RateControl::Adaptive(rate), ..GateConfig::DEFAULT };
    let link = Link { round_trip: uniform(5, 80), ..Link::PERFECT };
    let mut fleet = Fleet { clients, gate, link, deadline: seconds(3_600), ..Fleet::new("mirrors", "server") };
    fleet.traffic = hungry(10, None);
    let report = run(&world(seed, 600, rules, fleet));
    (report.fleets[0].fairness().expect("some had something"), report.servers[0].requests.accepted / 600)
}

#[test]
fn clients_that_each_seek_the_limit_of_one_server_get_equal_shares() {
    for kind in ["kind=fixed", "kind=sliding", "burst=20", "burst=200"] {
        let rules = format!("rate=200/s,{kind},retry-after=none");
        for seed in 1..=4 {
            let (fairness, accepted) = shared(seed, 4, &rules, AdaptiveRateConfig::DEFAULT);
            assert!(fairness >= 0.95, "{rules}, seed {seed}: {fairness:.3}");
            assert!(accepted >= 190, "{rules}, seed {seed}: {accepted} a second");
        }
    }
}

#[test]
fn steps_that_multiply_both_ways_leave_almost_everything_to_one_client() {
    let (fairness, _) = shared(1, 10, "rate=200/s,kind=fixed,retry-after=none", AdaptiveRateConfig::AIMD);
    assert!(fairness < 0.2, "{fairness:.3}, where one of ten that has everything would be 0.1");
}

#[test]
fn a_second_mirror_keeps_calls_going_while_the_first_is_down() {
    let world = ready!("bad-mirror");
    let report = run(&world);
    let [with, without] = [0, 1].map(|fleet| goodput(&report, fleet, 70, 120));
    assert!(with > 0.97, "{with:.3} with a second mirror");
    assert!(without < 0.1, "{without:.3} without");
}

#[test]
fn counting_slow_answers_frees_callers_of_a_server_that_never_fails() {
    let world = ready!("slow-server");
    let report = run(&world);
    let held_up = |fleet: usize| {
        let steps = &report.fleets[fleet].steps[report.steps(seconds(70), seconds(180))];
        steps.iter().map(|step| step.in_flight + step.waiting).sum::<u32>() / steps.len() as u32
    };
    let [waits, counts] = [0, 1].map(held_up);
    assert!(waits > 5 * counts, "{waits} held up on average, {counts} with slow answers counted");
    assert_eq!(report.fleets[0].opened, 0);
}

#[test]
fn a_gate_that_is_restored_keeps_the_silence_that_it_was_asked_for() {
    let world = ready!("fleet-reboot");
    let report = run(&world);
    // Everybody was asked for a minute of silence between 60 s and 70 s; devices are back at 83 s.
    let arrived = |server: usize| {
        let steps = &report.servers[server].steps[report.steps(seconds(83), seconds(118))];
        steps.iter().map(|step| step.arrived).sum::<u32>()
    };
    assert_eq!((arrived(0), arrived(1)), (5_000, 0), "requests of the forgetful, and of those that remember");
    let figures = Figures::of(&world, &report);
    let [forgetful, remembers] = [0, 1].map(|fleet| figures.fleets[fleet].recovery);
    let (Recovery::After { after_s: forgetful }, Recovery::After { after_s: remembers }) = (forgetful, remembers)
    else {
        panic!("one of them never recovers: {forgetful:?}, {remembers:?}")
    };
    assert!(forgetful > remembers + 15.0, "{forgetful} s, {remembers} s");
}

#[test]
fn seeking_gets_most_of_a_hidden_limit_and_not_adapting_is_refused_most() {
    let world = ready!("rate-limit");
    let figures = Figures::of(&world, &run(&world));
    let share = |fleet: usize| figures.fleets[fleet].throttled_share.unwrap_or(1.0);
    let [unlimited, aimd, seeking] = [0, 1, 2].map(|fleet| figures.fleets[fleet].goodput_per_s);
    assert!(seeking > 47.5 && seeking > aimd, "{unlimited:.1}, {aimd:.1}, {seeking:.1} a second");
    assert!(share(2) < 0.04 && (0.2..0.3).contains(&share(0)), "{:.3} and {:.3} refused", share(2), share(0));
    assert_eq!(figures.fleets[0].recovery, Recovery::NotApplicable { why: NoBaseline::Undisturbed });
}
