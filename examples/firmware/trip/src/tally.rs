//! Counts that balance: of tiles, and of the attempts made for them.

use tidegate_core::Outcome;

/// What became of the tiles of a trip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Tiles {
    /// Handed out, or passed.
    pub requested: u32,
    /// Received and sound.
    pub fetched: u32,
    /// There is nothing there.
    pub empty: u32,
    /// Given up: refused.
    pub failed: u32,
    /// The vehicle got there first.
    pub behind: u32,
}

impl Tiles {
    /// How many have their end.
    pub fn settled(&self) -> u32 {
        self.fetched + self.empty + self.failed + self.behind
    }

    /// Whether each has its end: true of a trip that is over.
    pub fn balances(&self) -> bool {
        self.requested == self.settled()
    }
}

/// What became of attempts: each field but the first two counts answers, or their absence, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Attempts {
    /// Begun.
    pub begun: u32,
    /// Of them, those that never reached the server: no connection.
    pub unconnected: u32,
    /// Sound tiles.
    pub tiles: u32,
    /// Answers that there is nothing.
    pub empty: u32,
    /// Told to come back later.
    pub throttled: u32,
    /// Refused for good.
    pub refused: u32,
    /// Errors that the server itself reported.
    pub unavailable: u32,
    /// Resets, and bodies that are cut off or no tile.
    pub broken: u32,
}

impl Attempts {
    /// Counts how an attempt ended that came to an answer of this outcome.
    pub fn answered(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Success => &mut self.tiles,
            Outcome::Empty => &mut self.empty,
            Outcome::Throttled { .. } => &mut self.throttled,
            Outcome::Refused(_) => &mut self.refused,
            Outcome::Failure | Outcome::Timeout | Outcome::Cancelled | Outcome::Unsent => &mut self.unavailable,
        } += 1;
    }

    /// How many were cut off because their time ran out: the rest, once none is under way.
    pub fn cut_off(&self) -> u32 {
        let ended =
            self.unconnected + self.tiles + self.empty + self.throttled + self.refused + self.unavailable + self.broken;
        self.begun.saturating_sub(ended)
    }
}

#[cfg(test)]
mod tests {
    use tidegate_core::Refusal;

    use super::*;

    #[test]
    fn tiles_balance_when_each_has_one_end() {
        let mut tiles = Tiles { requested: 10, fetched: 4, empty: 3, failed: 2, behind: 1 };
        assert!(tiles.balances());
        tiles.behind += 1;
        assert!(!tiles.balances(), "one counted twice");
        tiles.requested += 2;
        assert!(!tiles.balances(), "one without an end");
    }

    #[test]
    fn an_attempt_that_comes_to_no_answer_was_cut_off() {
        let mut attempts = Attempts { begun: 9, unconnected: 1, broken: 1, ..Attempts::default() };
        let throttled = Outcome::Throttled { retry_after: None };
        for outcome in
            [Outcome::Success, Outcome::Empty, throttled, Outcome::Refused(Refusal::Access), Outcome::Failure]
        {
            attempts.answered(outcome);
        }
        let kinds = [attempts.tiles, attempts.empty, attempts.throttled, attempts.refused, attempts.unavailable];
        assert_eq!((kinds, attempts.cut_off()), ([1; 5], 2));
    }
}
