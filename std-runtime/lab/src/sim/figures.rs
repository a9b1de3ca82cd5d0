//! What a run comes down to: the figures by which policies are compared.
//!
//! *Answered* is a call that got what it asked for, or learnt that there is nothing (404, 410, 204): both are what a map
//! needs, and both are a success to the core's breakers, budgets and limits. Goodput, fairness, latency and recovery count
//! answers. A refusal (401, 403, other 4xx) is final and no answer.
//!
#![doc = include_str!("figures/json.md")]

mod recovery;
mod timeline;

use serde::Serialize;

use super::report::{AttemptCounts, CallCounts, FleetReport, Report, Requests, ServerReport, Step};
use super::world::{Fleet, Server, World};
use crate::measure::percentile::Summary;

pub use recovery::{NoBaseline, Recovery};
pub use timeline::{FleetTimeline, ServerTimeline, Timeline};

/// The figures of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Of the world.
    pub seed: u64,
    /// Of the run.
    pub length_s: f64,
    /// How many events there were.
    pub events: u64,
    /// A hash of all that happened: two runs with the same one did the same.
    pub trace: String,
    /// In the order of the world.
    pub fleets: Vec<FleetFigures>,
    /// In the order of the world.
    pub servers: Vec<ServerFigures>,
}

/// What a fleet got, and at what price.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FleetFigures {
    /// Of the fleet.
    pub name: String,
    /// How its calls ended.
    pub calls: CallCounts,
    /// What came of its attempts.
    pub attempts: AttemptCounts,
    /// Calls that were answered, per second of the run.
    pub goodput_per_s: f64,
    /// Calls that succeeded, of those that began; absent where none began.
    pub success_share: Option<f64>,
    /// Attempts for each call that began: what retries add to the load. Absent where none began.
    pub amplification: Option<f64>,
    /// Attempts that were told to come back later, of all; absent where there were none.
    pub throttled_share: Option<f64>,
    /// How often a breaker opened.
    pub breaker_opened: u64,
    /// Jain's index of the clients' answers, from 1/n to 1; absent for a single client, and where none had any.
    pub fairness: Option<f64>,
    /// From the end of its last disturbance until things are as they were before the first, and stay so.
    pub recovery: Recovery,
    /// How long calls took that were answered, waiting and backing off included.
    pub latency_ms: Summary,
    /// How long their last attempts took.
    pub answer_latency_ms: Summary,
}

/// What a server went through.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServerFigures {
    /// Of the server.
    pub name: String,
    /// What came to it.
    pub requests: Requests,
    /// The most that arrived in one step of the timeline.
    pub peak_arrivals: u32,
    /// The same after the last disturbance of this server and of those who call it; absent where there was none, or nothing
    /// after it.
    pub peak_after: Option<u32>,
    /// How long such a step is.
    pub step_s: f64,
}

impl Figures {
    /// Of the run of this world.
    pub fn of(world: &World, report: &Report) -> Self {
        Self {
            seed: report.seed,
            length_s: report.length.as_secs_f64(),
            events: report.events,
            trace: format!("{:016x}", report.trace),
            fleets: zipped(&world.fleets, &report.fleets, |fleet, it| FleetFigures::of(world, report, fleet, it)),
            servers: zipped(&world.servers, &report.servers, |server, it| ServerFigures::of(world, report, server, it)),
        }
    }
}

impl FleetFigures {
    fn of(world: &World, report: &Report, config: &Fleet, fleet: &FleetReport) -> Self {
        let FleetReport { calls, attempts, .. } = fleet;
        Self {
            name: fleet.name.clone(),
            calls: *calls,
            attempts: *attempts,
            goodput_per_s: calls.answered() as f64 / report.length.as_secs_f64(),
            success_share: share(calls.succeeded, calls.offered),
            amplification: share(attempts.sent, calls.offered),
            throttled_share: share(attempts.throttled, attempts.sent),
            breaker_opened: fleet.opened,
            fairness: fleet.fairness().filter(|_| fleet.answered_by_client.len() > 1),
            recovery: Recovery::of(world, report, config, fleet),
            latency_ms: fleet.latency.summary(),
            answer_latency_ms: fleet.answer_latency.summary(),
        }
    }
}

impl ServerFigures {
    fn of(world: &World, report: &Report, config: &Server, server: &ServerReport) -> Self {
        let peak = |steps: &[Step]| steps.iter().map(|step| step.arrived).max().unwrap_or(0);
        let last = world.disturbances_of_server(config).iter().map(|it| it.until).max();
        let after = last.map(|last| &server.steps[report.first_step_after(last)..]);
        Self {
            name: server.name.clone(),
            requests: server.requests,
            peak_arrivals: peak(&server.steps),
            peak_after: after.filter(|after| !after.is_empty()).map(peak),
            step_s: report.step.as_secs_f64(),
        }
    }
}

fn zipped<C, R, F>(configs: &[C], reports: &[R], figures: impl Fn(&C, &R) -> F) -> Vec<F> {
    configs.iter().zip(reports).map(|(config, report)| figures(config, report)).collect()
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::mock::rules::Delay;
    use crate::sim::{Fleet, Server, Traffic};

    /// One user that calls ten times a second for a minute.
    fn figures(rules: &str) -> Figures {
        let mut fleet = Fleet::new("one", "server");
        let think = Delay::Fixed(Duration::from_millis(100));
        fleet.traffic = Traffic::Closed { users: 1, think, calls: None };
        let server = Server::new("server", rules).expect("good rules");
        let (length, step) = (Duration::from_secs(60), Duration::from_secs(1));
        let world = World { seed: 1, length, step, servers: vec![server], fleets: vec![fleet] };
        Figures::of(&world, &world.run().expect("it runs"))
    }

    #[test]
    fn a_quiet_run_is_told_in_round_numbers() {
        let figures = figures("");
        let fleet = &figures.fleets[0];
        assert_eq!((fleet.goodput_per_s, fleet.amplification, fleet.success_share), (10.0, Some(1.0), Some(1.0)));
        assert_eq!((fleet.throttled_share, fleet.fairness, fleet.breaker_opened), (Some(0.0), None, 0));
        assert_eq!(fleet.recovery, Recovery::NotApplicable { why: NoBaseline::Undisturbed });
        assert_eq!(figures.servers[0].peak_arrivals, 10);
    }

    #[test]
    fn a_peak_is_told_after_the_disturbances_of_its_own_server() {
        let after = |rules| figures(rules).servers[0].peak_after;
        assert_eq!(
            (after(""), after("outage=20s..60s:503")),
            (None, None),
            "nothing was disturbed, nothing was after it"
        );
        assert!(after("outage=20s..21s:503").is_some_and(|peak| peak >= 10));
    }

    #[test]
    fn that_there_is_nothing_is_an_answer() {
        let fleet = &figures("404=100%").fleets[0];
        assert_eq!((fleet.goodput_per_s, fleet.success_share), (10.0, Some(0.0)));
        assert!(fleet.latency_ms.p50.to_string() != "–", "{fleet:?}");
        assert_eq!(figures("400=100%").fleets[0].goodput_per_s, 0.0, "a refusal is none");
    }
}
