//! The shape of the file, and how it becomes a world.

use std::time::Duration;

use serde::Deserialize;

use super::parts::{self, Parts, Problem, Text};
use super::{Preset, Scenario, ScenarioError, policy};
use crate::mock::rules::{Delay, Faults};
use crate::sim::{Fleet, Link, Restart, Server, Traffic, World};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Document {
    title: Option<String>,
    #[serde(default)]
    seed: u64,
    length: String,
    step: Option<String>,
    #[serde(default, rename = "server")]
    servers: Vec<ServerTable>,
    #[serde(default, rename = "fleet")]
    fleets: Vec<FleetTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ServerTable {
    name: String,
    #[serde(default)]
    rules: Vec<String>,
    #[serde(default)]
    slow: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FleetTable {
    name: String,
    servers: Vec<String>,
    clients: Option<u32>,
    #[serde(default)]
    shared_gate: bool,
    arrivals: Option<String>,
    #[serde(default)]
    surges: Vec<String>,
    users: Option<u32>,
    think: Option<String>,
    calls: Option<u64>,
    from: Option<String>,
    spread: Option<String>,
    until: Option<String>,
    round_trip: Option<String>,
    loss: Option<String>,
    partition: Option<String>,
    #[serde(default)]
    restarts: Vec<String>,
    deadline: Option<String>,
    places: Option<u32>,
    preset: Option<String>,
    attempts: Option<u8>,
    timeout: Option<String>,
    slow_after: Option<String>,
    backoff: Option<String>,
    throttled: Option<String>,
    patience: Option<String>,
    rate: Option<String>,
    limit: Option<Text>,
    budget: Option<String>,
    breaker: Option<String>,
}

impl Document {
    pub(super) fn scenario(self, presets: &[Preset<'_>]) -> Result<Scenario, ScenarioError> {
        let read = Reader { of: "the scenario".to_owned() };
        let length = read.value("length", &self.length, parts::span)?;
        // Whole seconds, and at most 600 of them: a picture that is neither crowded nor coarse.
        let usual = Duration::from_secs(length.as_secs().div_ceil(600).max(1)).min(length);
        let world = World {
            seed: self.seed,
            length,
            step: read.option("step", self.step.as_ref(), usual, parts::span)?,
            servers: self.servers.iter().map(ServerTable::server).collect::<Result<_, _>>()?,
            fleets: self.fleets.iter().map(|table| table.fleet(presets)).collect::<Result<_, _>>()?,
        };
        Ok(Scenario { title: self.title.unwrap_or_default(), world })
    }
}

impl ServerTable {
    fn server(&self) -> Result<Server, ScenarioError> {
        let read = Reader { of: format!("server `{}`", self.name) };
        let mut rules = Faults::default();
        for rule in &self.rules {
            read.value("rules", rule, |rule| rules.apply(rule).map_err(|error| error.to_string()))?;
        }
        let slow = read.list("slow", &self.slow, parts::episode)?;
        Ok(Server { name: self.name.clone(), rules, slow })
    }
}

impl FleetTable {
    fn fleet(&self, presets: &[Preset<'_>]) -> Result<Fleet, ScenarioError> {
        let read = Reader { of: format!("fleet `{}`", self.name) };
        let usual = Fleet::new(&self.name, "");
        let mut fleet = Fleet {
            servers: self.servers.clone(),
            clients: self.clients.unwrap_or(usual.clients),
            shares_gate: self.shared_gate,
            traffic: self.traffic(&read)?,
            deadline: read.option("deadline", self.deadline.as_ref(), usual.deadline, parts::span)?,
            places: self.places.unwrap_or(usual.places),
            from: read.option("from", self.from.as_ref(), usual.from, parts::span)?,
            spread: read.option("spread", self.spread.as_ref(), usual.spread, parts::span)?,
            until: read.option("until", self.until.as_ref(), None, |text| parts::span(text).map(Some))?,
            link: self.link(&read)?,
            restarts: read.list("restarts", &self.restarts, restart)?,
            ..usual
        };
        self.apply_policy(&read, presets, &mut fleet)?;
        Ok(fleet)
    }

    fn traffic(&self, read: &Reader) -> Result<Traffic, ScenarioError> {
        let keys = |fix| Err(ScenarioError::Keys { of: read.of.clone(), fix });
        match (&self.arrivals, self.users) {
            (None, None) => keys("nobody calls; give arrivals = \"50/s\" or users = 20"),
            (Some(_), Some(_)) => keys("both arrivals and users are given; give one of them"),
            (Some(_), None) if self.think.is_some() || self.calls.is_some() => {
                keys("think and calls belong to users; leave them out or give users instead of arrivals")
            }
            (None, Some(_)) if !self.surges.is_empty() => {
                keys("surges belong to arrivals; leave them out or give arrivals instead of users")
            }
            (Some(arrivals), None) => {
                let (rate, even) = read.value("arrivals", arrivals, |text| {
                    let mut parts = Parts::of(text);
                    let (rate, even) = (parts::rate(parts.head)?, parts.has("even"));
                    parts.end().map(|()| (rate, even))
                })?;
                Ok(Traffic::Open { rate, even, surges: read.list("surges", &self.surges, parts::episode)? })
            }
            (None, Some(users)) => {
                let think = read.option("think", self.think.as_ref(), Delay::Fixed(Duration::ZERO), delay)?;
                Ok(Traffic::Closed { users, think, calls: self.calls })
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
            Some(name) => Some(read.value("preset", name, |name| parts::one_of(name, &named))?),
            None => presets.iter().find(|preset| preset.name == "bulk").or(presets.first()).copied(),
        };
        let (mut gate, mut call) = preset.map_or((fleet.gate, fleet.call), |preset| (preset.gate, preset.call));
        call.attempts = self.attempts.unwrap_or(call.attempts);
        let backoff = |preset| move |text: &str| policy::backoff(text, preset);
        call.backoff = read.option("backoff", self.backoff.as_ref(), call.backoff, backoff(call.backoff))?;
        call.throttled = read.option("throttled", self.throttled.as_ref(), call.throttled, backoff(call.throttled))?;
        call.patience = read.option("patience", self.patience.as_ref(), call.patience, |text| match text {
            "deadline" => Ok(None),
            _ => parts::span(text).map(Some).map_err(|problem| format!("{problem}; or deadline")),
        })?;
        if let Some(timeout) = &self.timeout {
            gate.attempt_timeout = read.value("timeout", timeout, parts::span)?;
            gate.slow_after = gate.attempt_timeout;
            gate.lease = gate.attempt_timeout.saturating_mul(2);
        }
        gate.slow_after = read.option("slow-after", self.slow_after.as_ref(), gate.slow_after, parts::span)?;
        gate.rate = read.option("rate", self.rate.as_ref(), gate.rate, policy::rate)?;
        gate.limit = read.option("limit", self.limit.as_ref().map(|Text(text)| text), gate.limit, policy::limit)?;
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
        read(text).map_err(|problem| ScenarioError::Value { of: self.of.clone(), key, value: text.to_owned(), problem })
    }

    fn option<T>(
        &self,
        key: &'static str,
        text: Option<&String>,
        otherwise: T,
        read: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Result<T, ScenarioError> {
        text.map_or(Ok(otherwise), |text| self.value(key, text, read))
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
    let restores = parts.has("restores");
    parts.end().map(|()| Restart { at, down, restores })
}
