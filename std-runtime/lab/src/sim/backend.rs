//! A server at work.

use std::time::Duration;

use super::dice::Dice;
use super::reply::Reply;
use super::report::{Requests, Step};
use super::world::{Episode, Server};
use crate::mock::meter::Meter;
use crate::mock::rules::{Fault, OutageKind, RetryForm};
use crate::mock::workers::Workers;

/// A server with what it remembers.
///
/// A request meets the server's rules in the same order as at the mock server: outage, rate limit, pool, latency, fault.
/// When an answer will be ready is known when its request arrives, so a request costs one event however long it waits.
/// That a pool is slow is known in advance too, and counts for the work done in that time, whenever its request arrived.
/// Work that was taken on is done, even when the client has given up in the meantime: that is what keeps an overloaded
/// server overloaded. Only a server that is stopped (`refuse`) forgets it.
#[derive(Debug)]
pub(super) struct Backend<'w> {
    server: &'w Server,
    meter: Option<Meter>,
    workers: Option<Workers>,
    /// Up to when it has been asked, to notice that it was stopped in between.
    asked_at: Duration,
    luck: Dice,
    work: Dice,
    pub(super) requests: Requests,
    pub(super) steps: Vec<Step>,
}

/// What comes back and when it leaves the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) at: u64,
    pub(super) reply: Reply,
}

/// What becomes of a request, for the books.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Accepted,
    Throttled,
    Down,
    Shed,
    Faulty,
}

impl<'w> Backend<'w> {
    pub(super) fn new(server: &'w Server, seed: u64, steps: usize) -> Self {
        Self {
            server,
            meter: server.rules.rate.map(Meter::new),
            workers: empty_pool(server),
            asked_at: Duration::ZERO,
            luck: Dice::of(seed, "luck", &server.name, 0),
            work: Dice::of(seed, "work", &server.name, 0),
            requests: Requests::default(),
            steps: vec![Step::default(); steps],
        }
    }

    /// A request arrives. Nothing comes back from a server that hangs.
    pub(super) fn receive(&mut self, now_ns: u64, step: usize) -> Option<Sent> {
        self.forget_what_was_stopped(Duration::from_nanos(now_ns));
        let (fate, sent) = self.decide(now_ns);
        let step = &mut self.steps[step];
        self.requests.arrived += 1;
        step.arrived += 1;
        let (total, in_step) = match fate {
            Fate::Accepted => (&mut self.requests.accepted, &mut step.accepted),
            Fate::Throttled => (&mut self.requests.throttled, &mut step.throttled),
            Fate::Down => (&mut self.requests.down, &mut step.failed),
            Fate::Shed => (&mut self.requests.shed, &mut step.failed),
            Fate::Faulty => (&mut self.requests.faulty, &mut step.failed),
        };
        *total += 1;
        *in_step += 1;
        sent
    }

    fn decide(&mut self, now_ns: u64) -> (Fate, Option<Sent>) {
        let now = Duration::from_nanos(now_ns);
        let at_once = |reply| Some(Sent { at: now_ns, reply });
        let rules = &self.server.rules;
        if let Some(outage) = rules.outages.iter().find(|outage| outage.covers(now)) {
            let reply = match &outage.kind {
                OutageKind::Refuse => Some(Reply::Bad),
                OutageKind::Every(fault) => Reply::of_fault(fault),
            };
            return (Fate::Down, reply.and_then(at_once));
        }
        if let (Some(limit), Some(meter)) = (rules.rate, &mut self.meter) {
            let reading = meter.take(now);
            if !reading.is_allowed {
                return (Fate::Throttled, at_once(Reply::throttled(hint(limit.retry_after, reading.reset))));
            }
        }
        let mut done_ns = now_ns;
        if let (Some(pool), Some(workers)) = (rules.pool, &mut self.workers) {
            let work = Duration::from_nanos(self.work.span_ns(pool.service));
            match workers.take_on_until(now, |start| Episode::done_at(&self.server.slow, start, work)) {
                // A queue of centuries ends after the run, as anything later would.
                Some(after) => done_ns = done_ns.saturating_add(u64::try_from(after.as_nanos()).unwrap_or(u64::MAX)),
                None => return (Fate::Shed, at_once(Reply::Bad)),
            }
        }
        done_ns = done_ns.saturating_add(rules.latency.map_or(0, |latency| self.work.span_ns(latency)));
        if let Some(cut) = self.cut_off(now, Duration::from_nanos(done_ns)) {
            return (Fate::Down, Some(Sent { at: cut.as_nanos() as u64, reply: Reply::Bad }));
        }
        let reply = self.fault().map_or(Some(Reply::Good), Reply::of_fault);
        let fate = match reply {
            Some(Reply::Good | Reply::Nothing) => Fate::Accepted,
            Some(Reply::Throttled { .. }) => Fate::Throttled,
            Some(Reply::Bad | Reply::Denied | Reply::Wrong) | None => Fate::Faulty,
        };
        (fate, reply.map(|reply| Sent { at: done_ns, reply }))
    }

    /// When the answer that would be ready at `done` is cut off instead, because the server is stopped before.
    fn cut_off(&self, now: Duration, done: Duration) -> Option<Duration> {
        let stops = self.server.rules.outages.iter().filter(|outage| outage.kind == OutageKind::Refuse);
        stops.map(|outage| outage.from).filter(|from| (now..done).contains(from)).min()
    }

