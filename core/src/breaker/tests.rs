extern crate std;

mod successor;

use core::time::Duration;

use super::*;
use crate::backoff::{BackoffConfig, BackoffError, Growth, Jitter};

const NOW: Instant = Instant::from_secs(1_000);
const ENTROPY: Entropy = Entropy::new(u32::MAX / 2);

/// Opens for exactly 10 s, doubling to 40 s, when half of at least 4 of the last 8 calls failed.
const CONFIG: BreakerConfig = BreakerConfig {
    window: 8,
    calls_min: 4,
    open: BackoffConfig {
        growth: Growth::Exponential,
        base: Duration::from_secs(10),
        cap: Duration::from_secs(40),
        jitter: Jitter::None,
    },
    after_closing: AfterClosing::FullTraffic,
    ..BreakerConfig::DEFAULT
};

fn breaker(config: BreakerConfig) -> CircuitBreaker {
    CircuitBreaker::new(config).expect("valid settings")
}

fn call<W: Window>(breaker: &mut CircuitBreaker<W>, now: Instant, verdict: Verdict) {
    let pass = breaker.try_acquire(now).expect("admitted");
    breaker.settle(now, pass, verdict, ENTROPY);
}

/// A breaker that opened at `NOW`, and the pass of a call that was admitted before.
fn opened(config: BreakerConfig) -> (CircuitBreaker, Pass) {
    let mut breaker = breaker(config);
    let straggler = breaker.try_acquire(NOW).expect("closed");
    for _ in 0..config.calls_min {
        call(&mut breaker, NOW, Verdict::Failure);
    }
    let calls = config.calls_min;
    assert_eq!(breaker.state(), BreakerState::Open { until: Instant::from_secs(1_010), bad: calls, calls });
    (breaker, straggler)
}

fn half_open(config: BreakerConfig) -> (CircuitBreaker, Pass) {
    let (mut breaker, straggler) = opened(config);
    assert_eq!(breaker.check(Instant::from_secs(1_010)), Ok(()));
    (breaker, straggler)
}

const LATER: Instant = Instant::from_secs(1_010);

#[test]
fn five_in_a_row_means_five_in_a_row() {
    let mut breaker = breaker(BreakerConfig { window: 5, calls_min: 5, failed: Share::of(5, 5), ..CONFIG });
    for _ in 0..100 {
        (0..4).for_each(|_| call(&mut breaker, NOW, Verdict::Failure));
        call(&mut breaker, NOW, Verdict::Success);
    }
    (0..5).for_each(|_| call(&mut breaker, NOW, Verdict::Failure));
    assert!(matches!(breaker.state(), BreakerState::Open { .. }));
}

#[test]
fn random_faults_open_a_run_of_five_often_and_half_of_the_last_32_hardly_ever() {
    let run = BreakerConfig { window: 5, calls_min: 5, failed: Share::of(5, 5), ..CONFIG };
    let [runs, halves] = [run, BreakerConfig::DEFAULT].map(|config| {
        let (mut breaker, mut openings) = (breaker(config), 0u32);
        for number in 0..1_000_000 {
            let failed = Entropy::mix(20, number, 0).up_to(99) < 20;
            call(&mut breaker, NOW, if failed { Verdict::Failure } else { Verdict::Success });
            if !matches!(breaker.state(), BreakerState::Closed { .. }) {
                openings += 1;
                breaker = self::breaker(config);
            }
        }
        1_000_000 / openings.max(1)
    });
    // For a run of five the expectation is (1 - p^5) / (p^5 (1 - p)): 3,905 calls.
    assert!((3_300..4_700).contains(&runs), "once in {runs} calls");
    assert!((18_000..50_000).contains(&halves), "once in {halves} calls");
}

