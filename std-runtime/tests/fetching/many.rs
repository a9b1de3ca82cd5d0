//! One tile, many in order, batches, and a stream that holds back.

use std::{collections::HashSet, future::ready};

use tidegate::{fetch::TileOutcome, ledger::Ledger};
use tidegate_core::Instant;

use crate::support::{column, letters, sleep, status, tile, tiles, world};

#[test]
fn one_tile_is_fetched_checked_and_accounted_for() {
    let world = world(1, |clock| {
        move |_: &_| {
            let wait = sleep(&clock, 250);
            async {
                wait.await;
                tile()
            }
        }
    });
    let report = world.run(world.fetcher.fetch(tiles(1)[0], Instant::MAX));
    assert!(matches!(&report.outcome, TileOutcome::Fetched(fetched) if !fetched.body.is_empty()), "{report:?}");
    assert_eq!((report.latency.as_millis(), report.queue_wait.as_millis()), (250, 0));
    assert_eq!(report.attempts.len(), 1);
}

#[test]
fn reports_come_in_the_order_asked_for_whatever_the_order_of_arrival() {
    // The later it was asked for, the sooner it is there.
    let world = world(10, |clock| {
        move |request: &_| {
            let wait = sleep(&clock, 1_000 - 10 * column(request));
            async {
                wait.await;
                tile()
            }
        }
    });
    let tiles = tiles(40);
    let reports = world.run(world.fetcher.fetch_all(world.executor(), &tiles, Instant::MAX));
    assert_eq!(reports.iter().map(|report| report.tile).collect::<Vec<_>>(), tiles);
    assert_eq!(letters(&reports), "f".repeat(40));
}

#[test]
fn in_a_batch_a_failure_costs_only_itself() {
    let world = world(4, |_| {
        |request: &_| {
            ready(match column(request) {
                3 => status(500),
                5 => status(404),
                7 => status(400),
                _ => tile(),
            })
        }
    });
    let mut batches = Vec::new();
    let done = |reports: Vec<_>| batches.push(letters(&reports));
    world.run(world.fetcher.fetch_batches(world.executor(), &tiles(12), 5, Instant::MAX, done));
    assert_eq!(batches, ["fff!f", "ef!ff", "ff"]);
    // Twelve tiles, and two more attempts for the one that could have been better.
    assert_eq!(world.fetcher.transport().requests().len(), 12 + 2);
}

#[test]
fn a_stream_holds_no_more_bodies_than_may_be_in_flight() {
    let world = world(4, |_| |_: &_| ready(tile()));
    let mut stream = world.fetcher.stream(world.executor(), tiles(100).into_iter(), Instant::MAX);
    world.settle();
    let asked = || world.fetcher.transport().requests().len();
    assert_eq!(asked(), 4, "nobody takes them, so no more are asked for");
    for taken in 1..=3 {
        let _report = world.run(stream.next()).expect("a report");
        world.settle();
        assert_eq!(asked(), 4 + taken, "each one taken makes room for one");
    }
    let mut rest = 0;
    while world.run(stream.next()).is_some() {
        rest += 1;
    }
    assert_eq!((rest, asked()), (97, 100));
}

#[test]
fn tiles_are_taken_from_their_list_as_they_are_needed() {
    let world = world(2, |_| |_: &_| ready(tile()));
    let endless = (0..).map_while(|x| tidegate_core::TileId::new(22, x, 0).ok());
    let mut stream = world.fetcher.stream(world.executor(), endless, Instant::MAX);
    for _ in 0..10 {
        assert!(world.run(stream.next()).is_some());
    }
    assert!(stream.begun() <= 10 + 2 * tidegate::fetch::ALIVE_PER_SLOT as u64, "{} were begun", stream.begun());
}

#[test]
fn attempts_have_names_that_never_come_twice() {
    let world = world(4, |_| |_: &_| ready(status(503)));
    let tiles = tiles(5);
    world.run(async {
        for _ in 0..3 {
            world.fetcher.fetch_all(world.executor(), &tiles, Instant::MAX).await;
            world.fetcher.fetch(tiles[0], Instant::MAX).await;
        }
    });
    let requests = world.fetcher.transport().requests();
    let name = |request: &tidegate::transport::Request| {
        request.headers.iter().find(|(name, _)| *name == "x-correlation-id").map(|(_, id)| id.clone())
    };
    let names: HashSet<_> = requests.iter().map(|request| name(request).expect("it was asked for")).collect();
    assert_eq!((requests.len(), names.len()), (3 * 6 * 3, 3 * 6 * 3));
}

#[test]
fn the_ledger_balances_over_every_outcome() {
    let world = world(4, |_| {
        |request: &_| ready([tile(), status(204), status(502), status(403)][column(request) as usize % 4].clone())
    });
    let deadline = Instant::MAX;
    let reports = world.run(world.fetcher.fetch_all(world.executor(), &tiles(40), deadline));
    let mut ledger = Ledger::default();
    ledger.request(40);
    reports.iter().for_each(|report| ledger.record(report));
    assert_eq!(ledger.balance(), Ok(()));
    assert_eq!(ledger.attempts as usize, world.fetcher.transport().requests().len());
    ledger.request(1);
    let said = ledger.balance().expect_err("one is missing").to_string();
    assert!(said.contains("41 tiles requested, 40 accounted for"), "{said}");
}
