//! The transport beside peers: one server, one tile, many clients.

pub mod client;
pub mod server;
pub mod tile;
