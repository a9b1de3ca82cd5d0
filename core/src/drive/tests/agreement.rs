//! Tasks that are woken and turns that are polled in every round make the same attempts at the same instants.

use core::sync::atomic::{AtomicBool, Ordering};
use std::{sync::Arc, task::Wake};

use super::{world::Executor, *};

const CALLS: usize = 24;

/// What happens whoever runs it: who comes when, how the server answers, and what the gate is told meanwhile. No two of
/// these fall on one instant, so that their order is not a matter of who runs them.
#[derive(Clone, Copy)]
struct Story(u64);

impl Story {
    fn draw(self, who: usize, salt: u32, limit: u64) -> u64 {
        Entropy::mix(self.0, who as u64, 6).derive(salt).up_to(limit)
    }

    /// Whether what is in the way says how long it lasts. That a wait is of no use is news that only the head hears, so then
    /// there are calls that wait for anything and calls that wait for nothing.
    fn ends_are_known(self) -> bool {
        self.0.is_multiple_of(2)
    }

    fn gate(self) -> GateConfig {
        let budget = RetryBudgetConfig {
            answers: 2,
            saved_max: 2,
            reserve: 1,
            reserve_refill: Duration::from_millis(4_000 + self.draw(0, 1, 20_000)),
            ..RetryBudgetConfig::DEFAULT
        };
        let breaker = BreakerConfig { mode: BreakerMode::Enforce, window: 6, calls_min: 4, ..BreakerConfig::DEFAULT };
        let rate = RateConfig { rate: Rate::per_second(4), burst: 3 };
        GateConfig {
            breaker: if self.ends_are_known() { breaker } else { ONE_AT_A_TIME.breaker },
            rate: if self.draw(0, 3, 1) == 0 { RateControl::Fixed(rate) } else { RateControl::Unlimited },
            limit: LimitConfig::fixed(1 + self.draw(0, 4, 2) as u16),
            budget: Some(budget),
            ..ONE_AT_A_TIME
        }
    }

    fn arrives_at(self, who: usize) -> Instant {
        START.plus_ns(self.draw(who, 5, 10_000_000_000))
    }

    fn deadline(self, who: usize) -> Instant {
        let ns = if self.ends_are_known() { 600_000_000_000 } else { 10_000_000_000 };
        self.arrives_at(who).plus_ns(ns + self.draw(who, 6, 30_000_000_000))
    }

    fn policy(self, who: usize) -> CallPolicy {
        let known = if self.ends_are_known() { 1 } else { 3 };
        let patience = [None, Some(0), Some(2_000), Some(6_000)][self.draw(who, 7, known) as usize];
        policy(CallConfig { patience: patience.map(Duration::from_millis), ..POLICY })
    }

    /// How long an attempt takes, and what comes of it.
    fn fate(self, who: usize, attempt: u32) -> (u64, Outcome) {
        let takes_ns = 1_000_000 + self.draw(who, 10 + attempt, 1_500_000_000);
        let outcome = match self.draw(who, 20 + attempt, 9) {
            0..=4 => Outcome::Failure,
            5 if self.ends_are_known() => Outcome::Throttled { retry_after: Some(Duration::from_secs(1)) },
            _ => Outcome::Success,
        };
        (takes_ns, outcome)
    }

    fn entropy(self, who: usize, attempt: u32) -> Entropy {
        Entropy::mix(self.0, who as u64, 7 + u64::from(attempt))
    }

    /// Forced open and released, and where its end is known, paused.
    fn controls(self) -> impl Iterator<Item = (Instant, Control)> {
        (1..=9).map(move |step| {
            let at = START.plus_ns(step as u64 * 2_000_000_000 + self.draw(step, 8, 1_900_000_000));
            let control = match step % 3 {
                0 if self.ends_are_known() => Control::Pause { until: at.plus_ns(self.draw(step, 9, 3_000_000_000)) },
                1 => Control::Breaker(BreakerMode::ForcedOpen),
                _ => Control::Breaker(self.gate().breaker.mode),
            };
            (at, control)
        })
    }
}

/// Whether anybody was woken.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// When which call began an attempt, and when it ended, and how: in nanoseconds after the start.
type Told = Vec<(u64, usize, Option<End>)>;

fn after_start(now: Instant) -> u64 {
    now.since_ns(START)
}

