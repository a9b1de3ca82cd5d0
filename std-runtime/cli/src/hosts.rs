//! `--config FILE`: rules for hosts, which count where neither a flag nor the environment says otherwise.
//!
//! ```toml
//! [hosts."*"]
//! max-concurrency = 8
//!
//! [hosts."tiles.example.org"]
//! preset = "polite"
//! rate = "5/s"
//! max-concurrency = 2
//! timeout = "20s"
//! headers = { X-Api-Key = "…" }
//!
//! [hosts."*.our.example"]
//! send-correlation-id = true
//! ```
//!
//! Each source has a gate of its own, so each has the rules of its own host, or of the first of its hosts where `{s}` names
//! several; of several rules that fit, the one that says most about the host counts, key by key. Headers go to their host
//! alone, and also where a redirect leads there. How often a tile is tried is no matter of a host, since its attempts may go to
//! several: there the preset of the first source counts.

use std::{fmt, fs, path::Path};

use clap::ValueEnum;
use tidegate::{
    config::{BadHostPattern, HostPattern, Overrides},
    transport::{
        HttpConfig,
        pooled::config::{ConfigError, HostHeaders},
    },
};
use toml::{Table, Value};

use crate::{
    args::{PresetArg, concurrency, rate, timeout},
    exit::Fatal,
};

/// The rules of a file, what says least first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hosts(Vec<(HostPattern, Rule)>);

/// What is said of a host.
#[derive(Clone, Default)]
pub(crate) struct Rule {
    pub(crate) preset: Option<PresetArg>,
    pub(crate) overrides: Overrides,
    /// Whether the host is ours, and may know the correlation ids.
    pub(crate) send_correlation_id: bool,
    headers: Vec<(String, String)>,
}

impl Hosts {
    /// Reads a file, if one is named.
    pub(crate) fn read(path: Option<&Path>) -> Result<Self, Fatal> {
        let Some(path) = path else { return Ok(Self::default()) };
        let unusable = |what: &dyn fmt::Display| Fatal::usage(format!("--config={}: {what}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| unusable(&format_args!("{error}; give a TOML file")))?;
        text.parse().map_err(|problem: Problem| unusable(&problem))
    }

    /// What is said of this host.
    pub(crate) fn rule(&self, host: &str) -> Rule {
        self.0.iter().filter(|(hosts, _)| hosts.matches(host)).fold(Rule::default(), |rule, (_, more)| Rule {
            preset: more.preset.or(rule.preset),
            overrides: Overrides {
                max_concurrency: more.overrides.max_concurrency.or(rule.overrides.max_concurrency),
                timeout: more.overrides.timeout.or(rule.overrides.timeout),
                rate: more.overrides.rate.or(rule.overrides.rate),
                ..Overrides::default()
            },
            send_correlation_id: more.send_correlation_id || rule.send_correlation_id,
            headers: Vec::new(),
        })
    }

    /// The headers of each host, for the client.
    pub(crate) fn headers(&self) -> Vec<HostHeaders> {
        let named = self.0.iter().filter(|(_, rule)| !rule.headers.is_empty());
        named.map(|(hosts, rule)| HostHeaders { hosts: hosts.clone(), headers: rule.headers.clone() }).collect()
    }

    /// How many rules there are.
    pub(crate) const fn count(&self) -> usize {
        self.0.len()
    }
}

/// Shows how many headers there are, and none of them: keys live there.
impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("preset", &self.preset)
            .field("overrides", &self.overrides)
            .field("send_correlation_id", &self.send_correlation_id)
            .field("headers", &self.headers.len())
            .finish()
    }
}

/// What is wrong with a file, and how to mend it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem(String);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Hosts {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let document: Table = text.parse().map_err(|error: toml::de::Error| {
            // Not the line itself, which the library would show: it may hold a key.
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            Problem(format!("line {}: {}", 1 + before.matches('\n').count(), error.message().replace('\n', ", ")))
        })?;
        if let Some(key) = document.keys().find(|key| *key != HOSTS) {
            return Err(Problem(format!("{key}: not a key of this file; everything belongs to a host, {EXAMPLE}")));
        }
        let Some(hosts) = document.get(HOSTS) else { return Ok(Self::default()) };
        let hosts =
            hosts.as_table().ok_or_else(|| Problem(format!("{HOSTS}: not a table; give one a host, {EXAMPLE}")))?;
        let mut rules = hosts.iter().map(|(host, rule)| read_rule(host, rule)).collect::<Result<Vec<_>, _>>()?;
        rules.sort_by(|(one, _), (other, _)| one.cmp(other));
        if let Some([(twice, _), _]) = rules.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(Problem(format!("hosts.\"{twice}\": there twice, in other letters; leave one of them")));
        }
        Ok(Self(rules))
    }
}

