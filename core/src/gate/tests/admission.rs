//! All or nothing is taken, and of several reasons the one that lasts longest is named.

use super::*;
use crate::breaker::Verdict;

/// What can be in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Obstacle {
    Open,
    Rate,
    Paused,
    Budget,
    Full,
}

const OBSTACLES: [Obstacle; 5] = [Obstacle::Open, Obstacle::Rate, Obstacle::Paused, Obstacle::Budget, Obstacle::Full];

impl Obstacle {
    /// How many seconds after `START` it is out of the way; a place is free only when a ticket comes back.
    fn lasts_s(self) -> Option<u64> {
        match self {
            Self::Open => Some(10),
            Self::Rate => Some(20),
            Self::Paused => Some(30),
            Self::Budget => Some(100),
            Self::Full => None,
        }
    }

    fn is_named_by(self, why: Why) -> bool {
        match (self, why) {
            (Self::Open, Why::Open { bad: 4, calls: 4 })
            | (Self::Budget, Why::Budget { saved: 0, cost: 2 })
            | (Self::Full, Why::InFlight { in_flight: 2, limit: 2 }) => true,
            (Self::Rate, Why::Rate { early_us, interval_us }) => [early_us, interval_us].map(about_seconds) == [20, 20],
            (Self::Paused, Why::Paused { remaining_us }) => about_seconds(remaining_us) == 30,
            _ => false,
        }
    }

    fn put_in_the_way(self, gate: &mut Gate) {
        match self {
            Self::Open => {
                for _ in 0..4 {
                    let pass = gate.breaker.try_acquire(START).expect("closed");
                    gate.breaker.settle(START, pass, Verdict::Failure, ENTROPY);
                }
                gate.note_standing(START);
            }
            Self::Rate => {
                while gate.limiter.conforms(START) {
                    gate.limiter.take(START);
                }
            }
            Self::Paused => gate.pause_until(START, secs(30)),
            Self::Budget => while gate.budget.as_mut().is_some_and(|budget| budget.try_withdraw(START).is_ok()) {},
            Self::Full => {
                let out = [(); 2].map(|()| go(gate, START, Try::First));
                assert_eq!(out.map(|ticket| ticket.started()), [START; 2]);
            }
        }
    }
}

/// Right to the thousandth to which explanations are.
fn about_seconds(micros: u32) -> u32 {
    (micros + 30_000) / 1_000_000
}

/// A gate with exactly these obstacles in the way at `START`.
fn obstructed(obstacles: &[Obstacle]) -> Gate {
    let rate = Rate { count: 1, period: Duration::from_secs(20) };
    let mut gate = gate(GateConfig {
        rate: RateControl::Fixed(RateConfig { rate, burst: 5 }),
        limit: LimitConfig::fixed(2),
        budget: BUDGET,
        ..PLAIN
    });
    // Places are taken first, while nothing else is in the way.
    obstacles.iter().rev().for_each(|obstacle| obstacle.put_in_the_way(&mut gate));
    gate
}

fn every_combination() -> impl Iterator<Item = std::vec::Vec<Obstacle>> {
    (0u32..1 << OBSTACLES.len()).map(|bits| {
        let chosen = OBSTACLES.iter().enumerate().filter(|(index, _)| bits >> index & 1 == 1);
        chosen.map(|(_, obstacle)| *obstacle).collect()
    })
}

#[test]
fn of_several_reasons_the_one_that_lasts_longest_is_named() {
    for obstacles in every_combination() {
        let mut gate = obstructed(&obstacles);
        let longest = obstacles.iter().filter(|obstacle| obstacle.lasts_s().is_some()).max_by_key(|o| o.lasts_s());
        match (longest, gate.poll(START, Try::Again)) {
            (Some(longest), Admission::Wait { until, why }) => {
                assert_eq!(Some(until), longest.lasts_s().map(secs), "{obstacles:?}: {why:?}");
                assert!(longest.is_named_by(why), "{obstacles:?}: {why:?}");
            }
            (None, Admission::Full { until, why }) => {
                assert!(Obstacle::Full.is_named_by(why) && obstacles == [Obstacle::Full], "{obstacles:?}: {why:?}");
                assert_eq!(until, secs(40), "two tickets of this cell: four cells of 10 s");
            }
            (None, Admission::Go(_)) => assert_eq!(obstacles, [], "something was in the way"),
            (_, answer) => panic!("{obstacles:?}: {answer:?}"),
        }
    }
}

#[test]
fn a_refusal_takes_nothing_from_any_policy() {
    for obstacles in every_combination().filter(|obstacles| !obstacles.is_empty()) {
        let (mut polled, mut untouched) = (obstructed(&obstacles), obstructed(&obstacles));
        for _ in 0..3 {
            let refused = polled.poll(START, Try::Again);
            assert!(!matches!(refused, Admission::Go(_)), "{obstacles:?} were not in the way");
        }
        // Only the clock has been looked at.
        let _: Instant = untouched.advance(START);
        assert_eq!(polled, untouched, "{obstacles:?}: a refused retry took something");
    }
}

