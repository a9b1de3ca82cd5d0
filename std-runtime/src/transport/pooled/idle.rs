//! Connections between two requests.
//!
//! The one used last is used next, so that those that are not needed grow old. They are closed when their time is over, also
//! where nothing is asked for any more: an alarm wakes the list itself, which needs neither a thread nor a task for that.
//!
//! A burst of short requests leaves more connections idle for moments than are worth keeping. Closing those at once
//! would mean opening them again at once, so the limit applies to connections that have been idle for a while.

use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use ureq_proto::http::Uri;
use ureq_proto::http::uri::{Authority, Scheme};

use super::connection::Connection;
use super::lock;
use crate::clock::Alarm;

/// The idle connections of a client.
///
/// Invariant: ordered by the time at which they became idle, the oldest first; never more than `most`. While there is
/// any, an alarm is set for when the oldest is to go.
#[derive(Debug)]
pub(super) struct Idle<C = Connection> {
    /// How many may be idle for longer than `grace`.
    limit: usize,
    grace: Duration,
    /// How many may be idle at all.
    most: usize,
    age_max: Duration,
    state: Mutex<State<C>>,
    count: AtomicUsize,
}

#[derive(Debug)]
struct State<C> {
    connections: VecDeque<Resting<C>>,
    /// When it rings, and what rings.
    alarm: Option<(Instant, Alarm)>,
    closed: bool,
}

#[derive(Debug)]
struct Resting<C> {
    connection: C,
    peer: Peer,
    since: Instant,
}

/// Whom a connection leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    scheme: Scheme,
    authority: Authority,
}

impl Peer {
    pub(super) fn of(uri: &Uri) -> Option<Self> {
        Some(Self { scheme: uri.scheme()?.clone(), authority: uri.authority()?.clone() })
    }
}

