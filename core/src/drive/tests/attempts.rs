//! One attempt: its time, its end, and what is given back when it ends otherwise.

use super::{world::Executor, *};

/// Notes when it is dropped, and what was in flight then.
struct Guard<'w>(&'w World, Journal);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.1.note(self.0.time.now(), usize::from(self.0.in_flight()));
    }
}

#[test]
fn an_attempt_that_does_not_end_in_time_is_dropped_and_tried_again() {
    let (world, policy, journal) = (world_of(ONE_AT_A_TIME), policy(POLICY), Journal::default());
    let mut executor = Executor::new(&world);
    let (world, policy, dropped) = (&world, &policy, journal.clone());
    executor.spawn(async move {
        let mut call = Call::new(policy, secs(10_000));
        let attempt = |until| {
            let guard = Guard(world, dropped.clone());
            async move {
                assert_eq!(until, world.time.now().saturating_add(Duration::from_secs(10)));
                let _guard = guard;
                core::future::pending::<()>().await;
                (Outcome::Success, ())
            }
        };
        let (end, value) = world.driver().run(&mut call, entropy, attempt).await;
        // Attempts at 0, 11 and 23 s, 10 s each; the next would have followed 4 s after the last.
        assert_eq!(end, End::Exhausted { attempts: 3, resume_at: secs(37) });
        assert_eq!(value, None);
    });
    assert_eq!(executor.run(), []);
    let expected = [(10_000, 1), (21_000, 1), (33_000, 1)];
    assert_eq!(journal.entries(), expected, "what the attempt held is free before its place is");
}

#[test]
fn the_deadline_of_the_call_ends_a_running_attempt_as_cancelled() {
    let (world, policy) = (world_of(ONE_AT_A_TIME), policy(POLICY));
    let mut executor = Executor::new(&world);
    let (world, policy) = (&world, &policy);
    executor.spawn(async move {
        let mut call = Call::new(policy, secs(4));
        let attempt = |until| async move {
            assert_eq!(until, secs(4));
            core::future::pending::<()>().await;
            (Outcome::Success, ())
        };
        let (end, _) = world.driver().run(&mut call, entropy, attempt).await;
        assert_eq!((end, world.time.now()), (End::OutOfTime { resume_at: secs(4) }, secs(4)));
        assert_eq!(world.in_flight(), 0);
    });
    assert_eq!(executor.run(), []);
}

#[test]
fn an_attempt_that_ends_just_in_time_counts() {
    let (world, policy) = (world_of(ONE_AT_A_TIME), policy(POLICY));
    let mut executor = Executor::new(&world);
    let (world, policy) = (&world, &policy);
    executor.spawn(async move {
        let mut call = Call::new(policy, secs(100));
        let attempt = |until| async move {
            world.time.sleep_until(until).await;
            (Outcome::Success, 7)
        };
        let (end, value) = world.driver().run(&mut call, entropy, attempt).await;
        assert_eq!((end, value), (End::Succeeded, Some(7)));
    });
    assert_eq!(executor.run(), []);
}

#[test]
fn an_attempt_that_panics_gives_its_place_back() {
    let (world, policy, journal) = (world_of(ONE_AT_A_TIME), policy(POLICY), Journal::default());
    let mut executor = Executor::new(&world);
    let (world, policy) = (&world, &policy);
    for who in 0..2 {
        let journal = journal.clone();
        let task = executor.spawn(async move {
            let mut call = Call::new(policy, secs(100));
            let attempt = |_| async {
                journal.note(world.time.now(), who);
                world.time.sleep_until(world.time.now().saturating_add(Duration::from_secs(1))).await;
                assert!(who != 0, "an attempt may panic: this one does, and the test goes on");
                (Outcome::Success, ())
            };
            let (end, _) = world.driver().run(&mut call, entropy, attempt).await;
            assert_eq!(end, End::Succeeded);
        });
        if who == 0 {
            executor.may_panic(task);
        }
    }
    assert_eq!(executor.run(), []);
    assert_eq!(journal.entries(), [(0, 0), (1_000, 1)]);
    assert_eq!((world.in_flight(), world.waiting()), (0, 0));
}

#[test]
fn the_value_is_that_of_the_last_attempt_that_ended_by_itself() {
    let (world, policy) = (world_of(ONE_AT_A_TIME), policy(POLICY));
    let mut executor = Executor::new(&world);
    let (world, policy) = (&world, &policy);
    executor.spawn(async move {
        let mut call = Call::new(policy, secs(100));
        let mut made = 0;
        let attempt = |_| {
            made += 1;
            async move {
                if made == 3 {
                    core::future::pending::<()>().await;
                }
                (Outcome::Failure, made)
            }
        };
        let (end, value) = world.driver().run(&mut call, entropy, attempt).await;
        assert!(matches!(end, End::Exhausted { attempts: 3, .. }), "{end:?}");
        assert_eq!(value, Some(2), "the third timed out");
    });
    assert_eq!(executor.run(), []);
}

#[test]
fn dropping_a_call_in_the_middle_of_its_backoff_leaves_nothing_behind() {
    let (world, policy, journal) = (world_of(ONE_AT_A_TIME), policy(POLICY), Journal::default());
    let mut executor = Executor::new(&world);
    let (world, policy) = (&world, &policy);
    for who in 0..2 {
        let journal = journal.clone();
        executor.spawn(async move {
            let mut call = Call::new(policy, secs(100));
            let attempt = |_| async {
                journal.note(world.time.now(), who);
                (Outcome::Failure, ())
            };
            let _: (End, Option<()>) = world.driver().run(&mut call, entropy, attempt).await;
        });
    }
    executor.run_until(millis(500));
    assert_eq!((world.in_flight(), world.waiting(), world.time.timers()), (0, 0, 2), "both back off outside the queue");
    executor.cancel(0);
    assert_eq!(world.time.timers(), 1);
    executor.run();
    assert_eq!(journal.entries(), [(0, 0), (0, 1), (1_000, 1), (3_000, 1)]);
}

#[test]
fn a_retry_that_sleeps_while_nothing_else_is_in_flight_is_still_run() {
    // curl 8's parallel transfers forgot a retry that was due when nothing else was left to do (curl#20669).
    let (world, policy, journal) = (world_of(ONE_AT_A_TIME), policy(POLICY), Journal::default());
    let mut executor = Executor::new(&world);
    let (world, policy, noted) = (&world, &policy, journal.clone());
    executor.spawn(async move {
        let mut call = Call::new(policy, secs(10_000));
        let mut outcomes = [Outcome::Throttled { retry_after: None }, Outcome::Failure, Outcome::Success].into_iter();
        let attempt = |_| {
            noted.note(world.time.now(), 0);
            let outcome = outcomes.next().expect("three attempts");
            async move { (outcome, ()) }
        };
        let (end, _) = world.driver().run(&mut call, entropy, attempt).await;
        assert_eq!(end, End::Succeeded);
    });
    assert_eq!(executor.run(), [], "the clock stood still with a retry still to be made");
    assert_eq!(journal.entries(), [(0, 0), (5_000, 0), (6_000, 0)]);
}
