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
#![doc = include_str!("keys.md")]

mod document;
mod parts;
mod policy;
mod values;

use tidegate_core::{CallConfig, GateConfig};

use super::World;
use document::Document;

/// All keys, as a page to be read.
pub const KEYS: &str = include_str!("keys.md");

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
