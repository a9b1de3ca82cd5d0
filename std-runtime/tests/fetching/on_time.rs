//! Tiles that are begun at their own time, whatever the server does.

use std::{future::ready, time::Duration};

use tidegate::{fetch::TileReport, stop::Extent};
use tidegate_core::Instant;

use crate::support::{World, after, letters, sleep, status, tile, tiles, world};

/// One every 100 ms, the first at once.
fn schedule<F>(world: &World<F>, count: u32) -> Vec<(Instant, tidegate_core::TileId)> {
    (0..).zip(tiles(count)).map(|(n, tile)| (after(&world.clock, 100 * n), tile)).collect()
}

fn millis(span: Duration) -> u128 {
    span.as_millis()
}

/// All reports in the order of the schedule, and how many were not sent.
fn run<F, A>(world: &World<F>, count: u32) -> (Vec<TileReport>, u64)
where
    F: Fn(&tidegate::transport::Request) -> A + Send + Sync + 'static,
    A: Future<Output = crate::support::Answer> + Send + 'static,
{
    let due = schedule(world, count);
    let mut stream = world.fetcher.stream_on_time(world.executor(), due.into_iter(), Instant::MAX);
    let (mut reports, not_sent) = world.run(async {
        let mut reports = Vec::new();
        while let Some(report) = stream.next().await {
            reports.push(report);
        }
        (reports, stream.not_sent())
    });
    reports.sort_by_key(|report| report.id.index);
    (reports, not_sent)
}

#[test]
fn a_server_that_keeps_up_is_asked_on_time_and_nobody_waits() {
    let world = world(1, |clock| {
        move |_: &_| {
            let wait = sleep(&clock, 50);
            async {
                wait.await;
                tile()
            }
        }
    });
    let (reports, not_sent) = run(&world, 10);
    assert_eq!((letters(&reports), not_sent), ("f".repeat(10), 0));
    assert!(reports.iter().all(|report| millis(report.since_due()) == 50 && report.since_due() == report.latency));
    assert_eq!(millis(world.clock.elapsed()), 950, "nine gaps of 100 ms, and the last answer");
}

#[test]
fn a_server_that_stalls_is_asked_on_and_the_wait_counts_from_when_each_was_due() {
    // It takes 150 ms for what comes every 100 ms, one at a time: each waits 50 ms longer than the one before.
    let world = world(1, |clock| {
        move |_: &_| {
            let wait = sleep(&clock, 150);
            async {
                wait.await;
                tile()
            }
        }
    });
    let (reports, not_sent) = run(&world, 5);
    assert_eq!((letters(&reports), not_sent), ("f".repeat(5), 0));
    assert_eq!(reports.iter().map(|report| millis(report.latency)).collect::<Vec<_>>(), [150; 5], "uncorrected");
    let since_due: Vec<u128> = reports.iter().map(|report| millis(report.since_due())).collect();
    assert_eq!(since_due, [150, 200, 250, 300, 350]);
    assert!(reports.iter().all(|report| report.late.is_zero()), "begun on time, and waiting for the gate");
}

#[test]
fn what_is_due_when_as_many_as_allowed_are_alive_is_counted_and_not_sent() {
    // One in flight, so four alive; each takes a second. The first is over at 1,000 ms, when the eleventh is due.
    let world = world(1, |clock| {
        move |_: &_| {
            let wait = sleep(&clock, 1_001);
            async {
                wait.await;
                tile()
            }
        }
    });
    assert_eq!(world.fetcher.alive_max(), 4);
    let (reports, not_sent) = run(&world, 12);
    let begun: Vec<u64> = reports.iter().map(|report| report.id.index).collect();
    assert_eq!(begun, [0, 1, 2, 3, 11], "the places of those that ended are taken again");
    assert_eq!(not_sent, 7);
    assert_eq!(world.fetcher.transport().requests().len(), 5);
}

#[test]
fn a_generator_that_was_held_up_sends_what_is_overdue_and_says_how_late_it_is() {
    let world = world(4, |_| |_: &_| ready(status(404)));
    let due = schedule(&world, 4);
    world.run(sleep(&world.clock, 250));
    let mut stream = world.fetcher.stream_on_time(world.executor(), due.into_iter(), Instant::MAX);
    let late = world.run(async {
        let mut late = Vec::new();
        while let Some(report) = stream.next().await {
            assert_eq!(report.since_due(), report.late, "the answer took no time");
            late.push((report.id.index, millis(report.late)));
        }
        late.sort_unstable();
        late
    });
    assert_eq!(late, [(0, 250), (1, 150), (2, 50), (3, 0)]);
}

#[test]
fn nothing_is_begun_after_the_deadline_however_far_away_the_next_one_is() {
    let world = world(1, |_| |_: &_| ready(tile()));
    let tiles = tiles(2);
    let due = [(Instant::ORIGIN, tiles[0]), (after(&world.clock, 3_600_000), tiles[1])];
    let deadline = after(&world.clock, 500);
    let mut stream = world.fetcher.stream_on_time(world.executor(), due.into_iter(), deadline);
    let ended = world.run(async { (stream.next().await.is_some(), stream.next().await.is_none()) });
    assert_eq!(ended, (true, true));
    assert_eq!((stream.begun(), stream.not_sent(), millis(world.clock.elapsed())), (1, 0, 500));
}

#[test]
fn a_stop_ends_the_schedule() {
    let world = world(1, |_| |_: &_| ready(tile()));
    let due = schedule(&world, 100);
    let mut stream = world.fetcher.stream_on_time(world.executor(), due.into_iter(), Instant::MAX);
    let taken = world.run(async {
        let mut taken = 0;
        while let Some(_report) = stream.next().await {
            taken += 1;
            if taken == 3 {
                world.fetcher.stop().ask(Extent::Drain);
            }
        }
        taken
    });
    assert_eq!((taken, stream.begun()), (3, 3));
}
