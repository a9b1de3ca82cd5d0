//! Whether anything about a gate is out of the ordinary, in one byte.

/// While it [is usual](Standing::is_usual) only time, the rate and the limit can be in the way of a first attempt, and a good
/// answer is counted and no more.
///
/// Invariant: it is not usual while access was refused last, the breaker is not clear, requests are paced, or the lease changes. It
/// may be that for a while longer: whoever looks closely notes how things are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Standing(u8);

impl Standing {
    pub(super) const FRESH: Self = Self(0);

    pub(super) const fn is_usual(self) -> bool {
        self.0 & !PAUSED == 0
    }

    /// Refusals of access without an answer in between, at most [`DENIED_MAX`].
    pub(super) const fn denied(self) -> u8 {
        self.0 & DENIED
    }

    pub(super) const fn is_denied(self) -> bool {
        self.denied() >= DENIED_MAX
    }

    pub(super) const fn set_denied(&mut self, in_a_row: u8) {
        self.0 = self.0 & !DENIED | if in_a_row < DENIED_MAX { in_a_row } else { DENIED_MAX };
    }

    /// Whether what holds the limiter is a pause that the server wants, and not its rate.
    pub(super) const fn is_paused(self) -> bool {
        self.0 & PAUSED != 0
    }

    pub(super) const fn set_paused(&mut self, is_paused: bool) {
        self.set(PAUSED, is_paused);
    }

    pub(super) const fn note(&mut self, breaker_is_clear: bool, is_paced: bool, lease_changes: bool) {
        let noted = (!breaker_is_clear as u8 * BREAKER) | (is_paced as u8 * PACED) | (lease_changes as u8 * LEASE);
        self.0 = self.0 & !(BREAKER | PACED | LEASE) | noted;
    }

    const fn set(&mut self, bit: u8, value: bool) {
        self.0 = if value { self.0 | bit } else { self.0 & !bit };
    }
}

/// So many refusals of access without an answer in between stop the host: going on would look like an attack.
pub(super) const DENIED_MAX: u8 = 3;

const DENIED: u8 = 0b11;
const BREAKER: u8 = 1 << 2;
const PACED: u8 = 1 << 3;
const LEASE: u8 = 1 << 4;
const PAUSED: u8 = 1 << 7;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_way_is_unusual_and_a_pause_alone_is_not() {
        let mut standing = Standing::FRESH;
        standing.set_paused(true);
        assert!(standing.is_usual() && standing.is_paused(), "the limiter holds the pause");
        for (clear, paced, changes) in
            [(false, false, false), (true, true, false), (true, false, true), (false, true, true)]
        {
            standing.note(clear, paced, changes);
            assert!(!standing.is_usual() && standing.is_paused() && standing.denied() == 0);
        }
        standing.note(true, false, false);
        assert!(standing.is_usual());
        for in_a_row in 1..=5 {
            standing.set_denied(in_a_row);
            assert!(!standing.is_usual() && standing.denied() == in_a_row.min(3), "{standing:?}");
            assert_eq!(standing.is_denied(), in_a_row >= 3);
        }
        standing.set_denied(0);
        standing.set_paused(false);
        assert_eq!(standing, Standing::FRESH);
    }
}
