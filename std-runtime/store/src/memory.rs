//! What servers asked for, from one run to the next.
//!
//! A server that asked for ten minutes of silence does not care that a run was interrupted and begun again. A memory keeps a
//! snapshot of each host's gate; a run that starts with it is as strict as the one before was, less the time in between
//! by the machine's clock. A clock that was set back counts as no time at all.
//!
//! It is one JSON file, readable by its owner alone and replaced in one step. Of a source it names the host and nothing else. Nothing
//! that a gate heeds lasts longer than 27 hours, so what is older than two days is forgotten.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use tidegate::upstream::Upstream;
use tidegate_core::{
    drive::Clock,
    gate::{Downtime, SNAPSHOT_BYTES, Snapshot},
};

use crate::files;

/// The gates of an earlier run, by host.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tidegate::upstream::Upstream;
/// use tidegate_core::{Gate, GateConfig, Instant};
/// use tidegate_store::memory::Memory;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("memory.json");
/// let upstream = || Upstream::new(Gate::new(GateConfig::DEFAULT).expect("the default is valid"));
///
/// let asked_to_wait = upstream();
/// let until = asked_to_wait.deadline_in(Duration::from_secs(600));
/// asked_to_wait.control(|gate| gate.pause_until(Instant::ORIGIN, until));
/// let mut memory = Memory::open(&path)?;
/// memory.keep([("tiles.example.org", &asked_to_wait)], SystemTime::now())?;
///
/// let again = upstream();
/// assert!(Memory::open(&path)?.recall("tiles.example.org", &again, SystemTime::now()));
/// assert!(!Memory::open(&path)?.recall("other.example.org", &upstream(), SystemTime::now()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Memory {
    path: PathBuf,
    hosts: BTreeMap<String, Kept>,
}

/// A gate as it was left.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    saved_unix_ms: u64,
    /// The snapshot, in hexadecimal digits.
    gate: String,
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    hosts: BTreeMap<String, Kept>,
}

/// Why there is no memory.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file holds something else.
    #[error("{}: not the memory of an earlier run; name another file, or remove this one", .0.display())]
    Foreign(PathBuf),
    /// The file cannot be written.
    #[error("{}: what servers asked for cannot be kept: {error}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl Memory {
    /// What is kept at `path`; nothing where there is no file yet.
    ///
    /// # Errors
    /// When the file cannot be read, or is something else.
    pub fn open(path: &Path) -> Result<Self, MemoryError> {
        let path = path.to_owned();
        let hosts = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(MemoryError::Read { path, error }),
            Ok(text) => match serde_json::from_slice(&text) {
                Ok(Document { version: VERSION, hosts }) => hosts,
                Ok(Document { .. }) | Err(_) => return Err(MemoryError::Foreign(path)),
            },
        };
        Ok(Self { path, hosts })
    }

    /// Makes the gate of `upstream` as strict as that of `host` was. False where nothing is known of it, or nothing that this
    /// version can read.
    pub fn recall<C: Clock>(&self, host: &str, upstream: &Upstream<C>, now: SystemTime) -> bool {
        let Some(kept) = self.hosts.get(host) else { return false };
        let Some(snapshot) = from_hex(&kept.gate) else { return false };
        let away = unix_ms(now).checked_sub(kept.saved_unix_ms);
        let downtime = away.map_or(Downtime::Unknown, |ms| Downtime::AtLeast(Duration::from_millis(ms)));
        let clock_now = upstream.clock().now();
        upstream.control(|gate| gate.restore(clock_now, &snapshot, downtime)).is_ok()
    }

    /// Keeps the gates of these hosts as they are now, beside those of others. Of two gates with the same host the last one
    /// counts.
    ///
    /// # Errors
    /// When the file cannot be written; the one from before is still there.
    pub fn keep<'u, C: Clock + 'u>(
        &mut self,
        gates: impl IntoIterator<Item = (&'u str, &'u Upstream<C>)>,
        now: SystemTime,
    ) -> Result<(), MemoryError> {
        let saved_unix_ms = unix_ms(now);
        for (host, upstream) in gates {
            let clock_now = upstream.clock().now();
            let gate = to_hex(&upstream.control(|gate| gate.snapshot(clock_now)));
            self.hosts.insert(host.to_owned(), Kept { saved_unix_ms, gate });
        }
        self.hosts.retain(|_, kept| saved_unix_ms.saturating_sub(kept.saved_unix_ms) < FORGET_AFTER_MS);
        self.write().map_err(|error| MemoryError::Write { path: self.path.clone(), error })
    }

    fn write(&self) -> io::Result<()> {
        let mut text = serde_json::to_vec(&Document { version: VERSION, hosts: self.hosts.clone() })?;
        text.push(b'\n');
        files::replace(&self.path, &text)
    }
}

