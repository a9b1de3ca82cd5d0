//! The mock tile server as a client sees it, over loopback.

mod client;
mod control;
mod faults;
mod hostile;
mod limits;
mod serving;