#[test]
fn half_of_the_window_opens_and_less_does_not() {
    let mut breaker = breaker(CONFIG);
    for _ in 0..50 {
        (0..5).for_each(|_| call(&mut breaker, NOW, Verdict::Success));
        (0..3).for_each(|_| call(&mut breaker, NOW, Verdict::Failure));
    }
    assert_eq!(breaker.counts(NOW), Counts { calls: 8, failed: 3, slow: 0 });
    call(&mut breaker, NOW, Verdict::Failure);
    assert!(matches!(breaker.state(), BreakerState::Open { .. }), "4 of the last 8");
}

#[test]
fn too_few_calls_never_open_it() {
    let mut breaker = breaker(CONFIG);
    (0..3).for_each(|_| call(&mut breaker, NOW, Verdict::Failure));
    assert!(matches!(breaker.state(), BreakerState::Closed { .. }));
}

#[test]
fn an_open_breaker_says_when_to_come_back_and_admits_one_probe_then() {
    let (mut breaker, _straggler) = opened(CONFIG);
    let almost = Instant::from_nanos(LATER.as_nanos() - 1);
    assert_eq!(breaker.try_acquire(almost), Err(Rejected::Open { until: LATER, bad: 4, calls: 4 }));
    let probe = breaker.try_acquire(LATER).expect("half-open");
    assert!(probe.probe);
    let lease_end = Instant::from_secs(1_040);
    let probing = Rejected::Probing { until: lease_end, outstanding: 1, probes: 1 };
    for _ in 0..1_000 {
        assert_eq!(breaker.try_acquire(LATER), Err(probing), "a stampede of probes");
    }
    breaker.settle(LATER, probe, Verdict::Success, ENTROPY);
    assert_eq!(breaker.state(), BreakerState::Closed { ramp: u16::MAX, clean: 0 });
}

#[test]
fn a_probe_that_fails_opens_it_for_longer_and_success_forgets_that() {
    let (mut breaker, _straggler) = half_open(CONFIG);
    let mut now = LATER;
    for open_s in [20, 40, 40] {
        call(&mut breaker, now, Verdict::Failure);
        now = now.saturating_add(Duration::from_secs(open_s));
        assert_eq!(breaker.state(), BreakerState::Open { until: now, bad: 1, calls: 1 });
    }
    call(&mut breaker, now, Verdict::Success);
    (0..4).for_each(|_| call(&mut breaker, now, Verdict::Failure));
    assert_eq!(
        breaker.state(),
        BreakerState::Open { until: now.saturating_add(Duration::from_secs(10)), bad: 4, calls: 4 }
    );
}

#[test]
fn a_result_from_an_earlier_era_changes_nothing() {
    for verdict in [Verdict::Success, Verdict::Failure, Verdict::Answered, Verdict::Neutral] {
        let (mut breaker, straggler) = half_open(CONFIG);
        let before = breaker.state();
        breaker.settle(LATER, straggler, verdict, ENTROPY);
        assert_eq!(breaker.state(), before, "{verdict:?} of a call sent while closed decided a half-open breaker");
    }
}

#[test]
fn a_cancelled_probe_gives_its_place_back() {
    let (mut breaker, _straggler) = half_open(CONFIG);
    for _ in 0..1_000 {
        call(&mut breaker, LATER, Verdict::Neutral);
    }
    call(&mut breaker, LATER, Verdict::Success);
    assert!(matches!(breaker.state(), BreakerState::Closed { .. }));
}

#[test]
fn a_lost_probe_gives_its_place_back_when_its_lease_ends() {
    let (mut breaker, _straggler) = half_open(CONFIG);
    let lost = breaker.try_acquire(LATER).expect("half-open");
    let lease_end = LATER.saturating_add(CONFIG.lease);
    assert!(matches!(breaker.try_acquire(LATER), Err(Rejected::Probing { until, .. }) if until == lease_end));
    let probe = breaker.try_acquire(lease_end).expect("the lease has ended");
    breaker.settle(lease_end, lost, Verdict::Failure, ENTROPY);
    assert!(matches!(breaker.state(), BreakerState::HalfOpen { outstanding: 1, .. }), "the lost one counts no more");
    breaker.settle(lease_end, probe, Verdict::Success, ENTROPY);
    assert!(matches!(breaker.state(), BreakerState::Closed { .. }));
}

