//! One upstream: every policy asked together, all or nothing taken.
//!
//! Policies that are asked one after the other leak: a rate token is taken, then the breaker refuses, and the token is
//! gone. A gate asks breaker, pause, rate, concurrency and (for a retry) budget first and takes from all of them or none.
//! A refusal names the one that lasts longest, so one timer is enough.
//!
//! **When it harms**: everything that goes through one gate shares its fate. Two services behind one host name that fail
//! apart want two gates; a gate per request path, on the other hand, learns nothing in time.
//!
//! - A gate is told from outside what no outcome says: [`Gate::pause_until`], [`Gate::observe_quota`] (from
//!   [`http::QuotaReader`](crate::http::QuotaReader)), [`Gate::readmit`], [`Gate::set_breaker_mode`], [`Gate::reconfigure`]. Each
//!   can make a `Wait` shorter: whoever waits polls again after it.
//! - Tickets are counted by age in four rotating cells, so that one that is lost comes free again when its lease ends, at most a
//!   third of a lease later; see [`GateConfig::lease`].
//! - What restricts a gate survives a restart: see [`snapshot`].
//!
//! Checking everything before taking anything is what chained limiters lack (governor#117); the rest is in the modules of the
//! policies.

mod admission;
mod config;
mod control;
mod lease;
mod neutral;
mod settle;
pub mod snapshot;
mod standing;

pub use admission::{Admission, Barred, Try, Why};
pub use config::{GateConfig, GateError, RateControl};
pub use control::Control;
pub use snapshot::{Downtime, SNAPSHOT_BYTES, Snapshot, SnapshotError};

use core::time::Duration;

use crate::{
    breaker::{
        BreakerConfig, BreakerMode, BreakerState, CallWindow, CircuitBreaker, Counts, Pass, PeriodWindow, Rejected,
        Window,
    },
    budget::RetryBudget,
    entropy::Entropy,
    limit::ConcurrencyLimit,
    outcome::Outcome,
    rate::{Adaptation, RateLimiter},
    ticket::{Ticket, TicketKind},
    time::{Instant, Millis, about_micros},
};
use lease::Leases;
use standing::{DENIED_MAX, Standing};

/// Whatever admits attempts and learns from their outcomes: a [`Gate`], or one that is recorded.
pub trait Gatekeeper {
    /// Asks for one attempt.
    fn poll(&mut self, now: Instant, attempt: Try) -> Admission;
    /// Looks whether an attempt would be refused, and takes nothing.
    fn peek(&mut self, now: Instant, attempt: Try) -> Option<Admission>;
    /// Says what came of an attempt.
    fn settle(&mut self, now: Instant, ticket: Ticket, outcome: Outcome, entropy: Entropy);
    /// Gives up an attempt that was sent.
    fn cancel(&mut self, now: Instant, ticket: Ticket);
    /// Tells it what no outcome says. It can make a wait shorter: whoever waits polls again.
    fn control(&mut self, now: Instant, control: Control);
    /// How long one attempt may take from its admission.
    fn attempt_timeout(&self) -> Duration;
}

/// The policies of one upstream, composed. 224 bytes with everything in it but latency buckets and trace.
///
/// Invariant: every ticket that it hands out is settled exactly once, with any outcome, in any order, at any later time; or
/// its place is reclaimed when its lease ends. Between calls nothing happens.
///
/// ```
/// use tidegate_core::{Admission, Entropy, Gate, GateConfig, Instant, Outcome, Try};
///
/// let mut gate = Gate::new(GateConfig::DEFAULT).expect("the default is valid");
/// let now = Instant::from_secs(1);
/// match gate.poll(now, Try::First) {
///     Admission::Go(ticket) => gate.settle(now, ticket, Outcome::Success, Entropy::new(7)),
///     Admission::Wait { until, why } | Admission::Full { until, why } => panic!("{why} until {until:?}"),
///     Admission::Never { why } => panic!("{why}"),
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Clone, Hash))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Gate<W = CallWindow> {
    limiter: RateLimiter,
    breaker: CircuitBreaker<W>,
    adaptation: Option<Adaptation>,
    limit: ConcurrencyLimit,
    budget: Option<RetryBudget>,
    leases: Leases,
    /// The latest reading of the clock: an earlier one means that no time has passed.
    seen: Instant,
    /// Until when requests are spread because little quota is left …
    paced_until: Instant,
    /// … at this interval.
    pace: Millis,
    attempt_timeout: Millis,
    slow_after: Millis,
    id: u16,
    standing: Standing,
}

