//! Settings that would silently do nothing: whoever wrote them would believe the figures of another world.

use std::time::Duration;

use super::world::{Fleet, Server, Traffic, World, WorldError};
use crate::mock::rules::RateHeaders;

impl World {
    /// Names that say something.
    pub(super) fn check_names(&self) -> Result<(), WorldError> {
        named("server", self.servers.iter().map(|server| &server.name))?;
        named("fleet", self.fleets.iter().map(|fleet| &fleet.name))
    }

    /// Settings that do something.
    pub(super) fn check_effects(&self) -> Result<(), WorldError> {
        self.servers.iter().try_for_each(|server| server.check_effects(self.length))?;
        self.fleets.iter().try_for_each(|fleet| fleet.check_effects(self.length))
    }
}

impl Server {
    fn check_effects(&self, length: Duration) -> Result<(), WorldError> {
        let idle = |setting: String, fix: &str| idle(format!("server `{}`", self.name), setting, fix);
        let rules = &self.rules;
        if !self.slow.is_empty() && rules.pool.is_none() {
            return idle(
                "slow without a pool".to_owned(),
                "it is its work that is slow; add a rule like pool=4,service=20ms",
            );
        }
        if rules.seed != 0 {
            return idle(
                format!("the rule seed={}", rules.seed),
                "all that is drawn starts from the seed of the world; set that",
            );
        }
        if let Some(rate) = rules.rate
            && rate.headers != RateHeaders::None
        {
            return idle(format!("the rule rate={rate}"), "answers have no header fields here; leave out headers");
        }
        let begin = within(&idle, length);
        rules.outages.iter().try_for_each(|outage| begin("an outage", outage.from))?;
        self.slow.iter().try_for_each(|episode| begin("a slow time", episode.from))
    }
}

impl Fleet {
    fn check_effects(&self, length: Duration) -> Result<(), WorldError> {
        let idle = |setting: String, fix: &str| idle(format!("fleet `{}`", self.name), setting, fix);
        let mut others = self.servers.iter().enumerate();
        if let Some((_, twice)) = others.find(|(index, server)| self.servers[..*index].contains(server)) {
            return idle(format!("`{twice}` a second time in servers"), "name each server once");
        }
        let begin = within(&idle, length);
        begin("from: the fleet", self.from)?;
        match &self.traffic {
            Traffic::Open { surges, .. } => surges.iter().try_for_each(|surge| begin("a surge", surge.from))?,
            Traffic::Closed { calls: Some(0), .. } => {
                return idle("calls = 0".to_owned(), "give at least 1, or leave it out for calls without end");
            }
            Traffic::Closed { .. } => {}
        }
        self.link.partition.map_or(Ok(()), |(from, _)| begin("a partition", from))?;
        let mut restarts: Vec<_> = self.restarts.iter().map(|it| (it.at, it.at.saturating_add(it.down))).collect();
        restarts.iter().try_for_each(|(at, _)| begin("a restart", *at))?;
        restarts.sort_unstable();
        match restarts.windows(2).find(|pair| pair[1].0 < pair[0].1) {
            None => Ok(()),
            Some(pair) => {
                let setting = format!("the restart at {:?}", pair[1].0);
                idle(setting, &format!("the power is gone until {:?}; restart later", pair[0].1))
            }
        }
    }
}

fn idle(of: String, setting: String, fix: &str) -> Result<(), WorldError> {
    Err(WorldError::Idle { of, setting, fix: fix.to_owned() })
}

/// Checks that something begins before the run ends.
fn within(
    idle: &impl Fn(String, &str) -> Result<(), WorldError>,
    length: Duration,
) -> impl Fn(&str, Duration) -> Result<(), WorldError> {
    move |what, from| {
        if from < length {
            return Ok(());
        }
        let fix = format!("the run ends after {length:?}; let it begin earlier or lengthen the run");
        idle(format!("{what} that begins at {from:?}"), &fix)
    }
}

