//! A watch that never barks proves nothing: here gates do one thing and their watches are told another.

use std::time::Duration;

use tidegate_core::budget::RetryBudgetConfig;
use tidegate_core::limit::LimitConfig;
use tidegate_core::rate::{AdaptiveRateConfig, Rate, RateConfig};
use tidegate_core::{Admission, Barred, Entropy, GateConfig, RateControl, Try};

use super::*;

const NOW: Instant = Instant::from_secs(10);
const FREE: GateConfig =
    GateConfig { rate: RateControl::Unlimited, limit: LimitConfig::fixed(50), ..GateConfig::DEFAULT };
const TWO_A_SECOND: RateControl = RateControl::Fixed(RateConfig { rate: Rate::per_second(2), burst: 3 });

struct Beat {
    gate: Gate,
    watch: Watch,
    /// What the watch is told about the gate.
    terms: Terms,
    /// What it is told that the gate shows.
    shown: Option<Before>,
}

impl Beat {
    fn new(told: GateConfig) -> Self {
        Self::of(FREE, told)
    }

    fn of(config: GateConfig, told: GateConfig) -> Self {
        let terms = Terms::of(&told);
        Self { gate: Gate::new(config).expect("valid"), watch: Watch::new(NOW, &terms), terms, shown: None }
    }

    fn admit(&mut self, now: Instant, is_retry: bool) -> Result<Ticket, Breach> {
        let before = self.shown.unwrap_or(Watch::before(&self.gate));
        let Admission::Go(ticket) = self.gate.poll(now, Try::First) else { panic!("the gate refused") };
        self.watch.admitted(now, &self.gate, &self.terms, before, &ticket, is_retry).map(|()| ticket)
    }

    fn settle(&mut self, now: Instant, ticket: Ticket, outcome: Outcome) -> Result<(), Breach> {
        let was_probe = ticket.is_probe();
        self.gate.settle(now, ticket, outcome, Entropy::new(7));
        self.watch.settled(now, &self.gate, &self.terms, was_probe, self.watch.era, outcome)
    }

    /// An attempt that is well, from beginning to end.
    fn well(&mut self, now: Instant, outcome: Outcome) {
        let ticket = self.admit(now, false).expect("well");
        self.settle(now, ticket, outcome).expect("well");
    }

    /// A retry that comes back without an answer.
    fn retry(&mut self, now: Instant) -> Result<(), Breach> {
        let ticket = self.admit(now, true)?;
        self.settle(now, ticket, Outcome::Cancelled)
    }

    fn refuse(&mut self, now: Instant, why: Why) -> Result<(), Breach> {
        self.watch.refused(now, &self.gate, &self.terms, why, None)
    }

    fn put_off(&mut self, now: Instant, why: Why, until: Instant) -> Result<(), Breach> {
        self.watch.refused(now, &self.gate, &self.terms, why, Some(until))
    }
}

fn millis_later(ms: u64) -> Instant {
    NOW.saturating_add(Duration::from_millis(ms))
}

#[test]
fn it_is_quiet_while_all_is_well() {
    let mut beat = Beat::new(FREE);
    for _ in 0..100 {
        beat.well(NOW, Outcome::Success);
    }
}

#[test]
fn it_sees_more_in_flight_than_may_be() {
    let mut beat = Beat::new(FREE);
    beat.shown = Some(Before { limit: 1, ramp: u16::MAX });
    let _first = beat.admit(NOW, false).expect("well");
    assert_eq!(beat.admit(NOW, false), Err(Breach::OverLimit { in_flight: 1, limit: 1 }));
    let mut beat = Beat::new(FREE);
    beat.shown = Some(Before { limit: 50, ramp: 2 });
    let _two = (beat.admit(NOW, false).expect("well"), beat.admit(NOW, false).expect("well"));
    assert_eq!(beat.admit(NOW, false), Err(Breach::OverLimit { in_flight: 2, limit: 2 }), "on the ramp");
}

