//! Hedges, on virtual time: what they cost, what they save, and that they take nothing away.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use tidegate::{
    fetch::{Attempt, Fault, HEDGE_SAMPLES_MIN, TileOutcome, TileReport},
    ledger::Ledger,
    testing::{Rig, RigConfig},
    transport::{Request, Response, TransportError, scripted::answer},
};
use tidegate_core::{
    CallConfig, GateConfig, RateControl, TileId, budget::RetryBudgetConfig, drive::Clock, limit::LimitConfig,
};
use tidegate_store::sources::Healthiest;

type Answer = Pin<Box<dyn Future<Output = Result<Response, TransportError>> + Send>>;

/// A fetcher of a.test with b.test beside it, whose attempts are hedged.
struct World<F>(Rig<F>);

/// How long a source takes for a tile of this number, in milliseconds, and the status that it then answers with.
type Script = fn(host: &str, number: u32) -> (u64, u16);

fn world(
    budget: Option<RetryBudgetConfig>,
    script: Script,
) -> World<impl Fn(&Request) -> Answer + Send + Sync + 'static> {
    let gate = GateConfig { limit: LimitConfig::fixed(8), rate: RateControl::Unlimited, budget, ..GateConfig::DEFAULT };
    let config = RigConfig {
        gate,
        call: CallConfig { attempts: 2, ..CallConfig::DEFAULT },
        choice: Arc::new(Healthiest::of(2)),
        hedge: true,
        ..RigConfig::of_hosts(["a.test", "b.test"])
    };
    let rig = Rig::new(config, |time| {
        move |request: &Request| -> Answer {
            let mut parts = request.url.trim_start_matches("http://").split(['.', '/']);
            let host = parts.next().unwrap_or_default().to_owned();
            let number = request.url.rsplit('/').nth(1).and_then(|x| x.parse().ok()).expect("a column");
            let (millis, status) = script(&host, number);
            let until = time.now().saturating_add(Duration::from_millis(millis));
            let sleep = time.sleep_until(until);
            Box::pin(async move {
                sleep.await;
                Ok(answer(status, &[], if status == 200 { PNG } else { b"" }))
            })
        }
    });
    World(rig.expect("the settings are valid"))
}

const PNG: &[u8] = include_bytes!("../../tests/data/tiles/rgba.png");

impl<F: Fn(&Request) -> Answer + Send + Sync + 'static> World<F> {
    /// Fetches the tiles of these numbers, one after the other.
    fn fetch(&self, numbers: std::ops::Range<u32>) -> Vec<TileReport> {
        let one = |number| {
            let tile = TileId::new(12, number, 0).expect("zoom 12 has 4096 columns");
            self.0.fetch(tile).expect("it comes to an end")
        };
        let reports = numbers.map(one).collect();
        for upstream in self.0.fetcher.upstreams() {
            assert_eq!(upstream.status().in_flight, 0, "no place at a gate is lost");
        }
        reports
    }

    fn asked(&self) -> usize {
        self.0.requests().len()
    }
}

/// Sources and what went wrong, hedges marked.
fn attempts(report: &TileReport) -> Vec<(usize, Option<Fault>, bool)> {
    report.attempts.iter().map(|Attempt { source, fault, hedge, .. }| (*source, *fault, *hedge)).collect()
}

const KNOWN: u32 = HEDGE_SAMPLES_MIN as u32;

#[test]
fn a_slow_attempt_is_overtaken_by_its_hedge_and_settled_as_cancelled() {
    let world = world(None, |host, number| match (host, number) {
        ("a", KNOWN) => (5_000, 200),
        _ => (20, 200),
    });
    world.fetch(0..KNOWN);
    let began = world.0.clock.now();
    let reports = world.fetch(KNOWN..KNOWN + 1);
    assert!(matches!(reports[0].outcome, TileOutcome::Fetched(_)));
    assert_eq!(attempts(&reports[0]), [(0, Some(Fault::Overtaken), false), (1, None, true)]);
    let took = world.0.clock.now().saturating_since(began).as_millis();
    assert!((40..=43).contains(&took), "p95 of 20 ms, which is told within an eighth, and 20 ms: {took} ms");
    assert_eq!(world.asked(), KNOWN as usize + 2);
}

#[test]
fn while_too_little_is_known_nothing_is_hedged() {
    let world = world(None, |host, number| match (host, number) {
        ("a", n) if n == KNOWN - 1 => (5_000, 200),
        _ => (20, 200),
    });
    let reports = world.fetch(0..KNOWN);
    assert!(reports.iter().all(|report| report.attempts.len() == 1));
}

#[test]
fn a_hedge_that_fails_leaves_the_attempt_its_whole_time() {
    let world = world(None, |host, number| match (host, number) {
        ("a", KNOWN) => (9_900, 200),
        ("b", _) => (20, 503),
        _ => (20, 200),
    });
    world.fetch(0..KNOWN);
    let reports = world.fetch(KNOWN..KNOWN + 1);
    assert!(matches!(reports[0].outcome, TileOutcome::Fetched(_)), "{reports:?}");
    assert_eq!(attempts(&reports[0]), [(0, None, false), (1, Some(Fault::Status(503)), true)]);
    assert_eq!(reports[0].attempts[0].latency, Duration::from_millis(9_900));
}

