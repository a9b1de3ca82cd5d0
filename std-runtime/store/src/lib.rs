//! Where tiles are kept: directory, MBTiles, PMTiles, cache, dead letters, areas and schemes.

pub mod area;
mod files;
pub mod sink;
mod tile;

pub use files::Durability;
pub use tile::{TileError, TileId};
