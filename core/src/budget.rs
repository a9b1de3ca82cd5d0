//! How many retries all calls together may make.
//!
//! "At most 3 attempts" multiplies the load by three exactly when everything fails. A budget shared by all calls of an
//! upstream bounds the multiplication: successes earn retries, each retry spends one, and an outage soon leaves nothing
//! to spend.
//!
//! **When it harms**: with few calls the earned part is nearly always empty; the reserve, which refills with time, is for
//! them. A reserve of a few per second on each of ten thousand devices is a retry storm again: size it for the fleet.
//!
//! The algorithm is the retry budget of Finagle (`RetryBudget.scala`; "Why budgets and not max retries?" in tower's
//! documentation puts the case). Deviations: the ratio is an integer fraction whose remainder is kept, so 3 retries in 5
//! requests is that and not 1 in 1; deposits are made by answers, not by requests, so a dead server earns nothing;
//! they do not expire but are capped; the reserve is a rate limiter of its own, so an empty budget knows when the next
//! retry will be possible.

use core::{
    fmt,
    num::{NonZeroU16, NonZeroU32},
    time::Duration,
};

use crate::{
    rate::RateLimiter,
    time::{Instant, Millis},
};

/// Settings of a [`RetryBudget`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RetryBudgetConfig {
    /// So many retries …
    pub retries: u16,
    /// … for so many answers. At least 1.
    pub answers: u16,
    /// The most retries that can be saved up by answers, 0 to 65,535.
    pub saved_max: u16,
    /// Retries possible without any answer, at first and after a rest. At least 1, so that a budget is never dead.
    pub reserve: u16,
    /// The time in which one retry of the reserve comes back, 1 ms to 49 days.
    pub reserve_refill: Duration,
}

impl RetryBudgetConfig {
    /// Half of the answers, up to 100 saved, and a reserve of 10 that regains one a second: for bulk work.
    pub const DEFAULT: Self =
        Self { retries: 1, answers: 2, saved_max: 100, reserve: 10, reserve_refill: Duration::from_secs(1) };

    /// One in 10 answers, up to 100 saved, and a reserve of 3 that regains one in 10 s: for public servers.
    pub const POLITE: Self =
        Self { retries: 1, answers: 10, saved_max: 100, reserve: 3, reserve_refill: Duration::from_secs(10) };
}

impl Default for RetryBudgetConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Why a [`RetryBudgetConfig`] was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum RetryBudgetError {
    /// A share of zero answers.
    AnswersIsZero,
    /// No reserve: a budget that is empty with nothing in flight would stay so.
    ReserveIsZero,
    /// A refill of no time, or of more than 49 days.
    RefillOutOfRange,
}

impl fmt::Display for RetryBudgetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AnswersIsZero => "the retry budget is a share of zero answers: give answers of at least 1",
            Self::ReserveIsZero => {
                "a retry budget without a reserve can stay empty for ever: give a reserve of at least 1"
            }
            Self::RefillOutOfRange => {
                "the reserve of the retry budget refills in 1 ms to 49 days: change reserve_refill"
            }
        })
    }
}

impl core::error::Error for RetryBudgetError {}

/// Not enough for a retry, and what would change that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "it says when to come back"]
pub struct Exhausted {
    /// When the reserve has the next retry; an answer to another call may bring one earlier.
    pub until: Instant,
    /// What is saved, in units of which a retry costs [`Exhausted::cost`].
    pub saved: u32,
    /// What a retry costs.
    pub cost: u32,
}

/// A retry budget, shared by all calls of an upstream. 24 bytes.
///
/// Invariant: over any span of time `T`, retries ≤ `answers · retries/answers + reserve + T/refill`, plus what was saved.
///
/// ```
/// use tidegate_core::{Instant, budget::{RetryBudget, RetryBudgetConfig}};
///
/// // 3 retries for 5 answers, and a reserve of 1.
/// let config = RetryBudgetConfig { retries: 3, answers: 5, reserve: 1, ..RetryBudgetConfig::DEFAULT };
/// let mut budget = RetryBudget::new(config).expect("valid");
/// let now = Instant::from_secs(9);
/// assert!(budget.try_withdraw(now).is_ok()); // the reserve
/// assert_eq!(budget.try_withdraw(now).unwrap_err().until, Instant::from_secs(10));
/// (0..5).for_each(|_| budget.deposit());
/// assert_eq!((0..5).filter(|_| budget.try_withdraw(now).is_ok()).count(), 3);
/// ```
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Clone, Hash))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RetryBudget {
    /// When the reserve has one retry.
    reserve_next_ns: i64,
    saved: u32,
    refill: Millis,
    saved_max: u16,
    reserve: u16,
    deposit: u16,
    /// Not zero, which leaves room for "no budget" in the same bytes.
    cost: NonZeroU16,
}

