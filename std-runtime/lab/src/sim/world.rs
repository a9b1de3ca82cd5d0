//! What is simulated, as plain data.

use std::time::Duration;

use tidegate_core::rate::Rate;
use tidegate_core::{CallConfig, CallError, CallPolicy, Gate, GateConfig, GateError};

use crate::mock::rules::{Delay, Fault, Faults, OutageKind, RuleError};

/// Servers, and fleets of clients that call them through their gates.
#[derive(Clone, Debug)]
pub struct World {
    /// Of all that is drawn.
    pub seed: u64,
    /// How long it is watched, 1 ms to a year.
    pub length: Duration,
    /// The step of the timeline: at most 100,000 of them in the length.
    pub step: Duration,
    /// At most 1,000, each with a name of its own.
    pub servers: Vec<Server>,
    /// At most 1,000, each with a name of its own.
    pub fleets: Vec<Fleet>,
}

/// A server. It follows the same rules as the [mock server](crate::mock), but for those about bodies and connections.
#[derive(Clone, Debug)]
pub struct Server {
    /// How fleets and reports call it.
    pub name: String,
    /// Latency, rate limit, pool of workers, outages and shares of faults. Without a pool everything is worked on at once.
    pub rules: Faults,
    /// When its pool works slower: what is done at 300 % takes three times as long. It is the work that is slow, as on a
    /// machine that has too much to do, and not the request: whatever is in work feels it from its beginning to its end,
    /// and what only waits its turn then does not.
    pub slow: Vec<Episode>,
}

/// Clients of one kind.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// How reports call it.
    pub name: String,
    /// How many clients there are, at least 1; at most 1,000,000 in the world.
    pub clients: u32,
    /// Whether all of them go through one gate for each server, or each has gates of its own.
    pub shares_gate: bool,
    /// The names of the servers: the one that is preferred, then those that answer in its place, at most 16. A call goes to
    /// the first that is not known to be down; a retry goes to the next.
    pub servers: Vec<String>,
    /// Of each gate.
    pub gate: GateConfig,
    /// Of each call.
    pub call: CallConfig,
    /// The time of a call, from its beginning.
    pub deadline: Duration,
    /// How many calls may wait at one gate, at least 1. One more ends at once.
    pub places: u32,
    /// When its clients call.
    pub traffic: Traffic,
    /// From when on they do.
    pub from: Duration,
    /// Each client begins at a random instant within this time.
    pub spread: Duration,
    /// From when on they begin no call any more.
    pub until: Option<Duration>,
    /// What lies between it and its servers.
    pub link: Link,
    /// When its clients lose their power, all at once.
    pub restarts: Vec<Restart>,
}

/// When a client calls.
#[derive(Clone, Debug)]
pub enum Traffic {
    /// Calls come whether the ones before are answered or not.
    Open {
        /// Of one client. At most a million a second of all clients together, surges included.
        rate: Rate,
        /// In even steps; otherwise without memory (a Poisson process).
        even: bool,
        /// When there are more or fewer: 300 % is three times the rate.
        surges: Vec<Episode>,
    },
    /// Each user waits for an answer, thinks and calls again.
    Closed {
        /// Of one client, at least 1; at most 1,000,000 in the world.
        users: u32,
        /// Between an answer and the next call; at least 1 ms where there was no answer, or it took no time.
        think: Delay,
        /// How many calls a client makes in all; no end where absent. What a loss of power interrupts is called again.
        calls: Option<u64>,
    },
}

/// What lies between a client and a server.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Of one exchange; half of it each way.
    pub round_trip: Delay,
    /// So many millionths of the exchanges are lost, on one way or the other.
    pub loss_millionths: u32,
    /// Nothing passes in this time: what is sent while it lasts is lost, and so is what was under way when it began,
    /// requests and answers alike.
    pub partition: Option<(Duration, Duration)>,
}

/// A stretch of time in which something is a percentage of what it is otherwise. Where two overlap the first counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Episode {
    /// When it begins.
    pub from: Duration,
    /// When it is over; later than `from`.
    pub until: Duration,
    /// Of the normal, 0 to 100,000.
    pub percent: u32,
}

/// A loss of power: what is in progress ends.
#[derive(Clone, Copy, Debug)]
pub struct Restart {
    /// When the power goes.
    pub at: Duration,
    /// For how long.
    pub down: Duration,
    /// Whether the gates are restored from their snapshots, or start fresh.
    pub restores: bool,
}

