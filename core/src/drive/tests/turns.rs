//! Turns: the queue for loops that poll, in whatever order they do.

use super::{
    world::{Executor, Guarded},
    *,
};

type Shared = RefCell<Turnstile<Gate, 4>>;

/// A call and where it stands.
struct Job<'p, L: Lock<Inside: Returns> = Shared> {
    call: Call<'p>,
    turn: Turn<'p, L>,
}

impl<'p> Job<'p> {
    fn new(shared: &'p Shared, policy: &'p CallPolicy) -> Self {
        Self { call: Call::new(policy, secs(100)), turn: Turn::new(shared) }
    }

    fn poll(&mut self, now: Instant) -> Step {
        self.turn.poll(now, &mut self.call, Waker::noop())
    }

    fn attempt(&mut self, now: Instant) -> Ticket {
        match self.poll(now) {
            Step::Attempt(ticket) => ticket,
            other => panic!("it is its turn, and it hears {other:?}"),
        }
    }

    fn settle(&mut self, now: Instant, ticket: Ticket, outcome: Outcome) -> Next {
        self.turn.settle(now, &mut self.call, ticket, outcome, entropy())
    }
}

fn shared(config: GateConfig) -> Shared {
    RefCell::new(Turnstile::new(Gate::new(config).expect("valid settings")))
}

fn waiting(shared: &Shared) -> usize {
    shared.borrow().queue.len()
}

fn until(step: &Step) -> Instant {
    match step {
        Step::Wait { until, .. } | Step::Full { until, .. } => *until,
        Step::Attempt(_) | Step::Done(_) => panic!("it does not wait: {step:?}"),
    }
}

#[test]
fn calls_are_served_in_the_order_of_their_arrival_whoever_is_polled_first() {
    let (shared, policy) = (shared(ONE_AT_A_TIME), policy(POLICY));
    let mut first = Job::new(&shared, &policy);
    let mut ticket = first.attempt(START);
    let mut jobs = [(); 3].map(|()| Job::new(&shared, &policy));
    for job in &mut jobs {
        assert!(matches!(job.poll(START), Step::Full { .. }));
    }
    let mut before = &mut first;
    let mut rest = &mut jobs[..];
    while let [head, behind @ ..] = rest {
        assert_eq!(before.settle(START, ticket, Outcome::Success), Next::Done(End::Succeeded));
        for job in behind.iter_mut().rev() {
            let step = job.poll(START);
            assert_eq!(step, Step::Full { until: secs(100), why: Why::Queued }, "the place is another's");
        }
        ticket = head.attempt(START);
        (before, rest) = (head, behind);
    }
    assert_eq!(waiting(&shared), 0);
}

#[test]
fn whoever_is_dropped_while_waiting_holds_nobody_up() {
    let (shared, policy) = (shared(ONE_AT_A_TIME), policy(POLICY));
    let mut first = Job::new(&shared, &policy);
    let ticket = first.attempt(START);
    let [mut a, mut b, mut c] = [(); 3].map(|()| Job::new(&shared, &policy));
    for job in [&mut a, &mut b, &mut c] {
        until(&job.poll(START));
    }
    drop(b);
    drop(a);
    assert_eq!(waiting(&shared), 1);
    assert_eq!(first.settle(START, ticket, Outcome::Success), Next::Done(End::Succeeded));
    let _ticket = c.attempt(START);
}

#[test]
fn a_retry_backs_off_outside_the_queue_and_enters_at_its_tail() {
    let (shared, policy) = (shared(ONE_AT_A_TIME), policy(POLICY));
    let [mut a, mut b, mut c] = [(); 3].map(|()| Job::new(&shared, &policy));
    let ticket = a.attempt(START);
    until(&b.poll(START));
    assert_eq!(a.settle(START, ticket, Outcome::Failure), Next::Retry { at: secs(1) });
    let why = Why::Backoff { attempt: 2, attempts: 3 };
    assert_eq!(a.poll(millis(500)), Step::Wait { until: secs(1), why });
    assert_eq!(waiting(&shared), 1, "it has no business in the queue yet");
    let ticket = b.attempt(millis(500));
    until(&c.poll(millis(500)));
    until(&a.poll(secs(1)));
    assert_eq!(b.settle(secs(1), ticket, Outcome::Success), Next::Done(End::Succeeded));
    until(&a.poll(secs(1)));
    let ticket = c.attempt(secs(1));
    assert_eq!(c.settle(secs(1), ticket, Outcome::Success), Next::Done(End::Succeeded));
    let _ticket = a.attempt(secs(1));
}

