//! Worlds at random: whatever the settings, the promises of the core hold and nothing is lost.

use tidegate_core::Share;
use tidegate_core::budget::RetryBudgetConfig;
use tidegate_core::limit::LimitKind;
use tidegate_core::rate::{AdaptiveRateConfig, Rate, RateConfig};

use super::*;
use crate::sim::dice::Dice;

/// Rules, link, gate and calls, all drawn.
fn random_world(seed: u64) -> World {
    let mut dice = Dice::of(seed, "swarm", "world", 0);
    let mut pick = |limit: u64| dice.below(limit);
    let rules = [
        ["", "rate=40/s,burst=5\n", "rate=40/s,kind=fixed,retry-after=none\n", "rate=9/s,kind=sliding\n"]
            [pick(4) as usize],
        ["", "pool=4,service=lognormal:30ms/1,queue=8\n", "pool=2,service=exponential:50ms,queue=1000000\n"]
            [pick(3) as usize],
        ["", "503=20%\n", "429:2=3%\nhang=2%\n", "403=10%\n", "404=30%\nreset=5%\n"][pick(5) as usize],
        ["", "outage=10s..25s:refuse\n", "outage=10s..25s:hang\n", "outage=5s..6s:429:9\noutage=20s..30s:503\n"]
            [pick(4) as usize],
        ["", "latency=uniform:5ms..80ms\n", "latency=pareto:20ms/1.1\n"][pick(3) as usize],
    ];
    let gate = GateConfig {
        rate: match pick(4) {
            0 => RateControl::Unlimited,
            1 => RateControl::Fixed(RateConfig {
                rate: Rate::per_second(1 + pick(50) as u32),
                burst: 1 + pick(9) as u32,
            }),
            2 => RateControl::Adaptive(AdaptiveRateConfig::AIMD),
            _ => RateControl::Adaptive(AdaptiveRateConfig::DEFAULT),
        },
        limit: match pick(3) {
            0 => LimitConfig::fixed(1 + pick(20) as u16),
            1 => LimitConfig::DEFAULT,
            _ => LimitConfig { kind: LimitKind::Aimd { tolerated: Share::of(1, 10) }, start: 5, floor: 1, ceiling: 30 },
        },
        budget: [None, Some(RetryBudgetConfig::DEFAULT), Some(RetryBudgetConfig::POLITE)][pick(3) as usize],
        breaker: BreakerConfig {
            probes: 1 + pick(3) as u8,
            successes: 1 + pick(3) as u8,
            slow: [None, Some(Share::of(1, 4))][pick(2) as usize],
            open: BackoffConfig { base: millis(500), cap: seconds(8), ..BreakerConfig::DEFAULT.open },
            ..BreakerConfig::DEFAULT
        },
        attempt_timeout: millis(300 + pick(3_000)),
        slow_after: millis(100 + pick(200)),
        lease: seconds(4),
        id: 0,
    };
    let call = CallConfig {
        attempts: 1 + pick(6) as u8,
        patience: [None, Some(Duration::ZERO), Some(seconds(2))][pick(3) as usize],
        ..CallConfig::DEFAULT
    };
    let link = Link {
        round_trip: Delay::Exponential { mean: millis(1 + pick(60)) },
        loss_millionths: pick(2) as u32 * 30_000,
        partition: (pick(3) == 0).then_some((seconds(15), seconds(18))),
    };
    let traffic = match pick(2) {
        0 => Traffic::Closed {
            users: 1 + pick(40) as u32,
            think: Delay::Exponential { mean: millis(50) },
            calls: [None, Some(300)][pick(2) as usize],
        },
        _ => Traffic::Open { rate: Rate::per_second(1 + pick(60) as u32), even: pick(2) == 0, surges: Vec::new() },
    };
    let restarts = match pick(3) {
        0 => vec![Restart { at: millis(7_500 + pick(20_000)), down: millis(1 + pick(3_000)), restores: pick(2) == 0 }],
        _ => Vec::new(),
    };
    let mut fleet = Fleet { traffic, link, gate, call, restarts, ..Fleet::new("swarm", "server") };
    fleet.clients = 1 + pick(5) as u32;
    fleet.shares_gate = pick(2) == 0;
    fleet.deadline = millis(500 + pick(40_000));
    fleet.places = 1 + pick(100) as u32;
    let mut world = world(seed, 40, &rules.concat(), fleet);
    if pick(3) == 0 {
        world.servers.push(Server::new("other", "503=30%\nlatency=10ms").expect("good rules"));
        world.fleets[0].servers.push("other".to_owned());
    }
    world
}

#[test]
fn two_hundred_random_worlds_keep_every_promise() {
    let mut sums = CallCounts::default();
    for seed in 0..200 {
        // The watch would have ended the run at the first promise broken.
        let calls = run(&random_world(seed)).fleets[0].calls;
        assert!(calls.is_balanced(), "seed {seed}: {calls:?}");
        for (sum, count) in [
            (&mut sums.succeeded, calls.succeeded),
            (&mut sums.empty, calls.empty),
            (&mut sums.refused, calls.refused),
            (&mut sums.exhausted, calls.exhausted),
            (&mut sums.out_of_time, calls.out_of_time),
            (&mut sums.out_of_patience, calls.out_of_patience),
            (&mut sums.barred, calls.barred),
            (&mut sums.queue_full, calls.queue_full),
            (&mut sums.interrupted, calls.interrupted),
        ] {
            *sum += count;
        }
    }
    // A swarm that does not reach every end of a call tests less than it seems to.
    let CallCounts {
        succeeded,
        empty,
        refused,
        exhausted,
        out_of_time,
        out_of_patience,
        barred,
        queue_full,
        interrupted,
        ..
    } = sums;
    let ends = [succeeded, empty, refused, exhausted, out_of_time, out_of_patience, barred, queue_full, interrupted];
    assert!(ends.iter().all(|&count| count > 100), "{sums:?}");
}
