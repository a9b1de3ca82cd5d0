//! Tiles from two sources, each behind a gate of its own, the healthiest first.

use std::{error::Error, sync::Arc};

use smol::{Executor, channel::Sender};
use tidegate::{
    clock::{Chance, SystemClock},
    config::{Preset, Settings},
    fetch::{Fetched, Fetcher, Mirror, Parts, Routes, TileOutcome},
    ledger::Ledger,
    template::UrlTemplate,
    transport::{HttpConfig, HttpTransport},
    upstream::Upstream,
    verify::Expect,
};
use tidegate_core::{Instant, TileId};
use tidegate_lab::mock::{Mock, MockConfig};
use tidegate_store::{health::Health, sources::Healthiest};

/// The deepest zoom that the embedded tiles have.
const ZOOM_MAX: u8 = 4;

/// A tile on its way to the workers.
pub(crate) struct Downloaded {
    pub(crate) tile: TileId,
    pub(crate) fetched: Fetched,
}

/// Two tile servers in this process: one that is ill, and a sound one.
pub(crate) struct Sources([Mock; 2]);

impl Sources {
    pub(crate) fn start() -> Result<Self, Box<dyn Error>> {
        let ill = "503=20%\n reset=10%\n latency=lognormal:5ms/0.5\n outage=200ms..600ms:503\n seed=7".parse()?;
        let sound = "latency=lognormal:8ms/0.5\n rate=400/s,burst=20\n seed=8".parse()?;
        let mock = |faults| Mock::start(MockConfig { faults, ..MockConfig::default() });
        Ok(Self([mock(ill)?, mock(sound)?]))
    }

    /// A fetcher of both, with the settings for bulk work.
    pub(crate) fn fetcher(&self) -> Result<Fetcher<HttpTransport>, Box<dyn Error>> {
        let settings = Settings::layered(Preset::Bulk, &[]);
        let concurrency = settings.max_concurrency.value;
        let clock = SystemClock::start();
        let source = |mock: &Mock| -> Result<_, Box<dyn Error>> {
            let template = UrlTemplate::parse(&mock.url_template())?;
            Ok(Mirror { upstream: Upstream::on(clock, settings.gate()?), template, send_correlation_id: true })
        };
        let [first, second] = &self.0;
        let Mirror { upstream, template, .. } = source(first)?;
        let parts = Parts {
            transport: HttpTransport::new(HttpConfig {
                max_connections: usize::from(concurrency),
                ..HttpConfig::default()
            })?,
            upstream,
            policy: settings.call_policy()?,
            template,
            expect: Expect::DEFAULT,
            chance: Chance::from_system(),
            send_correlation_id: true,
            log_locations: false,
        };
        let watch = Arc::new(Health::start(Instant::ORIGIN, 2));
        let routes =
            Routes { mirrors: vec![source(second)?], choice: Arc::new(Healthiest::of(2)), watch, ..Routes::default() };
        Ok(Fetcher::routed(parts, routes, concurrency))
    }

    /// How many requests each was sent.
    pub(crate) fn received(&self) -> [u64; 2] {
        [0, 1].map(|source: usize| self.0[source].stats().received)
    }
}

/// Downloads the world down to [`ZOOM_MAX`], and waits wherever the workers are behind.
pub(crate) async fn download(
    fetcher: &Fetcher<HttpTransport>,
    executor: &Arc<Executor<'static>>,
    downloaded: Sender<Downloaded>,
) -> Ledger {
    let row = |z: u8, y: u32| (0..1 << z).filter_map(move |x| TileId::new(z, x, y).ok());
    let tiles = (0..=ZOOM_MAX).flat_map(move |z| (0..1 << z).flat_map(move |y| row(z, y)));
    let mut ledger = Ledger::default();
    let mut reports = fetcher.stream(executor, tiles, Instant::MAX);
    while let Some(report) = reports.next().await {
        ledger.record(&report);
        if let TileOutcome::Fetched(fetched) = report.outcome {
            // Fails where every worker has ended, and then the tile is missing in the database, which is noticed.
            let _ended = downloaded.send(Downloaded { tile: report.tile, fetched }).await;
        }
    }
    ledger.request(reports.begun());
    ledger
}
