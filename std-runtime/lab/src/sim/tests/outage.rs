//! A server that goes away and comes back.

use super::*;

const CALLS: u64 = 20_000;

/// Bulk work: 20,000 calls, 100 of them alive at a time, with the default settings.
fn bulk(seed: u64, rules: &str) -> World {
    let link = Link { round_trip: uniform(5, 80), ..Link::PERFECT };
    let fleet =
        Fleet { traffic: hungry(100, Some(CALLS)), link, deadline: seconds(3_600), ..Fleet::new("bulk", "server") };
    world(seed, 300, rules, fleet)
}

#[test]
fn thirty_seconds_without_a_server_cost_few_attempts_and_lose_nothing() {
    // At most 50 are in flight when it begins, and calls_min is 16. The open times are at least half of 5, 10, 20 and 40 s,
    // 37 s together, so that at most four probes fall into 30 s; a stopped server refuses at once.
    // Nothing opens it before the 16th failure.
    let bounds = 16..=50 + 16 + 4;
    for rules in ["outage=10s..40s:refuse", "outage=10s..40s:503", "outage=10s..40s:reset"] {
        for seed in 1..=8 {
            let report = run(&bulk(seed, rules));
            let FleetReport { calls, attempts, .. } = &report.fleets[0];
            assert_eq!(calls.succeeded, CALLS, "{rules}, seed {seed}: {calls:?}");
            assert_eq!(calls.offered, CALLS, "{rules}, seed {seed}: {calls:?}");
            assert!(bounds.contains(&attempts.failed), "{rules}, seed {seed}: {} failed attempts", attempts.failed);
            assert_eq!(attempts.sent, CALLS + attempts.failed, "{rules}, seed {seed}: {attempts:?}");
        }
    }
}

#[test]
fn a_server_that_hangs_costs_as_few() {
    for seed in 1..=8 {
        let report = run(&bulk(seed, "outage=10s..40s:hang"));
        let FleetReport { calls, attempts, .. } = &report.fleets[0];
        assert_eq!((calls.offered, calls.succeeded), (CALLS, CALLS), "seed {seed}: {calls:?}");
        assert!((16..=50 + 16 + 4).contains(&attempts.timed_out), "seed {seed}: {attempts:?}");
    }
}

#[test]
fn without_breaker_and_budget_the_same_outage_costs_ten_times_as_many() {
    let mut world = bulk(1, "outage=3s..33s:503");
    world.fleets[0].gate = open_gate();
    let attempts = run(&world).fleets[0].attempts;
    assert!(attempts.failed > 700, "{attempts:?}");
}

#[test]
fn a_restart_in_the_middle_of_a_pause_keeps_the_pause() {
    // At 10 s the server asks for a minute of silence. At 20 s the device loses its power for 5 s.
    let restarted = |restores| {
        let mut world = bulk(3, "outage=10s..11s:429:60\nlatency=100ms");
        world.fleets[0].restarts = vec![Restart { at: seconds(20), down: seconds(5), restores }];
        let report = run(&world);
        assert!(report.fleets[0].calls.interrupted > 0, "nothing was going on");
        assert_eq!(report.fleets[0].calls.succeeded, CALLS, "{:?}", report.fleets[0].calls);
        let first_after = report.servers[0].steps[12..].iter().position(|step| step.arrived > 0);
        12 + first_after.expect("it comes back some time")
    };
    // The pause is jittered upwards by an eighth at most: 60 to 67.5 s from the first refusal on.
    assert!((70..=78).contains(&restarted(true)), "asked again after {} s", restarted(true));
    assert_eq!(restarted(false), 25, "a gate that forgets asks at once");
}

#[test]
fn a_retry_goes_to_another_server_and_so_does_who_finds_the_first_one_down() {
    let mut world = bulk(5, "outage=10s..40s:503");
    world.servers.push(Server::new("mirror", "latency=50ms").expect("good rules"));
    world.fleets[0].servers.push("mirror".to_owned());
    world.fleets[0].traffic = hungry(100, None);
    let report = run(&world);
    let succeeded = |from: usize, until: usize| -> u32 {
        report.fleets[0].steps[from..until].iter().map(|step| step.succeeded).sum::<u32>() / (until - from) as u32
    };
    let (before, during) = (succeeded(5, 10), succeeded(15, 40));
    assert!(during * 2 > before, "{during}/s during the outage, {before}/s before");
    let to_mirror: u32 = report.servers[1].steps[..10].iter().map(|step| step.arrived).sum();
    assert_eq!(to_mirror, 0, "the mirror was asked while the first server answered");
    assert_eq!(report.fleets[0].calls.exhausted, 0);
}
