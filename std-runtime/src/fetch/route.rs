//! Where an attempt goes, where there is more than one source, and who hears what came of it.
//!
//! Each source has a gate of its own, so that one that is down costs the others nothing. Which of them an attempt goes to is
//! asked anew for each: a [`Choice`] looks at the gates, and what has failed at one source may be tried again at another. A
//! call that waits for a gate looks again whenever an attempt went wrong anywhere, and leaves for a better one.
//!
//! **When it harms**: sources that serve different maps. Whoever names several promises that they are the same.

use std::{fmt, sync::Arc};

use tidegate_core::{Instant, TileId, Try};

use super::{Attempt, TileReport};
use crate::{
    clock::SystemClock,
    template::UrlTemplate,
    upstream::{Upstream, View},
};

/// A further source of the same tiles.
#[derive(Debug)]
pub struct Mirror<C = SystemClock> {
    /// Its gate. On the clock of the first source's.
    pub upstream: Upstream<C>,
    /// Where a tile is there.
    pub template: UrlTemplate,
}

/// Sources beside the first, who chooses among them, and who listens.
#[derive(Debug)]
pub struct Routes<C = SystemClock> {
    /// The further sources, numbered from 1; at most [`MIRRORS_MAX`].
    pub mirrors: Vec<Mirror<C>>,
    /// Who chooses.
    pub choice: Arc<dyn Choice>,
    /// Who hears of each attempt and each tile.
    pub watch: Arc<dyn Watch>,
}

impl<C> Default for Routes<C> {
    fn default() -> Self {
        Self { mirrors: Vec::new(), choice: Arc::new(First), watch: Arc::new(Unwatched) }
    }
}

/// Most sources beside the first.
pub const MIRRORS_MAX: usize = 15;

/// What is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The tile.
    pub tile: TileId,
    /// Whether it was tried before.
    pub attempt: Try,
}

/// Chooses a source for each attempt.
pub trait Choice: fmt::Debug + Send + Sync {
    /// The source to go to, by its place in `views`; `None` in there is one that is out of the question. Anything else than one
    /// of the others counts as the first of them. The same question in the same state has the same answer.
    fn choose(&self, wanted: Wanted, views: &[Option<View>]) -> usize;

    /// Hears what came of an attempt at a source.
    fn settled(&self, now: Instant, source: usize, attempt: &Attempt);
}

/// Hears what happens, as it happens. It is called between requests, so it must not block.
pub trait Watch: fmt::Debug + Send + Sync {
    /// An attempt at a source ended.
    fn attempt(&self, now: Instant, source: usize, attempt: &Attempt);
    /// A tile came to its end.
    fn tile(&self, now: Instant, report: &TileReport);
}

/// The first source that is left.
#[derive(Debug)]
struct First;

impl Choice for First {
    fn choose(&self, _wanted: Wanted, _views: &[Option<View>]) -> usize {
        0
    }

    fn settled(&self, _now: Instant, _source: usize, _attempt: &Attempt) {}
}

#[derive(Debug)]
struct Unwatched;

impl Watch for Unwatched {
    fn attempt(&self, _now: Instant, _source: usize, _attempt: &Attempt) {}
    fn tile(&self, _now: Instant, _report: &TileReport) {}
}

/// Sources that a tile does not go to any more, by their bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shunned(u32);

impl Shunned {
    pub(super) const fn with(self, source: usize) -> Self {
        Self(self.0 | 1 << (source % 32))
    }

    pub(super) const fn has(self, source: usize) -> bool {
        self.0 & 1 << (source % 32) != 0
    }
}

/// What is chosen among the sources that are not shunned; `None` where none is left.
pub(super) fn choose(
    choice: &dyn Choice,
    wanted: Wanted,
    shunned: Shunned,
    views: impl Iterator<Item = View>,
) -> Option<usize> {
    let mut seen = [None; MIRRORS_MAX + 1];
    let mut count = 0;
    for (place, (source, view)) in seen.iter_mut().zip(views.enumerate()) {
        *place = (!shunned.has(source)).then_some(view);
        count += 1;
    }
    let seen = seen.get(..count)?;
    let first = seen.iter().position(Option::is_some)?;
    let chosen = choice.choose(wanted, seen);
    Some(if seen.get(chosen).is_some_and(Option::is_some) { chosen } else { first })
}
