//! How a fleet tries: the settings of its gates and calls.

use std::ops::RangeInclusive;
use std::time::Duration;

use tidegate_core::backoff::{Backoff, BackoffConfig, Growth, Jitter};
use tidegate_core::breaker::{AfterClosing, BreakerConfig, BreakerMode};
use tidegate_core::budget::RetryBudgetConfig;
use tidegate_core::limit::{ConcurrencyLimit, LimitConfig, LimitKind};
use tidegate_core::rate::{AdaptiveKind, AdaptiveRate, AdaptiveRateConfig, Rate, RateConfig, RateLimiter};
use tidegate_core::{RateControl, Share};

use super::parts::{self, Parts, Problem};
use crate::mock::rules::quantity;

/// `250ms,cap=20s,jitter=full,growth=exponential`.
pub(super) fn backoff(text: &str, preset: BackoffConfig) -> Result<BackoffConfig, Problem> {
    let mut parts = Parts::of(text);
    let base = parts::span_within(parts.head, MILLISECOND..=DAYS_49)?;
    let growths = [
        ("exponential", Growth::Exponential),
        ("constant", Growth::Constant),
        ("linear", Growth::Linear),
        ("decorrelated", Growth::Decorrelated),
    ];
    let growth = parts.take("growth", preset.growth, |word| parts::one_of(word, &growths))?;
    // Decorrelated delays are drawn already.
    let usual = if growth == Growth::Decorrelated { Jitter::None } else { preset.jitter };
    let config = BackoffConfig {
        growth,
        base,
        cap: cap(&mut parts, preset.cap, base)?,
        jitter: parts.take("jitter", usual, jitter)?,
    };
    parts.end()?;
    Backoff::new(config).map(|_| config).map_err(told)
}

/// `unlimited`, `50/s,burst=8`, `adaptive,tolerance=32,start=50/s,floor=1/s,ceiling=1000/s`, `aimd,…`.
pub(super) fn rate(text: &str) -> Result<RateControl, Problem> {
    let mut parts = Parts::of(text);
    let control = match parts.head {
        "unlimited" => RateControl::Unlimited,
        "adaptive" => {
            let tolerance = parts.take("tolerance", 32, |text| parts::count(text, 1..=u8::MAX))?;
            let kind = AdaptiveKind::Seeking { tolerance };
            RateControl::Adaptive(bounded(&mut parts, AdaptiveRateConfig { kind, ..AdaptiveRateConfig::DEFAULT })?)
        }
        "aimd" => RateControl::Adaptive(bounded(&mut parts, AdaptiveRateConfig::AIMD)?),
        fixed => {
            let rate = parts::rate(fixed).map_err(|problem| format!("{problem}; or unlimited, adaptive, aimd"))?;
            let burst = parts.take("burst", 1, |text| parts::count(text, 1..=u32::MAX))?;
            RateControl::Fixed(RateConfig { rate, burst })
        }
    };
    parts.end()?;
    match control {
        RateControl::Unlimited => Ok(control),
        RateControl::Fixed(config) => RateLimiter::new(config).map(|_| control).map_err(told),
        RateControl::Adaptive(config) => AdaptiveRate::new(config).map(|_| control).map_err(|error| {
            let [floor, start, ceiling] = [config.floor, config.start, config.ceiling].map(shown);
            format!("{error} (floor={floor}, start={start}, ceiling={ceiling})")
        }),
    }
}

fn bounded(parts: &mut Parts<'_>, usual: AdaptiveRateConfig) -> Result<AdaptiveRateConfig, Problem> {
    Ok(AdaptiveRateConfig {
        start: parts.take("start", usual.start, parts::rate)?,
        floor: parts.take("floor", usual.floor, parts::rate)?,
        ceiling: parts.take("ceiling", usual.ceiling, parts::rate)?,
        ..usual
    })
}

