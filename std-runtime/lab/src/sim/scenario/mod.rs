//! A world as a file.
//!
//! ```toml
//! title = "One mirror, one server"
//! length = "10m"
//!
//! [[server]]
//! name = "tiles"
//! rules = ["pool=20,service=20ms,queue=50", "rate=50/s,retry-after=none", "outage=60s..90s:503"]
//! slow = ["120s..180s=300%"]
//!
//! [[fleet]]
//! name = "mirror"
//! servers = ["tiles"]
//! users = 20
//! preset = "bulk"
//! budget = "10%,reserve=3,refill=10s"
//! ```
//!
//! Rules of a server are those of the [mock server](crate::mock::rules). The keys of a fleet:
//!
//! | key | means | default |
//! |---|---|---|
//! | `clients` | how many there are | 1 |
//! | `shared-gate` | whether they share a gate for each server | false |
//! | `arrivals` | an open loop: `"50/s"` without memory, `"50/s,even"` in even steps; of one client | – |
//! | `surges` | when there are more arrivals: `["60s..90s=300%"]` | none |
//! | `users`, `think`, `calls` | a closed loop: users of one client, the time between their calls, calls of one client in all | –, `"0s"`, no end |
//! | `from`, `spread`, `until` | when clients begin, within which time, and when they stop | `"0s"`, `"0s"`, the end |
//! | `round-trip`, `loss`, `partition` | what lies between: `"uniform:5ms..80ms"`, `"1%"`, `"10s..20s"` | none |
//! | `restarts` | losses of power: `["60s,down=5s"]`, with `,restores` where gates survive it | none |
//! | `deadline`, `places` | the time of a call, and how many may wait at a gate | `"60s"`, 10000 |
//! | `preset` | where the following come from | `"bulk"` |
//! | `attempts`, `timeout` | of a call, and for each of them | of the preset |
//! | `backoff`, `throttled` | `"250ms,cap=20s,jitter=full,growth=exponential"`, after a failure and after a 429 without a hint | of the preset |
//! | `patience` | how long a pause or an open breaker is worth waiting for: `"5s"`, or `"deadline"` | of the preset |
//! | `rate` | `"unlimited"`, `"50/s,burst=8"`, `"adaptive"`, `"aimd"`; the last two with `start`, `floor`, `ceiling`, the first of them with `tolerance` | of the preset |
//! | `limit` | `10`, or an adaptive kind: `"gradient,floor=2,start=10,ceiling=50,tolerated=1/3"` (by latency), `"aimd,…"` (by failures) | of the preset |
//! | `budget` | `"none"`, or `"10%,saved=100,reserve=3,refill=10s"` | of the preset |
//! | `breaker` | `"none"`, or `"50%,window=32,min=16,slow=25%,open=5s,cap=60s,jitter=equal,probes=1,successes=1,after=ramp"` | of the preset |
//! | `slow-after` | from when on an attempt counts as slow | `timeout` |
//!
//! Times are whole numbers with a unit (`500ms`, `30s`, `10m`, `2h`, `1d`), and seconds without one; rates are counts per time
//! (`50/s`, `600/m`, `1/30s`).

mod document;
mod parts;
mod policy;
mod values;

use tidegate_core::{CallConfig, GateConfig};

use super::World;
use document::Document;

/// A world, and what it is to be called.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// One line above tables and pictures.
    pub title: String,
    /// What is simulated.
    pub world: World,
}

/// Settings that a fleet can start from.
#[derive(Clone, Copy, Debug)]
pub struct Preset<'a> {
    /// What scenarios call it.
    pub name: &'a str,
    /// Of each gate.
    pub gate: GateConfig,
    /// Of each call.
    pub call: CallConfig,
}

/// Why a scenario cannot be read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScenarioError {
    /// It is no TOML, or has a key that means nothing; with the line.
    #[error("{0}")]
    Toml(String),
    /// A value that means nothing.
    #[error("{of}: {key} = {value:?}: {problem}")]
    Value {
        /// Which server or fleet, or the scenario.
        of: String,
        /// The key.
        key: &'static str,
        /// What stands there.
        value: String,
        /// What is wrong, and what to write.
        problem: String,
    },
    /// Two keys that exclude each other, or none where one is needed.
    #[error("{of}: {fix}")]
    Keys {
        /// Which fleet.
        of: String,
        /// What to do.
        fix: &'static str,
    },
}

impl Scenario {
    /// Reads a scenario. A fleet that names no preset starts from the one called `bulk`, or from the first.
    ///
    /// Whether its parts go together is found out when it [runs](World::run).
    ///
    /// # Errors
    /// Where a key or a value means nothing.
    pub fn from_toml(text: &str, presets: &[Preset<'_>]) -> Result<Self, ScenarioError> {
        // It shows the line, which may hold anything.
        let shown =
            |error: toml::de::Error| error.to_string().replace(|c: char| c.is_control() && c != '\n', "\u{fffd}");
        let document: Document = toml::from_str(text).map_err(|error| ScenarioError::Toml(shown(error)))?;
        document.scenario(presets)
    }
}

#[cfg(test)]
mod tests;