#[test]
fn it_sees_a_limit_and_a_rate_beyond_their_bounds() {
    let bounds = |floor, ceiling| GateConfig {
        limit: LimitConfig { floor, start: floor, ceiling, ..LimitConfig::DEFAULT },
        ..FREE
    };
    for (floor, ceiling) in [(2, 49), (51, 60)] {
        let breach = Breach::LimitOutOfBounds { limit: 50, floor, ceiling };
        assert_eq!(Beat::new(bounds(floor, ceiling)).admit(NOW, false), Err(breach));
    }
    assert!(Beat::new(bounds(50, 50)).admit(NOW, false).is_ok());
    // It believes the settings, whatever the gate shows.
    let mut beat = Beat::new(bounds(2, 3));
    beat.watch.in_flight = 3;
    assert_eq!(beat.admit(NOW, false), Err(Breach::OverLimit { in_flight: 3, limit: 3 }));

    let rates = |floor, ceiling| {
        let [floor, ceiling] = [floor, ceiling].map(Rate::per_second);
        let rate =
            RateControl::Adaptive(AdaptiveRateConfig { start: floor, floor, ceiling, ..AdaptiveRateConfig::AIMD });
        GateConfig { rate, ..FREE }
    };
    let settled = |told: GateConfig| {
        let mut beat = Beat::of(GateConfig { rate: TWO_A_SECOND, ..FREE }, told);
        let ticket = beat.admit(NOW, false).expect("well");
        beat.settle(NOW, ticket, Outcome::Success)
    };
    let (second, half, quarter) = (1_000_000_000, 500_000_000, 250_000_000);
    let out = |fastest_ns, slowest_ns| Breach::RateOutOfBounds { interval_ns: half, fastest_ns, slowest_ns };
    assert_eq!(settled(rates(1, 1)), Err(out(second, second)));
    assert_eq!(settled(rates(4, 4)), Err(out(quarter, quarter)));
    assert_eq!(settled(FREE), Err(out(0, 0)));
    assert_eq!(settled(rates(1, 4)), Ok(()));
    assert_eq!(settled(rates(2, 2)), Ok(()));
}

#[test]
fn it_sees_a_gate_that_miscounts() {
    let mut beat = Beat::new(FREE);
    let ticket = beat.admit(NOW, false).expect("well");
    // The gate is never told, as if it had forgotten.
    drop(ticket);
    let forgotten = beat.watch.settled(NOW, &beat.gate, &beat.terms, false, 0, Outcome::Success);
    assert_eq!(forgotten, Err(Breach::Miscounted { counted: 1, seen: 0 }));
}

#[test]
fn it_sees_an_attempt_through_an_open_breaker_and_a_pause() {
    let later = Instant::from_secs(11);
    let mut beat = Beat::new(FREE);
    beat.watch.open_until = later;
    assert_eq!(beat.admit(NOW, false), Err(Breach::WhileOpen { early_ns: 1_000_000_000 }));
    let mut beat = Beat::new(FREE);
    beat.watch.paused_until = later;
    assert_eq!(beat.admit(NOW, false), Err(Breach::WhilePaused { early_ns: 1_000_000_000 }));
}

#[test]
fn it_remembers_when_a_breaker_opens_and_what_a_server_asks_for() {
    let mut beat = Beat::new(FREE);
    beat.well(NOW, Outcome::Throttled { retry_after: Some(Duration::from_secs(8)) });
    assert_eq!((beat.watch.paused_until, beat.watch.paused_at_most_until), (millis_later(8_000), millis_later(9_000)));
    let mut beat = Beat::new(FREE);
    beat.well(NOW, Outcome::Throttled { retry_after: Some(Duration::from_secs(1 << 40)) });
    assert_eq!(beat.watch.paused_until, millis_later(86_400_000), "a day, and no more");
    let mut beat = Beat::new(FREE);
    (0..16).for_each(|_| beat.well(NOW, Outcome::Failure));
    assert!(beat.watch.open_until > NOW, "16 failures of 16 open the default breaker");
    assert_eq!(beat.watch.era, 1);
}

#[test]
fn it_sees_one_probe_too_many() {
    let mut beat = Beat::new(FREE);
    beat.well(NOW, Outcome::Success);
    beat.watch.probes_out = 1;
    while beat.watch.era == 0 {
        beat.well(NOW, Outcome::Failure);
    }
    assert_eq!(beat.watch.probes_out, 0, "an era begins without probes");
    beat.watch.probes_out = 1;
    let after = beat.watch.open_until;
    assert_eq!(beat.admit(after, false), Err(Breach::Probes { out: 1, probes: 1 }));
}

