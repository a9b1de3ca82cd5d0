//! The simulator itself: time, order, links, loads.

use tidegate_core::rate::Rate;

use super::*;

#[test]
fn a_call_takes_the_round_trip_and_the_service() {
    let link = Link { round_trip: Delay::Fixed(millis(20)), ..Link::PERFECT };
    let fleet = Fleet { traffic: hungry(1, None), link, gate: open_gate(), ..Fleet::new("one", "server") };
    let calls = run(&world(1, 10, "latency=30ms", fleet)).fleets[0].calls;
    // 200 times 50 ms; the last answer would arrive at the very end, which is no part of the run.
    assert_eq!((calls.offered, calls.succeeded, calls.in_progress), (200, 199, 1));
}

#[test]
fn the_same_world_does_the_same_and_another_seed_does_not() {
    let at = |seed| {
        let link = Link { round_trip: uniform(5, 80), loss_millionths: 20_000, partition: None };
        let fleet = Fleet { traffic: hungry(20, None), link, ..Fleet::new("some", "server") };
        run(&world(seed, 30, "503=10%\nrate=100/s", fleet))
    };
    assert_eq!(at(7), at(7));
    assert_ne!(at(7).trace, at(8).trace);
}

#[test]
fn the_trace_is_the_same_on_every_machine() {
    // Distributions, links and order; of the core no more than it takes to send a request.
    let rules = "pool=8,service=lognormal:20ms/0.8,queue=1000000\nlatency=pareto:1ms/1.5\n404=3%";
    let link = Link { round_trip: Delay::Exponential { mean: millis(10) }, loss_millionths: 10_000, partition: None };
    let traffic = Traffic::Open { rate: Rate::per_second(300), even: false, surges: Vec::new() };
    let fleet = Fleet { traffic, link, gate: open_gate(), call: once(), ..Fleet::new("golden", "server") };
    let report = run(&world(7, 20, rules, fleet));
    assert_eq!(format!("{:016x}", report.trace), "7978267f4b1b7de0");
}

#[test]
fn a_new_fleet_shifts_nobody_elses_numbers() {
    let fleet = |name: &str| {
        let traffic = Traffic::Open { rate: Rate::per_second(50), even: false, surges: Vec::new() };
        let link = Link { loss_millionths: 100_000, ..Link::PERFECT };
        Fleet { traffic, link, gate: open_gate(), call: once(), ..Fleet::new(name, "server") }
    };
    let alone = run(&world(7, 60, "", fleet("old")));
    let mut both = world(7, 60, "", fleet("new"));
    both.fleets.push(fleet("old"));
    let both = run(&both);
    assert_eq!(both.fleets[1], alone.fleets[0]);
    assert_ne!(both.fleets[0].steps, alone.fleets[0].steps);
}

#[test]
fn arrivals_follow_their_rate_and_its_surges() {
    let surges = vec![Episode { from: seconds(100), until: seconds(200), percent: 300 }];
    let offered = |even| {
        let traffic = Traffic::Open { rate: Rate::per_second(20), even, surges: surges.clone() };
        let fleet = Fleet { traffic, gate: open_gate(), call: once(), ..Fleet::new("open", "server") };
        let report = run(&world(1, 300, "", fleet));
        let sum = |steps: std::ops::Range<usize>| report.fleets[0].steps[steps].iter().map(|step| step.offered).sum();
        let sums: [u32; 3] = [sum(0..100), sum(100..200), sum(200..300)];
        sums
    };
    // One more where a third of 50 ms is rounded down 6,000 times.
    assert_eq!(offered(true), [2_000, 6_001, 2_000]);
    // Four standard deviations: 4 · √2000 = 179, 4 · √6000 = 310.
    let [before, during, after] = offered(false);
    assert!(before.abs_diff(2_000) < 179 && during.abs_diff(6_000) < 310 && after.abs_diff(2_000) < 179);
}

