//! What the callers ask for and what comes of it.

use core::time::Duration;

use tidegate_core::{
    CallConfig, CallPolicy, GateConfig, Instant, Outcome, RateControl, Refusal, Share,
    backoff::{BackoffConfig, Growth, Jitter},
    breaker::{AfterClosing, BreakerConfig, BreakerMode},
    budget::RetryBudgetConfig,
    gate::Control,
    limit::{LimitConfig, LimitKind},
    outcome::Quota,
    rate::{AdaptiveKind, AdaptiveRateConfig, Rate},
};

/// Callers, one call at a time each.
pub const CALLERS: u8 = 10;

/// Places in the queue: one fewer than can be needed, so that somebody is turned away.
pub const PLACES: usize = 7;

pub(crate) const START: Instant = Instant::from_secs(1);
/// When the first of the late calls begins, long after everything else has ended …
const LATE: Instant = Instant::from_secs(20);
/// … and the time from one to the next.
const BETWEEN: Duration = Duration::from_millis(100);
pub(crate) const DEADLINE: Duration = Duration::from_millis(2_500);

/// The calls of each caller, and a letter for what comes of each attempt; an attempt without one succeeds.
///
/// `s` succeeds, `l` late, `e` nothing there, `f` fails, `t` is never answered, `h` throttled with a hint, `n` without one,
/// `r` refused, `a` access refused, `u` never sent, `g` the caller gives up halfway; `w` before them: it begins late.
const CALLS: [&str; CALLERS as usize] = [
    "s fs s fff s l s ws",
    "s s e fs f f s wa",
    "fs l s hs ff f s wa",
    "s tt s ff ft s e wa",
    "g s ns ff f s s wa",
    "s r s fff f f l ws",
    "u e s nn fff g s ws",
    "s s fs f ff s s wfl",
    "fn s s ff f l s wg",
    "l s g ft f s s ws",
];

/// What the gate is told from outside, and when.
pub(crate) const CONTROLS: [(Instant, Control); 5] = [
    (Instant::from_millis(1_080), Control::Pause { until: Instant::from_millis(1_200) }),
    (
        Instant::from_millis(1_300),
        Control::Quota(Quota { remaining: 8, limit: Some(100), resets_in: Duration::from_millis(400) }),
    ),
    (Instant::from_millis(2_000), Control::Breaker(BreakerMode::ForcedOpen)),
    (Instant::from_millis(2_200), Control::Breaker(BreakerMode::Enforce)),
    (Instant::from_millis(20_650), Control::Readmit),
];

/// Tight enough that everything is in the way now and then. Every setting is spelled out: another default is no other world.
pub const fn gate_config() -> GateConfig {
    GateConfig {
        breaker: BreakerConfig {
            window: 8,
            calls_min: 5,
            failed: Share::of(3, 5),
            slow: None,
            open: backoff(400, 1_600, Jitter::Equal),
            probes: 2,
            successes: 2,
            lease: Duration::from_millis(900),
            after_closing: AfterClosing::Ramp,
            mode: BreakerMode::Enforce,
        },
        rate: RateControl::Adaptive(AdaptiveRateConfig {
            kind: AdaptiveKind::Seeking { tolerance: 32 },
            start: Rate::per_second(150),
            floor: Rate::per_second(4),
            ceiling: Rate::per_second(1_000),
            catch_up: Duration::from_millis(30),
        }),
        limit: LimitConfig { kind: LimitKind::Aimd { tolerated: Share::of(1, 4) }, start: 4, floor: 2, ceiling: 6 },
        budget: Some(RetryBudgetConfig {
            retries: 1,
            answers: 3,
            saved_max: 4,
            reserve: 3,
            reserve_refill: Duration::from_millis(400),
        }),
        attempt_timeout: Duration::from_millis(200),
        slow_after: Duration::from_millis(120),
        lease: Duration::from_millis(900),
        id: 7,
    }
}

pub(crate) fn policy() -> CallPolicy {
    CallPolicy::new(CallConfig {
        attempts: 4,
        backoff: backoff(40, 320, Jitter::Full),
        throttled: backoff(150, 600, Jitter::Equal),
        patience: Some(Duration::from_millis(1_200)),
    })
    .expect("valid settings")
}

const fn backoff(base_ms: u64, cap_ms: u64, jitter: Jitter) -> BackoffConfig {
    BackoffConfig {
        growth: Growth::Exponential,
        base: Duration::from_millis(base_ms),
        cap: Duration::from_millis(cap_ms),
        jitter,
    }
}

pub(crate) fn calls(caller: u8) -> impl Iterator<Item = &'static [u8]> {
    CALLS.get(usize::from(caller)).unwrap_or(&"").split(' ').map(str::as_bytes)
}

/// What comes of an attempt, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fate {
    pub(crate) outcome: Outcome,
    takes_ms: Option<u64>,
}

impl Fate {
    /// The fate that a letter stands for. Answers take a multiple of 20 ms, so that many come at the same instant.
    pub(crate) fn of(letter: Option<u8>, place: u64) -> Self {
        let outcome = match letter {
            Some(b'e') => Outcome::Empty,
            Some(b'f') => Outcome::Failure,
            Some(b'h') => Outcome::Throttled { retry_after: Some(Duration::from_millis(300)) },
            Some(b'n') => Outcome::Throttled { retry_after: None },
            Some(b'r') => Outcome::Refused(Refusal::Request),
            Some(b'a') => Outcome::Refused(Refusal::Access),
            Some(b'u') => Outcome::Unsent,
            _ => Outcome::Success,
        };
        let takes_ms = match letter {
            Some(b't' | b'g') => None,
            Some(b'l') => Some(180),
            Some(b'u') => Some(0),
            _ => Some(20 + 20 * (place % 3)),
        };
        Self { outcome, takes_ms }
    }

    /// When the answer to what is sent now is there; the end of time where it never is.
    pub(crate) fn ready_at(self, now: Instant) -> Instant {
        self.takes_ms.map_or(Instant::MAX, |takes| now.saturating_add(Duration::from_millis(takes)))
    }
}

/// When a call begins whose caller is free now.
pub(crate) fn begins_at(caller: u8, fates: &[u8], now: Instant) -> Instant {
    if fates.starts_with(b"w") { LATE.saturating_add(BETWEEN * u32::from(caller)) } else { now }
}

/// When the caller of a call that begins now gives up; the end of time for most.
pub(crate) fn gives_up_at(fates: &[u8], now: Instant) -> Instant {
    if fates.contains(&b'g') { now.saturating_add(Duration::from_millis(110)) } else { Instant::MAX }
}
