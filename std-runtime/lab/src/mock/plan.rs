//! Deciding what happens to a request.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tidegate_core::TileId;

use super::dice::{Dice, Lane};
use super::meter::{Meter, Reading};
use super::rules::{Fault, Faults, OutageKind, Pace, RateHeaders, RateLimit, RetryAfter, RetryForm};
use super::stats::cause;
use super::workers::Workers;

/// A set of faults at work: what was decided so far, as far as it bears on what comes.
///
/// Invariant: what is drawn for a request depends on the seed, on what it asks for and on how many requests for the
/// same went through the limits before it, and on nothing else.
pub(super) struct Plan {
    faults: Faults,
    started: Instant,
    /// Each fault with the sum of all shares up to its own.
    bands: Vec<(u64, Fault)>,
    asks: HashMap<u64, u32>,
    meter: Option<Meter>,
    workers: Option<Workers>,
}

/// A request, as far as the plan is concerned.
pub(super) struct Asked<'a> {
    pub(super) key: u64,
    pub(super) tile: Option<TileId>,
    /// The fault that the request asks for.
    pub(super) wish: Option<&'a Fault>,
}

/// What happens to a request.
#[derive(Debug, PartialEq)]
pub(super) struct Decision {
    /// Before anything else.
    pub(super) wait: Duration,
    pub(super) fault: Fault,
    /// Under which name the fault is counted, if not under its own.
    pub(super) cause: Option<&'static str>,
    /// How fast the answer is sent, if not as fast as it goes.
    pub(super) pace: Option<Pace>,
    /// Header fields about the quota, each with its line end.
    pub(super) fields: String,
}

impl Plan {
    pub(super) fn new(faults: Faults, now: Instant) -> Self {
        let mut shares = faults.shares.clone();
        // Whoever writes the same shares in another order gets the same faults.
        shares.sort_by_cached_key(|share| share.fault.to_string());
        let bands = shares.into_iter().scan(0, |sum, share| {
            *sum += u64::from(share.millionths);
            Some((*sum, share.fault))
        });
        Self {
            bands: bands.collect(),
            asks: HashMap::new(),
            meter: faults.rate.map(Meter::new),
            workers: faults.pool.map(|pool| Workers::new(pool.workers, pool.queue)),
            started: now,
            faults,
        }
    }

    pub(super) fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Decides about one request, and gives the dice that are its own.
    pub(super) fn decide(&mut self, now: Instant, asked: &Asked<'_>) -> (Decision, Dice) {
        let now = now.saturating_duration_since(self.started);
        let ask = if self.faults.are_drawn() { self.asks.get(&asked.key).copied().unwrap_or(0) } else { 0 };
        let dice = Dice::new(self.faults.seed, asked.key, ask);
        let mut decision = Decision {
            wait: Duration::ZERO,
            fault: Fault::None,
            cause: None,
            pace: self.bandwidth(),
            fields: String::new(),
        };
        match self.limited(now, dice, &mut decision) {
            Some((cause, fault)) => {
                decision.cause = Some(cause);
                decision.fault = fault;
            }
            None => {
                decision.wait +=
                    self.faults.latency.map_or(Duration::ZERO, |delay| delay.sample(dice.pair(Lane::Latency)));
                decision.fault = self.chosen(asked, ask, dice);
                self.count(asked.key, ask);
            }
        }
        if let Fault::Drip(pace) = decision.fault {
            decision.pace = Some(pace);
        }
        (decision, dice)
    }

    /// Whether connections are refused at this time.
    pub(super) fn is_refusing(&self, now: Instant) -> bool {
        let now = now.saturating_duration_since(self.started);
        self.outage(now) == Some(&OutageKind::Refuse)
    }

    /// How long until an outage begins or ends.
    pub(super) fn next_change(&self, now: Instant) -> Option<Duration> {
        let now = now.saturating_duration_since(self.started);
        let edges = self.faults.outages.iter().flat_map(|outage| [outage.from, outage.until]);
        edges.filter(|edge| *edge > now).map(|edge| edge - now).min()
    }

