//! What came of a run.

use std::time::Duration;

use tidegate_core::{End, Outcome};

use super::samples::Samples;

/// What came of a run. The same world gives the same report, to the last bit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Of the world.
    pub seed: u64,
    /// Of the world.
    pub length: Duration,
    /// Of the timelines.
    pub step: Duration,
    /// How many events there were.
    pub events: u64,
    /// A hash of all of them, in order: two runs with the same one did the same.
    pub trace: u64,
    /// In the order of the world.
    pub fleets: Vec<FleetReport>,
    /// In the order of the world.
    pub servers: Vec<ServerReport>,
}

/// What came of a fleet's calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetReport {
    /// Of the fleet.
    pub name: String,
    /// How its calls ended.
    pub calls: CallCounts,
    /// What came of its attempts.
    pub attempts: AttemptCounts,
    /// How often a breaker of its gates opened.
    pub opened: u64,
    /// How long calls took that were answered, from their beginning: waiting and backing off included.
    pub latency: Samples,
    /// How long their last attempts took, from their admission.
    pub answer_latency: Samples,
    /// One for each step of time.
    pub steps: Vec<Moment>,
    /// Calls that were answered, for each client.
    pub answered_by_client: Vec<u64>,
}

/// What a server saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerReport {
    /// Of the server.
    pub name: String,
    /// What came to it.
    pub requests: Requests,
    /// One for each step of time.
    pub steps: Vec<Step>,
}

/// How calls ended. They balance: see [`CallCounts::is_balanced`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct CallCounts {
    /// Calls that began.
    pub offered: u64,
    /// With an answer.
    pub succeeded: u64,
    /// With the answer that there is nothing.
    pub empty: u64,
    /// With an answer that will not change.
    pub refused: u64,
    /// After all of their attempts.
    pub exhausted: u64,
    /// At their deadline, or because nothing could start before it.
    pub out_of_time: u64,
    /// Because what was in the way would have lasted too long.
    pub out_of_patience: u64,
    /// Because the gate admits nothing any more.
    pub barred: u64,
    /// Because too many were waiting.
    pub queue_full: u64,
    /// Because the power went.
    pub interrupted: u64,
    /// Not yet, when the run ended.
    pub in_progress: u64,
}

/// What came of attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct AttemptCounts {
    /// Attempts that were admitted.
    pub sent: u64,
    /// Of these, further attempts of the same call.
    pub retries: u64,
    /// Answered.
    pub succeeded: u64,
    /// Answered: there is nothing.
    pub empty: u64,
    /// Failed.
    pub failed: u64,
    /// Ran out of their own time.
    pub timed_out: u64,
    /// Asked to come back later.
    pub throttled: u64,
    /// Refused for good.
    pub refused: u64,
    /// Given up at the call's deadline, or when the power went.
    pub cancelled: u64,
    /// Not back yet, when the run ended.
    pub in_flight: u64,
}

/// A step of time as a fleet saw it: what happened in it, and how things stood at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Calls that began.
    pub offered: u32,
    /// Attempts that were sent.
    pub sent: u32,
    /// Calls that succeeded.
    pub succeeded: u32,
    /// Calls that were told that there is nothing.
    pub empty: u32,
    /// Calls that ended otherwise.
    pub given_up: u32,
    /// Attempts that were asked to come back later.
    pub throttled: u32,
    /// Attempts that failed or timed out.
    pub failed: u32,
    /// Gates whose breaker was not closed at the end of the step.
    pub open: u32,
    /// Calls waiting for a gate.
    pub waiting: u32,
    /// Attempts in flight.
    pub in_flight: u32,
    /// How many may be, over all gates.
    pub limit: u32,
    /// Thousandths of a request per second, over all gates; zero where the rate is not limited.
    pub rate_millis: u64,
}

/// What came to a server. It balances: all but the first add up to the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Requests {
    /// Requests that reached it.
    pub arrived: u64,
    /// Answered as they should be.
    pub accepted: u64,
    /// Told to come back later.
    pub throttled: u64,
    /// Met an outage.
    pub down: u64,
    /// Did not fit into the pool's queue.
    pub shed: u64,
    /// Met a fault drawn by its share.
    pub faulty: u64,
}

