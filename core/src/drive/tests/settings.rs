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

/// Calls with these policies wait behind one that is in flight; returns when each of them ended, and how.
fn ends_behind_one_in_flight(
    config: GateConfig,
    policies: &[CallPolicy],
    meanwhile: impl FnOnce(&World, &mut Executor<'_>, Ticket),
) -> Vec<(u64, End)> {
    let world = world_of(config);
    let mut executor = Executor::new(&world);
    let in_flight = world.shared.with(|turnstile| turnstile.gate.poll(START, Try::First));
    let Admission::Go(ticket) = in_flight else { panic!("a fresh gate admits") };
    let ends = Rc::new(RefCell::new(std::vec![(0, End::Succeeded); policies.len()]));
    for (who, policy) in policies.iter().enumerate() {
        let (world, ends) = (&world, Rc::clone(&ends));
        executor.spawn(async move {
            let mut call = Call::new(policy, secs(100));
            let attempt = |_| async { (Outcome::Success, ()) };
            let (end, _) = world.driver().run(&mut call, entropy, attempt).await;
            let ms = world.time.now().saturating_since(START).as_millis() as u64;
            ends.borrow_mut()[who] = (ms, end);
        });
    }
    executor.run_ready();
    meanwhile(&world, &mut executor, ticket);
    assert_eq!(executor.run(), []);
    drop(executor);
    Rc::try_unwrap(ends).expect("all calls are over").into_inner()
}

fn patient_for(seconds: u64) -> CallPolicy {
    policy(CallConfig { patience: Some(Duration::from_secs(seconds)), ..POLICY })
}

#[test]
fn patience_for_what_gets_in_the_way_while_they_wait_runs_out_for_all_at_once() {
    let three = [patient_for(2); 3];
    let ends = ends_behind_one_in_flight(limited(1), &three, |world, _executor, _ticket| {
        world.driver().control(|gate| gate.set_breaker_mode(BreakerMode::ForcedOpen));
    });
    let end = End::OutOfPatience { why: Why::ForcedOpen, resume_at: Instant::MAX };
    assert_eq!(ends, [(2_000, end); 3]);
}

#[test]
fn patience_is_not_spent_between_two_things_in_the_way() {
    let three = [patient_for(4); 3];
    let ends = ends_behind_one_in_flight(limited(1), &three, |world, executor, _ticket| {
        for (at, mode) in [(1, BreakerMode::ForcedOpen), (2, BreakerMode::ForcedClosed), (4, BreakerMode::ForcedOpen)] {
            executor.run_until(secs(at));
            world.driver().control(|gate| gate.set_breaker_mode(mode));
        }
    });
    // One of four seconds before, the other three from 4 s on.
    let end = End::OutOfPatience { why: Why::ForcedOpen, resume_at: Instant::MAX };
    assert_eq!(ends, [(7_000, end); 3]);
}

const OPENS_AT_ONE_FAILURE: BreakerConfig = BreakerConfig {
    mode: BreakerMode::Enforce,
    window: 1,
    calls_min: 1,
    open: BackoffConfig { jitter: Jitter::None, ..BreakerConfig::DEFAULT.open },
    ..ONE_AT_A_TIME.breaker
};

#[test]
fn a_breaker_that_opens_ends_those_without_patience_behind_one_that_has_it() {
    let policies = [policy(POLICY), patient_for(0), policy(POLICY), patient_for(4), patient_for(5)];
    let ends = ends_behind_one_in_flight(
        GateConfig { breaker: OPENS_AT_ONE_FAILURE, ..limited(1) },
        &policies,
        |world, executor, ticket| {
            executor.run_until(secs(1));
            world.driver().control(|gate| gate.settle(secs(1), ticket, Outcome::Failure, entropy()));
        },
    );
    let given_up = End::OutOfPatience { why: Why::Open { bad: 1, calls: 1 }, resume_at: secs(6) };
    let expected = [(6_000, End::Succeeded), (1_000, given_up), (6_000, End::Succeeded), (1_000, given_up)];
    assert_eq!((&ends[..4], ends[4]), (&expected[..], (1_000, given_up)), "5 s are not less than 5 s");
}

#[test]
fn patience_for_a_probe_runs_out_for_all_at_once() {
    let three = [patient_for(8); 3];
    let ends = ends_behind_one_in_flight(
        GateConfig { breaker: OPENS_AT_ONE_FAILURE, ..limited(1) },
        &three,
        |world, executor, ticket| {
            world.driver().control(|gate| gate.settle(START, ticket, Outcome::Failure, entropy()));
            executor.run_until(millis(4_999));
            // Somebody else makes the probe, and it does not come back.
            world.driver().control(|gate| {
                let Admission::Go(_probe) = gate.poll(secs(5), Try::First) else { panic!("the breaker is half-open") };
            });
        },
    );
    let why = Why::Probing { outstanding: 1, probes: 1 };
    let spent: Vec<(u64, bool)> =
        ends.iter().map(|(at, end)| (*at, matches!(end, End::OutOfPatience { why: out, .. } if *out == why))).collect();
    assert_eq!(spent, [(8_000, true); 3], "{ends:?}");
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