#[test]
fn nothing_passes_a_partition_and_as_much_is_lost_as_should_be() {
    let partition = Some((seconds(20), seconds(30)));
    let link = Link { round_trip: Delay::Fixed(millis(10)), loss_millionths: 100_000, partition };
    let traffic = Traffic::Open { rate: Rate::per_second(1_000), even: true, surges: Vec::new() };
    let gate = GateConfig { attempt_timeout: millis(50), slow_after: millis(50), lease: seconds(1), ..open_gate() };
    let fleet = Fleet { traffic, link, gate, call: once(), ..Fleet::new("lossy", "server") };
    let report = run(&world(1, 50, "", fleet));
    let during: u32 = report.servers[0].steps[21..30].iter().map(|step| step.arrived).sum();
    assert_eq!(during, 0, "requests crossed a partition");
    let attempts = report.fleets[0].attempts;
    // 40 s at a thousand a second, a tenth of them lost, and 10 s of the partition: 14,000 ± 4 · √3600.
    assert!(attempts.timed_out.abs_diff(14_000) < 260, "{attempts:?}");
    // Half of what is lost is lost on the way back: the server has worked for nothing.
    let wasted = report.servers[0].requests.accepted - attempts.succeeded;
    assert!(wasted.abs_diff(2_000) < 180, "{wasted} answers were lost on the way back");
}

#[test]
fn a_slow_time_leaves_behind_the_queue_that_it_made_and_no_more() {
    // One worker, a second for each, twice as many for 20 s, the second half of it at a tenth of the speed: 10 are done at
    // 10 s, one more at 20 s, and the other 29 of 40 one after the other until 49 s.
    let traffic = Traffic::Open { rate: Rate::per_second(2), even: true, surges: Vec::new() };
    let minute = seconds(60);
    let gate = GateConfig { attempt_timeout: minute, slow_after: minute, lease: minute * 2, ..open_gate() };
    let fleet = Fleet { traffic, gate, call: once(), until: Some(seconds(20)), ..Fleet::new("patient", "server") };
    let mut world = world(1, 100, "pool=1,service=1s,queue=100", fleet);
    world.servers[0].slow.push(Episode { from: seconds(10), until: seconds(20), percent: 1_000 });
    let report = run(&world);
    let succeeded: Vec<u32> = report.fleets[0].steps.iter().map(|step| step.succeeded).collect();
    assert_eq!((report.fleets[0].calls.offered, report.fleets[0].calls.succeeded), (40, 40));
    assert_eq!(succeeded[11..21], [0, 0, 0, 0, 0, 0, 0, 0, 0, 1], "{succeeded:?}");
    assert_eq!(succeeded.iter().rposition(|&count| count > 0), Some(49), "{succeeded:?}");
    assert_eq!(report.fleets[0].latency.summary().max, Some(29_500_000), "the last came at 19.5 s");
}

#[test]
fn what_is_under_way_when_the_link_is_cut_is_lost_in_either_direction() {
    // Five seconds there and five back: sent at 2 s, at the server at 7 s, answered at 12 s.
    let came_through = |from_ms, until_ms| {
        let partition = Some((millis(from_ms), millis(until_ms)));
        let link = Link { round_trip: Delay::Fixed(seconds(10)), partition, ..Link::PERFECT };
        let minute = seconds(60);
        let gate = GateConfig { attempt_timeout: minute, slow_after: minute, lease: minute * 2, ..open_gate() };
        let traffic = hungry(1, Some(1));
        let fleet = Fleet { traffic, link, gate, call: once(), from: seconds(2), ..Fleet::new("far", "server") };
        let report = run(&world(1, 20, "", fleet));
        (report.servers[0].requests.arrived, report.fleets[0].calls.succeeded)
    };
    assert_eq!(came_through(0, 2_000), (1, 1), "over when the request is sent");
    assert_eq!(came_through(0, 2_001), (0, 0), "the request is sent while it lasts");
    assert_eq!(came_through(4_000, 4_001), (0, 0), "the request is under way");
    assert_eq!(came_through(7_000, 7_001), (0, 0), "the request would arrive just then");
    assert_eq!(came_through(7_001, 7_002), (1, 0), "the answer is under way");
    assert_eq!(came_through(12_000, 13_000), (1, 0), "the answer would arrive just then");
    assert_eq!(came_through(12_001, 13_000), (1, 1), "the answer was there before");
}