impl RetryBudget {
    /// Checks the settings. A fresh budget has its reserve and nothing saved.
    ///
    /// # Errors
    /// A share of zero answers, no reserve, a refill of zero or above 49 days.
    pub const fn new(config: RetryBudgetConfig) -> Result<Self, RetryBudgetError> {
        let Some(cost) = NonZeroU16::new(config.answers) else { return Err(RetryBudgetError::AnswersIsZero) };
        if config.reserve == 0 {
            return Err(RetryBudgetError::ReserveIsZero);
        }
        match Millis::round_up(config.reserve_refill) {
            Some(refill) if !refill.is_zero() => Ok(Self {
                reserve_next_ns: i64::MIN / 2,
                saved: 0,
                refill,
                saved_max: config.saved_max,
                reserve: config.reserve,
                deposit: config.retries,
                cost,
            }),
            Some(_) | None => Err(RetryBudgetError::RefillOutOfRange),
        }
    }

    /// An answer came: it earns its share of a retry.
    pub const fn deposit(&mut self) {
        self.add(self.deposit as u32);
    }

    /// Spends one retry, of what is saved first.
    ///
    /// # Errors
    /// Where nothing is left; the state is unchanged.
    pub const fn try_withdraw(&mut self, now: Instant) -> Result<(), Exhausted> {
        match self.check(now) {
            Ok(()) => {
                self.take(now);
                Ok(())
            }
            Err(exhausted) => Err(exhausted),
        }
    }

    /// Gives back a retry that was withdrawn but never sent: to what is saved or, where that has no room for it, to the
    /// reserve.
    pub const fn refund(&mut self) {
        let saved = self.saved.saturating_add(self.cost());
        if saved <= self.most() {
            self.saved = saved;
        } else {
            // A full reserve holds no more: `take` counts no rest longer than its tolerance.
            self.reserve_next_ns = self.reserve_next_ns.saturating_sub(self.refill.ns() as i64);
        }
    }

    /// Retries that can be made at once: those saved, and those of the reserve. A query to show, not to decide by: it divides.
    pub fn available(&self, now: Instant) -> u32 {
        // Down: a part of a retry is none.
        let saved = self.saved / NonZeroU32::from(self.cost);
        let rest_ns = now.signed().saturating_sub(self.reserve_next_ns);
        let refilled = u64::try_from(rest_ns).ok().and_then(|rest_ns| rest_ns.checked_div(self.refill.ns()));
        let reserve = refilled.map_or(0, |refilled| refilled.saturating_add(1).min(u64::from(self.reserve)));
        // At most 65,535 of each.
        saved.saturating_add(reserve as u32)
    }

    pub(crate) const fn check(&self, now: Instant) -> Result<(), Exhausted> {
        if self.saved >= self.cost() || now.signed() >= self.reserve_next_ns {
            return Ok(());
        }
        let until = Instant::from_signed(self.reserve_next_ns);
        Err(Exhausted { until, saved: self.saved, cost: self.cost() })
    }

    /// Spends one retry where [`RetryBudget::check`] found one.
    pub(crate) const fn take(&mut self, now: Instant) {
        if self.saved >= self.cost() {
            self.saved -= self.cost();
            return;
        }
        let refill_ns = self.refill.ns();
        // Below 2^52 · 2^16: saturating at a tolerance of 146 years.
        let tolerance_ns = refill_ns.saturating_mul((self.reserve as u64).saturating_sub(1));
        let mut reserve = RateLimiter::resumed(self.reserve_next_ns, refill_ns, tolerance_ns);
        reserve.take(now);
        self.reserve_next_ns = reserve.next_ns();
    }

