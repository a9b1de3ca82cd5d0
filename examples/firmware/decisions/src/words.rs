//! What needs no gate: time, entropy, headers, tiles.

use core::time::Duration;

use tidegate_core::{
    Entropy, Instant, Outcome, Quota, TileId,
    http::{self, QuotaReader},
    time::TickExtender,
};

use crate::Hash;

/// Ticks that wrap, at rates that do and do not divide a second, and arithmetic at both ends.
pub(crate) fn time(hash: &mut Hash) {
    let mut ticks = TickExtender::new();
    let mut reading = 0u32;
    for round in 0..200u32 {
        reading = reading.wrapping_add(round.wrapping_mul(0x0123_4567));
        let count = ticks.extend(reading);
        hash.add(count);
        for hz in [1, 1_000, 32_768, 12_500_000, u32::MAX] {
            hash.add(Instant::from_ticks(count, hz).as_nanos());
        }
    }
    for instant in [Instant::ORIGIN, Instant::from_secs(1), Instant::MAX] {
        for span in [Duration::ZERO, Duration::from_millis(1), Duration::MAX] {
            let later = instant.saturating_add(span);
            hash.add(later.as_nanos());
            hash.add(later.saturating_since(instant).as_secs());
        }
    }
}

/// What devices that boot together draw.
pub(crate) fn entropy(hash: &mut Hash) {
    for device in 0..16 {
        for count in 0..16 {
            // The word itself is private to the core; equality is what can be observed.
            let word = Entropy::mix(7, device, count);
            hash.add(u64::from(word == Entropy::mix(7, count, device)));
        }
    }
}

/// Every status, and headers in the forms that servers send.
pub(crate) fn http(hash: &mut Hash) {
    for status in 100..=599 {
        hash.add(match http::outcome(status, None) {
            Outcome::Success => 1,
            Outcome::Empty => 2,
            Outcome::Failure => 3,
            Outcome::Throttled { .. } => 4,
            Outcome::Refused(_) => 5,
            Outcome::Timeout | Outcome::Cancelled | Outcome::Unsent => 6,
        });
    }
    let date: &[u8] = b"Wed, 21 Oct 2026 07:28:00 GMT";
    let values: [&[u8]; 6] = [
        b"120",
        b"Wed, 21 Oct 2026 07:30:00 GMT",
        b"Wednesday, 21-Oct-26 07:30:00 GMT",
        b"Wed Oct 21 07:30:00 2026",
        b"Tue, 20 Oct 2026 07:30:00 GMT",
        b"soon",
    ];
    for value in values {
        hash.add(http::retry_after(value, Some(date)).map_or(u64::MAX, |wait| wait.as_secs()));
    }
    let mut quota = QuotaReader::new();
    quota.header(b"ratelimit-policy", br#""hour";q=1000;w=3600, "day";q=5000;w=86400"#);
    quota.header(b"ratelimit", br#""hour";r=900;t=1800, "day";r=100;t=36000"#);
    if let Some(Quota { remaining, limit, resets_in }) = quota.finish(Some(date)) {
        hash.add(remaining.into());
        hash.add(limit.unwrap_or(0).into());
        hash.add(resets_in.as_secs());
    }
}

/// Where tiles lie.
pub(crate) fn tiles(hash: &mut Hash) {
    for id in (0..1_000_000).step_by(9_973) {
        if let Ok(tile) = TileId::from_hilbert_id(id) {
            hash.add(u64::from(tile.z()) << 56 | u64::from(tile.x()) << 28 | u64::from(tile.tms_row()));
            hash.add(tile.hilbert_id());
        }
    }
}
