//! What a call waits for, where it stands while it does, and for how long.

use super::{world::Executor, *};

/// When each call ended, which one it was, and how.
type Ends = Rc<RefCell<Vec<(u64, usize, End)>>>;

fn one_each(seconds: u64, burst: u32) -> RateControl {
    RateControl::Fixed(RateConfig { rate: Rate { count: 1, period: Duration::from_secs(seconds) }, burst })
}

/// A call that makes one attempt after the other with these outcomes, each at once, and notes when.
fn outcomes<'w>(
    world: &'w World,
    policy: &'w CallPolicy,
    deadline: Instant,
    who: usize,
    outcomes: &'static [Outcome],
    journal: &Journal,
    ends: &Ends,
) -> impl Future<Output = ()> + 'w {
    let (journal, ends) = (journal.clone(), Rc::clone(ends));
    async move {
        let mut call = Call::new(policy, deadline);
        let mut left = outcomes.iter();
        let attempt = |_| {
            journal.note(world.time.now(), who);
            let outcome = left.next().copied().unwrap_or(Outcome::Success);
            async move { (outcome, ()) }
        };
        let (end, _) = world.driver().run(&mut call, entropy, attempt).await;
        let ms = world.time.now().saturating_since(START).as_millis() as u64;
        ends.borrow_mut().push((ms, who, end));
    }
}

#[test]
fn the_rate_is_kept_to_the_instant() {
    let gate = GateConfig { rate: one_each(1, 2), ..ONE_AT_A_TIME };
    let (world, policy, journal, ends) = (world_of(gate), policy(POLICY), Journal::default(), Rc::default());
    let mut executor = Executor::new(&world);
    for who in 0..6 {
        executor.spawn(outcomes(&world, &policy, secs(100), who, &[], &journal, &ends));
    }
    assert_eq!(executor.run(), []);
    assert_eq!(journal.entries(), [(0, 0), (0, 1), (1_000, 2), (2_000, 3), (3_000, 4), (4_000, 5)]);
}

#[test]
fn patience_runs_out_on_time_for_a_call_that_is_not_at_the_head() {
    let (world, patient, journal, ends) = (world_of(ONE_AT_A_TIME), policy(POLICY), Journal::default(), Rc::default());
    let hasty = policy(CallConfig { patience: Some(Duration::from_secs(5)), ..POLICY });
    let mut executor = Executor::new(&world);
    world.driver().control(|gate| gate.pause_until(START, secs(4)));
    executor.spawn(outcomes(&world, &patient, secs(100), 0, &[], &journal, &ends));
    executor.spawn(outcomes(&world, &hasty, secs(100), 1, &[], &journal, &ends));
    executor.run_until(secs(3));
    world.driver().control(|gate| gate.pause_until(secs(3), secs(60)));
    assert_eq!(executor.run(), []);
    let ends = ends.borrow();
    let (at, who, end) = ends.first().expect("both ended");
    assert_eq!((*at, *who), (5_000, 1), "after its own patience, whatever the head waits for");
    assert!(
        matches!(end, End::OutOfPatience { why: Why::Paused { .. }, resume_at } if *resume_at == secs(60)),
        "{end:?}"
    );
    assert_eq!(journal.entries(), [(60_000, 0)]);
}

#[test]
fn a_deadline_comes_on_time_for_a_call_that_is_not_at_the_head() {
    let gate = GateConfig { rate: one_each(60, 1), ..ONE_AT_A_TIME };
    let (world, policy, journal, ends) = (world_of(gate), policy(POLICY), Journal::default(), Rc::default());
    let mut executor = Executor::new(&world);
    for (who, deadline) in [secs(1_000), secs(100), secs(61)].into_iter().enumerate() {
        executor.spawn(outcomes(&world, &policy, deadline, who, &[], &journal, &ends));
    }
    executor.spawn(outcomes(&world, &policy, secs(30), 3, &[], &journal, &ends));
    assert_eq!(executor.run(), []);
    assert_eq!(journal.entries(), [(0, 0), (60_000, 1)]);
    let ends: Vec<(u64, usize)> = ends.borrow().iter().map(|(at, who, _)| (*at, *who)).collect();
    assert_eq!(ends, [(0, 0), (0, 3), (60_000, 1), (60_000, 2)], "what cannot be met is not waited for");
}

