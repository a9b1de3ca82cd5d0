//! The parts of the firmware.
//!
//! | module | does |
//! |---|---|
//! | [`settings`] | what the host asked for, checked |
//! | [`policy`] | the settings of the core on this device |
//! | [`fetcher`] | a few calls at once through one gate, until the trip is over |
//! | [`memory`] | what the gate must not forget when the device is reset |
//! | [`transport`] | where tiles are asked for: the network, or a script |
//! | [`network`] | the IP stack over the board's Ethernet |
//! | [`attempt`] | connect, ask, check, close |
//! | [`report`] | how it went, as a line of the log and an exit code |
//!
//! Its programs: `fetch` asks a server on the network; `rehearse` plays an hour with a scripted one on virtual time.
#![no_std]

pub mod attempt;
pub mod fetcher;
pub mod memory;
pub mod network;
pub mod policy;
pub mod report;
pub mod settings;
pub mod transport;

// Linked for what it defines: the transport of defmt's frames, here the host's standard output.
use defmt_semihosting as _;