    /// Stands where another one stood: as many retries saved, up to its own cap, and the reserve as far spent.
    pub(crate) const fn succeed(&mut self, other: &Self) {
        self.reserve_next_ns = other.reserve_next_ns;
        self.saved = 0;
        // Down: what is saved is rather a fraction of a retry less.
        self.add((other.saved / other.cost()).saturating_mul(self.cost()));
    }

    /// When the reserve has one retry; in the past where it has.
    pub(crate) const fn reserve_next_ns(&self) -> i64 {
        self.reserve_next_ns
    }

    /// Starts with the reserve as far spent as it was left, at most wholly, or further.
    pub(crate) fn restore(&mut self, now: Instant, until_next_ns: i64) {
        let left_ns = now.signed().saturating_add(until_next_ns.min(self.refill.ns() as i64));
        self.reserve_next_ns = self.reserve_next_ns.max(left_ns);
    }

    const fn add(&mut self, amount: u32) {
        // At most 65,535² is saved, which leaves room for a deposit; what is taken over comes to nothing saved.
        let sum = self.saved.wrapping_add(amount);
        self.saved = if sum > self.most() { self.most() } else { sum };
    }

    /// The most that can be saved, at most 65,535²: with the cost of one more retry still below 2^32.
    const fn most(&self) -> u32 {
        self.saved_max as u32 * self.cost()
    }

    const fn cost(&self) -> u32 {
        self.cost.get() as u32
    }
}