#[test]
fn a_fleet_that_begins_later_does_so_whatever_happens_to_its_power_before() {
    let open = Traffic::Open { rate: Rate::per_second(10), even: true, surges: Vec::new() };
    for (traffic, restart_s, begins_s) in
        [(open.clone(), 5, 40), (hungry(1, None), 5, 40), (open, 50, 40), (hungry(1, None), 39, 42)]
    {
        let restarts = vec![Restart { at: seconds(restart_s), down: seconds(3), restores: false }];
        let fleet = Fleet { traffic, restarts, from: seconds(40), gate: open_gate(), ..Fleet::new("late", "server") };
        let report = run(&world(1, 60, "latency=100ms", fleet));
        let offered: Vec<u32> = report.fleets[0].steps.iter().map(|step| step.offered).collect();
        let first = offered.iter().position(|&count| count > 0);
        assert_eq!(first, Some(begins_s), "a restart at {restart_s} s");
        assert!(offered[54..].iter().all(|&count| (9..=10).contains(&count)), "{offered:?}");
    }
}

#[test]
fn time_passes_where_nothing_takes_any() {
    // A user that is answered at once comes back a millisecond later; a million calls a second are a microsecond apart.
    let fleet = Fleet { traffic: hungry(2, None), gate: open_gate(), ..Fleet::new("quick", "server") };
    assert_eq!(run(&world(1, 3, "", fleet)).fleets[0].calls.succeeded, 2 * 3_000);
    let traffic = Traffic::Open { rate: Rate::per_second(1_000_000), even: true, surges: Vec::new() };
    let fleet = Fleet { traffic, gate: open_gate(), ..Fleet::new("fast", "server") };
    let mut world = world(1, 1, "", fleet);
    (world.length, world.step) = (millis(10), millis(10));
    assert_eq!(run(&world).fleets[0].calls.succeeded, 10_000);
}

#[test]
fn what_does_not_fit_into_the_line_ends_at_once() {
    let gate = GateConfig { limit: LimitConfig::fixed(1), ..open_gate() };
    let fleet = Fleet { traffic: hungry(10, Some(10)), places: 4, gate, ..Fleet::new("crowd", "server") };
    let calls = run(&world(1, 10, "latency=100ms", fleet)).fleets[0].calls;
    assert_eq!((calls.offered, calls.queue_full, calls.succeeded), (10, 5, 5), "one is under way and four wait");
}

#[test]
fn calls_end_at_their_deadline_wherever_they_are() {
    // One waits for an answer that never comes, the other for a place behind it.
    let gate = GateConfig { limit: LimitConfig::fixed(1), ..open_gate() };
    let fleet = Fleet { traffic: hungry(2, Some(2)), deadline: seconds(3), gate, ..Fleet::new("late", "server") };
    let report = run(&world(1, 10, "outage=0s..1h:hang", fleet));
    let FleetReport { calls, attempts, .. } = &report.fleets[0];
    assert_eq!((calls.offered, calls.out_of_time), (2, 2), "{calls:?}");
    assert_eq!((attempts.sent, attempts.cancelled), (1, 1), "{attempts:?}");
}

#[test]
fn calls_through_one_gate_are_served_in_the_order_of_their_arrival() {
    let gate = GateConfig { limit: LimitConfig::fixed(1), ..open_gate() };
    let fleet =
        Fleet { clients: 10, shares_gate: true, traffic: hungry(1, None), gate, ..Fleet::new("line", "server") };
    let report = run(&world(1, 100, "latency=uniform:10ms..50ms", fleet));
    let answered = &report.fleets[0].answered_by_client;
    let (least, most) = (answered.iter().min(), answered.iter().max());
    assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1), "{answered:?}");
    assert!(report.fleets[0].fairness().is_some_and(|index| index > 0.999));
}

#[test]
fn a_retry_storm_multiplies_what_reaches_the_server() {
    let fleet = Fleet {
        traffic: hungry(1, Some(100)),
        gate: open_gate(),
        call: every(millis(10), 4),
        ..Fleet::new("naive", "server")
    };
    let report = run(&world(1, 60, "outage=0s..1h:503", fleet));
    let FleetReport { calls, attempts, .. } = &report.fleets[0];
    assert_eq!((calls.exhausted, attempts.sent, attempts.retries), (100, 400, 300));
}