#[test]
fn a_lost_probe_beside_others_that_say_nothing_gives_its_place_back_too() {
    let (mut breaker, _straggler) = half_open(BreakerConfig { probes: 2, ..CONFIG });
    let _lost = breaker.try_acquire(LATER).expect("half-open");
    let lease_end = LATER.saturating_add(CONFIG.lease);
    // Others come and go beside it all the time.
    let mut now = LATER;
    while now < lease_end {
        call(&mut breaker, now, Verdict::Neutral);
        now = now.saturating_add(Duration::from_secs(1));
    }
    let pair = [(); 2].map(|()| breaker.try_acquire(now));
    assert!(pair.iter().all(Result::is_ok), "its place is still taken: {pair:?}");
}

#[test]
fn a_host_that_answers_a_probe_with_429_is_back() {
    let (mut breaker, _straggler) = half_open(CONFIG);
    call(&mut breaker, LATER, Verdict::Answered);
    assert!(matches!(breaker.state(), BreakerState::Closed { .. }));
}

#[test]
fn successes_needed_and_probes_at_once_are_counted_apart() {
    let (mut breaker, _straggler) = half_open(BreakerConfig { probes: 2, successes: 5, ..CONFIG });
    let (first, second) = (breaker.try_acquire(LATER).expect("one"), breaker.try_acquire(LATER).expect("two"));
    assert!(breaker.try_acquire(LATER).is_err());
    breaker.settle(LATER, first, Verdict::Success, ENTROPY);
    breaker.settle(LATER, second, Verdict::Success, ENTROPY);
    (0..2).for_each(|_| call(&mut breaker, LATER, Verdict::Success));
    assert!(matches!(breaker.state(), BreakerState::HalfOpen { outstanding: 0, succeeded: 4, .. }));
    call(&mut breaker, LATER, Verdict::Success);
    assert!(matches!(breaker.state(), BreakerState::Closed { .. }));
}

#[test]
fn after_closing_the_ramp_doubles_with_each_clean_round() {
    let (mut breaker, _straggler) = half_open(BreakerConfig { after_closing: AfterClosing::Ramp, ..CONFIG });
    call(&mut breaker, LATER, Verdict::Success);
    let mut seen = std::vec![breaker.calls_at_once()];
    for _ in 0..600 {
        call(&mut breaker, LATER, Verdict::Success);
        if seen.last() != Some(&breaker.calls_at_once()) {
            seen.push(breaker.calls_at_once());
        }
    }
    assert_eq!(seen, [2, 4, 8, 16, 32, 64, 128, 256, u16::MAX]);
}

#[test]
fn a_relapse_during_the_ramp_opens_on_less_evidence_and_for_longer() {
    let config = BreakerConfig { calls_min: 8, after_closing: AfterClosing::Ramp, ..CONFIG };
    let (mut breaker, _straggler) = half_open(config);
    call(&mut breaker, LATER, Verdict::Success);
    (0..2).for_each(|_| call(&mut breaker, LATER, Verdict::Success));
    (0..2).for_each(|_| call(&mut breaker, LATER, Verdict::Failure));
    let until = LATER.saturating_add(Duration::from_secs(20));
    assert_eq!(breaker.state(), BreakerState::Open { until, bad: 2, calls: 4 }, "2 of 4 calls, instead of 4 of 8");
}

