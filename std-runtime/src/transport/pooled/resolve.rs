//! Host names looked up once in a while, and never on the way of a request that can do without.
//!
//! An answer is kept for [`HttpConfig::name_ttl`](super::config::HttpConfig::name_ttl); then it is
//! still used while a new one is fetched, and while the name server fails, for up to [`STALE_MAX`] (RFC 8767 calls it
//! serving stale): a short outage of the name server must not stop work on a host that is perfectly well.
//!
//! A lookup runs on a thread of its own, because the system's call can neither be given a deadline nor be interrupted.
//! There is one per name at a time and [`LOOKUPS_MAX`] together, so hanging lookups cannot pile up.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use event_listener::{Event, EventListener};

use super::dial::without_brackets;
use super::lock;
use crate::transport::TransportError;

/// The addresses of the hosts asked for lately.
///
/// Invariant: at most [`NAMES_MAX`] names and [`LOOKUPS_MAX`] lookups under way.
pub(super) struct Names {
    shared: Arc<Shared>,
}

struct Shared {
    ttl: Duration,
    lookup: fn(&str) -> io::Result<Vec<IpAddr>>,
    table: Mutex<Table>,
    /// Notified after each lookup.
    changed: Event,
}

#[derive(Default)]
struct Table {
    names: HashMap<String, Name>,
    lookups: usize,
}

struct Name {
    /// Empty where the name has never been found.
    addrs: Vec<IpAddr>,
    /// When `addrs` were looked up.
    found_at: Instant,
    /// Not asked again before; a failure sets it too.
    ask_at: Instant,
    looking: bool,
}

/// Why the table has no address for a name.
enum Missing {
    /// It was not found a moment ago.
    Unknown,
    /// Ask again after this event.
    Wait(EventListener),
}

impl Names {
    /// Names that are looked up by the system, and kept for `ttl`.
    pub(super) fn new(ttl: Duration) -> Self {
        Self::with_lookup(ttl, system_lookup)
    }

    /// The same with another way to look one up.
    pub(super) fn with_lookup(ttl: Duration, lookup: fn(&str) -> io::Result<Vec<IpAddr>>) -> Self {
        Self { shared: Arc::new(Shared { ttl, lookup, table: Mutex::default(), changed: Event::new() }) }
    }

