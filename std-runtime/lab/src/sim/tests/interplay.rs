//! Breaker and retry budget: what each of them does, and what the other does not do for it.

use tidegate_core::budget::RetryBudgetConfig;
use tidegate_core::rate::Rate;

use super::*;

/// Fifty calls a second for five minutes, each patient for 5 s.
fn steady(rules: &str, gate: GateConfig) -> AttemptCounts {
    let traffic = Traffic::Open { rate: Rate::per_second(50), even: false, surges: Vec::new() };
    let call = CallConfig { attempts: 4, ..CallConfig::DEFAULT };
    let fleet = Fleet { traffic, gate, call, deadline: seconds(5), ..Fleet::new("steady", "server") };
    let report = run(&world(1, 300, &format!("latency=20ms\n{rules}"), fleet));
    report.fleets[0].attempts
}

fn with_budget() -> GateConfig {
    GateConfig { budget: Some(RetryBudgetConfig::POLITE), ..open_gate() }
}

fn with_breaker() -> GateConfig {
    GateConfig { breaker: BreakerConfig::DEFAULT, ..open_gate() }
}

#[test]
fn where_a_part_fails_the_budget_bounds_the_load_and_the_breaker_does_nothing() {
    // Half of the last 32 would open the breaker.
    let percent_more = |gate| {
        let attempts = steady("503=20%", gate);
        attempts.retries * 100 / (attempts.sent - attempts.retries)
    };
    // 0.2 + 0.2² + 0.2³ retries for each call.
    assert!((24..=26).contains(&percent_more(open_gate())), "{} % more with nothing", percent_more(open_gate()));
    assert!(
        (24..=26).contains(&percent_more(with_breaker())),
        "{} % more with a breaker",
        percent_more(with_breaker())
    );
    // A tenth of the answers, which are 80 % of all attempts, and a retry of the reserve each 10 s.
    assert!((8..=9).contains(&percent_more(with_budget())), "{} % more with a budget", percent_more(with_budget()));
}

#[test]
fn where_all_fails_the_breaker_bounds_the_load_and_the_budget_only_the_retries() {
    let failed = |gate| steady("outage=100s..200s:503", gate).failed;
    let nothing = failed(open_gate());
    assert!(nothing > 15_000, "{nothing} failed attempts with nothing: 5,000 calls, three or four times each");
    // Each of the 5,000 calls is tried once; of retries there are 100 saved, 3 in reserve and one each 10 s.
    let budget = failed(with_budget());
    assert!((4_900..=5_300).contains(&budget), "{budget} failed attempts with a budget");
    let breaker = failed(with_breaker());
    assert!((16..=40).contains(&breaker), "{breaker} failed attempts with a breaker: 16 to 32, and a few probes");
}

#[test]
fn after_an_outage_both_let_everything_through_again() {
    let gate = GateConfig { budget: Some(RetryBudgetConfig::POLITE), ..with_breaker() };
    let traffic = Traffic::Open { rate: Rate::per_second(50), even: false, surges: Vec::new() };
    let fleet = Fleet { traffic, gate, deadline: seconds(5), ..Fleet::new("steady", "server") };
    let report = run(&world(1, 300, "latency=20ms\noutage=100s..130s:503", fleet));
    // The fourth opening, the last that can begin within 30 s, lasts 40 s at most; the ramp after it is short.
    let after = &report.fleets[0].steps[175..];
    assert_eq!(after.iter().map(|step| step.open).max(), Some(0));
    let (offered, succeeded) = after.iter().fold((0, 0), |(o, s), step| (o + step.offered, s + step.succeeded));
    // 125 s at 50 a second, four standard deviations.
    assert!(offered.abs_diff(125 * 50) < 320, "{offered} calls");
    assert!(succeeded >= offered - 5, "{succeeded} of {offered}");
}