fn read_rule(host: &str, rule: &Value) -> Result<(HostPattern, Rule), Problem> {
    let hosts = host.parse().map_err(|error: BadHostPattern| Problem(format!("hosts.\"{host}\": {error}")))?;
    let table =
        rule.as_table().ok_or_else(|| Problem(format!("hosts.\"{host}\": not a table; give one, {EXAMPLE}")))?;
    let mut rule = Rule::default();
    for (key, value) in table {
        let named = format!("hosts.\"{host}\".{key}");
        let read = Key { named: &named, value };
        match key.as_str() {
            "preset" => rule.preset = Some(read.as_text(preset)?),
            "rate" => rule.overrides.rate = Some(read.as_text(rate)?),
            "max-concurrency" => rule.overrides.max_concurrency = Some(read.as_text(concurrency)?),
            "timeout" => rule.overrides.timeout = Some(read.as_text(timeout)?),
            "send-correlation-id" => rule.send_correlation_id = read.as_bool()?,
            "headers" => rule.headers = read.as_headers(&hosts)?,
            _ => return Err(Problem(format!("{named}: not a key of a host; give {KEYS}"))),
        }
    }
    Ok((hosts, rule))
}

/// A key of a host, and what is given for it.
struct Key<'a> {
    named: &'a str,
    value: &'a Value,
}

impl Key<'_> {
    /// Reads text, or a number as if it were text.
    fn as_text<T>(&self, read: impl Fn(&str) -> Result<T, String>) -> Result<T, Problem> {
        let text = match self.value {
            Value::String(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            other => {
                return Err(Problem(format!("{}: {}; give text or a number", self.named, what(other))));
            }
        };
        read(&text).map_err(|problem| Problem(format!("{}={text}: {problem}", self.named)))
    }

    fn as_bool(&self) -> Result<bool, Problem> {
        let why = || Problem(format!("{}: {}; give true or false", self.named, what(self.value)));
        self.value.as_bool().ok_or_else(why)
    }

    /// Names and values; no message shows a value.
    fn as_headers(&self, hosts: &HostPattern) -> Result<Vec<(String, String)>, Problem> {
        if hosts.is_all() {
            let fix = "they would go wherever a redirect leads; name the host, or give --header";
            return Err(Problem(format!("{}: {fix}", self.named)));
        }
        let table = self.value.as_table().ok_or_else(|| {
            Problem(format!(
                "{}: {}; give names and values, as in {{ X-Api-Key = \"…\" }}",
                self.named,
                what(self.value)
            ))
        })?;
        let header = |(name, value): (&String, &Value)| {
            let bad = |why: &str| Problem(format!("{}.{name}: {why}", self.named));
            let value = value.as_str().ok_or_else(|| bad("not text; put the value in quotes"))?;
            let headers = vec![(name.clone(), value.to_owned())];
            match (HttpConfig { headers, ..HttpConfig::default() }).validate() {
                Ok(()) => Ok((name.clone(), value.to_owned())),
                Err(ConfigError::Header { reason, .. }) => {
                    Err(bad(&format!("cannot be sent, {reason}; leave it out, or correct it")))
                }
                Err(error) => Err(bad(&error.to_string())),
            }
        };
        table.iter().map(header).collect()
    }
}

fn what(value: &Value) -> String {
    let article = if value.type_str().starts_with(['a', 'i']) { "an" } else { "a" };
    format!("{article} {}", value.type_str())
}

fn preset(name: &str) -> Result<PresetArg, String> {
    PresetArg::from_str(name, false).map_err(|_| {
        let known = PresetArg::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        let known: Vec<String> = known.map(|value| value.get_name().to_owned()).collect();
        format!("not a preset; give one of {}", known.join(", "))
    })
}