    /// A server that was stopped begins again with nobody in its queue.
    fn forget_what_was_stopped(&mut self, now: Duration) {
        let since = self.asked_at;
        self.asked_at = now;
        let mut stops = self.server.rules.outages.iter().filter(|outage| outage.kind == OutageKind::Refuse);
        if stops.any(|outage| (since..now).contains(&outage.from)) {
            self.workers = empty_pool(self.server);
        }
    }

    fn fault(&mut self) -> Option<&'w Fault> {
        let shares = &self.server.rules.shares;
        if shares.is_empty() {
            return None;
        }
        let mut drawn = self.luck.below(1_000_000);
        for share in shares.iter() {
            match drawn.checked_sub(u64::from(share.millionths)) {
                None => return Some(&share.fault),
                Some(rest) => drawn = rest,
            }
        }
        None
    }
}

/// What a 429 says about coming back: whole seconds, rounded up, as in a header.
fn hint(form: RetryForm, reset: Duration) -> Option<Duration> {
    match form {
        RetryForm::Seconds | RetryForm::Date => {
            Some(Duration::from_secs(reset.as_nanos().div_ceil(1_000_000_000) as u64))
        }
        RetryForm::None => None,
    }
}

fn empty_pool(server: &Server) -> Option<Workers> {
    server.rules.pool.map(|pool| Workers::new(pool.workers, pool.queue))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of requests that arrive at these milliseconds: when it leaves and what it is.
    fn answers(rules: &str, at_ms: &[u64]) -> Vec<Option<(u64, Reply)>> {
        let server = Server::new("origin", rules).expect("good rules");
        let mut backend = Backend::new(&server, 7, 1);
        let sent = |ms: &u64| backend.receive(ms * 1_000_000, 0).map(|sent| (sent.at / 1_000_000, sent.reply));
        at_ms.iter().map(sent).collect()
    }

    #[test]
    fn a_pool_works_in_order_and_sheds_what_does_not_fit() {
        let answers = answers("pool=1,service=100ms,queue=1\nlatency=5ms", &[0, 10, 20, 250]);
        let good = |at| Some((at, Reply::Good));
        assert_eq!(answers, [good(105), good(205), Some((20, Reply::Bad)), good(355)]);
    }

    #[test]
    fn a_stopped_server_cuts_off_its_work_and_begins_with_an_empty_queue() {
        let answers = answers("pool=1,service=100ms,queue=9\noutage=250ms..300ms:refuse", &[0, 10, 20, 260, 300]);
        let (good, bad) = (|at| Some((at, Reply::Good)), |at| Some((at, Reply::Bad)));
        assert_eq!(answers, [good(100), good(200), bad(250), bad(260), good(400)]);
    }

    #[test]
    fn a_rate_limit_says_when_to_come_back_if_it_says_so() {
        let hint = |seconds: Option<u64>| Reply::throttled(seconds.map(Duration::from_secs));
        let second = |rules| answers(rules, &[0, 100])[1];
        assert_eq!(second("rate=1/s"), Some((100, hint(Some(1)))), "900 ms, up to a whole second");
        assert_eq!(second("rate=1/s,retry-after=none"), Some((100, hint(None))));
    }

    #[test]
    fn a_hanging_server_says_nothing() {
        assert_eq!(answers("outage=0s..1s:hang", &[10, 1_000]), [None, Some((1_000, Reply::Good))]);
    }

    #[test]
    fn work_takes_its_percentage_for_as_long_as_the_pool_is_slow() {
        let done_ms = |percent, at_ms: &[u64]| {
            let mut server = Server::new("origin", "pool=1,service=100ms,queue=9").expect("good rules");
            let (from, until) = (Duration::from_millis(50), Duration::from_millis(80));
            server.slow.push(Episode { from, until, percent });
            let mut backend = Backend::new(&server, 7, 1);
            let mut done = |ms: &u64| backend.receive(ms * 1_000_000, 0).map_or(0, |sent| sent.at / 1_000_000);
            at_ms.iter().map(&mut done).collect::<Vec<_>>()
        };
        // Of the 30 ms that it is slow, work gets done that takes 10 ms otherwise.
        assert_eq!(done_ms(300, &[0]), [120], "begun before, done after");
        assert_eq!(done_ms(300, &[50]), [170], "begun with it");
        assert_eq!(done_ms(300, &[0, 60, 70]), [120, 220, 320], "arrived while it was slow, and begun when it was not");
        assert_eq!(done_ms(300, &[80]), [180], "begun after");
        assert_eq!(done_ms(100_000, &[0, 60]), [129, 229], "it nearly stands still");
        assert_eq!(done_ms(50, &[0]), [75], "and faster it may be too");
        assert_eq!(done_ms(0, &[0, 60]), [50, 60], "or do everything in no time");
    }

    #[test]
    fn faults_come_as_often_as_they_should() {
        let server = Server::new("origin", "503=10%\n429=2%\n404=30%").expect("good rules");
        let mut backend = Backend::new(&server, 7, 1);
        for at in 0..100_000 {
            let _sent = backend.receive(at, 0);
        }
        let Requests { arrived, accepted, throttled, down, shed, faulty } = backend.requests;
        assert_eq!((arrived, down, shed), (100_000, 0, 0));
        assert!((1_850..2_150).contains(&throttled), "{throttled} of 2 %");
        assert!((9_700..10_300).contains(&faulty), "{faulty} of 10 %: that there is no tile is no fault");
        assert_eq!(accepted + throttled + faulty, arrived);
    }
}
