//! Connections between two requests.
//!
//! ureq keeps such connections itself, but walks all of them twice per request, takes the one that has waited longest
//! (so that none ever grows old), and closes those that did grow old only when another request comes along. So it is
//! told to keep none, and what it lets go in good order is kept here: the one used last is used next, and the workers
//! close the rest when their time is over, also where nothing is asked for any more.
//!
//! A burst of short requests leaves more connections idle for moments than are worth keeping. Closing those at once
//! would mean opening them again at once, so the limit applies to connections that have been idle for a while.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ureq::http::Uri;
use ureq::http::uri::{Authority, Scheme};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

use super::lock;

/// The idle connections of a client.
///
/// Invariant: ordered by the time at which they became idle, the oldest first; never more than `most`.
#[derive(Debug)]
pub(super) struct Idle {
    /// How many may be idle for longer than `grace`.
    limit: usize,
    grace: Duration,
    /// How many may be idle at all.
    most: usize,
    age_max: Duration,
    state: Mutex<State>,
    count: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    connections: VecDeque<Connection>,
    closed: bool,
}

#[derive(Debug)]
struct Connection {
    transport: Box<dyn Transport>,
    peer: Peer,
    since: Instant,
}

/// Whom a connection leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Peer {
    scheme: Scheme,
    authority: Authority,
}

impl Peer {
    fn of(uri: &Uri) -> Option<Self> {
        Some(Self { scheme: uri.scheme()?.clone(), authority: uri.authority()?.clone() })
    }
}

impl Idle {
    /// Keeps up to `limit` connections for up to `age_max`, and up to `most` for a moment.
    pub(super) fn new(limit: usize, most: usize, age_max: Duration) -> Self {
        Self {
            limit,
            grace: GRACE.min(age_max),
            // A limit of zero is a wish for none, and not for none for long.
            most: if limit == 0 { 0 } else { most.max(limit) },
            age_max,
            state: Mutex::default(),
            count: AtomicUsize::new(0),
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// How long a connection may be idle before the limit applies to it.
    pub(super) fn grace(&self) -> Duration {
        self.grace
    }

    /// Closes what has been idle for too long, and says after what time to look again.
    pub(super) fn tidy(&self, now: Instant) -> Option<Duration> {
        let mut expired = Vec::new();
        let mut state = lock(&self.state);
        let due = loop {
            let oldest = state.connections.front()?;
            let allowed = if state.connections.len() > self.limit { self.grace } else { self.age_max };
            let left = allowed.saturating_sub(now.saturating_duration_since(oldest.since));
            if !left.is_zero() {
                break left;
            }
            // Closed when all have been looked at and the lock is gone.
            expired.extend(state.connections.pop_front());
            self.count.store(state.connections.len(), Ordering::Relaxed);
        };
        drop(state);
        Some(due)
    }

    /// Closes all of them, and those that come later.
    pub(super) fn close(&self) {
        let connections = {
            let mut state = lock(&self.state);
            state.closed = true;
            self.count.store(0, Ordering::Relaxed);
            std::mem::take(&mut state.connections)
        };
        drop(connections);
    }

    /// Takes the connection to `peer` that was used last and is still good.
    fn take(&self, peer: &Peer, now: Instant) -> Option<Box<dyn Transport>> {
        loop {
            let mut connection = {
                let mut state = lock(&self.state);
                let index = state.connections.iter().rposition(|connection| connection.peer == *peer)?;
                let connection = state.connections.remove(index)?;
                self.count.store(state.connections.len(), Ordering::Relaxed);
                connection
            };
            if now.saturating_duration_since(connection.since) < self.age_max && connection.transport.is_open() {
                return Some(connection.transport);
            }
        }
    }

    fn put(&self, transport: Box<dyn Transport>, peer: Peer, now: Instant) {
        let mut state = lock(&self.state);
        if state.closed || self.most == 0 {
            return;
        }
        let surplus = if state.connections.len() >= self.most { state.connections.pop_front() } else { None };
        state.connections.push_back(Connection { transport, peer, since: now });
        self.count.store(state.connections.len(), Ordering::Relaxed);
        drop(state);
        // Closed without the lock.
        drop(surplus);
    }
}

/// A connector that takes an idle connection where there is one, and asks another connector otherwise.
#[derive(Debug)]
pub(super) struct Keeping<C> {
    pub(super) connector: C,
    pub(super) idle: Arc<Idle>,
    /// Whether requests go through a proxy.
    pub(super) is_proxied: bool,
}

impl<C: Connector<()>> Connector<()> for Keeping<C> {
    type Out = Kept;

    fn connect(&self, details: &ConnectionDetails, chained: Option<()>) -> Result<Option<Kept>, ureq::Error> {
        // A connection to the proxy itself becomes a tunnel: it is kept as part of that, and never by itself.
        let is_inner = self.is_proxied && details.config.proxy().is_none();
        let home = match Peer::of(details.uri) {
            Some(peer) if !is_inner => Some((Arc::clone(&self.idle), peer)),
            _ => None,
        };
        let waiting = home.as_ref().and_then(|(idle, peer)| idle.take(peer, Instant::now()));
        let transport = match waiting {
            Some(transport) => Some(transport),
            None => self.connector.connect(details, chained)?.map(|new| Box::new(new) as Box<dyn Transport>),
        };
        Ok(transport.map(|transport| Kept { transport, home, is_idle: false }))
    }
}

/// A connection in use. ureq asks whether it is open once it has read the whole answer and could use the connection
/// again; dropped then, and only then, it goes to the idle ones.
#[derive(Debug)]
pub(super) struct Kept {
    transport: Box<dyn Transport>,
    /// Where it may wait for the next request.
    home: Option<(Arc<Idle>, Peer)>,
    is_idle: bool,
}

impl Kept {
    fn in_use(&mut self) -> &mut dyn Transport {
        self.is_idle = false;
        &mut *self.transport
    }
}

impl Transport for Kept {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.transport.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.in_use().transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.in_use().await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.is_idle = self.transport.is_open();
        self.is_idle
    }

    fn is_tls(&self) -> bool {
        self.transport.is_tls()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let (true, Some((idle, peer))) = (self.is_idle, self.home.take()) {
            // ureq's name for no connection is `()`; it takes no room.
            let transport = std::mem::replace(&mut self.transport, Box::new(()));
            idle.put(transport, peer, Instant::now());
        }
    }
}

/// How long a connection may be idle without counting as such.
const GRACE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    const AGE_MAX: Duration = Duration::from_secs(15);

