//! Where tiles are kept: directory, MBTiles, PMTiles, cache, dead letters, areas and schemes.

pub mod archive;
pub mod area;
pub mod cache;
pub mod dead_letter;
mod extent;
mod extsort;
mod files;
mod format;
pub mod health;
mod layers;
mod mbtiles;
pub mod memory;
mod metadata;
mod pmtiles;
pub mod scheme;
pub mod sink;
pub mod sources;
pub mod verify;

pub use files::Durability;
pub use format::TileFormat;
pub use metadata::Metadata;
pub use pmtiles::{DirectoryError, HeaderError, PmtilesError};
pub use tidegate_core::{TileId, tile::TileError};