#[test]
fn the_end_of_the_ramp_forgets_how_often_it_opened_and_not_its_beginning() {
    let config = BreakerConfig { after_closing: AfterClosing::Ramp, ..CONFIG };
    // 2 + 4 + … + 256 successes end the ramp.
    for (successes, open_s) in [(509, 20), (510, 10)] {
        let (mut breaker, _straggler) = half_open(config);
        call(&mut breaker, LATER, Verdict::Success);
        (0..successes).for_each(|_| call(&mut breaker, LATER, Verdict::Success));
        (0..4).for_each(|_| call(&mut breaker, LATER, Verdict::Failure));
        let BreakerState::Open { until, .. } = breaker.state() else { panic!("4 of the last 8 failed") };
        let open = until.saturating_since(LATER).as_secs();
        assert_eq!(open, open_s, "open for so many seconds after {successes} successes on the ramp");
    }
}

#[test]
fn slow_answers_raise_the_ramp_where_slowness_is_not_judged() {
    let config = BreakerConfig { after_closing: AfterClosing::Ramp, ..CONFIG };
    let (mut breaker, _straggler) = half_open(config);
    (0..600).for_each(|_| call(&mut breaker, LATER, Verdict::Slow));
    assert_eq!(breaker.calls_at_once(), u16::MAX, "a server that is always slow was let in two at a time for ever");
    let (mut strict, _straggler) = half_open(BreakerConfig { slow: Some(Share::of(1, 1)), ..config });
    call(&mut strict, LATER, Verdict::Success);
    (0..600).for_each(|step| call(&mut strict, LATER, if step % 2 == 0 { Verdict::Slow } else { Verdict::Success }));
    assert_eq!(strict.calls_at_once(), 256, "300 successes are 2 + 4 + … + 128 and some; slow ones do not count");
}

#[test]
fn a_refusal_names_what_opened_it_for_as_long_as_it_is_open() {
    let window = PeriodWindow::last(Duration::from_secs(1)).expect("in range");
    let config = BreakerConfig { slow: Some(Share::of(1, 2)), ..CONFIG };
    let mut breaker = CircuitBreaker::over_period(window, config).expect("valid");
    call(&mut breaker, NOW, Verdict::Success);
    (0..3).for_each(|_| call(&mut breaker, NOW, Verdict::Failure));
    let almost = Instant::from_nanos(LATER.as_nanos() - 1);
    let named = Rejected::Open { until: LATER, bad: 3, calls: 4 };
    assert_eq!(breaker.try_acquire(almost), Err(named), "its window has long forgotten the calls");
    call(&mut breaker, LATER, Verdict::Success);
    breaker.count_overdue(LATER, 5);
    let until = Instant::from_secs(1_020);
    assert_eq!(breaker.try_acquire(LATER), Err(Rejected::Open { until, bad: 5, calls: 5 }), "five overdue");
}

#[test]
fn slow_calls_open_it_only_where_asked_to() {
    let mut indifferent = breaker(CONFIG);
    (0..100).for_each(|_| call(&mut indifferent, NOW, Verdict::Slow));
    assert!(matches!(indifferent.state(), BreakerState::Closed { .. }));
    let mut strict = breaker(BreakerConfig { slow: Some(Share::of(3, 4)), ..CONFIG });
    (0..2).for_each(|_| call(&mut strict, NOW, Verdict::Success));
    (0..5).for_each(|_| call(&mut strict, NOW, Verdict::Slow));
    assert!(matches!(strict.state(), BreakerState::Closed { .. }), "5 of 7");
    call(&mut strict, NOW, Verdict::Slow);
    assert!(matches!(strict.state(), BreakerState::Open { .. }), "6 of 8");
}

#[test]
fn calls_still_in_flight_open_it_when_they_are_overdue() {
    let mut breaker = breaker(BreakerConfig { slow: Some(Share::of(1, 2)), ..CONFIG });
    breaker.count_overdue(NOW, 3);
    assert!(matches!(breaker.state(), BreakerState::Closed { .. }), "too few to judge");
    breaker.count_overdue(NOW, 4);
    assert_eq!(breaker.state(), BreakerState::Open { until: LATER, bad: 4, calls: 4 });
}

