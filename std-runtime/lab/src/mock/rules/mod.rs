//! How the mock server misbehaves, as plain data, as text and as TOML.
//!
//! [`Faults`] is a set of rules. Each has one line of text, the same on a command line, in a file, in the value of a
//! TOML key and in the answer of the control endpoint:
//!
//! | rule | what it does |
//! |---|---|
//! | `503=10%` | this [`Fault`] meets so large a share of the requests |
//! | `script=503*2,200` | a [`Script`] for each tile; it replaces the shares |
//! | `3/1/2=429:2,200` | a script for this tile alone |
//! | `latency=lognormal:20ms/0.5` | a [`Delay`] before each answer |
//! | `bandwidth=100KiB/s` | of each connection |
//! | `rate=50/s,burst=10` | a [`RateLimit`] |
//! | `pool=4,service=20ms,queue=16` | a [`Pool`] of workers |
//! | `connections=20,excess=503` | a [`ConnectionLimit`] |
//! | `outage=5s..10s:refuse` | an [`Outage`]; may be given several times |
//! | `seed=7` | of all that is drawn; 0 where it is not given |
//!
//! A request meets them in this order: outage, rate limit, pool, latency, and then one fault: the one that its
//! `x-mock-fault` header asks for, else the step of its tile's script, else the step of the script for all, else the
//! one drawn by share.

mod delay;
mod error;
mod fault;
mod limit;
mod outage;
pub(crate) mod quantity;
mod script;
mod toml_form;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

pub use delay::Delay;
pub use error::RuleError;
pub use fault::{Fault, Pace, RetryAfter};
pub use limit::{ConnectionLimit, Excess, Pool, RateHeaders, RateKind, RateLimit, RetryForm};
pub use outage::{Outage, OutageKind};
pub use script::Script;

use tidegate_core::TileId;

use quantity::{WHOLE, bytes, millionths, show_bytes, show_millionths};

/// A set of rules. The default is a server without fault.
///
/// ```
/// use tidegate_lab::mock::rules::Faults;
///
/// let faults: Faults = "503=10%\n reset=5%\n latency=20ms".parse()?;
/// assert_eq!(faults.to_string(), "seed=0\nlatency=20ms\n503=10%\nreset=5%\n");
///
/// let error = "503=60%\n reset=50%".parse::<Faults>().unwrap_err();
/// assert_eq!(error.to_string(), "the shares of all faults add up to 110%; make it at most 100%");
/// # Ok::<(), tidegate_lab::mock::rules::RuleError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
#[serde(try_from = "toml_form::Document")]
pub struct Faults {
    /// The seed of all that is drawn.
    pub seed: u64,
    /// Before each answer.
    pub latency: Option<Delay>,
    /// Bytes a second of each connection, at least 1.
    pub bandwidth: Option<u64>,
    /// How many requests are allowed.
    pub rate: Option<RateLimit>,
    /// Who works on them.
    pub pool: Option<Pool>,
    /// How many connections are allowed.
    pub connections: Option<ConnectionLimit>,
    /// When the server is down. Where two overlap the earlier in the list is in force.
    pub outages: Vec<Outage>,
    /// For each tile that has no script of its own.
    pub script: Option<Script>,
    /// For one tile.
    pub tiles: BTreeMap<TileId, Script>,
    /// Drawn where no script applies. Together at most 100 %; their order does not matter.
    pub shares: Vec<Share>,
}

/// A fault and how often it is met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// What happens.
    pub fault: Fault,
    /// How often, in millionths of the requests.
    pub millionths: u32,
}

impl Faults {
    /// Adds one rule, or replaces the one of the same name.
    pub fn apply(&mut self, rule: &str) -> Result<(), RuleError> {
        let wrong = || RuleError::Rule { text: rule.to_owned() };
        let (key, value) = rule.split_once('=').ok_or_else(wrong)?;
        let (key, value) = (key.trim(), value.trim());
        match key {
            "seed" => self.seed = value.parse().map_err(|_| RuleError::Seed { text: value.to_owned() })?,
            "latency" => self.latency = Some(value.parse()?),
            "bandwidth" => self.bandwidth = Some(bandwidth(value)?),
            "rate" => self.rate = Some(value.parse()?),
            "pool" => self.pool = Some(value.parse()?),
            "connections" => self.connections = Some(value.parse()?),
            "outage" => self.outages.push(value.parse()?),
            "script" => self.script = Some(value.parse()?),
            // The pace of a drip has a slash too.
            _ if key.contains('/') && !key.contains(':') => self.add_tile(key, value)?,
            _ if value.ends_with('%') => self.add_share(key, value)?,
            // A known fault lacks only its share; anything else is no rule at all.
            _ => {
                key.parse::<Fault>().map_err(|_| wrong())?;
                return Err(RuleError::Share { text: value.to_owned() });
            }
        }
        Ok(())
    }

