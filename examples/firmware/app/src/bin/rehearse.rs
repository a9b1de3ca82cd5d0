//! Plays an hour's drive with a scripted server on virtual time: seconds on the host, and the same to the bit each time.
//!
//! Everything but the transport is what `fetch` runs. The script fails in all the ways of a real server, is down for four
//! minutes and silent for one, and notices when it is asked although it wanted to be left alone.
#![no_std]
#![no_main]

use core::time::Duration;

use board::{executor, host};
use embassy_executor::Spawner;
use firmware::{
    fetcher::Fetcher,
    memory::Memory,
    network::SOCKETS,
    policy::{self, CALLS},
    report,
    transport::Rehearsal,
};
use static_cell::StaticCell;
use tidegate_core::{Instant, drive::Clock as _, embassy::EmbassyClock};
use trip::{Route, Script, Trip};

/// An hour: a column of three tiles each 12 s, each known for two minutes.
const ROUTE: Route = Route {
    zoom: 14,
    row: 5_740,
    rows: 3,
    columns: 300,
    pace: Duration::from_secs(12),
    ahead: Duration::from_secs(120),
};
const SEED: u64 = 7;

#[cortex_m_rt::entry]
fn main() -> ! {
    let counter = cortex_m::Peripherals::take().expect("nothing has taken them before main").SYST;
    board::time::start(counter);
    executor::run(start)
}

fn start(spawner: Spawner) {
    static FETCHER: StaticCell<Fetcher<Rehearsal>> = StaticCell::new();
    let transport = Rehearsal::new(Script::new(SEED));
    let fetcher = Fetcher::new(transport, policy::gate(), Trip::new(ROUTE), Memory::absent(), SEED);
    let fetcher: &'static Fetcher<Rehearsal> = FETCHER.init(fetcher);
    for _ in 0..CALLS {
        spawner.spawn(call(fetcher).expect("the pool has a place for each"));
    }
}

#[embassy_executor::task(pool_size = CALLS)]
async fn call(fetcher: &'static Fetcher<Rehearsal>) {
    if fetcher.run_calls().await.is_last() {
        host::exit(is_as_it_should_be(fetcher));
    }
}

fn is_as_it_should_be(fetcher: &Fetcher<Rehearsal>) -> bool {
    let summary = fetcher.summary();
    report::log(&summary);
    let (theirs, trespasses) = fetcher.transport().with_script(|script| (script.counts(), script.trespasses()));
    let most = fetcher.transport().in_flight_max();
    let ended = EmbassyClock.now();
    defmt::info!(
        "script: {}, asked inside its pauses {=u32} times, at most {=usize} at once",
        theirs,
        trespasses,
        most
    );
    defmt::info!("ended after {=u64} virtual seconds", ended.as_nanos() / 1_000_000_000);

    let agree = theirs == summary.attempts;
    let balanced = summary.tiles.balances() && summary.tiles.requested == ROUTE.tiles() && summary.tiles.failed == 0;
    // The outage is longer than a tile is known ahead, so some are passed; all others come.
    let as_played = summary.tiles.behind > 0 && summary.tiles.fetched > ROUTE.tiles() / 2;
    let polite = trespasses == 0 && most <= SOCKETS;
    let whole_hour = ended >= Instant::from_secs(3_588);
    agree && balanced && as_played && polite && whole_hour
}
