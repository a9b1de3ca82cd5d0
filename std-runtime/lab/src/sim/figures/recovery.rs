//! Whether a fleet came back to what it had, and when.
//!
//! A fleet is back when its answers come as they usually did **and keep coming so to the end**. A backlog that is served in
//! a burst when an outage ends looks like a recovery for a moment, and so does the calm between two overloads; therefore
//! the last relapse counts, not the first good moment:
//!
//! - *Disturbed* it is by what befalls itself or a server that it calls.
//! - *Usual* is its mean of answers per step in the second half of the time before its first disturbance.
//! - It is judged in *windows* of ten steps, or as many more as usually bring a hundred answers: in fewer, chance decides.
//! - A window is *low* if it has less than nine tenths of what is usual, unless chance explains it: unless it is within four
//!   standard deviations of a count without memory, or was as low before anything was disturbed.
//! - *Recovered* it is from the first window on, after its last disturbance, that is not low and that no low one follows.
//!
//! It is watched until the run ends or it stops calling. Where that leaves less than a window after its last disturbance
//! nothing can be seen, which is something else than not to recover.

use std::time::Duration;

use serde::Serialize;

use crate::sim::report::{FleetReport, Moment, Report};
use crate::sim::world::{Fleet, Traffic, World};

/// How a fleet came back to what it had.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Recovery {
    /// There is nothing to come back to.
    NotApplicable {
        /// Why.
        why: NoBaseline,
    },
    /// The run ends, or the fleet stops calling, too soon after its last disturbance.
    NotObservable,
    /// Its last window is low.
    Never,
    /// So long after its last disturbance ended, to a step of the timeline.
    After {
        /// In seconds.
        after_s: f64,
    },
}

/// Why there is nothing to come back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoBaseline {
    /// Nothing befalls the fleet or a server that it calls.
    Undisturbed,
    /// No call was answered before the first disturbance.
    NothingBefore,
    /// Its clients make so many calls and no more: fewer answers are no sign of trouble.
    CallsRunOut,
}

impl Recovery {
    pub(super) fn of(world: &World, report: &Report, fleet: &Fleet, came_of_it: &FleetReport) -> Self {
        let not_applicable = |why| Self::NotApplicable { why };
        let end = fleet.until.unwrap_or(world.length).min(world.length);
        let disturbances: Vec<_> = world.disturbances_of_fleet(fleet).into_iter().filter(|it| it.from < end).collect();
        let first = disturbances.iter().map(|it| it.from).min();
        let last = disturbances.iter().map(|it| it.until).max();
        let (Some(first), Some(last)) = (first, last) else { return not_applicable(NoBaseline::Undisturbed) };
        if let Traffic::Closed { calls: Some(_), .. } = fleet.traffic {
            return not_applicable(NoBaseline::CallsRunOut);
        }
        let begun = fleet.from.saturating_add(fleet.spread).min(first);
        let steps = &came_of_it.steps;
        let before = Answers::of(&steps[report.steps(begun + (first - begun) / 2, first)]);
        if before.total() == 0 {
            return not_applicable(NoBaseline::NothingBefore);
        }
        // Neither the step in which the disturbance ends nor a shorter one at the end can be compared.
        let (start, whole) = (report.first_step_after(last), report.steps(Duration::ZERO, end).end);
        let after = Answers::of(steps.get(start..whole).unwrap_or_default());
        let window = STEPS_MIN.max((ANSWERS_MIN * before.steps()).div_ceil(before.total()));
        if after.steps() < window {
            return Self::NotObservable;
        }
        let usual = (before.total() * window) as f64 / before.steps() as f64;
        let by_chance = usual - DEVIATIONS * usual.sqrt();
        let leanest = before.windows(window).min().unwrap_or(u64::MAX) as f64;
        let level = (SHARE * usual).min(by_chance).min(leanest);
        let windows = after.steps() - window + 1;
        match after.windows(window).zip(1..).filter(|(answers, _)| (*answers as f64) < level).last() {
            None => Self::After { after_s: 0.0 },
            Some((_, behind)) if behind == windows => Self::Never,
            Some((_, behind)) => Self::After { after_s: report.step.as_secs_f64() * behind as f64 },
        }
    }
}

/// Answers from the first step up to each.
struct Answers(Vec<u64>);

