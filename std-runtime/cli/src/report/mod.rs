//! What came of a run: one form for every command, for people and for programs.

mod found;
mod metrics;
mod open_loop;
mod page;
pub(crate) mod text;

use std::{fs, io, path::Path, sync::Arc, time::Duration};

use tidegate::{
    fetch::{TileReport, TileStream},
    ledger::Ledger,
};
use tidegate_core::Instant;
use tidegate_lab::measure::{
    requirement::{Judgement, Measured, Requirements},
    text::{PerSecond, Percent},
};

use crate::{
    args::OutputFormat,
    exit::{Exit, Fatal},
    guard, interrupt,
    output::Output,
    pulse::Silence,
    sampler::Counts,
    source::Source,
};
use found::{Found, Seeking};
pub(crate) use metrics::micros;
use metrics::{Metrics, Samples};
pub(crate) use open_loop::OpenLoop;

/// Takes down what comes in while a command runs.
pub(crate) struct Recorder {
    started: Instant,
    samples: Samples,
    open_loop: Option<OpenLoop>,
    seeking: Option<Seeking>,
    /// Tiles that were in the archive before, and are no part of the stream.
    found: u64,
    counts: Arc<Counts>,
    /// What is known so far.
    pub(crate) ledger: Ledger,
}

impl Recorder {
    /// Begins, with so many tiles to account for.
    pub(crate) fn start(source: &Source, requested: u64) -> Self {
        let mut ledger = Ledger::default();
        ledger.request(requested);
        Self {
            started: source.now(),
            samples: Samples::from_seed(source.seed),
            open_loop: None,
            seeking: Seeking::start(source),
            counts: Counts::shared(),
            found: 0,
            ledger,
        }
    }

    /// The same of a run on schedule, of which nobody knows beforehand how much there will be to account for.
    pub(crate) fn on_schedule(self, open_loop: OpenLoop) -> Self {
        Self { open_loop: Some(open_loop), ..self }
    }

    /// What comes in, for whoever looks at it from another thread.
    pub(crate) const fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    /// Takes one report down.
    pub(crate) fn record(&mut self, report: &TileReport) {
        self.ledger.record(report);
        self.samples.record(report);
        self.counts.record(report);
        if let Some(seeking) = &mut self.seeking {
            seeking.record(report);
        }
        if let Some(open_loop) = &mut self.open_loop {
            open_loop.record(report, &mut self.samples.chance);
        }
    }

    /// Takes down how many were due and not sent, so far: asked for, and given up.
    pub(crate) fn not_sent(&mut self, so_far: u64) {
        if let Some(open_loop) = &mut self.open_loop {
            let further = so_far.saturating_sub(open_loop.not_sent);
            open_loop.not_sent = so_far;
            self.ledger.request(further);
            self.ledger.give_up(further, "not sent");
        }
    }

    /// Takes down how many tiles were in the archive before, so far.
    pub(crate) fn found(&mut self, found: u64) {
        self.ledger.revalidated += found.saturating_sub(self.found);
        self.found = found;
    }

    /// Closes the book at the end of `stream`: what it did not begin, and nobody found elsewhere, is cancelled.
    pub(crate) fn finish(mut self, source: &Source, stream: &TileStream) -> Run {
        let wall = source.now().saturating_since(self.started).max(Duration::from_nanos(1));
        let taken_up = stream.begun() + stream.not_sent() + self.found;
        self.ledger.cancel(self.ledger.requested.saturating_sub(taken_up));
        self.ledger.add_attempts(&source.fetcher.refreshed());
        let on_time = self.open_loop.map(|open_loop| open_loop.finish(stream.begun() + stream.not_sent()));
        let (status, pool) = (source.fetcher.upstream().status(), source.fetcher.transport().pool());
        let metrics = Metrics::new(self.samples, wall, (status, pool, source.cache()), on_time);
        Run {
            seed: source.seed,
            metrics,
            adapted: self.seeking.map(Seeking::end).unwrap_or_default(),
            found: self.found,
            ledger: self.ledger,
            interrupted: interrupt::interrupted(source.stop()),
            silence: None,
            judged: Vec::new(),
        }
    }
}