impl<C: Send + 'static> Idle<C> {
    /// Keeps up to `limit` connections for up to `age_max`, and up to `most` for a moment.
    pub(super) fn new(limit: usize, most: usize, age_max: Duration) -> Arc<Self> {
        let state = State { connections: VecDeque::new(), alarm: None, closed: false };
        Arc::new(Self {
            limit,
            grace: GRACE.min(age_max),
            // A limit of zero is a wish for none, and not for none for long.
            most: if limit == 0 { 0 } else { most.max(limit) },
            age_max,
            state: Mutex::new(state),
            count: AtomicUsize::new(0),
        })
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Takes the connection to `peer` that was used last and `is_good` still.
    pub(super) fn take(&self, peer: &Peer, now: Instant, is_good: impl Fn(&C) -> bool) -> Option<C> {
        loop {
            let Resting { connection, since, .. } = {
                let mut state = lock(&self.state);
                let index = state.connections.iter().rposition(|resting| resting.peer == *peer)?;
                let resting = state.connections.remove(index)?;
                self.count.store(state.connections.len(), Ordering::Relaxed);
                resting
            };
            if now.saturating_duration_since(since) < self.age_max && is_good(&connection) {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection that may carry another request.
    pub(super) fn put(self: &Arc<Self>, connection: C, peer: Peer, now: Instant) {
        let mut state = lock(&self.state);
        if state.closed || self.most == 0 {
            return;
        }
        let surplus = if state.connections.len() >= self.most { state.connections.pop_front() } else { None };
        state.connections.push_back(Resting { connection, peer, since: now });
        self.count.store(state.connections.len(), Ordering::Relaxed);
        // One more than may stay makes the oldest go sooner than it was to.
        let due = state.connections.front().map(|oldest| oldest.since + self.allowed(state.connections.len()));
        let is_watched = state.alarm.as_ref().is_some_and(|(at, _)| due.is_none_or(|due| *at <= due));
        drop(state);
        // Closed without the lock.
        drop(surplus);
        if !is_watched {
            self.tidy(now);
        }
    }

    /// Closes all of them, and those that come later.
    pub(super) fn close(&self) {
        let (connections, alarm) = {
            let mut state = lock(&self.state);
            state.closed = true;
            self.count.store(0, Ordering::Relaxed);
            (std::mem::take(&mut state.connections), state.alarm.take())
        };
        drop((connections, alarm));
    }

    /// Closes what has been idle for too long, and sets an alarm for the next of them; says how long it is until then.
    fn tidy(self: &Arc<Self>, mut now: Instant) -> Option<Duration> {
        let mut expired = Vec::new();
        let mut state = lock(&self.state);
        state.alarm = None;
        let due = loop {
            let Some(oldest) = state.connections.front() else { break None };
            let allowed = self.allowed(state.connections.len());
            let left = allowed.saturating_sub(now.saturating_duration_since(oldest.since));
            if left.is_zero() {
                // Closed when all have been looked at and the lock is gone.
                expired.extend(state.connections.pop_front());
                continue;
            }
            state.alarm = self.alarm(now + left);
            if state.alarm.is_some() {
                break Some(left);
            }
            now = Instant::now();
        };
        self.count.store(state.connections.len(), Ordering::Relaxed);
        drop(state);
        due
    }

    /// How long the oldest of so many may stay.
    fn allowed(&self, count: usize) -> Duration {
        if count > self.limit { self.grace } else { self.age_max }
    }

    /// One that will wake the list; `None` where it is time already.
    fn alarm(self: &Arc<Self>, at: Instant) -> Option<(Instant, Alarm)> {
        let mut alarm = Alarm::new(Some(at));
        let waker = Waker::from(Arc::clone(self));
        Pin::new(&mut alarm).poll(&mut Context::from_waker(&waker)).is_pending().then_some((at, alarm))
    }
}

impl<C: Send + 'static> Wake for Idle<C> {
    fn wake(self: Arc<Self>) {
        self.tidy(Instant::now());
    }
}

/// How long a connection may be idle without counting as such.
const GRACE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const AGE_MAX: Duration = Duration::from_secs(15);

    /// A connection that shows by its number which one it is.
    type Fake = u16;

    fn idle(limit: usize, most: usize) -> Arc<Idle<Fake>> {
        Idle::new(limit, most, AGE_MAX)
    }

    fn peer(url: &'static str) -> Peer {
        Peer::of(&Uri::from_static(url)).unwrap()
    }

    fn put(idle: &Arc<Idle<Fake>>, number: Fake, url: &'static str, now: Instant) {
        idle.put(number, peer(url), now);
    }

    fn take(idle: &Idle<Fake>, url: &'static str, now: Instant) -> Option<Fake> {
        idle.take(&peer(url), now, |_| true)
    }

    #[test]
    fn the_connection_used_last_is_used_next_and_only_for_its_own_peer() {
        let (idle, now) = (idle(20, 20), Instant::now());
        put(&idle, 1, "http://a.test/", now);
        put(&idle, 2, "http://a.test/", now);
        put(&idle, 3, "https://a.test/", now);
        put(&idle, 4, "http://a.test:81/", now);
        assert_eq!(idle.count(), 4);
        assert_eq!(take(&idle, "http://A.test/x", now), Some(2));
        assert_eq!(take(&idle, "http://a.test/", now), Some(1));
        assert_eq!(take(&idle, "http://a.test/", now), None);
        assert_eq!(take(&idle, "https://a.test/", now), Some(3));
        assert_eq!(idle.count(), 1);
    }

    #[test]
    fn a_connection_that_was_closed_or_has_grown_old_is_not_used() {
        let (idle, now) = (idle(20, 20), Instant::now());
        put(&idle, 1, "http://a.test/", now);
        put(&idle, 2, "http://a.test/", now);
        assert_eq!(idle.take(&peer("http://a.test/"), now, |number| *number != 2), Some(1));
        put(&idle, 3, "http://a.test/", now);
        assert_eq!(take(&idle, "http://a.test/", now + AGE_MAX), None);
        assert_eq!(idle.count(), 0);
    }

    #[test]
    fn the_limit_is_for_connections_that_have_been_idle_for_a_while() {
        let (idle, now) = (idle(2, 6), Instant::now());
        assert_eq!(idle.tidy(now), None);
        for number in 0..8 {
            put(&idle, number, "http://a.test/", now);
        }
        assert_eq!(idle.count(), 6, "the two oldest had to go");
        assert_eq!(idle.tidy(now), Some(GRACE));
        assert_eq!(idle.count(), 6);
        assert_eq!(idle.tidy(now + GRACE), Some(AGE_MAX - GRACE));
        assert_eq!(idle.count(), 2);
        assert_eq!(take(&idle, "http://a.test/", now), Some(7), "the youngest stayed");
        assert_eq!(idle.tidy(now + AGE_MAX), None);
        assert_eq!(idle.count(), 0);
    }

    #[test]
    fn nothing_is_kept_where_nothing_may_be_or_after_closing() {
        let now = Instant::now();
        let none = idle(0, 100);
        put(&none, 1, "http://a.test/", now);
        assert_eq!(none.count(), 0);
        let idle = idle(20, 20);
        put(&idle, 1, "http://a.test/", now);
        idle.close();
        put(&idle, 2, "http://a.test/", now);
        assert_eq!((idle.count(), take(&idle, "http://a.test/", now)), (0, None));
    }

    #[test]
    fn the_list_wakes_itself_when_the_time_of_the_oldest_is_over() {
        let idle = Idle::new(20, 20, Duration::from_millis(20));
        for number in 0..3 {
            put(&idle, number, "http://a.test/", Instant::now());
        }
        assert_eq!(idle.count(), 3);
        let deadline = Instant::now() + Duration::from_secs(5);
        while idle.count() > 0 {
            assert!(Instant::now() < deadline, "still idle after 5 s");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(lock(&idle.state).alarm.is_none(), "nothing is left to wake for");
    }

    #[test]
    fn one_more_than_may_stay_is_not_kept_until_the_others_are_old() {
        let (idle, nearly_over) = (idle(2, 6), Instant::now() - GRACE + Duration::from_millis(20));
        for number in 0..3 {
            put(&idle, number, "http://a.test/", nearly_over);
        }
        let deadline = Instant::now() + AGE_MAX / 3;
        while idle.count() > 2 {
            assert!(Instant::now() < deadline, "{} are idle", idle.count());
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(idle.count(), 2, "the others may stay");
    }

    #[test]
    fn time_running_backwards_closes_nothing() {
        let now = Instant::now() + AGE_MAX;
        let idle = idle(2, 6);
        put(&idle, 1, "http://a.test/", now);
        assert_eq!(idle.tidy(now - AGE_MAX), Some(AGE_MAX));
        assert_eq!(take(&idle, "http://a.test/", now - AGE_MAX), Some(1));
    }
}