impl Answers {
    fn of(steps: &[Moment]) -> Self {
        let mut sum = 0;
        let up_to = steps.iter().map(|step| {
            sum += u64::from(step.answered());
            sum
        });
        Self([0].into_iter().chain(up_to).collect())
    }

    fn steps(&self) -> u64 {
        self.0.len() as u64 - 1
    }

    fn total(&self) -> u64 {
        self.0.last().copied().unwrap_or(0)
    }

    /// Of each so many steps that follow each other.
    fn windows(&self, steps: u64) -> impl Iterator<Item = u64> {
        self.0.iter().skip(steps as usize).zip(&self.0).map(|(up_to, before)| up_to - before)
    }
}

/// Of what is usual: what a user hardly notices.
const SHARE: f64 = 0.9;
/// Hundreds of windows are looked at; of them all one in some ten thousand is so low by chance.
const DEVIATIONS: f64 = 4.0;
const STEPS_MIN: u64 = 10;
/// So that four standard deviations leave most of them.
const ANSWERS_MIN: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mock::rules::Delay;
    use crate::sim::figures::Figures;
    use crate::sim::{Episode, Server};

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    /// One user that calls ten times a second.
    fn steady(name: &str, server: &str) -> Fleet {
        let think = Delay::Fixed(Duration::from_millis(100));
        Fleet { traffic: Traffic::Closed { users: 1, think, calls: None }, ..Fleet::new(name, server) }
    }

    fn recoveries(length_s: u64, servers: &[(&str, &str)], fleets: Vec<Fleet>) -> Vec<Recovery> {
        let servers = servers.iter().map(|(name, rules)| Server::new(name, rules).expect("good rules")).collect();
        let world = World { seed: 1, length: seconds(length_s), step: seconds(1), servers, fleets };
        Figures::of(&world, &world.run().expect("it runs")).fleets.iter().map(|fleet| fleet.recovery).collect()
    }

    fn alone(length_s: u64, rules: &str) -> Recovery {
        recoveries(length_s, &[("server", rules)], vec![steady("one", "server")])[0]
    }

    #[test]
    fn it_counts_from_the_end_of_the_outage() {
        let recovery = alone(60, "outage=20s..21s:503");
        let Recovery::After { after_s } = recovery else { panic!("{recovery:?}") };
        // The breaker is open for at most 5 s from the 16th failure on; the rate needs no time.
        assert!((0.0..=6.0).contains(&after_s), "{after_s} s");
    }

    #[test]
    fn a_run_that_ends_too_early_shows_nothing() {
        assert_eq!(alone(100, "outage=50s..92s:404"), Recovery::NotObservable, "8 s are no window");
        assert_eq!(alone(60, "outage=20s..60s:503"), Recovery::NotObservable, "nothing comes after it");
        let mut gone = steady("gone", "server");
        gone.until = Some(seconds(35));
        let recovery = recoveries(100, &[("server", "outage=20s..30s:503")], vec![gone])[0];
        assert_eq!(recovery, Recovery::NotObservable, "it calls for 5 s more");
    }

    #[test]
    fn what_stays_low_never_recovers_and_what_was_never_high_has_nothing_to_recover() {
        let fleet = Fleet { shares_gate: true, ..steady("one", "server") };
        let partition = Some((seconds(30), seconds(40)));
        let mut cut = fleet.clone();
        cut.link.partition = partition;
        cut.gate.attempt_timeout = seconds(120);
        (cut.gate.slow_after, cut.gate.lease, cut.deadline) = (seconds(120), seconds(240), seconds(300));
        // Its only user waits for an answer that was lost.
        assert_eq!(recoveries(100, &[("server", "")], vec![cut])[0], Recovery::Never);
        let nothing = Recovery::NotApplicable { why: NoBaseline::NothingBefore };
        assert_eq!(alone(60, "outage=0s..30s:503"), nothing);
        assert_eq!(alone(60, ""), Recovery::NotApplicable { why: NoBaseline::Undisturbed });
    }

    #[test]
    fn a_backlog_served_in_a_burst_is_no_recovery_while_another_overload_is_to_come() {
        let server = Server::new("server", "pool=8,service=lognormal:40ms/0.5,queue=50\noutage=200s..230s:503");
        let mut fleet = Fleet { clients: 200, ..Fleet::new("all", "server") };
        let rate = tidegate_core::rate::Rate { count: 3, period: seconds(4) };
        fleet.traffic = Traffic::Open { rate, even: false, surges: Vec::new() };
        let servers = vec![server.expect("good rules")];
        let world = World { seed: 1, length: seconds(600), step: seconds(1), servers, fleets: vec![fleet] };
        let report = world.run().expect("it runs");
        let answers = |from: usize, until: usize| {
            report.fleets[0].steps[from..until].iter().map(|step| step.answered()).sum::<u32>() / (until - from) as u32
        };
        let recovery = Figures::of(&world, &report).fleets[0].recovery;
        let Recovery::After { after_s } = recovery else { panic!("{recovery:?}") };
        assert!(answers(230, 240) >= answers(100, 200), "no burst: {}", answers(230, 240));
        assert!(after_s >= 20.0, "recovered after {after_s} s");
        let back = 230 + after_s as usize;
        assert!(answers(back, 600) * 10 >= answers(100, 200) * 9, "{} after {back} s", answers(back, 600));
        for relapse in (230..600 - 10).filter(|from| answers(*from, from + 10) * 10 < answers(100, 200) * 8) {
            assert!(relapse < back, "recovered at {back} s, and low again at {relapse} s");
        }
    }

    #[test]
    fn only_what_befalls_a_fleet_or_its_servers_disturbs_it() {
        let servers = [("mine", "outage=20s..25s:503"), ("other", "outage=30s..95s:503"), ("quiet", "")];
        let fleets = vec![steady("my", "mine"), steady("their", "other"), steady("calm", "quiet")];
        let [mine, theirs, calm] = recoveries(100, &servers, fleets)[..] else { panic!("three fleets") };
        assert!(matches!(mine, Recovery::After { .. }), "{mine:?}");
        assert_eq!(theirs, Recovery::NotObservable);
        assert_eq!(calm, Recovery::NotApplicable { why: NoBaseline::Undisturbed });
    }

    #[test]
    fn a_surge_of_a_neighbour_disturbs_whoever_shares_its_server() {
        let mut neighbour = Fleet::new("neighbour", "server");
        let rate = tidegate_core::rate::Rate::per_second(1);
        let surge = Episode { from: seconds(20), until: seconds(22), percent: 200 };
        neighbour.traffic = Traffic::Open { rate, even: true, surges: vec![surge] };
        let fleets = vec![steady("one", "server"), neighbour];
        assert_eq!(recoveries(60, &[("server", "")], fleets)[0], Recovery::After { after_s: 0.0 });
    }

    #[test]
    fn that_there_is_nothing_is_an_answer_and_that_one_may_not_ask_is_none() {
        assert_eq!(alone(60, "404=100%\noutage=20s..21s:500"), alone(60, "outage=20s..21s:500"));
        let nothing = Recovery::NotApplicable { why: NoBaseline::NothingBefore };
        assert_eq!(alone(60, "400=100%\noutage=20s..21s:500"), nothing);
    }

    #[test]
    fn calls_that_run_out_are_no_relapse() {
        let mut fleet = steady("one", "server");
        fleet.traffic = Traffic::Closed { users: 1, think: Delay::Fixed(Duration::from_millis(100)), calls: Some(400) };
        let recovery = recoveries(60, &[("server", "outage=20s..21s:503")], vec![fleet])[0];
        assert_eq!(recovery, Recovery::NotApplicable { why: NoBaseline::CallsRunOut });
    }

    #[test]
    fn chance_is_no_relapse() {
        for seed in 1..=20 {
            let mut fleet = Fleet::new("one", "server");
            let rate = tidegate_core::rate::Rate::per_second(12);
            fleet.traffic = Traffic::Open { rate, even: false, surges: Vec::new() };
            let servers = vec![Server::new("server", "outage=200s..201s:404").expect("good rules")];
            let world = World { seed, length: seconds(600), step: seconds(1), servers, fleets: vec![fleet] };
            let recovery = Figures::of(&world, &world.run().expect("it runs")).fleets[0].recovery;
            assert_eq!(recovery, Recovery::After { after_s: 0.0 }, "seed {seed}");
        }
    }
}