#[test]
fn it_sees_an_attempt_at_a_server_that_refused_access_and_a_gate_that_gives_up_early() {
    let denied = Outcome::Refused(Refusal::Access);
    let mut beat = Beat::new(FREE);
    let barred = End::Barred(Barred::Denied { in_a_row: 3, limit: 3 });
    for outcome in [denied, denied, Outcome::Success, denied, denied, Outcome::Timeout] {
        beat.well(NOW, outcome);
    }
    let ended = beat.watch.ended(NOW, &beat.gate, &beat.terms, barred);
    assert_eq!(ended, Err(Breach::Barred { in_a_row: 2 }));
    // The gate hears of one more success than the watch.
    let ticket = beat.admit(NOW, false).expect("well");
    beat.gate.settle(NOW, ticket, Outcome::Success, Entropy::new(7));
    beat.watch.settled(NOW, &beat.gate, &beat.terms, false, 0, denied).expect("well");
    assert_eq!(beat.admit(NOW, false), Err(Breach::WhileDenied { in_a_row: 3 }));
    assert_eq!(beat.watch.denied, 3);
    let mut beat = Beat::new(FREE);
    (0..3).for_each(|_| beat.well(NOW, denied));
    assert_eq!(beat.watch.ended(NOW, &beat.gate, &beat.terms, barred), Ok(()));
}

#[test]
fn it_sees_retries_that_nothing_paid_for() {
    let mut beat = Beat::new(FREE);
    let empty = Err(Breach::OverBudget { saved: 0, cost: 2, early_ns: 1_000_000_000 });
    // The reserve is 10, and two answers earn one more.
    (0..2).for_each(|_| beat.well(NOW, Outcome::Success));
    (0..11).for_each(|_| beat.retry(NOW).expect("paid for"));
    assert_eq!(beat.retry(NOW), empty);
    // One that has no share of its own: half of it does not pay.
    let mut beat = Beat::new(FREE);
    (0..10).for_each(|_| beat.retry(NOW).expect("the reserve"));
    beat.well(NOW, Outcome::Success);
    assert_eq!(beat.retry(NOW), Err(Breach::OverBudget { saved: 1, cost: 2, early_ns: 1_000_000_000 }));
}

#[test]
fn what_a_budget_saves_and_what_it_reserves_is_capped() {
    let budget = Some(RetryBudgetConfig { saved_max: 5, reserve: 3, ..RetryBudgetConfig::DEFAULT });
    let mut beat = Beat::new(GateConfig { budget, ..FREE });
    (0..1_000).for_each(|_| beat.well(NOW, Outcome::Empty));
    (0..8).for_each(|_| beat.retry(NOW).expect("five saved and three in reserve"));
    assert!(matches!(beat.retry(NOW), Err(Breach::OverBudget { .. })));
    let mut beat = Beat::new(GateConfig { budget, ..FREE });
    let next_day = millis_later(86_400_000);
    (0..3).for_each(|_| beat.retry(next_day).expect("three in reserve"));
    assert!(matches!(beat.retry(next_day), Err(Breach::OverBudget { .. })), "a day of rest is no more than that");
}

#[test]
fn it_sees_a_rate_that_is_exceeded_at_once_and_after_a_rest() {
    for rest_ms in [0, 3_600_000] {
        let mut beat = Beat::new(GateConfig { rate: TWO_A_SECOND, ..FREE });
        let later = |ms: u64| millis_later(rest_ms + ms);
        let _burst: Vec<_> = (0..3).map(|_| beat.admit(later(0), false).expect("the burst")).collect();
        let _next = beat.admit(later(500), false).expect("the next");
        assert_eq!(beat.admit(later(500), false), Err(Breach::OverRate { early_ns: 500_000_000 }));
    }
}

