//! Worlds at random: whatever the settings, the promises of the core hold and nothing is lost.

use tidegate_core::Share;
use tidegate_core::budget::RetryBudgetConfig;
use tidegate_core::limit::LimitKind;
use tidegate_core::rate::{AdaptiveKind, AdaptiveRateConfig, Rate, RateConfig};

use super::*;
use crate::sim::dice::Dice;

const LENGTH_S: u64 = 40;

/// Draws parts of a world.
struct Draw(Dice);

impl Draw {
    fn pick(&mut self, limit: u64) -> u64 {
        self.0.below(limit)
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.pick(all.len() as u64) as usize]
    }

    /// One in so many times.
    fn rarely(&mut self, one_in: u64) -> bool {
        self.pick(one_in) == 0
    }

    /// One or two stretches of time, which may overlap.
    fn episodes(&mut self, percents: &[u32]) -> Vec<Episode> {
        (0..1 + self.pick(2))
            .map(|_| {
                let from = millis(self.pick(30_000));
                Episode { from, until: from + millis(1 + self.pick(12_000)), percent: self.one_of(percents) }
            })
            .collect()
    }

    fn server(&mut self) -> Server {
        let rules = [
            self.one_of(&[
                "",
                "rate=40/s,burst=5\n",
                "rate=40/s,kind=fixed,retry-after=none\n",
                "rate=9/s,kind=sliding\n",
            ]),
            self.one_of(&[
                "",
                "pool=4,service=lognormal:30ms/1,queue=8\n",
                "pool=2,service=exponential:50ms,queue=1000000\n",
            ]),
            self.one_of(&["", "503=20%\n", "429:2=3%\nhang=2%\n", "403=10%\n", "404=30%\nreset=5%\n", "429:0=9%\n"]),
            self.one_of(&[
                "",
                "outage=10s..25s:refuse\n",
                "outage=10s..25s:hang\n",
                "outage=5s..6s:429:9\noutage=20s..30s:503\n",
            ]),
            self.one_of(&["", "latency=uniform:5ms..80ms\n", "latency=pareto:20ms/1.1\n"]),
        ];
        let mut server = Server::new("server", &rules.concat()).expect("good rules");
        // It is the pool's work that is slow.
        if server.rules.pool.is_some() && self.rarely(2) {
            server.slow = self.episodes(&[0, 20, 300, 1_000, 10_000]);
        }
        server
    }

    fn gate(&mut self) -> GateConfig {
        GateConfig {
            rate: match self.pick(5) {
                0 => RateControl::Unlimited,
                1 => RateControl::Fixed(RateConfig {
                    rate: Rate { count: 1 + self.pick(50) as u32, period: millis(1 + self.pick(2_000)) },
                    burst: 1 + self.pick(9) as u32,
                }),
                2 => RateControl::Adaptive(AdaptiveRateConfig::AIMD),
                3 => RateControl::Adaptive(AdaptiveRateConfig::DEFAULT),
                _ => {
                    let floor = 1 + self.pick(5) as u32;
                    let start = floor + self.pick(20) as u32;
                    let [floor, start, ceiling] = [floor, start, start + self.pick(100) as u32].map(Rate::per_second);
                    let kind = self.one_of(&[AdaptiveKind::Seeking { tolerance: 64 }, AdaptiveKind::Aimd]);
                    RateControl::Adaptive(AdaptiveRateConfig {
                        kind,
                        floor,
                        start,
                        ceiling,
                        ..AdaptiveRateConfig::DEFAULT
                    })
                }
            },
            limit: match self.pick(4) {
                0 => LimitConfig::fixed(1 + self.pick(20) as u16),
                1 => LimitConfig::DEFAULT,
                2 => {
                    let floor = 1 + self.pick(4) as u16;
                    let start = floor + self.pick(8) as u16;
                    LimitConfig { floor, start, ceiling: start + self.pick(20) as u16, ..LimitConfig::DEFAULT }
                }
                _ => LimitConfig {
                    kind: LimitKind::Aimd { tolerated: Share::of(1, 10) },
                    start: 5,
                    floor: 1,
                    ceiling: 30,
                },
            },
            budget: match self.pick(4) {
                0 => None,
                1 => Some(RetryBudgetConfig::DEFAULT),
                2 => Some(RetryBudgetConfig::POLITE),
                _ => Some(RetryBudgetConfig {
                    retries: 1 + self.pick(3) as u16,
                    answers: 1 + self.pick(9) as u16,
                    saved_max: self.pick(4) as u16,
                    reserve: 1 + self.pick(3) as u16,
                    reserve_refill: Duration::from_micros(1_000 + self.pick(3_000_000)),
                }),
            },
            breaker: BreakerConfig {
                probes: 1 + self.pick(3) as u8,
                successes: 1 + self.pick(3) as u8,
                slow: self.one_of(&[None, Some(Share::of(1, 4))]),
                open: BackoffConfig { base: millis(500), cap: seconds(8), ..BreakerConfig::DEFAULT.open },
                ..BreakerConfig::DEFAULT
            },
            attempt_timeout: millis(300 + self.pick(3_000)),
            slow_after: millis(100 + self.pick(200)),
            lease: seconds(4),
            id: 0,
        }
    }

    fn traffic(&mut self) -> Traffic {
        if self.rarely(2) {
            let calls = self.one_of(&[None, Some(300)]);
            return Traffic::Closed {
                users: 1 + self.pick(40) as u32,
                think: Delay::Exponential { mean: millis(50) },
                calls,
            };
        }
        let surges = if self.rarely(2) { self.episodes(&[0, 30, 300, 2_000]) } else { Vec::new() };
        Traffic::Open { rate: Rate::per_second(1 + self.pick(60) as u32), even: self.rarely(2), surges }
    }

    fn fleet(&mut self, name: &str) -> Fleet {
        let from = if self.rarely(3) { seconds(1 + self.pick(20)) } else { Duration::ZERO };
        let mut fleet = Fleet {
            clients: 1 + self.pick(5) as u32,
            shares_gate: self.rarely(2),
            gate: self.gate(),
            call: CallConfig {
                attempts: 1 + self.pick(6) as u8,
                patience: self.one_of(&[None, Some(Duration::ZERO), Some(seconds(2))]),
                ..CallConfig::DEFAULT
            },
            deadline: millis(500 + self.pick(40_000)),
            places: 1 + self.pick(100) as u32,
            traffic: self.traffic(),
            from,
            spread: if self.rarely(2) { millis(1 + self.pick(9_000)) } else { Duration::ZERO },
            link: Link {
                round_trip: Delay::Exponential { mean: millis(1 + self.pick(60)) },
                loss_millionths: self.pick(2) as u32 * 30_000,
                partition: self.rarely(3).then_some((seconds(15), seconds(18))),
            },
            ..Fleet::new(name, "server")
        };
        if self.rarely(3) {
            fleet.until = Some(from + seconds(5 + self.pick(20)));
        }
        if self.rarely(2) {
            let (at, down) = (millis(1_500 + self.pick(26_000)), millis(1 + self.pick(3_000)));
            fleet.restarts.push(Restart { at, down, restores: self.rarely(2) });
        }
        fleet
    }
}

