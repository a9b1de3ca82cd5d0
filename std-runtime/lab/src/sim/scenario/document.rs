//! The shape of the file, and how it becomes a world.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

use super::parts::{self, Parts, Problem};
use super::values::{Flag, List, Tables, Text};
use super::{Preset, Scenario, ScenarioError, policy};
use crate::mock::rules::{Delay, Faults};
use crate::sim::{Fleet, Link, Restart, Server, Traffic, World};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Document {
    title: Option<Text>,
    seed: Option<Text>,
    length: Text,
    step: Option<Text>,
    #[serde(default, rename = "server")]
    servers: Tables<ServerTable>,
    #[serde(default, rename = "fleet")]
    fleets: Tables<FleetTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ServerTable {
    name: Text,
    #[serde(default)]
    rules: List,
    #[serde(default)]
    slow: List,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FleetTable {
    name: Text,
    servers: List,
    clients: Option<Text>,
    #[serde(default)]
    shared_gate: Flag,
    arrivals: Option<Text>,
    #[serde(default)]
    surges: List,
    users: Option<Text>,
    think: Option<Text>,
    calls: Option<Text>,
    from: Option<Text>,
    spread: Option<Text>,
    until: Option<Text>,
    round_trip: Option<Text>,
    loss: Option<Text>,
    partition: Option<Text>,
    #[serde(default)]
    restarts: List,
    deadline: Option<Text>,
    places: Option<Text>,
    preset: Option<Text>,
    attempts: Option<Text>,
    timeout: Option<Text>,
    slow_after: Option<Text>,
    backoff: Option<Text>,
    throttled: Option<Text>,
    patience: Option<Text>,
    rate: Option<Text>,
    limit: Option<Text>,
    budget: Option<Text>,
    breaker: Option<Text>,
}

impl Document {
    pub(super) fn scenario(self, presets: &[Preset<'_>]) -> Result<Scenario, ScenarioError> {
        let read = Reader { of: "the scenario".to_owned() };
        let title = read.option("title", self.title.as_ref(), String::new(), title)?;
        let length = read.value("length", &self.length.0, parts::span)?;
        // Whole seconds, and at most 600 of them: a picture that is neither crowded nor coarse.
        let usual = Duration::from_secs(length.as_secs().div_ceil(600).max(1)).min(length);
        let world = World {
            seed: read.count("seed", self.seed.as_ref(), 0, 0..=u64::MAX)?,
            length,
            step: read.option("step", self.step.as_ref(), usual, parts::span)?,
            servers: self.servers.0.iter().map(ServerTable::server).collect::<Result<_, _>>()?,
            fleets: self.fleets.0.iter().map(|table| table.fleet(presets)).collect::<Result<_, _>>()?,
        };
        Ok(Scenario { title, world })
    }
}

impl ServerTable {
    fn server(&self) -> Result<Server, ScenarioError> {
        let read = Reader { of: format!("server `{}`", shown(&self.name.0)) };
        let mut rules = Faults::default();
        let mut named: Vec<&str> = Vec::new();
        for rule in &self.rules.0 {
            let name = rule.split('=').next().unwrap_or_default().trim();
            read.value("rules", rule, |rule| match name {
                // The last of them would be the one that counts.
                _ if named.contains(&name) && name != "outage" => {
                    Err(format!("`{name}` is given twice; keep one of them"))
                }
                "seed" => Err("all that is drawn starts from the seed of the scenario; leave this one out".to_owned()),
                _ => rules.apply(rule).map_err(|error| error.to_string()),
            })?;
            named.push(name);
        }
        let slow = read.list("slow", &self.slow.0, parts::episode)?;
        Ok(Server { name: self.name.0.clone(), rules, slow })
    }
}

impl FleetTable {
    fn fleet(&self, presets: &[Preset<'_>]) -> Result<Fleet, ScenarioError> {
        let read = Reader { of: format!("fleet `{}`", shown(&self.name.0)) };
        let usual = Fleet::new(&self.name.0, "");
        let mut fleet = Fleet {
            servers: self.servers.0.clone(),
            clients: read.count("clients", self.clients.as_ref(), usual.clients, 1..=MILLION)?,
            shares_gate: self.shared_gate.0,
            traffic: self.traffic(&read)?,
            deadline: read.option("deadline", self.deadline.as_ref(), usual.deadline, parts::span)?,
            places: read.count("places", self.places.as_ref(), usual.places, 1..=MILLION)?,
            from: read.option("from", self.from.as_ref(), usual.from, parts::span)?,
            spread: read.option("spread", self.spread.as_ref(), usual.spread, parts::span)?,
            until: read.option("until", self.until.as_ref(), None, |text| parts::span(text).map(Some))?,
            link: self.link(&read)?,
            restarts: read.list("restarts", &self.restarts.0, restart)?,
            ..usual
        };
        self.apply_policy(&read, presets, &mut fleet)?;
        Ok(fleet)
    }

    fn traffic(&self, read: &Reader) -> Result<Traffic, ScenarioError> {
        let keys = |fix| Err(ScenarioError::Keys { of: read.of.clone(), fix });
        match (&self.arrivals, &self.users) {
            (None, None) => keys("nobody calls; give arrivals = \"50/s\" or users = 20"),
            (Some(_), Some(_)) => keys("both arrivals and users are given; give one of them"),
            (Some(_), None) if self.think.is_some() || self.calls.is_some() => {
                keys("think and calls belong to users; leave them out or give users instead of arrivals")
            }
            (None, Some(_)) if !self.surges.0.is_empty() => {
                keys("surges belong to arrivals; leave them out or give arrivals instead of users")
            }
            (Some(arrivals), None) => {
                let (rate, even) = read.value("arrivals", &arrivals.0, |text| {
                    let mut parts = Parts::of(text);
                    let (rate, even) = (parts::rate(parts.head)?, parts.has("even")?);
                    parts.end().map(|()| (rate, even))
                })?;
                Ok(Traffic::Open { rate, even, surges: read.list("surges", &self.surges.0, parts::episode)? })
            }
            (None, Some(users)) => {
                let users = read.count("users", Some(users), 1, 1..=MILLION)?;
                let calls = match &self.calls {
                    Some(_) => Some(read.count("calls", self.calls.as_ref(), 1, 1..=u64::MAX)?),
                    None => None,
                };
                let think = read.option("think", self.think.as_ref(), Delay::Fixed(Duration::ZERO), delay)?;
                Ok(Traffic::Closed { users, think, calls })
            }
        }
    }

    fn link(&self, read: &Reader) -> Result<Link, ScenarioError> {
        let Link { round_trip, loss_millionths, partition } = Link::PERFECT;
        Ok(Link {
            round_trip: read.option("round-trip", self.round_trip.as_ref(), round_trip, delay)?,
            loss_millionths: read.option("loss", self.loss.as_ref(), loss_millionths, parts::millionths)?,
            partition: read
                .option("partition", self.partition.as_ref(), partition, |text| parts::stretch(text).map(Some))?,
        })
    }

    fn apply_policy(&self, read: &Reader, presets: &[Preset<'_>], fleet: &mut Fleet) -> Result<(), ScenarioError> {
        let named: Vec<_> = presets.iter().map(|preset| (preset.name, *preset)).collect();
        let preset = match &self.preset {
            Some(Text(name)) => Some(read.value("preset", name, |name| parts::one_of(name, &named))?),
            None => presets.iter().find(|preset| preset.name == "bulk").or(presets.first()).copied(),
        };
        let (mut gate, mut call) = preset.map_or((fleet.gate, fleet.call), |preset| (preset.gate, preset.call));
        call.attempts = read.count("attempts", self.attempts.as_ref(), call.attempts, 1..=u8::MAX)?;
        let backoff = |preset| move |text: &str| policy::backoff(text, preset);
        call.backoff = read.option("backoff", self.backoff.as_ref(), call.backoff, backoff(call.backoff))?;
        call.throttled = read.option("throttled", self.throttled.as_ref(), call.throttled, backoff(call.throttled))?;
        call.patience = read.option("patience", self.patience.as_ref(), call.patience, |text| match text {
            "deadline" => Ok(None),
            _ => parts::span(text).map(Some).map_err(|problem| format!("{problem}; or deadline")),
        })?;
        if let Some(Text(timeout)) = &self.timeout {
            let range = policy::MILLISECOND..=policy::DAYS_49 / 2;
            gate.attempt_timeout = read.value("timeout", timeout, |text| parts::span_within(text, range))?;
            gate.slow_after = gate.attempt_timeout;
            gate.lease = gate.attempt_timeout.saturating_mul(2);
        }
        gate.slow_after = read.option("slow-after", self.slow_after.as_ref(), gate.slow_after, |text| {
            parts::span_within(text, policy::MILLISECOND..=gate.attempt_timeout)
                .map_err(|problem| format!("{problem}, or raise timeout, after which an attempt is given up"))
        })?;
        gate.rate = read.option("rate", self.rate.as_ref(), gate.rate, policy::rate)?;
        gate.limit = read.option("limit", self.limit.as_ref(), gate.limit, policy::limit)?;
        gate.budget = read.option("budget", self.budget.as_ref(), gate.budget, policy::budget)?;
        gate.breaker = read.option("breaker", self.breaker.as_ref(), gate.breaker, policy::breaker)?;
        (fleet.gate, fleet.call) = (gate, call);
        Ok(())
    }
}

/// Reads values and says whose they are.
struct Reader {
    of: String,
}

impl Reader {
    fn value<T>(
        &self,
        key: &'static str,
        text: &str,
        read: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Result<T, ScenarioError> {
        read(text).map_err(|problem| {
            let (of, value, problem) = (self.of.clone(), text.to_owned(), shown(&problem));
            ScenarioError::Value { of, key, value, problem }
        })
    }

    fn option<T>(
        &self,
        key: &'static str,
        text: Option<&Text>,
        otherwise: T,
        read: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Result<T, ScenarioError> {
        text.map_or(Ok(otherwise), |Text(text)| self.value(key, text, read))
    }

    fn count<T: FromStr + PartialOrd + Display>(
        &self,
        key: &'static str,
        text: Option<&Text>,
        otherwise: T,
        range: RangeInclusive<T>,
    ) -> Result<T, ScenarioError> {
        self.option(key, text, otherwise, |text| parts::count(text, range))
    }

    fn list<T>(
        &self,
        key: &'static str,
        texts: &[String],
        read: impl Fn(&str) -> Result<T, Problem>,
    ) -> Result<Vec<T>, ScenarioError> {
        texts.iter().map(|text| self.value(key, text, &read)).collect()
    }
}

fn delay(text: &str) -> Result<Delay, Problem> {
    text.parse().map_err(|error: crate::mock::rules::RuleError| error.to_string())
}

/// `60s,down=5s,restores`.
fn restart(text: &str) -> Result<Restart, Problem> {
    let mut parts = Parts::of(text);
    let at = parts::span(parts.head)?;
    let down = parts.take("down", Duration::from_secs(1), parts::span)?;
    let restores = parts.has("restores")?;
    parts.end().map(|()| Restart { at, down, restores })
}

fn title(text: &str) -> Result<String, Problem> {
    match text.contains(char::is_control) {
        false => Ok(text.to_owned()),
        true => Err("it is one line, and a terminal would obey it; leave out control characters".to_owned()),
    }
}

/// As part of an error, which goes to a terminal.
fn shown(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

const MILLION: u32 = 1_000_000;
