//! A run over time, in columns: what a picture shows, for programs.

use serde::Serialize;

use crate::sim::report::{FleetReport, Moment, Report, ServerReport, Step};

/// One number for each step of time in each column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Timeline {
    /// How long a step is; the last one may be shorter.
    pub step_s: f64,
    /// In the order of the world.
    pub fleets: Vec<FleetTimeline>,
    /// In the order of the world.
    pub servers: Vec<ServerTimeline>,
}

/// [`Moment`]s of a fleet.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "each is a field of `Moment`")]
pub struct FleetTimeline {
    pub name: String,
    pub offered: Vec<u32>,
    pub sent: Vec<u32>,
    pub succeeded: Vec<u32>,
    pub empty: Vec<u32>,
    pub given_up: Vec<u32>,
    pub throttled: Vec<u32>,
    pub failed: Vec<u32>,
    pub open: Vec<u32>,
    pub waiting: Vec<u32>,
    pub in_flight: Vec<u32>,
    pub limit: Vec<u32>,
    pub rate_millis: Vec<u64>,
}

/// [`Step`]s of a server.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "each is a field of `Step`")]
pub struct ServerTimeline {
    pub name: String,
    pub arrived: Vec<u32>,
    pub accepted: Vec<u32>,
    pub throttled: Vec<u32>,
    pub failed: Vec<u32>,
}

impl Timeline {
    /// Of a run.
    pub fn of(report: &Report) -> Self {
        Self {
            step_s: report.step.as_secs_f64(),
            fleets: report.fleets.iter().map(FleetTimeline::of).collect(),
            servers: report.servers.iter().map(ServerTimeline::of).collect(),
        }
    }
}

impl FleetTimeline {
    fn of(fleet: &FleetReport) -> Self {
        let column = |value: fn(&Moment) -> u32| fleet.steps.iter().map(value).collect();
        Self {
            name: fleet.name.clone(),
            offered: column(|step| step.offered),
            sent: column(|step| step.sent),
            succeeded: column(|step| step.succeeded),
            empty: column(|step| step.empty),
            given_up: column(|step| step.given_up),
            throttled: column(|step| step.throttled),
            failed: column(|step| step.failed),
            open: column(|step| step.open),
            waiting: column(|step| step.waiting),
            in_flight: column(|step| step.in_flight),
            limit: column(|step| step.limit),
            rate_millis: fleet.steps.iter().map(|step| step.rate_millis).collect(),
        }
    }
}

impl ServerTimeline {
    fn of(server: &ServerReport) -> Self {
        let column = |value: fn(&Step) -> u32| server.steps.iter().map(value).collect();
        Self {
            name: server.name.clone(),
            arrived: column(|step| step.arrived),
            accepted: column(|step| step.accepted),
            throttled: column(|step| step.throttled),
            failed: column(|step| step.failed),
        }
    }
}