impl Gate<CallWindow> {
    /// A gate whose breaker judges the last calls. Checks the settings.
    ///
    /// # Errors
    /// See [`GateError`]; each names the setting and the change.
    pub const fn new(config: GateConfig) -> Result<Self, GateError> {
        match CircuitBreaker::new(breaker_config(&config)) {
            Ok(breaker) => Self::with_breaker(config, breaker),
            Err(error) => Err(GateError::Breaker(error)),
        }
    }
}

impl Gate<PeriodWindow> {
    /// A gate whose breaker judges the last stretch of time. Checks the settings.
    ///
    /// # Errors
    /// See [`GateError`]; each names the setting and the change.
    pub const fn over_period(window: PeriodWindow, config: GateConfig) -> Result<Self, GateError> {
        match CircuitBreaker::over_period(window, breaker_config(&config)) {
            Ok(breaker) => Self::with_breaker(config, breaker),
            Err(error) => Err(GateError::Breaker(error)),
        }
    }
}

impl<W: Copy> Gate<W> {
    const fn with_breaker(config: GateConfig, breaker: CircuitBreaker<W>) -> Result<Self, GateError> {
        let (attempt_timeout, slow_after) = match checked_times(&config) {
            Ok(times) => times,
            Err(error) => return Err(error),
        };
        let (limiter, adaptation) = match pacing(config.rate) {
            Ok(pacing) => pacing,
            Err(error) => return Err(error),
        };
        let limit = match ConcurrencyLimit::new(config.limit) {
            Ok(limit) => limit,
            Err(error) => return Err(GateError::Limit(error)),
        };
        let budget = match config.budget {
            None => None,
            Some(budget) => match RetryBudget::new(budget) {
                Ok(budget) => Some(budget),
                Err(error) => return Err(GateError::Budget(error)),
            },
        };
        let mut standing = Standing::FRESH;
        // One that only observes, say, is not clear from the beginning.
        standing.note(breaker.is_clear(), false, false);
        let leases = Leases::new(breaker.lease);
        Ok(Self {
            limiter,
            breaker,
            adaptation,
            limit,
            budget,
            leases,
            seen: Instant::ORIGIN,
            paced_until: Instant::ORIGIN,
            pace: Millis::ZERO,
            attempt_timeout,
            slow_after,
            id: config.id,
            standing,
        })
    }
}

impl<W: Window> Gate<W> {
    /// Asks for one attempt: a ticket, or when to come back, or why never.
    pub fn poll(&mut self, now: Instant, attempt: Try) -> Admission {
        let now = self.seen.max(now);
        if !self.is_clear(now, attempt) {
            return self.poll_closely(now, attempt);
        }
        debug_assert!(self.breaker.is_clear() && now >= self.paced_until, "something in the way was overlooked");
        self.seen = now;
        let generation = self.leases.start_as_before();
        Admission::Go(self.grant(now, attempt, generation, &Pass { era: self.breaker.era, probe: false }))
    }

    /// [`Gate::poll`] in all its parts: where something may be in the way, or time has brought something.
    #[cold]
    #[inline(never)]
    fn poll_closely(&mut self, now: Instant, attempt: Try) -> Admission {
        let now = self.advance(now);
        if !self.is_clear(now, attempt)
            && let Some(refused) = self.refusal(now, attempt)
        {
            return refused;
        }
        let pass = self.breaker.take(now);
        if matches!(attempt, Try::Again)
            && let Some(budget) = &mut self.budget
        {
            budget.take(now);
        }
        let generation = self.leases.start(pass.era);
        let ticket = self.grant(now, attempt, generation, &pass);
        if now < self.paced_until {
            self.space_until(now.plus(self.pace).min(self.paced_until));
        }
        self.note_standing(now);
        Admission::Go(ticket)
    }

    /// Looks without taking anything: what [`Gate::poll`] would refuse with, if it would.
    #[must_use = "a query"]
    pub fn peek(&mut self, now: Instant, attempt: Try) -> Option<Admission> {
        let now = self.advance(now);
        self.refusal(now, attempt)
    }

    /// What the breaker remembers.
    #[must_use = "a query"]
    pub fn breaker_counts(&mut self, now: Instant) -> Counts {
        let now = self.advance(now);
        self.breaker.counts(now)
    }

    /// Whether what the breaker remembers is enough to open it: what one that only observes would have done.
    #[must_use = "a query"]
    pub fn would_open(&mut self, now: Instant) -> bool {
        let now = self.advance(now);
        self.breaker.would_open(now)
    }

    /// Time that passed, and what it brought: leases that ended, calls that are overdue.
    fn advance(&mut self, now: Instant) -> Instant {
        self.seen = self.seen.max(now);
        let now = self.seen;
        if self.leases.turns(now) {
            self.turn_leases(now);
        } else {
            self.leases.end_change_early(now, self.breaker.lease);
        }
        now
    }

