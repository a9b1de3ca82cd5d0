//! Which tile is meant.

use std::fmt;
use std::str::FromStr;

use crate::mock::rules::RuleError;

/// A tile of the XYZ scheme: row 0 is the northernmost.
///
/// Invariant: the zoom is at most 29, column and row are below 2^zoom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileKey {
    zoom: u8,
    x: u32,
    y: u32,
}

impl TileKey {
    /// The tile, if there is one at this place.
    pub const fn new(zoom: u8, x: u32, y: u32) -> Option<Self> {
        if zoom <= ZOOM_MAX && x < 1 << zoom && y < 1 << zoom { Some(Self { zoom, x, y }) } else { None }
    }

    /// The zoom, 0 to 29.
    pub const fn zoom(self) -> u8 {
        self.zoom
    }

    /// The column from the west.
    pub const fn x(self) -> u32 {
        self.x
    }

    /// The row from the north.
    pub const fn y(self) -> u32 {
        self.y
    }

    /// The same row counted from the south, as in TMS and MBTiles. The other way is the same.
    pub const fn tms_row(self) -> u32 {
        // At most 2^29 - 1, and `y` is not above it.
        (1 << self.zoom) - 1 - self.y
    }

    /// 63 bits that no other tile has.
    pub(in crate::mock) const fn packed(self) -> u64 {
        (self.zoom as u64) << 58 | (self.x as u64) << 29 | self.y as u64
    }
}

impl FromStr for TileKey {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let wrong = || RuleError::Tile { text: text.to_owned() };
        let mut numbers = text.split('/');
        let mut number = || digits(numbers.next()?);
        let (zoom, x, y) = (number(), number(), number());
        let key = match (zoom, x, y, numbers.next()) {
            (Some(zoom), Some(x), Some(y), None) => u8::try_from(zoom).ok().and_then(|zoom| Self::new(zoom, x, y)),
            _ => None,
        };
        key.ok_or_else(wrong)
    }
}

impl fmt::Display for TileKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}/{}", self.zoom, self.x, self.y)
    }
}

/// A number of digits alone; `parse` would take a sign as well.
pub(in crate::mock) fn digits(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Two numbers below 2^29 and a zoom fit into 63 bits.
const ZOOM_MAX: u8 = 29;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_from_the_south_in_an_archive() {
        // The example of the MBTiles 1.3 specification.
        assert_eq!("11/327/791".parse().map(TileKey::tms_row), Ok(1_256));
        assert_eq!("0/0/0".parse().map(TileKey::tms_row), Ok(0));
        assert_eq!("29/0/0".parse().map(TileKey::tms_row), Ok((1 << 29) - 1));
    }

    #[test]
    fn places_that_are_not_on_the_map_are_no_tiles() {
        for text in ["", "3/1", "3/1/2/4", "3/8/0", "3/0/8", "30/0/0", "-1/0/0", "3/+1/2", "3//2", "a/b/c", "256/0/0"] {
            assert_eq!(text.parse::<TileKey>(), Err(RuleError::Tile { text: text.to_owned() }));
        }
        assert_eq!("3/7/7".parse(), Ok(TileKey { zoom: 3, x: 7, y: 7 }));
    }

    #[test]
    fn packed_keys_differ_even_at_the_corners() {
        let corners =
            ["29/536870911/536870911", "29/536870911/0", "29/0/536870911", "28/0/0", "1/1/0", "1/0/1", "0/0/0"];
        let mut packed: Vec<_> = corners.iter().filter_map(|text| text.parse().ok().map(TileKey::packed)).collect();
        packed.sort_unstable();
        packed.dedup();
        assert_eq!(packed.len(), corners.len());
        assert!(packed.iter().all(|key| *key < 1 << 63));
    }
}
