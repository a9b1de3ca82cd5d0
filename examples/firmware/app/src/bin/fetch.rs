//! Fetches all tiles of the first zooms over the network, a few at once, and checks each.
#![no_std]
#![no_main]

use core::{cell::Cell, fmt::Write as _};

use board::{executor, host, stack};
use embassy_executor::Spawner;
use embassy_net::{IpEndpoint, Stack};
use embassy_time::{Duration, Instant, Timer};
use firmware::{
    attempt::{Buffers, Failure, attempt},
    network::{self, SOCKETS},
    settings::Settings,
};
use heapless::String;
use static_cell::{ConstStaticCell, StaticCell};
use tile_http::{Answer, Request};

/// Attempts at once.
const WORKERS: usize = SOCKETS;
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// What the workers share. Tasks of one executor do not interrupt each other, so cells do.
struct Shared {
    settings: Settings,
    next: Cell<u32>,
    fetched: Cell<u32>,
    empty: Cell<u32>,
    failed: Cell<u32>,
    bytes: Cell<u32>,
}

#[cortex_m_rt::entry]
fn main() -> ! {
    let settings = match Settings::read(&host::args()) {
        Ok(settings) => settings,
        Err(error) => {
            defmt::error!("command line: {}: give port=, seed= and zooms=", error);
            host::exit(false);
        }
    };
    let counter = cortex_m::Peripherals::take().expect("nothing has taken them before main").SYST;
    board::time::start(counter);
    executor::run(|spawner| start(spawner, settings))
}

fn start(spawner: Spawner, settings: Settings) {
    static SHARED: StaticCell<Shared> = StaticCell::new();
    static BUFFERS: ConstStaticCell<[Buffers; WORKERS]> = ConstStaticCell::new([const { Buffers::new() }; WORKERS]);
    defmt::info!("boot, {}, {=usize} bytes for the stack", settings, stack::size());
    let shared = SHARED.init(Shared {
        settings,
        next: Cell::new(0),
        fetched: Cell::new(0),
        empty: Cell::new(0),
        failed: Cell::new(0),
        bytes: Cell::new(0),
    });
    let network = network::start(spawner, settings.seed);
    for buffers in BUFFERS.take() {
        spawner.spawn(worker(network, shared, buffers).expect("the pool has a place for each"));
    }
    spawner.spawn(summary(shared).expect("started once"));
}

#[embassy_executor::task(pool_size = WORKERS)]
async fn worker(network: Stack<'static>, shared: &'static Shared, buffers: &'static mut Buffers) {
    network.wait_config_up().await;
    let server = IpEndpoint::new(network::HOST.into(), shared.settings.port);
    while let Some((z, x, y)) = shared.next_tile() {
        let mut path = String::<32>::new();
        let mut host = String::<24>::new();
        if write!(path, "/{z}/{x}/{y}.mvt").is_err() || write!(host, "{}", server).is_err() {
            continue;
        }
        let Some(request) = Request::new(&host, &path, USER_AGENT) else { continue };
        let began = Instant::now();
        let result = attempt(network, buffers, server, &request, ATTEMPT_TIMEOUT).await;
        shared.count(z, &result, began.elapsed());
    }
}

impl Shared {
    /// The next tile of the zooms asked for.
    fn next_tile(&self) -> Option<(u8, u32, u32)> {
        let mut index = self.next.get();
        self.next.set(index.saturating_add(1));
        for z in 0..=self.settings.zooms {
            let tiles = 1u32 << (2 * z);
            if index < tiles {
                return Some((z, index >> z, index & ((1 << z) - 1)));
            }
            index -= tiles;
        }
        None
    }

    fn count(&self, zoom: u8, result: &Result<Answer, Failure>, took: Duration) {
        match result {
            Ok(Answer { tile: Some(tile), .. }) => {
                self.fetched.set(self.fetched.get() + 1);
                self.bytes.set(self.bytes.get() + tile.size);
                defmt::info!("zoom {=u8}: {} in {=u64} ms", zoom, tile, took.as_millis());
            }
            Ok(Answer { status: 204 | 404 | 410, .. }) => self.empty.set(self.empty.get() + 1),
            Ok(answer) => {
                self.failed.set(self.failed.get() + 1);
                defmt::warn!("zoom {=u8}: status {=u16}", zoom, answer.status);
            }
            Err(failure) => {
                self.failed.set(self.failed.get() + 1);
                defmt::warn!("zoom {=u8}: {}", zoom, failure);
            }
        }
    }

    fn settled(&self) -> u32 {
        self.fetched.get() + self.empty.get() + self.failed.get()
    }
}

#[embassy_executor::task]
async fn summary(shared: &'static Shared) {
    let requested: u32 = (0..=shared.settings.zooms).map(|z| 1 << (2 * z)).sum();
    while shared.settled() < requested {
        Timer::after(Duration::from_millis(10)).await;
    }
    let (fetched, empty, failed) = (shared.fetched.get(), shared.empty.get(), shared.failed.get());
    defmt::info!(
        "summary requested={=u32} fetched={=u32} empty={=u32} failed={=u32} bytes={=u32} ms={=u64} stack={=usize}",
        requested,
        fetched,
        empty,
        failed,
        shared.bytes.get(),
        Instant::now().as_millis(),
        stack::high_water()
    );
    host::exit(failed == 0)
}

const USER_AGENT: &str = concat!("tidegate-firmware/", env!("CARGO_PKG_VERSION"));
