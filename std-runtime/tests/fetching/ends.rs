//! How a run ends before it is through: out of time, asked to stop, dropped, or with a panic.

use std::{
    future::{pending, ready},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tidegate::{
    fetch::{Fault, TileOutcome},
    stop::Extent,
    transport::TransportError,
};
use tidegate_core::{Instant, drive::Clock};

use crate::support::{after, column, letters, sleep, status, tile, tiles, world};

#[test]
fn at_the_end_of_its_time_a_run_returns_what_is_done_and_what_is_not() {
    let world = world(2, |clock| {
        move |_: &_| {
            let wait = sleep(&clock, 1_000);
            async {
                wait.await;
                tile()
            }
        }
    });
    let deadline = after(&world.clock, 3_500);
    let reports = world.run(world.fetcher.fetch_all(world.executor(), &tiles(20), deadline));
    assert_eq!(letters(&reports), "ffffff--------------", "two each second");
    assert_eq!(world.clock.now(), deadline, "and not a moment longer");
    let cut_off = reports[6..].iter().filter(|report| report.attempts.len() == 1).count();
    assert_eq!(cut_off, 2, "those in flight");
    assert_eq!(world.fetcher.upstream().status().in_flight, 0);
}

#[test]
fn a_tile_that_would_have_been_tried_again_is_unfinished_and_not_failed() {
    let world = world(1, |_| |_: &_| ready(status(503)));
    // The second attempt is due after 1 s, the third 2 s later.
    let report = world.run(world.fetcher.fetch(tiles(1)[0], after(&world.clock, 2_500)));
    assert!(matches!(report.outcome, TileOutcome::Cancelled), "{report:?}");
    assert_eq!(report.attempts.len(), 2);
}

#[test]
fn draining_finishes_what_has_begun_and_begins_nothing() {
    let world = world(3, |clock| {
        move |request: &_| {
            let (wait, column) = (sleep(&clock, 1_000), column(request));
            async move {
                wait.await;
                // The second of them would be tried again.
                if column == 1 { status(500) } else { tile() }
            }
        }
    });
    let stop = async {
        sleep(&world.clock, 500).await;
        world.fetcher.stop().ask(Extent::Drain);
    };
    let tiles = tiles(10);
    let work = world.fetcher.fetch_all(world.executor(), &tiles, Instant::MAX);
    let (reports, ()) = world.run(smol::future::zip(work, stop));
    assert_eq!(letters(&reports), "f-f-------");
    assert_eq!(world.clock.elapsed(), Duration::from_secs(1), "no backoff is waited for");
}

#[test]
fn aborting_cuts_off_what_is_in_flight() {
    let world = world(3, |_| |_: &_| pending());
    let stop = async {
        sleep(&world.clock, 500).await;
        world.fetcher.stop().ask(Extent::Abort);
    };
    let tiles = tiles(10);
    let work = world.fetcher.fetch_all(world.executor(), &tiles, Instant::MAX);
    let (reports, ()) = world.run(smol::future::zip(work, stop));
    assert_eq!(letters(&reports), "-".repeat(10));
    let cut_off =
        reports.iter().flat_map(|report| &report.attempts).filter(|attempt| attempt.fault == Some(Fault::CutOff));
    assert_eq!(cut_off.count(), 3);
    assert_eq!(world.clock.elapsed(), Duration::from_millis(500));
    assert_eq!(world.fetcher.upstream().status().in_flight, 0);
}

/// Counts how many of it are alive.
struct Alive(Arc<AtomicU32>);

impl Alive {
    fn born(count: &Arc<AtomicU32>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[test]
fn dropping_a_stream_takes_its_requests_back() {
    let count = Arc::new(AtomicU32::new(0));
    let alive = Arc::clone(&count);
    let world = world(3, |clock| {
        move |_: &_| {
            let (alive, wait) = (Alive::born(&alive), sleep(&clock, 1_000));
            async move {
                wait.await;
                drop(alive);
                tile()
            }
        }
    });
    let stream = world.fetcher.stream(world.executor(), tiles(10).into_iter(), Instant::MAX);
    world.run(sleep(&world.clock, 500));
    assert_eq!((count.load(Ordering::Relaxed), world.fetcher.upstream().status().in_flight), (3, 3));
    drop(stream);
    world.settle();
    assert_eq!((count.load(Ordering::Relaxed), world.fetcher.upstream().status().in_flight), (0, 0));
    assert_eq!(world.fetcher.transport().requests().len(), 3, "nothing was begun after that");
    // The places are free again: another stream uses them all.
    let reports = world.run(world.fetcher.fetch_all(world.executor(), &tiles(6), Instant::MAX));
    assert_eq!(letters(&reports), "f".repeat(6));
}

#[test]
fn a_transport_that_panics_costs_one_attempt_and_no_permit() {
    let asked = AtomicU32::new(0);
    let world = world(2, |_| {
        move |request: &_| {
            let first = asked.fetch_add(1, Ordering::Relaxed) == 0;
            let column = column(request);
            async move {
                assert!(!first && column != 4, "the test's transport panics here");
                tile()
            }
        }
    });
    let reports = world.run(world.fetcher.fetch_all(world.executor(), &tiles(8), Instant::MAX));
    assert_eq!(letters(&reports), "ffff!fff");
    let faults: Vec<_> = reports[0].attempts.iter().map(|attempt| attempt.fault).collect();
    assert_eq!(faults, [Some(Fault::Transport(TransportError::Panicked)), None]);
    assert_eq!(world.fetcher.upstream().status().in_flight, 0);
}
