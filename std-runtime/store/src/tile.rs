//! Tile addresses.

/// A tile of the Web Mercator quadtree: zoom, column from the west, row from the north.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TileId {
    z: u8,
    x: u32,
    y: u32,
}

/// A column, row or zoom outside the quadtree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such tile at zoom {zoom}: zoom is 0 to 30, column and row are below 2^zoom")]
pub struct TileError {
    zoom: u8,
}

impl TileId {
    /// The deepest zoom.
    pub const ZOOM_MAX: u8 = 30;

    /// The tile at zoom `z`, column `x` from the west, row `y` from the north.
    pub fn new(z: u8, x: u32, y: u32) -> Result<Self, TileError> {
        let inside = z <= Self::ZOOM_MAX && x < 1 << z && y < 1 << z;
        if inside { Ok(Self { z, x, y }) } else { Err(TileError { zoom: z }) }
    }

    /// Zoom.
    pub const fn z(self) -> u8 {
        self.z
    }

    /// Column from the west.
    pub const fn x(self) -> u32 {
        self.x
    }

    /// Row from the north.
    pub const fn y(self) -> u32 {
        self.y
    }
}

impl core::fmt::Debug for TileId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "TileId(zoom {})", self.z)
    }
}