impl Link {
    /// No time, no loss.
    pub const PERFECT: Self = Self { round_trip: Delay::Fixed(Duration::ZERO), loss_millionths: 0, partition: None };

    /// Whether it is cut at any time of a journey.
    pub(super) fn is_cut(&self, sent_ns: u64, arrives_ns: u64) -> bool {
        let (sent, arrives) = (Duration::from_nanos(sent_ns), Duration::from_nanos(arrives_ns));
        self.partition.is_some_and(|(from, until)| sent < until && from <= arrives)
    }
}

impl Fleet {
    /// One client with the default gate and calls, one user that calls again and again within a minute each.
    pub fn new(name: &str, server: &str) -> Self {
        Self {
            name: name.to_owned(),
            clients: 1,
            shares_gate: false,
            servers: vec![server.to_owned()],
            gate: GateConfig::DEFAULT,
            call: CallConfig::DEFAULT,
            deadline: Duration::from_secs(60),
            places: 10_000,
            traffic: Traffic::Closed { users: 1, think: Delay::Fixed(Duration::ZERO), calls: None },
            from: Duration::ZERO,
            spread: Duration::ZERO,
            until: None,
            link: Link::PERFECT,
            restarts: Vec::new(),
        }
    }
}

impl Server {
    /// A server that follows these rules, one a line.
    ///
    /// # Errors
    /// Where a rule is none.
    pub fn new(name: &str, rules: &str) -> Result<Self, RuleError> {
        Ok(Self { name: name.to_owned(), rules: rules.parse()?, slow: Vec::new() })
    }
}

/// What is wrong with a [`World`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WorldError {
    /// A number or a time out of its range.
    #[error("{of}: {field} is {value}; {fix}")]
    Range {
        /// Which server or fleet, or the world.
        of: String,
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
        /// What to do.
        fix: &'static str,
    },
    /// A setting that would silently do nothing.
    #[error("{of}: {setting} would do nothing: {fix}")]
    Idle {
        /// Which server or fleet.
        of: String,
        /// What was set.
        setting: String,
        /// Why it does nothing, and what to do.
        fix: String,
    },
    /// More memory than a run may take.
    #[error(
        "the world takes {taken_mib} MiB, and may take at most {most_mib} MiB: it has {fleets} fleets with {steps} steps, \
         {gates} gates (of each client to each of its servers) and {users} users; make it fewer of them, or let clients \
         share their gates"
    )]
    Memory {
        /// What it would take.
        taken_mib: u128,
        /// The most that it may.
        most_mib: u128,
        /// Each with a timeline.
        fleets: u128,
        /// Of each timeline.
        steps: u128,
        /// Over all fleets.
        gates: u128,
        /// Over all fleets.
        users: u128,
    },
    /// Two of the same name.
    #[error("there are two called `{name}`; give each a name of its own")]
    TwoOfAName {
        /// The name.
        name: String,
    },
    /// A fleet calls a server that is not there.
    #[error("fleet `{fleet}` calls the server `{server}`, which is not there; write one of {known}")]
    NoSuchServer {
        /// The fleet.
        fleet: String,
        /// The server that it calls.
        server: String,
        /// Those that are there.
        known: String,
    },
    /// A rule that has no meaning without bodies or connections.
    #[error("server `{server}`: the simulator has no bodies, connections or single tiles; leave out the rule `{rule}`")]
    Rule {
        /// The server.
        server: String,
        /// The rule.
        rule: &'static str,
    },
    /// A server's rules.
    #[error("server `{server}`: {error}")]
    Rules {
        /// The server.
        server: String,
        /// What is wrong.
        error: RuleError,
    },
    /// A fleet's gate.
    #[error("fleet `{fleet}`: {error}")]
    Gate {
        /// The fleet.
        fleet: String,
        /// What is wrong.
        error: GateError,
    },
    /// A fleet's calls.
    #[error("fleet `{fleet}`: {error}")]
    Call {
        /// The fleet.
        fleet: String,
        /// What is wrong.
        error: CallError,
    },
}

