//! A thread that reads the gauges while a run goes on.
//!
//! The number in flight is sampled, and not computed from the clocks of the attempts: only so can the two be held against
//! each other by Little's law. The pauses between readings are drawn, so that a server with a beat of its own is not
//! always seen at the same moment of it.

use std::{
    io, mem,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tidegate::{
    fetch::{Fetcher, TileOutcome, TileReport},
    transport::HttpTransport,
    upstream::Status,
};
use tidegate_core::breaker;
use tidegate_lab::report::{BreakerSpan, BreakerState, Resources, Sample, Timeline};

use crate::resources;

/// What came in so far, for whoever looks at it from another thread.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    succeeded: AtomicU64,
    faults: AtomicU64,
    retries: AtomicU64,
}

impl Counts {
    pub(crate) fn shared() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn record(&self, report: &TileReport) {
        let succeeded = report.outcome.tile().is_some() || matches!(report.outcome, TileOutcome::Empty);
        let faults = report.attempts.iter().filter(|attempt| attempt.fault.is_some()).count();
        let retries = report.attempts.len().saturating_sub(1);
        self.succeeded.fetch_add(succeeded.into(), Ordering::Relaxed);
        self.faults.fetch_add(faults as u64, Ordering::Relaxed);
        self.retries.fetch_add(retries as u64, Ordering::Relaxed);
    }

    fn read(&self) -> [u64; 3] {
        [&self.succeeded, &self.faults, &self.retries].map(|count| count.load(Ordering::Relaxed))
    }
}

/// The thread, while it runs.
pub(crate) struct Sampler {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<Sampled>,
}

/// What it saw.
#[derive(Debug, Default)]
pub(crate) struct Sampled {
    /// The mean number in flight over `elapsed`.
    pub(crate) in_flight_mean: f64,
    pub(crate) elapsed: Duration,
    /// The most that was held of each.
    pub(crate) held: Resources,
    pub(crate) timeline: Timeline,
}

impl Sampler {
    /// Begins to read the gate of `fetcher`. Times in the timeline count from `origin`.
    pub(crate) fn start(
        fetcher: Fetcher<HttpTransport>,
        counts: &Arc<Counts>,
        origin: Instant,
        seed: u64,
    ) -> io::Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        let (asked, counts) = (Arc::clone(&ended), Arc::clone(counts));
        let body = move || {
            let mut chance = fastrand::Rng::with_seed(seed);
            let mut watch = Watch::start(origin, fetcher.upstream().status());
            loop {
                // Read before the gauges, so that the last reading comes after the end.
                let is_last = asked.load(Ordering::Acquire);
                watch.read(fetcher.upstream().status(), &counts, is_last);
                if is_last {
                    return watch.end();
                }
                thread::park_timeout(Duration::from_micros(chance.u64(PAUSE_US)));
            }
        };
        let thread = thread::Builder::new().name("tidegate-gauges".to_owned()).spawn(body)?;
        Ok(Self { ended, thread })
    }

    /// Takes a last reading and says what it saw.
    pub(crate) fn end(self) -> Sampled {
        self.ended.store(true, Ordering::Release);
        self.thread.thread().unpark();
        // Without readings nothing can be judged, and Little's law says so.
        self.thread.join().unwrap_or_default()
    }
}

struct Watch {
    origin: Instant,
    began: Instant,
    last: (Instant, u16),
    /// In flight × seconds.
    area: f64,
    moment: (Instant, [u64; 3]),
    /// Since when the breaker is not closed.
    tripped: Option<(Instant, BreakerState)>,
    sampled: Sampled,
}

impl Watch {
    fn start(origin: Instant, status: Status) -> Self {
        let now = Instant::now();
        let last = (now, status.in_flight);
        Self { origin, began: now, last, area: 0.0, moment: (now, [0; 3]), tripped: None, sampled: Sampled::default() }
    }

    fn read(&mut self, status: Status, counts: &Counts, is_last: bool) {
        let now = Instant::now();
        let (then, before) = mem::replace(&mut self.last, (now, status.in_flight));
        // Between two readings it is taken to have gone in a straight line.
        self.area += (now - then).as_secs_f64() * (f64::from(before) + f64::from(status.in_flight)) / 2.0;
        self.follow_breaker(now, status.breaker);
        let since = now - self.moment.0;
        // The rest of a run is a point where it is long enough for a rate, or the only one that there will be.
        let is_enough = since >= MOMENT / 2 || (self.sampled.timeline.samples.is_empty() && !since.is_zero());
        if since >= MOMENT || (is_last && is_enough) {
            self.take_moment(now, since, status, counts.read());
        }
    }

    fn take_moment(&mut self, now: Instant, since: Duration, status: Status, counted: [u64; 3]) {
        let (_, before) = mem::replace(&mut self.moment, (now, counted));
        let rate = |index: usize| (counted[index] - before[index]) as f64 / since.as_secs_f64();
        let interval = status.interval.as_secs_f64();
        self.sampled.timeline.samples.push(Sample {
            at_s: self.seconds(now),
            succeeded_per_s: rate(0),
            failed_per_s: rate(1),
            retried_per_s: rate(2),
            in_flight: f64::from(status.in_flight),
            limit: Some(f64::from(status.limit)),
            rate_per_s: (interval > 0.0).then(|| 1.0 / interval),
        });
        self.sampled.held = resources::larger(self.sampled.held, resources::held());
    }

