//! Fetches map tiles, or anything else, from services that are slow, rate limited or down.

pub mod clock;
pub mod config;
pub mod fetch;
pub mod ledger;
pub mod runtime;
pub mod stop;
pub mod template;
pub mod testing;
pub mod transport;
pub mod upstream;
pub mod verify;
