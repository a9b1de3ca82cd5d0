//! Gates by host, in a fixed number of places.
//!
//! Each host wants a gate of its own, and the hosts that a client meets are not known beforehand. A map that grows is no
//! answer on a device; one that forgets the least recently used host forgets the very host that is left alone because it
//! asked for that, and the next call to it goes out as if nothing had been. A table evicts the least recently used *neutral*
//! gate (see [`Gate::is_neutral`]) and otherwise refuses the newcomer, says until when, and why.
//!
//! Only calls find out whether a server is back, and a client may never call one again. So a gate whose breaker is half-open, or
//! could be, or is on its ramp counts as neutral when nobody has asked for it for as long as its breaker can ever be open: the
//! host was left alone for the longest time that the settings know, and whoever comes back then meets it as a new one. What
//! only somebody outside can lift, a denial and a breaker that was forced open, stays until that is done, or until the application
//! gives the host up: [`HostTable::remove`].
//!
//! **When it harms**: with fewer places than hosts that are regularly in trouble at once, healthy newcomers are kept out by
//! the sick. Give it more places than hosts that are used at the same time. What a neutral gate has learnt about rate and
//! limit goes with it; so does a reserve of retries that is partly spent.
//!
//! Each question looks at all `N` places. `N` is small (a client talks to a handful of hosts), and a scan over a few gates
//! costs less than keeping an index in step.

use core::fmt;

use heapless::Vec;

use crate::{
    breaker::{BreakerMode, BreakerState, CallWindow, PeriodWindow, Window},
    gate::{Gate, GateConfig, GateError},
    time::Instant,
};

/// A gate for each of at most `N` hosts (1 to 65,534), by a key of type `K`: a `heapless::String`, or a hash of the name.
///
/// Invariant: a gate that is held, as [`Held`] says, is never evicted, and no ticket settles into another gate than the one it is
/// from: each gate that is made gets an id that no other gate in the table has.
///
/// ```
/// use tidegate_core::{Admission, GateConfig, HostTable, Instant, Try, hosts::HostError};
///
/// let mut table: HostTable<&str, 1> = HostTable::new();
/// let now = Instant::from_secs(1);
/// let gate = table.gate(now, "a.example", GateConfig::DEFAULT).expect("there is room");
/// let Admission::Go(ticket) = gate.poll(now, Try::First) else { panic!("a fresh gate admits") };
/// // The one place is in use …
/// let refused = table.gate(now, "b.example", GateConfig::DEFAULT).unwrap_err();
/// assert!(matches!(refused, HostError::Full { .. }), "{refused}");
/// // … until what is in flight has come back and the rate has rested.
/// if let Some(gate) = table.get(&"a.example") {
///     gate.cancel(now, ticket);
/// }
/// assert!(table.gate(Instant::from_secs(3), "b.example", GateConfig::DEFAULT).is_ok());
/// ```
#[derive(Debug)]
pub struct HostTable<K, const N: usize, W = CallWindow> {
    hosts: Vec<Host<K, W>, N>,
    /// The latest reading of the clock: an earlier one means that no time has passed.
    seen: Instant,
    /// How often a gate was handed out: it orders them by use, also while time stands still.
    uses: u64,
    /// The id of the gate that was made last.
    id: u16,
}

#[derive(Debug)]
struct Host<K, W> {
    key: K,
    gate: Gate<W>,
    used: u64,
    /// By the table's clock.
    used_at: Instant,
    id: u16,
}

/// Why a host got no gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum HostError {
    /// The settings were rejected; the table is unchanged.
    Config(GateError),
    /// Every place holds a gate that is in use or under penalty. Ask again at `until`, or earlier when a ticket was settled.
    Full {
        /// Before when no gate in the table can be evicted, unless one of its calls comes back; [`Instant::MAX`] where each is
        /// [`Held::Denied`] or [`Held::Forced`]: then time alone does not help.
        until: Instant,
        /// What holds the gate that may be free first.
        held: Held,
    },
}

