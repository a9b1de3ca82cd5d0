//! What a run comes down to: the figures by which policies are compared.

use std::time::Duration;

use serde::Serialize;

use super::report::{AttemptCounts, CallCounts, FleetReport, Moment, Report, Requests, ServerReport, Step};
use super::world::World;
use crate::measure::percentile::Summary;

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
    /// Calls that succeeded, per second of the run.
    pub goodput_per_s: f64,
    /// Calls that succeeded, of those that began; absent where none began.
    pub success_share: Option<f64>,
    /// Attempts for each call that began: what retries add to the load. Absent where none began.
    pub amplification: Option<f64>,
    /// Attempts that were told to come back later, of all; absent where there were none.
    pub throttled_share: Option<f64>,
    /// How often a breaker opened.
    pub breaker_opened: u64,
    /// Jain's index of the clients' successes, from 1/n to 1; absent for a single client.
    pub fairness: Option<f64>,
    /// From the end of the last disturbance until things are as they were before the first.
    pub recovery: Recovery,
    /// How long calls took that succeeded, waiting and backing off included.
    pub latency_ms: Summary,
    /// How long their last attempts took.
    pub answer_latency_ms: Summary,
}

/// How a fleet came back to what it had: to 90 % of the successes per second in the second half of the time before the
/// first disturbance, in ten steps of the timeline together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "is", content = "after_s")]
pub enum Recovery {
    /// Nothing was disturbed, or nothing was there before: there is nothing to come back to.
    NotApplicable,
    /// It did not until the run ended.
    Never,
    /// So many seconds after the last disturbance ended, to a step of the timeline.
    After(f64),
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
    /// The same after the last disturbance; absent where there was none.
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
            fleets: report.fleets.iter().map(|fleet| FleetFigures::of(world, report, fleet)).collect(),
            servers: report.servers.iter().map(|server| ServerFigures::of(world, report, server)).collect(),
        }
    }
}

impl FleetFigures {
    fn of(world: &World, report: &Report, fleet: &FleetReport) -> Self {
        let FleetReport { calls, attempts, .. } = fleet;
        Self {
            name: fleet.name.clone(),
            calls: *calls,
            attempts: *attempts,
            goodput_per_s: calls.succeeded as f64 / report.length.as_secs_f64(),
            success_share: share(calls.succeeded, calls.offered),
            amplification: share(attempts.sent, calls.offered),
            throttled_share: share(attempts.throttled, attempts.sent),
            breaker_opened: fleet.opened,
            fairness: (fleet.succeeded_by_client.len() > 1).then(|| fleet.fairness()),
            recovery: recovery(world, report, fleet),
            latency_ms: fleet.latency.summary(),
            answer_latency_ms: fleet.answer_latency.summary(),
        }
    }
}

impl ServerFigures {
    fn of(world: &World, report: &Report, server: &ServerReport) -> Self {
        let peak = |steps: &[Step]| steps.iter().map(|step| step.arrived).max().unwrap_or(0);
        let last = world.disturbances().iter().map(|it| it.until).max();
        Self {
            name: server.name.clone(),
            requests: server.requests,
            peak_arrivals: peak(&server.steps),
            peak_after: last.map(|last| peak(&server.steps[report.first_step_after(last)..])),
            step_s: report.step.as_secs_f64(),
        }
    }
}

fn recovery(world: &World, report: &Report, fleet: &FleetReport) -> Recovery {
    let disturbances = world.disturbances();
    let first = disturbances.iter().map(|it| it.from).min().unwrap_or(Duration::ZERO);
    let last = disturbances.iter().map(|it| it.until).max().unwrap_or(Duration::ZERO);
    let before = &fleet.steps[report.steps(first / 2, first)];
    let usual: u64 = before.iter().map(|step| u64::from(step.succeeded)).sum();
    if usual == 0 {
        return Recovery::NotApplicable;
    }
    // The step in which it ends is half disturbed.
    let start = report.first_step_after(last);
    let is_usual = |window: &[Moment]| {
        let succeeded: u64 = window.iter().map(|step| u64::from(step.succeeded)).sum();
        succeeded * before.len() as u64 * 10 >= usual * window.len() as u64 * 9
    };
    match fleet.steps[start..].windows(WINDOW).position(is_usual) {
        None => Recovery::Never,
        Some(steps) => Recovery::After((report.step * steps as u32).as_secs_f64()),
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Steps that are judged together: in one alone chance would decide.
const WINDOW: usize = 10;

#[cfg(test)]
mod tests {
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
        assert_eq!(fleet.recovery, Recovery::NotApplicable);
        assert_eq!(figures.servers[0].peak_arrivals, 10);
    }

    #[test]
    fn recovery_counts_from_the_end_of_the_outage() {
        let figures = figures("outage=20s..21s:503");
        let Recovery::After(seconds) = figures.fleets[0].recovery else { panic!("{:?}", figures.fleets[0].recovery) };
        // The breaker is open for at most 5 s from the 16th failure on; the rate needs no time.
        assert!((0.0..=6.0).contains(&seconds), "{seconds} s");
        assert!(figures.fleets[0].breaker_opened <= 1);
    }

    #[test]
    fn an_outage_to_the_end_is_never_recovered_from() {
        assert_eq!(figures("outage=20s..60s:503").fleets[0].recovery, Recovery::Never);
        assert_eq!(figures("outage=0s..30s:503").fleets[0].recovery, Recovery::NotApplicable, "nothing was before");
    }
}
