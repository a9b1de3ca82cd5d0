//! Long stories, on virtual time.

use std::time::Duration;

use tidegate::{
    config::Preset,
    transport::{Request, scripted::answer},
};
use tidegate_core::{Instant, drive::Clock};

use crate::support::{letters, sleep, tile, tiles, world_of};

/// A server of 20 ms is down for two minutes, ten seconds after the start. Tiles are taken one every 50 ms, so that this
/// comes in the middle. What became of them, after how long, and at the cost of how many requests.
fn through_the_outage() -> (String, Duration, usize) {
    let world = world_of(Preset::Bulk.gate(), Preset::Bulk.call(), |clock| {
        move |_: &Request| {
            let (wait, seconds) = (sleep(&clock, 20), clock.elapsed().as_secs());
            let down = (10..130).contains(&seconds);
            async move {
                wait.await;
                if down { Ok(answer(503, &[], b"")) } else { tile() }
            }
        }
    });
    let mut reports = Vec::new();
    let mut stream = world.fetcher.stream(world.executor(), tiles(256).into_iter().cycle().take(1_000), Instant::MAX);
    world.run(async {
        while let Some(report) = stream.next().await {
            reports.push(report);
            sleep(&world.clock, 50).await;
        }
    });
    (letters(&reports), world.clock.elapsed(), world.fetcher.transport().requests().len())
}

#[test]
fn an_outage_costs_its_time_and_few_requests_and_no_tile() {
    let (letters, elapsed, requests) = through_the_outage();
    assert_eq!(letters, "f".repeat(1_000));
    assert!((130..400).contains(&elapsed.as_secs()), "{elapsed:?}");
    let extra = requests - 1_000;
    assert!((1..200).contains(&extra), "{extra} requests were made in vain");
}

#[test]
fn the_same_story_goes_the_same_way_each_time() {
    assert_eq!(through_the_outage(), through_the_outage());
}

#[test]
fn nobody_asks_before_the_time_that_the_server_named() {
    // Full for the first minute, and says so.
    let world = world_of(Preset::Bulk.gate(), Preset::Bulk.call(), |clock| {
        move |_: &Request| {
            let left = Duration::from_secs(60).saturating_sub(clock.elapsed()).as_secs().to_string();
            std::future::ready(match left.as_str() {
                "0" => tile(),
                left => Ok(answer(429, &[("retry-after", left)], b"")),
            })
        }
    });
    let started = world.clock.now();
    let reports = world.run(world.fetcher.fetch_all(world.executor(), &tiles(200), Instant::MAX));
    assert_eq!(letters(&reports), "f".repeat(200));
    let early = world.fetcher.transport().requests().len() - 200;
    assert!(early <= 50, "{early} asked in vain, at most as many as were in flight");
    assert!(world.clock.now().saturating_since(started) >= Duration::from_secs(60));
}