#[test]
fn where_nothing_is_overdue_nothing_is_judged() {
    let mut breaker = breaker(BreakerConfig { slow: Some(Share::of(1, 2)), ..CONFIG });
    (0..3).for_each(|_| call(&mut breaker, NOW, Verdict::Slow));
    // The fourth call makes three of four, but only what is slow is judged.
    call(&mut breaker, NOW, Verdict::Success);
    breaker.count_overdue(NOW, 0);
    assert!(matches!(breaker.state(), BreakerState::Closed { .. }), "{:?}", breaker.state());
    breaker.count_overdue(NOW, 1);
    assert_eq!(breaker.state(), BreakerState::Open { until: LATER, bad: 4, calls: 5 });
}

#[test]
fn it_would_open_where_enough_calls_are_bad_enough() {
    let mut breaker = breaker(BreakerConfig { mode: BreakerMode::ObserveOnly, ..CONFIG });
    assert!(!breaker.would_open(NOW));
    (0..3).for_each(|_| call(&mut breaker, NOW, Verdict::Failure));
    assert!(!breaker.would_open(NOW), "three are too few");
    (0..4).for_each(|_| call(&mut breaker, NOW, Verdict::Success));
    assert!(!breaker.would_open(NOW), "three of seven are too few");
    call(&mut breaker, NOW, Verdict::Failure);
    assert!(breaker.would_open(NOW));
}

#[test]
fn more_calls_than_a_reason_can_hold_are_as_many_as_it_can() {
    let window = PeriodWindow::last(Duration::from_secs(10)).expect("in range");
    let mut breaker =
        CircuitBreaker::over_period(window, BreakerConfig { failed: Share::of(1, 255), ..CONFIG }).expect("valid");
    // A cell of the window holds fewer.
    let next_cell = Instant::from_secs(1_002);
    (0..60_000).for_each(|_| call(&mut breaker, NOW, Verdict::Success));
    (0..6_000).for_each(|_| call(&mut breaker, next_cell, Verdict::Success));
    (0..260).for_each(|_| call(&mut breaker, next_cell, Verdict::Failure));
    let until = Instant::from_secs(1_012);
    assert_eq!(breaker.state(), BreakerState::Open { until, bad: 260, calls: u16::MAX });
}

#[test]
fn forced_states_hold_until_they_are_lifted() {
    let mut breaker = breaker(CONFIG);
    breaker.set_mode(BreakerMode::ForcedOpen);
    assert_eq!(breaker.try_acquire(Instant::MAX), Err(Rejected::Forced));
    breaker.set_mode(BreakerMode::ForcedClosed);
    (0..100).for_each(|_| call(&mut breaker, NOW, Verdict::Failure));
    breaker.set_mode(BreakerMode::ObserveOnly);
    (0..100).for_each(|_| call(&mut breaker, NOW, Verdict::Failure));
    assert!(breaker.would_open(NOW));
    breaker.set_mode(BreakerMode::Enforce);
    assert_eq!(breaker.counts(NOW), Counts::default(), "what was observed is not held against it");
    (0..4).for_each(|_| call(&mut breaker, NOW, Verdict::Failure));
    assert!(breaker.try_acquire(NOW).is_err());
}

#[test]
fn the_open_time_is_jittered_inside_its_bounds() {
    let config = BreakerConfig { open: BackoffConfig { jitter: Jitter::Equal, ..CONFIG.open }, ..CONFIG };
    let mut instants = std::collections::BTreeSet::new();
    for device in 0..100 {
        let mut breaker = breaker(config);
        for _ in 0..4 {
            let pass = breaker.try_acquire(NOW).expect("closed");
            breaker.settle(NOW, pass, Verdict::Failure, Entropy::mix(1, device, 0));
        }
        let BreakerState::Open { until, .. } = breaker.state() else { panic!("four of four failed") };
        assert!(Instant::from_secs(1_005) <= until && until <= LATER, "{until:?}");
        instants.insert(until);
    }
    assert_eq!(instants.len(), 100, "devices that opened together reopen apart");
}