#[test]
fn an_attempt_that_answers_after_all_is_the_one_that_counts() {
    let world = world(None, |host, number| match (host, number) {
        ("a", KNOWN) => (100, 200),
        ("b", _) => (5_000, 200),
        _ => (20, 200),
    });
    world.fetch(0..KNOWN);
    let reports = world.fetch(KNOWN..KNOWN + 1);
    assert_eq!(attempts(&reports[0]), [(0, None, false), (1, Some(Fault::Overtaken), true)]);
    let hedged = reports[0].attempts[1].latency.as_millis();
    assert!((77..=80).contains(&hedged), "begun after p95 and dropped at once: {hedged} ms");
}

#[test]
fn an_attempt_that_fails_is_saved_by_its_hedge_and_is_a_failure_all_the_same() {
    let world = world(None, |host, number| match (host, number) {
        ("a", KNOWN) => (100, 503),
        ("b", _) => (500, 200),
        _ => (20, 200),
    });
    world.fetch(0..KNOWN);
    let reports = world.fetch(KNOWN..KNOWN + 1);
    assert!(matches!(reports[0].outcome, TileOutcome::Fetched(_)));
    assert_eq!(attempts(&reports[0]), [(0, Some(Fault::Status(503)), false), (1, None, true)]);
}

#[test]
fn that_there_is_nothing_is_an_answer_of_a_hedge_too() {
    let world = world(None, |host, number| match (host, number) {
        ("a", KNOWN) => (5_000, 200),
        ("b", _) => (20, 404),
        _ => (20, 200),
    });
    world.fetch(0..KNOWN);
    let reports = world.fetch(KNOWN..KNOWN + 1);
    assert!(matches!(reports[0].outcome, TileOutcome::Empty), "{reports:?}");
    assert_eq!(attempts(&reports[0]), [(0, Some(Fault::Overtaken), false), (1, None, true)]);
}

#[test]
fn where_both_hang_both_are_in_the_books_and_the_tile_is_tried_again() {
    let world = world(None, |_, number| if number == KNOWN { (60_000, 200) } else { (20, 200) });
    world.fetch(0..KNOWN);
    let reports = world.fetch(KNOWN..KNOWN + 1);
    assert!(
        matches!(reports[0].outcome, TileOutcome::Failed(failure) if failure.last == Some(Fault::Timeout)),
        "{reports:?}"
    );
    assert_eq!(reports[0].tries(), 2, "a hedge uses up no attempt");
    assert_eq!(reports[0].attempts.len(), world.asked() - KNOWN as usize);
    let hedges = reports[0].attempts.iter().filter(|attempt| attempt.hedge);
    assert!(hedges.clone().count() >= 1 && hedges.clone().all(|hedge| hedge.fault == Some(Fault::CutOff)));
}

#[test]
fn an_empty_budget_means_no_hedge_and_nothing_else() {
    let hour = Duration::from_secs(3_600);
    let one = RetryBudgetConfig { retries: 0, reserve: 1, reserve_refill: hour, ..RetryBudgetConfig::DEFAULT };
    let world = world(Some(one), |host, number| match (host, number) {
        ("a", number) if number >= KNOWN => (2_000, 200),
        ("b", _) => (9_000, 200),
        _ => (20, 200),
    });
    world.fetch(0..KNOWN);
    let reports = world.fetch(KNOWN..KNOWN + 3);
    assert!(reports.iter().all(|report| matches!(report.outcome, TileOutcome::Fetched(_))), "{reports:?}");
    let hedged: Vec<usize> = reports.iter().map(|report| report.attempts.len() - 1).collect();
    assert_eq!(hedged, [1, 0, 0], "the budget holds one");
}

#[test]
fn one_slow_answer_in_fifty_is_hedged_and_no_more_than_one_in_twenty_is_asked_twice() {
    let slow = |host: &str, number: u32| if host == "a" && number % 50 == 49 { (3_000, 200) } else { (20, 200) };
    let world = world(None, slow);
    let reports = world.fetch(0..1_000);
    let mut ledger = Ledger::default();
    ledger.request(1_000);
    reports.iter().for_each(|report| ledger.record(report));
    assert_eq!((ledger.balance(), ledger.fetched, ledger.retries), (Ok(()), 1_000, 0));
    assert_eq!(ledger.attempts as usize, world.asked(), "every request is in the books");
    assert_eq!((ledger.hedges, ledger.hedges_won), (20, 20));
    assert!(ledger.faults_by_kind.is_empty(), "being overtaken is no fault: {:?}", ledger.faults_by_kind);
    let longest = reports.iter().map(|report| report.latency).max().expect("a thousand");
    assert!(longest < Duration::from_millis(50), "{longest:?}");
}

#[test]
fn a_source_that_has_become_slow_is_not_hedged_for_ever() {
    // All of it takes ten times as long from the hundredth on: that is how long it takes now.
    let world = world(None, |host, number| if host == "a" && number >= 100 { (200, 200) } else { (20, 200) });
    let hedges = |reports: &[TileReport]| reports.iter().filter(|report| report.attempts.len() > 1).count();
    assert_eq!(hedges(&world.fetch(0..100)), 0);
    let at_first = hedges(&world.fetch(100..150));
    let later = hedges(&world.fetch(150..1_150));
    assert!(at_first < 50, "{at_first} of the first 50");
    assert!(later <= 60, "{later} of the next thousand");
}
