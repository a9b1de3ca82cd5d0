//! Whether bytes can be a Mapbox vector tile.
//!
//! The format is a protobuf message without any mark of its own, so its outline is walked: a tile is layers, a layer
//! has a name, and every length stays inside of what holds it (Mapbox Vector Tile Specification 2.1). Features and
//! their geometries are not looked into.

use super::format::Flaw;

/// Walks a whole tile. It has to begin with a layer, as nothing else distinguishes it from any bytes at all.
pub(super) fn tile(mut bytes: &[u8]) -> Result<(), Flaw> {
    if bytes.first() != Some(&LAYER_KEY) {
        return Err(Flaw::Corrupt);
    }
    while !bytes.is_empty() {
        match next_field(&mut bytes)? {
            (LAYER, Value::Bytes(layer)) => self::layer(layer)?,
            // Fields 1 and 2 and 4 to 15 are nobody's; extensions begin at 16.
            (number, _) if number >= FIRST_EXTENSION => {}
            _ => return Err(Flaw::Corrupt),
        }
    }
    Ok(())
}

/// Walks a layer, which is all there: whatever ends early in it is corrupt rather than cut short.
fn layer(mut bytes: &[u8]) -> Result<(), Flaw> {
    let mut has_name = false;
    while !bytes.is_empty() {
        match next_field(&mut bytes).map_err(|_| Flaw::Corrupt)? {
            (NAME, Value::Bytes(name)) => has_name |= std::str::from_utf8(name).is_ok_and(|name| !name.is_empty()),
            (FEATURE | KEY | VALUE, Value::Bytes(_)) | (EXTENT | VERSION, Value::Number) => {}
            (NAME | FEATURE | KEY | VALUE | EXTENT | VERSION, _) => return Err(Flaw::Corrupt),
            // Unknown fields are skipped, as protobuf wants it.
            _ => {}
        }
    }
    if has_name { Ok(()) } else { Err(Flaw::Corrupt) }
}

enum Value<'a> {
    Number,
    Bytes(&'a [u8]),
}

/// Takes one field off the front.
fn next_field<'a>(bytes: &mut &'a [u8]) -> Result<(u64, Value<'a>), Flaw> {
    let key = varint(bytes)?;
    let value = match key & 7 {
        0 => varint(bytes).map(|_| Value::Number)?,
        1 => take(bytes, 8).map(|_| Value::Number)?,
        2 => {
            let length = varint(bytes)?;
            Value::Bytes(take(bytes, usize::try_from(length).map_err(|_| Flaw::Truncated)?)?)
        }
        5 => take(bytes, 4).map(|_| Value::Number)?,
        // Groups are not used, and 6 and 7 do not exist.
        _ => return Err(Flaw::Corrupt),
    };
    Ok((key >> 3, value))
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8], Flaw> {
    let (taken, rest) = bytes.split_at_checked(count).ok_or(Flaw::Truncated)?;
    *bytes = rest;
    Ok(taken)
}

/// Seven bits a byte, the lowest first, at most ten bytes.
fn varint(bytes: &mut &[u8]) -> Result<u64, Flaw> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(Flaw::Truncated)?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Flaw::Corrupt)
}

const LAYER: u64 = 3;
/// The layer's number and "bytes with a length", as they stand in the message.
const LAYER_KEY: u8 = 0x1a;
const FIRST_EXTENSION: u64 = 16;

const NAME: u64 = 1;
const FEATURE: u64 = 2;
const KEY: u64 = 3;
const VALUE: u64 = 4;
const EXTENT: u64 = 5;
const VERSION: u64 = 15;