#[test]
fn a_call_that_is_not_worth_waiting_for_ends_behind_a_head_that_waits() {
    let (world, journal, ends) = (world_of(ONE_AT_A_TIME), Journal::default(), Rc::default());
    let (patient, none) = (policy(POLICY), policy(CallConfig { patience: Some(Duration::ZERO), ..POLICY }));
    let mut executor = Executor::new(&world);
    world.driver().control(|gate| gate.pause_until(START, secs(8)));
    for (who, policy) in [&patient, &none, &none].into_iter().enumerate() {
        executor.spawn(outcomes(&world, policy, secs(100), who, &[], &journal, &ends));
    }
    executor.run_ready();
    assert_eq!(ends.borrow().len(), 2);
    assert_eq!(world.waiting(), 1);
    assert_eq!(executor.run(), []);
    assert_eq!(journal.entries(), [(8_000, 0)]);
}

#[test]
fn a_retry_backs_off_outside_the_queue_and_enters_at_its_tail() {
    let gate = GateConfig { rate: one_each(1, 1), ..ONE_AT_A_TIME };
    let (world, policy, journal, ends) = (world_of(gate), policy(POLICY), Journal::default(), Rc::default());
    let mut executor = Executor::new(&world);
    executor.spawn(outcomes(&world, &policy, secs(100), 0, &[Outcome::Failure], &journal, &ends));
    for who in 1..5 {
        executor.spawn(outcomes(&world, &policy, secs(100), who, &[], &journal, &ends));
    }
    assert_eq!(executor.run(), []);
    // The first call backs off for a second and finds three others in the queue.
    assert_eq!(journal.order(), [0, 1, 2, 3, 4, 0]);
}

/// A reserve of one retry that comes back in 20 s; ten answers earn another.
const TIGHT: RetryBudgetConfig =
    RetryBudgetConfig { retries: 1, answers: 10, saved_max: 10, reserve: 1, reserve_refill: Duration::from_secs(20) };

#[test]
fn a_retry_that_waits_for_the_budget_does_not_hold_up_first_attempts() {
    let gate = GateConfig { budget: Some(TIGHT), ..ONE_AT_A_TIME };
    let (world, policy, journal, ends) = (world_of(gate), policy(POLICY), Journal::default(), Rc::default());
    let mut executor = Executor::new(&world);
    // One call arrives each second. The first three fail once.
    for who in 0..33 {
        let failing: &[Outcome] = if who < 3 { &[Outcome::Failure] } else { &[] };
        let call = outcomes(&world, &policy, secs(600), who, failing, &journal, &ends);
        let arrival = world.time.sleep_until(secs(who as u64));
        executor.spawn(async {
            arrival.await;
            call.await;
        });
    }
    assert_eq!(executor.run(), []);
    let mut attempts = journal.entries();
    let mut firsts = Vec::new();
    for who in 0..33 {
        let first = attempts.iter().position(|(_, caller)| *caller == who).expect("every call was made");
        firsts.push(attempts.remove(first));
    }
    let on_arrival: Vec<(u64, usize)> = (0..33).map(|who| (who as u64 * 1_000, who)).collect();
    assert_eq!(firsts, on_arrival, "a first attempt stood behind a retry without a budget");
    // The reserve has one at once. The tenth answer comes at 11 s, the twentieth at 20 s.
    assert_eq!(attempts, [(1_000, 0), (11_000, 1), (20_000, 2)]);
    assert!(ends.borrow().iter().all(|(_, _, end)| *end == End::Succeeded));
}

