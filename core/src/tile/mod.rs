//! Map tiles as three integers: zoom, column and row of the square Web Mercator grid.
//!
//! **Why here.** A tile's number decides which requests belong together, what stands in when one is missing (its
//! parent, enlarged) and where it lies in an archive. All of it is shifts, so a controller without an FPU does it too.
//! What needs trigonometry, longitude and latitude to tile, is not here.
//!
//! **When it harms.** A list of tiles is a record of where somebody was, and logs travel further than anyone expects.
//! So `Debug`, `Display` and `defmt` show the zoom alone. A log line that has to tell tiles apart uses
//! [`TileId::label`]; showing the place takes [`TileId::show_location`], which can be searched for. [`TileId::x`],
//! [`TileId::y`] and the ids made from them give the place away too: they are for addresses and archives, not for logs.
//!
//! **Formulas.** At zoom z there are 2^z columns, counted from the west, and 2^z rows, counted from the north. The
//! parent is (x >> 1, y >> 1), the row counted from the south (TMS) is 2^z − 1 − y, and digit i of the quadkey is bit i
//! of x plus twice bit i of y. The Hilbert id is described in `hilbert.rs`, the label in `label.rs`.
//!
//! ```
//! use tidegate_core::tile::TileId;
//!
//! let tile = TileId::new(11, 327, 791)?;
//! assert_eq!(tile.to_string(), "z11/…"); // safe to log
//! assert_eq!(tile.show_location().to_string(), "11/327/791");
//! assert_eq!(tile.tms_row(), 1256);
//! assert_eq!(tile.parent(), Some(TileId::new(10, 163, 395)?));
//! # Ok::<(), tidegate_core::tile::TileError>(())
//! ```

mod hilbert;
mod label;

use core::{fmt, str::FromStr};

pub use label::{LogKey, TileLabel};

/// One tile of the grid.
///
/// Invariant: the zoom is at most [`TileId::ZOOM_MAX`], and column and row are below 2^zoom.
///
/// The order is by zoom, then column, then row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    z: u8,
    x: u32,
    y: u32,
}

impl TileId {
    /// The highest zoom there is: 30. A tile is 3.7 cm wide there, at the equator.
    pub const ZOOM_MAX: u8 = 30;

    /// The one tile of zoom 0, the whole world.
    pub const WORLD: Self = Self { z: 0, x: 0, y: 0 };

    /// The tile at zoom `z` in column `x` from the west and row `y` from the north.
    ///
    /// # Errors
    /// [`TileError::Zoom`] above [`TileId::ZOOM_MAX`], [`TileError::Column`] and [`TileError::Row`] outside the grid.
    pub const fn new(z: u8, x: u32, y: u32) -> Result<Self, TileError> {
        if z > Self::ZOOM_MAX {
            Err(TileError::Zoom { zoom: z })
        } else if x > last_index(z) {
            Err(TileError::Column { zoom: z })
        } else if y > last_index(z) {
            Err(TileError::Row { zoom: z })
        } else {
            Ok(Self { z, x, y })
        }
    }

    /// The tile whose row is counted from the south, as TMS and MBTiles do.
    ///
    /// # Errors
    /// As [`TileId::new`].
    pub const fn from_tms(z: u8, x: u32, row: u32) -> Result<Self, TileError> {
        match Self::new(z, x, row) {
            Ok(flipped) => Ok(Self { z, x, y: flipped.tms_row() }),
            Err(error) => Err(error),
        }
    }

    /// The zoom, from 0 to [`TileId::ZOOM_MAX`].
    pub const fn z(self) -> u8 {
        self.z
    }

    /// The column, counted from the west. Part of the location.
    pub const fn x(self) -> u32 {
        self.x
    }

    /// The row, counted from the north. Part of the location.
    pub const fn y(self) -> u32 {
        self.y
    }

    /// The row counted from the south, as TMS and MBTiles do. Part of the location.
    pub const fn tms_row(self) -> u32 {
        // The invariant says that y is at most the last index; saturating keeps the proof local.
        last_index(self.z).saturating_sub(self.y)
    }

    /// The tile that covers this one at the next lower zoom; `None` for [`TileId::WORLD`].
    #[must_use = "the tile itself is left as it was"]
    pub const fn parent(self) -> Option<Self> {
        match self.z.checked_sub(1) {
            Some(z) => Some(Self { z, x: self.x >> 1, y: self.y >> 1 }),
            None => None,
        }
    }

    /// The tile that covers this one at `zoom`, itself at its own; `None` where `zoom` is higher.
    #[must_use = "the tile itself is left as it was"]
    pub const fn ancestor(self, zoom: u8) -> Option<Self> {
        match self.z.checked_sub(zoom) {
            // At most ZOOM_MAX, so the mask changes nothing.
            Some(up) => Some(Self { z: zoom, x: self.x >> (up & 31), y: self.y >> (up & 31) }),
            None => None,
        }
    }

    /// The tiles that cover this one, its parent first and [`TileId::WORLD`] last. Empty for the world itself.
    pub const fn ancestors(self) -> Ancestors {
        Ancestors { next: self.parent() }
    }

