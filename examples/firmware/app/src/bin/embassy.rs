//! embassy with every decision made by the core, as short as it can be: a place to copy from.
//!
//! Fetches the tiles of one zoom, records what the gate is asked and answers, and at the end has another gate replay that.
//! `fetch` is the same with a route, deadlines, and a memory that survives a reset.
#![no_std]
#![no_main]

use core::{
    cell::{Cell, RefCell},
    time::Duration,
};

use board::{executor, host};
use embassy_executor::Spawner;
use embassy_net::{IpEndpoint, Stack};
use firmware::{
    attempt::Buffers,
    network::{self, SOCKETS},
    policy::{self, CALL_POLICY, CALLS},
    report,
    transport::{Network, Transport},
};
use static_cell::{ConstStaticCell, StaticCell};
use tidegate_core::{
    Call, End, Entropy, Gate, Instant, Outcome, TileId, Traced,
    drive::{Clock, Driver, Turnstile},
    embassy::EmbassyClock,
    http,
};
use tile_http::Answer;

/// The gate, and what it was asked and answered: 256 records are 12 KiB. A product has a [`Gate`] in there.
/// A cell is lock enough for tasks of one executor: none of them can come while another one is inside.
type Gated = RefCell<Turnstile<Traced<Gate, 256>, CALLS>>;

/// What the calls share.
struct Shared {
    gate: &'static Gated,
    network: Network<SOCKETS>,
    next: Cell<u32>,
    attempts: Cell<u32>,
    answered: Cell<u32>,
    ended: Cell<u32>,
}

#[cortex_m_rt::entry]
fn main() -> ! {
    let args = host::args();
    let Some(port) = args.next_word().and_then(|word| word.strip_prefix("port=")?.parse().ok()) else {
        defmt::error!("command line: give port=1..65535");
        host::exit(false);
    };
    board::time::start(cortex_m::Peripherals::take().expect("nothing has taken them before main").SYST);
    executor::run(|spawner| start(spawner, port))
}

fn start(spawner: Spawner, port: u16) {
    static BUFFERS: ConstStaticCell<[Buffers; SOCKETS]> = ConstStaticCell::new([const { Buffers::new() }; SOCKETS]);
    // In place from the beginning: on its way there it would take its memory twice.
    static GATE: ConstStaticCell<Gated> =
        ConstStaticCell::new(RefCell::new(Turnstile::new(Traced::new(policy::gate()))));
    static SHARED: StaticCell<Shared> = StaticCell::new();
    let stack = network::start(spawner, DEVICE);
    let shared = SHARED.init(Shared {
        gate: GATE.take(),
        network: Network::new(stack, IpEndpoint::new(network::HOST.into(), port), BUFFERS.take()),
        next: Cell::new(0),
        attempts: Cell::new(0),
        answered: Cell::new(0),
        ended: Cell::new(0),
    });
    for _ in 0..CALLS {
        spawner.spawn(calls(stack, shared).expect("the pool has a place for each"));
    }
}

/// One call after the other, until no tile is left.
#[embassy_executor::task(pool_size = CALLS)]
async fn calls(stack: Stack<'static>, shared: &'static Shared) {
    stack.wait_config_up().await;
    let driver = Driver::new(&EmbassyClock, shared.gate);
    loop {
        let index = shared.next.replace(shared.next.get() + 1);
        let Ok(tile) = TileId::new(ZOOM, index >> ZOOM, index % (1 << ZOOM)) else { break };
        let mut call = Call::new(&CALL_POLICY, EmbassyClock.now().saturating_add(Duration::from_secs(60)));
        let (end, _) = driver.run(&mut call, || shared.entropy(), |until| shared.attempt(tile, until)).await;
        shared.conclude(end);
    }
}

impl Shared {
    /// Makes one attempt and says what came of it.
    async fn attempt(&self, tile: TileId, until: Instant) -> (Outcome, ()) {
        match self.network.ask(tile, until).await {
            Ok(Answer { status, retry_after, date, tile: _ }) => {
                let hint = retry_after.as_deref().and_then(|value| http::retry_after(value, date.as_deref()));
                (http::outcome(status, hint), ())
            }
            Err(_) => (Outcome::Failure, ()),
        }
    }

    /// A word for each attempt that is settled.
    fn entropy(&self) -> Entropy {
        let attempts = self.attempts.get() + 1;
        self.attempts.set(attempts);
        Entropy::mix(0, DEVICE, attempts.into())
    }

    fn conclude(&self, end: End) {
        self.answered.set(self.answered.get() + u32::from(matches!(end, End::Succeeded | End::Empty)));
        self.ended.set(self.ended.get() + 1);
        if self.ended.get() == TILES {
            let (answered, attempts) = (self.answered.get(), self.attempts.get());
            defmt::info!("answered={=u32} attempts={=u32}", answered, attempts);
            host::exit(report::replays(self.gate.borrow().gate()) && answered == TILES);
        }
    }
}

const ZOOM: u8 = 2;
const TILES: u32 = 1 << (2 * ZOOM);
/// What tells this device from others: its serial number, say. It decides ports, sequence numbers and jitter.
const DEVICE: u64 = 1;
