//! Which layers vector tiles have, told from the tiles.
//!
//! Archives of vector tiles have to list their layers, or viewers show nothing. A server says so in a TileJSON document;
//! where there is none, this reads the names out of the tiles: of layers, and of the fields of their features. Only as much
//! of the format (Mapbox Vector Tile 2.1, in Protocol Buffers) is read as that takes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};

/// The layers of some tiles.
#[derive(Debug, Default)]
pub(crate) struct Layers(BTreeMap<String, Layer>);

#[derive(Debug)]
struct Layer {
    zoom_min: u8,
    zoom_max: u8,
    fields: BTreeSet<String>,
}

/// No set of tiles has more layers, or fields in one layer. Further ones are not listed, so that a strange set of tiles
/// cannot take all the memory.
const NAMES_MAX: usize = 1024;
/// A tile is not unpacked further than this.
const TILE_BYTES_MAX: u64 = 32 << 20;

/// Field numbers.
const TILE_LAYER: u64 = 3;
const LAYER_NAME: u64 = 1;
const LAYER_KEY: u64 = 3;

impl Layers {
    /// Adds the layers of a tile, gzipped or not. What cannot be read adds nothing: whoever stored the tile has checked it.
    pub(crate) fn add(&mut self, zoom: u8, tile: &[u8]) {
        let mut unpacked = Vec::new();
        let tile = if tile.starts_with(&[0x1f, 0x8b]) {
            if MultiGzDecoder::new(tile).take(TILE_BYTES_MAX).read_to_end(&mut unpacked).is_err() {
                return;
            }
            &unpacked
        } else {
            tile
        };
        for (_, layer) in fields(tile).filter(|(number, _)| *number == TILE_LAYER) {
            self.add_layer(zoom, layer);
        }
    }

    fn add_layer(&mut self, zoom: u8, layer: &[u8]) {
        let text = |wanted| move |(number, bytes)| (number == wanted).then(|| str::from_utf8(bytes).ok()).flatten();
        let Some(name) = fields(layer).find_map(text(LAYER_NAME)) else { return };
        if !self.0.contains_key(name) && self.0.len() == NAMES_MAX {
            return;
        }
        let new = Layer { zoom_min: zoom, zoom_max: zoom, fields: BTreeSet::new() };
        let known = self.0.entry(name.to_owned()).or_insert(new);
        known.zoom_min = known.zoom_min.min(zoom);
        known.zoom_max = known.zoom_max.max(zoom);
        for key in fields(layer).filter_map(text(LAYER_KEY)) {
            if known.fields.len() < NAMES_MAX && !known.fields.contains(key) {
                known.fields.insert(key.to_owned());
            }
        }
    }

    /// As `vector_layers` of TileJSON 3; `None` where no layer was found.
    pub(crate) fn to_json(&self) -> Option<Value> {
        let layer = |(id, layer): (&String, &Layer)| {
            // A field's value describes it in words; nobody has told us any.
            let fields: serde_json::Map<_, _> = layer.fields.iter().map(|field| (field.clone(), json!(""))).collect();
            json!({ "id": id, "fields": fields, "minzoom": layer.zoom_min, "maxzoom": layer.zoom_max })
        };
        (!self.0.is_empty()).then(|| self.0.iter().map(layer).collect())
    }
}

/// The length-delimited fields of a message, with their numbers, up to where it ends or makes no sense.
fn fields(mut message: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    std::iter::from_fn(move || {
        loop {
            let tag = varint(&mut message)?;
            let skipped = match tag & 7 {
                0 => varint(&mut message).map(|_| 0)?,
                1 => 8,
                5 => 4,
                2 => {
                    let length = usize::try_from(varint(&mut message)?).ok()?;
                    let (field, rest) = message.split_at_checked(length)?;
                    message = rest;
                    return Some((tag >> 3, field));
                }
                _ => return None,
            };
            message = message.get(skipped..)?;
        }
    })
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::gzip;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
    }

    /// A tile with one layer that has those keys, a version (a varint) and an empty feature.
    fn tile(name: &str, keys: &[&str]) -> Vec<u8> {
        let mut layer = vec![15 << 3, 2];
        layer.extend(field(1, name.as_bytes()));
        layer.extend(field(2, &[]));
        keys.iter().for_each(|key| layer.extend(field(3, key.as_bytes())));
        field(3, &layer)
    }

    #[test]
    fn layers_fields_and_zooms_add_up() {
        let mut layers = Layers::default();
        layers.add(4, &tile("roads", &["name"]));
        layers.add(6, &gzip(&tile("roads", &["name", "lanes"])));
        layers.add(2, &[tile("sea", &[]), tile("roads", &[])].concat());
        let expected = json!([
            { "id": "roads", "fields": { "name": "", "lanes": "" }, "minzoom": 2, "maxzoom": 6 },
            { "id": "sea", "fields": {}, "minzoom": 2, "maxzoom": 2 },
        ]);
        assert_eq!(layers.to_json(), Some(expected));
    }

    #[test]
    fn without_a_layer_there_is_nothing_to_list() {
        let mut layers = Layers::default();
        layers.add(0, b"\x1f\x8bnot gzip after all");
        layers.add(0, b"");
        assert_eq!(layers.to_json(), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut layers = Layers::default();
            layers.add(3, &bytes);
            prop_assert!(layers.0.len() <= 100);
        }
    }
}
