//! The cache in front of a fetcher, on virtual time: what is asked, what is answered from before, and how far down it goes.

use std::{
    future::{Future, ready},
    sync::Arc,
    time::{Duration, SystemTime},
};

use tidegate::{
    fetch::{Cache, CacheMode, Caching, Degrade, Fault, Part, TileOutcome, TileReport, Validity},
    ledger::Ledger,
    testing::{Rig, RigConfig, VirtualClock},
    transport::{Request, Response, TransportError, scripted::answer},
};
use tidegate_core::{
    CallConfig, GateConfig, Instant, TileId,
    backoff::{BackoffConfig, Growth, Jitter},
    drive::Clock,
    limit::LimitConfig,
};
use tidegate_store::cache::{CacheConfig, TileCache};

type Answer = Result<Response, TransportError>;

/// A fetcher whose server is a closure, a cache in memory and a virtual clock: two attempts, a second apart.
struct World<F> {
    rig: Rig<F>,
    cache: Arc<TileCache>,
}

fn world<F, A>(mode: CacheMode, degrade: Degrade, server: impl FnOnce(VirtualClock) -> F) -> World<F>
where
    F: Fn(&Request) -> A + Send + Sync + 'static,
    A: Future<Output = Answer> + Send,
{
    let clock = VirtualClock::new();
    let cache = TileCache::in_memory(CacheConfig::DEFAULT, clock.now(), SystemTime::now());
    world_with(Arc::new(cache.expect("there is memory")), clock, mode, degrade, server)
}

fn world_with<F, A>(
    cache: Arc<TileCache>,
    clock: VirtualClock,
    mode: CacheMode,
    degrade: Degrade,
    server: impl FnOnce(VirtualClock) -> F,
) -> World<F>
where
    F: Fn(&Request) -> A + Send + Sync + 'static,
    A: Future<Output = Answer> + Send,
{
    let second = Duration::from_secs(1);
    let backoff = BackoffConfig { growth: Growth::Constant, base: second, cap: second, jitter: Jitter::None };
    let config = RigConfig {
        clock,
        templates: vec!["http://a.test/{z}/{x}/{y}.png?key=secret".to_owned()],
        gate: GateConfig { limit: LimitConfig::fixed(4), ..RigConfig::GATE },
        call: CallConfig { attempts: 2, backoff, ..CallConfig::DEFAULT },
        cache: Some(Caching { cache: Arc::clone(&cache) as _, mode, degrade }),
        send_correlation_id: true,
        ..RigConfig::default()
    };
    World { rig: Rig::new(config, server).expect("the settings are valid"), cache }
}

impl<F, A> World<F>
where
    F: Fn(&Request) -> A + Send + Sync + 'static,
    A: Future<Output = Answer> + Send,
{
    fn fetch(&self, tile: TileId) -> TileReport {
        self.rig.fetch(tile).expect("it comes to an end")
    }

    /// Fetches tiles as a stream, and what came of them.
    fn stream(&self, tiles: Vec<TileId>) -> (Vec<TileReport>, Ledger) {
        let mut ledger = Ledger::default();
        ledger.request(tiles.len() as u64);
        let mut reports = Vec::new();
        let mut stream = self.rig.fetcher.stream(self.rig.executor(), tiles.into_iter(), Instant::MAX);
        let work = async {
            while let Some(report) = stream.next().await {
                ledger.record(&report);
                reports.push(report);
            }
        };
        self.rig.run(work).expect("it comes to an end");
        ledger.balance().expect("the ledger balances");
        (reports, ledger)
    }

    fn wait(&self, seconds: u64) {
        self.rig.clock.advance(Duration::from_secs(seconds));
    }

    fn asked(&self) -> Vec<Request> {
        self.rig.requests()
    }
}

fn tile(zoom: u8, x: u32, y: u32) -> TileId {
    TileId::new(zoom, x, y).expect("within its zoom")
}

const PNG: &[u8] = include_bytes!("../../tests/data/tiles/rgba.png");

fn png(headers: &[(&str, &str)]) -> Answer {
    Ok(answer(200, headers, PNG))
}