const HOSTS: &str = "hosts";
const KEYS: &str = "preset, rate, max-concurrency, timeout, headers or send-correlation-id";
const EXAMPLE: &str = "as in [hosts.\"tiles.example.org\"]";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tidegate_core::rate::Rate;

    use super::*;

    fn hosts(text: &str) -> Hosts {
        text.parse().unwrap_or_else(|problem| panic!("{problem} in {text}"))
    }

    fn refused(text: &str) -> String {
        text.parse::<Hosts>().expect_err(text).to_string()
    }

    #[test]
    fn what_says_most_about_a_host_counts_key_by_key() {
        let hosts = hosts(
            r#"
            [hosts."tiles.example.org"]
            rate = "5/s"
            headers = { X-Api-Key = "k3y" }
            [hosts."*"]
            rate = 50
            max-concurrency = 8
            timeout = 2.5
            [hosts."*.example.org"]
            max-concurrency = "2"
            preset = "polite"
            "#,
        );
        let Rule { preset, overrides, .. } = hosts.rule("Tiles.example.org.");
        assert_eq!(preset, Some(PresetArg::Polite));
        assert_eq!(
            overrides,
            Overrides {
                rate: Some(Rate::per_second(5)),
                max_concurrency: Some(2),
                timeout: Some(Duration::from_millis(2_500)),
                ..Overrides::default()
            }
        );
        let other = hosts.rule("127.0.0.1");
        assert_eq!((other.preset, other.overrides.rate), (None, Some(Rate::per_second(50))));
        let headers = hosts.headers();
        assert_eq!(headers.len(), 1);
        assert!(headers[0].hosts.matches("tiles.example.org") && !headers[0].hosts.matches("a.example.org"));
        assert!(!format!("{hosts:?}").contains("k3y"));
    }

    #[test]
    fn what_is_wrong_is_named_with_key_value_and_fix() {
        for (text, parts) in [
            ("rate = 5", ["rate: not a key of this file", "[hosts.\"tiles.example.org\"]"]),
            ("hosts = 5", ["hosts: not a table", "[hosts.\"tiles.example.org\"]"]),
            ("[hosts]\nx = 5", ["hosts.\"x\": not a table", "[hosts.\"tiles.example.org\"]"]),
            ("[hosts.\"http://a\"]", ["hosts.\"http://a\": not the name of a host", "\"*.example.org\""]),
            ("[hosts.a]\nrate = \"5/week\"", ["hosts.\"a\".rate=5/week: not a rate", "50/s, 600/m, 5000/h"]),
            ("[hosts.a]\nmax-concurrency = 0", ["hosts.\"a\".max-concurrency=0: out of range", "give 1 to 200"]),
            ("[hosts.a]\ntimeout = \"soon\"", ["hosts.\"a\".timeout=soon: not a span", "500ms, 10s, 2m"]),
            ("[hosts.a]\ntimeout = [5]", ["hosts.\"a\".timeout: an array", "give text or a number"]),
            ("[hosts.a]\npreset = \"rude\"", ["hosts.\"a\".preset=rude: not a preset", "ancestor, bulk, polite, load"]),
            ("[hosts.a]\nretries = 5", ["hosts.\"a\".retries: not a key of a host", "give preset, rate,"]),
            (
                "[hosts.a]\nsend-correlation-id = 1",
                ["hosts.\"a\".send-correlation-id: an integer", "give true or false"],
            ),
            ("[hosts.a]\nheaders = 5", ["hosts.\"a\".headers: an integer", "{ X-Api-Key = \"…\" }"]),
            ("[hosts.a]\nheaders = { Host = \"b\" }", ["hosts.\"a\".headers.Host: cannot be sent", "leave it out"]),
            ("[hosts.\"*\"]\nheaders = { X = \"b\" }", ["hosts.\"*\".headers: they would go", "give --header"]),
            ("[hosts.a]\n[hosts.A]", ["hosts.\"a\": there twice", "leave one"]),
        ] {
            let said = refused(text);
            assert!(parts.iter().all(|part| said.contains(part)), "{text}: {said}");
        }
    }

    #[test]
    fn no_message_shows_what_may_be_a_key() {
        for text in [
            "[hosts.a]\n\nheaders = { X-Api-Key = \"s3cret }",
            "[hosts.a]\nheaders = { X-Api-Key = \"s3cret\\n\" }",
            "[hosts.a]\nheaders = \"s3cret\"",
            "[hosts.a]\nheaders = { X-Api-Key = [\"s3cret\"] }",
        ] {
            let said = refused(text);
            assert!(!said.contains("s3cret") && !said.is_empty(), "{text}: {said}");
        }
        assert!(refused("[hosts.a]\n\nheaders = { X = \"s }").starts_with("line 3: "));
    }
}