    /// Reads a file of faults. Its keys are those of the rules, `share` and `tile` are tables, `outage` is a list, and
    /// the seed is at most 2^63 - 1, as numbers in TOML are:
    ///
    /// ```
    /// use tidegate_lab::mock::rules::Faults;
    ///
    /// let file = r#"
    ///     seed = 7
    ///     latency = "lognormal:20ms/0.5"
    ///     outage = ["5s..10s:refuse"]
    ///     [share]
    ///     503 = "10%"
    ///     "429:1" = "0.5%"
    ///     [tile]
    ///     "3/1/2" = "429:2,200"
    /// "#;
    /// let same = "seed=7\n latency=lognormal:20ms/0.5\n outage=5s..10s:refuse\n 503=10%\n 429:1=0.5%\n\
    ///     3/1/2=429:2,200";
    /// assert_eq!(Faults::from_toml(file)?, same.parse()?);
    /// # Ok::<(), tidegate_lab::mock::rules::RuleError>(())
    /// ```
    pub fn from_toml(text: &str) -> Result<Self, RuleError> {
        toml::from_str(text).map_err(|error| RuleError::Toml { message: error.to_string().trim_end().to_owned() })
    }

    /// Checks what was put together by hand: a value is good if its own text can be read back.
    pub fn validate(&self) -> Result<(), RuleError> {
        self.to_string().parse::<Self>()?;
        self.check_sum()
    }

    /// Whether a request's fate depends on how many times its tile was asked for before.
    pub(super) fn are_drawn(&self) -> bool {
        let scripted = self.script.is_some() || !self.tiles.is_empty();
        scripted || !self.shares.is_empty() || self.latency.is_some() || self.pool.is_some()
    }

    fn add_tile(&mut self, key: &str, value: &str) -> Result<(), RuleError> {
        let tile = key.parse().map_err(|_| RuleError::Tile { text: key.to_owned() })?;
        self.tiles.insert(tile, value.parse()?);
        Ok(())
    }

    fn add_share(&mut self, key: &str, value: &str) -> Result<(), RuleError> {
        let share = Share { fault: key.parse()?, millionths: millionths(value)? };
        self.shares.retain(|other| other.fault != share.fault);
        self.shares.push(share);
        self.shares.sort_by_cached_key(|share| share.fault.to_string());
        Ok(())
    }

    fn check_sum(&self) -> Result<(), RuleError> {
        let total = self.shares.iter().fold(0_u32, |sum, share| sum.saturating_add(share.millionths));
        if total <= WHOLE { Ok(()) } else { Err(RuleError::SharesTooHigh { total }) }
    }
}

/// One rule a line; empty lines and what follows a `#` are passed over.
impl FromStr for Faults {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let mut faults = Self::default();
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        for rule in lines.filter(|line| !line.is_empty()) {
            faults.apply(rule)?;
        }
        faults.check_sum()?;
        Ok(faults)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn line<T: fmt::Display>(out: &mut fmt::Formatter<'_>, key: &str, value: Option<&T>) -> fmt::Result {
            value.map_or(Ok(()), |value| writeln!(out, "{key}={value}"))
        }
        writeln!(out, "seed={}", self.seed)?;
        line(out, "latency", self.latency.as_ref())?;
        line(out, "bandwidth", self.bandwidth.map(|each| format!("{}/s", show_bytes(each))).as_ref())?;
        line(out, "rate", self.rate.as_ref())?;
        line(out, "pool", self.pool.as_ref())?;
        line(out, "connections", self.connections.as_ref())?;
        self.outages.iter().try_for_each(|outage| line(out, "outage", Some(outage)))?;
        line(out, "script", self.script.as_ref())?;
        self.tiles.iter().try_for_each(|(tile, script)| line(out, &tile.show_location().to_string(), Some(script)))?;
        self.shares
            .iter()
            .try_for_each(|share| line(out, &share.fault.to_string(), Some(&show_millionths(share.millionths))))
    }
}