    /// A connection that shows by its number which one it is, and is as open as it says.
    struct Fake {
        number: u16,
        is_open: bool,
    }

    impl fmt::Debug for Fake {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "#{}", self.number)
        }
    }

    impl Transport for Fake {
        fn buffers(&mut self) -> &mut dyn Buffers {
            unreachable!("nothing is sent")
        }
        fn transmit_output(&mut self, _: usize, _: NextTimeout) -> Result<(), ureq::Error> {
            Ok(())
        }
        fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
            Ok(false)
        }
        fn is_open(&mut self) -> bool {
            self.is_open
        }
    }

    fn peer(url: &'static str) -> Peer {
        Peer::of(&Uri::from_static(url)).unwrap()
    }

    fn put(idle: &Idle, number: u16, url: &'static str, now: Instant) {
        idle.put(Box::new(Fake { number, is_open: true }), peer(url), now);
    }

    fn take(idle: &Idle, url: &'static str, now: Instant) -> Option<String> {
        idle.take(&peer(url), now).map(|transport| format!("{transport:?}"))
    }

    fn shown(number: u16) -> Option<String> {
        Some(format!("#{number}"))
    }

    #[test]
    fn the_connection_used_last_is_used_next_and_only_for_its_own_peer() {
        let (idle, now) = (Idle::new(20, 20, AGE_MAX), Instant::now());
        put(&idle, 1, "http://a.test/", now);
        put(&idle, 2, "http://a.test/", now);
        put(&idle, 3, "https://a.test/", now);
        put(&idle, 4, "http://a.test:81/", now);
        assert_eq!(idle.count(), 4);
        assert_eq!(take(&idle, "http://A.test/x", now), shown(2));
        assert_eq!(take(&idle, "http://a.test/", now), shown(1));
        assert_eq!(take(&idle, "http://a.test/", now), None);
        assert_eq!(take(&idle, "https://a.test/", now), shown(3));
        assert_eq!(idle.count(), 1);
    }

    #[test]
    fn a_connection_that_was_closed_or_has_grown_old_is_not_used() {
        let (idle, now) = (Idle::new(20, 20, AGE_MAX), Instant::now());
        put(&idle, 1, "http://a.test/", now);
        idle.put(Box::new(Fake { number: 2, is_open: false }), peer("http://a.test/"), now);
        assert_eq!(take(&idle, "http://a.test/", now), shown(1));
        put(&idle, 3, "http://a.test/", now);
        assert_eq!(take(&idle, "http://a.test/", now + AGE_MAX), None);
        assert_eq!(idle.count(), 0);
    }

    #[test]
    fn the_limit_is_for_connections_that_have_been_idle_for_a_while() {
        let (idle, now) = (Idle::new(2, 6, AGE_MAX), Instant::now());
        assert_eq!(idle.tidy(now), None);
        for number in 0..8 {
            put(&idle, number, "http://a.test/", now);
        }
        assert_eq!(idle.count(), 6, "the two oldest had to go");
        assert_eq!(idle.tidy(now), Some(GRACE));
        assert_eq!(idle.count(), 6);
        assert_eq!(idle.tidy(now + GRACE), Some(AGE_MAX - GRACE));
        assert_eq!(idle.count(), 2);
        assert_eq!(take(&idle, "http://a.test/", now), shown(7), "the youngest stayed");
        assert_eq!(idle.tidy(now + AGE_MAX), None);
        assert_eq!(idle.count(), 0);
    }

    #[test]
    fn nothing_is_kept_where_nothing_may_be_or_after_closing() {
        let now = Instant::now();
        let none = Idle::new(0, 100, AGE_MAX);
        put(&none, 1, "http://a.test/", now);
        assert_eq!(none.count(), 0);
        let idle = Idle::new(20, 20, AGE_MAX);
        put(&idle, 1, "http://a.test/", now);
        idle.close();
        put(&idle, 2, "http://a.test/", now);
        assert_eq!((idle.count(), take(&idle, "http://a.test/", now)), (0, None));
    }

    #[test]
    fn time_running_backwards_closes_nothing() {
        let now = Instant::now() + AGE_MAX;
        let idle = Idle::new(2, 6, AGE_MAX);
        put(&idle, 1, "http://a.test/", now);
        assert_eq!(idle.tidy(now - AGE_MAX), Some(AGE_MAX));
        assert_eq!(take(&idle, "http://a.test/", now - AGE_MAX), shown(1));
    }
}