fn named<'a>(what: &str, names: impl Iterator<Item = &'a String>) -> Result<(), WorldError> {
    for (name, number) in names.zip(1..) {
        let fix = if name.trim().is_empty() {
            "give it a name"
        } else if name.contains(char::is_control) {
            "a terminal would obey it; leave out control characters"
        } else {
            continue;
        };
        let value = format!("{name:?}");
        return Err(WorldError::Range { of: format!("{what} {number}"), field: "name", value, fix });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{Episode, Restart};
    use tidegate_core::rate::Rate;

    const LENGTH: Duration = Duration::from_secs(600);

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn told(change: impl FnOnce(&mut World)) -> String {
        let server = Server::new("tiles", "pool=4,service=20ms").expect("good rules");
        let (servers, fleets) = (vec![server], vec![Fleet::new("cars", "tiles")]);
        let mut world = World { seed: 1, length: LENGTH, step: seconds(1), servers, fleets };
        change(&mut world);
        world.run().map_or_else(|error| error.to_string(), |_| "it runs".to_owned())
    }

    fn rules(rules: &str) -> String {
        told(|world| world.servers[0].rules = rules.parse().expect("good rules"))
    }

    fn surge(from_s: u64, until_s: u64) -> Episode {
        Episode { from: seconds(from_s), until: seconds(until_s), percent: 300 }
    }

    #[test]
    fn what_would_do_nothing_is_refused() {
        let late = ["begins at 600s", "the run ends after 600s", "let it begin earlier or lengthen the run"];
        let check = |error: String, parts: &[&str]| {
            parts.iter().for_each(|part| assert!(error.contains(part), "{part:?} is missing in: {error}"));
        };
        check(rules("seed=7"), &["server `tiles`: the rule seed=7", "seed of the world"]);
        check(rules("rate=5/s,headers=draft"), &["rate=5/s", "headers=draft", "leave out headers"]);
        check(rules("rate=5/s,headers=legacy"), &["headers=legacy"]);
        check(rules("outage=600s..700s:503"), &[&["server `tiles`: an outage"][..], &late].concat());
        check(told(|world| world.servers[0].slow = vec![surge(600, 700)]), &[&["a slow time"][..], &late].concat());
        let without_pool = |world: &mut World| {
            world.servers[0].rules = Default::default();
            world.servers[0].slow = vec![surge(60, 70)];
        };
        check(told(without_pool), &["slow without a pool", "pool=4,service=20ms"]);
        let fleet = |change: fn(&mut Fleet)| told(|world| change(&mut world.fleets[0]));
        check(fleet(|fleet| fleet.servers.push("tiles".to_owned())), &["fleet `cars`: `tiles` a second time"]);
        check(fleet(|fleet| fleet.from = LENGTH), &[&["fleet `cars`: from"][..], &late].concat());
        let none = Traffic::Closed { users: 1, think: crate::mock::rules::Delay::Fixed(seconds(1)), calls: Some(0) };
        check(told(|world| world.fleets[0].traffic = none), &["calls = 0", "at least 1"]);
        let surges = |fleet: &mut Fleet| {
            fleet.traffic = Traffic::Open { rate: Rate::per_second(1), even: true, surges: vec![surge(600, 700)] };
        };
        check(fleet(surges), &[&["a surge"][..], &late].concat());
        check(fleet(|fleet| fleet.link.partition = Some((LENGTH, LENGTH * 2))), &late);
        let restart = |at_s| Restart { at: seconds(at_s), down: seconds(10), restores: false };
        check(told(|world| world.fleets[0].restarts = vec![restart(600)]), &[&["a restart"][..], &late].concat());
        let twice = told(|world| world.fleets[0].restarts = vec![restart(69), restart(60)]);
        check(twice, &["the restart at 69s", "gone until 70s"]);
        assert_eq!(told(|world| world.fleets[0].restarts = vec![restart(60), restart(70)]), "it runs");
    }

    #[test]
    fn a_name_says_something_and_nothing_to_a_terminal() {
        for name in ["", " ", "\u{1b}[31mred", "two\nlines"] {
            for error in [
                told(|world| world.servers[0].name = name.to_owned()),
                told(|world| world.fleets[0].name = name.to_owned()),
            ] {
                assert!(error.contains(" 1: name is ") && !error.contains(char::is_control), "{error:?}");
            }
        }
    }
}
