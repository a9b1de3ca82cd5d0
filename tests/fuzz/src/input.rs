//! Numbers out of bytes; zeros when the bytes are used up.

use std::time::Duration;

use tidegate_core::{
    GateConfig, Instant, Outcome, RateControl, Refusal, Share,
    backoff::{BackoffConfig, Growth, Jitter},
    breaker::{AfterClosing, BreakerConfig},
    budget::RetryBudgetConfig,
    limit::{LimitConfig, LimitKind},
    rate::{AdaptiveRateConfig, Rate, RateConfig},
};

/// Late enough that earlier readings exist, early enough that the end of time is far.
pub const START: Instant = Instant::from_secs(1 << 20);

pub struct Input<'d>(pub &'d [u8]);

impl Input<'_> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub fn coin(&mut self) -> bool {
        self.byte() & 1 == 0
    }

    /// From 0 to 2^56, all magnitudes alike.
    pub fn magnitude(&mut self) -> u64 {
        let (bits, fraction) = (self.byte() % 57, self.byte());
        (u64::from(fraction) | 0x100) << bits >> 8
    }

    /// From nothing to two years.
    pub fn span(&mut self) -> Duration {
        Duration::from_nanos(self.magnitude())
    }

    pub fn outcome(&mut self) -> Outcome {
        match self.byte() % 11 {
            0 | 1 => Outcome::Success,
            2 => Outcome::Empty,
            3 | 4 => Outcome::Failure,
            5 => Outcome::Timeout,
            6 => Outcome::Throttled { retry_after: None },
            7 => Outcome::Throttled { retry_after: Some(self.span()) },
            8 => Outcome::Refused(if self.coin() { Refusal::Access } else { Refusal::Request }),
            9 => Outcome::Cancelled,
            _ => Outcome::Unsent,
        }
    }

    /// From `least` to `most`, both included.
    pub fn between(&mut self, least: u16, most: u16) -> u16 {
        least + u16::from(self.byte()) % (most - least + 1)
    }

    fn share(&mut self) -> Share {
        let whole = self.between(1, 32);
        Share { part: self.between(1, whole) as u8, whole: whole as u8 }
    }

    /// Settings of a gate that are in order.
    pub fn sound_config(&mut self) -> GateConfig {
        let millis = |input: &mut Self| 1 + input.magnitude() % 100_000;
        let (slow_ms, timeout_ms, lease_ms, base_ms) = (millis(self), millis(self), millis(self), millis(self));
        let window = self.between(1, 64);
        let start = self.between(1, 20);
        let probes = self.between(1, 4) as u8;
        GateConfig {
            breaker: BreakerConfig {
                window: window as u8,
                calls_min: self.between(1, window),
                failed: self.share(),
                slow: (self.coin()).then(|| self.share()),
                open: BackoffConfig {
                    growth: if self.coin() { Growth::Exponential } else { Growth::Constant },
                    base: Duration::from_millis(base_ms),
                    cap: Duration::from_millis(base_ms * 4),
                    jitter: Jitter::Equal,
                },
                probes,
                successes: self.between(1, probes.into()) as u8,
                after_closing: if self.coin() { AfterClosing::Ramp } else { AfterClosing::FullTraffic },
                ..BreakerConfig::DEFAULT
            },
            rate: match self.byte() % 3 {
                0 => RateControl::Unlimited,
                1 => {
                    let (count, burst) = (self.between(1, 200).into(), self.between(1, 50).into());
                    RateControl::Fixed(RateConfig { rate: Rate::per_second(count), burst })
                }
                _ => RateControl::Adaptive(AdaptiveRateConfig::DEFAULT),
            },
            limit: match self.byte() % 2 {
                0 => LimitConfig::fixed(start),
                _ => LimitConfig { start, floor: 1, ceiling: start + self.between(0, 30), ..LimitConfig::DEFAULT },
            },
            budget: (self.coin()).then_some(RetryBudgetConfig::POLITE),
            slow_after: Duration::from_millis(slow_ms),
            attempt_timeout: Duration::from_millis(slow_ms + timeout_ms),
            lease: Duration::from_millis(slow_ms + timeout_ms + lease_ms),
            id: 0,
        }
    }

    /// Settings of any kind, most of them wrong.
    pub fn any_config(&mut self) -> GateConfig {
        let sound = self.sound_config();
        let share = |input: &mut Self| Share { part: input.byte(), whole: input.byte() };
        let kind = LimitKind::Aimd { tolerated: share(self) };
        let rate = Rate { count: self.magnitude() as u32, period: self.span() };
        GateConfig {
            breaker: BreakerConfig {
                window: self.byte(),
                calls_min: self.byte().into(),
                failed: share(self),
                open: BackoffConfig { base: self.span(), cap: self.span(), ..sound.breaker.open },
                probes: self.byte(),
                successes: self.byte(),
                ..sound.breaker
            },
            rate: RateControl::Fixed(RateConfig { rate, burst: self.magnitude() as u32 }),
            limit: LimitConfig {
                kind,
                start: self.magnitude() as u16,
                floor: self.magnitude() as u16,
                ceiling: self.magnitude() as u16,
            },
            attempt_timeout: self.span(),
            slow_after: self.span(),
            lease: self.span(),
            ..sound
        }
    }
}
