//! A tile server that misbehaves on purpose, the same way each time.
//!
//! It runs on a thread of its own inside the calling process, listens on 127.0.0.1 alone and speaks HTTP/1.1 and 1.0
//! over plain sockets, because a server library would not let it lie. What goes wrong is a matter of [`rules`]: drawn
//! from a seed, told by a script, or asked for by the request itself. What happened is in [`MockStats`], which balance.
//!
//! ```
//! use std::io::{Read, Write};
//! use tidegate_lab::mock::{Mock, MockConfig};
//!
//! let faults = "script=503:2,200".parse()?; // the first request for each tile fails
//! let mock = Mock::start(MockConfig { faults, ..MockConfig::default() })?;
//! let ask = || -> std::io::Result<String> {
//!     let mut stream = std::net::TcpStream::connect(mock.addr())?;
//!     write!(stream, "GET /0/0/0.mvt HTTP/1.0\r\n\r\n")?;
//!     let mut answer = Vec::new();
//!     stream.read_to_end(&mut answer)?;
//!     Ok(String::from_utf8_lossy(&answer[..12]).into_owned())
//! };
//! assert_eq!(ask()?, "HTTP/1.1 503");
//! assert_eq!(ask()?, "HTTP/1.1 200");
//! let stats = mock.stop();
//! assert_eq!((stats.received, stats.answered[&503], stats.answered[&200]), (2, 1, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it serves
//! `/{z}/{x}/{y}` behind any prefix and with any ending or none; the type is that of the archive, not of the ending.
//! Tiles have an `ETag` and a `Last-Modified`, and who has them gets 304. Tiles that are gzip data in the archive go
//! out as they are with `Content-Encoding: gzip`, whether the client asked for it or not, as tile servers do. Where
//! there is no tile: 404. Requests may be sent ahead; they are answered in order, one at a time.
//!
//! # Control
//! `GET /__stats` gives [`MockStats`] as JSON. `POST /__reset` starts counters and faults from their beginning. `GET
//! /__faults` gives the rules in force as text, `POST /__faults` replaces them, by text or by TOML with
//! `Content-Type: application/toml`. A request with `x-mock-fault: 503:2` meets this fault. Control requests meet no
//! fault but a refused connection, and are counted apart.
//!
//! # Who has left
//! While the server waits before an answer it watches the connection, and a request whose client has closed its sending
//! side counts as aborted at once.

mod answer;
mod config;
mod control;
mod deliver;
pub(crate) mod dice;
mod door;
mod head;
pub(crate) mod meter;
mod plan;
mod reply;
mod request;
pub mod rules;
mod server;
mod shared;
mod stats;
mod tiles;
mod wire;
pub(crate) mod workers;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

pub use config::{MockConfig, MockError};
pub use rules::{Faults, RuleError};
pub use stats::{ConnectionStats, MockStats};
pub use tiles::{ArchiveError, TileSource, TilesError};

use door::Door;
use server::Server;
use shared::Shared;
use tiles::Tiles;

/// A running mock server. It stops when it is dropped.
pub struct Mock {
    addr: SocketAddr,
    extension: &'static str,
    shared: Arc<Shared>,
    /// Taken when the server stops.
    thread: Option<JoinHandle<()>>,
}

impl Mock {
    /// Starts a server. When this returns, it accepts connections.
    ///
    /// # Errors
    /// A setting or rule out of range, an archive that cannot be read, a port that cannot be had, or no thread.
    pub fn start(config: MockConfig) -> Result<Self, MockError> {
        config.validate()?;
        let tiles = Tiles::open(&config.tiles, config.synthetic_bytes)?;
        let unbound = |source| MockError::Bind { addr: (std::net::Ipv4Addr::LOCALHOST, config.port).into(), source };
        let door = Door::claim(config.port).map_err(unbound)?;
        let listener = door.open().map_err(unbound)?;
        let (addr, extension) = (door.addr(), tiles.format().extension());
        let (orders, inbox) = async_channel::bounded(ORDERS_MAX);
        let shared = Arc::new(Shared::new(config.faults.clone(), Instant::now(), orders));
        let on_thread = shared.clone();
        let serve = move || Server::new(on_thread, tiles, config).run(&door, listener, &inbox);
        let thread = std::thread::Builder::new().name("mock".to_owned()).spawn(serve).map_err(MockError::Thread)?;
        Ok(Self { addr, extension, shared, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The address of its tiles: `http://127.0.0.1:8001/{z}/{x}/{y}.mvt`, with the ending of the archive's format.
    pub fn url_template(&self) -> String {
        format!("http://{}/{{z}}/{{x}}/{{y}}{}", self.addr, self.extension)
    }

    /// What it has seen and done so far. Whoever has read the last byte of an answer finds that answer counted.
    pub fn stats(&self) -> MockStats {
        self.shared.stats()
    }

    /// The faults in force.
    pub fn faults(&self) -> Faults {
        self.shared.plan().faults().clone()
    }

    /// Puts other faults in force, from their beginning: no tile was asked for yet, and the time of outages starts at
    /// zero. A refusal of connections begins a moment later, everything else with the next request.
    pub fn set_faults(&self, faults: Faults) -> Result<(), RuleError> {
        faults.validate()?;
        self.shared.set_faults(faults);
        Ok(())
    }

    /// Starts the faults from their beginning and the counters from zero. What is under way goes on, and counts as
    /// received after the reset.
    pub fn reset(&self) {
        self.shared.reset();
    }

    /// Stops: nobody is accepted any more, every connection is closed, requests under way are aborted, and the port is
    /// free. Waits for that, a few milliseconds, and gives the last counters.
    pub fn stop(mut self) -> MockStats {
        self.end();
        self.stats()
    }

    fn end(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.shared.stop();
            // If it has ended by a panic, it has said so itself.
            let _ = thread.join();
        }
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.end();
    }
}

impl std::fmt::Debug for Mock {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Mock").field("addr", &self.addr).finish_non_exhaustive()
    }
}

/// One would do; a few let orders overtake nobody.
const ORDERS_MAX: usize = 8;
