//! The core's promises, checked from outside during every run.
//!
//! A watch stands beside each gate. It is told what the gate admitted, what it refused and why, and what was settled,
//! keeps its own books, and compares. It never looks into the core's arithmetic: what it checks is what the documentation
//! of the core promises, both ways. What is admitted must have been allowed; what is refused must have been refused for a
//! reason that is there, and be told to come back when that is gone and not later. A gate that holds everything back keeps
//! every limit, and is of no use.

mod breach;
mod bucket;
mod terms;

pub use breach::Breach;
pub(super) use terms::Terms;

use tidegate_core::breaker::BreakerState;
use tidegate_core::{End, Gate, Instant, Outcome, Refusal, Ticket, Why};

use bucket::{Bucket, Measure};
use terms::{BudgetTerms, nanos};

/// The books of one gate.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    in_flight: u32,
    /// What is left of the rate, where there is one.
    rate: Bucket,
    /// What is left of the reserve of retries, where there is one …
    reserve: Bucket,
    /// … and what answers earned beside it.
    saved: u64,
    open_until: Instant,
    /// Before when a server's wish forbids to ask …
    paused_until: Instant,
    /// … and when jitter, which only adds, has to be over too.
    paused_at_most_until: Instant,
    /// Refusals of access without an answer in between.
    denied: u8,
    /// Counts the times the breaker opened: probes of an earlier one do not count any more.
    pub(super) era: u32,
    probes_out: u32,
}

/// What a gate shows before it is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    limit: u16,
    /// How many may be out at once while it returns to full traffic.
    ramp: u16,
}

impl Watch {
    /// Beside a gate that is fresh.
    pub(super) fn new(now: Instant, terms: &Terms) -> Self {
        let full = |measure| Bucket::full(now, measure);
        Self {
            in_flight: 0,
            rate: full(terms.rate.unwrap_or(UNLIMITED)),
            reserve: full(terms.budget.map_or(UNLIMITED, |budget| budget.reserve)),
            saved: 0,
            open_until: Instant::ORIGIN,
            paused_until: Instant::ORIGIN,
            paused_at_most_until: Instant::ORIGIN,
            denied: 0,
            era: 0,
            probes_out: 0,
        }
    }

    pub(super) fn before(gate: &Gate) -> Before {
        Before { limit: gate.limit(), ramp: gate.breaker().calls_at_once() }
    }

    /// The gate admitted an attempt.
    pub(super) fn admitted(
        &mut self,
        now: Instant,
        gate: &Gate,
        terms: &Terms,
        before: Before,
        ticket: &Ticket,
        is_retry: bool,
    ) -> Result<(), Breach> {
        let limit = before.limit.min(terms.limit.1).min(before.ramp);
        if self.in_flight >= u32::from(limit) {
            return Err(Breach::OverLimit { in_flight: self.in_flight, limit });
        }
        if now < self.open_until {
            return Err(Breach::WhileOpen { early_ns: since_ns(self.open_until, now) });
        }
        if now < self.paused_until {
            return Err(Breach::WhilePaused { early_ns: since_ns(self.paused_until, now) });
        }
        if self.denied >= DENIED_MAX {
            return Err(Breach::WhileDenied { in_a_row: self.denied });
        }
        if ticket.is_probe() {
            let probes = terms.probes;
            if self.probes_out >= u32::from(probes) {
                return Err(Breach::Probes { out: self.probes_out, probes });
            }
            self.probes_out += 1;
        }
        self.in_flight += 1;
        if let Some(rate) = terms.rate {
            self.rate.take(now, rate).map_err(|early_ns| Breach::OverRate { early_ns })?;
        }
        if is_retry && let Some(budget) = terms.budget {
            self.spend(now, budget)?;
        }
        self.look(gate, terms)
    }

    /// The gate refused an attempt, said why, and perhaps when to come back.
    pub(super) fn refused(
        &mut self,
        now: Instant,
        gate: &Gate,
        terms: &Terms,
        why: Why,
        until: Option<Instant>,
    ) -> Result<(), Breach> {
        self.look(gate, terms)?;
        let over_at = self.over_at(now, gate, terms, why);
        if now >= over_at {
            return Err(Breach::HeldBack(why));
        }
        match until {
            Some(until) if until > over_at => Err(Breach::TooLate { late_ns: since_ns(until, over_at), why }),
            Some(_) | None => Ok(()),
        }
    }

    /// A call ended where it waited.
    pub(super) fn ended(&mut self, now: Instant, gate: &Gate, terms: &Terms, end: End) -> Result<(), Breach> {
        match end {
            End::OutOfPatience { why, .. } => self.refused(now, gate, terms, why, None),
            End::Barred(_) if self.denied < DENIED_MAX => Err(Breach::Barred { in_a_row: self.denied }),
            _ => self.look(gate, terms),
        }
    }

    /// An attempt that was admitted in `era` came back.
    pub(super) fn settled(
        &mut self,
        now: Instant,
        gate: &Gate,
        terms: &Terms,
        was_probe: bool,
        era: u32,
        outcome: Outcome,
    ) -> Result<(), Breach> {
        self.in_flight = self.in_flight.saturating_sub(1);
        if was_probe && era == self.era {
            self.probes_out = self.probes_out.saturating_sub(1);
        }
        match outcome {
            Outcome::Success | Outcome::Empty => {
                if let Some(budget) = terms.budget {
                    self.saved = (self.saved + budget.earns).min(budget.most);
                }
                self.count_denials(false);
            }
            Outcome::Throttled { retry_after: Some(hint) } => self.heed(now, gate, terms, nanos(hint)),
            Outcome::Refused(refusal) => self.count_denials(refusal == Refusal::Access),
            Outcome::Throttled { retry_after: None }
            | Outcome::Failure
            | Outcome::Timeout
            | Outcome::Cancelled
            | Outcome::Unsent => {}
        }
        // Nothing else changes the rate.
        self.look_at_rate(gate, terms)?;
        self.look(gate, terms)
    }

