//! Settings that change while calls wait and run.

use super::{world::Executor, *};

/// `count` calls whose attempts last until `secs(who + 1)`, noted as they start.
fn staggered<'w>(
    world: &'w World,
    executor: &mut Executor<'w>,
    policy: &'w CallPolicy,
    count: usize,
    journal: &Journal,
) {
    for who in 0..count {
        let journal = journal.clone();
        executor.spawn(async move {
            let mut call = Call::new(policy, secs(10_000));
            let attempt = |_| async {
                journal.note(world.time.now(), who);
                world.time.sleep_until(secs(who as u64 + 1)).await;
                (Outcome::Success, ())
            };
            let (end, _) = world.driver().run(&mut call, entropy, attempt).await;
            assert_eq!(end, End::Succeeded);
        });
    }
    executor.run_ready();
}

fn limited(limit: u16) -> GateConfig {
    GateConfig { limit: LimitConfig::fixed(limit), ..ONE_AT_A_TIME }
}

#[test]
fn a_limit_lowered_below_what_is_in_flight_grants_nothing_until_it_has_drained() {
    let (world, policy, journal) = (world_of(limited(4)), policy(POLICY), Journal::default());
    let mut executor = Executor::new(&world);
    staggered(&world, &mut executor, &policy, 6, &journal);
    assert_eq!((world.in_flight(), world.waiting()), (4, 2));
    world.driver().control(|gate| gate.reconfigure(START, limited(1))).expect("valid settings");
    executor.run_until(millis(3_500));
    assert_eq!((world.in_flight(), world.waiting()), (1, 2), "three came back, and nobody took their places");
    assert_eq!(executor.run(), []);
    assert_eq!(journal.entries()[4..], [(4_000, 4), (5_000, 5)]);
}

#[test]
fn a_limit_that_is_raised_lets_every_waiter_in_at_once() {
    let (world, policy, journal) = (world_of(limited(1)), policy(POLICY), Journal::default());
    let mut executor = Executor::new(&world);
    staggered(&world, &mut executor, &policy, 6, &journal);
    executor.run_until(millis(500));
    world.driver().control(|gate| gate.reconfigure(millis(500), limited(4))).expect("valid settings");
    executor.run_ready();
    assert_eq!((world.in_flight(), world.waiting()), (4, 2), "one wake-up goes down the line");
    assert_eq!(executor.run(), []);
    assert_eq!(journal.entries()[..4], [(0, 0), (500, 1), (500, 2), (500, 3)]);
}

#[test]
fn a_breaker_that_is_forced_open_and_released_lets_everybody_in_again() {
    let (world, policy, journal) = (world_of(limited(3)), policy(POLICY), Journal::default());
    let mut executor = Executor::new(&world);
    world.driver().control(|gate| gate.set_breaker_mode(BreakerMode::ForcedOpen));
    staggered(&world, &mut executor, &policy, 3, &journal);
    executor.run_until(millis(600));
    assert_eq!((world.in_flight(), world.waiting()), (0, 3));
    world.driver().control(|gate| gate.set_breaker_mode(BreakerMode::ForcedClosed));
    executor.run_ready();
    assert_eq!(world.in_flight(), 3);
    assert_eq!(executor.run(), []);
    assert_eq!(journal.entries(), [(600, 0), (600, 1), (600, 2)]);
}

#[test]
fn a_gate_that_stops_for_good_ends_everybody_who_waits() {
    let (world, policy, journal) = (world_of(limited(1)), policy(POLICY), Journal::default());
    let mut executor = Executor::new(&world);
    let (world, policy) = (&world, &policy);
    for who in 0..6 {
        let journal = journal.clone();
        executor.spawn(async move {
            let mut call = Call::new(policy, secs(10_000));
            let attempt = |_| async {
                world.time.sleep_until(world.time.now().saturating_add(Duration::from_secs(1))).await;
                (Outcome::Refused(crate::outcome::Refusal::Access), ())
            };
            let (end, _) = world.driver().run(&mut call, entropy, attempt).await;
            assert_eq!(matches!(end, End::Barred(_)), who >= 3, "call {who}: {end:?}");
            journal.note(world.time.now(), who);
        });
    }
    assert_eq!(executor.run(), []);
    assert_eq!(journal.entries(), [(1_000, 0), (2_000, 1), (3_000, 2), (3_000, 3), (3_000, 4), (3_000, 5)]);
}

#[test]
fn a_turnstile_says_whom_to_wake_after_a_change() {
    let (world, policy, journal) = (world_of(limited(1)), policy(POLICY), Journal::default());
    let mut executor = Executor::new(&world);
    staggered(&world, &mut executor, &policy, 2, &journal);
    let (healthy, head) = world.shared.with(|turnstile| turnstile.control(|gate| gate.is_healthy()));
    assert!(healthy);
    let before = executor.wakes(1);
    head.expect("the second call waits").wake();
    assert_eq!(executor.wakes(1), before + 1);
    assert!(!executor.has_ended(1));
    assert_eq!(executor.run(), []);
}
