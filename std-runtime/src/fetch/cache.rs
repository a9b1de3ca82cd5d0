//! Answers kept from before, and how far down a tile may come.
//!
//! A [`Cache`] stands between the tiles and the gates: what it answers takes no permit, no rate and no retry budget. Asking
//! a server whether something kept is still good is one attempt like any other, and 304 is a success.
//!
//! What a tile may become when its server does not give it is the caller's to say, with [`Degrade`]; what it became is in
//! [`TileOutcome`](super::TileOutcome), from the best to the worst:
//!
//! | outcome | what it is |
//! |---|---|
//! | `Fetched` | the server sent it just now |
//! | `Revalidated` | kept, and within its time, or the server has just said that it has not changed |
//! | `Stale` | kept, and past its time by so much |
//! | `FromParent` | a part of a tile further up, to be enlarged |
//! | `Empty` | the server says, or said within its time, that there is nothing |
//! | `Failed` | none of that |
//!
//! A parent is looked up in the cache and never asked for: whoever cannot answer gets no further requests on that account.
//!
//! **When it harms**: what is kept is the way a tile was. Where an old tile is worse than none (a closed road, a shoal), use
//! [`Degrade::NOTHING`].

use std::{fmt, sync::Arc, time::Duration};

use tidegate_core::{Instant, TileId};

use crate::transport::{Headers, Request, Response};

/// A cache, and what it is used for.
#[derive(Clone, Debug)]
pub struct Caching {
    /// Where answers are kept.
    pub cache: Arc<dyn Cache>,
    /// When servers are asked.
    pub mode: CacheMode,
    /// What a tile may become when they do not answer.
    pub degrade: Degrade,
}

impl Caching {
    /// How far down a tile may come: whoever asks about kept tiles later than HTTP would does not mind how old they are.
    pub(super) fn in_its_mode(&self) -> Degrade {
        let stale = match self.mode {
            CacheMode::Online => self.degrade.stale,
            CacheMode::IfMissing | CacheMode::Refresh | CacheMode::Offline => self.degrade.stale.map(|_| Duration::MAX),
        };
        Degrade { stale, ..self.degrade }
    }
}

/// When servers are asked about a tile that is kept.
///
/// What its server wants to be asked about each time (`no-cache`), or once it is past its time (`must-revalidate`), counts
/// as missing then in every mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheMode {
    /// Once it is past its time: the rules of HTTP.
    #[default]
    Online,
    /// Only where it is missing.
    IfMissing,
    /// Once it is past its time, but the tile is handed over before that. A stream asks when it has handed the tile over;
    /// [`Fetcher::fetch`](super::Fetcher::fetch) alone has nobody to do that and asks first.
    Refresh,
    /// Never.
    Offline,
}

/// How far down a tile may come.
///
/// # Default
/// As stale as its server allows (`stale-if-error`), and no parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Degrade {
    /// How long past its time a tile may be when its server cannot answer; longer where the server allows it, and without limit
    /// in the modes that do not ask by the rules. `None`: not at all, in no mode and whatever the server allows.
    pub stale: Option<Duration>,
    /// How many levels up a kept parent may be that stands in for it.
    pub parents: u8,
}

impl Degrade {
    /// Neither stale nor a parent.
    pub const NOTHING: Self = Self { stale: None, parents: 0 };
    /// What servers allow.
    pub const DEFAULT: Self = Self { stale: Some(Duration::ZERO), parents: 0 };
}

impl Default for Degrade {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Keeps answers. It is asked between requests, so it must answer within what a file takes, and a cache that cannot answer
/// has nothing.
pub trait Cache: fmt::Debug + Send + Sync {
    /// What is kept for this request, without its body: many calls are alive that will need none.
    fn look(&self, now: Instant, request: &Request) -> Option<Kept>;

    /// The answer itself; `None` where it has gone since, or is damaged.
    fn read(&self, kept: &Kept) -> Option<Response>;