    /// The addresses of a host, with this port.
    pub(super) async fn find(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, TransportError> {
        if let Ok(ip) = without_brackets(host).parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        loop {
            match self.ask(host, port) {
                Ok(addrs) => return Ok(addrs),
                Err(Missing::Unknown) => return Err(TransportError::Resolve),
                Err(Missing::Wait(changed)) => changed.await,
            }
        }
    }

    /// Answers from the table, and has a lookup started where one is due.
    fn ask(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Missing> {
        let now = Instant::now();
        let mut table = lock(&self.shared.table);
        let room = table.lookups < LOOKUPS_MAX;
        let (answer, due) = match table.names.get_mut(host) {
            Some(name) => {
                let due = now >= name.ask_at && !name.looking && room;
                let usable = !name.addrs.is_empty() && now < name.found_at + self.shared.ttl + STALE_MAX;
                name.looking |= due;
                if usable {
                    (Ok(name.addrs.iter().map(|ip| SocketAddr::new(*ip, port)).collect()), due)
                } else if now < name.ask_at {
                    (Err(Missing::Unknown), false)
                } else {
                    (Err(Missing::Wait(self.shared.changed.listen())), due)
                }
            }
            None => {
                if room {
                    table.make_room();
                    let name = Name { addrs: Vec::new(), found_at: now, ask_at: now, looking: true };
                    table.names.insert(host.to_owned(), name);
                }
                (Err(Missing::Wait(self.shared.changed.listen())), room)
            }
        };
        if due {
            table.lookups += 1;
            drop(table);
            self.shared.start_lookup(host.to_owned());
        }
        answer
    }
}

impl Shared {
    fn start_lookup(self: &Arc<Self>, host: String) {
        let shared = Arc::clone(self);
        let name = host.clone();
        let started = thread::Builder::new().name("tidegate-dns".to_owned()).spawn(move || {
            let found = (shared.lookup)(&name);
            shared.record(&name, found);
        });
        if let Err(error) = started {
            // No thread to be had: the same as a lookup that failed.
            self.record(&host, Err(error));
        }
    }

    fn record(&self, host: &str, found: io::Result<Vec<IpAddr>>) {
        let now = Instant::now();
        let mut table = lock(&self.table);
        table.lookups = table.lookups.saturating_sub(1);
        if let Some(name) = table.names.get_mut(host) {
            name.looking = false;
            match found {
                Ok(addrs) if !addrs.is_empty() => {
                    name.addrs = addrs;
                    name.found_at = now;
                    name.ask_at = now + self.ttl;
                }
                _ => name.ask_at = now + FAILURE_TTL,
            }
        }
        drop(table);
        self.changed.notify(usize::MAX);
    }
}

impl Table {
    /// Forgets the name that was found longest ago where the table is full. One that is being looked up stays.
    fn make_room(&mut self) {
        if self.names.len() < NAMES_MAX {
            return;
        }
        let settled = self.names.iter().filter(|(_, name)| !name.looking);
        if let Some(oldest) = settled.min_by_key(|(_, name)| name.found_at).map(|(host, _)| host.clone()) {
            self.names.remove(&oldest);
        }
    }
}

fn system_lookup(host: &str) -> io::Result<Vec<IpAddr>> {
    // The port is the caller's; getaddrinfo wants one.
    Ok((host, 0).to_socket_addrs()?.map(|addr| addr.ip()).take(ADDRS_MAX).collect())
}

/// Hosts remembered: a tile source has a handful, with its subdomains and mirrors.
const NAMES_MAX: usize = 64;
/// Threads that may be in a lookup at the same time.
const LOOKUPS_MAX: usize = 4;
/// More than these are not tried.
const ADDRS_MAX: usize = 16;
/// How long a failed lookup is believed.
const FAILURE_TTL: Duration = Duration::from_secs(1);
/// How long addresses are used beyond their time while no newer ones are to be had.
const STALE_MAX: Duration = Duration::from_secs(3_600);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use async_io::block_on;

    use super::*;
    use crate::clock::within;

    const LONG: Duration = Duration::from_secs(60);

    /// `None` where it is not found within `limit`.
    fn find(names: &Names, host: &str, limit: Duration) -> Option<Result<Vec<String>, TransportError>> {
        let found = block_on(within(limit, names.find(host, 80)))?;
        Some(found.map(|addrs| addrs.iter().map(ToString::to_string).collect()))
    }

    fn eventually(condition: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while !condition() {
            assert!(Instant::now() < deadline, "not within 5 s");
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn an_address_is_not_looked_up() {
        let names = Names::with_lookup(LONG, |_| panic!("an address was looked up"));
        assert_eq!(find(&names, "127.0.0.1", LONG), Some(Ok(vec!["127.0.0.1:80".to_owned()])));
        assert_eq!(find(&names, "[::1]", LONG), Some(Ok(vec!["[::1]:80".to_owned()])));
    }

    #[test]
    fn a_name_is_looked_up_once_also_by_many_at_the_same_time() {
        static LOOKUPS: AtomicUsize = AtomicUsize::new(0);
        let names = Arc::new(Names::with_lookup(LONG, |_| {
            LOOKUPS.fetch_add(1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(10));
            Ok(vec![IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2])])
        }));
        let askers: Vec<_> = (0..8)
            .map(|_| {
                let names = Arc::clone(&names);
                thread::spawn(move || find(&names, "tiles.test", LONG))
            })
            .collect();
        for asker in askers {
            let both = vec!["10.0.0.1:80".to_owned(), "10.0.0.2:80".to_owned()];
            assert_eq!(asker.join().unwrap(), Some(Ok(both)));
        }
        assert_eq!(LOOKUPS.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn an_old_address_is_used_while_a_new_one_is_fetched_and_while_that_fails() {
        static LOOKUPS: AtomicUsize = AtomicUsize::new(0);
        let names = Names::with_lookup(Duration::from_millis(1), |_| match LOOKUPS.fetch_add(1, Ordering::SeqCst) {
            0 => Ok(vec![IpAddr::from([10, 0, 0, 1])]),
            _ => Err(io::ErrorKind::Other.into()),
        });
        let first = Some(Ok(vec!["10.0.0.1:80".to_owned()]));
        assert_eq!(find(&names, "tiles.test", LONG), first);
        thread::sleep(Duration::from_millis(2));
        assert_eq!(find(&names, "tiles.test", Duration::ZERO), first, "served at once");
        eventually(|| LOOKUPS.load(Ordering::SeqCst) == 2 && lock(&names.shared.table).lookups == 0);
        assert_eq!(find(&names, "tiles.test", Duration::ZERO), first, "served after a failure");
        assert_eq!(LOOKUPS.load(Ordering::SeqCst), 2, "a failure is believed for a while");
    }

    #[test]
    fn an_unknown_name_is_an_error_that_is_remembered() {
        static LOOKUPS: AtomicUsize = AtomicUsize::new(0);
        let names = Names::with_lookup(LONG, |_| {
            LOOKUPS.fetch_add(1, Ordering::SeqCst);
            Ok(Vec::new())
        });
        assert_eq!(find(&names, "tiles.test", LONG), Some(Err(TransportError::Resolve)));
        assert_eq!(find(&names, "tiles.test", LONG), Some(Err(TransportError::Resolve)));
        assert_eq!(LOOKUPS.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn waiting_for_a_name_ends_with_its_time() {
        static HANG: AtomicBool = AtomicBool::new(true);
        let names = Names::with_lookup(LONG, |_| {
            eventually(|| !HANG.load(Ordering::SeqCst));
            Err(io::ErrorKind::Other.into())
        });
        assert_eq!(find(&names, "tiles.test", Duration::from_millis(5)), None);
        HANG.store(false, Ordering::SeqCst);
        assert_eq!(find(&names, "tiles.test", LONG), Some(Err(TransportError::Resolve)));
    }

    #[test]
    fn hanging_lookups_and_remembered_names_are_bounded() {
        static HANG: AtomicBool = AtomicBool::new(true);
        let names = Names::with_lookup(LONG, |host| {
            eventually(|| !(HANG.load(Ordering::SeqCst) && host.starts_with("hang")));
            Ok(vec![IpAddr::from([10, 0, 0, 1])])
        });
        for index in 0..2 * LOOKUPS_MAX {
            assert_eq!(find(&names, &format!("hang{index}.test"), Duration::from_millis(1)), None);
        }
        assert_eq!(lock(&names.shared.table).lookups, LOOKUPS_MAX);
        HANG.store(false, Ordering::SeqCst);
        for index in 0..2 * NAMES_MAX {
            assert!(matches!(find(&names, &format!("host{index}.test"), LONG), Some(Ok(_))));
        }
        assert_eq!(lock(&names.shared.table).names.len(), NAMES_MAX);
    }
}