#[test]
fn a_period_window_forgets_with_time() {
    let window = PeriodWindow::last(Duration::from_secs(10)).expect("in range");
    let mut breaker = CircuitBreaker::over_period(window, CONFIG).expect("valid");
    (0..3).for_each(|_| call(&mut breaker, NOW, Verdict::Failure));
    call(&mut breaker, LATER, Verdict::Failure);
    assert!(matches!(breaker.state(), BreakerState::Closed { .. }), "three of the four are ten seconds old");
    (0..3).for_each(|_| call(&mut breaker, LATER, Verdict::Failure));
    assert!(matches!(breaker.state(), BreakerState::Open { .. }));
}

#[test]
fn time_running_backwards_admits_nothing_that_was_not_admitted() {
    let (mut breaker, _straggler) = opened(CONFIG);
    for earlier in [Instant::ORIGIN, Instant::from_secs(999), NOW] {
        assert_eq!(breaker.try_acquire(earlier), Err(Rejected::Open { until: LATER, bad: 4, calls: 4 }));
    }
    let _probe = breaker.try_acquire(LATER).expect("half-open");
    for earlier in [Instant::ORIGIN, NOW] {
        assert!(breaker.try_acquire(earlier).is_err());
    }
}

#[test]
fn time_running_backwards_does_not_end_the_lease_of_a_probe_early() {
    let (mut breaker, _straggler) = half_open(BreakerConfig { probes: 2, ..CONFIG });
    let _first = breaker.try_acquire(LATER).expect("one of two");
    let _second = breaker.try_acquire(NOW).expect("two of two, by a late reading");
    let lease_end = LATER.saturating_add(CONFIG.lease);
    let almost = Instant::from_nanos(lease_end.as_nanos() - 1);
    assert!(breaker.try_acquire(almost).is_err(), "a third probe while the lease of the first still runs");
    assert!(breaker.try_acquire(lease_end).is_ok());
}

#[test]
fn nonsense_is_rejected_with_what_to_change() {
    let error = |config| CircuitBreaker::new(config).expect_err("nonsense");
    assert_eq!(error(BreakerConfig { window: 0, ..CONFIG }), BreakerError::Window(WindowError::CallsOutOfRange));
    assert_eq!(error(BreakerConfig { calls_min: 0, ..CONFIG }), BreakerError::CallsMinIsZero);
    assert_eq!(error(BreakerConfig { calls_min: 9, ..CONFIG }), BreakerError::CallsMinAboveWindow);
    assert_eq!(error(BreakerConfig { failed: Share::of(0, 2), ..CONFIG }), BreakerError::FailedShare);
    assert_eq!(error(BreakerConfig { failed: Share::of(3, 2), ..CONFIG }), BreakerError::FailedShare);
    assert_eq!(error(BreakerConfig { slow: Some(Share::of(0, 0)), ..CONFIG }), BreakerError::SlowShare);
    assert_eq!(error(BreakerConfig { probes: 0, ..CONFIG }), BreakerError::ProbesOutOfRange);
    for (probes, successes) in [(101, 1), (1, 0), (1, 101)] {
        assert_eq!(error(BreakerConfig { probes, successes, ..CONFIG }), BreakerError::ProbesOutOfRange);
    }
    assert!(CircuitBreaker::new(BreakerConfig { probes: 100, successes: 100, ..CONFIG }).is_ok());
    assert_eq!(error(BreakerConfig { lease: Duration::ZERO, ..CONFIG }), BreakerError::LeaseOutOfRange);
    let decorrelated = BackoffConfig { growth: Growth::Decorrelated, ..CONFIG.open };
    assert_eq!(error(BreakerConfig { open: decorrelated, ..CONFIG }), BreakerError::OpenDecorrelated);
    let zero = BackoffConfig { base: Duration::ZERO, ..CONFIG.open };
    assert_eq!(error(BreakerConfig { open: zero, ..CONFIG }), BreakerError::Open(BackoffError::BaseIsZero));
}
