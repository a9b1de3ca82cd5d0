//! A fetcher whose server is a closure and whose time is virtual.

use std::{future::Future, sync::Arc, time::Duration};

use smol::Executor;
use tidegate::{
    fetch::{Fetcher, TileOutcome, TileReport},
    testing::{Rig, RigConfig, Stuck, VirtualClock},
    transport::{Request, Response, Scripted, TransportError, scripted::answer},
};
use tidegate_core::{
    CallConfig, GateConfig, Instant, TileId,
    backoff::{BackoffConfig, Growth, Jitter},
    drive::Clock,
    limit::LimitConfig,
};

pub(crate) type Answer = Result<Response, TransportError>;

/// A world of its own: time, tasks and a fetcher.
pub(crate) struct World<F> {
    pub(crate) clock: VirtualClock,
    pub(crate) fetcher: Fetcher<Scripted<F>, VirtualClock>,
    rig: Rig<F>,
}

/// A world of `concurrency` whose breaker and rate do not interfere: three attempts, 1 s and 2 s apart, 10 s each.
pub(crate) fn world<F, A>(concurrency: u16, server: impl FnOnce(VirtualClock) -> F) -> World<F>
where
    F: Fn(&Request) -> A + Send + Sync + 'static,
    A: Future<Output = Answer> + Send,
{
    let backoff = BackoffConfig {
        growth: Growth::Exponential,
        base: Duration::from_secs(1),
        cap: Duration::from_secs(60),
        jitter: Jitter::None,
    };
    let gate = GateConfig { limit: LimitConfig::fixed(concurrency), ..RigConfig::GATE };
    world_of(gate, CallConfig { attempts: 3, backoff, ..CallConfig::DEFAULT }, server)
}

/// A world with a gate and calls of these settings.
pub(crate) fn world_of<F, A>(gate: GateConfig, call: CallConfig, server: impl FnOnce(VirtualClock) -> F) -> World<F>
where
    F: Fn(&Request) -> A + Send + Sync + 'static,
    A: Future<Output = Answer> + Send,
{
    let rig =
        Rig::new(RigConfig { gate, call, send_correlation_id: true, ..RigConfig::of_hosts(["tiles.test"]) }, server);
    let rig = rig.expect("the settings are valid");
    World { clock: rig.clock.clone(), fetcher: rig.fetcher.clone(), rig }
}

impl<F> World<F> {
    pub(crate) fn executor(&self) -> &Arc<Executor<'static>> {
        self.rig.executor()
    }

    /// Runs `work` to its end.
    pub(crate) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.try_run(work).expect("it comes to an end")
    }

    pub(crate) fn try_run<T>(&self, work: impl Future<Output = T>) -> Result<T, Stuck> {
        self.rig.run(work)
    }

    /// Runs everything until nothing can happen any more.
    pub(crate) fn settle(&self) {
        assert_eq!(self.try_run(smol::future::pending::<()>()), Err(Stuck));
    }
}

/// The first tiles of zoom 8, in a row.
pub(crate) fn tiles(count: u32) -> Vec<TileId> {
    (0..count).map(|x| TileId::new(8, x, 0).expect("zoom 8 has 256 columns")).collect()
}

/// The column that a request is for.
pub(crate) fn column(request: &Request) -> u64 {
    request.url.rsplit('/').nth(1).and_then(|x| x.parse().ok()).expect("a column")
}

/// A tile that passes for one.
pub(crate) fn tile() -> Answer {
    Ok(answer(200, &[("content-type", "image/png")], include_bytes!("../data/tiles/rgba.png")))
}

pub(crate) fn status(status: u16) -> Answer {
    Ok(answer(status, &[], b""))
}

/// Sleeps on the virtual clock.
pub(crate) fn sleep(clock: &VirtualClock, millis: u64) -> impl Future<Output = ()> + Send + use<> {
    clock.sleep_until(after(clock, millis))
}

/// The instant so many milliseconds from now.
pub(crate) fn after(clock: &VirtualClock, millis: u64) -> Instant {
    clock.now().saturating_add(Duration::from_millis(millis))
}

/// One letter for each report: fetched, kept, stale, a parent, empty, failed, cancelled.
pub(crate) fn letters<'r>(reports: impl IntoIterator<Item = &'r TileReport>) -> String {
    let letter = |report: &TileReport| match report.outcome {
        TileOutcome::Fetched(_) => 'f',
        TileOutcome::Revalidated { .. } => 'r',
        TileOutcome::Stale { .. } => 's',
        TileOutcome::FromParent { .. } => 'p',
        TileOutcome::Empty => 'e',
        TileOutcome::Failed(_) => '!',
        TileOutcome::Cancelled => '-',
    };
    reports.into_iter().map(letter).collect()
}
