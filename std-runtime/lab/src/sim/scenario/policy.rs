//! How a fleet tries: the settings of its gates and calls.

use tidegate_core::backoff::{BackoffConfig, Growth, Jitter};
use tidegate_core::breaker::{AfterClosing, BreakerConfig, BreakerMode};
use tidegate_core::budget::RetryBudgetConfig;
use tidegate_core::limit::{LimitConfig, LimitKind};
use tidegate_core::rate::{AdaptiveKind, AdaptiveRateConfig, RateConfig};
use tidegate_core::{RateControl, Share};

use super::parts::{self, Parts, Problem};

/// `250ms,cap=20s,jitter=full,growth=exponential`.
pub(super) fn backoff(text: &str, preset: BackoffConfig) -> Result<BackoffConfig, Problem> {
    let mut parts = Parts::of(text);
    let base = parts::span(parts.head)?;
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
        cap: parts.take("cap", preset.cap.max(base), parts::span)?,
        jitter: parts.take("jitter", usual, jitter)?,
    };
    parts.end().map(|()| config)
}

/// `unlimited`, `50/s,burst=8`, `adaptive,tolerance=32,start=50/s,floor=1/s,ceiling=1000/s`, `aimd,…`.
pub(super) fn rate(text: &str) -> Result<RateControl, Problem> {
    let mut parts = Parts::of(text);
    let control = match parts.head {
        "unlimited" => RateControl::Unlimited,
        "adaptive" => {
            let tolerance = parts.take("tolerance", 32, parts::count)?;
            let kind = AdaptiveKind::Seeking { tolerance };
            RateControl::Adaptive(bounded(&mut parts, AdaptiveRateConfig { kind, ..AdaptiveRateConfig::DEFAULT })?)
        }
        "aimd" => RateControl::Adaptive(bounded(&mut parts, AdaptiveRateConfig::AIMD)?),
        fixed => {
            let rate = parts::rate(fixed).map_err(|problem| format!("{problem}; or unlimited, adaptive, aimd"))?;
            RateControl::Fixed(RateConfig { rate, burst: parts.take("burst", 1, parts::count)? })
        }
    };
    parts.end().map(|()| control)
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
            let limit = parts::count(fixed).map_err(|problem| format!("{problem}; or gradient, aimd"))?;
            return parts.end().map(|()| LimitConfig::fixed(limit));
        }
    };
    let config = LimitConfig {
        kind,
        floor: parts.take("floor", usual.floor, parts::count)?,
        start: parts.take("start", usual.start, parts::count)?,
        ceiling: parts.take("ceiling", usual.ceiling, parts::count)?,
    };
    parts.end().map(|()| config)
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
        saved_max: parts.take("saved", usual.saved_max, parts::count)?,
        reserve: parts.take("reserve", usual.reserve, parts::count)?,
        reserve_refill: parts.take("refill", usual.reserve_refill, parts::span)?,
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
    let base = parts.take("open", usual.open.base, parts::span)?;
    let open = BackoffConfig {
        base,
        cap: parts.take("cap", usual.open.cap.max(base), parts::span)?,
        jitter: parts.take("jitter", usual.open.jitter, jitter)?,
        ..usual.open
    };
    let window = parts.take("window", usual.window, parts::count)?;
    let after = [("ramp", AfterClosing::Ramp), ("full", AfterClosing::FullTraffic)];
    let config = BreakerConfig {
        window,
        // By default half of the window, as in the presets.
        calls_min: parts.take("min", u16::from(window.div_ceil(2)), parts::count)?,
        failed,
        slow: parts.take("slow", usual.slow, |text| parts::share(text).map(Some))?,
        open,
        probes: parts.take("probes", usual.probes, parts::count)?,
        successes: parts.take("successes", usual.successes, parts::count)?,
        after_closing: parts.take("after", usual.after_closing, |word| parts::one_of(word, &after))?,
        ..usual
    };
    parts.end().map(|()| config)
}

fn jitter(word: &str) -> Result<Jitter, Problem> {
    parts::one_of(word, &[("none", Jitter::None), ("full", Jitter::Full), ("equal", Jitter::Equal)])
}