fn unix_ms(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn to_hex(snapshot: &Snapshot) -> String {
    snapshot.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Snapshot> {
    let digits = text.as_bytes();
    if digits.len() != 2 * SNAPSHOT_BYTES || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut snapshot = [0; SNAPSHOT_BYTES];
    for (byte, pair) in snapshot.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(snapshot)
}

const VERSION: u32 = 1;
/// A pause is heeded for a day and at most an eighth of it more.
const FORGET_AFTER_MS: u64 = 2 * 86_400 * 1_000;

#[cfg(test)]
mod tests {
    use tidegate::testing::VirtualClock;
    use tidegate_core::{Gate, GateConfig};

    use super::*;

    const NOW: Duration = Duration::from_secs(1_700_000_000);

    fn wall(after: Duration) -> SystemTime {
        UNIX_EPOCH + NOW + after
    }

    fn upstream(clock: &VirtualClock) -> Upstream<VirtualClock> {
        Upstream::on(clock.clone(), Gate::new(GateConfig::DEFAULT).expect("the default is valid"))
    }

    /// A memory of a host that asked for so many seconds of silence, and the folder that it is in.
    fn paused_for(seconds: u64) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("memory.json");
        let clock = VirtualClock::new();
        let upstream = upstream(&clock);
        let (now, until) = (clock.now(), upstream.deadline_in(Duration::from_secs(seconds)));
        upstream.control(|gate| gate.pause_until(now, until));
        let mut memory = Memory::open(&path).expect("nothing yet");
        memory.keep([("here", &upstream)], wall(Duration::ZERO)).expect("a file");
        (folder, path)
    }

    /// How long the next run waits that begins at this time.
    fn wait_left(path: &Path, wall: SystemTime) -> Duration {
        let clock = VirtualClock::new();
        let upstream = upstream(&clock);
        assert!(Memory::open(path).expect("whole").recall("here", &upstream, wall), "it was forgotten");
        let now = clock.now();
        upstream.control(|gate| gate.paused_until()).saturating_since(now)
    }

    #[test]
    fn a_pause_outlives_the_run_by_what_is_left_of_it() {
        let (_folder, path) = paused_for(600);
        for (away, left) in [(0, 600), (200, 400), (599, 1), (600, 0), (90_000, 0)] {
            let left_then = wait_left(&path, wall(Duration::from_secs(away)));
            assert_eq!(left_then, Duration::from_secs(left), "{away} s later");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_counts_as_no_time() {
        let (_folder, path) = paused_for(600);
        for wall in [UNIX_EPOCH, UNIX_EPOCH - Duration::from_secs(1), UNIX_EPOCH + NOW - Duration::from_secs(1)] {
            assert_eq!(wait_left(&path, wall), Duration::from_secs(600));
        }
    }

    #[test]
    fn other_hosts_stay_and_are_forgotten_after_two_days() {
        let (_folder, path) = paused_for(600);
        let clock = VirtualClock::new();
        for (hours, known) in [(47, true), (49, false)] {
            let later = wall(Duration::from_secs(hours * 3_600));
            let mut memory = Memory::open(&path).expect("whole");
            memory.keep([("there", &upstream(&clock))], later).expect("a file");
            let memory = Memory::open(&path).expect("whole");
            assert_eq!(memory.recall("here", &upstream(&clock), later), known, "after {hours} hours");
            assert!(memory.recall("there", &upstream(&clock), later));
        }
    }

    #[test]
    fn another_file_is_not_taken_for_a_memory_and_not_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("memory.json");
        for text in ["", "tiles", "{}", r#"{"version":2,"hosts":{}}"#] {
            fs::write(&path, text).expect("a file");
            assert!(matches!(Memory::open(&path), Err(MemoryError::Foreign(_))), "{text:?}");
        }
        assert!(matches!(Memory::open(folder.path()), Err(MemoryError::Read { .. })));
    }

    #[test]
    fn a_damaged_gate_is_a_fresh_one() {
        let (_folder, path) = paused_for(600);
        let whole = fs::read_to_string(&path).expect("readable");
        for (is, becomes) in
            [("\"gate\":\"02", "\"gate\":\"01"), ("\"gate\":\"02", "\"gate\":\"0é"), ("\"gate\":\"02", "\"gate\":\"")]
        {
            assert!(whole.contains(is), "{whole}");
            fs::write(&path, whole.replace(is, becomes)).expect("a file");
            let memory = Memory::open(&path).expect("JSON all the same");
            assert!(!memory.recall("here", &upstream(&VirtualClock::new()), wall(Duration::ZERO)), "{becomes}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn it_is_for_its_owner_alone_and_a_failed_write_leaves_it() {
        use std::os::unix::fs::PermissionsExt;
        let (folder, path) = paused_for(600);
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        let mut nowhere = Memory::open(&folder.path().join("missing/memory.json")).expect("nothing yet");
        let failed = nowhere.keep([("here", &upstream(&VirtualClock::new()))], wall(Duration::ZERO));
        assert!(matches!(failed, Err(MemoryError::Write { .. })));
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1, "nothing is left behind");
    }
}