fn status(status: u16) -> Answer {
    Ok(answer(status, &[], b""))
}

fn header<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    request.headers.iter().find(|(of, _)| *of == name).map(|(_, value)| value.as_str())
}

/// A tile that is good for a minute and has a version; whoever names that gets 304.
fn versioned(request: &Request) -> Answer {
    let headers =
        [("cache-control", "max-age=60"), ("etag", "\"v1\""), ("last-modified", "Wed, 15 Nov 2023 00:00:00 GMT")];
    match header(request, "if-none-match") {
        Some("\"v1\"") => Ok(answer(304, &headers, b"")),
        Some(_) | None => png(&headers),
    }
}

/// Works at first, and is down from the 10th second on.
fn down_later(clock: VirtualClock, cache_control: &'static str) -> impl Fn(&Request) -> std::future::Ready<Answer> {
    move |_: &Request| {
        let is_down = clock.elapsed() >= Duration::from_secs(10);
        ready(if is_down { status(503) } else { png(&[("cache-control", cache_control)]) })
    }
}

const A_DAY: Degrade = Degrade { stale: Some(Duration::from_secs(86_400)), parents: 0 };

#[test]
fn what_is_fresh_is_not_asked_for_and_takes_no_permit() {
    let world = world(CacheMode::Online, Degrade::DEFAULT, |_| |request: &Request| ready(versioned(request)));
    assert!(matches!(world.fetch(tile(3, 1, 1)).outcome, TileOutcome::Fetched(_)));
    world.wait(59);
    let report = world.fetch(tile(3, 1, 1));
    let TileOutcome::Revalidated { tile: kept, by: Validity::Fresh } = &report.outcome else { panic!("{report:?}") };
    assert_eq!(&*kept.body, PNG);
    assert_eq!((report.attempts.len(), report.saved.requests, report.saved.bytes), (0, 1, PNG.len() as u64));
    assert_eq!((world.asked().len(), world.rig.fetcher.upstream().status().in_flight_max), (1, 1));
}

#[test]
fn what_is_past_its_time_is_asked_about_and_good_for_as_long_again() {
    let world = world(CacheMode::Online, Degrade::DEFAULT, |_| |request: &Request| ready(versioned(request)));
    world.fetch(tile(3, 1, 1));
    world.wait(60);
    let report = world.fetch(tile(3, 1, 1));
    let TileOutcome::Revalidated { tile: kept, by: Validity::NotModified } = &report.outcome else {
        panic!("{report:?}")
    };
    assert_eq!(&*kept.body, PNG);
    assert_eq!((report.attempts.len(), report.saved.requests, report.saved.bytes), (1, 0, PNG.len() as u64));
    assert!(report.attempts.iter().all(|attempt| attempt.fault.is_none()), "304 is a success");
    let asked = world.asked();
    assert_eq!(header(&asked[1], "if-modified-since"), Some("Wed, 15 Nov 2023 00:00:00 GMT"));
    world.wait(59);
    world.fetch(tile(3, 1, 1));
    assert_eq!(world.asked().len(), 2, "the 304 has made it fresh");
}

#[test]
fn a_new_version_takes_the_place_of_the_old_one() {
    let world = world(CacheMode::Online, Degrade::DEFAULT, |clock| {
        move |request: &Request| {
            let version = if clock.elapsed() < Duration::from_secs(100) { "\"v1\"" } else { "\"v2\"" };
            let headers = [("cache-control", "max-age=60"), ("etag", version)];
            let has_it = header(request, "if-none-match") == Some(version);
            ready(if has_it { Ok(answer(304, &headers, b"")) } else { png(&headers) })
        }
    });
    world.fetch(tile(3, 1, 1));
    world.wait(200);
    assert!(matches!(world.fetch(tile(3, 1, 1)).outcome, TileOutcome::Fetched(_)));
    world.wait(60);
    assert!(matches!(world.fetch(tile(3, 1, 1)).outcome, TileOutcome::Revalidated { by: Validity::NotModified, .. }));
    let versions: Vec<_> =
        world.asked().iter().map(|request| header(request, "if-none-match").map(str::to_owned)).collect();
    assert_eq!(versions, [None, Some("\"v1\"".to_owned()), Some("\"v2\"".to_owned())]);
    assert_eq!(world.cache.stats().answers, 1);
}

