//! Tiles that failed and are worth another try, in a fixed number of places.

use core::cmp::Ordering;

use heapless::binary_heap::{BinaryHeap, Min};
use tidegate_core::Instant;

use crate::route::Errand;

/// What waits for another try, the one whose turn comes first at the front.
///
/// Invariant: nothing is given out before its time.
#[derive(Debug)]
pub struct Later<const N: usize> {
    waiting: BinaryHeap<Waiting, Min, N>,
}

#[derive(Debug)]
struct Waiting {
    not_before: Instant,
    errand: Errand,
}

impl<const N: usize> Later<N> {
    /// Nothing waits yet.
    pub const fn new() -> Self {
        Self { waiting: BinaryHeap::new() }
    }

    /// Keeps `errand` until `not_before`.
    ///
    /// # Errors
    /// All places are taken; the errand comes back.
    pub fn push(&mut self, not_before: Instant, errand: Errand) -> Result<(), Errand> {
        self.waiting.push(Waiting { not_before, errand }).map_err(|refused| refused.errand)
    }

    /// One whose time has come.
    pub fn due(&mut self, now: Instant) -> Option<Errand> {
        if self.next_at()? > now {
            return None;
        }
        self.waiting.pop().map(|waiting| waiting.errand)
    }

    /// When the next one's time comes.
    pub fn next_at(&self) -> Option<Instant> {
        self.waiting.peek().map(|waiting| waiting.not_before)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl<const N: usize> Default for Later<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// By the time of their turn; of equal ones, the one that is needed first.
impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |waiting: &Self| (waiting.not_before, waiting.errand.needed_at, waiting.errand.tile);
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Waiting {}

#[cfg(test)]
mod tests {
    use tidegate_core::TileId;

    use super::*;

    fn errand(x: u32, needed_at: u64) -> Errand {
        let tile = TileId::new(4, x, 0).expect("on the grid");
        Errand { tile, known_at: Instant::ORIGIN, needed_at: Instant::from_secs(needed_at) }
    }

    #[test]
    fn each_has_its_turn_in_time_and_none_before() {
        let mut later = Later::<3>::new();
        for (x, not_before) in [(1, 9), (2, 5), (3, 7)] {
            later.push(Instant::from_secs(not_before), errand(x, 60)).expect("there is room");
        }
        assert_eq!(later.due(Instant::from_secs(4)), None);
        let mut order = [0; 3];
        for (place, now) in order.iter_mut().zip([5, 8, 9]) {
            *place = later.due(Instant::from_secs(now)).map_or(0, |errand| errand.tile.x());
        }
        assert_eq!((order, later.is_empty()), ([2, 3, 1], true));
    }

    #[test]
    fn of_equal_turns_the_one_needed_first_goes_first() {
        let mut later = Later::<3>::new();
        for (x, needed_at) in [(1, 30), (2, 20), (3, 25)] {
            later.push(Instant::from_secs(5), errand(x, needed_at)).expect("there is room");
        }
        let first = later.due(Instant::from_secs(5)).expect("due");
        assert_eq!(first.tile.x(), 2);
    }

    #[test]
    fn when_it_is_full_the_errand_comes_back() {
        let mut later = Later::<1>::new();
        assert_eq!(later.push(Instant::ORIGIN, errand(1, 9)), Ok(()));
        assert_eq!(later.push(Instant::ORIGIN, errand(2, 9)), Err(errand(2, 9)));
        assert_eq!(later.len(), 1);
    }
}
