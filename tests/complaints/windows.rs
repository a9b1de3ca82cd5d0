//! What a breaker remembers.

use std::collections::VecDeque;

use tidegate_core::breaker::{CircuitBreaker, PeriodWindow, Verdict};

use super::*;

#[test]
fn the_window_is_that_of_a_plain_list() {
    // Opens when, and only when, the last eight calls say so.
    for seed in 0..300 {
        let mut breaker = CircuitBreaker::new(config().breaker).expect("valid settings");
        let mut list = VecDeque::new();
        for step in 0..200 {
            let failed = drawn(seed, step, 0, 4) == 0;
            list.push_back(failed);
            if list.len() > 8 {
                list.pop_front();
            }
            let failures = list.iter().filter(|failed| **failed).count();
            let must_open = failed && list.len() >= 4 && failures * 2 >= list.len();
            let pass = breaker.try_acquire(START).expect("closed until the list says otherwise");
            breaker.settle(START, pass, if failed { Verdict::Failure } else { Verdict::Success }, ENTROPY);
            let open = matches!(breaker.state(), BreakerState::Open { .. });
            assert_eq!(open, must_open, "seed {seed}, step {step}: {failures} of {} failed", list.len());
            if open {
                break;
            }
        }
    }
}

#[test]
fn ten_thousand_successes_do_not_hide_ten_failures() {
    let mut by_calls = CircuitBreaker::new(config().breaker).expect("valid settings");
    let window = PeriodWindow::last(Duration::from_secs(10)).expect("in range");
    let mut by_time = CircuitBreaker::over_period(window, config().breaker).expect("valid settings");
    for _ in 0..10_000 {
        let (one, other) = (by_calls.try_acquire(START).expect("closed"), by_time.try_acquire(START).expect("closed"));
        by_calls.settle(START, one, Verdict::Success, ENTROPY);
        by_time.settle(START, other, Verdict::Success, ENTROPY);
    }
    for failure in 1..=10 {
        if let Ok(pass) = by_calls.try_acquire(START) {
            by_calls.settle(START, pass, Verdict::Failure, ENTROPY);
        }
        // A period later.
        if let Ok(pass) = by_time.try_acquire(secs(11)) {
            by_time.settle(secs(11), pass, Verdict::Failure, ENTROPY);
        }
        let open = [by_calls.state(), by_time.state()].map(|state| matches!(state, BreakerState::Open { .. }));
        assert_eq!(open, [failure >= 4; 2], "after {failure} failures in a row: by calls, by time");
    }
}