#[test]
fn a_304_for_what_has_gone_in_the_meantime_is_asked_for_again_without_a_condition() {
    let clock = VirtualClock::new();
    let cache = TileCache::in_memory(CacheConfig::DEFAULT, clock.now(), SystemTime::now());
    let cache = Arc::new(cache.expect("there is memory"));
    let removed = Arc::clone(&cache);
    let world = world_with(cache, clock, CacheMode::Online, Degrade::DEFAULT, |clock| {
        move |request: &Request| {
            if header(request, "if-none-match").is_some() {
                // Another process makes room while the request is on its way.
                let request = Request::new(request.url.clone());
                let no_store = answer(200, &[("cache-control", "no-store")], b"");
                removed.keep(&tidegate::fetch::Exchange {
                    request: &request,
                    status: 200,
                    headers: &no_store.headers,
                    body: b"",
                    asked: clock.now(),
                    answered: clock.now(),
                });
            }
            ready(versioned(request))
        }
    });
    world.fetch(tile(3, 1, 1));
    world.wait(60);
    let report = world.fetch(tile(3, 1, 1));
    assert!(matches!(report.outcome, TileOutcome::Fetched(_)), "{report:?}");
    assert_eq!(
        report.attempts.iter().map(|attempt| attempt.fault).collect::<Vec<_>>(),
        [Some(Fault::Status(304)), None]
    );
    assert_eq!(header(&world.asked()[2], "if-none-match"), None);
}

#[test]
fn a_304_that_nobody_asked_for_is_a_failure_and_no_empty_tile() {
    let world = world(CacheMode::Online, Degrade::DEFAULT, |_| |_: &Request| ready(status(304)));
    let report = world.fetch(tile(3, 1, 1));
    assert!(matches!(report.outcome, TileOutcome::Failed(_)), "{report:?}");
    assert_eq!(report.attempts.len(), 2);
}

#[test]
fn that_there_is_nothing_is_kept_too() {
    for empty in [204, 404, 410] {
        let world = world(CacheMode::Online, Degrade::DEFAULT, |_| {
            move |_: &Request| ready(Ok(answer(empty, &[("cache-control", "max-age=60")], b"")))
        });
        for (wait, requests) in [(0, 1), (59, 1), (1, 2)] {
            world.wait(wait);
            assert!(matches!(world.fetch(tile(3, 1, 1)).outcome, TileOutcome::Empty));
            assert_eq!(world.asked().len(), requests, "{empty} after {wait} s more");
        }
    }
}

#[test]
fn what_is_not_to_be_stored_is_not_and_takes_what_was_stored_with_it() {
    let world = world(CacheMode::Online, Degrade::DEFAULT, |clock| {
        move |_: &Request| {
            let control = if clock.elapsed() < Duration::from_secs(1) { "max-age=60" } else { "no-store" };
            ready(png(&[("cache-control", control)]))
        }
    });
    world.fetch(tile(3, 1, 1));
    assert_eq!(world.cache.stats().answers, 1);
    world.wait(60);
    world.fetch(tile(3, 1, 1));
    world.fetch(tile(3, 1, 1));
    assert_eq!((world.cache.stats().answers, world.asked().len()), (0, 3));
}

#[test]
fn what_is_no_tile_is_not_kept() {
    let world = world(CacheMode::Online, Degrade::DEFAULT, |_| {
        |_: &Request| {
            ready(Ok(answer(
                200,
                &[("cache-control", "max-age=60"), ("content-type", "text/html")],
                b"<html>no</html>",
            )))
        }
    });
    world.fetch(tile(3, 1, 1));
    assert_eq!((world.cache.stats().answers, world.asked().len()), (0, 2));
}