/// `10`, or `gradient,floor=2,start=10,ceiling=50,tolerated=1/3`, `aimd,…`.
pub(super) fn limit(text: &str) -> Result<LimitConfig, Problem> {
    let mut parts = Parts::of(text);
    let usual = LimitConfig::DEFAULT;
    let head = parts.head;
    let mut tolerated = || parts.take("tolerated", Share::of(1, 3), parts::share);
    let kind = match head {
        "gradient" => LimitKind::Gradient { tolerated: tolerated()? },
        "aimd" => LimitKind::Aimd { tolerated: tolerated()? },
        fixed => {
            let limit = parts::count(fixed, LIMITS).map_err(|problem| format!("{problem}; or gradient, aimd"))?;
            return parts.end().map(|()| LimitConfig::fixed(limit));
        }
    };
    let config = LimitConfig {
        kind,
        floor: parts.take("floor", usual.floor, |text| parts::count(text, LIMITS))?,
        start: parts.take("start", usual.start, |text| parts::count(text, LIMITS))?,
        ceiling: parts.take("ceiling", usual.ceiling, |text| parts::count(text, LIMITS))?,
    };
    parts.end()?;
    let LimitConfig { floor, start, ceiling, .. } = config;
    ConcurrencyLimit::new(config)
        .map(|_| config)
        .map_err(|error| format!("{error} (floor={floor}, start={start}, ceiling={ceiling})"))
}

/// `none`, or `10%,saved=100,reserve=3,refill=10s`.
pub(super) fn budget(text: &str) -> Result<Option<RetryBudgetConfig>, Problem> {
    let mut parts = Parts::of(text);
    if parts.head == "none" {
        return parts.end().map(|()| None);
    }
    let share = parts::share(parts.head).map_err(|problem| format!("{problem}; or none"))?;
    let usual = RetryBudgetConfig::DEFAULT;
    let config = RetryBudgetConfig {
        retries: share.part.into(),
        answers: share.whole.into(),
        saved_max: parts.take("saved", usual.saved_max, |text| parts::count(text, 0..=u16::MAX))?,
        reserve: parts.take("reserve", usual.reserve, |text| parts::count(text, 1..=u16::MAX))?,
        reserve_refill: parts
            .take("refill", usual.reserve_refill, |text| parts::span_within(text, MILLISECOND..=DAYS_49))?,
    };
    parts.end().map(|()| Some(config))
}

/// `none`, or `50%,window=32,min=16,slow=25%,open=5s,cap=60s,jitter=equal,probes=1,successes=1,after=ramp`.
pub(super) fn breaker(text: &str) -> Result<BreakerConfig, Problem> {
    let mut parts = Parts::of(text);
    let usual = BreakerConfig::DEFAULT;
    if parts.head == "none" {
        return parts.end().map(|()| BreakerConfig { mode: BreakerMode::ForcedClosed, ..usual });
    }
    let failed = parts::share(parts.head).map_err(|problem| format!("{problem}; or none"))?;
    let base = parts.take("open", usual.open.base, |text| parts::span_within(text, MILLISECOND..=DAYS_49))?;
    let open = BackoffConfig {
        base,
        cap: cap(&mut parts, usual.open.cap, base)?,
        jitter: parts.take("jitter", usual.open.jitter, jitter)?,
        ..usual.open
    };
    let window = parts.take("window", usual.window, |text| parts::count(text, 1..=64))?;
    let after = [("ramp", AfterClosing::Ramp), ("full", AfterClosing::FullTraffic)];
    let config = BreakerConfig {
        window,
        // By default half of the window, as in the presets.
        calls_min: parts
            .take("min", u16::from(window.div_ceil(2)), |text| parts::count(text, 1..=u16::from(window)))?,
        failed,
        slow: parts.take("slow", usual.slow, |text| parts::share(text).map(Some))?,
        open,
        probes: parts.take("probes", usual.probes, |text| parts::count(text, 1..=100))?,
        successes: parts.take("successes", usual.successes, |text| parts::count(text, 1..=100))?,
        after_closing: parts.take("after", usual.after_closing, |word| parts::one_of(word, &after))?,
        ..usual
    };
    parts.end().map(|()| config)
}

fn cap(parts: &mut Parts<'_>, usual: Duration, base: Duration) -> Result<Duration, Problem> {
    parts.take("cap", usual.max(base), |text| parts::span_within(text, base..=DAYS_49))
}

fn jitter(word: &str) -> Result<Jitter, Problem> {
    parts::one_of(word, &[("none", Jitter::None), ("full", Jitter::Full), ("equal", Jitter::Equal)])
}

/// What the core says where several values do not go together.
fn told(error: impl std::error::Error) -> Problem {
    error.to_string()
}

fn shown(rate: Rate) -> String {
    format!("{}/{}", rate.count, quantity::show_duration(rate.period))
}

pub(super) const MILLISECOND: Duration = Duration::from_millis(1);
/// The longest time of a policy.
pub(super) const DAYS_49: Duration = Duration::from_secs(49 * 86_400);
const LIMITS: RangeInclusive<u16> = 1..=10_000;
