//! A gate's memory across a restart.
//!
//! A server that asked for ten minutes of silence does not care that the device rebooted. A snapshot keeps what restricts
//! a gate, as *remaining durations*, since instants mean nothing after a restart; loading says how long the device was off.
//!
//! **When it harms**: never by admitting more: whatever the bytes say, a loaded gate is at least as strict as a fresh one
//! (a faster rate or a higher limit that was learnt is learnt again). An unknown time off counts as none, so a device that
//! does not know it waits the whole pause again.
//!
//! A breaker that is forced open or closed was forced by somebody, who has to do so again.
//!
//! Layout, little-endian, 64 bytes: version (2), breaker (1: closed, 2: open), trips, denials, limit (2), ramp (2), then
//! five 8-byte counts of nanoseconds (pause, open time, until the next cell, interval, until the reserve's next retry), the
//! interval at the last cut in 4 bytes of 1,024 ns, two 4-byte counts of milliseconds (until when requests are spread, at which
//! pace), and a CRC-32 (IEEE 802.3) of all before it.

use core::{fmt, time::Duration};

use super::{Gate, settle::PAUSE_NS_MAX};
use crate::{
    breaker::{BreakerState, Window},
    time::{Instant, Millis, nanos},
};

/// How many bytes a snapshot takes.
pub const SNAPSHOT_BYTES: usize = 64;

/// A gate's memory in a fixed number of bytes, for flash or a file.
pub type Snapshot = [u8; SNAPSHOT_BYTES];

/// How long a device was off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Downtime {
    /// Counts as no time at all.
    Unknown,
    /// At least so long.
    AtLeast(Duration),
}

/// Why bytes are no snapshot. A gate that finds this starts fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SnapshotError {
    /// Written by another version.
    Version,
    /// The checksum does not fit: flash that was never written, or a torn write.
    Checksum,
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Version => "the snapshot is of another version: start fresh",
            Self::Checksum => "the snapshot is damaged or was never written: start fresh",
        })
    }
}

impl core::error::Error for SnapshotError {}

impl<W: Window> Gate<W> {
    /// What restricts this gate at `now`.
    #[must_use = "keep it, and hand it to `restore` after the restart"]
    pub fn snapshot(&mut self, now: Instant) -> Snapshot {
        let now = self.advance(now);
        let left_ns = |until: Instant| until.since_ns(now);
        let (breaker, open_ns, ramp) = match self.breaker.state() {
            BreakerState::Closed { ramp, clean: _ } => (CLOSED, 0, ramp),
            BreakerState::Open { until, .. } => (OPEN, left_ns(until), 0),
            // Whether the server is back is found out anew, at once.
            BreakerState::HalfOpen { .. } => (OPEN, 0, 0),
        };
        let until_next_ns = self.limiter.next_ns().saturating_sub(now.signed());
        let cut_interval_ns = self.adaptation.as_ref().map_or(0, |adaptation| adaptation.cut_interval_ns());
        let reserve_ns = self.budget.as_ref().map_or(i64::MIN / 4, |budget| budget.reserve_next_ns());
        let mut writer = Writer { bytes: [0; SNAPSHOT_BYTES], at: 0 };
        writer.put([VERSION, breaker, self.breaker.trips, self.standing.denied()]);
        writer.put(self.limit.learnt().to_le_bytes());
        writer.put(ramp.to_le_bytes());
        writer.put(left_ns(self.paused_until()).to_le_bytes());
        writer.put(open_ns.to_le_bytes());
        writer.put(until_next_ns.to_le_bytes());
        writer.put(self.limiter.interval_ns().to_le_bytes());
        writer.put(reserve_ns.saturating_sub(now.signed()).to_le_bytes());
        // Right to a thousandth, and at most a minute.
        writer.put(((cut_interval_ns >> CUT_SHIFT) as u32).to_le_bytes());
        writer.put(Millis::from_ns_up(left_ns(self.paced_until)).to_le_bytes());
        writer.put(self.pace.to_le_bytes());
        writer.finish()
    }