#[test]
fn what_came_by_a_redirect_is_not_kept() {
    let world = world(CacheMode::Online, Degrade::DEFAULT, |_| {
        |_: &Request| {
            ready(png(&[("cache-control", "max-age=60")]).map(|response| Response { redirects: 1, ..response }))
        }
    });
    world.fetch(tile(3, 1, 1));
    assert_eq!(world.cache.stats().answers, 0);
}

#[test]
fn an_answer_that_varies_by_what_each_request_has_of_its_own_is_asked_for_each_time() {
    let varies = |by: &'static str| {
        let world = world(CacheMode::Online, Degrade::DEFAULT, move |_| {
            move |_: &Request| ready(png(&[("cache-control", "max-age=60"), ("vary", by)]))
        });
        world.fetch(tile(3, 1, 1));
        world.fetch(tile(3, 1, 1));
        world.asked().len()
    };
    assert_eq!(varies("Accept-Encoding, User-Agent"), 1, "those are the same");
    assert_eq!(varies("X-Correlation-Id"), 2);
    assert_eq!(varies("*"), 2);
}

#[test]
fn a_stale_tile_stands_in_only_as_long_as_it_is_allowed_to() {
    let after = |seconds, degrade, control| {
        let world = world(CacheMode::Online, degrade, move |clock| down_later(clock, control));
        world.fetch(tile(3, 1, 1));
        world.wait(seconds);
        let report = world.fetch(tile(3, 1, 1));
        assert_eq!(report.attempts.len(), 2, "it is asked for first");
        match report.outcome {
            TileOutcome::Stale { past, after: Some(failure), .. } => {
                assert_eq!(failure.last, Some(Fault::Status(503)));
                Some(past.as_secs())
            }
            TileOutcome::Failed(_) => None,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(after(70, Degrade::DEFAULT, "max-age=60"), None, "nobody allows it");
    assert_eq!(after(70, A_DAY, "max-age=60"), Some(10), "the caller does");
    assert_eq!(after(70, Degrade::DEFAULT, "max-age=60, stale-if-error=30"), Some(10), "the server does");
    assert_eq!(after(100, Degrade::DEFAULT, "max-age=60, stale-if-error=30"), None, "but not for so long");
    assert_eq!(after(60 + 86_500, A_DAY, "max-age=60"), None, "nor the caller");
    assert_eq!(after(70, A_DAY, "max-age=60, must-revalidate"), None, "the server forbids it");
    assert_eq!(after(70, A_DAY, "no-cache"), None, "and here too");
    assert_eq!(after(70, Degrade::NOTHING, "max-age=60, stale-if-error=30"), None, "the caller wants none");
}

#[test]
fn a_server_that_says_no_has_answered_and_nothing_stands_in() {
    for no in [400, 401, 403] {
        let world = world(CacheMode::Online, Degrade { parents: 3, ..A_DAY }, |clock| {
            move |_: &Request| {
                let says_no = clock.elapsed() >= Duration::from_secs(10);
                ready(if says_no { status(no) } else { png(&[("cache-control", "max-age=60")]) })
            }
        });
        world.fetch(tile(2, 0, 0));
        world.fetch(tile(3, 1, 1));
        world.wait(70);
        let report = world.fetch(tile(3, 1, 1));
        assert!(matches!(report.outcome, TileOutcome::Failed(_)), "{no}: {report:?}");
    }
}

#[test]
fn a_deadline_that_runs_out_is_made_do_with_what_is_kept() {
    let world = world(CacheMode::Online, A_DAY, |clock| {
        move |_: &Request| {
            let clock = clock.clone();
            async move {
                if clock.elapsed() > Duration::from_secs(10) {
                    clock.sleep_until(clock.now().saturating_add(Duration::from_secs(5))).await;
                }
                png(&[("cache-control", "max-age=60")])
            }
        }
    });
    world.fetch(tile(3, 1, 1));
    world.wait(90);
    let deadline = world.rig.clock.now().saturating_add(Duration::from_millis(200));
    let work = world.rig.fetcher.fetch(tile(3, 1, 1), deadline);
    let report = world.rig.run(work).expect("it comes to an end");
    assert!(
        matches!(report.outcome, TileOutcome::Stale { past, after: Some(_), .. } if past.as_secs() == 30),
        "{report:?}"
    );
    assert_eq!(world.rig.clock.now(), deadline, "at its deadline and not later");
    let work = world.rig.fetcher.fetch(tile(3, 1, 2), world.rig.clock.now().saturating_add(Duration::from_millis(200)));
    let report = world.rig.run(work).expect("it comes to an end");
    assert!(matches!(report.outcome, TileOutcome::Cancelled), "nothing is kept of this one: {report:?}");
}

#[test]
fn a_parent_stands_in_and_says_which_part_of_it_is_meant() {
    let world = world(CacheMode::Online, Degrade { parents: 2, ..A_DAY }, |clock| down_later(clock, "max-age=60"));
    let grandparent = tile(3, 4, 2);
    world.fetch(grandparent);
    world.wait(100);
    let (reports, ledger) = world.stream(vec![tile(5, 18, 9), tile(5, 20, 9), tile(6, 36, 18)]);
    let [first, others @ ..] = &reports[..] else { panic!("three reports") };
    let TileOutcome::FromParent { tile: shown, part, past, after } = &first.outcome else { panic!("{first:?}") };
    assert_eq!(*part, Part::of(tile(5, 18, 9), 2).expect("two levels up"));
    assert_eq!((part.ancestor, part.column, part.row), (grandparent, 2, 1));
    assert_eq!((&*shown.body, past.map(|past| past.as_secs()), after.last), (PNG, Some(41), Some(Fault::Status(503))));
    assert!(first.outcome.tile().is_none(), "it is not the tile");
    assert!(others.iter().all(|other| matches!(other.outcome, TileOutcome::Failed(_))), "elsewhere, or too far up");
    assert_eq!((ledger.from_parent, ledger.failed, ledger.attempts), (1, 2, 6));
    assert_eq!(world.asked().len(), 7, "no parent is asked for");
}

#[test]
fn that_a_parent_is_empty_stands_in_for_nothing() {
    let world = world(CacheMode::Online, Degrade { parents: 2, ..A_DAY }, |clock| {
        move |_: &Request| ready(if clock.elapsed() < Duration::from_secs(10) { status(404) } else { status(503) })
    });
    world.fetch(tile(4, 1, 1));
    world.wait(10);
    assert!(matches!(world.fetch(tile(5, 2, 2)).outcome, TileOutcome::Failed(_)));
}

#[test]
fn offline_nobody_is_asked() {
    let online = world(CacheMode::Online, Degrade::DEFAULT, |_| {
        |request: &Request| {
            ready(match request.url.as_str() {
                "http://a.test/4/1/1.png?key=secret" => png(&[("cache-control", "max-age=60, must-revalidate")]),
                "http://a.test/4/2/2.png?key=secret" => status(404),
                _ => png(&[("cache-control", "max-age=60")]),
            })
        }
    });
    online.stream(vec![tile(3, 1, 1), tile(4, 1, 1), tile(4, 2, 2), tile(4, 8, 8)]);
    let World { cache, rig: Rig { clock, .. } } = online;
    let degrade = Degrade { parents: 1, ..Degrade::DEFAULT };
    let offline = world_with(cache, clock, CacheMode::Offline, degrade, |_| |_: &Request| ready(status(500)));
    offline.wait(30 * 86_400);
    let outcome = |tile| offline.fetch(tile).outcome;
    assert!(matches!(outcome(tile(3, 1, 1)), TileOutcome::Stale { after: None, .. }), "kept");
    assert!(matches!(outcome(tile(4, 2, 2)), TileOutcome::Empty), "kept");
    assert!(matches!(outcome(tile(4, 3, 3)), TileOutcome::FromParent { .. }), "its parent is kept");
    let TileOutcome::Failed(failure) = outcome(tile(4, 9, 9)) else { panic!("nothing is kept") };
    assert_eq!(
        (failure.kind(), failure.to_string()),
        ("not in the cache", "gave up after 0 attempts: not in the cache, and offline".to_owned())
    );
    assert!(matches!(outcome(tile(4, 1, 1)), TileOutcome::Failed(_)), "its server wants to be asked");
    assert_eq!(offline.asked().len(), 0);
}

#[test]
fn only_what_is_missing_is_asked_for_where_that_is_wanted() {
    let world = world(CacheMode::IfMissing, Degrade::DEFAULT, |_| |request: &Request| ready(versioned(request)));
    world.fetch(tile(3, 1, 1));
    world.wait(10_000);
    let report = world.fetch(tile(3, 1, 1));
    assert!(
        matches!(report.outcome, TileOutcome::Stale { past, after: None, .. } if past.as_secs() == 9_940),
        "{report:?}"
    );
    assert_eq!((world.asked().len(), report.saved.requests), (1, 1));
    assert!(matches!(world.fetch(tile(3, 1, 2)).outcome, TileOutcome::Fetched(_)));
    assert_eq!(world.asked().len(), 2);
}

#[test]
fn in_the_background_a_tile_is_asked_for_after_it_was_handed_over() {
    let world = world(CacheMode::Refresh, Degrade::DEFAULT, |clock| {
        move |request: &Request| {
            let (answer, clock) = (versioned(request), clock.clone());
            async move {
                clock.sleep_until(clock.now().saturating_add(Duration::from_secs(2))).await;
                answer
            }
        }
    });
    world.stream(vec![tile(3, 1, 1), tile(3, 1, 2)]);
    world.wait(100);
    let handed_over = world.rig.clock.now();
    let mut stream =
        world.rig.fetcher.stream(world.rig.executor(), vec![tile(3, 1, 1), tile(3, 1, 2)].into_iter(), Instant::MAX);
    let work = async {
        let mut reports = Vec::new();
        while let Some(report) = stream.next().await {
            reports.push((world.rig.clock.now(), report));
        }
        reports
    };
    let reports = world.rig.run(work).expect("it comes to an end");
    let mut ledger = Ledger::default();
    ledger.request(2);
    for (at, report) in &reports {
        assert!(matches!(report.outcome, TileOutcome::Stale { after: None, .. }), "{report:?}");
        assert_eq!(*at, handed_over, "nobody waited");
        ledger.record(report);
    }
    let ended = handed_over.saturating_add(Duration::from_secs(2));
    assert_eq!((reports.len(), world.rig.clock.now()), (2, ended), "the stream ends when all is asked for");
    let refreshed = world.rig.fetcher.refreshed();
    assert_eq!((refreshed.requested, refreshed.revalidated, refreshed.attempts), (2, 2, 2));
    ledger.add_attempts(&refreshed);
    assert_eq!((ledger.stale, ledger.attempts, ledger.balance()), (2, 2, Ok(())));
    assert_eq!(world.asked().len(), 4, "every request is in the books");
    let (_, again) = world.stream(vec![tile(3, 1, 1), tile(3, 1, 2)]);
    assert_eq!(again.revalidated, 2, "fresh again");
}

#[test]
fn a_single_tile_has_nobody_to_ask_afterwards_and_is_asked_for_first() {
    let world = world(CacheMode::Refresh, Degrade::DEFAULT, |_| |request: &Request| ready(versioned(request)));
    world.fetch(tile(3, 1, 1));
    world.wait(100);
    assert!(matches!(world.fetch(tile(3, 1, 1)).outcome, TileOutcome::Revalidated { by: Validity::NotModified, .. }));
    assert_eq!(world.asked().len(), 2);
}

#[test]
fn a_stream_of_what_is_kept_asks_nobody_and_its_ledger_balances() {
    let world = world(CacheMode::Online, Degrade::DEFAULT, |_| |request: &Request| ready(versioned(request)));
    let tiles: Vec<_> = (0..400).map(|index| tile(8, index % 256, index / 256)).collect();
    world.stream(tiles.clone());
    let (_, ledger) = world.stream(tiles);
    assert_eq!((ledger.revalidated, ledger.requests_saved, ledger.attempts), (400, 400, 0));
    assert_eq!(ledger.bytes_saved, 400 * PNG.len() as u64);
    assert_eq!((ledger.bytes, world.asked().len()), (0, 400));
}