/// What keeps a gate in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Held {
    /// Calls are in flight.
    InFlight {
        /// How many.
        in_flight: u16,
    },
    /// The breaker is open or half-open: probes find out whether the server is back, or nobody asks for long.
    Open,
    /// The breaker is forced open: only [`Gate::set_breaker_mode`] or [`HostTable::remove`] helps.
    Forced,
    /// The breaker closed a short while ago: calls bring it to full traffic, or nobody asks for long.
    Ramp,
    /// The host refused access several times in a row: only [`Gate::readmit`] or [`HostTable::remove`] helps.
    Denied,
    /// The server asked to be left alone.
    Paused,
    /// A burst, a quota or the reserve of retries was used and is not yet made up for.
    Owed,
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Full { until: _, held } => write!(
                f,
                "every place is held by a host in use or under penalty, the first that may be free by {held}: ask again \
                 then, or give the table more places"
            ),
        }
    }
}

impl core::error::Error for HostError {}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InFlight { in_flight } => write!(f, "{in_flight} calls in flight"),
            Self::Open => f.write_str("an open breaker"),
            Self::Forced => f.write_str("a breaker that is forced open"),
            Self::Ramp => f.write_str("a breaker that returns to full traffic"),
            Self::Denied => f.write_str("refusals of access"),
            Self::Paused => f.write_str("a pause at the server's wish"),
            Self::Owed => f.write_str("a rate, quota or retry budget that is owed"),
        }
    }
}

impl<K: Eq, const N: usize> HostTable<K, N, CallWindow> {
    /// The gate of a host; a new one with these settings where it has none. `config.id` is replaced.
    ///
    /// # Errors
    /// Where a new gate is needed: settings that [`Gate::new`] rejects, or a table in which no gate can be evicted. Either
    /// way the table is unchanged.
    pub fn gate(&mut self, now: Instant, key: K, config: GateConfig) -> Result<&mut Gate, HostError> {
        self.admit(now, key, |id| Gate::new(GateConfig { id, ..config }))
    }
}

impl<K: Eq, const N: usize> HostTable<K, N, PeriodWindow> {
    /// [`HostTable::gate`] for gates whose breaker judges the last stretch of time.
    ///
    /// # Errors
    /// As [`HostTable::gate`], with what [`Gate::over_period`] rejects.
    pub fn gate_over_period(
        &mut self,
        now: Instant,
        key: K,
        window: PeriodWindow,
        config: GateConfig,
    ) -> Result<&mut Gate<PeriodWindow>, HostError> {
        self.admit(now, key, |id| Gate::over_period(window, GateConfig { id, ..config }))
    }
}

impl<K: Eq, const N: usize, W> HostTable<K, N, W> {
    /// A table without hosts.
    pub const fn new() -> Self {
        const { assert!(N > 0 && N < u16::MAX as usize, "a table of hosts has 1 to 65,534 places") };
        Self { hosts: Vec::new(), seen: Instant::ORIGIN, uses: 0, id: 0 }
    }

    /// The gate of a host that has one, to settle a ticket with. Counts as a use. `None` after an eviction: a ticket that comes
    /// back so late was given up before, and can be dropped.
    pub fn get(&mut self, key: &K) -> Option<&mut Gate<W>> {
        let host = self.hosts.iter_mut().find(|host| host.key == *key)?;
        self.uses = self.uses.saturating_add(1);
        (host.used, host.used_at) = (self.uses, self.seen);
        Some(&mut host.gate)
    }

    /// Takes the gate of a host out of the table, whatever holds it: of one that was denied for good, say, or that the
    /// application has no more use for. Tickets that are still out settle with what this returns, or can be dropped.
    pub fn remove(&mut self, key: &K) -> Option<Gate<W>> {
        if !self.hosts.iter().any(|host| host.key == *key) {
            return None;
        }
        let last = self.hosts.pop()?;
        match self.hosts.iter_mut().find(|host| host.key == *key) {
            Some(host) => Some(core::mem::replace(host, last).gate),
            None => Some(last.gate),
        }
    }