fn told_by_tasks(story: Story) -> Told {
    let world = world_of(story.gate());
    let policies: Vec<CallPolicy> = (0..CALLS).map(|who| story.policy(who)).collect();
    let told: Rc<RefCell<Told>> = Rc::default();
    let mut executor = Executor::new(&world);
    for (who, policy) in policies.iter().enumerate() {
        let (world, told) = (&world, Rc::clone(&told));
        executor.spawn(async move {
            world.time.sleep_until(story.arrives_at(who)).await;
            let mut call = Call::new(policy, story.deadline(who));
            let (mut made, mut drawn) = (0, 0);
            let attempt = |_until| {
                told.borrow_mut().push((after_start(world.time.now()), who, None));
                made += 1;
                let (takes_ns, outcome) = story.fate(who, made);
                async move {
                    world.time.sleep_until(world.time.now().plus_ns(takes_ns)).await;
                    (outcome, ())
                }
            };
            let entropy = || {
                drawn += 1;
                story.entropy(who, drawn)
            };
            let (end, _) = world.driver().run(&mut call, entropy, attempt).await;
            told.borrow_mut().push((after_start(world.time.now()), who, Some(end)));
        });
    }
    let world = &world;
    executor.spawn(async move {
        for (at, control) in story.controls() {
            world.time.sleep_until(at).await;
            world.driver().control(|gate| gate.control(at, control));
        }
    });
    assert_eq!(executor.run(), []);
    told.borrow().clone()
}

fn told_by_turns(story: Story) -> Told {
    let shared = RefCell::new(Turnstile::<Gate, 64>::new(Gate::new(story.gate()).expect("valid settings")));
    let policies: Vec<CallPolicy> = (0..CALLS).map(|who| story.policy(who)).collect();
    let mut told = Told::new();
    let mut calls: Vec<_> =
        policies.iter().enumerate().map(|(who, policy)| Some(Call::new(policy, story.deadline(who)))).collect();
    let mut turns: Vec<_> = (0..CALLS).map(|_| Turn::new(&shared)).collect();
    let mut under_way: Vec<Option<(Ticket, Instant, Outcome)>> = (0..CALLS).map(|_| None).collect();
    let mut controls = story.controls().peekable();
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut now = START;
    while calls.iter().any(Option::is_some) {
        if let Some((_, control)) = controls.next_if(|(at, _)| *at <= now) {
            let (_, head) = shared.borrow_mut().control(|gate| gate.control(now, control));
            wake(head);
        }
        let mut next = controls.peek().map_or(Instant::MAX, |(at, _)| *at);
        for who in 0..CALLS {
            let (Some(call), Some((_, ends_at, _))) = (&mut calls[who], &under_way[who]) else { continue };
            if *ends_at > now {
                next = next.min(*ends_at);
            } else if let Some((ticket, _, outcome)) = under_way[who].take() {
                let entropy = story.entropy(who, u32::from(call.attempts()));
                if let Next::Done(end) = turns[who].settle(now, call, ticket, outcome, entropy) {
                    told.push((after_start(now), who, Some(end)));
                    calls[who] = None;
                }
            }
        }
        // Round after round until nobody is woken any more. Backwards: the order in which they are polled is not that in which
        // they came.
        woken.0.store(true, Ordering::Relaxed);
        while woken.0.swap(false, Ordering::Relaxed) {
            for who in (0..CALLS).rev().filter(|who| under_way[*who].is_none()).collect::<Vec<_>>() {
                let Some(call) = &mut calls[who] else { continue };
                if now < story.arrives_at(who) {
                    next = next.min(story.arrives_at(who));
                    continue;
                }
                match turns[who].poll(now, call, &waker) {
                    Step::Attempt(ticket) => {
                        told.push((after_start(now), who, None));
                        let (takes_ns, outcome) = story.fate(who, u32::from(call.attempts()));
                        let until = turns[who].attempt_deadline(call, &ticket);
                        let ends_at = now.plus_ns(takes_ns);
                        let outcome = if ends_at <= until { outcome } else { call.cut_off(until) };
                        next = next.min(ends_at.min(until));
                        under_way[who] = Some((ticket, ends_at.min(until), outcome));
                    }
                    Step::Wait { until, .. } | Step::Full { until, .. } => next = next.min(until),
                    Step::Done(end) => {
                        told.push((after_start(now), who, Some(end)));
                        calls[who] = None;
                    }
                }
            }
        }
        assert!(next > now || calls.iter().all(Option::is_none), "a wait that is over already");
        now = next;
    }
    told
}

#[test]
fn tasks_and_turns_make_the_same_attempts_at_the_same_instants() {
    let (mut attempts, mut impatient) = (0, 0);
    for seed in 0..300 {
        let story = Story(seed);
        let [mut by_tasks, mut by_turns] = [told_by_tasks(story), told_by_turns(story)];
        for told in [&mut by_tasks, &mut by_turns] {
            told.sort_by_key(|(at, who, end)| (*at, *who, end.is_some()));
        }
        for (task, turn) in by_tasks.iter().zip(&by_turns) {
            assert_eq!(task, turn, "seed {seed}");
        }
        assert_eq!(by_tasks.len(), by_turns.len(), "seed {seed}");
        attempts += by_tasks.iter().filter(|(_, _, end)| end.is_none()).count();
        impatient += by_tasks.iter().filter(|(_, _, end)| matches!(end, Some(End::OutOfPatience { .. }))).count();
    }
    assert!(attempts > 5_000 && impatient > 500, "{attempts} attempts, {impatient} without patience: poor stories");
}