const _: () = assert!(size_of::<RetryBudget>() == 24);
const _: () = assert!(size_of::<Option<RetryBudget>>() == 24);

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_secs(100);

    fn budget(retries: u16, answers: u16, saved_max: u16, reserve: u16) -> RetryBudget {
        let reserve_refill = Duration::from_secs(1);
        RetryBudget::new(RetryBudgetConfig { retries, answers, saved_max, reserve, reserve_refill }).expect("valid")
    }

    /// How many retries can be made at once.
    fn drain(budget: &mut RetryBudget, now: Instant) -> usize {
        (0..70_000).take_while(|_| budget.try_withdraw(now).is_ok()).count()
    }

    #[test]
    fn the_share_is_exact_for_every_ratio() {
        // tower deposits 1 and withdraws ⌊1/ratio⌋: a ratio of 0.6 authorised 1.0.
        for (retries, answers) in [(3, 5), (1, 10), (2, 3), (7, 9), (1, 1), (3, 1), (65_535, 65_535)] {
            let mut budget = budget(retries, answers, u16::MAX, 1);
            drain(&mut budget, NOW);
            let rounds = 1_000 / u32::from(answers.min(1_000)) + 1;
            for _ in 0..rounds * u32::from(answers) {
                budget.deposit();
            }
            let expected = (u64::from(rounds) * u64::from(retries)).min(65_535);
            assert_eq!(drain(&mut budget, NOW) as u64, expected, "{retries} in {answers}");
        }
    }

    #[test]
    fn what_is_left_of_an_answer_after_a_retry_is_kept() {
        for (retries, answers) in [(3, 5), (2, 3), (7, 9), (1, 10)] {
            let mut budget = budget(retries, answers, 100, 1);
            drain(&mut budget, NOW);
            // Each retry is spent as soon as it is earned.
            let spent: usize = (0..900)
                .map(|_| {
                    budget.deposit();
                    drain(&mut budget, NOW)
                })
                .sum();
            assert_eq!(spent, 900 * usize::from(retries) / usize::from(answers), "{retries} in {answers}");
        }
    }

    #[test]
    fn the_reserve_is_spent_once_and_refills_with_time() {
        let mut budget = budget(1, 2, 100, 10);
        assert_eq!(drain(&mut budget, NOW), 10);
        let empty = budget.try_withdraw(NOW).expect_err("spent");
        assert_eq!((empty.until, empty.saved, empty.cost), (Instant::from_secs(101), 0, 2));
        assert_eq!(drain(&mut budget, Instant::from_secs(103)), 3);
        assert_eq!(drain(&mut budget, Instant::from_secs(1_000_000)), 10, "a rest refills the reserve and no more");
    }

    #[test]
    fn what_is_available_is_what_can_be_drained() {
        let at = |ms| Instant::from_nanos(100_000_000_000 + ms * 1_000_000);
        for (retries, answers, saved_max, reserve) in [(1, 2, 5, 1), (3, 5, 100, 10), (1, 1, u16::MAX, u16::MAX)] {
            let mut shown = budget(retries, answers, saved_max, reserve);
            for step in 0..200_u64 {
                let now = at(step * 333);
                let expected = drain(&mut shown.clone(), now);
                assert_eq!(shown.available(now) as usize, expected, "step {step} of {retries} in {answers}");
                // Any order of both, and times that go back.
                (0..step % 4).for_each(|_| shown.deposit());
                for _ in 0..step % 3 {
                    let _empty = shown.try_withdraw(at((step * 333).saturating_sub(step % 7 * 400)));
                }
            }
        }
    }

    #[test]
    fn what_is_saved_is_capped() {
        let mut budget = budget(1, 2, 5, 1);
        (0..1_000).for_each(|_| budget.deposit());
        assert_eq!(drain(&mut budget, NOW), 5 + 1);
    }

    #[test]
    fn from_every_state_answers_make_retries_possible_again() {
        for saved in 0..=10 {
            for spent in 0..4 {
                let mut budget = budget(1, 10, 100, 3);
                (0..saved).for_each(|_| budget.deposit());
                (0..spent).for_each(|_| {
                    let _: Result<(), Exhausted> = budget.try_withdraw(NOW);
                });
                drain(&mut budget, NOW);
                (0..10).for_each(|_| budget.deposit());
                assert!(budget.try_withdraw(NOW).is_ok(), "dead after {saved} deposits and {spent} retries");
            }
        }
    }

    #[test]
    fn a_refund_undoes_a_withdrawal() {
        let mut budget = budget(1, 2, 100, 1);
        assert!(budget.try_withdraw(NOW).is_ok());
        assert!(budget.try_withdraw(NOW).is_err());
        budget.refund();
        assert!(budget.try_withdraw(NOW).is_ok());
        assert!(budget.try_withdraw(NOW).is_err());
    }

    #[test]
    fn a_refund_is_not_lost_where_nothing_can_be_saved() {
        for saved_max in [0, 5] {
            let mut budget = budget(1, 2, saved_max, 1);
            assert!(budget.try_withdraw(NOW).is_ok(), "the reserve");
            (0..10).for_each(|_| budget.deposit());
            let full = usize::from(saved_max);
            budget.refund();
            assert_eq!(drain(&mut budget, NOW), full + 1, "given back although {full} are saved already");
        }
        let mut budget = budget(65_535, 65_535, u16::MAX, 1);
        (0..70_000).for_each(|_| budget.deposit());
        (0..3).for_each(|_| budget.refund());
        assert_eq!(drain(&mut budget, NOW), 65_535 + 1, "no more than what is full");
    }

    #[test]
    fn time_running_backwards_refills_nothing() {
        let mut budget = budget(1, 2, 100, 2);
        assert_eq!(drain(&mut budget, NOW), 2);
        assert_eq!(drain(&mut budget, Instant::ORIGIN), 0);
        assert_eq!(drain(&mut budget, NOW), 0);
    }

    #[test]
    fn nonsense_is_rejected() {
        let error = |config| RetryBudget::new(config).expect_err("nonsense");
        let base = RetryBudgetConfig::DEFAULT;
        assert_eq!(error(RetryBudgetConfig { answers: 0, ..base }), RetryBudgetError::AnswersIsZero);
        assert_eq!(error(RetryBudgetConfig { reserve: 0, ..base }), RetryBudgetError::ReserveIsZero);
        let never = Duration::from_secs(86_400 * 50);
        assert_eq!(error(RetryBudgetConfig { reserve_refill: never, ..base }), RetryBudgetError::RefillOutOfRange);
        let zero = Duration::ZERO;
        assert_eq!(error(RetryBudgetConfig { reserve_refill: zero, ..base }), RetryBudgetError::RefillOutOfRange);
    }
}