    /// Takes up what a gate left behind, `downtime` after it was saved. What is there is only made stricter, so a fresh gate
    /// takes up exactly what was left, and nothing lifts what another one has learnt since.
    ///
    /// # Errors
    /// Where the bytes are no snapshot; the gate is unchanged.
    pub fn restore(&mut self, now: Instant, snapshot: &Snapshot, downtime: Downtime) -> Result<(), SnapshotError> {
        let mut reader = Reader::checked(snapshot)?;
        let now = self.advance(now);
        let off_ns = match downtime {
            Downtime::Unknown => 0,
            Downtime::AtLeast(span) => nanos(span),
        };
        let [_version, breaker, trips, denied] = reader.take();
        let limit = u16::from_le_bytes(reader.take());
        let ramp = u16::from_le_bytes(reader.take());
        let [pause_ns, open_ns] = [(); 2].map(|()| u64::from_le_bytes(reader.take()).saturating_sub(off_ns));
        let until_next_ns = i64::from_le_bytes(reader.take()).saturating_sub(off_ns as i64);
        let interval_ns = u64::from_le_bytes(reader.take());
        let reserve_ns = i64::from_le_bytes(reader.take()).saturating_sub(off_ns as i64);
        let cut_interval_ns = u64::from(u32::from_le_bytes(reader.take())) << CUT_SHIFT;
        let [paced, pace] = [(); 2].map(|()| Millis::from_le_bytes(reader.take()));

        self.standing.set_denied(self.standing.denied().max(denied));
        self.limit.restore(limit);
        if let Some(adaptation) = &mut self.adaptation {
            adaptation.restore(now, &mut self.limiter, interval_ns, cut_interval_ns);
        }
        if let Some(budget) = &mut self.budget {
            budget.restore(now, reserve_ns);
        }
        self.breaker.restore(now, (breaker == OPEN).then_some(open_ns), ramp, trips);
        // Behind a pause, or one request of a slow rate.
        self.limiter.restore(now, until_next_ns.min(LONGEST_PAUSE_NS.max(self.limiter.interval_ns()) as i64));
        // A pause leaves no burst behind: one that is over, or never was, must not take it a second time.
        if pause_ns > 0 {
            self.pause(now, now.plus_ns(pause_ns.min(LONGEST_PAUSE_NS)));
        }
        self.spread_as_well(now, now.plus_ns(paced.ns().saturating_sub(off_ns).min(PAUSE_NS_MAX)), pace);
        self.note_standing(now);
        Ok(())
    }
}

struct Writer {
    bytes: Snapshot,
    at: usize,
}

impl Writer {
    fn put<const N: usize>(&mut self, field: [u8; N]) {
        let places = self.bytes.iter_mut().skip(self.at);
        places.zip(field).for_each(|(place, byte)| *place = byte);
        self.at = self.at.saturating_add(N);
    }

    fn finish(mut self) -> Snapshot {
        let checksum = crc32(self.bytes.iter().take(CHECKED_BYTES));
        self.at = CHECKED_BYTES;
        self.put(checksum.to_le_bytes());
        self.bytes
    }
}

struct Reader<'a> {
    rest: core::slice::Iter<'a, u8>,
}

impl<'a> Reader<'a> {
    fn checked(bytes: &'a Snapshot) -> Result<Self, SnapshotError> {
        let mut tail = Reader { rest: bytes.iter() };
        tail.rest.nth(CHECKED_BYTES - 1);
        if u32::from_le_bytes(tail.take()) != crc32(bytes.iter().take(CHECKED_BYTES)) {
            return Err(SnapshotError::Checksum);
        }
        match bytes.first() {
            Some(&VERSION) => Ok(Reader { rest: bytes.iter() }),
            Some(_) | None => Err(SnapshotError::Version),
        }
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        [(); N].map(|()| self.rest.next().copied().unwrap_or(0))
    }
}

/// CRC-32 as in IEEE 802.3, a bit at a time: 60 bytes once per save are not worth a table.
fn crc32<'a>(bytes: impl Iterator<Item = &'a u8>) -> u32 {
    !bytes.fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

/// With what jitter adds to it.
const LONGEST_PAUSE_NS: u64 = PAUSE_NS_MAX + PAUSE_NS_MAX / 8;
const CUT_SHIFT: u32 = 10;
const VERSION: u8 = 2;
const CLOSED: u8 = 1;
const OPEN: u8 = 2;
const CHECKED_BYTES: usize = SNAPSHOT_BYTES - 4;

/// Bytes with the checksum that makes them pass for a snapshot.
#[cfg(test)]
pub(super) fn sealed_with_checksum(bytes: Snapshot) -> Snapshot {
    Writer { bytes, at: CHECKED_BYTES }.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_published_one() {
        assert_eq!(crc32(b"123456789".iter()), 0xcbf4_3926);
    }
}