/// A step of time as a server saw it, by the arrival of the requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Requests that reached it.
    pub arrived: u32,
    /// Answered as they should be.
    pub accepted: u32,
    /// Told to come back later.
    pub throttled: u32,
    /// All others.
    pub failed: u32,
}

impl Moment {
    /// Calls that were answered: with what was asked for, or that there is nothing.
    pub fn answered(&self) -> u32 {
        self.succeeded + self.empty
    }
}

impl CallCounts {
    /// Calls that were answered: with what was asked for, or that there is nothing. To the core's
    /// breakers, budgets and limits both are a success; a refusal is neither.
    pub fn answered(&self) -> u64 {
        self.succeeded + self.empty
    }

    /// Whether every call that began has ended in one way or is in progress.
    pub fn is_balanced(&self) -> bool {
        self.offered == self.ended() + self.in_progress
    }

    /// Calls that ended.
    pub fn ended(&self) -> u64 {
        self.succeeded
            + self.empty
            + self.refused
            + self.exhausted
            + self.out_of_time
            + self.out_of_patience
            + self.barred
            + self.queue_full
            + self.interrupted
    }

    pub(super) fn count(&mut self, end: Ended) {
        *match end {
            Ended::PowerLost => &mut self.interrupted,
            Ended::Call(end) => match end {
                End::Succeeded => &mut self.succeeded,
                End::Empty => &mut self.empty,
                End::Refused(_) => &mut self.refused,
                End::Exhausted { .. } => &mut self.exhausted,
                End::OutOfTime { .. } => &mut self.out_of_time,
                End::OutOfPatience { .. } => &mut self.out_of_patience,
                End::Barred(_) => &mut self.barred,
                End::QueueFull => &mut self.queue_full,
                End::Cancelled => &mut self.interrupted,
            },
        } += 1;
    }
}

impl Requests {
    /// Requests that were answered, or not, in one way or another.
    pub(super) fn met(&self) -> u64 {
        self.accepted + self.throttled + self.down + self.shed + self.faulty
    }
}

/// How a call ended in the simulator.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ended {
    Call(End),
    PowerLost,
}

impl AttemptCounts {
    /// Attempts that came back.
    pub fn settled(&self) -> u64 {
        self.succeeded + self.empty + self.failed + self.timed_out + self.throttled + self.refused + self.cancelled
    }

    pub(super) fn count(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Success => &mut self.succeeded,
            Outcome::Empty => &mut self.empty,
            Outcome::Failure => &mut self.failed,
            Outcome::Timeout => &mut self.timed_out,
            Outcome::Throttled { .. } => &mut self.throttled,
            Outcome::Refused(_) => &mut self.refused,
            Outcome::Cancelled | Outcome::Unsent => &mut self.cancelled,
        } += 1;
    }
}

impl FleetReport {
    /// Jain's fairness index of the clients' answers: 1 when all have the same, 1/n when one has everything; 0/0, and so
    /// nothing, where nobody has anything.
    ///
    /// R. Jain, D. Chiu and W. Hawe, "A Quantitative Measure of Fairness and Discrimination", 1984.
    pub fn fairness(&self) -> Option<f64> {
        let sum: f64 = self.answered_by_client.iter().map(|&count| count as f64).sum();
        let squares: f64 = self.answered_by_client.iter().map(|&count| count as f64 * count as f64).sum();
        (squares > 0.0).then(|| sum * sum / (self.answered_by_client.len() as f64 * squares))
    }
}

impl Report {
    /// The first step that begins at `at` or later; one behind the last where there is none.
    pub(super) fn first_step_after(&self, at: Duration) -> usize {
        at.min(self.length).as_nanos().div_ceil(self.step.as_nanos()) as usize
    }

    /// The steps from `from` to `until`, as a range for the timelines.
    pub fn steps(&self, from: Duration, until: Duration) -> std::ops::Range<usize> {
        let index = |at: Duration| (at.as_nanos() / self.step.as_nanos()) as usize;
        index(from)..index(until)
    }
}
