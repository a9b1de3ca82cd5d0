use std::collections::BTreeMap;

use super::*;
use crate::mock::dice::tile_bits;

struct Day {
    plan: Plan,
    started: Instant,
}

impl Day {
    fn new(rules: &str) -> Self {
        let started = Instant::now();
        Self { plan: Plan::new(rules.parse().unwrap_or_else(|error| panic!("{error}")), started), started }
    }

    fn at(&mut self, ms: u64, key: u64) -> Decision {
        let asked = Asked { key, tile: None, wish: None };
        self.plan.decide(self.started + Duration::from_millis(ms), &asked).0
    }

    fn tile(&mut self, text: &str) -> String {
        let tile: TileId = text.parse().expect("a tile");
        let asked = Asked { key: tile_bits(tile), tile: Some(tile), wish: None };
        self.plan.decide(self.started, &asked).0.fault.to_string()
    }
}

#[test]
fn what_is_drawn_does_not_depend_on_the_order_of_requests() {
    let rules = "seed=5\n503=20%\nreset=20%\nlatency=lognormal:20ms/1";
    let ask_all = |order: &mut dyn Iterator<Item = u64>| {
        let mut day = Day::new(rules);
        // The key alone says which request it is; each is asked for twice in a row.
        order.map(|key| (key, (day.at(0, key), day.at(0, key)))).collect::<BTreeMap<_, _>>()
    };
    let forwards = ask_all(&mut (0..500));
    assert!(forwards == ask_all(&mut (0..500).rev()), "the order of the requests changed what was drawn");
    let other_seed = Day::new(&rules.replace("seed=5", "seed=6")).at(0, 1);
    assert_ne!(forwards[&1].0.wait, other_seed.wait);
}

#[test]
fn shares_are_kept() {
    let mut day = Day::new("503=10%\nreset=5%\ntruncate=5%\n429:1=0.5%");
    let mut met = BTreeMap::new();
    for key in 0..100_000 {
        *met.entry(day.at(0, key).fault.to_string()).or_insert(0_u32) += 1;
    }
    // Four standard deviations on either side.
    for (fault, expected) in [("503", 10_000.0_f64), ("reset", 5_000.0), ("truncate", 5_000.0), ("429:1", 500.0)] {
        let off = (f64::from(met[fault]) - expected).abs();
        assert!(off < 4.0 * expected.sqrt(), "{fault}: {} of 100,000", met[fault]);
    }
}

#[test]
fn a_hundred_percent_leaves_nobody_out_and_zero_meets_nobody() {
    let mut day = Day::new("503=100%\nreset=0%");
    assert!((0..1_000).all(|key| day.at(0, key).fault.to_string() == "503"));
}

#[test]
fn a_tiles_own_script_wins_over_the_common_one_and_that_over_shares() {
    let mut day = Day::new("3/1/2=429:2,200\nscript=503,200\nreset=100%");
    assert_eq!([day.tile("3/1/2"), day.tile("3/1/2"), day.tile("3/1/2")], ["429:2", "200", "200"]);
    assert_eq!([day.tile("3/1/3"), day.tile("3/1/3")], ["503", "200"]);
    let mut day = Day::new("3/1/2=200\nreset=100%");
    assert_eq!([day.tile("3/1/2"), day.tile("3/1/3")], ["200", "reset"]);
}

#[test]
fn a_wish_wins_over_scripts_but_not_over_limits() {
    let mut day = Day::new("script=503\noutage=5s..6s:hang");
    let wish = Fault::Reset;
    let asked = Asked { key: 1, tile: None, wish: Some(&wish) };
    assert_eq!(day.plan.decide(day.started, &asked).0.fault, Fault::Reset);
    assert_eq!(day.plan.decide(day.started + Duration::from_secs(5), &asked).0.fault, Fault::Hang);
}

#[test]
fn what_a_limit_turns_away_does_not_move_a_script_on() {
    let mut day = Day::new("script=reset,200\nrate=1/s\noutage=10s..11s:503");
    let fault = |decision: Decision| (decision.fault.to_string(), decision.cause);
    assert_eq!(fault(day.at(0, 1)), ("reset".to_owned(), None));
    assert_eq!(fault(day.at(0, 1)), ("429:1".to_owned(), Some("rate")));
    assert_eq!(fault(day.at(10_000, 2)), ("503".to_owned(), Some("outage")));
    assert_eq!(fault(day.at(11_000, 2)), ("reset".to_owned(), None));
    assert_eq!(fault(day.at(12_000, 2)), ("200".to_owned(), None));
}

#[test]
fn a_rate_limit_tells_the_quota_in_the_form_that_was_asked_for() {
    let mut day = Day::new("rate=1/10s,headers=draft,retry-after=date");
    let first = day.at(0, 1);
    assert_eq!(first.fields, "RateLimit-Policy: \"default\";q=1;w=10\r\nRateLimit: \"default\";r=0;t=10\r\n");
    assert_eq!(day.at(500, 1).fault.to_string(), "429:date+11", "9.5 s, rounded up, and one for the rounded date");
    let mut day = Day::new("rate=1/10s,headers=legacy,retry-after=none");
    day.at(0, 1);
    let second = day.at(0, 1);
    assert_eq!(second.fields, "X-RateLimit-Limit: 1\r\nX-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 10\r\n");
    assert_eq!(second.fault.to_string(), "429");
}

#[test]
fn work_in_the_pool_and_latency_add_up() {
    let mut day = Day::new("pool=1,service=100ms,queue=1\nlatency=5ms");
    let waits: Vec<_> = (0..3).map(|key| day.at(0, key).wait.as_millis()).collect();
    assert_eq!(waits, [105, 205, 0]);
    let turned_away = day.at(0, 4);
    assert_eq!((turned_away.fault.to_string().as_str(), turned_away.cause), ("503", Some("pool")));
}

#[test]
fn outages_begin_and_end_on_time() {
    let mut day = Day::new("outage=5s..10s:refuse\noutage=20s..21s:reset");
    let at = |seconds| day.started + Duration::from_secs(seconds);
    let refusing = [0, 5, 9, 10, 20].map(|seconds| day.plan.is_refusing(at(seconds)));
    assert_eq!(refusing, [false, true, true, false, false]);
    let changes = [0, 5, 10, 20, 21].map(|seconds| day.plan.next_change(at(seconds)).map(|span| span.as_secs()));
    assert_eq!(changes, [Some(5), Some(5), Some(10), Some(1), None]);
    assert_eq!(day.at(20_500, 1).fault, Fault::Reset);
}

#[test]
fn a_bandwidth_becomes_a_pace_that_a_drip_overrides() {
    let mut day = Day::new("bandwidth=100KiB/s\n3/1/2=drip:16/10ms");
    assert_eq!(day.at(0, 1).pace, Some(Pace { bytes: 1_024, pause: Duration::from_millis(10) }));
    assert_eq!(Day::new("bandwidth=4/s").at(0, 1).pace, Some(Pace { bytes: 1, pause: Duration::from_millis(250) }));
    let tile: TileId = "3/1/2".parse().expect("a tile");
    let asked = Asked { key: tile_bits(tile), tile: Some(tile), wish: None };
    let pace = day.plan.decide(day.started, &asked).0.pace;
    assert_eq!(pace, Some(Pace { bytes: 16, pause: Duration::from_millis(10) }));
}