    #[cold]
    #[inline(never)]
    fn turn_leases(&mut self, now: Instant) {
        // At the end of time nothing turns any more.
        if now == Instant::MAX {
            return;
        }
        // Before any of them is reclaimed: where the lease is little longer than the slow limit, this is the only look.
        let overdue = self.leases.overdue(now, self.slow_after.ns(), self.breaker.era);
        let reclaimed = self.leases.advance(now, self.breaker.lease);
        self.limit.reclaim(reclaimed);
        if overdue > 0 {
            self.breaker.count_overdue(now, overdue);
            self.note_standing(now);
        }
    }

    /// To be called after whatever may change the breaker, the pace or the lease.
    fn note_standing(&mut self, now: Instant) {
        self.standing.note(self.breaker.is_clear(), now < self.paced_until, self.leases.is_changing());
    }

    /// Whether nothing at all is in the way and time has brought nothing: the common case, told at once. What is in the way, and
    /// whether that lets somebody through after all, is for [`Gate::refusal`] to say.
    #[inline(always)]
    fn is_clear(&self, now: Instant, attempt: Try) -> bool {
        !self.leases.turns(now)
            && self.standing.is_usual()
            && self.leases.is_as_before(self.breaker.era)
            && (matches!(attempt, Try::First) || self.budget.is_none())
            && self.limiter.conforms(now)
            && self.limit.in_flight() < self.limit.limit()
    }

    #[cold]
    fn refusal(&mut self, now: Instant, attempt: Try) -> Option<Admission> {
        if self.standing.is_denied() {
            let in_a_row = self.standing.denied();
            return Some(Admission::Never { why: Barred::Denied { in_a_row, limit: DENIED_MAX } });
        }
        let rejected = self.breaker.check(now).err();
        let early = !self.limiter.conforms(now);
        let exhausted = match (&self.budget, attempt) {
            (Some(budget), Try::Again) => budget.check(now).err(),
            (Some(_), Try::First) | (None, _) => None,
        };
        if rejected.is_none() && !early && exhausted.is_none() {
            let in_flight = self.limit.in_flight();
            let ramp = self.breaker.calls_at_once();
            if in_flight < self.limit.limit() && in_flight < ramp {
                return None;
            }
            let why = if in_flight >= self.limit.limit() {
                Why::InFlight { in_flight, limit: self.limit.limit() }
            } else {
                Why::Ramp { in_flight, ramp }
            };
            return Some(Admission::Full { until: self.leases.next_reclaim(self.breaker.lease), why });
        }
        // Of several reasons the one that lasts longest: one timer is enough.
        let mut until = Instant::ORIGIN;
        let mut why = Why::ForcedOpen;
        if early {
            (until, why) = self.why_early(now);
        }
        if let Some(exhausted) = exhausted
            && exhausted.until > until
        {
            (until, why) = (exhausted.until, Why::Budget { saved: exhausted.saved, cost: exhausted.cost });
        }
        if let Some(rejected) = rejected {
            let (rejected_until, rejected_why) = why_rejected(rejected);
            if rejected_until > until {
                (until, why) = (rejected_until, rejected_why);
            }
        }
        Some(Admission::Wait { until, why })
    }

    /// Takes what nothing is in the way of; breaker, budget and leases have given theirs.
    #[inline]
    fn grant(&mut self, now: Instant, attempt: Try, generation: u8, pass: &Pass) -> Ticket {
        self.limiter.take_in_order(now);
        self.limit.take();
        Ticket {
            started: now,
            era: pass.era,
            gate: self.id,
            rate_cuts: self.rate_cuts(),
            limit_cuts: self.limit.cuts,
            generation,
            kind: TicketKind::new(matches!(attempt, Try::Again), pass.probe),
        }
    }

    fn why_early(&self, now: Instant) -> (Instant, Why) {
        let until = self.limiter.next_at();
        let paused_until = self.paused_until();
        if now < paused_until && until <= paused_until {
            let remaining_us = about_micros(paused_until.since_ns(now));
            return (paused_until, Why::Paused { remaining_us });
        }
        let pace_ns = if now < self.paced_until { self.pace.ns() } else { 0 };
        let interval_us = about_micros(self.limiter.interval_ns().max(pace_ns));
        (until, Why::Rate { early_us: about_micros(until.since_ns(now)), interval_us })
    }

    fn rate_cuts(&self) -> u8 {
        self.adaptation.as_ref().map_or(0, |adaptation| adaptation.cuts)
    }
}

impl<W> Gate<W> {
    /// Where the breaker stands. An open one stays `Open` until somebody asks after its time.
    pub const fn breaker(&self) -> &CircuitBreaker<W> {
        &self.breaker
    }

