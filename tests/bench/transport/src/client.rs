//! The clients in Rust. Each fetches so many tiles, at most so many at once, and reads every body to its end.

use std::error::Error;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tidegate::clock::{Chance, SystemClock};
use tidegate::fetch::{Fetcher, Parts, TileOutcome};
use tidegate::runtime::Runtime;
use tidegate::template::UrlTemplate;
use tidegate::transport::{HttpConfig, HttpTransport, Request, Transport};
use tidegate::upstream::Upstream;
use tidegate::verify::Expect;
use tidegate_core::limit::LimitConfig;
use tidegate_core::rate::{Rate, RateConfig};
use tidegate_core::{CallConfig, CallPolicy, Gate, GateConfig, Instant, RateControl, TileId};

use crate::tile;

/// Whether all tiles came.
pub type Fetching = Result<(), Box<dyn Error + Send + Sync>>;

/// tidegate with everything in it: gate, retries, a rate limit that is never reached, and each tile checked.
pub fn tidegate(template: &str, tiles: usize, concurrency: NonZeroUsize) -> Fetching {
    let fetcher = fetcher(template, concurrency)?;
    let runtime = Runtime::start(0)?;
    fetch(&fetcher, &runtime, tiles)
}

/// A fetcher for [`fetch`].
pub fn fetcher(
    template: &str,
    concurrency: NonZeroUsize,
) -> Result<Fetcher<HttpTransport>, Box<dyn Error + Send + Sync>> {
    let concurrency = u16::try_from(concurrency.get())?;
    let rate = RateConfig { rate: Rate::per_second(1_000_000), burst: 1_000 };
    let gate =
        GateConfig { limit: LimitConfig::fixed(concurrency), rate: RateControl::Fixed(rate), ..GateConfig::DEFAULT };
    let parts = Parts {
        transport: transport(usize::from(concurrency))?,
        upstream: Upstream::on(SystemClock::start(), Gate::new(gate)?),
        policy: CallPolicy::new(CallConfig::DEFAULT)?,
        template: UrlTemplate::parse(template)?,
        expect: Expect::DEFAULT,
        chance: Chance::from_seed(7),
        send_correlation_id: false,
        log_locations: false,
    };
    Ok(Fetcher::new(parts, concurrency))
}

/// Fetches so many tiles and drops each as it comes.
pub fn fetch(fetcher: &Fetcher<HttpTransport>, runtime: &Runtime, tiles: usize) -> Fetching {
    let mut stream = fetcher.stream(runtime.executor(), ids().take(tiles), Instant::MAX);
    let mut fetched = 0;
    // The tasks run on this thread too, and it waits for their sockets: there is nothing here that would block them.
    smol::block_on(runtime.executor().run(async {
        while let Some(report) = stream.next().await {
            match report.outcome {
                TileOutcome::Fetched(tile) if tile.body.len() == tile::BYTES => fetched += 1,
                other => return Err(format!("{other:?}").into()),
            }
        }
        if fetched == tiles { Ok(()) } else { Err(format!("{fetched} of {tiles} tiles").into()) }
    }))
}

/// The transport of tidegate alone: requests one after the other on as many tasks as may be under way.
pub fn tidegate_transport(template: &str, tiles: usize, concurrency: NonZeroUsize) -> Fetching {
    let http = Arc::new(transport(concurrency.get())?);
    let runtime = Runtime::start(0)?;
    let template = Arc::new(UrlTemplate::parse(template)?);
    let mut tasks = Vec::new();
    for share in 0..concurrency.get() {
        let (http, template) = (Arc::clone(&http), Arc::clone(&template));
        tasks.push(runtime.spawn(async move {
            let mut url = String::new();
            for tile in ids().take(tiles).skip(share).step_by(concurrency.get()) {
                template.expand(tile, &mut url);
                let response = http.send(Request::new(url.clone())).await?;
                if response.status != 200 || response.body.len() != tile::BYTES {
                    return Err(format!("status {}, {} bytes", response.status, response.body.len()).into());
                }
            }
            Fetching::Ok(())
        }));
    }
    smol::block_on(runtime.executor().run(async {
        for task in tasks {
            task.await?;
        }
        Ok(())
    }))
}

fn transport(concurrency: usize) -> Result<HttpTransport, Box<dyn Error + Send + Sync>> {
    Ok(HttpTransport::new(HttpConfig { max_connections: concurrency, ..HttpConfig::default() })?)
}

/// reqwest as its users run it: a task for each tile, on a runtime of tokio with so many workers.
pub fn reqwest(template: &str, tiles: usize, concurrency: NonZeroUsize, workers: Workers) -> Fetching {
    let mut builder = match workers {
        Workers::Own => tokio::runtime::Builder::new_current_thread(),
        Workers::Two => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.worker_threads(2).enable_all().build()?;
    runtime.block_on(reqwest_on_tokio(template, tiles, concurrency))
}

/// Where the tasks of tokio run.
#[derive(Clone, Copy, Debug)]
pub enum Workers {
    /// On the thread that waits for them.
    Own,
    /// On two others.
    Two,
}

async fn reqwest_on_tokio(template: &str, tiles: usize, concurrency: NonZeroUsize) -> Fetching {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(30)).no_proxy().build()?;
    let template = UrlTemplate::parse(template)?;
    let places = Arc::new(tokio::sync::Semaphore::new(concurrency.get()));
    let mut tasks = tokio::task::JoinSet::<Fetching>::new();
    for tile in ids().take(tiles) {
        let place = Arc::clone(&places).acquire_owned().await?;
        while let Some(done) = tasks.try_join_next() {
            done??;
        }
        let mut url = String::new();
        template.expand(tile, &mut url);
        let client = client.clone();
        tasks.spawn(async move {
            let body = client.get(url).send().await?.error_for_status()?.bytes().await?;
            drop(place);
            if body.len() == tile::BYTES { Ok(()) } else { Err(format!("{} bytes", body.len()).into()) }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// Tiles of zoom 12, row by row, over and over.
fn ids() -> impl Iterator<Item = TileId> {
    (0..).map(|number: u32| TileId::new(12, number % 4_096, number / 4_096 % 4_096).expect("of zoom 12"))
}