    /// Compares the books with what the gate shows. To be called after whatever may have changed it.
    pub(super) fn look(&mut self, gate: &Gate, terms: &Terms) -> Result<(), Breach> {
        if let BreakerState::Open { until, .. } = gate.breaker().state()
            && until != self.open_until
        {
            self.open_until = until;
            self.era += 1;
            self.probes_out = 0;
        }
        if u32::from(gate.in_flight()) != self.in_flight {
            return Err(Breach::Miscounted { counted: gate.in_flight(), seen: self.in_flight });
        }
        let (floor, ceiling) = terms.limit;
        match gate.limit() {
            limit if (floor..=ceiling).contains(&limit) => Ok(()),
            limit => Err(Breach::LimitOutOfBounds { limit, floor, ceiling }),
        }
    }

    /// The power went and is back: what was owed stays owed where the gate was restored. What answers had earned is lost.
    pub(super) fn restarted(
        &mut self,
        now: Instant,
        gate: &Gate,
        terms: &Terms,
        is_restored: bool,
    ) -> Result<(), Breach> {
        let fresh = Self { era: self.era, ..Self::new(now, terms) };
        *self = if is_restored { Self { in_flight: 0, probes_out: 0, saved: 0, ..self.clone() } } else { fresh };
        self.look_at_rate(gate, terms)?;
        self.look(gate, terms)
    }

    /// Spends a retry, of what is saved first.
    fn spend(&mut self, now: Instant, budget: BudgetTerms) -> Result<(), Breach> {
        let BudgetTerms { cost, reserve, .. } = budget;
        if let Some(rest) = self.saved.checked_sub(cost) {
            self.saved = rest;
            return Ok(());
        }
        let saved = self.saved;
        self.reserve.take(now, reserve).map_err(|early_ns| Breach::OverBudget { saved, cost, early_ns })
    }

    /// When this is out of the way at the latest, by these books; in the past where it is not in the way.
    fn over_at(&mut self, now: Instant, gate: &Gate, terms: &Terms, why: Why) -> Instant {
        let while_so = |is_so| if is_so { Instant::MAX } else { Instant::ORIGIN };
        match why {
            Why::Open { .. } => self.open_until,
            Why::Paused { .. } => self.paused_at_most_until,
            Why::Rate { .. } => match terms.rate {
                Some(rate) if terms.is_rate_fixed => after(now, self.rate.early_ns(now, rate)),
                // How long exactly is between it and what it has learnt.
                Some(_) => after(now, terms.interval_ns.1),
                None => Instant::ORIGIN,
            },
            Why::Budget { .. } => match terms.budget {
                Some(budget) if self.saved < budget.cost => after(now, self.reserve.early_ns(now, budget.reserve)),
                Some(_) | None => Instant::ORIGIN,
            },
            Why::ForcedOpen => while_so(terms.is_forced_open),
            Why::Probing { .. } => while_so(self.probes_out >= u32::from(terms.probes)),
            Why::InFlight { .. } => while_so(self.in_flight >= u32::from(gate.limit())),
            Why::Ramp { .. } => while_so(self.in_flight >= u32::from(gate.breaker().calls_at_once())),
            // Of the call itself and of the line, which the gate knows nothing of.
            Why::Backoff { .. } | Why::Queued => Instant::MAX,
        }
    }

    /// A server's wish: a floor that jitter adds an eighth to at most, and a day at the longest.
    fn heed(&mut self, now: Instant, gate: &Gate, terms: &Terms, hint_ns: u64) {
        let hint_ns = hint_ns.min(PAUSE_NS_MAX);
        self.paused_until = self.paused_until.max(after(now, hint_ns));
        self.paused_at_most_until = self.paused_at_most_until.max(after(now, hint_ns + hint_ns / 8));
        // A hint of nothing is none, and spends nothing.
        if let Some(rate) = terms.rate.filter(|_| hint_ns > 0) {
            // Drawn by the gate, and not to be known otherwise.
            let until = gate.paused_until().max(self.paused_until).min(self.paused_at_most_until);
            self.rate.pause(until, rate);
        }
    }

    fn count_denials(&mut self, is_denied: bool) {
        if self.denied < DENIED_MAX {
            self.denied = if is_denied { self.denied + 1 } else { 0 };
        }
    }

    fn look_at_rate(&self, gate: &Gate, terms: &Terms) -> Result<(), Breach> {
        let (fastest_ns, slowest_ns) = terms.interval_ns;
        match gate.interval().as_nanos() as u64 {
            interval_ns if (fastest_ns..=slowest_ns).contains(&interval_ns) => Ok(()),
            interval_ns => Err(Breach::RateOutOfBounds { interval_ns, fastest_ns, slowest_ns }),
        }
    }
}

fn after(now: Instant, span_ns: u64) -> Instant {
    Instant::from_nanos(now.as_nanos().saturating_add(span_ns))
}

fn since_ns(now: Instant, earlier: Instant) -> u64 {
    now.as_nanos().saturating_sub(earlier.as_nanos())
}

/// So many refusals of access without an answer in between stop a gate.
const DENIED_MAX: u8 = 3;
/// A gate is paused for a day at the longest.
const PAUSE_NS_MAX: u64 = 86_400 * 1_000_000_000;
/// Nobody asks a bucket that nothing limits.
const UNLIMITED: Measure = Measure { cell_ns: 0, most_ns: 0 };

#[cfg(test)]
mod tests;