    /// Whether the breaker lets everything through, closed and past its ramp or forced closed, and access is not refused.
    #[must_use = "a query"]
    pub const fn is_healthy(&self) -> bool {
        matches!(self.breaker.state(), BreakerState::Closed { ramp: u16::MAX, .. })
            && !matches!(self.breaker.mode(), BreakerMode::ForcedOpen)
            && !self.standing.is_denied()
    }

    /// How many attempts may be in flight now.
    pub const fn limit(&self) -> u16 {
        self.limit.limit()
    }

    /// The concurrency limit that it has found: what to show. [`Gate::limit`] is what is tried around it.
    pub const fn learnt_limit(&self) -> u16 {
        self.limit.learnt()
    }

    /// How many attempts are in flight.
    pub const fn in_flight(&self) -> u16 {
        self.limit.in_flight()
    }

    /// The time between requests at the present rate; zero where the rate is not limited.
    pub const fn interval(&self) -> Duration {
        self.limiter.interval()
    }

    /// Until when the server wants to be left alone; in the past where it does not.
    pub const fn paused_until(&self) -> Instant {
        if self.standing.is_paused() { self.limiter.held_until() } else { Instant::ORIGIN }
    }

    /// How many retries the budget has now; `None` where there is no budget. A query to show, not to decide by.
    pub fn retries_available(&self, now: Instant) -> Option<u32> {
        self.budget.as_ref().map(|budget| budget.available(now.max(self.seen)))
    }

    /// How long one attempt may take from its admission.
    pub const fn attempt_timeout(&self) -> Duration {
        Duration::from_nanos(self.attempt_timeout.ns())
    }
}

impl<W: Window> Gatekeeper for Gate<W> {
    fn poll(&mut self, now: Instant, attempt: Try) -> Admission {
        self.poll(now, attempt)
    }

    fn peek(&mut self, now: Instant, attempt: Try) -> Option<Admission> {
        self.peek(now, attempt)
    }

    fn settle(&mut self, now: Instant, ticket: Ticket, outcome: Outcome, entropy: Entropy) {
        self.settle(now, ticket, outcome, entropy);
    }

    fn cancel(&mut self, now: Instant, ticket: Ticket) {
        self.cancel(now, ticket);
    }

    fn control(&mut self, now: Instant, control: Control) {
        match control {
            Control::Pause { until } => Self::pause_until(self, now, until),
            Control::Quota(quota) => Self::observe_quota(self, now, quota),
            Control::Readmit => Self::readmit(self),
            Control::Breaker(mode) => Self::set_breaker_mode(self, mode),
        }
    }

    fn attempt_timeout(&self) -> Duration {
        self.attempt_timeout()
    }
}

const fn why_rejected(rejected: Rejected) -> (Instant, Why) {
    match rejected {
        Rejected::Forced => (Instant::MAX, Why::ForcedOpen),
        Rejected::Probing { until, outstanding, probes } => (until, Why::Probing { outstanding, probes }),
        Rejected::Open { until, bad, calls } => (until, Why::Open { bad, calls }),
    }
}

const fn breaker_config(config: &GateConfig) -> BreakerConfig {
    BreakerConfig { lease: config.lease, ..config.breaker }
}

/// Attempt timeout and slow limit; the lease is checked against them, and kept by the breaker.
const fn checked_times(config: &GateConfig) -> Result<(Millis, Millis), GateError> {
    let attempt_timeout = match Millis::round_up(config.attempt_timeout) {
        Some(span) if !span.is_zero() => span,
        Some(_) | None => return Err(GateError::AttemptTimeout),
    };
    let slow_after = match Millis::round_up(config.slow_after) {
        Some(span) if !span.is_zero() && span.ns() <= attempt_timeout.ns() => span,
        Some(_) | None => return Err(GateError::SlowAfter),
    };
    match Millis::round_up(config.lease) {
        Some(lease) if lease.ns() > attempt_timeout.ns() => Ok((attempt_timeout, slow_after)),
        Some(_) | None => Err(GateError::Lease),
    }
}

const fn pacing(rate: RateControl) -> Result<(RateLimiter, Option<Adaptation>), GateError> {
    match rate {
        RateControl::Unlimited => Ok((RateLimiter::unlimited(), None)),
        RateControl::Fixed(config) => match RateLimiter::new(config) {
            Ok(limiter) => Ok((limiter, None)),
            Err(error) => Err(GateError::Rate(error)),
        },
        RateControl::Adaptive(config) => match Adaptation::new(config) {
            Ok((limiter, adaptation)) => Ok((limiter, Some(adaptation))),
            Err(error) => Err(GateError::AdaptiveRate(error)),
        },
    }
}

const _: () = assert!(size_of::<Gate>() <= 224);

#[cfg(test)]
mod tests;