    /// The four tiles of the next zoom that make up this one: north-west, north-east, south-west, south-east, the
    /// order of the quadkey. `None` at [`TileId::ZOOM_MAX`].
    #[must_use = "the tile itself is left as it was"]
    pub const fn children(self) -> Option<[Self; 4]> {
        if self.z >= Self::ZOOM_MAX {
            return None;
        }
        let (z, west, north) = (self.z + 1, self.x << 1, self.y << 1);
        Some([
            Self { z, x: west, y: north },
            Self { z, x: west | 1, y: north },
            Self { z, x: west, y: north | 1 },
            Self { z, x: west | 1, y: north | 1 },
        ])
    }

    /// Shows `z/x/y`, the place itself. Not for logs.
    pub const fn show_location(self) -> ShowLocation {
        ShowLocation(self)
    }

    /// Shows the quadkey, one digit per zoom, empty for the world. It is the place itself: for addresses, not for logs.
    pub const fn show_quadkey(self) -> ShowQuadkey {
        ShowQuadkey(self)
    }
}

/// The highest column and row at a zoom.
const fn last_index(z: u8) -> u32 {
    // Callers have checked the zoom, so the mask changes nothing and the shift cannot overflow.
    (1 << (z & 31)) - 1
}

impl fmt::Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "z{}/…", self.z)
    }
}

impl fmt::Debug for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TileId(z{}/…)", self.z)
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for TileId {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "z{=u8}/..", self.z);
    }
}

/// Reads `z/x/y` in decimal digits, as [`TileId::show_location`] writes it.
impl FromStr for TileId {
    type Err = TileError;

    fn from_str(text: &str) -> Result<Self, TileError> {
        let mut parts = text.as_bytes().split(|&byte| byte == b'/').map(decimal);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Some(z)), Some(Some(x)), Some(Some(y)), None) => {
                Self::new(u8::try_from(z).map_err(|_| TileError::Text)?, x, y)
            }
            _ => Err(TileError::Text),
        }
    }
}

/// Digits alone: `str::parse` would take a sign too.
fn decimal(text: &[u8]) -> Option<u32> {
    let (first, rest) = text.split_first()?;
    rest.iter().try_fold(digit(*first)?, |number, &byte| number.checked_mul(10)?.checked_add(digit(byte)?))
}

fn digit(byte: u8) -> Option<u32> {
    char::from(byte).to_digit(10)
}

/// The tiles that cover a tile, nearest first. Made by [`TileId::ancestors`].
#[derive(Clone, Debug)]
#[must_use = "an iterator does nothing until it is read"]
pub struct Ancestors {
    next: Option<TileId>,
}

impl Iterator for Ancestors {
    type Item = TileId;

    fn next(&mut self) -> Option<TileId> {
        let tile = self.next?;
        self.next = tile.parent();
        Some(tile)
    }
}

/// `z/x/y` as text. Made by [`TileId::show_location`].
#[derive(Clone, Copy, Debug)]
#[must_use = "shows nothing until it is written somewhere"]
pub struct ShowLocation(TileId);

impl fmt::Display for ShowLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.0.z, self.0.x, self.0.y)
    }
}

/// A quadkey as text. Made by [`TileId::show_quadkey`].
#[derive(Clone, Copy, Debug)]
#[must_use = "shows nothing until it is written somewhere"]
pub struct ShowQuadkey(TileId);

impl fmt::Display for ShowQuadkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TileId { z, x, y } = self.0;
        (0..z).rev().try_for_each(|level| {
            let bit = |of: u32| of >> (level & 31) & 1;
            write!(f, "{}", bit(x) | bit(y) << 1)
        })
    }
}

/// Why there is no such tile. The messages do not repeat a column or row: they may be half of a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum TileError {
    /// The zoom is above [`TileId::ZOOM_MAX`].
    Zoom {
        /// The zoom that was asked for.
        zoom: u8,
    },
    /// The column is not below 2^zoom.
    Column {
        /// The zoom whose grid it is outside of.
        zoom: u8,
    },
    /// The row is not below 2^zoom.
    Row {
        /// The zoom whose grid it is outside of.
        zoom: u8,
    },
    /// The Hilbert id is beyond the last one of [`TileId::ZOOM_MAX`].
    Id {
        /// The id that was asked for.
        id: u64,
    },
    /// The text is not three decimal numbers with slashes between them.
    Text,
}

impl fmt::Display for TileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Zoom { zoom } => write!(f, "zoom {zoom} is too high: the highest is {}", TileId::ZOOM_MAX),
            Self::Column { zoom } => {
                write!(f, "the column is outside zoom {zoom}: its columns run from 0 to {}", last_index(zoom))
            }
            Self::Row { zoom } => {
                write!(f, "the row is outside zoom {zoom}: its rows run from 0 to {}", last_index(zoom))
            }
            Self::Id { id } => write!(f, "tile id {id} is too large: the highest is {}", hilbert::ID_MAX),
            Self::Text => write!(f, "not a tile: write zoom, column and row in digits, such as 3/4/2"),
        }
    }
}

impl core::error::Error for TileError {}

const _: () = assert!(size_of::<TileId>() == 12);

#[cfg(test)]
mod tests;
