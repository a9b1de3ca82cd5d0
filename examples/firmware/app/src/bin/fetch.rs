//! Fetches the tiles of a route over the network, before the vehicle gets there.
#![no_std]
#![no_main]

use board::{executor, host, stack};
use embassy_executor::Spawner;
use embassy_net::{IpEndpoint, Stack};
use firmware::{
    attempt::Buffers,
    fetcher::Fetcher,
    memory::Memory,
    network::{self, SOCKETS},
    policy::{self, CALLS},
    report,
    settings::Settings,
    transport::Network,
};
use static_cell::{ConstStaticCell, StaticCell};
use tidegate_core::Instant;
use trip::Trip;

type Online = Fetcher<Network<SOCKETS>>;

#[cortex_m_rt::entry]
fn main() -> ! {
    let settings = match Settings::read(&host::args()) {
        Ok(settings) => settings,
        Err(error) => {
            defmt::error!("command line: {}", error);
            host::exit_with(report::USAGE);
        }
    };
    let counter = cortex_m::Peripherals::take().expect("nothing has taken them before main").SYST;
    board::time::start(counter);
    executor::run(|spawner| start(spawner, &settings))
}

fn start(spawner: Spawner, settings: &Settings) {
    static FETCHER: StaticCell<Online> = StaticCell::new();
    static BUFFERS: ConstStaticCell<[Buffers; SOCKETS]> = ConstStaticCell::new([const { Buffers::new() }; SOCKETS]);
    defmt::info!("boot, {=u32} tiles ahead, {=usize} bytes for the stack", settings.route.tiles(), stack::size());
    let mut gate = policy::gate();
    let memory = Memory::restore(Instant::ORIGIN, &mut gate);
    let network = network::start(spawner, settings.seed);
    let server = IpEndpoint::new(network::HOST.into(), settings.port);
    let transport = Network::new(network, server, BUFFERS.take());
    let fetcher = FETCHER.init(Fetcher::new(transport, gate, Trip::new(settings.route), memory, settings.seed));
    for _ in 0..CALLS {
        spawner.spawn(call(network, fetcher).expect("the pool has a place for each"));
    }
}

#[embassy_executor::task(pool_size = CALLS)]
async fn call(network: Stack<'static>, fetcher: &'static Online) {
    network.wait_config_up().await;
    if fetcher.run_calls().await.is_last() {
        report::exit(&fetcher.summary());
    }
}