    /// Keeps an answer in the place of any other to the same request, if its server allows it.
    fn keep(&self, exchange: &Exchange<'_>);

    /// The server has answered 304: what is kept is good, and its head is brought up to date.
    fn confirm(&self, kept: &Kept, exchange: &Exchange<'_>);
}

/// An answer that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The cache's own name for this very answer.
    pub id: i64,
    /// Its status.
    pub status: u16,
    /// The bytes of its body.
    pub bytes: u64,
    /// Its `ETag`, as it was received.
    pub etag: Option<String>,
    /// Its `Last-Modified`, as it was received.
    pub last_modified: Option<String>,
    /// How long it is past its time; `None` while it is not.
    pub past: Option<Duration>,
    /// Whether it must not be used past its time without asking its server, whatever happens.
    pub must_ask: bool,
    /// How long past its time its server allows it to be used while it cannot answer.
    pub on_error: Duration,
}

impl Kept {
    /// The same request, for a body only if this is not good any more.
    pub(super) fn condition(&self, request: Request) -> Request {
        let request = match &self.etag {
            Some(etag) => request.if_none_match(etag.as_str()),
            None => request,
        };
        match &self.last_modified {
            Some(date) => request.if_modified_since(date.as_str()),
            None => request,
        }
    }

    /// Whether there is anything to ask with.
    pub(super) const fn can_be_confirmed(&self) -> bool {
        self.etag.is_some() || self.last_modified.is_some()
    }

    /// Whether it says that there is a tile, and not that there is none.
    pub(super) const fn is_tile(&self) -> bool {
        self.status == 200 && self.bytes > 0
    }

    /// Whether its server's silence is reason enough to use it.
    pub(super) fn may_stand_in(&self, degrade: Degrade) -> bool {
        match (self.past, degrade.stale) {
            (None, _) => true,
            (Some(past), Some(stale)) => {
                let allowed = stale.max(self.on_error);
                !self.must_ask && !allowed.is_zero() && past <= allowed
            }
            (Some(_), None) => false,
        }
    }
}

/// A request and its whole answer.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'e> {
    /// What was asked, without any condition.
    pub request: &'e Request,
    /// The answer's status.
    pub status: u16,
    /// Its head.
    pub headers: &'e Headers,
    /// Its body, which was looked into.
    pub body: &'e [u8],
    /// When it was asked for.
    pub asked: Instant,
    /// When it was there.
    pub answered: Instant,
}

/// Why a kept tile is as good as a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// It is within its time; nobody was asked.
    Fresh,
    /// Its server says that it has not changed.
    NotModified,
}

/// Which part of a tile further up a tile is.
///
/// ```
/// use tidegate::fetch::Part;
/// use tidegate_core::TileId;
///
/// let tile = TileId::new(5, 18, 9)?;
/// let part = Part::of(tile, 2).expect("zoom 3 is above zoom 5");
/// assert_eq!(part.ancestor, TileId::new(3, 4, 2)?);
/// assert_eq!((part.column, part.row, part.across()), (2, 1, 4));
/// // Of a picture of 256 pixels: the square of 64 whose north-west corner is there, four times enlarged.
/// assert_eq!(part.square_of(256), (128, 64, 64));
/// # Ok::<(), tidegate_core::tile::TileError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The tile further up.
    pub ancestor: TileId,
    /// How many levels up it is, at least 1.
    pub levels: u8,
    /// The place among the columns of tiles that it covers at this zoom, from the west. Part of the location.
    pub column: u32,
    /// The place among their rows, from the north. Part of the location.
    pub row: u32,
}

impl Part {
    /// The part that `tile` is of the tile so many levels up; `None` where there is none, or for no level at all.
    #[must_use]
    pub fn of(tile: TileId, levels: u8) -> Option<Self> {
        let ancestor = tile.ancestor(tile.z().checked_sub(levels)?).filter(|_| levels > 0)?;
        let (column, row) = (tile.x() - (ancestor.x() << levels), tile.y() - (ancestor.y() << levels));
        Some(Self { ancestor, levels, column, row })
    }