#[test]
fn a_retry_that_waits_for_the_budget_does_not_hold_up_first_attempts() {
    // One retry at first, one each 10 s, and one for each answer.
    let reserve_refill = Duration::from_secs(10);
    let budget = RetryBudgetConfig { reserve: 1, reserve_refill, answers: 1, ..RetryBudgetConfig::DEFAULT };
    let (shared, policy) = (shared(GateConfig { budget: Some(budget), ..ONE_AT_A_TIME }), policy(POLICY));
    let [mut retry, mut other] = [(); 2].map(|()| Job::new(&shared, &policy));
    for (at, next) in [(START, secs(1)), (secs(1), secs(3))] {
        let ticket = retry.attempt(at);
        assert_eq!(retry.settle(at, ticket, Outcome::Failure), Next::Retry { at: next });
    }
    let step = retry.poll(secs(3));
    assert!(matches!(step, Step::Wait { why: Why::Budget { .. }, .. }), "{step:?}");
    let ticket = other.attempt(secs(4));
    assert_eq!(retry.poll(secs(4)), step);
    assert_eq!(other.settle(secs(4), ticket, Outcome::Success), Next::Done(End::Succeeded));
    let _ticket = retry.attempt(secs(5));
}

#[test]
fn those_that_wait_for_the_budget_go_in_their_order_and_before_the_line() {
    let budget = RetryBudgetConfig { reserve: 1, answers: 1, ..RetryBudgetConfig::POLITE };
    let budget = RetryBudgetConfig { reserve_refill: Duration::from_secs(3_600), ..budget };
    let (shared, policy) = (shared(GateConfig { budget: Some(budget), ..ONE_AT_A_TIME }), policy(POLICY));
    let [mut a, mut b, mut other, mut last] = [(); 4].map(|()| Job::new(&shared, &policy));
    for job in [&mut a, &mut b] {
        let ticket = job.attempt(START);
        assert_eq!(job.settle(START, ticket, Outcome::Failure), Next::Retry { at: secs(1) });
    }
    let reserve = a.attempt(secs(1));
    until(&b.poll(secs(1)));
    assert_eq!(a.settle(secs(1), reserve, Outcome::Failure), Next::Retry { at: secs(3) });
    for job in [&mut b, &mut a] {
        assert!(matches!(job.poll(secs(3)), Step::Wait { why: Why::Budget { .. }, .. }));
    }
    let ticket = other.attempt(secs(4));
    until(&last.poll(secs(4)));
    assert_eq!(other.settle(secs(4), ticket, Outcome::Success), Next::Done(End::Succeeded));
    // The answer earned one retry, and it is for the one that has waited for it longest.
    let queued = Step::Full { until: secs(100), why: Why::Queued };
    assert_eq!(last.poll(secs(4)), queued, "it came after those that were at the head before it");
    assert_eq!(a.poll(secs(4)), Step::Wait { until: secs(100), why: Why::Queued });
    let ticket = b.attempt(secs(4));
    assert_eq!(b.settle(secs(4), ticket, Outcome::Failure), Next::Retry { at: secs(6) });
    assert!(matches!(a.poll(secs(4)), Step::Wait { why: Why::Budget { .. }, .. }));
    let ticket = last.attempt(secs(4));
    assert_eq!(last.settle(secs(4), ticket, Outcome::Success), Next::Done(End::Succeeded));
    let _ticket = a.attempt(secs(4));
}

