//! What a gate promises, in whole numbers.

use std::time::Duration;

use tidegate_core::breaker::BreakerMode;
use tidegate_core::rate::Rate;
use tidegate_core::{GateConfig, RateControl};

use super::bucket::Measure;

/// What the settings of a gate promise, worked out once for all gates of a fleet.
#[derive(Clone, Copy, Debug)]
pub(in crate::sim) struct Terms {
    /// The least that may be the limit in flight, and the most.
    pub(super) limit: (u16, u16),
    /// The shortest interval between requests, and the longest. Nothing at all where the rate is not limited.
    pub(super) interval_ns: (u64, u64),
    /// The rate, or the highest that an adaptive one may reach.
    pub(super) rate: Option<Measure>,
    pub(super) is_rate_fixed: bool,
    pub(super) budget: Option<BudgetTerms>,
    pub(super) probes: u8,
    pub(super) is_forced_open: bool,
}

/// Of a retry budget. A retry costs as much as the number of answers that the share is told in.
#[derive(Clone, Copy, Debug)]
pub(super) struct BudgetTerms {
    /// What an answer earns.
    pub(super) earns: u64,
    /// What a retry costs.
    pub(super) cost: u64,
    /// The most that is saved.
    pub(super) most: u64,
    pub(super) reserve: Measure,
}

impl Terms {
    pub(in crate::sim) fn of(config: &GateConfig) -> Self {
        let (interval_ns, rate) = match config.rate {
            RateControl::Unlimited => ((0, 0), None),
            RateControl::Fixed(fixed) => {
                let cell_ns = interval_ns(fixed.rate);
                ((cell_ns, cell_ns), Some(Measure::of(cell_ns, fixed.burst.into())))
            }
            RateControl::Adaptive(adaptive) => {
                let (fastest_ns, slowest_ns) = (interval_ns(adaptive.ceiling), interval_ns(adaptive.floor));
                let most_ns = fastest_ns.saturating_add(adaptive.catch_up.as_nanos() as u64);
                // The longest is kept in milliseconds.
                ((fastest_ns, milliseconds_up(slowest_ns)), Some(Measure { cell_ns: fastest_ns, most_ns }))
            }
        };
        let budget = config.budget.map(|budget| BudgetTerms {
            earns: budget.retries.into(),
            cost: budget.answers.into(),
            most: u64::from(budget.saved_max) * u64::from(budget.answers),
            reserve: Measure::of(milliseconds_up(nanos(budget.reserve_refill)), budget.reserve.into()),
        });
        Self {
            limit: (config.limit.floor, config.limit.ceiling),
            interval_ns,
            rate,
            is_rate_fixed: matches!(config.rate, RateControl::Fixed(_)),
            budget,
            probes: config.breaker.probes,
            is_forced_open: config.breaker.mode == BreakerMode::ForcedOpen,
        }
    }
}

/// Whole nanoseconds, rounded up: a rate is never exceeded.
fn interval_ns(rate: Rate) -> u64 {
    nanos(rate.period).div_ceil(rate.count.max(1).into())
}

fn milliseconds_up(span_ns: u64) -> u64 {
    span_ns.div_ceil(1_000_000).saturating_mul(1_000_000)
}

/// Saturates: a server may ask for any time.
pub(super) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use tidegate_core::budget::RetryBudgetConfig;
    use tidegate_core::rate::{AdaptiveRateConfig, RateConfig};

    use super::*;

    #[test]
    fn settings_are_rounded_to_where_a_gate_admits_less() {
        let third = RateControl::Fixed(RateConfig { rate: Rate::per_second(3), burst: 2 });
        let terms = Terms::of(&GateConfig { rate: third, ..GateConfig::DEFAULT });
        assert_eq!(terms.interval_ns, (333_333_334, 333_333_334));
        assert_eq!(terms.rate, Some(Measure { cell_ns: 333_333_334, most_ns: 666_666_668 }));
        let adaptive = AdaptiveRateConfig { floor: Rate::per_second(3), ..AdaptiveRateConfig::DEFAULT };
        let terms = Terms::of(&GateConfig { rate: RateControl::Adaptive(adaptive), ..GateConfig::DEFAULT });
        assert_eq!(terms.interval_ns, (1_000, 334_000_000));
        assert_eq!(terms.rate, Some(Measure { cell_ns: 1_000, most_ns: 16_001_000 }));
        let refill = Duration::from_micros(1_500);
        let budget = Some(RetryBudgetConfig { reserve_refill: refill, ..RetryBudgetConfig::DEFAULT });
        let terms = Terms::of(&GateConfig { budget, ..GateConfig::DEFAULT }).budget.expect("a budget");
        assert_eq!(terms.reserve, Measure { cell_ns: 2_000_000, most_ns: 20_000_000 });
        assert_eq!((terms.earns, terms.cost, terms.most), (1, 2, 200));
    }
}