#[test]
fn fairness_is_jains_index() {
    let of = |answered_by_client: &[u64]| {
        let fleet = Fleet { traffic: hungry(1, Some(1)), ..Fleet::new("any", "server") };
        let mut report = run(&world(1, 1, "", fleet)).fleets.remove(0);
        report.answered_by_client = answered_by_client.to_vec();
        report.fairness()
    };
    assert_eq!(of(&[5, 5, 5, 5]), Some(1.0));
    assert_eq!(of(&[5, 0, 0, 0]), Some(0.25));
    assert_eq!(of(&[0, 0]), None, "nothing was shared");
    // (1 + 2 + 3)² / (3 · 14)
    assert!(of(&[1, 2, 3]).is_some_and(|index| (index - 36.0 / 42.0).abs() < 1e-12));
}

#[test]
fn a_world_that_makes_no_sense_is_told_what_to_change() {
    let fleet = || Fleet::new("cars", "server");
    let check = |change: &dyn Fn(&mut World)| {
        let mut world = world(1, 10, "", fleet());
        change(&mut world);
        match world.run() {
            Ok(_) => panic!("this world runs"),
            Err(error) => error.to_string(),
        }
    };
    let of = |mention: &str, change: &dyn Fn(&mut World)| {
        let error = check(change);
        assert!(error.contains(mention), "`{error}` does not say `{mention}`");
    };
    of("the world: length is 0ns", &|world| world.length = Duration::ZERO);
    of("make the step longer", &|world| world.length = seconds(100_001));
    of("the world: step is 11s", &|world| world.step = seconds(11));
    of("number of servers is 0", &|world| world.servers.clear());
    of("there are two called `cars`", &|world| world.fleets.push(fleet()));
    of("calls the server `origin`, which is not there; write one of `server`", &|world| {
        world.fleets[0].servers = vec!["origin".to_owned()];
    });
    of("fleet `cars`: clients is 0", &|world| world.fleets[0].clients = 0);
    of("number of clients is 1000001", &|world| world.fleets[0].clients = 1_000_001);
    of("fleet `cars`: places is 0", &|world| world.fleets[0].places = 0);
    of("fleet `cars`: users is 0", &|world| world.fleets[0].traffic = hungry(0, None));
    of("make it later than its beginning", &|world| {
        world.fleets[0].link.partition = Some((seconds(2), seconds(1)));
    });
    of("server `server`: end of the episode", &|world| {
        world.servers[0].slow = vec![Episode { from: seconds(2), until: seconds(2), percent: 200 }];
    });
    let often = |count, percent| Traffic::Open {
        rate: Rate::per_second(count),
        even: false,
        surges: vec![Episode { from: seconds(1), until: seconds(2), percent }],
    };
    of("fleet `cars`: arrivals is 4294967295/1s, 1 clients; at most 1000000/s", &|world| {
        world.fleets[0].traffic = often(u32::MAX, 100);
    });
    of("lower the count or lengthen the period", &|world| world.fleets[0].traffic = often(500_001, 200));
    of("arrivals is 1001/1s, 1000 clients", &|world| {
        (world.fleets[0].traffic, world.fleets[0].clients) = (often(1_001, 0), 1_000);
    });
    of("arrivals is 0/1s", &|world| world.fleets[0].traffic = often(0, 100));
    of("fleet `cars`: until is 5s; make it later than `from`", &|world| {
        (world.fleets[0].from, world.fleets[0].until) = (seconds(5), Some(seconds(5)));
    });
    of("fleet `cars`: until is", &|world| world.fleets[0].until = Some(Duration::MAX));
    of("leave out the rule `bandwidth`", &|world| world.servers[0].rules.bandwidth = Some(1));
    of("leave out the rule `drip`", &|world| {
        world.servers[0].rules = "drip:16/10ms=1%".parse().expect("good rules");
    });
    of("fleet `cars`: concurrency: ", &|world| world.fleets[0].gate.limit.floor = 0);
    of("fleet `cars`: a call of 0 attempts", &|world| world.fleets[0].call.attempts = 0);
}
