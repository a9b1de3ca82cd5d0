//! The parts of the firmware that do something: read the command line, bring up the network, make one attempt.
//!
//! | module | does |
//! |---|---|
//! | [`settings`] | what the host asked for, checked |
//! | [`network`] | the IP stack over the board's Ethernet |
//! | [`attempt`] | connect, ask, check, close, within a deadline |
#![no_std]

pub mod attempt;
pub mod network;
pub mod settings;

// Linked for what it defines: the transport of defmt's frames, here the host's standard output.
use defmt_semihosting as _;
