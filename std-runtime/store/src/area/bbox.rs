//! Boxes of longitude and latitude.

use std::fmt;
use std::str::FromStr;

use super::mercator::{across, down, index};
use super::rect::Rect;
use crate::TileId;

/// A box in degrees, written west,south,east,north. Where west is greater than east it crosses the antimeridian.
///
/// Its edges belong to it: a tile that only shares an edge with the box is one of its tiles. Latitudes beyond the
/// projection (85.0511 degrees) are clamped to it.
///
/// ```
/// # use tidegate_store::area::Bbox;
/// let fiji: Bbox = "176,-20,-178,-15".parse()?;
/// assert_eq!(fiji.to_string(), "176,-20,-178,-15");
/// # Ok::<(), tidegate_store::area::BboxError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bbox {
    west: f64,
    south: f64,
    east: f64,
    north: f64,
}

/// Why a box was not understood.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BboxError {
    /// There are not four numbers.
    #[error("`{0}` is not a box; write four numbers: west,south,east,north, for example 13.1,52.3,13.8,52.7")]
    NotFourNumbers(String),
    /// A longitude is outside -180 to 180.
    #[error(
        "longitude {0} is outside -180 to 180; a box across the antimeridian has west greater than east, for example 170,-20,-170,-10"
    )]
    Longitude(f64),
    /// A latitude is outside -90 to 90.
    #[error("latitude {0} is outside -90 to 90; the order is west,south,east,north")]
    Latitude(f64),
    /// The numbers only make sense as south,west,north,east.
    #[error("`{given}` looks like south,west,north,east; the order is west,south,east,north: {swapped}")]
    LatitudeFirst {
        /// The box as it was written.
        given: String,
        /// The same box in the order expected here.
        swapped: String,
    },
    /// The southern edge is north of the northern one.
    #[error("south {south} is greater than north {north}; the order is west,south,east,north")]
    UpsideDown {
        /// The second number.
        south: f64,
        /// The fourth number.
        north: f64,
    },
}

impl Bbox {
    /// The whole world.
    pub const WORLD: Self = Self { west: -180.0, south: -90.0, east: 180.0, north: 90.0 };

    /// A box from its four edges in degrees.
    ///
    /// # Errors
    /// When a longitude is outside -180 to 180, a latitude outside -90 to 90 (not-a-number included), or south is
    /// greater than north.
    pub fn new(west: f64, south: f64, east: f64, north: f64) -> Result<Self, BboxError> {
        for longitude in [west, east] {
            if !(-180.0..=180.0).contains(&longitude) {
                return Err(BboxError::Longitude(longitude));
            }
        }
        for latitude in [south, north] {
            if !(-90.0..=90.0).contains(&latitude) {
                return Err(BboxError::Latitude(latitude));
            }
        }
        if south > north {
            return Err(BboxError::UpsideDown { south, north });
        }
        Ok(Self { west, south, east, north })
    }

    /// Western edge, degrees.
    pub fn west(&self) -> f64 {
        self.west
    }

    /// Southern edge, degrees.
    pub fn south(&self) -> f64 {
        self.south
    }

    /// Eastern edge, degrees.
    pub fn east(&self) -> f64 {
        self.east
    }

    /// Northern edge, degrees.
    pub fn north(&self) -> f64 {
        self.north
    }

    /// Whether the tile is one of the box's.
    pub fn has(&self, tile: TileId) -> bool {
        self.rects(tile.z()).any(|rect| rect.has(tile.x(), tile.y()))
    }

    /// The tiles at `zoom`: one rectangle, or two where the box crosses the antimeridian.
    pub(super) fn rects(&self, zoom: u8) -> impl Iterator<Item = Rect> {
        let spans = if self.west <= self.east {
            [Some((self.west, self.east)), None]
        } else {
            [Some((self.west, 180.0)), Some((-180.0, self.east))]
        };
        let (top, bottom) = (index(down(self.north), zoom), index(down(self.south), zoom));
        spans.into_iter().flatten().map(move |(west, east)| Rect {
            left: index(across(west), zoom),
            right: index(across(east), zoom),
            top,
            bottom,
        })
    }
}

impl FromStr for Bbox {
    type Err = BboxError;

    fn from_str(text: &str) -> Result<Self, BboxError> {
        let not_four = || BboxError::NotFourNumbers(text.to_owned());
        let mut numbers = [0.0; 4];
        let mut parts = text.split(',');
        for number in &mut numbers {
            *number = parts.next().and_then(|part| part.trim().parse().ok()).ok_or_else(not_four)?;
        }
        if parts.next().is_some() {
            return Err(not_four());
        }
        let [west, south, east, north] = numbers;
        Self::new(west, south, east, north).map_err(|error| match Self::new(south, west, north, east) {
            Ok(swapped) if swapped.west <= swapped.east => {
                BboxError::LatitudeFirst { given: text.to_owned(), swapped: swapped.to_string() }
            }
            _ => error,
        })
    }
}

impl fmt::Display for Bbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},{},{}", self.west, self.south, self.east, self.north)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_value_and_the_fix() {
        let message = |text: &str| text.parse::<Bbox>().unwrap_err().to_string();
        assert!(message("1,2,3").starts_with("`1,2,3` is not a box; write four numbers: west,south,east,north"));
        assert!(message("1,2,3,4,5").starts_with("`1,2,3,4,5` is not a box"));
        assert!(message("1,2,3,x").starts_with("`1,2,3,x` is not a box"));
        assert!(
            message("170,-20,190,-10").contains("longitude 190 is outside -180 to 180; a box across the antimeridian")
        );
        assert!(message("0,-91,-170,0").contains("latitude -91 is outside -90 to 90"));
        assert!(message("NaN,0,1,1").contains("longitude NaN"));
        assert!(message("0,20,10,10").contains("south 20 is greater than north 10"));
    }

    #[test]
    fn a_box_that_only_makes_sense_with_latitude_first_says_so() {
        // New Zealand as go-tilepacks writes it.
        assert_eq!(
            "-47.5,166,-34,179".parse::<Bbox>().unwrap_err().to_string(),
            "`-47.5,166,-34,179` looks like south,west,north,east; the order is west,south,east,north: 166,-47.5,179,-34"
        );
    }

    #[test]
    fn a_box_across_the_antimeridian_is_two_rectangles() {
        let fiji: Bbox = "170,-20,-170,-10".parse().unwrap();
        let rects: Vec<_> = fiji.rects(5).collect();
        assert_eq!(rects.len(), 2);
        assert_eq!((rects[0].left, rects[0].right), (31, 31));
        assert_eq!((rects[1].left, rects[1].right), (0, 0));
    }

    #[test]
    fn a_tile_belongs_to_the_boxes_that_it_touches() {
        let fiji: Bbox = "170,-20,-170,-10".parse().unwrap();
        let has = |x, y| fiji.has(TileId::new(5, x, y).unwrap());
        assert!(has(31, 16) && has(0, 17) && !has(1, 16) && !has(30, 16) && !has(0, 15) && !has(0, 18));
    }

    #[test]
    fn a_point_is_one_tile_and_the_poles_are_clamped() {
        let point = Bbox::new(13.41, 52.52, 13.41, 52.52).unwrap();
        assert_eq!(point.rects(14).next(), Some(Rect { left: 8802, right: 8802, top: 5373, bottom: 5373 }));
        let world = Bbox::WORLD.rects(2).next();
        assert_eq!(world, Some(Rect { left: 0, right: 3, top: 0, bottom: 3 }));
    }
}