    /// The limit that keeps this request from being served, and what it gets for that.
    fn limited(&mut self, now: Duration, dice: Dice, decision: &mut Decision) -> Option<(&'static str, Fault)> {
        if let Some(kind) = self.outage(now) {
            let fault = match kind {
                // The connection is about to be cut off.
                OutageKind::Refuse => Fault::Reset,
                OutageKind::Every(fault) => fault.clone(),
            };
            return Some((cause::OUTAGE, fault));
        }
        if let (Some(limit), Some(meter)) = (self.faults.rate, &mut self.meter) {
            let reading = meter.take(now);
            decision.fields = quota_fields(&limit, &reading);
            if !reading.is_allowed {
                return Some((
                    cause::RATE,
                    Fault::Status { code: 429, retry_after: retry_after(limit.retry_after, reading.reset) },
                ));
            }
        }
        if let (Some(pool), Some(workers)) = (self.faults.pool, &mut self.workers) {
            match workers.take_on(now, pool.service.sample(dice.pair(Lane::Service))) {
                Some(done_after) => decision.wait = done_after,
                None => return Some((cause::POOL, Fault::Status { code: 503, retry_after: None })),
            }
        }
        None
    }

    fn chosen(&self, asked: &Asked<'_>, ask: u32, dice: Dice) -> Fault {
        if let Some(wish) = asked.wish {
            return wish.clone();
        }
        let own = asked.tile.and_then(|tile| self.faults.tiles.get(&tile));
        if let Some(script) = own.or(self.faults.script.as_ref()) {
            return script.step(ask).clone();
        }
        let drawn = dice.below(Lane::Fault, 1_000_000);
        self.bands.iter().find(|(upper, _)| drawn < *upper).map_or(Fault::None, |(_, fault)| fault.clone())
    }

    fn count(&mut self, key: u64, ask: u32) {
        // Beyond the bound new tiles are always asked for the first time: wrong, but not without end.
        if self.faults.are_drawn() && (ask > 0 || self.asks.len() < ASKED_MAX) {
            self.asks.insert(key, ask.saturating_add(1));
        }
    }

    fn outage(&self, now: Duration) -> Option<&OutageKind> {
        self.faults.outages.iter().find(|outage| outage.covers(now)).map(|outage| &outage.kind)
    }

    fn bandwidth(&self) -> Option<Pace> {
        // A hundred writes a second are smooth enough for every client.
        self.faults.bandwidth.map(|each_second| {
            let bytes = (each_second / 100).max(1);
            let pause_ns = u128::from(bytes) * 1_000_000_000 / u128::from(each_second.max(1));
            // At most a second, as `bytes` is 1 or at most a hundredth of `each_second`.
            Pace { bytes, pause: Duration::from_nanos(pause_ns as u64) }
        })
    }
}

fn retry_after(form: RetryForm, reset: Duration) -> Option<RetryAfter> {
    let seconds = whole_seconds(reset);
    match form {
        RetryForm::Seconds => Some(RetryAfter::Seconds(seconds)),
        // One more, because the date of the answer it is counted from was rounded down.
        RetryForm::Date => Some(RetryAfter::Date(i64::try_from(seconds + 1).unwrap_or(i64::MAX))),
        RetryForm::None => None,
    }
}

fn quota_fields(limit: &RateLimit, reading: &Reading) -> String {
    let (quota, window) = (limit.requests, whole_seconds(limit.period));
    let (remaining, reset) = (reading.remaining, whole_seconds(reading.reset));
    match limit.headers {
        RateHeaders::None => String::new(),
        RateHeaders::Draft => {
            format!(
                "RateLimit-Policy: \"default\";q={quota};w={window}\r\n\
                 RateLimit: \"default\";r={remaining};t={reset}\r\n"
            )
        }
        RateHeaders::Legacy => {
            format!(
                "X-RateLimit-Limit: {quota}\r\nX-RateLimit-Remaining: {remaining}\r\nX-RateLimit-Reset: {reset}\r\n"
            )
        }
    }
}

/// Up: who comes back then must not be early.
fn whole_seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

/// Four million tiles take about 100 MiB.
const ASKED_MAX: usize = 1 << 22;

#[cfg(test)]
mod tests;