#[test]
fn an_adaptive_rate_is_held_to_its_ceiling() {
    let ceiling = Rate::per_second(10);
    let adaptive = AdaptiveRateConfig { ceiling, start: ceiling, ..AdaptiveRateConfig::DEFAULT };
    let mut beat = Beat::new(GateConfig { rate: RateControl::Adaptive(adaptive), ..FREE });
    let _first = beat.admit(NOW, false).expect("well");
    let _second = beat.admit(millis_later(100), false).expect("well");
    // Sixteen milliseconds may be caught up with after a rest, and there was none.
    assert_eq!(beat.admit(millis_later(183), false), Err(Breach::OverRate { early_ns: 1_000_000 }));
}

#[test]
fn a_refusal_for_a_reason_that_is_none_is_no_less_a_breach() {
    let fixed = GateConfig { rate: TWO_A_SECOND, ..FREE };
    for why in [
        Why::Open { bad: 16, calls: 16 },
        Why::ForcedOpen,
        Why::Probing { outstanding: 1, probes: 1 },
        Why::Paused { remaining_us: 1 },
        Why::Rate { early_us: 1, interval_us: 500_000 },
        Why::Budget { saved: 0, cost: 2 },
        Why::InFlight { in_flight: 50, limit: 50 },
        Why::Ramp { in_flight: 2, ramp: 2 },
    ] {
        assert_eq!(Beat::of(fixed, fixed).refuse(NOW, why), Err(Breach::HeldBack(why)));
        let mut impatient = Beat::of(fixed, fixed);
        let end = End::OutOfPatience { why, resume_at: NOW };
        let ended = impatient.watch.ended(NOW, &impatient.gate, &impatient.terms, end);
        assert_eq!(ended, Err(Breach::HeldBack(why)));
    }
    for why in [Why::Queued, Why::Backoff { attempt: 2, attempts: 3 }] {
        assert_eq!(Beat::of(fixed, fixed).refuse(NOW, why), Ok(()), "{why}: no business of a gate's");
    }
}

#[test]
fn a_refusal_for_a_reason_is_well_until_the_reason_is_gone() {
    let rate = Why::Rate { early_us: 500_000, interval_us: 500_000 };
    let fixed = GateConfig { rate: TWO_A_SECOND, ..FREE };
    let mut beat = Beat::of(fixed, fixed);
    (0..3).for_each(|_| beat.well(NOW, Outcome::Success));
    let just_before = Instant::from_nanos(millis_later(500).as_nanos() - 1);
    assert_eq!((beat.refuse(NOW, rate), beat.refuse(just_before, rate)), (Ok(()), Ok(())));
    assert_eq!(beat.refuse(millis_later(500), rate), Err(Breach::HeldBack(rate)));

    let mut beat = Beat::new(FREE);
    let budget = Why::Budget { saved: 0, cost: 2 };
    (0..10).for_each(|_| beat.retry(NOW).expect("the reserve"));
    assert_eq!(beat.refuse(millis_later(999), budget), Ok(()));
    assert_eq!(beat.refuse(millis_later(1_000), budget), Err(Breach::HeldBack(budget)), "the reserve has one");
    (0..2).for_each(|_| beat.well(NOW, Outcome::Success));
    assert_eq!(beat.refuse(NOW, budget), Err(Breach::HeldBack(budget)), "two answers earned one");

    let mut beat = Beat::new(FREE);
    let paused = Why::Paused { remaining_us: 1 };
    beat.well(NOW, Outcome::Throttled { retry_after: Some(Duration::from_secs(8)) });
    assert_eq!(beat.refuse(millis_later(8_999), paused), Ok(()));
    assert_eq!(
        beat.refuse(millis_later(9_000), paused),
        Err(Breach::HeldBack(paused)),
        "an eighth more, and it is over"
    );

    let mut beat = Beat::new(FREE);
    let open = Why::Open { bad: 16, calls: 16 };
    (0..16).for_each(|_| beat.well(NOW, Outcome::Failure));
    assert_eq!(beat.refuse(NOW, open), Ok(()));
    let over = beat.watch.open_until;
    assert_eq!(beat.refuse(over, open), Err(Breach::HeldBack(open)));
    let probing = Why::Probing { outstanding: 1, probes: 1 };
    let _probe = beat.admit(over, false).expect("a probe");
    assert_eq!(beat.refuse(over, probing), Ok(()));

    let mut beat = Beat::new(FREE);
    let full = Why::InFlight { in_flight: 50, limit: 50 };
    let _all: Vec<_> = (0..49).map(|_| beat.admit(NOW, false).expect("room")).collect();
    assert_eq!(beat.refuse(NOW, full), Err(Breach::HeldBack(full)));
    let _last = beat.admit(NOW, false).expect("room");
    assert_eq!(beat.refuse(NOW, full), Ok(()));
}

