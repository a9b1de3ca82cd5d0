//! Random stories: calls of every kind, dropped at any time, under gates of every kind.

use super::{world::Executor, *};
use crate::rate::AdaptiveRateConfig;

fn config(seed: u64) -> GateConfig {
    let pick = |salt: u32, limit: u64| Entropy::mix(seed, 0, 1).derive(salt).up_to(limit);
    let rate = match pick(1, 2) {
        0 => RateControl::Unlimited,
        1 => RateControl::Fixed(RateConfig { rate: Rate::per_second(5), burst: 2 }),
        _ => RateControl::Adaptive(AdaptiveRateConfig::DEFAULT),
    };
    let mode = if pick(2, 1) == 0 { BreakerMode::Enforce } else { BreakerMode::ForcedClosed };
    let budget = RetryBudgetConfig { reserve_refill: Duration::from_secs(3), ..RetryBudgetConfig::POLITE };
    GateConfig {
        breaker: BreakerConfig { mode, window: 8, calls_min: 4, ..BreakerConfig::DEFAULT },
        rate,
        limit: LimitConfig { start: 3, floor: 1, ceiling: 6, ..LimitConfig::DEFAULT },
        budget: (pick(3, 1) == 0).then_some(budget),
        attempt_timeout: Duration::from_secs(2),
        slow_after: Duration::from_secs(1),
        lease: Duration::from_secs(5),
        id: 0,
    }
}

#[test]
fn every_call_ends_and_every_place_comes_back() {
    let mut kinds = [0usize; 5];
    for seed in 0..150 {
        let world: World<16> = World::new(config(seed));
        let policy = policy(CallConfig { patience: Some(Duration::from_secs(20)), ..POLICY });
        let mut executor = Executor::new(&world);
        let ends: Rc<RefCell<Vec<End>>> = Rc::default();
        let (world, policy) = (&world, &policy);
        for who in 0..30 {
            let ends = Rc::clone(&ends);
            executor.spawn(async move {
                let drawn = move |salt: u32| Entropy::mix(seed, who, 2).derive(salt);
                world.time.sleep_until(START.plus_ns(drawn(1).up_to(8_000_000_000))).await;
                let deadline = world.time.now().plus_ns(drawn(2).up_to(40_000_000_000));
                let mut call = Call::new(policy, deadline);
                let mut made = 10;
                let attempt = |until: Instant| {
                    made += 1;
                    assert!(
                        world.time.now() < deadline && until <= deadline,
                        "seed {seed}: late by the driver's clock"
                    );
                    let entropy = drawn(made);
                    async move {
                        world.time.sleep_until(world.time.now().plus_ns(entropy.up_to(2_500_000_000))).await;
                        let outcome = match entropy.derive(1).up_to(9) {
                            0..=4 => Outcome::Success,
                            5 | 6 => Outcome::Failure,
                            7 => Outcome::Throttled { retry_after: None },
                            8 => Outcome::Throttled { retry_after: Some(Duration::from_secs(2)) },
                            _ => Outcome::Empty,
                        };
                        (outcome, ())
                    }
                };
                let (end, _) = world.driver().run(&mut call, move || drawn(3), attempt).await;
                ends.borrow_mut().push(end);
            });
        }
        // Every fifth call is dropped somewhere on its way, and settings change meanwhile.
        for step in 0..60 {
            let now = millis(step * 250);
            executor.run_until(now);
            if step % 10 == 0 {
                executor.cancel(step as usize / 2);
            }
            if step == 30 {
                let other = config(seed + 1);
                world.driver().control(|gate| gate.reconfigure(now, other)).expect("valid settings");
            }
            assert!(world.in_flight() <= 6 && world.waiting() <= 16);
        }
        assert_eq!(executor.run(), [], "seed {seed}: calls were forgotten");
        let places = (world.in_flight(), world.waiting(), world.time.timers());
        assert_eq!(places, (0, 0, 0), "seed {seed}: in flight, waiting, timers");
        for end in ends.borrow().iter() {
            let kind = match end {
                End::Succeeded | End::Empty => 0,
                End::Exhausted { .. } => 1,
                End::OutOfTime { .. } => 2,
                End::OutOfPatience { .. } => 3,
                End::QueueFull => 4,
                End::Refused(_) | End::Barred(_) | End::Cancelled => panic!("nobody did that: {end:?}"),
            };
            kinds[kind] += 1;
        }
    }
    assert!(kinds.iter().all(|count| *count > 0), "stories without one kind of end: {kinds:?}");
}