impl World {
    /// Checks everything that the engine takes for granted, and gives the policy of each fleet's calls.
    pub(super) fn checked(&self) -> Result<Vec<CallPolicy>, WorldError> {
        let world = || "the world".to_owned();
        in_range(world, "length", self.length, (MILLISECOND, YEAR), "make it 1 ms to a year")?;
        in_range(world, "step", self.step, (MILLISECOND, self.length), "make it 1 ms to the length of the run")?;
        let steps = self.length.as_nanos().div_ceil(self.step.as_nanos());
        in_range(world, "length / step", steps, (1, 100_000), "at most 100000 steps: make the step longer")?;
        in_range(world, "number of servers", self.servers.len(), (1, 1_000), "describe 1 to 1000")?;
        in_range(world, "number of fleets", self.fleets.len(), (1, 1_000), "describe 1 to 1000")?;
        in_range(world, "number of clients", self.sum(|_| 1), (0, 1_000_000), "make it at most 1000000")?;
        let users = self.sum(|fleet| match fleet.traffic {
            Traffic::Open { .. } => 0,
            Traffic::Closed { users, .. } => u64::from(users),
        });
        in_range(world, "number of users", users, (0, 1_000_000), "make it at most 1000000")?;
        self.check_names()?;
        distinct(self.servers.iter().map(|server| &server.name))?;
        distinct(self.fleets.iter().map(|fleet| &fleet.name))?;
        self.servers.iter().try_for_each(Server::check)?;
        let policies = self.fleets.iter().map(|fleet| fleet.checked(self)).collect::<Result<_, _>>()?;
        self.check_effects()?;
        self.check_memory()?;
        Ok(policies)
    }

    fn sum(&self, of_each: impl Fn(&Fleet) -> u64) -> u64 {
        self.fleets.iter().map(|fleet| u64::from(fleet.clients).saturating_mul(of_each(fleet))).sum()
    }
}

impl Server {
    fn check(&self) -> Result<(), WorldError> {
        let Faults { seed: _, latency: _, bandwidth, rate: _, pool: _, connections, outages, script, tiles, shares } =
            &self.rules;
        let drips = |fault: &Fault| matches!(fault, Fault::Drip(_));
        let unheard = [
            ("bandwidth", bandwidth.is_some()),
            ("connections", connections.is_some()),
            ("script", script.is_some()),
            ("tile", !tiles.is_empty()),
            ("drip", shares.iter().any(|share| drips(&share.fault))),
            ("drip", outages.iter().any(|outage| matches!(&outage.kind, OutageKind::Every(fault) if drips(fault)))),
        ];
        if let Some((rule, _)) = unheard.into_iter().find(|(_, is_given)| *is_given) {
            return Err(WorldError::Rule { server: self.name.clone(), rule });
        }
        self.rules.validate().map_err(|error| WorldError::Rules { server: self.name.clone(), error })?;
        self.slow.iter().try_for_each(|episode| episode.check(|| format!("server `{}`", self.name)))
    }
}

impl Fleet {
    fn checked(&self, world: &World) -> Result<CallPolicy, WorldError> {
        let of = || format!("fleet `{}`", self.name);
        let no_time = Duration::ZERO;
        in_range(of, "clients", self.clients, (1, 1_000_000), "make it at least 1")?;
        in_range(of, "number of servers", self.servers.len(), (1, 16), "name 1 to 16")?;
        for server in &self.servers {
            if world.index_of(server).is_none() {
                let known: Vec<_> = world.servers.iter().map(|known| format!("`{}`", known.name)).collect();
                let (fleet, server, known) = (self.name.clone(), server.clone(), known.join(", "));
                return Err(WorldError::NoSuchServer { fleet, server, known });
            }
        }
        in_range(of, "deadline", self.deadline, (MILLISECOND, YEAR), "make it 1 ms to a year")?;
        in_range(of, "places", self.places, (1, 1_000_000), "make it 1 to 1000000")?;
        in_range(of, "from", self.from, (no_time, YEAR), "make it at most a year")?;
        in_range(of, "spread", self.spread, (no_time, YEAR), "make it at most a year")?;
        if let Some(until) = self.until {
            in_range(of, "until", until, (just_after(self.from), YEAR), "make it later than `from`, within a year")?;
        }
        in_range(of, "loss", self.link.loss_millionths, (0, 1_000_000), "make it at most all of them")?;
        if let Some((from, until)) = self.link.partition {
            in_range(of, "end of the partition", until, (just_after(from), YEAR), "make it later than its beginning")?;
        }
        for restart in &self.restarts {
            in_range(of, "restart", restart.at, (no_time, YEAR), "make it at most a year")?;
            in_range(of, "time without power", restart.down, (MILLISECOND, YEAR), "make it 1 ms to a year")?;
        }
        match &self.traffic {
            Traffic::Open { rate, even: _, surges } => {
                surges.iter().try_for_each(|episode| episode.check(of))?;
                self.check_arrivals(*rate, surges)?;
            }
            Traffic::Closed { users, .. } => in_range(of, "users", *users, (1, 1_000_000), "make it at least 1")?,
        }
        Gate::new(self.gate).map_err(|error| WorldError::Gate { fleet: self.name.clone(), error })?;
        CallPolicy::new(self.call).map_err(|error| WorldError::Call { fleet: self.name.clone(), error })
    }

