//! A rate that finds a server's hidden limit, with the same settings whatever the limit is.

use tidegate_core::rate::AdaptiveRateConfig;

use super::*;

/// Fifty at once, always hungry, at a server that is 5 to 80 ms away.
fn mirror(seed: u64, rules: &str, rate: AdaptiveRateConfig) -> World {
    let gate = GateConfig { limit: LimitConfig::fixed(50), rate: RateControl::Adaptive(rate), ..GateConfig::DEFAULT };
    let link = Link { round_trip: uniform(5, 80), ..Link::PERFECT };
    let fleet =
        Fleet { traffic: hungry(50, None), gate, link, deadline: seconds(3_600), ..Fleet::new("mirror", "server") };
    world(seed, 70, rules, fleet)
}

/// Ways in which a server may allow `limit` requests per second without ever saying when to come back.
fn limited_to(limit: u32) -> [String; 4] {
    ["kind=fixed".to_owned(), "kind=sliding".to_owned(), "burst=5".to_owned(), format!("burst={limit}")]
        .map(|kind| format!("rate={limit}/s,{kind},retry-after=none"))
}

/// The worst of 8 seeds over the 60 s after the first 10 s: the least share of the limit that was accepted, and the
/// greatest share of requests that was refused.
fn worst(limit: u32, rules: &str, rate: AdaptiveRateConfig) -> (f64, f64) {
    (1..=8).fold((f64::MAX, 0.0), |(least, most): (f64, f64), seed| {
        let report = run(&mirror(seed, rules, rate));
        let steps = &report.servers[0].steps[10..70];
        let sum = |count: fn(&Step) -> u32| f64::from(steps.iter().map(count).sum::<u32>());
        let (accepted, throttled) = (sum(|step| step.accepted), sum(|step| step.throttled));
        (least.min(accepted / (60.0 * f64::from(limit))), most.max(throttled / (accepted + throttled)))
    })
}

#[test]
fn it_gets_most_of_any_limit_and_is_rarely_refused() {
    for limit in [20, 50, 200] {
        for rules in limited_to(limit) {
            let (accepted, refused) = worst(limit, &rules, AdaptiveRateConfig::DEFAULT);
            assert!(accepted >= 0.94, "{rules}: {accepted:.3} of the limit accepted, at worst");
            assert!(refused < 0.04, "{rules}: {refused:.3} of the requests refused, at worst");
        }
    }
}

#[test]
fn a_server_that_says_when_to_come_back_is_followed_as_well() {
    for limit in [20, 50, 200] {
        for rules in limited_to(limit).map(|rules| rules.replace("retry-after=none", "retry-after=seconds")) {
            let (accepted, refused) = worst(limit, &rules, AdaptiveRateConfig::DEFAULT);
            let share = if rules.contains(&format!("burst={limit},")) { 0.95 } else { 0.6 };
            assert!(accepted >= share, "{rules}: {accepted:.3} of the limit accepted, at worst");
            assert!(refused < 0.04, "{rules}: {refused:.3} of the requests refused, at worst");
        }
    }
}

#[test]
fn a_tenth_of_its_starting_rate_is_found_too() {
    for rules in limited_to(5) {
        let (accepted, refused) = worst(5, &rules, AdaptiveRateConfig::DEFAULT);
        assert!(accepted >= 0.9, "{rules}: {accepted:.3} of the limit accepted, at worst");
        assert!(refused < 0.05, "{rules}: {refused:.3} of the requests refused, at worst");
    }
}

#[test]
fn refusals_that_have_nothing_to_do_with_the_rate_do_not_stop_it() {
    for seed in 1..=8 {
        let report = run(&mirror(seed, "429=2%", AdaptiveRateConfig::DEFAULT));
        let accepted: u32 = report.servers[0].steps[10..70].iter().map(|step| step.accepted).sum();
        let slowest = report.fleets[0].steps.iter().map(|step| step.rate_millis).min().unwrap_or(0);
        assert!(accepted / 60 >= 200, "seed {seed}: {}/s with 2 % of stray refusals", accepted / 60);
        assert!(slowest >= 40_000, "seed {seed}: down to {slowest} thousandths per second; the floor is 1,000");
    }
}

#[test]
fn multiplicative_steps_waste_most_of_a_limit_in_fixed_windows() {
    let rules = "rate=50/s,kind=fixed,retry-after=none";
    let (multiplicative, _) = worst(50, rules, AdaptiveRateConfig::AIMD);
    let (seeking, _) = worst(50, rules, AdaptiveRateConfig::DEFAULT);
    assert!((0.2..0.35).contains(&multiplicative), "{multiplicative:.3} of the limit");
    assert!(seeking > 0.98, "{seeking:.3} of the limit");
}

#[test]
fn the_ceiling_that_all_this_holds_for_is_no_crutch() {
    let interval = AdaptiveRateConfig::DEFAULT.ceiling;
    assert!(interval.count >= 1_000 && interval.period == seconds(1), "a ceiling of {interval:?}");
}
