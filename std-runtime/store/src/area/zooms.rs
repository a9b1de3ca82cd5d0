//! Sets of zoom levels, as people write them: `0-6`, `3`, `2,5-7`.

use std::fmt;
use std::str::FromStr;

use crate::TileId;

/// The zooms to visit, from 0 to [`TileId::ZOOM_MAX`]. Never empty.
///
/// ```
/// # use tidegate_store::area::ZoomSet;
/// let zooms: ZoomSet = "2,5-7".parse()?;
/// assert_eq!(zooms.iter().collect::<Vec<_>>(), [2, 5, 6, 7]);
/// # Ok::<(), tidegate_store::area::ZoomError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoomSet(u32);

/// Why a set of zooms was not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZoomError {
    /// A part is neither a zoom nor a range of zooms.
    #[error("`{0}` is not a zoom; write zooms like 3, 0-6 or 2,5-7")]
    NotAZoom(String),
    /// A zoom is deeper than tiles go.
    #[error("zoom {zoom} is too deep; the deepest is {max}", max = TileId::ZOOM_MAX)]
    TooDeep {
        /// The zoom asked for.
        zoom: u8,
    },
    /// A range runs from deep to shallow.
    #[error("the zoom range {from}-{to} runs backwards; write {to}-{from}")]
    Backwards {
        /// The first zoom of the range as written.
        from: u8,
        /// The last zoom of the range as written.
        to: u8,
    },
}

impl ZoomSet {
    /// Every zoom from `from` up to and including `to`.
    ///
    /// # Errors
    /// When the range runs backwards or is deeper than [`TileId::ZOOM_MAX`].
    pub fn range(from: u8, to: u8) -> Result<Self, ZoomError> {
        if to > TileId::ZOOM_MAX || from > TileId::ZOOM_MAX {
            return Err(ZoomError::TooDeep { zoom: from.max(to) });
        }
        if from > to {
            return Err(ZoomError::Backwards { from, to });
        }
        let up_to = |zoom: u8| u32::MAX >> (31 - u32::from(zoom));
        Ok(Self(up_to(to) & !(up_to(from) >> 1)))
    }

    /// The zooms, shallow ones first.
    pub fn iter(self) -> impl Iterator<Item = u8> + use<> {
        (0..=TileId::ZOOM_MAX).filter(move |zoom| self.contains(*zoom))
    }

    /// Whether `zoom` is one of them.
    pub fn contains(self, zoom: u8) -> bool {
        zoom <= TileId::ZOOM_MAX && self.0 & (1 << zoom) != 0
    }
}

impl FromStr for ZoomSet {
    type Err = ZoomError;

    fn from_str(text: &str) -> Result<Self, ZoomError> {
        let mut zooms = 0;
        for part in text.split(',') {
            let zoom = |digits: &str| digits.trim().parse().map_err(|_| ZoomError::NotAZoom(part.trim().to_owned()));
            let (from, to) = match part.split_once('-') {
                Some((from, to)) => (zoom(from)?, zoom(to)?),
                None => (zoom(part)?, zoom(part)?),
            };
            zooms |= Self::range(from, to)?.0;
        }
        Ok(Self(zooms))
    }
}

impl fmt::Display for ZoomSet {
    /// The shortest form that parses back to the same set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for from in self.iter().filter(|zoom| *zoom == 0 || !self.contains(zoom - 1)) {
            let to = from + (!(self.0 >> from)).trailing_zeros() as u8 - 1;
            write!(f, "{separator}{from}")?;
            if to > from {
                write!(f, "-{to}")?;
            }
            separator = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<u8> {
        text.parse::<ZoomSet>().unwrap().iter().collect()
    }

    #[test]
    fn single_zooms_ranges_and_mixtures_are_understood() {
        assert_eq!(parsed("3"), [3]);
        assert_eq!(parsed("0-6"), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(parsed(" 5-7, 2 ,6"), [2, 5, 6, 7]);
        assert_eq!(parsed("0-30").len(), 31);
    }

    #[test]
    fn the_shown_form_is_the_shortest_and_parses_back() {
        for (text, shown) in [("2,5,6,7", "2,5-7"), ("0", "0"), ("0,1", "0-1"), ("30,28,29", "28-30")] {
            assert_eq!(text.parse::<ZoomSet>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn errors_name_the_value_and_the_fix() {
        let message = |text: &str| text.parse::<ZoomSet>().unwrap_err().to_string();
        assert_eq!(message("6-0"), "the zoom range 6-0 runs backwards; write 0-6");
        assert_eq!(message("31"), "zoom 31 is too deep; the deepest is 30");
        assert_eq!(message("2,x"), "`x` is not a zoom; write zooms like 3, 0-6 or 2,5-7");
        assert_eq!(message(""), "`` is not a zoom; write zooms like 3, 0-6 or 2,5-7");
        assert_eq!(message("-3"), "`-3` is not a zoom; write zooms like 3, 0-6 or 2,5-7");
    }
}