    /// Time must pass from call to call: all clients together call at most as often as a gate could ever admit.
    fn check_arrivals(&self, rate: Rate, surges: &[Episode]) -> Result<(), WorldError> {
        let wrong = |fix| {
            let value = format!("{}/{:?}, {} clients", rate.count, rate.period, self.clients);
            Err(WorldError::Range { of: format!("fleet `{}`", self.name), field: "arrivals", value, fix })
        };
        // The longest gap between two calls is a year.
        if rate.count == 0 || rate.period > YEAR {
            return wrong("give a count of at least 1 in at most a year");
        }
        let percent_max = surges.iter().map(|surge| surge.percent).max().unwrap_or(0).max(100);
        // Below 2^32 · 2^20 · 2^17.
        let calls_percent = u128::from(rate.count) * u128::from(self.clients) * u128::from(percent_max);
        if calls_percent * 1_000 > rate.period.as_nanos() * 100 {
            return wrong("at most 1000000/s of all clients, surges included: lower the count or lengthen the period");
        }
        Ok(())
    }
}

impl World {
    /// Where in the list the server of this name is.
    pub(super) fn index_of(&self, server: &str) -> Option<u16> {
        // At most a thousand.
        self.servers.iter().position(|known| known.name == server).map(|index| index as u16)
    }
}

impl Episode {
    fn check(&self, of: impl Fn() -> String) -> Result<(), WorldError> {
        in_range(
            &of,
            "end of the episode",
            self.until,
            (just_after(self.from), YEAR),
            "make it later than its beginning",
        )?;
        in_range(&of, "percent of the episode", self.percent, (0, 100_000), "make it at most 100000 %")
    }

    /// The percentage at `now`, and how long it stays so.
    pub(super) fn at(episodes: &[Self], now: Duration) -> (u32, Duration) {
        let percent = episodes.iter().find(|it| (it.from..it.until).contains(&now)).map_or(100, |it| it.percent);
        let edges = episodes.iter().flat_map(|it| [it.from, it.until]);
        (percent, edges.filter(|edge| *edge > now).min().unwrap_or(Duration::MAX))
    }

    /// When work is done that is begun at `start` and takes so long at 100 %.
    pub(super) fn done_at(episodes: &[Self], start: Duration, work: Duration) -> Duration {
        let (mut at, mut left) = (start, work);
        loop {
            let (percent, change) = Self::at(episodes, at);
            // A minute of work, a thousand times as long.
            let done = at.saturating_add(left * percent / 100);
            if done <= change {
                return done;
            }
            // Not 0 %, at which it would be done. Down: what is left is rather a nanosecond more.
            left = left.saturating_sub((change - at) * 100 / percent);
            at = change;
        }
    }
}

/// The earliest end of what begins then.
fn just_after(beginning: Duration) -> Duration {
    beginning.saturating_add(Duration::from_nanos(1))
}

fn in_range<T: PartialOrd + std::fmt::Debug>(
    of: impl Fn() -> String,
    field: &'static str,
    value: T,
    (least, most): (T, T),
    fix: &'static str,
) -> Result<(), WorldError> {
    if least <= value && value <= most {
        return Ok(());
    }
    Err(WorldError::Range { of: of(), field, value: format!("{value:?}"), fix })
}

fn distinct<'a>(names: impl Iterator<Item = &'a String>) -> Result<(), WorldError> {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(WorldError::TwoOfAName { name: name.clone() });
        }
    }
    Ok(())
}

const MILLISECOND: Duration = Duration::from_millis(1);
const YEAR: Duration = Duration::from_secs(365 * 86_400);
