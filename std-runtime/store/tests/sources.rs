//! Several sources, on virtual time: what is down costs its own requests and no tile.

use std::{
    future::{Future, ready},
    sync::Arc,
    time::Duration,
};

use tidegate::{
    config::Preset,
    fetch::{TileOutcome, TileReport},
    testing::{Rig, RigConfig, VirtualClock},
    transport::{Request, Response, TransportError, scripted::answer},
};
use tidegate_core::{Instant, TileId, breaker::BreakerState, drive::Clock};
use tidegate_store::sources::Healthiest;

type Answer = Result<Response, TransportError>;

/// Fetches so many tiles of zoom 8, asked for one every 20 ms, from a.test with b.test as its mirror.
fn fetch<F, A>(count: u32, server: impl FnOnce(VirtualClock) -> F) -> Story
where
    F: Fn(&Request) -> A + Send + Sync + 'static,
    A: Future<Output = Answer> + Send,
{
    let config = RigConfig {
        gate: Preset::Bulk.gate(),
        call: Preset::Bulk.call(),
        choice: Arc::new(Healthiest::of(2)),
        ..RigConfig::of_hosts(["a.test", "b.test"])
    };
    let rig = Rig::new(config, server).expect("the preset is valid");
    let tiles = (0..count).map(|index| TileId::new(8, index % 256, index / 256).expect("within zoom 8"));
    let mut reports = Vec::new();
    let mut stream = rig.fetcher.stream(rig.executor(), tiles, Instant::MAX);
    let work = async {
        while let Some(report) = stream.next().await {
            reports.push(report);
            rig.clock.sleep_until(rig.clock.now().saturating_add(Duration::from_millis(20))).await;
        }
    };
    rig.run(work).expect("it comes to an end");
    let asked = |host| rig.requests().iter().filter(|request| is_for(request, host)).count();
    let closed =
        rig.fetcher.upstreams().map(|gate| matches!(gate.status().breaker, BreakerState::Closed { .. })).collect();
    Story { reports, asked: [asked("a"), asked("b")], closed, elapsed: rig.clock.elapsed() }
}

struct Story {
    reports: Vec<TileReport>,
    asked: [usize; 2],
    closed: Vec<bool>,
    elapsed: Duration,
}

impl Story {
    fn fetched(&self) -> usize {
        self.reports.iter().filter(|report| matches!(report.outcome, TileOutcome::Fetched(_))).count()
    }
}

fn is_for(request: &Request, host: &str) -> bool {
    request.url.starts_with(&format!("http://{host}."))
}

fn tile() -> Answer {
    Ok(answer(200, &[("content-type", "image/png")], include_bytes!("../../tests/data/tiles/rgba.png")))
}

#[test]
fn the_first_source_gets_all_that_it_can_take_and_its_mirror_the_rest() {
    let story = fetch(500, |_| |_: &Request| ready(tile()));
    let [first, second] = story.asked;
    assert_eq!((story.fetched(), first + second), (500, 500));
    assert!((1..100).contains(&second), "{second} while the first one's rate had to be found");
}

#[test]
fn a_source_that_is_down_is_left_within_a_few_requests() {
    let story = fetch(1_000, |_| {
        |request: &Request| ready(if is_for(request, "a") { Ok(answer(503, &[], b"")) } else { tile() })
    });
    assert_eq!((story.fetched(), story.asked[1]), (1_000, 1_000));
    assert!((10..80).contains(&story.asked[0]), "{} asked in vain, probes among them", story.asked[0]);
    assert_eq!(story.closed, [false, true]);
    assert!(story.elapsed < Duration::from_secs(30), "nobody waits for its breaker: {:?}", story.elapsed);
}

#[test]
fn a_source_that_comes_back_is_found_by_its_probes() {
    let story = fetch(3_000, |clock| {
        move |request: &Request| {
            let is_down = is_for(request, "a") && clock.elapsed() < Duration::from_secs(15);
            ready(if is_down { Ok(answer(503, &[], b"")) } else { tile() })
        }
    });
    assert_eq!(story.fetched(), 3_000);
    assert!(story.asked[0] > 300, "it works again, and was named first: {:?}", story.asked);
    assert_eq!(story.closed, [true, true]);
}

#[test]
fn a_source_that_refuses_access_costs_no_tile() {
    let story = fetch(200, |_| {
        |request: &Request| ready(if is_for(request, "a") { Ok(answer(403, &[], b"")) } else { tile() })
    });
    assert_eq!((story.fetched(), story.asked[1]), (200, 200));
    assert!(story.asked[0] <= 50, "three in a row, beside what was in flight: {}", story.asked[0]);
}

#[test]
fn a_pause_that_one_source_asks_for_is_spent_at_the_other() {
    let story = fetch(200, |_| {
        |request: &Request| {
            ready(if is_for(request, "a") { Ok(answer(429, &[("retry-after", "600")], b"")) } else { tile() })
        }
    });
    assert_eq!((story.fetched(), story.asked[1]), (200, 200));
    assert!(story.elapsed < Duration::from_secs(30), "{:?}", story.elapsed);
}

#[test]
fn with_all_sources_down_a_tile_is_tried_as_often_as_with_one() {
    let story = fetch(3, |_| |_: &Request| ready(Ok(answer(403, &[], b""))));
    assert_eq!(story.fetched(), 0);
    assert!(story.reports.iter().all(|report| report.attempts.len() == 2), "each refused once: {:?}", story.reports);
}