#[test]
fn whoever_is_told_to_come_back_too_late_is_held_back() {
    let just_after = |at: Instant| Instant::from_nanos(at.as_nanos() + 1);
    let check = |mut beat: Beat, why, over_at| {
        assert_eq!(beat.put_off(NOW, why, over_at), Ok(()), "{why}");
        let late = Err(Breach::TooLate { late_ns: 1, why });
        assert_eq!(beat.put_off(NOW, why, just_after(over_at)), late);
    };
    let fixed = GateConfig { rate: TWO_A_SECOND, ..FREE };
    let rate = Why::Rate { early_us: 500_000, interval_us: 500_000 };
    let mut beat = Beat::of(fixed, fixed);
    (0..3).for_each(|_| beat.well(NOW, Outcome::Success));
    check(beat, rate, millis_later(500));

    // No longer than the interval at its floor, whatever it has learnt.
    let floor = Rate::per_second(4);
    let start = Rate::per_second(10);
    let adaptive = RateControl::Adaptive(AdaptiveRateConfig { floor, start, ..AdaptiveRateConfig::DEFAULT });
    let adapting = GateConfig { rate: adaptive, ..FREE };
    check(Beat::of(adapting, adapting), rate, millis_later(250));

    let mut beat = Beat::new(FREE);
    (0..10).for_each(|_| beat.retry(NOW).expect("the reserve"));
    check(beat, Why::Budget { saved: 0, cost: 2 }, millis_later(1_000));

    let mut beat = Beat::new(FREE);
    beat.well(NOW, Outcome::Throttled { retry_after: Some(Duration::from_secs(8)) });
    check(beat, Why::Paused { remaining_us: 1 }, millis_later(9_000));

    let mut beat = Beat::new(FREE);
    (0..16).for_each(|_| beat.well(NOW, Outcome::Failure));
    let over_at = beat.watch.open_until;
    check(beat, Why::Open { bad: 16, calls: 16 }, over_at);
}

#[test]
fn after_a_pause_there_is_no_burst() {
    let mut beat = Beat::new(GateConfig { rate: TWO_A_SECOND, ..FREE });
    let ticket = beat.admit(NOW, false).expect("well");
    let outcome = Outcome::Throttled { retry_after: Some(Duration::from_secs(8)) };
    beat.gate.settle(NOW, ticket, outcome, Entropy::new(7));
    beat.watch.in_flight = 0;
    beat.watch.heed(NOW, &beat.gate, &beat.terms, 8_000_000_000);
    let after = beat.gate.paused_until();
    let _first = beat.admit(after, false).expect("one may go");
    assert_eq!(beat.admit(after, false), Err(Breach::OverRate { early_ns: 500_000_000 }));
}

#[test]
fn a_gate_that_is_restored_still_owes_what_it_owed() {
    let minute = Instant::from_secs(60);
    let owing = |is_restored| {
        let mut beat = Beat::new(GateConfig { rate: TWO_A_SECOND, ..FREE });
        let _burst: Vec<_> = (0..3).map(|_| beat.admit(NOW, true).expect("the burst")).collect();
        (beat.watch.paused_until, beat.watch.denied, beat.watch.saved) = (minute, 2, 2);
        let told = GateConfig { rate: TWO_A_SECOND, ..FREE };
        let gate = Gate::new(told).expect("valid");
        beat.watch.restarted(NOW, &gate, &beat.terms, is_restored).expect("well");
        let spent = beat.watch.rate.early_ns(NOW, beat.terms.rate.expect("a rate"));
        let Watch { paused_until, denied, saved, in_flight, .. } = beat.watch;
        (paused_until, denied, saved, in_flight, spent)
    };
    assert_eq!(owing(true), (minute, 2, 0, 0, 500_000_000));
    assert_eq!(owing(false), (Instant::ORIGIN, 0, 0, 0, 0));
}