    /// How many tiles of this zoom lie side by side in the ancestor: how far it is to be enlarged.
    #[must_use]
    pub const fn across(&self) -> u32 {
        1 << self.levels
    }

    /// The square of an ancestor's picture of `size` by `size` pixels: its west and north edge, and how wide it is. A picture
    /// of fewer pixels than tiles across gives the one pixel that the tile is in.
    #[must_use]
    pub fn square_of(&self, size: u32) -> (u32, u32, u32) {
        // The size is far below 2^32, and so is the place: the product of both is below 2^64, the quotient below the size.
        let edge = |place: u32| ((u64::from(place) * u64::from(size)) >> self.levels) as u32;
        (edge(self.column), edge(self.row), (size >> self.levels).max(1))
    }
}

/// What a cache saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// Requests that were not made.
    pub requests: u64,
    /// Bytes that were not sent again.
    pub bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(past: Option<u64>) -> Kept {
        Kept {
            id: 1,
            status: 200,
            bytes: 10,
            etag: None,
            last_modified: None,
            past: past.map(Duration::from_secs),
            must_ask: false,
            on_error: Duration::from_secs(60),
        }
    }

    #[test]
    fn what_is_stale_stands_in_as_long_as_caller_or_server_allow_it_and_never_against_both() {
        let allowed = |past, stale: Option<u64>| {
            kept(Some(past)).may_stand_in(Degrade { stale: stale.map(Duration::from_secs), parents: 0 })
        };
        assert!(allowed(60, Some(0)) && !allowed(61, Some(0)), "as the server allows");
        let as_http_has_it = Kept { on_error: Duration::ZERO, ..kept(Some(0)) };
        assert!(!as_http_has_it.may_stand_in(Degrade::DEFAULT), "not even in the second in which it became stale");
        assert!(allowed(90, Some(90)) && !allowed(91, Some(90)), "as the caller allows");
        assert!(!allowed(0, None), "a caller who wants none gets none");
        let strict = Kept { must_ask: true, ..kept(Some(0)) };
        assert!(
            !strict.may_stand_in(Degrade { stale: Some(Duration::MAX), parents: 0 }),
            "must-revalidate is the server's"
        );
        assert!(kept(None).may_stand_in(Degrade::NOTHING), "what is fresh is not stale");
    }

    #[test]
    fn the_parts_of_a_tile_fill_it_once() {
        let world = TileId::WORLD;
        for levels in 1..=4 {
            let mut seen = std::collections::HashSet::new();
            for (x, y) in (0..1 << levels).flat_map(|x| (0..1 << levels).map(move |y| (x, y))) {
                let part =
                    Part::of(TileId::new(levels, x, y).expect("within its zoom"), levels).expect("below the world");
                assert_eq!((part.ancestor, part.column, part.row), (world, x, y));
                let (west, north, side) = part.square_of(256);
                assert_eq!((west, north, side), (x * side, y * side, 256 >> levels));
                assert!(seen.insert((west, north)));
            }
        }
    }

    #[test]
    fn there_is_no_part_above_the_world_nor_of_a_tile_itself() {
        let deepest = (1 << TileId::ZOOM_MAX) - 1;
        let tile = TileId::new(TileId::ZOOM_MAX, deepest, deepest).expect("the last tile");
        assert_eq!(
            (Part::of(tile, 0), Part::of(tile, TileId::ZOOM_MAX + 1), Part::of(tile, u8::MAX)),
            (None, None, None)
        );
        let part = Part::of(tile, TileId::ZOOM_MAX).expect("the world is above it");
        assert_eq!(part.square_of(256), (255, 255, 1), "smaller than a pixel is a pixel");
    }
}
