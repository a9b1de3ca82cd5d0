//! Fetches map tiles, or anything else, from services that are slow, rate limited or down.

pub mod template;
pub mod transport;
pub mod verify;