/// A finished run.
pub(crate) struct Run {
    seed: u64,
    metrics: Metrics,
    /// What each source's gate came to, where any adapts.
    adapted: Vec<Found>,
    /// Tiles that were in the archive before.
    found: u64,
    ledger: Ledger,
    interrupted: bool,
    /// Why it was given up, if it was.
    silence: Option<Silence>,
    judged: Vec<Judgement>,
}

impl Run {
    /// The same run, given up because nothing at all came.
    pub(crate) fn ended_by(self, silence: Option<Silence>) -> Self {
        Self { silence, ..self }
    }

    /// Holds the figures against what is required.
    pub(crate) fn judge(&mut self, requirements: &Requirements) {
        self.judged = requirements.judge(&Measured {
            latency: self.metrics.waited(),
            succeeded: self.good(),
            requested: self.ledger.requested,
            per_second: Some(self.throughput().0),
        });
    }

    /// How much succeeded: a count and a share.
    fn succeeded(&self) -> String {
        format!("{} of {} ({})", self.good(), self.ledger.requested, Percent(self.share()))
    }

    fn good(&self) -> u64 {
        let Ledger { fetched, revalidated, stale, empty, .. } = self.ledger;
        fetched + revalidated + stale + empty
    }

    /// Whether the server had none of the tiles: so answers a map that ends elsewhere, and so does a wrong address.
    fn is_all_empty(&self) -> bool {
        let Ledger { requested, empty, .. } = self.ledger;
        requested > 0 && empty == requested
    }

    /// The share that succeeded, 0 to 1.
    fn share(&self) -> f64 {
        self.good() as f64 / self.ledger.requested.max(1) as f64
    }

    fn throughput(&self) -> PerSecond {
        PerSecond(self.metrics.per_second(&self.ledger, self.found))
    }

    /// The result as one JSON object.
    pub(crate) fn to_json(&self) -> String {
        self.metrics.to_json(&self.ledger, self.found, self.seed, &self.judged, &self.adapted)
    }

    /// How many tiles were asked for.
    pub(crate) const fn requested(&self) -> u64 {
        self.ledger.requested
    }

    /// What became of the requirements, if there were any.
    pub(crate) fn judged(&self) -> &[Judgement] {
        &self.judged
    }

    /// Prints the result: for people under `title`, or as one JSON object.
    ///
    /// # Errors
    /// Where standard output is closed or full.
    pub(crate) fn print(&self, format: OutputFormat, title: Vec<String>, output: &mut Output) -> io::Result<()> {
        let lines = match format {
            OutputFormat::Text => text::lines(title, self, output),
            OutputFormat::Json => vec![self.to_json()],
        };
        lines.iter().try_for_each(|line| output.result(line))
    }

    /// How the command ends. `given_up` says what helps with tiles that were given up, `to_go` with those that were not
    /// come to.
    pub(crate) fn exit(&self, given_up: &str, to_go: &str, output: &mut Output) -> Result<Exit, Fatal> {
        let (exit, problem) = match (self.silence, verdict(&self.ledger, self.interrupted)?) {
            (Some(silence), _) => (Exit::Source, Some(silence.to_string())),
            (None, verdict) => verdict,
        };
        let advice = match exit {
            Exit::Unfinished | Exit::Interrupted => to_go,
            _ if self.silence.is_some() => to_go,
            _ => given_up,
        };
        if let Some(problem) = problem {
            output.message(&format!("tidegate: {problem}; {advice}"));
        }
        if self.is_all_empty() {
            output.message("tidegate: every tile was empty: the server has nothing there, or the URL is wrong; try it for one tile");
        }
        Ok(exit)
    }
}

/// What the ending of a report's name says, in small letters.
pub(crate) fn ending(path: &Path) -> Option<String> {
    path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase)
}

/// Writes a report to the file that was asked for.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Fatal> {
    fs::write(path, text)
        .map_err(|error| Fatal::local(format!("--report={}: {error}; give a path that can be written", path.display())))
}

/// Says which requirements do not hold, if any.
pub(crate) fn failed_gates(judged: &[Judgement], output: &mut Output) -> Exit {
    let missed: Vec<String> = judged.iter().filter(|judged| !judged.is_met()).map(Judgement::to_string).collect();
    if missed.is_empty() {
        return Exit::Complete;
    }
    output.message(&format!("tidegate: --require does not hold: {}", missed.join("; ")));
    Exit::Gate
}

