//! The queue: order, no herd, and places given back however their owners leave.

use core::{
    pin::Pin,
    task::{Context, Poll},
};
use std::{
    boxed::Box,
    sync::{Arc, Mutex},
    task::Wake,
};

use super::{
    world::{Executor, Guarded, Time},
    *,
};

/// `count` calls that arrive one after the other and take a second each, noted as they start.
fn line<'w>(world: &'w World, executor: &mut Executor<'w>, policy: &'w CallPolicy, count: usize, journal: &Journal) {
    for who in 0..count {
        let journal = journal.clone();
        executor.spawn(async move {
            let mut call = Call::new(policy, secs(10_000));
            let attempt = async |_: Instant| {
                journal.note(world.time.now(), who);
                world.time.sleep_until(world.time.now().saturating_add(Duration::from_secs(1))).await;
                (Outcome::Success, ())
            };
            let (end, value) = world.driver().run(&mut call, entropy, attempt).await;
            assert_eq!((end, value), (End::Succeeded, Some(())));
        });
    }
    executor.run_ready();
}

#[test]
fn calls_are_served_in_the_order_of_their_arrival() {
    let (world, policy, journal) = (world_of(ONE_AT_A_TIME), policy(POLICY), Journal::default());
    let mut executor = Executor::new(&world);
    line(&world, &mut executor, &policy, 10, &journal);
    assert_eq!((world.in_flight(), world.waiting()), (1, 9));
    assert_eq!(executor.run(), [], "some call was never served");
    let expected: Vec<(u64, usize)> = (0..10).map(|who| (who as u64 * 1_000, who)).collect();
    assert_eq!(journal.entries(), expected);
    assert_eq!((world.in_flight(), world.waiting(), world.time.timers()), (0, 0, 0));
}

#[test]
fn a_place_that_is_free_wakes_one_call_and_not_a_herd() {
    let (world, policy, journal) = (world_of(ONE_AT_A_TIME), policy(POLICY), Journal::default());
    let mut executor = Executor::new(&world);
    line(&world, &mut executor, &policy, 60, &journal);
    for served in 1..60 {
        let before: Vec<usize> = (0..60).map(|id| executor.wakes(id)).collect();
        executor.run_until(secs(served as u64));
        // The one that is served, and the one that learns that it is first now.
        for (id, before) in before.iter().enumerate().skip(served + 2) {
            assert_eq!(executor.wakes(id), *before, "call {id} was woken when call {served} was served");
        }
    }
    assert_eq!(executor.run(), []);
    let most = (0..60).map(|id| executor.wakes(id)).max();
    // To be told that it is the head, that the place is free, and that its second is over.
    assert!(most <= Some(3), "a call was woken {most:?} times");
}

#[test]
fn a_waiting_call_has_one_timer() {
    let (world, policy, journal) = (world_of(ONE_AT_A_TIME), policy(POLICY), Journal::default());
    let mut executor = Executor::new(&world);
    line(&world, &mut executor, &policy, 20, &journal);
    // Beside the 19 that wait: the attempt's own sleep and its timeout.
    assert_eq!(world.time.timers(), 19 + 2);
}

#[test]
fn whoever_is_dropped_while_waiting_holds_nobody_up() {
    for dropped in [&[1][..], &[5], &[9], &[1, 2, 3], &[2, 1], &[9, 1, 5], &[1, 2, 3, 4, 5, 6, 7, 8, 9]] {
        let (world, policy, journal) = (world_of(ONE_AT_A_TIME), policy(POLICY), Journal::default());
        let mut executor = Executor::new(&world);
        line(&world, &mut executor, &policy, 10, &journal);
        dropped.iter().for_each(|id| executor.cancel(*id));
        assert_eq!(world.waiting(), 9 - dropped.len(), "a place was kept by a call that is gone");
        executor.run();
        let expected: Vec<usize> = (0..10).filter(|who| !dropped.contains(who)).collect();
        assert_eq!(journal.order(), expected, "without {dropped:?}");
        assert_eq!((world.in_flight(), world.waiting()), (0, 0));
    }
}

#[test]
fn a_head_that_was_woken_and_is_dropped_before_it_looks_passes_the_place_on() {
    let (world, policy, journal) = (world_of(ONE_AT_A_TIME), policy(POLICY), Journal::default());
    let mut executor = Executor::new(&world);
    line(&world, &mut executor, &policy, 3, &journal);
    // The first gives its place back by being dropped: that wakes the second, which is dropped before it runs.
    executor.cancel(0);
    assert_eq!(executor.wakes(1), 1);
    executor.cancel(1);
    executor.run_ready();
    assert_eq!(journal.entries(), [(0, 0), (0, 2)], "nobody told the third");
}

#[test]
fn an_attempt_that_is_dropped_gives_its_place_back_at_once() {
    let (world, policy, journal) = (world_of(ONE_AT_A_TIME), policy(POLICY), Journal::default());
    let mut executor = Executor::new(&world);
    line(&world, &mut executor, &policy, 2, &journal);
    executor.run_until(millis(300));
    executor.cancel(0);
    executor.run_ready();
    assert_eq!(journal.entries(), [(0, 0), (300, 1)]);
}