/// One or two servers, one or two fleets, everything drawn.
fn random_world(seed: u64) -> World {
    let mut draw = Draw(Dice::of(seed, "swarm", "world", 0));
    let server = draw.server();
    let mut fleets: Vec<Fleet> = ["swarm", "others"].map(|name| draw.fleet(name)).into();
    fleets.truncate(1 + draw.pick(2) as usize);
    let mut servers = vec![server];
    if draw.rarely(3) {
        servers.push(Server::new("other", "503=30%\nlatency=10ms").expect("good rules"));
        fleets[0].servers.push("other".to_owned());
    }
    World { seed, length: seconds(LENGTH_S), step: seconds(1), servers, fleets }
}

#[test]
fn two_hundred_random_worlds_keep_every_promise() {
    let mut sums = CallCounts::default();
    for seed in 0..200 {
        let world = random_world(seed);
        // The watch would have ended the run at the first promise broken.
        let report = run(&world);
        for (fleet, FleetReport { calls, steps, .. }) in world.fleets.iter().zip(&report.fleets) {
            assert!(calls.is_balanced(), "seed {seed}: {calls:?}");
            let until = fleet.until.map_or(LENGTH_S, |until| until.as_secs().min(LENGTH_S)) as usize;
            let outside = steps[..fleet.from.as_secs() as usize].iter().chain(&steps[until..]);
            assert_eq!(outside.map(|step| step.offered).sum::<u32>(), 0, "seed {seed}: too early, or too late");
            add(&mut sums, calls);
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

fn add(sums: &mut CallCounts, calls: &CallCounts) {
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

#[test]
fn the_swarm_has_every_kind_of_world() {
    let worlds: Vec<World> = (0..200).map(random_world).collect();
    let fleets: Vec<&Fleet> = worlds.iter().flat_map(|world| &world.fleets).collect();
    let has = |what: &str, count: usize, least: usize| assert!(count >= least, "{what}: {count} of {least}");
    has("two fleets", worlds.iter().filter(|world| world.fleets.len() == 2).count(), 60);
    has("slow times", worlds.iter().filter(|world| !world.servers[0].slow.is_empty()).count(), 40);
    let of = |is_so: fn(&Fleet) -> bool| fleets.iter().filter(|fleet| is_so(fleet)).count();
    has("surges", of(|it| matches!(&it.traffic, Traffic::Open { surges, .. } if !surges.is_empty())), 40);
    has("a later beginning", of(|it| !it.from.is_zero()), 40);
    has("an end", of(|it| it.until.is_some()), 40);
    has("a spread", of(|it| !it.spread.is_zero()), 40);
    has("a partition", of(|it| it.link.partition.is_some()), 40);
    has("restarts with a snapshot", of(|it| it.restarts.iter().any(|restart| restart.restores)), 20);
    has("restarts without", of(|it| it.restarts.iter().any(|restart| !restart.restores)), 20);
    has("a restart before it begins", of(|it| it.restarts.iter().any(|restart| restart.at < it.from)), 5);
}