#[test]
fn a_refusal_that_time_lifts_is_lifted_at_the_instant_named_and_not_before() {
    for obstacles in every_combination().filter(|obstacles| !obstacles.contains(&Obstacle::Full)) {
        let Some(longest_s) = obstacles.iter().filter_map(|obstacle| obstacle.lasts_s()).max() else { continue };
        let mut gate = obstructed(&obstacles);
        let almost = Instant::from_nanos(secs(longest_s).as_nanos() - 1);
        assert!(matches!(gate.poll(almost, Try::Again), Admission::Wait { .. }), "{obstacles:?}: a nanosecond early");
        let ticket = go(&mut gate, secs(longest_s), Try::Again);
        assert_eq!(ticket.is_probe(), obstacles.contains(&Obstacle::Open));
    }
}

#[test]
fn a_look_says_what_a_poll_would_and_takes_nothing() {
    for obstacles in every_combination() {
        for attempt in [Try::First, Try::Again] {
            let (mut looked, mut polled) = (obstructed(&obstacles), obstructed(&obstacles));
            let look = looked.peek(START, attempt);
            match (look, polled.poll(START, attempt)) {
                (None, Admission::Go(_)) => {}
                (Some(look), refused) => assert_eq!(look, refused),
                (None, refused) => panic!("{obstacles:?}: the look said go, the poll {refused:?}"),
            }
            let _: Instant = polled.advance(START);
            assert_eq!(looked.in_flight(), if obstacles.contains(&Obstacle::Full) { 2 } else { 0 }, "it took a place");
        }
    }
}

#[test]
fn first_attempts_do_not_need_the_budget() {
    let mut gate = obstructed(&[Obstacle::Budget]);
    assert!(matches!(gate.poll(START, Try::Again), Admission::Wait { why: Why::Budget { .. }, .. }));
    assert!(!go(&mut gate, START, Try::First).is_retry());
}

#[test]
fn a_pause_that_ends_before_the_next_request_may_go_does_not_hide_that() {
    let mut gate = gate(GateConfig { rate: SLOW_SERVER, ..PLAIN });
    let _out = [(); 2].map(|()| go(&mut gate, START, Try::First));
    gate.pause_until(START, millis(300));
    let Admission::Wait { until, why } = gate.poll(START, Try::First) else { panic!("the burst is spent") };
    assert!(matches!(why, Why::Rate { .. }), "one timer is enough only if it is the later one: {why:?}");
    assert_eq!(until, secs(1));
}

#[test]
fn forced_open_waits_for_nothing_but_a_change_of_mode() {
    let mut gate = gate(PLAIN);
    gate.set_breaker_mode(BreakerMode::ForcedOpen);
    gate.pause_until(START, secs(30));
    let forced = Admission::Wait { until: Instant::MAX, why: Why::ForcedOpen };
    assert_eq!(gate.poll(START, Try::First), forced);
    gate.set_breaker_mode(BreakerMode::Enforce);
    let ticket = go(&mut gate, secs(30), Try::First);
    gate.settle(secs(30), ticket, Outcome::Success, ENTROPY);
}

#[test]
fn the_ramp_after_closing_bounds_what_is_in_flight() {
    let breaker = BreakerConfig { after_closing: AfterClosing::Ramp, ..PLAIN.breaker };
    let mut gate = gate(GateConfig { breaker, ..PLAIN });
    trip(&mut gate, START);
    call(&mut gate, secs(10), Outcome::Success);
    assert!(!gate.is_healthy());
    let _out = [(); 2].map(|()| go(&mut gate, secs(10), Try::First));
    let ramp = Why::Ramp { in_flight: 2, ramp: 2 };
    assert!(matches!(gate.poll(secs(10), Try::First), Admission::Full { why, .. } if why == ramp));
}

#[test]
fn every_reason_explains_itself() {
    let said = |why: Why| std::format!("{why}");
    assert_eq!(said(Why::Open { bad: 4, calls: 4 }), "breaker open after 4 bad of 4 calls");
    assert_eq!(said(Why::ForcedOpen), "breaker forced open");
    assert_eq!(said(Why::Probing { outstanding: 1, probes: 1 }), "1 of 1 probes out");
    let paused = Why::Paused { remaining_us: 30_000_000 };
    assert_eq!(said(paused), "paused at the server's wish for 30000 ms");
    let rate = Why::Rate { early_us: 20, interval_us: 1_000 };
    assert_eq!(said(rate), "20 µs early at one request each 1000 µs");
    assert_eq!(said(Why::Budget { saved: 1, cost: 2 }), "retry budget empty: 1 saved, a retry costs 2");
    assert_eq!(said(Why::InFlight { in_flight: 50, limit: 50 }), "50 of 50 in flight");
    assert_eq!(said(Why::Ramp { in_flight: 2, ramp: 2 }), "2 of 2 in flight while recovering");
    assert_eq!(said(Why::Backoff { attempt: 2, attempts: 3 }), "backing off before attempt 2 of 3");
    assert_eq!(said(Why::Queued), "other calls are first");
}
