//! One call: attempts at one source until it ends there, or is better off elsewhere.
//!
//! This is the loop of the crate: a place for the body, a permit of the gate, the attempt itself and perhaps a hedge beside
//! it, what came of both, and the wait before the next.

use tidegate_core::{Call, End, Instant, Next, drive::Clock};

use super::{
    Attempt, Fault, Shared, TileReport,
    attempt::Answer,
    hedge::{Beside, Errand, Raced},
    route::{Ended, Shunned},
    stock::Stock,
};
use crate::{stop::Extent, transport::Transport};

impl<T, C> Shared<T, C>
where
    T: Transport,
    C: Clock<Sleep: Send> + Send + Sync + 'static,
{
    /// Runs one call to its end, or until it is of no use at its source and there is another.
    pub(super) async fn attempts(
        &self,
        call: &mut Call<'_>,
        shunned: Shunned,
        stock: &mut Stock,
        report: &mut TileReport,
        first_grant: &mut Option<Instant>,
    ) -> Ended {
        let clock = self.parts.upstream.clock();
        let cancelled = Ended::Here { end: End::Cancelled, slot: None };
        loop {
            // A place for the body before one at the gate: whoever is admitted can receive at once.
            let Some(slot) = self.stop.or(Extent::Drain, self.slots.acquire()).await else { return cancelled };
            let admitted = self.stop.or(Extent::Drain, self.admit(call, shunned, report.tile)).await;
            let (source, permit) = match admitted {
                Some((source, Ok(permit))) => (source, permit),
                Some((source, Err(end))) => return self.ended(source, shunned, end, report, None),
                None => return cancelled,
            };
            let started = permit.started();
            first_grant.get_or_insert(started);
            let who = u64::from(report.id.run) << 32 ^ report.id.index;
            let entropy = || self.parts.chance.draw_for(who, report.attempts.len() as u64);
            let request = self.request(source, report.id, report.tile, report.attempts.len());
            let driver = self.upstream(source).driver();
            let errand = Errand { id: report.id, tile: report.tile, attempts: report.attempts.len(), shunned };
            let beside = Beside::default();
            let race = |_until| self.race(source, request, stock, errand, &beside);
            let attempt = driver.attempt(permit, call, entropy, race);
            let ended = self.stop.or(Extent::Abort, attempt).await;
            let now = clock.now();
            let latency = now.saturating_since(started);
            let mut overtaken = None;
            let (next, fault) = match ended {
                Some((next, Some(Raced { answer, overtaken_by: None, .. }))) => {
                    (Some(next), self.note(answer, source, stock, report))
                }
                Some((next, Some(Raced { answer, overtaken_by: Some(other), original }))) => {
                    let is_empty = answer.made.is_err();
                    overtaken = Some(if is_empty { End::Empty } else { End::Succeeded });
                    self.note(answer, other, stock, report);
                    (Some(next), original)
                }
                Some((next @ Next::Done(End::OutOfTime { .. }), None)) if clock.now() >= call.deadline() => {
                    (Some(next), Some(Fault::CutOff))
                }
                Some((next, None)) => (Some(next), Some(Fault::Timeout)),
                None => (None, Some(Fault::CutOff)),
            };
            let again = report.tries() > 0;
            self.attempted(report, Attempt { source, latency, fault, again, hedge: false });
            if let Some(hedge) =
                beside.into_attempt(now, if fault.is_none() { Fault::Overtaken } else { Fault::CutOff })
            {
                self.attempted(report, hedge);
            }
            if let Some(end) = overtaken {
                return Ended::Here { end, slot: Some(slot) };
            }
            match next {
                None => return cancelled,
                Some(Next::Done(end)) => return self.ended(source, shunned, end, report, Some(slot)),
                Some(Next::Retry { at }) => {
                    drop(slot);
                    if self.is_paused_alone(source, shunned, report) {
                        return Ended::Elsewhere { source };
                    }
                    let (attempt, attempts) = (call.attempts().saturating_add(1), self.parts.policy.attempts());
                    self.routes.watch.backs_off(now, at, attempt, attempts);
                    if self.stop.or(Extent::Drain, clock.sleep_until(at)).await.is_none() {
                        return cancelled;
                    }
                }
            }
        }
    }

    /// Takes an answer down, and says what was wrong with it.
    fn note(&self, answer: Answer, source: usize, stock: &mut Stock, report: &mut TileReport) -> Option<Fault> {
        if answer.is_gone {
            stock.forget(source);
        }
        if answer.is_unchanged {
            report.saved.bytes = stock.of(source).map_or(0, |kept| kept.bytes);
        }
        match answer.into_outcome() {
            Ok(outcome) => {
                report.outcome = outcome;
                None
            }
            Err(fault) => fault,
        }
    }
}

pub(super) fn log_attempt(report: &TileReport, Attempt { source, latency, fault, hedge, .. }: Attempt) {
    let (id, attempt, ms) = (report.id, report.attempts.len(), latency.as_millis() as u64);
    match fault {
        None => tracing::trace!(%id, attempt, source, hedge, ms, "attempt answered"),
        Some(Fault::Overtaken) => tracing::trace!(%id, attempt, source, hedge, ms, "attempt overtaken"),
        Some(fault) => tracing::debug!(%id, attempt, source, hedge, ms, %fault, "attempt failed"),
    }
}
