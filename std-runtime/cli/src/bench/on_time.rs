//! A benchmark that sends on schedule, whatever the server does: an open loop.

use std::time::Duration;

use clap::{Args, ValueEnum};
use tidegate::stop::Extent;
use tidegate_core::{Instant, rate::Rate};
use tidegate_lab::traffic::{Arrivals, Shape, Traffic};

use super::which::Which;
use crate::{
    output::Output,
    progress::{Progress, follow},
    report::{OpenLoop, Recorder, Run},
    source::Source,
};

/// When requests are due.
#[derive(Clone, Debug, Args)]
pub(super) struct ScheduleArgs {
    /// Send for this long and on schedule at --rate, whatever the server does. Latency then counts from when a request was
    /// due, --rate holds nobody back at the gate, and the preset is load unless another one is given
    #[arg(long, value_name = "TIME", value_parser = crate::args::span, requires = "rate", conflicts_with = "tile_count")]
    duration: Option<Duration>,
    /// How the rate changes over the duration; --rate is the highest
    #[arg(long, value_enum, value_name = "SHAPE", requires = "duration")]
    traffic: Option<ShapeArg>,
    /// How requests come at a given rate
    #[arg(long, value_enum, value_name = "HOW", requires = "duration")]
    arrivals: Option<ArrivalsArg>,
}

/// The shapes by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ShapeArg {
    /// The same all the time; so it is where nothing is said
    Steady,
    /// Evenly up from nothing
    Ramp,
    /// Five rounds of a fifth of the rate, each with the whole rate in its last fifth
    Burst,
    /// A day: a quiet night, a peak in the morning, a higher one in the afternoon
    Diurnal,
}

/// How evenly requests come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ArrivalsArg {
    /// After equal times; so it is where nothing is said
    Even,
    /// As from many users who know nothing of each other
    Random,
}

impl ScheduleArgs {
    /// Whether there is a schedule.
    pub(super) const fn is_given(&self) -> bool {
        self.duration.is_some()
    }

    /// The traffic that the flags ask for.
    pub(super) fn traffic(&self, rate: Option<Rate>, seed: u64) -> Option<Traffic> {
        let (rate, span) = rate.zip(self.duration)?;
        let shape = match self.traffic.unwrap_or(ShapeArg::Steady) {
            ShapeArg::Steady => Shape::Steady,
            ShapeArg::Ramp => Shape::Ramp,
            ShapeArg::Burst => Shape::Burst,
            ShapeArg::Diurnal => Shape::Diurnal,
        };
        let arrivals = match self.arrivals.unwrap_or(ArrivalsArg::Even) {
            ArrivalsArg::Even => Arrivals::Even,
            ArrivalsArg::Random => Arrivals::Random { seed },
        };
        Some(Traffic { shape, rate, span, arrivals })
    }
}

/// Sends on schedule and records what came of it.
pub(super) fn measure(
    source: &Source,
    which: Which,
    traffic: Traffic,
    recorder: Recorder,
    quiet: bool,
    output: &mut Output,
) -> Run {
    let (fetcher, executor) = (&source.fetcher, source.runtime.executor());
    let mut recorder = recorder.on_schedule(OpenLoop::new(traffic, fetcher.alive_max()));
    let mut progress = Progress::start(traffic.count(), quiet).ending_after(traffic.span);
    let started = source.now();
    let at = move |due| Instant::saturating_add(started, due);
    let schedule = traffic.due().map(at).zip(which.tiles);
    let stream = fetcher.stream_on_time(executor, schedule, source.deadline_at());
    let stream = follow(stream, |stream, report| {
        report.iter().for_each(|report| recorder.record(report));
        recorder.not_sent(stream.not_sent());
        progress.show(&recorder.ledger, source, output);
    });
    progress.end(output);
    recorder.not_sent(stream.not_sent());
    recorder.ledger.request(stream.begun());
    // What a stop or the end of the run's time kept from becoming due was asked for all the same.
    if source.stop().is_asked(Extent::Drain) || source.now() >= source.deadline_at() {
        let due = (stream.begun() + stream.not_sent()) as usize;
        recorder.ledger.request(traffic.due().skip(due).take(REST_MAX).count() as u64);
    }
    recorder.finish(source, &stream)
}

/// Beyond so many nobody counts what was left.
const REST_MAX: usize = 10_000_000;