/// What is wrong where a host refuses access.
const REFUSED: &str =
    "the host refuses access (401, 403); a key that it wants goes into --header \"NAME: VALUE\" or the URL template";

/// What a run comes to, and what is wrong with it; an error where its books cannot be trusted.
pub(crate) fn verdict(ledger: &Ledger, interrupted: bool) -> Result<(Exit, Option<String>), Fatal> {
    ledger.balance().map_err(|imbalance| Fatal { exit: Exit::Defect, message: imbalance.to_string() })?;
    let Ledger { failed, from_parent, cancelled, .. } = *ledger;
    let missing = failed + from_parent;
    // Nothing but a stop or the end of the run's time cancels a tile.
    Ok(match (interrupted, cancelled, missing) {
        (true, ..) => (Exit::Interrupted, Some(format!("interrupted with {cancelled} tiles to go"))),
        (false, 0, 0) => (Exit::Complete, None),
        (false, ..) if ledger.met_a_usage_policy() => {
            (Exit::Policy, Some(format!("a redirect leads to the servers of OpenStreetMap, and {}", guard::REASON)))
        }
        (false, 0, _) if ledger.was_barred() => (Exit::Source, Some(REFUSED.to_owned())),
        (false, 0, _) if failed == ledger.requested => (Exit::Source, Some("no tile could be fetched".to_owned())),
        (false, 0, _) if from_parent == 0 => (Exit::Incomplete, Some(format!("{failed} tiles were given up"))),
        (false, 0, _) => {
            let problem = format!("{missing} tiles were given up, a parent stands in for {from_parent} of them");
            (Exit::Incomplete, Some(problem))
        }
        (false, ..) => (Exit::Unfinished, Some(format!("time ran out with {cancelled} tiles to go"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(fetched: u64, failed: u64, cancelled: u64) -> Ledger {
        Ledger { requested: fetched + failed + cancelled, fetched, failed, cancelled, ..Ledger::default() }
    }

    #[test]
    fn every_end_has_its_exit_code() {
        let exit = |ledger: &Ledger, interrupted| match verdict(ledger, interrupted) {
            Ok((exit, _problem)) => exit,
            Err(fatal) => fatal.exit,
        };
        assert_eq!(exit(&ledger(20, 0, 0), false), Exit::Complete);
        assert_eq!(exit(&ledger(19, 1, 0), false), Exit::Incomplete);
        assert_eq!(exit(&ledger(0, 20, 0), false), Exit::Source);
        assert_eq!(exit(&ledger(19, 0, 1), false), Exit::Unfinished);
        assert_eq!(exit(&ledger(0, 19, 1), false), Exit::Unfinished, "time, not the source, ended it");
        assert_eq!(exit(&ledger(20, 0, 0), true), Exit::Interrupted, "even where everything was done by then");
        let enlarged = Ledger { requested: 20, from_parent: 1, ..ledger(19, 0, 0) };
        assert_eq!(exit(&enlarged, false), Exit::Incomplete, "a part of a parent is not the tile");
        let old = Ledger { requested: 20, stale: 20, ..ledger(0, 0, 0) };
        assert_eq!(exit(&old, false), Exit::Complete, "an old tile is the tile, and was allowed");
        let lost = Ledger { requested: 21, ..ledger(20, 0, 0) };
        let made_up = Ledger { requested: 19, ..ledger(20, 0, 0) };
        for defect in [&lost, &made_up] {
            assert_eq!(exit(defect, false), Exit::Defect, "before anything else");
            assert_eq!(exit(defect, true), Exit::Defect);
        }
    }

    #[test]
    fn a_source_that_leads_to_a_host_whose_policy_forbids_it_is_refused_for_that() {
        let mut ledger = ledger(0, 19, 1);
        ledger.faults_by_kind.insert("usage policy", 3);
        let (exit, problem) = verdict(&ledger, false).expect("it balances");
        assert_eq!(exit, Exit::Policy);
        assert!(problem.is_some_and(|problem| problem.contains("OpenStreetMap")));
    }

    #[test]
    fn a_host_that_bars_us_on_the_way_cannot_be_used() {
        let mut ledger = ledger(19, 1, 0);
        ledger.failed_by_kind.insert("host refuses access", 1);
        assert!(verdict(&ledger, false).is_ok_and(|(exit, _problem)| exit == Exit::Source));
    }
}
