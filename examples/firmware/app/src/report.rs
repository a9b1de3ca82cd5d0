//! How it went, as one line of the log and an exit code.
//!
//! The codes are those of the `tidegate` command.

use board::{host, stack};
use tidegate_core::{Gate, Traced};

use crate::{fetcher::Summary, policy};

/// The command line cannot be used.
pub const USAGE: u8 = 2;
/// Each tile was fetched, or is known to be empty.
const COMPLETE: u8 = 0;
/// Some tiles were given up.
const GIVEN_UP: u8 = 1;
/// The vehicle got to some tiles before they could be fetched.
const TOO_LATE: u8 = 5;
/// The counts do not balance: a defect.
const UNBALANCED: u8 = 70;

/// The exit code that says how it went.
pub fn exit_code(summary: &Summary) -> u8 {
    let tiles = &summary.tiles;
    match () {
        () if !tiles.balances() => UNBALANCED,
        () if tiles.failed > 0 => GIVEN_UP,
        () if tiles.behind > 0 => TOO_LATE,
        () => COMPLETE,
    }
}

/// Logs how it went, as `key=value` for whoever compares it with what the server says.
pub fn log(summary: &Summary) {
    let Summary { tiles, attempts, bytes, p50_ms, p95_ms, saved, decisions } = summary;
    defmt::info!(
        "tiles: requested={=u32} fetched={=u32} empty={=u32} failed={=u32} behind={=u32}",
        tiles.requested,
        tiles.fetched,
        tiles.empty,
        tiles.failed,
        tiles.behind
    );
    defmt::info!(
        "attempts: begun={=u32} unconnected={=u32} status200={=u32} status404={=u32} throttled={=u32} refused={=u32} \
         unavailable={=u32} broken={=u32} cut_off={=u32}",
        attempts.begun,
        attempts.unconnected,
        attempts.tiles,
        attempts.empty,
        attempts.throttled,
        attempts.refused,
        attempts.unavailable,
        attempts.broken,
        attempts.cut_off()
    );
    defmt::info!(
        "bytes={=u32} p50_ms={=u32} p95_ms={=u32} snapshots={=u32} stack={=usize} stack_max={=usize} decisions={=u64:#018x}",
        bytes,
        p50_ms,
        p95_ms,
        saved,
        stack::high_water(),
        stack::size(),
        decisions
    );
}

/// Logs how it went and ends the program with the code that says so.
pub fn exit(summary: &Summary) -> ! {
    log(summary);
    host::exit_with(exit_code(summary))
}

/// Whether another gate, asked what `recorded` was asked, decides the same; logs the hash of both.
pub fn replays<const RECORDS: usize>(recorded: &Traced<Gate, RECORDS>) -> bool {
    let (count, hash) = (recorded.recorded(), recorded.hash());
    let replayed = recorded.replay(&mut policy::gate());
    match replayed {
        Ok(again) => defmt::info!("recorded={=u64} hash={=u64:x}, replayed to {=u64:x}", count, hash, again),
        Err(error) => defmt::error!("recorded={=u64} hash={=u64:x}, not replayed: {}", count, hash, error),
    }
    replayed == Ok(hash)
}