#[test]
fn a_queue_that_is_full_ends_the_call_and_none_that_has_no_business_in_it() {
    let (shared, policy) = (shared(ONE_AT_A_TIME), policy(POLICY));
    let [mut fails, mut first] = [(); 2].map(|()| Job::new(&shared, &policy));
    let ticket = fails.attempt(START);
    assert_eq!(fails.settle(START, ticket, Outcome::Failure), Next::Retry { at: secs(1) });
    let ticket = first.attempt(START);
    let mut jobs = [(); 4].map(|()| Job::new(&shared, &policy));
    for job in &mut jobs {
        until(&job.poll(START));
    }
    let mut late = Job::new(&shared, &policy);
    assert_eq!(late.poll(START), Step::Done(End::QueueFull));
    assert_eq!(until(&fails.poll(START)), secs(1), "it backs off outside");
    assert_eq!(first.settle(START, ticket, Outcome::Success), Next::Done(End::Succeeded));
    assert_eq!(first.poll(START), Step::Done(End::Succeeded), "it has ended");
    assert_eq!(late.poll(START), Step::Done(End::QueueFull), "and does not begin anew");
    assert_eq!(waiting(&shared), 4);
}

#[test]
fn a_call_that_is_ended_from_outside_says_so_wherever_it_stands() {
    let (shared, policy) = (shared(ONE_AT_A_TIME), policy(POLICY));
    let [mut backs_off, mut first, mut waits] = [(); 3].map(|()| Job::new(&shared, &policy));
    let ticket = backs_off.attempt(START);
    assert_eq!(backs_off.settle(START, ticket, Outcome::Failure), Next::Retry { at: secs(1) });
    let _ticket = first.attempt(START);
    until(&waits.poll(START));
    for job in [&mut backs_off, &mut waits] {
        job.call.end(End::Cancelled);
        assert_eq!(job.poll(START), Step::Done(End::Cancelled));
    }
    assert_eq!(waiting(&shared), 0);
}

#[test]
fn time_running_backwards_keeps_a_turn_where_it_is() {
    let (shared, policy) = (shared(ONE_AT_A_TIME), policy(POLICY));
    let [mut first, mut second] = [(); 2].map(|()| Job::new(&shared, &policy));
    let ticket = first.attempt(secs(10));
    until(&second.poll(secs(10)));
    until(&second.poll(secs(5)));
    assert_eq!(waiting(&shared), 1);
    assert_eq!(first.settle(secs(5), ticket, Outcome::Success), Next::Done(End::Succeeded));
    assert_eq!(second.attempt(secs(5)).started(), secs(10));
}

#[test]
fn turns_and_tasks_stand_in_one_queue_and_wake_each_other() {
    let (world, policy) = (World::<4>::new(ONE_AT_A_TIME), policy(POLICY));
    let mut executor = Executor::new(&world);
    let journal = Journal::default();
    let (world, policy) = (&world, &policy);
    let mut job: Job<'_, Guarded<Turnstile<Gate, 4>>> =
        Job { call: Call::new(policy, secs(100)), turn: Turn::new(&world.shared) };
    let Step::Attempt(ticket) = job.turn.poll(START, &mut job.call, Waker::noop()) else {
        panic!("a fresh gate admits")
    };
    assert_eq!(job.turn.attempt_deadline(&job.call, &ticket), secs(10));
    let noted = journal.clone();
    executor.spawn(async move {
        let mut call = Call::new(policy, secs(100));
        let attempt = async |_| {
            noted.note(world.time.now(), 0);
            (Outcome::Success, ())
        };
        assert_eq!(world.driver().run(&mut call, entropy, attempt).await.0, End::Succeeded);
    });
    executor.run_until(secs(2));
    let next = job.turn.settle(secs(2), &mut job.call, ticket, Outcome::Failure, entropy());
    assert_eq!(next, Next::Retry { at: secs(3) });
    executor.run_ready();
    assert_eq!(journal.entries(), [(2_000, 0)], "the task was not told that the place is free");
}
