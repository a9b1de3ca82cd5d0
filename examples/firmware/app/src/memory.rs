//! What the gate must not forget when the device is reset.
//!
//! A brown-out gives no notice, so what restricts the gate is written when it begins to: a pause that the server asked for, an
//! open breaker. A pause that is already covered by what was written costs no write.

use tidegate_core::{
    Gate, Instant,
    gate::{Downtime, SNAPSHOT_BYTES, Snapshot},
};

/// The page in flash, and until when what is written there restricts the gate.
#[derive(Debug, Default)]
pub struct Memory {
    covered_until: Instant,
    saved: u32,
    /// Nothing is written: what happens is not real.
    is_absent: bool,
}

impl Memory {
    /// A memory that keeps nothing.
    pub fn absent() -> Self {
        Self { is_absent: true, ..Self::default() }
    }

    /// Hands `gate` what was left behind before the last reset. How long that took is not known to a device without a clock
    /// that goes on, so it counts as no time.
    pub fn restore(now: Instant, gate: &mut Gate) -> Self {
        let mut memory = Self::default();
        let Some(snapshot) = board::flash::read::<SNAPSHOT_BYTES>() else {
            defmt::info!("no snapshot, starting fresh");
            return memory;
        };
        match gate.restore(now, &snapshot, Downtime::Unknown) {
            Ok(()) => {
                memory.covered_until = gate.paused_until();
                let left = gate.paused_until().saturating_since(now);
                defmt::info!("restored: left alone for {=u64} ms", left.as_millis() as u64);
            }
            Err(error) => defmt::warn!("{}, starting fresh", error),
        }
        memory
    }

    /// Whether a restriction until `until` would be forgotten; one that has passed is none.
    pub fn lacks(&self, now: Instant, until: Instant) -> bool {
        !self.is_absent && until > now && until > self.covered_until
    }

    /// Writes what restricts the gate until `until`.
    pub fn keep(&mut self, until: Instant, snapshot: &Snapshot) {
        self.covered_until = until;
        if board::flash::write(snapshot) {
            self.saved += 1;
            defmt::info!("snapshot saved");
        } else {
            defmt::error!("the snapshot could not be written");
        }
    }

    /// How often it was written.
    pub fn saved(&self) -> u32 {
        self.saved
    }
}
