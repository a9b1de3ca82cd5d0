//! What an outcome means to each policy: the table of [`Outcome`], as code.

use super::Gate;
use crate::{
    breaker::{Pass, Verdict, Window},
    entropy::Entropy,
    limit::Load,
    outcome::{Outcome, Refusal},
    ticket::Ticket,
    time::{Instant, nanos},
};

impl<W: Window> Gate<W> {
    /// Says what came of an attempt. A ticket that was reclaimed, or belongs to a gate with another
    /// [id](super::GateConfig::id), changes nothing.
    pub fn settle(&mut self, now: Instant, ticket: Ticket, outcome: Outcome, entropy: Entropy) {
        let now = self.seen.max(now);
        if self.leases.turns(now) {
            return self.turn_and_settle(now, ticket, outcome, entropy);
        }
        self.settle_in_cell(now, &ticket, outcome, entropy);
    }

    #[cold]
    #[inline(never)]
    fn turn_and_settle(&mut self, now: Instant, ticket: Ticket, outcome: Outcome, entropy: Entropy) {
        self.turn_leases(now);
        self.settle_in_cell(now, &ticket, outcome, entropy);
    }

    #[inline(always)]
    fn settle_in_cell(&mut self, now: Instant, ticket: &Ticket, outcome: Outcome, entropy: Entropy) {
        // Of one that started later, and so is not from here, the latency is long.
        let latency_ns = now.wrapping_since_ns(ticket.started);
        if !matches!(outcome, Outcome::Success | Outcome::Empty)
            || latency_ns >= self.slow_after.ns()
            || ticket.gate != self.id
            || !self.leases.counts_young(ticket)
            || !self.standing.is_usual()
            || !self.breaker.settle_beside_good(ticket.era)
        {
            return self.settle_closely(now, ticket, outcome, entropy);
        }
        // A good answer in time while all is as usual. Nothing is called on this way but what comes last.
        self.seen = now;
        self.leases.settle(ticket);
        if let Some(budget) = &mut self.budget {
            budget.deposit();
        }
        let limit_is_due = self.limit.count_carried(ticket.limit_cuts, latency_ns);
        let rate_is_due = match &mut self.adaptation {
            Some(adaptation) => adaptation.count_success(&self.limiter, ticket.rate_cuts),
            None => false,
        };
        if limit_is_due || rate_is_due {
            self.take_steps(now, limit_is_due, rate_is_due);
        }
    }

    #[cold]
    #[inline(never)]
    fn take_steps(&mut self, now: Instant, limit_is_due: bool, rate_is_due: bool) {
        if limit_is_due {
            self.limit.take_step();
        }
        if rate_is_due && let Some(adaptation) = &mut self.adaptation {
            adaptation.step(now, &mut self.limiter);
        }
    }

    /// [`Gate::settle_in_cell`] in all its parts.
    #[cold]
    #[inline(never)]
    fn settle_closely(&mut self, now: Instant, ticket: &Ticket, outcome: Outcome, entropy: Entropy) {
        self.seen = now;
        let Some(latency_ns) = now.checked_since_ns(ticket.started) else { return };
        let slow = latency_ns >= self.slow_after.ns();
        if ticket.gate != self.id || !self.leases.counts(ticket, self.breaker.lease) {
            return;
        }
        self.leases.settle(ticket);
        match outcome {
            Outcome::Throttled { retry_after } => {
                if let Some(adaptation) = &mut self.adaptation {
                    let held_until = self.limiter.held_until();
                    adaptation.on_throttled(now, &mut self.limiter, ticket.rate_cuts, retry_after.map_or(0, nanos));
                    self.note_spacing(held_until);
                }
                if let Some(hint) = retry_after {
                    self.heed(now, nanos(hint), entropy);
                }
            }
            Outcome::Success | Outcome::Empty => {
                if let Some(budget) = &mut self.budget {
                    budget.deposit();
                }
                if let Some(adaptation) = &mut self.adaptation {
                    adaptation.on_success(now, &mut self.limiter, ticket.rate_cuts);
                }
                self.count_denials(None);
            }
            Outcome::Refused(refusal) => self.count_denials(Some(refusal)),
            Outcome::Unsent => self.refund(ticket),
            Outcome::Failure | Outcome::Timeout | Outcome::Cancelled => {}
        }
        let (verdict, load) = meaning(outcome, slow);
        self.limit.on_settled(ticket.limit_cuts, load, latency_ns);
        let pass = Pass { era: ticket.era, probe: ticket.is_probe() };
        self.breaker.settle(now, pass, verdict, entropy);
        self.note_standing(now);
    }

