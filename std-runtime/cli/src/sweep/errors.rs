//! What errors cost, with and without each policy.
//!
//! One policy after the other is added to those before it, so that each row differs from the one above in one thing. Every
//! run is against the embedded server, whose answers are 503 as often as the row says.

use std::fmt;

use tidegate::{config::Settings, ledger::Ledger};
use tidegate_core::{
    GateConfig,
    breaker::{BreakerConfig, BreakerMode},
    budget::RetryBudgetConfig,
    limit::LimitConfig,
};
use tidegate_lab::{
    measure::{
        percentile::{Percentile, Summary},
        scaling::medians,
        text::{PerSecond, Percent, grouped, three_digits},
    },
    report::Run,
};

use super::{Format, Sweep, run::Course};
use crate::{exit::Fatal, mock, output::Output, progress::Progress};

/// What one combination of policies made of one rate of errors.
#[derive(Debug, serde::Serialize)]
pub(super) struct Cost {
    /// Share of the answers that are 503, in per cent.
    error_rate_percent: f64,
    policies: Policies,
    /// Tiles fetched per second: the median of the repeats.
    per_second: Option<f64>,
    /// Share of the tiles that came in the end, 0 to 1.
    success: f64,
    /// What the server had to bear for each tile.
    attempts_per_tile: f64,
    latency_p95_ms: Percentile,
    breaker_opened: u32,
}

/// The policies in force: each has those before it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Policies {
    None,
    Retry,
    RetryBudget,
    Breaker,
    AdaptiveLimit,
}

impl Policies {
    const ALL: [Self; 5] = [Self::None, Self::Retry, Self::RetryBudget, Self::Breaker, Self::AdaptiveLimit];

    /// The settings of a call and its gate with these policies and no others.
    fn of(self, settings: &Settings) -> (Settings, GateConfig) {
        let mut settings = settings.clone();
        let mut gate = settings.gate_config();
        let most = settings.max_concurrency.value;
        if self == Self::None {
            settings.attempts.value = 1;
        }
        gate.budget = self.has(Self::RetryBudget).then(|| gate.budget.unwrap_or(RetryBudgetConfig::DEFAULT));
        let mode = if self.has(Self::Breaker) { BreakerMode::Enforce } else { BreakerMode::ForcedClosed };
        gate.breaker = BreakerConfig { mode, ..gate.breaker };
        gate.limit = if self.has(Self::AdaptiveLimit) {
            LimitConfig { start: most, floor: 1, ceiling: most, ..LimitConfig::DEFAULT }
        } else {
            LimitConfig::fixed(most)
        };
        (settings, gate)
    }

    fn has(self, policy: Self) -> bool {
        self as u8 >= policy as u8
    }
}

impl fmt::Display for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Retry => "retry",
            Self::RetryBudget => "+ retry budget",
            Self::Breaker => "+ breaker",
            Self::AdaptiveLimit => "+ adaptive limit",
        })
    }
}

impl Sweep<'_> {
    /// Measures every rate with every combination, or as many as there is time for.
    pub(super) fn errors(&self, quiet: bool, total: &mut Ledger, output: &mut Output) -> Result<Vec<Cost>, Fatal> {
        let rates = &self.args.error_rates;
        let level = self.settings.max_concurrency.value;
        let rounds = rates.len() * Policies::ALL.len() * self.args.repeats as usize;
        total.request(rounds as u64 * self.args.tiles_at(level));
        let mut progress = Progress::start(total.requested, quiet);
        let mut costs = Vec::new();
        let mut number = 0;
        for &rate in rates {
            for policies in Policies::ALL {
                let (settings, gate) = policies.of(self.settings);
                let (mut runs, mut opened) = (Vec::new(), 0);
                for _ in 0..self.args.repeats {
                    if self.is_over() {
                        break;
                    }
                    number += 1;
                    self.inject(rate)?;
                    let source = self.source_of(&settings, |_| gate, number)?;
                    let course = Course { sweep: self, source: &source, level, number };
                    runs.extend(course.run(&mut progress, total, output)?.run);
                    opened += source.fetcher.upstream().status().opened;
                    source.close();
                }
                costs.extend(Cost::of(rate, policies, &runs, opened));
            }
        }
        progress.end(output);
        total.cancel(total.requested.saturating_sub(total.accounted()));
        Ok(costs)
    }

    /// Prints what errors cost.
    pub(super) fn print(&self, costs: &[Cost], output: &mut Output) -> Result<(), Fatal> {
        let text = match self.args.output_format {
            Format::Json => {
                let document =
                    serde_json::json!({ "target": self.place.name(), "seed": self.seed, "error_rates": costs });
                format!("{document:#}")
            }
            Format::Text | Format::Csv | Format::Html => {
                let most = self.settings.max_concurrency.value;
                let title = format!("{}, at most {most} at once, seed {}", self.place.name(), self.seed);
                [title, String::new()].into_iter().chain(lines(costs)).collect::<Vec<_>>().join("\n")
            }
        };
        output.result(&text).map_err(Fatal::local)
    }

    /// Makes the embedded server answer 503 to this share, in per cent, from its beginning.
    fn inject(&self, rate: f64) -> Result<(), Fatal> {
        let Some(server) = self.place.embedded() else {
            return Err(Fatal::usage(
                "--error-rates: faults can be put into the embedded server only; leave out the URL",
            ));
        };
        let mut faults = self.args.server()?;
        mock::apply(&[format!("503={rate}%")], &mut faults)?;
        server.set_faults(faults).map_err(|error| Fatal::usage(format!("--error-rates={rate}: {error}")))
    }
}

