//! The circuit breaker over either window, and the windows.

use core::time::Duration;

use tidegate_core::{
    Entropy, Instant,
    breaker::{
        BreakerConfig, BreakerError, BreakerMode, BreakerState, CallWindow, CircuitBreaker, Counts, Pass, PeriodWindow,
        Rejected, Sample, Verdict, Window, WindowError,
    },
};

type Calls = CircuitBreaker<CallWindow>;
type Period = CircuitBreaker<PeriodWindow>;

#[unsafe(no_mangle)]
pub fn proven_breaker_new(config: BreakerConfig) -> Result<Calls, BreakerError> {
    CircuitBreaker::new(config)
}

#[unsafe(no_mangle)]
pub fn proven_breaker_over_period(window: PeriodWindow, config: BreakerConfig) -> Result<Period, BreakerError> {
    CircuitBreaker::over_period(window, config)
}

#[unsafe(no_mangle)]
pub fn proven_breaker_try_acquire(breaker: &mut Calls, now: Instant) -> Result<Pass, Rejected> {
    CircuitBreaker::try_acquire(breaker, now)
}

#[unsafe(no_mangle)]
pub fn proven_breaker_try_acquire_period(breaker: &mut Period, now: Instant) -> Result<Pass, Rejected> {
    CircuitBreaker::try_acquire(breaker, now)
}

#[unsafe(no_mangle)]
pub fn proven_breaker_settle(breaker: &mut Calls, now: Instant, pass: Pass, verdict: Verdict, entropy: Entropy) {
    CircuitBreaker::settle(breaker, now, pass, verdict, entropy);
}

#[unsafe(no_mangle)]
pub fn proven_breaker_settle_period(
    breaker: &mut Period,
    now: Instant,
    pass: Pass,
    verdict: Verdict,
    entropy: Entropy,
) {
    CircuitBreaker::settle(breaker, now, pass, verdict, entropy);
}

#[unsafe(no_mangle)]
pub fn proven_breaker_overdue(breaker: &mut Calls, now: Instant, overdue: u16) -> bool {
    CircuitBreaker::count_overdue(breaker, now, overdue);
    CircuitBreaker::would_open(breaker, now)
}

#[unsafe(no_mangle)]
pub fn proven_breaker_overdue_period(breaker: &mut Period, now: Instant, overdue: u16) -> bool {
    CircuitBreaker::count_overdue(breaker, now, overdue);
    CircuitBreaker::would_open(breaker, now)
}

#[unsafe(no_mangle)]
pub fn proven_breaker_control(breaker: &mut Calls, mode: BreakerMode) -> BreakerMode {
    CircuitBreaker::reset(breaker);
    CircuitBreaker::set_mode(breaker, mode);
    CircuitBreaker::mode(breaker)
}

#[unsafe(no_mangle)]
pub fn proven_breaker_control_period(breaker: &mut Period, mode: BreakerMode) -> BreakerMode {
    CircuitBreaker::reset(breaker);
    CircuitBreaker::set_mode(breaker, mode);
    CircuitBreaker::mode(breaker)
}

#[unsafe(no_mangle)]
pub fn proven_breaker_look(breaker: &mut Calls, now: Instant) -> (BreakerState, u16, Counts) {
    (CircuitBreaker::state(breaker), CircuitBreaker::calls_at_once(breaker), CircuitBreaker::counts(breaker, now))
}

#[unsafe(no_mangle)]
pub fn proven_breaker_look_period(breaker: &mut Period, now: Instant) -> (BreakerState, u16, Counts) {
    (CircuitBreaker::state(breaker), CircuitBreaker::calls_at_once(breaker), CircuitBreaker::counts(breaker, now))
}

#[unsafe(no_mangle)]
pub fn proven_call_window_last(calls: u8) -> Result<CallWindow, WindowError> {
    CallWindow::last(calls)
}

#[unsafe(no_mangle)]
pub fn proven_period_window_last(period: Duration) -> Result<PeriodWindow, WindowError> {
    PeriodWindow::last(period)
}

#[unsafe(no_mangle)]
pub fn proven_call_window(window: &mut CallWindow, now: Instant, sample: Sample) -> (bool, Counts) {
    CallWindow::record(window, now, sample);
    let seen = (CallWindow::record_good(window), CallWindow::counts(window, now));
    CallWindow::clear(window);
    seen
}

#[unsafe(no_mangle)]
pub fn proven_period_window(window: &mut PeriodWindow, now: Instant, sample: Sample) -> (bool, Counts) {
    PeriodWindow::record(window, now, sample);
    let seen = (PeriodWindow::record_good(window), PeriodWindow::counts(window, now));
    PeriodWindow::clear(window);
    seen
}