    /// Gives up an attempt that was sent: [`Outcome::Cancelled`], without entropy. Should that open the breaker, it opens for
    /// the full time.
    pub fn cancel(&mut self, now: Instant, ticket: Ticket) {
        self.settle(now, ticket, Outcome::Cancelled, Entropy::new(u32::MAX));
    }

    /// A server's wish to be left alone: a floor. Jitter only adds, up to an eighth, so that clients that were all told
    /// the same do not come back in step.
    fn heed(&mut self, now: Instant, hint_ns: u64, entropy: Entropy) {
        let hint_ns = hint_ns.min(PAUSE_NS_MAX);
        let spread_ns = entropy.derive(PAUSE_SALT).up_to(hint_ns >> 3);
        self.pause(now, now.plus_ns(hint_ns + spread_ns));
    }

    /// At the server's wish; one that is over already, or a hint of nothing, is none and costs no burst. The limiter keeps the
    /// latest of all that holds it; whose wish that is, is all there is to remember.
    pub(super) fn pause(&mut self, now: Instant, until: Instant) {
        if now < until && until >= self.limiter.held_until() {
            self.standing.set_paused(true);
            self.limiter.pause_until(until);
        }
    }

    /// For the sake of the rate.
    pub(super) fn space_until(&mut self, until: Instant) {
        let held_until = self.limiter.held_until();
        self.limiter.pause_until(until);
        self.note_spacing(held_until);
    }

    /// Where the rate holds the limiter longer than anything did before, it is not the server's wish any more.
    pub(super) fn note_spacing(&mut self, held_until: Instant) {
        self.standing.set_paused(self.standing.is_paused() && self.limiter.held_until() == held_until);
    }

    fn refund(&mut self, ticket: &Ticket) {
        self.limiter.refund(ticket.started, 1);
        if ticket.is_retry()
            && let Some(budget) = &mut self.budget
        {
            budget.refund();
        }
    }

    /// What a refusal says about access, or an answer. A gate that stopped is stopped until somebody readmits it, whatever was
    /// still under way.
    fn count_denials(&mut self, refusal: Option<Refusal>) {
        if !self.standing.is_denied() {
            self.standing.set_denied(match refusal {
                Some(Refusal::Access) => self.standing.denied() + 1,
                Some(Refusal::Request) | None => 0,
            });
        }
    }
}

/// What an outcome says to the breaker, and to the limit.
const fn meaning(outcome: Outcome, slow: bool) -> (Verdict, Load) {
    match (outcome, slow) {
        (Outcome::Success | Outcome::Empty, false) => (Verdict::Success, Load::Carried),
        (Outcome::Success | Outcome::Empty, true) => (Verdict::Slow, Load::Carried),
        (Outcome::Failure, false) => (Verdict::Failure, Load::Failed),
        (Outcome::Failure, true) => (Verdict::SlowFailure, Load::Failed),
        (Outcome::Timeout, _) => (Verdict::SlowFailure, Load::TimedOut),
        (Outcome::Throttled { .. } | Outcome::Refused(_), _) => (Verdict::Answered, Load::Neutral),
        (Outcome::Cancelled, true) => (Verdict::SlowFailure, Load::Neutral),
        (Outcome::Cancelled, false) | (Outcome::Unsent, _) => (Verdict::Neutral, Load::Neutral),
    }
}

/// No server is left alone for longer than a day on its word alone: an absurd hint must not stop a client for good.
pub(super) const PAUSE_NS_MAX: u64 = 86_400 * 1_000_000_000;
const PAUSE_SALT: u32 = 0x7061_7573;