    /// All hosts, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &Gate<W>)> {
        self.hosts.iter().map(|host| (&host.key, &host.gate))
    }

    /// How many hosts there are.
    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Whether there is no host.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// The next id that no gate in the table has: there are more ids than places.
    fn free_id(&self) -> u16 {
        let mut id = self.id.wrapping_add(1);
        while self.hosts.iter().any(|host| host.id == id) {
            id = id.wrapping_add(1);
        }
        id
    }
}

impl<K: Eq, const N: usize, W> Default for HostTable<K, N, W> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Eq, const N: usize, W: Window> HostTable<K, N, W> {
    fn admit(
        &mut self,
        now: Instant,
        key: K,
        make: impl FnOnce(u16) -> Result<Gate<W>, GateError>,
    ) -> Result<&mut Gate<W>, HostError> {
        self.seen = self.seen.max(now);
        let place = match self.hosts.iter().position(|host| host.key == key) {
            Some(place) => place,
            None => {
                let id = self.free_id();
                // Before anything is evicted: settings that are rejected cost nobody a place.
                let gate = make(id).map_err(HostError::Config)?;
                let host = Host { key, gate, used: 0, used_at: self.seen, id };
                let place = if self.hosts.is_full() { self.evictable()? } else { self.hosts.len() };
                match self.hosts.get_mut(place) {
                    Some(evicted) => *evicted = host,
                    None => self.hosts.push(host).map_err(|_| NO_PLACE)?,
                }
                self.id = id;
                place
            }
        };
        let host = self.hosts.get_mut(place).ok_or(NO_PLACE)?;
        self.uses = self.uses.saturating_add(1);
        (host.used, host.used_at) = (self.uses, self.seen);
        Ok(&mut host.gate)
    }

    /// The place of the least recently used neutral gate, or what holds the one that may be neutral first.
    fn evictable(&mut self) -> Result<usize, HostError> {
        let now = self.seen;
        let mut oldest: Option<(u64, usize)> = None;
        let mut first: Option<(Instant, Held)> = None;
        for (place, host) in self.hosts.iter_mut().enumerate() {
            match host.gate.held_until(now, host.used_at) {
                None if oldest.is_none_or(|(used, _)| host.used < used) => oldest = Some((host.used, place)),
                Some(until) if first.is_none_or(|(earliest, _)| until < earliest) => {
                    first = Some((until, held(&host.gate, now)));
                }
                None | Some(_) => {}
            }
        }
        match (oldest, first) {
            (Some((_, place)), _) => Ok(place),
            (None, Some((until, held))) => Err(HostError::Full { until, held }),
            (None, None) => Err(NO_PLACE),
        }
    }
}

/// The worst of what holds a gate that is not neutral.
fn held<W>(gate: &Gate<W>, now: Instant) -> Held {
    if gate.breaker().mode() == BreakerMode::ForcedOpen {
        return Held::Forced;
    }
    match gate.breaker().state() {
        BreakerState::Open { .. } | BreakerState::HalfOpen { .. } => Held::Open,
        BreakerState::Closed { ramp: u16::MAX, .. } if !gate.is_healthy() => Held::Denied,
        BreakerState::Closed { .. } if !gate.is_healthy() => Held::Ramp,
        BreakerState::Closed { .. } if now < gate.paused_until() => Held::Paused,
        BreakerState::Closed { .. } if gate.in_flight() > 0 => Held::InFlight { in_flight: gate.in_flight() },
        BreakerState::Closed { .. } => Held::Owed,
    }
}

/// What a table without places would say; `HostTable::new` rejects one at compile time.
const NO_PLACE: HostError = HostError::Full { until: Instant::MAX, held: Held::Owed };

#[cfg(test)]
mod tests;
