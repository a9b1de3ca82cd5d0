//! Where tiles are asked for: over the network, or from a script on virtual time.

use core::{
    cell::{Cell, RefCell},
    fmt::Write as _,
    future::Future,
};

use embassy_net::{
    IpEndpoint, Stack,
    tcp::{self, ConnectError},
};
use embassy_time::{Duration, Timer};
use heapless::{String, Vec};
use tidegate_core::{Instant, TileId, drive::Clock as _, embassy::EmbassyClock};
use tile_http::{Answer, Error, Request, Tile};
use trip::{Script, What};

use crate::attempt::{Buffers, Failure, attempt};

/// Asks for tiles, one attempt at a time.
pub trait Transport {
    /// Makes one attempt. It is dropped at `until`, and may use the last [`CLOSE_TIMEOUT`](crate::attempt::CLOSE_TIMEOUT)
    /// before it to end in an orderly way.
    fn ask(&self, tile: TileId, until: Instant) -> impl Future<Output = Result<Answer, Failure>>;
}

/// A server on the network, asked through up to `N` sockets.
pub struct Network<const N: usize> {
    stack: Stack<'static>,
    server: IpEndpoint,
    /// Those that no attempt uses.
    free: RefCell<Vec<&'static mut Buffers, N>>,
}

impl<const N: usize> Network<N> {
    /// Asks `server`; each socket has buffers of its own.
    pub fn new(stack: Stack<'static>, server: IpEndpoint, buffers: &'static mut [Buffers; N]) -> Self {
        Self { stack, server, free: RefCell::new(buffers.iter_mut().collect()) }
    }
}

impl<const N: usize> Transport for Network<N> {
    async fn ask(&self, tile: TileId, until: Instant) -> Result<Answer, Failure> {
        // Both fit: at most 10 digits for each of column and row, at most 21 characters of address and port.
        let (mut path, mut host) = (String::<32>::new(), String::<24>::new());
        let written = write!(path, "/{}", tile.show_location()).and_then(|()| write!(host, "{}", self.server));
        let request = written.ok().and_then(|()| Request::new(&host, &path, USER_AGENT)).ok_or(Failure::NoSocket)?;
        let mut lent = Lent::take(&self.free).ok_or(Failure::NoSocket)?;
        attempt(self.stack, lent.buffers()?, self.server, &request, until.into()).await
    }
}

/// Buffers of one socket, given back when the attempt is over or dropped.
struct Lent<'a, const N: usize> {
    free: &'a RefCell<Vec<&'static mut Buffers, N>>,
    buffers: Option<&'static mut Buffers>,
}

impl<'a, const N: usize> Lent<'a, N> {
    fn take(free: &'a RefCell<Vec<&'static mut Buffers, N>>) -> Option<Self> {
        let buffers = free.borrow_mut().pop()?;
        Some(Self { free, buffers: Some(buffers) })
    }

    fn buffers(&mut self) -> Result<&mut Buffers, Failure> {
        self.buffers.as_deref_mut().ok_or(Failure::NoSocket)
    }
}

impl<const N: usize> Drop for Lent<'_, N> {
    fn drop(&mut self) {
        if let Some(buffers) = self.buffers.take() {
            // There is room: it came from there.
            let _ = self.free.borrow_mut().push(buffers);
        }
    }
}

/// A [`Script`] that answers on embassy's time, which an emulator lets pass as fast as it can.
pub struct Rehearsal {
    script: RefCell<Script>,
    in_flight: Cell<usize>,
    in_flight_max: Cell<usize>,
}

impl Rehearsal {
    /// Asks `script`.
    pub const fn new(script: Script) -> Self {
        Self { script: RefCell::new(script), in_flight: Cell::new(0), in_flight_max: Cell::new(0) }
    }

    /// What the script says of itself.
    pub fn with_script<R>(&self, look: impl FnOnce(&Script) -> R) -> R {
        look(&self.script.borrow())
    }

    /// The most requests there ever were at a time.
    pub fn in_flight_max(&self) -> usize {
        self.in_flight_max.get()
    }
}

impl Transport for Rehearsal {
    async fn ask(&self, tile: TileId, _until: Instant) -> Result<Answer, Failure> {
        let _counted = InFlight::count(self);
        let (latency, what) = self.script.borrow_mut().ask(EmbassyClock.now(), tile);
        Timer::after(Duration::from_millis(latency.as_millis() as u64)).await;
        match what {
            What::Tile { size } => Ok(answer(200, Some(Tile { size, inflated: size.into(), crc32: size }))),
            What::Nothing => Ok(answer(404, None)),
            What::Unavailable => Ok(answer(503, None)),
            What::Throttled { seconds } => {
                self.script.borrow_mut().told(EmbassyClock.now(), seconds);
                let mut retry_after = tile_http::head::Field::new();
                // Two digits fit.
                let _ = write!(retry_after, "{seconds}");
                Ok(Answer { retry_after: Some(retry_after), ..answer(429, None) })
            }
            What::Reset => Err(Failure::Answer(Error::Stream(tcp::Error::ConnectionReset))),
            What::Down => Err(Failure::Connect(ConnectError::ConnectionReset)),
            What::Silence => core::future::pending().await,
        }
    }
}

/// Counts a request from when it is asked until it is answered or dropped.
struct InFlight<'a>(&'a Rehearsal);

impl<'a> InFlight<'a> {
    fn count(rehearsal: &'a Rehearsal) -> Self {
        let now = rehearsal.in_flight.get() + 1;
        rehearsal.in_flight.set(now);
        rehearsal.in_flight_max.set(rehearsal.in_flight_max.get().max(now));
        Self(rehearsal)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.set(self.0.in_flight.get().saturating_sub(1));
    }
}

fn answer(status: u16, tile: Option<Tile>) -> Answer {
    Answer { status, retry_after: None, date: None, tile }
}

const USER_AGENT: &str = concat!("tidegate-firmware/", env!("CARGO_PKG_VERSION"));
