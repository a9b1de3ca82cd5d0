//! Which tiles lie ahead, and when the vehicle gets there.
//!
//! A vehicle drives east along a parallel, at one column of tiles per `pace`. Its map shows some rows around it, so it needs
//! all of a column when it gets there, and asks for them `ahead` of that. A product takes the list from its navigation; what
//! follows from it, a deadline for each tile, is the same.

use core::{fmt, time::Duration};

use tidegate_core::{Instant, TileId};

/// A drive along a parallel, from the first column eastwards.
///
/// Invariant: every errand's tile is on the grid, and later errands are needed no earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Route {
    /// The zoom of all its tiles.
    pub zoom: u8,
    /// The northernmost row.
    pub row: u32,
    /// How many rows there are.
    pub rows: u32,
    /// How many columns the vehicle drives through; the world is round.
    pub columns: u32,
    /// How long it is in each.
    pub pace: Duration,
    /// How long before it gets there a column is asked for.
    pub ahead: Duration,
}

/// One tile of the route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errand {
    /// Which.
    pub tile: TileId,
    /// When it comes into view.
    pub known_at: Instant,
    /// When the vehicle gets there: of no use afterwards.
    pub needed_at: Instant,
}

/// Why this is no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum RouteError {
    /// No row, or rows beyond the grid of this zoom.
    Rows,
    /// No column, or more than 65,536.
    Columns,
    /// No time to fetch a tile in.
    Ahead,
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rows => "the rows are not on the grid: give at least one, and keep row + rows within 2^zoom",
            Self::Columns => "a route has 1 to 65,536 columns",
            Self::Ahead => "ahead is the time there is to fetch a tile in: give some",
        })
    }
}

impl core::error::Error for RouteError {}

impl Route {
    /// Checks a route.
    ///
    /// # Errors
    /// See [`RouteError`].
    pub fn checked(self) -> Result<Self, RouteError> {
        let last_row =
            self.rows.checked_sub(1).and_then(|below| self.row.checked_add(below)).ok_or(RouteError::Rows)?;
        TileId::new(self.zoom, 0, last_row).map_err(|_| RouteError::Rows)?;
        if self.columns == 0 || self.columns > COLUMNS_MAX {
            return Err(RouteError::Columns);
        }
        if self.ahead.is_zero() {
            return Err(RouteError::Ahead);
        }
        Ok(self)
    }

    /// How many tiles it has.
    pub fn tiles(&self) -> u32 {
        self.columns.saturating_mul(self.rows)
    }

    /// The tile with this number, counted from 0; `None` behind the last.
    pub fn errand(&self, index: u32) -> Option<Errand> {
        let (column, below) = (index.checked_div(self.rows)?, index.checked_rem(self.rows)?);
        if column >= self.columns {
            return None;
        }
        let x = column & 1u32.checked_shl(self.zoom.into())?.checked_sub(1)?;
        let tile = TileId::new(self.zoom, x, self.row.checked_add(below)?).ok()?;
        let known_at = Instant::ORIGIN.saturating_add(self.pace.saturating_mul(column));
        Some(Errand { tile, known_at, needed_at: known_at.saturating_add(self.ahead) })
    }
}

/// More than a device drives through between two starts.
const COLUMNS_MAX: u32 = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: Route =
        Route { zoom: 2, row: 1, rows: 2, columns: 5, pace: Duration::from_secs(10), ahead: Duration::from_secs(30) };

    fn at(index: u32) -> Option<(u32, u32, u64, u64)> {
        ROUTE.errand(index).map(|errand| {
            let seconds = |at: Instant| at.as_nanos() / 1_000_000_000;
            (errand.tile.x(), errand.tile.y(), seconds(errand.known_at), seconds(errand.needed_at))
        })
    }

    #[test]
    fn columns_come_one_after_the_other_and_around_the_world() {
        assert_eq!(at(0), Some((0, 1, 0, 30)));
        assert_eq!(at(1), Some((0, 2, 0, 30)));
        assert_eq!(at(2), Some((1, 1, 10, 40)));
        assert_eq!(at(9), Some((0, 2, 40, 70)), "the fifth column of four is the first one");
        assert_eq!(at(10), None);
        assert_eq!(ROUTE.tiles(), 10);
    }

    #[test]
    fn what_is_no_route_is_refused() {
        assert_eq!(ROUTE.checked(), Ok(ROUTE));
        assert_eq!(Route { rows: 4, ..ROUTE }.checked(), Err(RouteError::Rows), "one beyond the grid");
        assert_eq!(Route { rows: 0, ..ROUTE }.checked(), Err(RouteError::Rows));
        assert_eq!(Route { zoom: 31, ..ROUTE }.checked(), Err(RouteError::Rows));
        assert_eq!(Route { row: u32::MAX, ..ROUTE }.checked(), Err(RouteError::Rows));
        assert_eq!(Route { columns: 0, ..ROUTE }.checked(), Err(RouteError::Columns));
        assert_eq!(Route { columns: COLUMNS_MAX + 1, ..ROUTE }.checked(), Err(RouteError::Columns));
        assert_eq!(Route { ahead: Duration::ZERO, ..ROUTE }.checked(), Err(RouteError::Ahead));
    }
}