fn bandwidth(text: &str) -> Result<u64, RuleError> {
    let wrong = || RuleError::Bandwidth { text: text.to_owned() };
    match bytes(text.strip_suffix("/s").ok_or_else(wrong)?)? {
        0 => Err(wrong()),
        each => Ok(each),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYTHING: &str = "seed=7\nlatency=pareto:10ms/1.5\nbandwidth=100KiB/s\n\
        rate=50/s,burst=10,retry-after=date,headers=draft\npool=4,service=20ms,queue=16\nconnections=20,excess=wait\n\
        outage=5s..10s:refuse\noutage=20s..21s:503:2\nscript=503*2,200\n3/1/2=429:2,200\n\
        429:1=0.5%\n503=10%\ndrip:16/10ms=1%\nreset=5%\n";

    #[test]
    fn every_rule_comes_back_from_its_text() {
        let faults: Faults = EVERYTHING.parse().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(faults.to_string(), EVERYTHING);
        assert_eq!(faults.validate(), Ok(()));
    }

    #[test]
    fn toml_says_the_same_as_text() {
        let file = r#"
            seed = 7
            latency = "pareto:10ms/1.5"
            bandwidth = "100KiB/s"
            rate = "50/s,burst=10,retry-after=date,headers=draft"
            pool = "4,service=20ms,queue=16"
            connections = "20,excess=wait"
            outage = ["5s..10s:refuse", "20s..21s:503:2"]
            script = "503*2,200"
            [tile]
            "3/1/2" = "429:2,200"
            [share]
            503 = "10%"
            reset = "5%"
            "429:1" = "0.5%"
            "drip:16/10ms" = "1%"
        "#;
        assert_eq!(Faults::from_toml(file), EVERYTHING.parse());
        assert_eq!(Faults::from_toml(""), Ok(Faults::default()));
    }

    #[test]
    fn a_bad_file_is_told_where_it_is_bad() {
        for (file, mention) in [
            ("latency = \"fast\"", "`fast` is not a delay"),
            ("latancy = \"20ms\"", "latancy"),
            ("[share]\nreste = \"5%\"", "`reste`"),
            ("[share]\n503 = \"60%\"\n500 = \"60%\"", "120%"),
            ("seed = -1", "seed"),
            ("= 1", "line 1"),
        ] {
            let error = Faults::from_toml(file).expect_err(file).to_string();
            assert!(error.contains(mention), "{file}: {error}");
        }
    }

    #[test]
    fn the_order_of_shares_does_not_matter_and_the_last_word_on_one_counts() {
        assert_eq!("503=10%\nreset=5%".parse::<Faults>(), "reset=9%\nreset=5%\n503=10%".parse());
    }

    #[test]
    fn comments_and_empty_lines_are_passed_over() {
        assert_eq!("# a bad day\n\n 503=10% # of them\n".parse::<Faults>(), "503=10%".parse());
    }

    #[test]
    fn a_rule_that_is_almost_one_is_told_what_is_missing() {
        for (rule, mention) in [
            ("503", "FAULT=SHARE"),
            ("503=10", "`10` is not a share"),
            ("5o3=10%", "no fault `5o3`"),
            ("tempo=20ms", "latency=DELAY"),
            ("3/1=200", "`3/1` is not a tile"),
            ("bandwidth=100KiB", "100KiB/s"),
            ("bandwidth=0/s", "at least 1"),
            ("seed=x", "`x` is not a seed"),
        ] {
            let error = Faults::default().apply(rule).expect_err(rule).to_string();
            assert!(error.contains(mention), "{rule}: {error}");
        }
    }

    #[test]
    fn what_is_put_together_by_hand_is_checked_like_text() {
        let bad = |change: fn(&mut Faults)| {
            let mut faults = Faults::default();
            change(&mut faults);
            faults.validate().is_err()
        };
        assert!(!bad(|_| {}));
        assert!(bad(|faults| faults.bandwidth = Some(0)));
        assert!(bad(|faults| faults.shares = vec![Share { fault: Fault::Reset, millionths: 600_000 }; 2]));
        assert!(bad(|faults| {
            faults.latency = Some(Delay::LogNormal { median: std::time::Duration::ZERO, sigma: f64::NAN });
        }));
        assert!(bad(|faults| {
            faults.shares.push(Share { fault: Fault::Status { code: 99, retry_after: None }, millionths: 1 });
        }));
    }
}
