//! The shape of a TOML file of faults: the rules' own texts under their own names.

use std::collections::BTreeMap;

use super::{Faults, RuleError};

/// What the file holds before its texts are read.
#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Document {
    seed: u64,
    latency: Option<String>,
    bandwidth: Option<String>,
    rate: Option<String>,
    pool: Option<String>,
    connections: Option<String>,
    outage: Vec<String>,
    script: Option<String>,
    tile: BTreeMap<String, String>,
    share: BTreeMap<String, String>,
}

impl TryFrom<Document> for Faults {
    type Error = RuleError;

    fn try_from(document: Document) -> Result<Self, RuleError> {
        let single = [
            ("latency", document.latency),
            ("bandwidth", document.bandwidth),
            ("rate", document.rate),
            ("pool", document.pool),
            ("connections", document.connections),
            ("script", document.script),
        ];
        let single = single.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        let outages = document.outage.into_iter().map(|value| ("outage".to_owned(), value));
        let mut faults = Self { seed: document.seed, ..Self::default() };
        for (key, value) in single.chain(outages) {
            faults.apply(&format!("{key}={value}"))?;
        }
        document.tile.iter().try_for_each(|(tile, script)| faults.add_tile(tile, script))?;
        document.share.iter().try_for_each(|(fault, share)| faults.add_share(fault, share))?;
        faults.check_sum()?;
        Ok(faults)
    }
}