    fn follow_breaker(&mut self, now: Instant, state: breaker::BreakerState) {
        let state = match state {
            breaker::BreakerState::Closed { .. } => None,
            breaker::BreakerState::Open { .. } => Some(BreakerState::Open),
            breaker::BreakerState::HalfOpen { .. } => Some(BreakerState::HalfOpen),
        };
        if self.tripped.map(|(_, state)| state) != state {
            self.close_span(now);
            self.tripped = state.map(|state| (now, state));
        }
    }

    fn close_span(&mut self, now: Instant) {
        if let Some((since, state)) = self.tripped.take() {
            let (from_s, to_s) = (self.seconds(since), self.seconds(now));
            self.sampled.timeline.breaker.push(BreakerSpan { from_s, to_s, state });
        }
    }

    fn end(mut self) -> Sampled {
        let (now, _) = self.last;
        self.close_span(now);
        self.sampled.elapsed = now - self.began;
        let seconds = self.sampled.elapsed.as_secs_f64();
        self.sampled.in_flight_mean = if seconds > 0.0 { self.area / seconds } else { 0.0 };
        self.sampled
    }

    fn seconds(&self, at: Instant) -> f64 {
        at.saturating_duration_since(self.origin).as_secs_f64()
    }
}

/// As many samples as a picture can show: neighbours are put together where there are more.
pub(crate) fn thinned(mut timeline: Timeline) -> Timeline {
    let together = timeline.samples.len().div_ceil(SAMPLES_MAX).max(1);
    timeline.samples = timeline.samples.chunks(together).filter_map(mean).collect();
    timeline
}

fn mean(samples: &[Sample]) -> Option<Sample> {
    let last = samples.last()?;
    let mean = |value: fn(&Sample) -> f64| samples.iter().map(value).sum::<f64>() / samples.len() as f64;
    Some(Sample {
        succeeded_per_s: mean(|sample| sample.succeeded_per_s),
        failed_per_s: mean(|sample| sample.failed_per_s),
        retried_per_s: mean(|sample| sample.retried_per_s),
        in_flight: mean(|sample| sample.in_flight),
        ..*last
    })
}

/// Between two readings, in microseconds.
const PAUSE_US: std::ops::Range<u64> = 500..2_500;
/// Between two points of the timeline.
const MOMENT: Duration = Duration::from_millis(100);
const SAMPLES_MAX: usize = 600;

#[cfg(test)]
mod tests {
    use super::*;

    fn status(in_flight: u16, breaker: breaker::BreakerState) -> Status {
        Status {
            breaker,
            limit: 10,
            in_flight,
            in_flight_max: 0,
            interval: Duration::from_millis(20),
            retries_available: None,
            paused_until: tidegate_core::Instant::ORIGIN,
            opened: 0,
            half_opened: 0,
            closed: 0,
            rate_cuts: 0,
            limit_cuts: 0,
        }
    }

    const CLOSED: breaker::BreakerState = breaker::BreakerState::Closed { ramp: u16::MAX, clean: 0 };
    const OPEN: breaker::BreakerState =
        breaker::BreakerState::Open { until: tidegate_core::Instant::MAX, bad: 5, calls: 5 };

    #[test]
    fn the_mean_weighs_each_reading_by_its_time() {
        let origin = Instant::now();
        let mut watch = Watch::start(origin, status(4, CLOSED));
        watch.read(status(4, OPEN), &Counts::default(), false);
        watch.read(status(4, CLOSED), &Counts::default(), true);
        let sampled = watch.end();
        assert!((sampled.in_flight_mean - 4.0).abs() < 1e-9, "{sampled:?}");
        assert_eq!(sampled.timeline.breaker.len(), 1, "{sampled:?}");
        assert_eq!(sampled.timeline.breaker[0].state, BreakerState::Open);
        let last = sampled.timeline.samples.last().expect("the last reading is a point");
        assert_eq!((last.limit, last.rate_per_s.map(f64::round)), (Some(10.0), Some(50.0)));
    }

    #[test]
    fn a_long_timeline_is_put_together_and_keeps_its_end() {
        let sample = |at: usize| Sample {
            at_s: at as f64,
            succeeded_per_s: at as f64,
            failed_per_s: 0.0,
            retried_per_s: 0.0,
            in_flight: 1.0,
            limit: None,
            rate_per_s: None,
        };
        let thin =
            |count| thinned(Timeline { samples: (1..=count).map(sample).collect(), ..Timeline::default() }).samples;
        assert_eq!(thin(SAMPLES_MAX).len(), SAMPLES_MAX);
        let thinned = thin(2 * SAMPLES_MAX);
        assert_eq!(thinned.len(), SAMPLES_MAX);
        assert_eq!((thinned[0].succeeded_per_s, thinned[0].at_s), (1.5, 2.0));
        assert_eq!(thinned.last().map(|sample| sample.at_s), Some(2.0 * SAMPLES_MAX as f64));
    }
}