#[test]
fn what_the_budget_gets_wakes_one_retry_and_not_a_herd() {
    // The reserve has one at once and one each 100 s; each answer earns another.
    let budget = RetryBudgetConfig { answers: 1, reserve_refill: Duration::from_secs(100), ..TIGHT };
    let gate = GateConfig { budget: Some(budget), ..ONE_AT_A_TIME };
    let (world, policy, journal, ends) = (world_of(gate), policy(POLICY), Journal::default(), Rc::default());
    let mut executor = Executor::new(&world);
    // Ten calls fail; the first of them fails again with the reserve, and all ten wait for the budget.
    for who in 0..10 {
        let failing: &[Outcome] = if who < 2 { &[Outcome::Failure; 2] } else { &[Outcome::Failure] };
        executor.spawn(outcomes(&world, &policy, secs(600), who, failing, &journal, &ends));
    }
    executor.run_until(secs(3));
    let wakes = |executor: &Executor<'_>| (0..10).map(|id| executor.wakes(id)).collect::<Vec<_>>();
    let before = wakes(&executor);
    // An attempt of somebody else comes back and earns nothing.
    executor.run_until(millis(100_999));
    assert_eq!(wakes(&executor), before, "nothing happened");
    let fruitless = world.shared.with(|turnstile| turnstile.gate.poll(millis(100_999), Try::First));
    let Admission::Go(ticket) = fruitless else { panic!("nothing is in flight") };
    world.driver().control(|gate| gate.settle(millis(100_999), ticket, Outcome::Failure, entropy()));
    executor.run_ready();
    let after: Vec<usize> = wakes(&executor).iter().zip(before).map(|(now, before)| now - before).collect();
    assert_eq!(after.iter().sum::<usize>(), 1, "the first of those aside looks: {after:?}");
    // The reserve has one at 101 s: one call goes and fails, the next has to know that it is first now, and nobody else.
    let before = wakes(&executor);
    executor.run_until(secs(102));
    assert_eq!(wakes(&executor)[3..], before[3..]);
    assert_eq!(executor.run(), []);
    // At 201 s the next one goes. Each that succeeds earns another one its retry.
    let retries: Vec<(u64, usize)> = journal.entries().into_iter().skip(10).collect();
    let mut expected = std::vec![(1_000, 0), (101_000, 1)];
    expected.extend((2..10).chain([0, 1]).map(|who| (201_000, who)));
    assert_eq!(retries, expected);
}

#[test]
fn a_retry_that_gives_up_the_budget_hands_it_on() {
    let budget = RetryBudgetConfig { answers: 1, reserve_refill: Duration::from_secs(3_600), ..TIGHT };
    let gate = GateConfig { budget: Some(budget), ..ONE_AT_A_TIME };
    for dropped in [0, 1, 2] {
        let (world, policy, journal, ends) = (world_of(gate), policy(POLICY), Journal::default(), Rc::default());
        let mut executor = Executor::new(&world);
        for who in 0..4 {
            let failing: &[Outcome] = if who == 3 { &[] } else { &[Outcome::Failure; 2] };
            let arrival = world.time.sleep_until(secs(if who == 3 { 10 } else { 0 }));
            let call = outcomes(&world, &policy, secs(600), who, failing, &journal, &ends);
            executor.spawn(async {
                arrival.await;
                call.await;
            });
        }
        // Call 0 has the reserve at 1 s and fails; then all three wait for the budget: 1, 2 and 0.
        executor.run_until(millis(9_999));
        let place = world.shared.with(|turnstile| turnstile.gate.poll(millis(9_999), Try::First));
        let Admission::Go(ticket) = place else { panic!("nothing is in flight") };
        executor.run_until(secs(10));
        // An answer earns a retry for the first of them, whom somebody drops before it looks.
        world.driver().control(|gate| gate.settle(secs(10), ticket, Outcome::Success, entropy()));
        executor.cancel(dropped);
        executor.run_ready();
        let next = if dropped == 1 { 2 } else { 1 };
        assert_eq!(journal.entries()[4], (10_000, next), "without {dropped}");
        assert!(executor.run().is_empty());
        assert_eq!((world.in_flight(), world.waiting()), (0, 0));
    }
}

#[test]
fn a_retry_without_a_budget_keeps_its_place_behind_others() {
    let gate = GateConfig { budget: Some(TIGHT), rate: one_each(5, 2), ..ONE_AT_A_TIME };
    let (world, policy, journal, ends) = (world_of(gate), policy(POLICY), Journal::default(), Rc::default());
    let mut executor = Executor::new(&world);
    // The retry of call 0 takes the only one in reserve. That of call 1 then enters behind call 2, which waits for the rate.
    for (who, arrives_ms, failing) in [(0, 0, true), (1, 2_000, true), (2, 5_500, false)] {
        let failing: &[Outcome] = if failing { &[Outcome::Failure] } else { &[] };
        let call = outcomes(&world, &policy, secs(600), who, failing, &journal, &ends);
        let arrival = world.time.sleep_until(millis(arrives_ms));
        executor.spawn(async {
            arrival.await;
            call.await;
        });
    }
    assert_eq!(executor.run(), []);
    assert_eq!(journal.entries(), [(0, 0), (1_000, 0), (5_000, 1), (10_000, 2), (21_000, 1)]);
    assert!(ends.borrow().iter().all(|(_, _, end)| *end == End::Succeeded));
}