impl Cost {
    /// `None` where no run came to its end.
    fn of(error_rate_percent: f64, policies: Policies, runs: &[Run], breaker_opened: u32) -> Option<Self> {
        let rates: Vec<f64> = runs.iter().map(|run| run.per_second).collect();
        let sum = |value: fn(&Run) -> u64| runs.iter().map(value).sum::<u64>();
        let requested = sum(|run| run.requested);
        let failed = sum(|run| run.failed.values().sum());
        let mut latencies: Vec<u64> = runs.iter().flat_map(|run| run.latencies_us.iter().copied()).collect();
        (requested > 0).then(|| Self {
            error_rate_percent,
            policies,
            per_second: medians([(1, rates.as_slice())]).first().map(|point| point.per_second),
            success: (requested - failed) as f64 / requested as f64,
            attempts_per_tile: sum(|run| run.attempts) as f64 / requested as f64,
            latency_p95_ms: Summary::of(&mut latencies).p95,
            breaker_opened,
        })
    }
}

/// The table for people.
pub(super) fn lines(costs: &[Cost]) -> Vec<String> {
    let heading = format!(
        "  {:>7}  {:<17}{:>12}{:>12}{:>15}{:>11}{:>9}",
        "errors", "policies", "per second", "succeeded", "attempts/tile", "p95", "opened"
    );
    let row = |cost: &Cost| {
        let rate = cost.per_second.map_or_else(|| "–".to_owned(), |rate| PerSecond(rate).to_string());
        format!(
            "  {:>7}  {:<17}{:>12}{:>12}{:>15}{:>11}{:>9}",
            format!("{} %", cost.error_rate_percent),
            cost.policies,
            rate,
            Percent(cost.success).to_string(),
            three_digits(cost.attempts_per_tile),
            cost.latency_p95_ms,
            grouped(cost.breaker_opened.into()),
        )
    };
    let legend =
        "  each row has the policies of those above it; p95 is of the tiles that came, from first grant to result";
    [heading].into_iter().chain(costs.iter().map(row)).chain([legend.to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use tidegate::config::Preset;
    use tidegate_core::{Gate, limit::LimitKind};

    use super::*;

    #[test]
    fn each_row_differs_from_the_one_above_in_one_policy() {
        let settings = Settings::layered(Preset::Ancestor, &[]);
        let seen = Policies::ALL.map(|policies| {
            let (settings, gate) = policies.of(&settings);
            assert!(Gate::new(gate).is_ok(), "{policies:?}");
            [
                settings.attempts.value > 1,
                gate.budget.is_some(),
                gate.breaker.mode == BreakerMode::Enforce,
                gate.limit.kind != LimitKind::Fixed,
            ]
        });
        for (row, has) in seen.iter().enumerate() {
            assert_eq!(*has, std::array::from_fn(|policy| policy < row), "row {row}");
        }
    }

    #[test]
    fn a_cost_is_over_all_repeats_and_nothing_where_there_is_none() {
        let run = |per_second, failed| Run {
            per_second,
            requested: 100,
            attempts: 110,
            failed: [("status 503".to_owned(), failed)].into(),
            latencies_us: vec![1_000; 80],
            ..Run::default()
        };
        let cost = Cost::of(5.0, Policies::Retry, &[run(90.0, 4), run(100.0, 0), run(50.0, 2)], 1).expect("runs");
        assert_eq!((cost.per_second, cost.success, cost.attempts_per_tile), (Some(90.0), 0.98, 1.1));
        assert!(Cost::of(5.0, Policies::Retry, &[], 0).is_none());
    }
}
