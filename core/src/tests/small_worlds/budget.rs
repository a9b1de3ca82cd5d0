//! The retry budget beside plain sums.

use super::*;
use crate::budget::{RetryBudget, RetryBudgetConfig};

const HORIZON: u64 = 6;

#[derive(Clone, Copy, Debug)]
enum Move {
    Tick,
    Deposit,
    Withdraw,
    /// A retry that was withdrawn is sent …
    Send,
    /// … or not, which may turn out much later.
    Refund,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Small {
    budget: RetryBudget,
    retries: u16,
    answers: u16,
    reserve: u16,
    saved_max: u16,
    now: u64,
    deposits: u16,
    sent: u16,
    open: u16,
}

impl Small {
    fn new(retries: u16, answers: u16, saved_max: u16, reserve: u16) -> Self {
        let config = RetryBudgetConfig { retries, answers, saved_max, reserve, reserve_refill: TICK * 2 };
        let budget = RetryBudget::new(config).expect("valid settings");
        Self { budget, retries, answers, reserve, saved_max, now: 0, deposits: 0, sent: 0, open: 0 }
    }

    fn withdraw(&mut self) -> Result<(), Broken> {
        let before = self.budget.clone();
        match self.budget.try_withdraw(at(self.now)) {
            Ok(()) => {
                self.open += 1;
                // Given back at once, another can be withdrawn at once.
                let mut refunded = self.budget.clone();
                refunded.refund();
                require(refunded.try_withdraw(at(self.now)).is_ok(), || String::from("a refund was lost"))
            }
            Err(exhausted) => {
                require(self.budget == before, || String::from("a refusal changed something"))?;
                let early = Instant::from_nanos(exhausted.until.as_nanos() - 1);
                require(before.clone().try_withdraw(early).is_err(), || format!("{exhausted:?} is too late"))?;
                require(before.clone().try_withdraw(exhausted.until).is_ok(), || format!("{exhausted:?} is too early"))
            }
        }
    }
}

impl World for Small {
    type Move = Move;

    fn moves(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        if self.now < HORIZON {
            moves.push(Move::Tick);
        }
        if self.deposits < 6 {
            moves.push(Move::Deposit);
        }
        if self.open < 2 && self.sent < 6 {
            moves.push(Move::Withdraw);
        }
        if self.open > 0 {
            moves.extend([Move::Send, Move::Refund]);
        }
        moves
    }

    fn step(&mut self, step: Move) -> Result<(), Broken> {
        match step {
            Move::Tick => self.now += 1,
            Move::Send => (self.sent, self.open) = (self.sent + 1, self.open - 1),
            Move::Deposit => {
                self.deposits += 1;
                self.budget.deposit();
            }
            Move::Withdraw => return self.withdraw(),
            Move::Refund => {
                self.open -= 1;
                self.budget.refund();
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Broken> {
        // Never more than was earned, the reserve, and what time gave back to it.
        let sent = u64::from(self.sent + self.open) * u64::from(self.answers);
        let reserve = (u64::from(self.reserve) + self.now / 2) * u64::from(self.answers);
        let earned = u64::from(self.deposits) * u64::from(self.retries);
        require(sent <= earned + reserve, || format!("{} retries sent", self.sent + self.open))?;
        // Never less: answers alone make a retry possible again, where any can be saved, and so does time alone.
        let mut answered = self.budget.clone();
        (0..self.answers.div_ceil(self.retries.max(1))).for_each(|_| answered.deposit());
        let saves = self.saved_max > 0 && self.retries > 0;
        require(!saves || answered.try_withdraw(at(self.now)).is_ok(), || String::from("answers earn nothing"))?;
        let mut rested = self.budget.clone();
        let later = at(self.now + 2 * u64::from(self.reserve) + 2);
        let regained = (0..self.reserve).filter(|_| rested.try_withdraw(later).is_ok()).count();
        require(regained == usize::from(self.reserve), || format!("{regained} of the reserve after a rest"))
    }
}

#[test]
fn every_state_of_small_budgets() {
    for (retries, answers, saved_max, reserve) in
        [(1, 2, 2, 1), (3, 5, 3, 1), (2, 3, 1, 2), (1, 1, 0, 2), (0, 1, 2, 1), (3, 1, 2, 1)]
    {
        let states = explore(Small::new(retries, answers, saved_max, reserve));
        assert!(states > 300, "{retries} in {answers} has only {states} states: they cannot show anything");
    }
}