#[test]
fn patience_for_the_budget_is_not_renewed_by_stepping_aside() {
    let gate = GateConfig { budget: Some(TIGHT), ..ONE_AT_A_TIME };
    let (world, journal, ends) = (world_of(gate), Journal::default(), Rc::default());
    let policy = policy(CallConfig { patience: Some(Duration::from_secs(30)), ..POLICY });
    let mut executor = Executor::new(&world);
    // Each of the four needs a retry; the reserve has one at once and one each 20 s.
    for who in 0..4 {
        executor.spawn(outcomes(&world, &policy, secs(600), who, &[Outcome::Failure], &journal, &ends));
    }
    assert_eq!(executor.run(), []);
    let ends = ends.borrow();
    let given_up: Vec<u64> =
        ends.iter().filter(|(.., end)| matches!(end, End::OutOfPatience { .. })).map(|(at, ..)| *at).collect();
    assert_eq!(given_up, [31_000, 31_000], "1 s of backoff and 30 s of patience: {ends:?}");
    let succeeded: Vec<u64> = ends.iter().filter(|(.., end)| *end == End::Succeeded).map(|(at, ..)| *at).collect();
    assert_eq!(succeeded, [1_000, 21_000]);
}

#[test]
fn probes_find_out_for_everybody() {
    let breaker = BreakerConfig {
        mode: BreakerMode::Enforce,
        window: 4,
        calls_min: 2,
        open: BackoffConfig { jitter: Jitter::None, ..BreakerConfig::DEFAULT.open },
        ..ONE_AT_A_TIME.breaker
    };
    let gate = GateConfig { breaker, limit: LimitConfig::fixed(10), ..ONE_AT_A_TIME };
    let (world, policy, journal, ends) = (world_of(gate), policy(POLICY), Journal::default(), Rc::default());
    let mut executor = Executor::new(&world);
    for who in 0..8 {
        let failing: &[Outcome] = if who < 2 { &[Outcome::Failure] } else { &[] };
        executor.spawn(outcomes(&world, &policy, secs(600), who, failing, &journal, &ends));
    }
    assert_eq!(executor.run(), []);
    // Two failures open the breaker for 5 s. Then one probe goes, and everybody follows it in order.
    assert_eq!(journal.entries()[..3], [(0, 0), (0, 1), (5_000, 2)]);
    assert_eq!(journal.order(), [0, 1, 2, 3, 4, 5, 6, 7, 0, 1]);
    assert!(journal.entries().iter().skip(2).all(|(at, _)| *at == 5_000));
}

#[test]
fn time_running_backwards_delays_calls_and_loses_none() {
    let gate = GateConfig { rate: one_each(1, 1), ..ONE_AT_A_TIME };
    let (world, policy, journal, ends) = (world_of(gate), policy(POLICY), Journal::default(), Rc::default());
    let mut executor = Executor::new(&world);
    for who in 0..6 {
        executor.spawn(outcomes(&world, &policy, secs(100), who, &[Outcome::Failure], &journal, &ends));
    }
    for step in 0..40 {
        // Readings are late by up to 700 ms, then in time again.
        world.time.read_late(Duration::from_millis(step * 137 % 700));
        executor.run_until(millis(step * 300));
    }
    world.time.read_late(Duration::ZERO);
    assert_eq!(executor.run(), [], "a call was lost");
    assert_eq!(ends.borrow().len(), 6);
    let mut starts: Vec<u64> = journal.entries().iter().map(|(at, _)| *at).collect();
    assert_eq!(starts.len(), 12);
    starts.sort_unstable();
    // What is noted is a reading too, so that two that follow each other can look 700 ms closer than they are.
    assert!(starts.windows(2).all(|pair| pair[1] - pair[0] >= 300), "{starts:?}");
}
