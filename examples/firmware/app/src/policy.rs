//! The settings of the core on this device: all there is to decide about deciding.

use core::time::Duration;

use tidegate_core::{
    CallConfig, CallPolicy, Gate, GateConfig, RateControl, Share,
    backoff::BackoffConfig,
    breaker::BreakerConfig,
    budget::RetryBudgetConfig,
    limit::LimitConfig,
    rate::{AdaptiveRateConfig, Rate},
};

use crate::network::SOCKETS;

/// Calls at once. More than there are sockets: the gate says which of them may use one.
pub const CALLS: usize = 6;

/// Failed tiles that are kept for later.
pub const LATER: usize = 32;

/// Three attempts in quick succession, and not much patience: a tile that fails makes room for others and is tried again
/// later, as long as the vehicle has not passed it.
pub const CALL_POLICY: CallPolicy = match CallPolicy::new(CallConfig {
    attempts: 3,
    backoff: BackoffConfig { cap: Duration::from_secs(4), ..BackoffConfig::DEFAULT },
    throttled: BackoffConfig::THROTTLED,
    patience: Some(Duration::from_secs(2)),
}) {
    Ok(policy) => policy,
    Err(_) => panic!("settings of a call"),
};

/// The gate of the one server there is.
///
/// A link of a vehicle is slow and loses much, and comes and goes: few at once, and a breaker that judges by fewer calls, puts
/// up with more failures and looks again sooner than that of a server.
pub const fn gate() -> Gate {
    let breaker = BreakerConfig {
        window: 16,
        calls_min: 8,
        failed: Share::of(2, 3),
        open: BackoffConfig {
            base: Duration::from_secs(1),
            cap: Duration::from_secs(4),
            ..BreakerConfig::DEFAULT.open
        },
        ..BreakerConfig::DEFAULT
    };
    let config = GateConfig {
        breaker,
        rate: RateControl::Adaptive(AdaptiveRateConfig {
            start: Rate::per_second(20),
            ceiling: Rate::per_second(100),
            ..AdaptiveRateConfig::DEFAULT
        }),
        limit: LimitConfig { start: 2, floor: 1, ceiling: SOCKETS as u16, ..LimitConfig::AIMD },
        budget: Some(RetryBudgetConfig::DEFAULT),
        attempt_timeout: Duration::from_secs(3),
        slow_after: Duration::from_secs(3),
        lease: Duration::from_secs(9),
        ..GateConfig::DEFAULT
    };
    match Gate::new(config) {
        Ok(gate) => gate,
        Err(_) => panic!("settings of a gate"),
    }
}

const _: Gate = gate();
