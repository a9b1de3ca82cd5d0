//! Whether a gate has anything to remember: a table of gates forgets only those that have not.

use super::Gate;
use crate::{
    breaker::{BreakerMode, BreakerState, Window},
    time::Instant,
};

impl<W: Window> Gate<W> {
    /// Whether nothing holds it back and nothing is out: nothing in flight, breaker closed at full traffic, no pause, no
    /// refusals of access that stop it, a full burst at rest, a retry in the reserve. What was learnt (a rate, a limit, calls
    /// in the breaker's window) does not count: a fresh gate may be less strict in that.
    #[must_use = "a query"]
    pub fn is_neutral(&mut self, now: Instant) -> bool {
        self.held_until(now, now).is_none()
    }

    /// Before when this gate cannot be neutral, unless a call comes back; [`Instant::MAX`] where time alone never helps;
    /// `None` where it is neutral.
    ///
    /// A breaker that may be probed, or is on its ramp, is held for as long as nobody asks: only calls could change it. So
    /// what it remembers ends when nobody has since `asked_at` and for as long as it can ever be open: the host has had the rest
    /// that it can need.
    pub(crate) fn held_until(&mut self, now: Instant, asked_at: Instant) -> Option<Instant> {
        let now = self.advance(now);
        let later = |until: Instant| (now < until).then_some(until);
        let breaker = match (self.breaker.mode(), self.breaker.state()) {
            (BreakerMode::ForcedOpen, _) => Some(Instant::MAX),
            (_, BreakerState::Closed { ramp: u16::MAX, clean: _ }) => None,
            (_, BreakerState::Open { until, .. }) if now < until => Some(until),
            (_, BreakerState::Open { until: since, .. } | BreakerState::HalfOpen { lease_end: since, .. }) => {
                later(asked_at.max(since).plus_ns(self.breaker.longest_open_ns()))
            }
            (_, BreakerState::Closed { .. }) => later(asked_at.plus_ns(self.breaker.longest_open_ns())),
        };
        // A whole burst conforms `burst - 1` intervals after one cell does; that may lie before the origin.
        let burst_ns = self.limiter.interval_ns().saturating_mul(u64::from(self.limiter.burst().saturating_sub(1)));
        let rested = Instant::from_signed(self.limiter.next_ns().saturating_add_unsigned(burst_ns));
        let reserve = self.budget.as_ref().map_or(Instant::ORIGIN, |b| Instant::from_signed(b.reserve_next_ns()));
        let in_flight = (self.limit.in_flight() > 0).then(|| self.leases.next_reclaim(self.breaker.lease));
        let denied = self.standing.is_denied().then_some(Instant::MAX);
        [breaker, denied, in_flight, later(self.paused_until()), later(self.paced_until), later(rested), later(reserve)]
            .into_iter()
            .flatten()
            .reduce(Instant::max)
    }
}