#[test]
fn a_queue_that_is_full_says_so_and_forgets_nobody() {
    let world: World<2> = World::new(ONE_AT_A_TIME);
    let (policy, journal) = (policy(POLICY), Journal::default());
    let mut executor = Executor::new(&world);
    let (world, policy) = (&world, &policy);
    for who in 0..5 {
        let journal = journal.clone();
        executor.spawn(async move {
            let mut call = Call::new(policy, secs(100));
            let attempt = |_| async {
                world.time.sleep_until(world.time.now().saturating_add(Duration::from_secs(1))).await;
                (Outcome::Success, ())
            };
            let (end, _) = world.driver().run(&mut call, entropy, attempt).await;
            let full = who >= 3;
            assert_eq!(end, if full { End::QueueFull } else { End::Succeeded }, "call {who}");
            journal.note(world.time.now(), who);
        });
    }
    assert_eq!(executor.run(), []);
    assert_eq!(journal.entries(), [(0, 3), (0, 4), (1_000, 0), (2_000, 1), (3_000, 2)]);
    assert_eq!(world.waiting(), 0);
}

#[test]
fn a_call_that_is_over_says_how_it_ended_where_the_queue_is_full() {
    let (world, policy, journal) = (World::<1>::new(ONE_AT_A_TIME), policy(POLICY), Journal::default());
    let mut executor = Executor::new(&world);
    let (world, policy) = (&world, &policy);
    for who in 0..2 {
        executor.spawn(async move {
            let mut call = Call::new(policy, secs(100));
            let _permit = world.driver().admit(&mut call).await.expect("there is room for one each");
            assert_eq!(who, 0);
            core::future::pending::<()>().await;
        });
    }
    executor.run_until(secs(1));
    assert_eq!((world.in_flight(), world.waiting()), (1, 1));
    let ended = journal.clone();
    executor.spawn(async move {
        let (mut cancelled, mut late) = (Call::new(policy, secs(100)), Call::new(policy, secs(1)));
        cancelled.end(End::Cancelled);
        for (call, expected) in [
            (&mut cancelled, End::Cancelled),
            (&mut late, End::OutOfTime { resume_at: secs(1) }),
            (&mut Call::new(policy, secs(100)), End::QueueFull),
        ] {
            let admitted = world.driver().admit(call).await;
            assert_eq!(admitted.map(|_permit| ()), Err(expected));
        }
        ended.note(world.time.now(), 2);
    });
    executor.run_ready();
    assert_eq!(journal.entries(), [(1_000, 2)]);
}

#[test]
fn a_permit_that_is_dropped_is_a_cancelled_attempt() {
    let (world, policy) = (World::<4>::new(ONE_AT_A_TIME), policy(POLICY));
    let mut executor = Executor::new(&world);
    let (world, policy) = (&world, &policy);
    executor.spawn(async move {
        let mut call = Call::new(policy, secs(100));
        let permit = world.driver().admit(&mut call).await.expect("nothing is in the way");
        assert_eq!((permit.started(), permit.attempt_deadline(&call)), (START, secs(10)));
        assert_eq!(world.in_flight(), 1);
        drop(permit);
        assert_eq!(world.in_flight(), 0);
        let permit = world.driver().admit(&mut call).await.expect("the place is free again");
        assert_eq!(permit.settle(&mut call, Outcome::Failure, entropy()), Next::Retry { at: millis(2_000) });
    });
    assert_eq!(executor.run(), []);
}

/// A waker that keeps a permit alive, as that of a task does whose future holds one.
struct Owner(#[expect(dead_code, reason = "held to be dropped")] Mutex<Option<Held>>);

type Held = Permit<'static, Arc<Time>, Guarded<Turnstile<Gate, 4>>>;

impl Wake for Owner {
    fn wake(self: Arc<Self>) {}
}

/// The second of two calls waits with a waker that is the last owner of the first one's permit: no timer has another.
fn with_the_last_waker_in_the_queue(then: impl FnOnce(&World<4>, Pin<&mut dyn Future<Output = Result<Held, End>>>)) {
    let world: &'static World<4> = Box::leak(Box::new(World::new(ONE_AT_A_TIME)));
    let (driver, policy) = (world.driver(), policy(POLICY));
    let mut nobody = Context::from_waker(Waker::noop());
    let (mut first, mut second) = (Call::new(&policy, Instant::MAX), Call::new(&policy, Instant::MAX));
    let Poll::Ready(Ok(permit)) = pin!(driver.admit(&mut first)).poll(&mut nobody) else {
        panic!("nothing is in the way")
    };
    driver.control(|gate| gate.set_breaker_mode(BreakerMode::ForcedOpen));
    let mut waiting: Pin<Box<dyn Future<Output = _>>> = Box::pin(driver.admit(&mut second));
    {
        let owner = Waker::from(Arc::new(Owner(Mutex::new(Some(permit)))));
        assert!(waiting.as_mut().poll(&mut Context::from_waker(&owner)).is_pending());
    }
    assert_eq!(world.in_flight(), 1);
    then(world, waiting.as_mut());
    drop(waiting);
    assert_eq!((world.in_flight(), world.waiting()), (0, 0));
}

#[test]
fn the_last_waker_is_replaced_outside_the_lock() {
    with_the_last_waker_in_the_queue(|world, waiting| {
        assert!(waiting.poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(world.in_flight(), 0, "with the old waker goes the permit");
    });
}

#[test]
fn the_last_waker_is_dropped_outside_the_lock_when_its_call_leaves() {
    with_the_last_waker_in_the_queue(|_world, _waiting| {});
}

#[test]
fn the_last_waker_is_woken_outside_the_lock() {
    with_the_last_waker_in_the_queue(|world, _waiting| {
        world.driver().control(|gate| gate.pause_until(START, secs(1)));
        assert_eq!(world.in_flight(), 0, "waking the last waker dropped the permit");
    });
}
