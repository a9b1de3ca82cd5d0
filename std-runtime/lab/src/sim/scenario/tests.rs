use std::time::Duration;

use tidegate_core::backoff::{Growth, Jitter};
use tidegate_core::breaker::BreakerMode;
use tidegate_core::limit::{LimitConfig, LimitKind};
use tidegate_core::rate::{Rate, RateConfig};
use tidegate_core::{CallConfig, GateConfig, RateControl, Share};

use super::*;
use crate::mock::rules::Delay;
use crate::sim::{Episode, Fleet, Restart, Traffic};

const PRESETS: [Preset<'static>; 2] = [
    Preset { name: "plain", gate: GateConfig::DEFAULT, call: CallConfig { attempts: 2, ..CallConfig::DEFAULT } },
    Preset { name: "bulk", gate: GateConfig::DEFAULT, call: CallConfig::DEFAULT },
];

/// A scenario of one server and one fleet with these keys.
fn with(keys: &str) -> Result<Scenario, ScenarioError> {
    let text = format!(
        "length = \"10m\"\n[[server]]\nname = \"tiles\"\n[[fleet]]\nname = \"cars\"\nservers = [\"tiles\"]\n{keys}\n"
    );
    Scenario::from_toml(&text, &PRESETS)
}

fn fleet(keys: &str) -> Fleet {
    with(&format!("users = 1\n{keys}")).unwrap_or_else(|error| panic!("{keys}: {error}")).world.fleets.remove(0)
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn the_example_of_the_page_runs() {
    let page = include_str!("mod.rs");
    let example: String = page
        .lines()
        .skip_while(|line| !line.contains("```toml"))
        .skip(1)
        .take_while(|line| !line.contains("```"))
        .map(|line| format!("{}\n", line.trim_start_matches("//!")))
        .collect();
    let mut scenario = Scenario::from_toml(&example, &PRESETS).expect("the page is right");
    assert_eq!(scenario.title, "One mirror, one server");
    assert_eq!((scenario.world.length, scenario.world.step), (seconds(600), seconds(1)));
    assert_eq!(scenario.world.servers[0].slow, [Episode { from: seconds(120), until: seconds(180), percent: 300 }]);
    scenario.world.length = seconds(125);
    assert!(scenario.world.run().expect("it runs").fleets[0].calls.succeeded > 300);
}

#[test]
fn a_fleet_starts_from_its_preset_and_changes_what_it_names() {
    assert_eq!((fleet("").call, fleet("").gate), (CallConfig::DEFAULT, GateConfig::DEFAULT));
    assert_eq!(fleet("preset = \"plain\"").call.attempts, 2);
    assert_eq!(fleet("preset = \"plain\"\nattempts = 7").call.attempts, 7);
    let timed = fleet("timeout = \"3s\"").gate;
    assert_eq!((timed.attempt_timeout, timed.slow_after, timed.lease), (seconds(3), seconds(3), seconds(6)));
    assert_eq!(fleet("patience = \"0s\"").call.patience, Some(Duration::ZERO));
    assert_eq!(fleet("patience = \"deadline\"").call.patience, None);
}

#[test]
fn policies_are_read() {
    let backoff = fleet("backoff = \"100ms,cap=2s,jitter=none,growth=linear\"").call.backoff;
    assert_eq!((backoff.base, backoff.cap), (Duration::from_millis(100), seconds(2)));
    assert_eq!((backoff.growth, backoff.jitter), (Growth::Linear, Jitter::None));
    assert_eq!(fleet("backoff = \"1s,growth=decorrelated\"").call.backoff.jitter, Jitter::None);
    let rate = |text: &str| fleet(&format!("rate = \"{text}\"")).gate.rate;
    let fixed = |rate, burst| RateControl::Fixed(RateConfig { rate, burst });
    assert_eq!(rate("unlimited"), RateControl::Unlimited);
    assert_eq!(rate("50/s,burst=8"), fixed(Rate::per_second(50), 8));
    assert_eq!(rate("1/30s"), fixed(Rate { count: 1, period: seconds(30) }, 1));
    let RateControl::Adaptive(adaptive) = rate("adaptive,start=20/s,ceiling=100/s") else { panic!("not adaptive") };
    assert_eq!((adaptive.start.count, adaptive.floor.count, adaptive.ceiling.count), (20, 1, 100));
    assert_eq!(fleet("limit = 7").gate.limit, LimitConfig::fixed(7));
    let limit = fleet("limit = \"aimd,start=5,tolerated=10%\"").gate.limit;
    assert_eq!((limit.kind, limit.start), (LimitKind::Aimd { tolerated: Share::of(10, 100) }, 5));
    let limit = fleet("limit = \"gradient,ceiling=80\"").gate.limit;
    assert_eq!(limit, LimitConfig { ceiling: 80, ..LimitConfig::DEFAULT });
    assert_eq!(fleet("budget = \"none\"").gate.budget, None);
    let budget = fleet("budget = \"10%,reserve=3,refill=10s\"").gate.budget.expect("a budget");
    assert_eq!((budget.retries, budget.answers, budget.reserve, budget.reserve_refill), (10, 100, 3, seconds(10)));
    assert_eq!(fleet("breaker = \"none\"").gate.breaker.mode, BreakerMode::ForcedClosed);
    let breaker = fleet("breaker = \"25%,window=10,slow=1/2,open=1s,cap=9s,probes=3\"").gate.breaker;
    assert_eq!((breaker.window, breaker.calls_min, breaker.probes), (10, 5, 3));
    assert_eq!((breaker.failed, breaker.slow), (Share::of(25, 100), Some(Share::of(1, 2))));
    assert_eq!((breaker.open.base, breaker.open.cap), (seconds(1), seconds(9)));
}

#[test]
fn traffic_links_and_restarts_are_read() {
    let Traffic::Open { rate, even, surges } =
        with("arrivals = \"30/m,even\"\nsurges = [\"60s..90s=300%\"]").expect("it is").world.fleets.remove(0).traffic
    else {
        panic!("not an open loop")
    };
    assert_eq!((rate, even), (Rate { count: 30, period: seconds(60) }, true));
    assert_eq!(surges, [Episode { from: seconds(60), until: seconds(90), percent: 300 }]);
    let Traffic::Closed { users, think, calls } = fleet("think = \"exponential:1s\"\ncalls = 9").traffic else {
        panic!("not a closed loop")
    };
    assert_eq!((users, think, calls), (1, Delay::Exponential { mean: seconds(1) }, Some(9)));
    let link = fleet("round-trip = \"20ms\"\nloss = \"0.5%\"\npartition = \"10s..20s\"").link;
    assert_eq!((link.loss_millionths, link.partition), (5_000, Some((seconds(10), seconds(20)))));
    let [Restart { at, down, restores: true }] = fleet("restarts = [\"60s,down=5s,restores\"]").restarts[..] else {
        panic!("not one restart that restores")
    };
    assert_eq!((at, down), (seconds(60), seconds(5)));
}

#[test]
fn what_means_nothing_is_told_with_its_place_its_value_and_the_fix() {
    for (keys, told) in [
        ("users = 1\nlenght = 3", &["unknown field `lenght`", "line 8"][..]),
        ("users = 1\ndeadline = \"soon\"", &["fleet `cars`: deadline = \"soon\"", "as in 20ms"]),
        ("users = 1\nrate = \"fast\"", &["rate = \"fast\"", "as in 50/s", "unlimited, adaptive, aimd"]),
        ("users = 1\nrate = \"50/s,brust=3\"", &["`brust` means nothing here; there are burst"]),
        ("users = 1\nlimit = 20000", &["limit = \"20000\"", "from 1 to 10000", "or gradient, aimd"]),
        ("users = 1\nlimit = -1", &["limit = \"-1\"", "from 1 to 10000"]),
        ("users = 1\nlimit = \"aimd,ceiling=5\"", &["floor ≤ start ≤ ceiling", "(floor=2, start=10, ceiling=5)"]),
        ("users = 1\ntimeout = \"0s\"", &["timeout = \"0s\"", "write 1ms to 588h"]),
        (
            "users = 1\ntimeout = \"3s\"\nslow-after = \"20s\"",
            &["slow-after = \"20s\"", "write 1ms to 3s, or raise timeout"],
        ),
        ("users = 1\nbudget = \"10%,refill=0s\"", &["refill: `0s` is out of range; write 1ms to 49d"]),
        ("users = 1\nbudget = \"10%,reserve=0\"", &["reserve: `0`", "from 1 to 65535"]),
        ("arrivals = \"0/s\"", &["arrivals = \"0/s\"", "at least 1 in a time, as in 50/s"]),
        ("arrivals = \"5/0s\"", &["arrivals = \"5/0s\"", "`5/0s` is no rate"]),
        ("arrivals = \"5/s,even=no\"", &["`even=no`: it takes no value", "write even alone"]),
        ("users = 1\nrate = \"5/0s\"", &["rate = \"5/0s\"", "`5/0s` is no rate"]),
        ("users = 1\nrate = \"adaptive,ceiling=5/s\"", &["floor ≤ start ≤ ceiling", "ceiling=5/1s"]),
        ("users = 1\nbreaker = \"50%,window=300\"", &["window: `300`", "from 1 to 64"]),
        ("users = 1\nbreaker = \"50%,window=20,min=21\"", &["min: `21`", "from 1 to 20"]),
        ("users = 1\nbreaker = \"50%,probes=0\"", &["probes: `0`", "from 1 to 100"]),
        ("users = 1\nbreaker = \"50%,open=9s,cap=3s\"", &["cap: `3s` is out of range; write 9s to 49d"]),
        ("users = 1\nbackoff = \"1s,cap=2s,cap=3s\"", &["`cap` is given twice; keep one of them"]),
        ("users = 1\nrestarts = [\"9s,restores=yes\"]", &["`restores=yes`: it takes no value; write restores alone"]),
        ("users = 1\nrestarts = [\"9s,restores,restores\"]", &["`restores` is given twice"]),
        ("users = -1", &["users = \"-1\"", "from 1 to 1000000"]),
        ("users = 1\nattempts = 256", &["attempts = \"256\"", "from 1 to 255"]),
        ("users = 1\ncalls = 0", &["calls = \"0\"", "from 1 to"]),
        ("users = 1.5", &["line 7", "expected a text in quotes, or a whole number"]),
        ("users = 1\nshared-gate = \"yes\"", &["expected true or false, without quotes"]),
        ("users = 1\nrestarts = \"9s\"", &["expected a list in brackets"]),
        ("users = 1\npreset = \"\\u001b[31m\"", &["preset = \"\\u{1b}[31m\""]),
        ("users = 1\nbudget = \"10\"", &["budget = \"10\"", "1/3 or 50%", "or none"]),
        ("users = 1\nbreaker = \"50%,after=rush\"", &["after: `rush` is none of ramp, full; write one of them"]),
        ("users = 1\nbackoff = \"1s,jitter=some\"", &["jitter: `some` is none of none, full, equal"]),
        ("users = 1\npreset = \"rude\"", &["`rude` is none of plain, bulk; write one of them"]),
        ("users = 1\npartition = \"20s..10s\"", &["partition = \"20s..10s\"", "as in 10s..20s"]),
        ("arrivals = \"5/s\"\nsurges = [\"9s=3\"]", &["surges = \"9s=3\"", "as in 10s..20s"]),
        ("users = 1\npatience = \"much\"", &["patience = \"much\"", "or deadline"]),
        ("users = 1\nrestarts = [\"9s,up=3s\"]", &["`up` means nothing here; there are down, restores"]),
        ("", &["fleet `cars`: nobody calls; give arrivals"]),
        ("users = 1\narrivals = \"5/s\"", &["both arrivals and users are given"]),
        ("arrivals = \"5/s\"\nthink = \"1s\"", &["think and calls belong to users"]),
        ("users = 1\nsurges = [\"1s..2s=300%\"]", &["surges belong to arrivals"]),
    ] {
        let error = with(keys).expect_err(keys).to_string();
        told.iter().for_each(|part| assert!(error.contains(part), "{keys}\n{part:?} is missing in: {error}"));
        assert!(!error.replace('\n', "").contains(char::is_control), "{error:?}");
    }
    let error = Scenario::from_toml("length = \"1m\"\n[[server]]\nname = \"a\"\nrules = [\"rate=x\"]", &PRESETS);
    assert!(error.expect_err("no rate").to_string().starts_with("server `a`: rules = \"rate=x\": "));
}

#[test]
fn what_means_nothing_outside_of_a_fleet_is_told_too() {
    for (text, told) in [
        (
            "length = \"10m\"\n[server]\nname = \"a\"",
            &["line 2", "expected a table in double brackets, as in [[server]]"][..],
        ),
        ("length = \"soon\"", &["the scenario: length = \"soon\"", "as in 20ms"]),
        ("length = \"1m\"\nseed = -1", &["seed = \"-1\"", "from 0 to 18446744073709551615"]),
        (
            "length = \"1m\"\ntitle = \"\\u001b[31mred\"",
            &["title = \"\\u{1b}[31mred\"", "leave out control characters"],
        ),
        ("length = \"1m\"\n\"\\u001b[31m\" = 1", &["line 2", "unknown field"]),
        ("length = \"1m\"\n[[server]]\nname = \"\\u001b[31m\"\nrules = [\"x\"]", &["rules = \"x\""]),
        (
            "length = \"1m\"\n[[server]]\nname = \"a\"\nrules = [\"seed=7\"]",
            &["rules = \"seed=7\"", "leave this one out"],
        ),
        (
            "length = \"1m\"\n[[server]]\nname = \"a\"\nrules = [\"pool=1,service=1s\", \"pool=2,service=1s\"]",
            &["rules = \"pool=2,service=1s\"", "`pool` is given twice; keep one of them"],
        ),
    ] {
        let error = Scenario::from_toml(text, &PRESETS).expect_err(text).to_string();
        told.iter().for_each(|part| assert!(error.contains(part), "{text}\n{part:?} is missing in: {error}"));
        assert!(!error.replace('\n', "").contains(char::is_control), "{error:?}");
    }
}

#[test]
fn numbers_stand_with_or_without_quotes_and_a_time_without_a_unit_is_seconds() {
    let scenario = |length: &str| Scenario::from_toml(&format!("length = {length}"), &PRESETS).expect(length);
    for (length, expected) in [("10", 10), ("\"10\"", 10), ("\"10s\"", 10), ("\"1d\"", 86_400)] {
        assert_eq!(scenario(length).world.length, seconds(expected), "{length}");
    }
    assert_eq!(fleet("clients = \"7\"").clients, 7);
    let outages = ["outage=1s..2s:503", "outage=3s..4s:503"];
    let text = format!("length = \"1m\"\n[[server]]\nname = \"a\"\nrules = {outages:?}");
    assert_eq!(Scenario::from_toml(&text, &PRESETS).expect("two outages").world.servers[0].rules.outages.len(), 2);
}

#[test]
fn the_page_names_every_key() {
    for table in ["", "[[server]]\n", "[[fleet]]\n"] {
        let error = Scenario::from_toml(&format!("{table}nonsense = 1"), &PRESETS).expect_err("no key").to_string();
        let (_, keys) = error.split_once("expected one of ").unwrap_or_else(|| panic!("{error}"));
        for key in keys.trim().split(", ").map(|key| key.trim_matches('`')) {
            let named = [format!("`{key}`"), format!("`[[{key}]]`")];
            assert!(named.iter().any(|key| KEYS.contains(key)), "{key} is not on the page");
        }
    }
}
