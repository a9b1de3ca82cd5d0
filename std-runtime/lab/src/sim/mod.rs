//! A simulator for settings: what retries, breakers, budgets and limits do to a server and to those who call it.
//!
//! Resilience settings are chosen by folklore because nobody can try them. Here days of traffic pass in seconds, through
//! the same [`Gate`](tidegate_core::Gate) and [`Call`](tidegate_core::Call) that run in production: the core is handed
//! its time and its entropy, so nothing about it has to be imitated.
//!
//! ```
//! use std::time::Duration;
//! use tidegate_lab::mock::rules::Delay;
//! use tidegate_lab::sim::{Fleet, Server, Traffic, World};
//!
//! // Twenty users at a server that allows 50 requests a second and answers in 20 ms.
//! let server = Server::new("tiles", "rate=50/s,burst=5,retry-after=none\nlatency=20ms")?;
//! let mut fleet = Fleet::new("mirror", "tiles");
//! fleet.traffic = Traffic::Closed { users: 20, think: Delay::Fixed(Duration::ZERO), calls: None };
//! let world = World {
//!     seed: 7,
//!     length: Duration::from_secs(60),
//!     step: Duration::from_secs(1),
//!     servers: vec![server],
//!     fleets: vec![fleet],
//! };
//! let report = world.run()?;
//! let requests = report.servers[0].requests;
//! assert!(requests.accepted > 2_700, "{requests:?}"); // of 3,000
//! assert!(requests.throttled * 20 < requests.arrived, "{requests:?}"); // under 5 %
//! assert_eq!(world.run()?.trace, report.trace);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The model
//! - [`Server`]s follow the rules of the [mock server](crate::mock::rules): one language for both.
//! - Each client of a [`Fleet`] has its gates, or all share one. Calls wait in one line per gate as in the core's driver;
//!   a call whose server is known to be down goes to the next one.
//! - Time is virtual and in whole nanoseconds, events of the same instant keep the order of their planning, and each entity
//!   draws from a generator of its own. The same world gives the same [`Report`] on every machine.
//!
//! # What it checks
//! Every run is a test of the core. A watch beside each gate keeps its own books and ends the run with a [`Violation`] where
//! - **too much passes**: more in flight than the configured ceiling, an attempt through an open breaker, a pause, a
//!   deadline, a server's hint or a refused access, one probe or one attempt too many, a retry that neither answers nor the
//!   reserve have paid for, a request before its time at a fixed rate or at an adaptive one's ceiling;
//! - **too little passes**: a refusal for a reason that is not there, or a wait beyond its end (of an adaptive rate: beyond
//!   the interval at its floor), or one that ends in the past;
//! - **something is lost**: a call, an attempt or a request that neither ended nor is under way, or a snapshot that is not
//!   taken back.
//!
//! Rate and reserve are compared to the nanosecond, with token buckets that hold no more than their burst. What is shown of an
//! adaptive rate or limit has to stay within its bounds; how it moves between them is for tests of its own.
//!
//! # What it leaves out
//! Bodies, header fields, connections and their setup, processors and memory: a round trip is a time, not a protocol. A
//! quota that a server announces (`headers=draft`) is therefore refused, although the fetcher heeds it. A server that is
//! stopped forgets its queue; apart from that it does what it took on, whether somebody waits for it or not.

mod agenda;
mod backend;
mod calls;
mod dice;
mod disturbance;
mod engine;
pub mod figures;
mod idle;
mod memory;
mod picture;
mod reply;
mod report;
mod samples;
pub mod scenario;
mod trace;
mod traffic;
mod watch;
mod world;

pub use engine::Violation;
pub use picture::timeline;
pub use report::{AttemptCounts, CallCounts, FleetReport, Moment, Report, Requests, ServerReport, Step};
pub use samples::Samples;
pub use watch::Breach;
pub use world::{Episode, Fleet, Link, Restart, Server, Traffic, World, WorldError};

use engine::Engine;

/// Why there is no report.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SimError {
    /// The world cannot be simulated as it is described.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The core broke a promise.
    #[error("the core broke a promise, please report this: {0}")]
    Violation(#[from] Violation),
}

impl World {
    /// Lets it run from beginning to end.
    ///
    /// # Errors
    /// Where the description is wrong, and should the core break a promise.
    pub fn run(&self) -> Result<Report, SimError> {
        let policies = self.checked()?;
        Ok(Engine::new(self, &policies).run()?)
    }
}

#[cfg(test)]
mod tests;
