//! Calls from outside: pauses, quotas, other settings, forced states. Whoever waits polls again after each of them.

use super::{Gate, GateConfig, GateError, breaker_config, checked_times, pacing, settle::PAUSE_NS_MAX};
use crate::{
    breaker::{BreakerMode, CallWindow, CircuitBreaker, PeriodWindow, Window},
    budget::RetryBudget,
    limit::ConcurrencyLimit,
    outcome::Quota,
    time::{Instant, Millis, nanos},
};

/// What a gate is told from outside, as one value: it can be recorded and replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Control {
    /// [`Gate::pause_until`].
    Pause {
        /// Until when.
        until: Instant,
    },
    /// [`Gate::observe_quota`].
    Quota(Quota),
    /// [`Gate::readmit`].
    Readmit,
    /// [`Gate::set_breaker_mode`].
    Breaker(BreakerMode),
}

impl<W: Window> Gate<W> {
    /// Admits nothing before `until`, or for a day where that is later. A shorter pause never ends a longer one.
    pub fn pause_until(&mut self, now: Instant, until: Instant) {
        let now = self.advance(now);
        self.pause(now, until.min(now.plus_ns(PAUSE_NS_MAX)));
    }

    /// Heeds what a server says about its quota (`RateLimit` fields), before a 429 comes: with little left the gate spreads
    /// what is left over the time until there is more; with nothing left it pauses until then.
    ///
    /// Little means an eighth of the limit, or 10 where the limit is not known, beside what is in flight: the server may not
    /// have counted that yet. Hand it over before the answer is settled, while that is still in flight itself. Answers
    /// overtake one another, so only a word about a later reset lifts the pace. The pace is whole milliseconds, rounded up.
    pub fn observe_quota(&mut self, now: Instant, quota: Quota) {
        let now = self.advance(now);
        let resets_in_ns = nanos(quota.resets_in).min(PAUSE_NS_MAX);
        let resets_at = now.plus_ns(resets_in_ns);
        let others = u32::from(self.limit.in_flight().saturating_sub(1));
        let paced = now < self.paced_until;
        if !paced || resets_at > self.paced_until.plus_ns(RESET_GRAIN_NS) {
            self.paced_until = Instant::ORIGIN;
        }
        if quota.remaining == 0 {
            self.pause(now, resets_at);
        } else if quota.spare() <= others {
            // Up: rather a little late than one too many. A division, but not on the way of each request.
            let pace = Millis::from_ns_up(resets_in_ns.div_ceil(u64::from(quota.remaining)));
            if self.paced_until > resets_at.plus_ns(RESET_GRAIN_NS) {
                // An answer that was overtaken, or a word about a shorter window.
                self.spread_as_well(now, resets_at, pace);
            } else {
                (self.paced_until, self.pace) = (self.paced_until.max(resets_at), pace);
            }
            if !paced {
                self.space_until(now.plus(self.pace));
            }
        }
        self.note_standing(now);
    }

    /// Spreads requests until then at this pace, beside what is known already: the later end and the longer pace of both.
    pub(super) fn spread_as_well(&mut self, now: Instant, until: Instant, pace: Millis) {
        if now < until {
            self.pace = if now < self.paced_until { self.pace.max(pace) } else { pace };
            self.paced_until = self.paced_until.max(until);
        }
    }

    /// Lets a gate that stopped after refusals of access ask again.
    pub fn readmit(&mut self) {
        self.standing.set_denied(0);
    }

    /// Forces the breaker open or closed, makes it observe, or lets it enforce again.
    pub fn set_breaker_mode(&mut self, mode: BreakerMode) {
        self.breaker.set_mode(mode);
        self.note_standing(self.seen);
    }
}

impl Gate<CallWindow> {
    /// Changes the settings while running. What is owed stays owed and what is outstanding stays outstanding: tickets that are
    /// out settle as before, the next instant and a pause stay, what the budget saved stays up to its new cap, an open
    /// breaker stays open. More in flight than a new limit allows drains. The breaker's window starts empty, and an
    /// adaptive rate or limit starts from its new start and does not judge what was sent before. The id and the breaker's mode
    /// stay. Another lease holds from when nothing is out; until then the longer of the two does, for at most seven thirds of it.
    ///
    /// # Errors
    /// As [`Gate::new`]; nothing is changed.
    pub fn reconfigure(&mut self, now: Instant, config: GateConfig) -> Result<(), GateError> {
        let breaker = CircuitBreaker::new(breaker_config(&config)).map_err(GateError::Breaker)?;
        self.adopt(now, config, breaker)
    }
}

impl Gate<PeriodWindow> {
    /// [`Gate::reconfigure`] for a gate whose breaker judges the last stretch of time.
    ///
    /// # Errors
    /// As [`Gate::over_period`]; nothing is changed.
    pub fn reconfigure_over_period(
        &mut self,
        now: Instant,
        window: PeriodWindow,
        config: GateConfig,
    ) -> Result<(), GateError> {
        let breaker = CircuitBreaker::over_period(window, breaker_config(&config)).map_err(GateError::Breaker)?;
        self.adopt(now, config, breaker)
    }
}

impl<W: Window> Gate<W> {
    fn adopt(&mut self, now: Instant, config: GateConfig, mut breaker: CircuitBreaker<W>) -> Result<(), GateError> {
        let now = self.advance(now);
        let (attempt_timeout, slow_after) = checked_times(&config)?;
        let (limiter, adaptation) = pacing(config.rate)?;
        let mut limit = ConcurrencyLimit::new(config.limit).map_err(GateError::Limit)?;
        let mut budget = config.budget.map(RetryBudget::new).transpose().map_err(GateError::Budget)?;

        breaker.succeed(&self.breaker);
        limit.succeed(&self.limit);
        if let (Some(new), Some(old)) = (&mut budget, &self.budget) {
            new.succeed(old);
        }
        let held_until = self.limiter.held_until();
        self.limiter.change_pacing(now, limiter);
        self.note_spacing(held_until);
        self.adaptation = match (adaptation, &self.adaptation) {
            (Some(new), old) => Some(new.succeeding(old.as_ref())),
            (None, _) => None,
        };
        let lease = self.breaker.lease;
        (self.breaker, self.limit, self.budget) = (breaker, limit, budget);
        self.leases.change(lease, self.breaker.lease);
        self.leases.end_change_early(now, self.breaker.lease);
        self.note_standing(now);
        (self.attempt_timeout, self.slow_after) = (attempt_timeout, slow_after);
        Ok(())
    }
}

/// Servers count the time until a reset in whole seconds: two words that differ by less are about the same one.
const RESET_GRAIN_NS: u64 = 1_000_000_000;
