//! The presets: one table, nothing hidden.

use std::time::Duration;

use tidegate_core::{
    CallConfig, GateConfig, RateControl, Share,
    backoff::{BackoffConfig, Growth, Jitter},
    breaker::{AfterClosing, BreakerConfig, BreakerMode},
    budget::RetryBudgetConfig,
    limit::{LimitConfig, LimitKind},
    rate::{AdaptiveKind, AdaptiveRateConfig, Rate},
};

/// A set of settings that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Preset {
    /// As the tool's ancestor behaved: fixed concurrency, no rate limit, few quick retries. For benchmarks of one's own servers.
    Ancestor,
    /// For bulk work on one's own or paid servers: everything adapts, and retries are many but budgeted.
    Bulk,
    /// For public hosts: few at once, slow, patient.
    Polite,
    /// For load tests of one's own servers: what is due is sent, once, whatever came of what was sent before. Only a server
    /// that asks for a pause, or refuses access, is heeded.
    Load,
}

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 4] = [Self::Ancestor, Self::Bulk, Self::Polite, Self::Load];

    /// What it is called on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ancestor => "ancestor",
            Self::Bulk => "bulk",
            Self::Polite => "polite",
            Self::Load => "load",
        }
    }

    /// How many attempts may be in flight: at least, at first, at most. All the same where the limit is fixed.
    #[must_use]
    pub const fn concurrency(self) -> (u16, u16, u16) {
        match self {
            Self::Ancestor => (10, 10, 10),
            Self::Bulk => (2, 10, 50),
            Self::Polite => (1, 2, 6),
            Self::Load => (100, 100, 100),
        }
    }

    /// How long an attempt may take.
    #[must_use]
    pub const fn attempt_timeout(self) -> Duration {
        match self {
            Self::Ancestor | Self::Bulk | Self::Load => Duration::from_secs(10),
            Self::Polite => Duration::from_secs(30),
        }
    }

    /// How often a call tries, and how it waits in between.
    #[must_use]
    pub const fn call(self) -> CallConfig {
        let (attempts, base_ms, cap_s, patience) = match self {
            Self::Ancestor => (3, 200, 2, Some(Duration::ZERO)),
            Self::Bulk => (9, 250, 20, None),
            Self::Polite => (4, 1_000, 60, None),
            // The wait is for those who ask for retries.
            Self::Load => (1, 200, 2, Some(Duration::ZERO)),
        };
        CallConfig {
            attempts,
            backoff: BackoffConfig {
                growth: Growth::Exponential,
                base: Duration::from_millis(base_ms),
                cap: Duration::from_secs(cap_s),
                jitter: Jitter::Full,
            },
            throttled: BackoffConfig::THROTTLED,
            patience,
        }
    }

    /// The gate.
    #[must_use]
    pub fn gate(self) -> GateConfig {
        let (floor, start, ceiling) = self.concurrency();
        let attempt_timeout = self.attempt_timeout();
        let kind = match self {
            Self::Ancestor | Self::Load => LimitKind::Fixed,
            Self::Bulk => LimitConfig::DEFAULT.kind,
            // A few a second among six places are too few to tell load from latency.
            Self::Polite => LimitConfig::AIMD.kind,
        };
        GateConfig {
            breaker: self.breaker(),
            rate: self.rate(),
            limit: LimitConfig { kind, start, floor, ceiling },
            budget: self.budget(),
            attempt_timeout,
            slow_after: attempt_timeout,
            lease: attempt_timeout * 2,
            id: 0,
        }
    }

    const fn budget(self) -> Option<RetryBudgetConfig> {
        match self {
            Self::Ancestor | Self::Load => None,
            Self::Bulk => Some(RetryBudgetConfig::DEFAULT),
            Self::Polite => Some(RetryBudgetConfig::POLITE),
        }
    }

    const fn rate(self) -> RateControl {
        match self {
            Self::Ancestor | Self::Load => RateControl::Unlimited,
            Self::Bulk => RateControl::Adaptive(AdaptiveRateConfig::DEFAULT),
            Self::Polite => RateControl::Adaptive(AdaptiveRateConfig {
                kind: AdaptiveKind::Seeking { tolerance: 64 },
                start: Rate::per_second(4),
                floor: Rate { count: 1, period: Duration::from_secs(30) },
                ceiling: Rate::per_second(4),
                // Seven intervals beside the first request: a burst of 8.
                catch_up: Duration::from_millis(7 * 250),
            }),
        }
    }

    const fn breaker(self) -> BreakerConfig {
        match self {
            Self::Ancestor => BreakerConfig {
                window: 5,
                calls_min: 5,
                failed: Share::of(5, 5),
                open: BackoffConfig {
                    growth: Growth::Constant,
                    base: Duration::from_secs(60),
                    cap: Duration::from_secs(60),
                    jitter: Jitter::None,
                },
                after_closing: AfterClosing::FullTraffic,
                mode: BreakerMode::Enforce,
                ..BreakerConfig::DEFAULT
            },
            Self::Bulk | Self::Polite => BreakerConfig::DEFAULT,
            Self::Load => BreakerConfig { mode: BreakerMode::ForcedClosed, ..BreakerConfig::DEFAULT },
        }
    }
}

#[cfg(test)]
mod tests {
    use tidegate_core::{CallPolicy, Gate};

    use super::*;

    #[test]
    fn every_preset_is_valid() {
        for preset in Preset::ALL {
            assert!(Gate::new(preset.gate()).is_ok(), "{preset:?}");
            assert!(CallPolicy::new(preset.call()).is_ok(), "{preset:?}");
        }
    }

    #[test]
    fn the_presets_are_those_of_the_table() {
        let attempts = Preset::ALL.map(|preset| preset.call().attempts);
        assert_eq!(attempts, [3, 9, 4, 1]);
        let timeouts = Preset::ALL.map(|preset| preset.attempt_timeout().as_secs());
        assert_eq!(timeouts, [10, 10, 30, 10]);
        let backoffs = Preset::ALL.map(|preset| {
            let BackoffConfig { base, cap, .. } = preset.call().backoff;
            (base.as_millis(), cap.as_secs())
        });
        assert_eq!(backoffs, [(200, 2), (250, 20), (1_000, 60), (200, 2)]);
        let breaks = Preset::ALL.map(|preset| preset.gate().breaker.mode == BreakerMode::Enforce);
        assert_eq!(breaks, [true, true, true, false], "a load test goes on whatever the server does");
        assert_eq!(Preset::ALL.map(Preset::concurrency), [(10, 10, 10), (2, 10, 50), (1, 2, 6), (100, 100, 100)]);
    }
}
