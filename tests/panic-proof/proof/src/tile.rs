//! Tile addresses.

use core::str::FromStr;

use tidegate_core::{
    TileId,
    tile::{Ancestors, LogKey, ShowLocation, ShowQuadkey, TileError, TileLabel},
};

#[unsafe(no_mangle)]
pub fn proven_tile_id_new(z: u8, x: u32, y: u32) -> Result<TileId, TileError> {
    TileId::new(z, x, y)
}

#[unsafe(no_mangle)]
pub fn proven_tile_id_from_tms(z: u8, x: u32, row: u32) -> Result<TileId, TileError> {
    TileId::from_tms(z, x, row)
}

#[unsafe(no_mangle)]
pub fn proven_tile_id_parse(text: &str) -> Result<TileId, TileError> {
    TileId::from_str(text)
}

#[unsafe(no_mangle)]
pub fn proven_tile_id_look(tile: TileId) -> (u8, [u32; 3]) {
    (TileId::z(tile), [TileId::x(tile), TileId::y(tile), TileId::tms_row(tile)])
}

#[unsafe(no_mangle)]
pub fn proven_tile_id_up(tile: TileId, zoom: u8) -> [Option<TileId>; 2] {
    [TileId::parent(tile), TileId::ancestor(tile, zoom)]
}

#[unsafe(no_mangle)]
pub fn proven_tile_id_ancestors(tile: TileId) -> Ancestors {
    TileId::ancestors(tile)
}

#[unsafe(no_mangle)]
pub fn proven_ancestors_next(ancestors: &mut Ancestors) -> Option<TileId> {
    Ancestors::next(ancestors)
}

#[unsafe(no_mangle)]
pub fn proven_tile_id_down(tile: TileId) -> Option<[TileId; 4]> {
    TileId::children(tile)
}

#[unsafe(no_mangle)]
pub fn proven_tile_id_hilbert(tile: TileId) -> u64 {
    TileId::hilbert_id(tile)
}

#[unsafe(no_mangle)]
pub fn proven_tile_id_from_hilbert(id: u64) -> Result<TileId, TileError> {
    TileId::from_hilbert_id(id)
}

#[unsafe(no_mangle)]
pub fn proven_tile_id_show(tile: TileId) -> (ShowLocation, ShowQuadkey) {
    (TileId::show_location(tile), TileId::show_quadkey(tile))
}

#[unsafe(no_mangle)]
pub fn proven_tile_id_label(tile: TileId, bytes: [u8; 16]) -> TileLabel {
    TileId::label(tile, &LogKey::new(bytes))
}
