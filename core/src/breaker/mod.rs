//! When to stop asking a server that fails.
//!
//! Calls to a server that is down cost both sides and answer nobody. A breaker stops them for a while, then lets a few
//! probes find out whether the server is back, and after that returns to full traffic step by step.
//!
//! **When it harms**: it turns a partial outage into a whole one, if the failures have nothing in common (one bad tile,
//! one slow query). Judge a share of the last calls, not a run of failures: at 20 % random faults, "5 in a row" opens
//! about once in 4,000 calls, half of the last 32 about once in 30,000. One breaker per upstream, not per process.
//!
//! ```text
//!             share of failed or slow calls reached
//!   Closed ─────────────────────────────────────────▶ Open { until }
//!     ▲  ▲                                              │  ▲
//!     │  └── ramp: 2·P, 4·P, … calls at once       time │  │ a probe failed: open longer
//!     │                                                 ▼  │
//!     └──────────────── S probes succeeded ─────────── HalfOpen { at most P probes out }
//! ```
//!
//! Source: M. Nygard, "Release It!", 2007; half-open with counted probes as in resilience4j and Finagle. Deviations:
//! - Each admission is a [`Pass`] that knows its *era*, the stretch between two transitions. What comes back from an
//!   earlier era changes nothing, so a straggler cannot close or open what it never saw.
//! - Probes have a lease, which begins when the first of them goes while none is out. One that is lost gives its place back at
//!   its end, once all places are taken: those that are out then count no more, and nothing waits for a lost one for ever.
//! - The open time is a [`Backoff`], so it can grow, and is jittered: a fleet does not come back in step.
//! - Calls that are overdue count as slow before they return (see [`CircuitBreaker::count_overdue`]).
//! - After closing, a ramp lets `2·P` calls through at once and doubles that after as many successes, until 256. A failure
//!   in between does not stop it: while it lasts, less evidence opens the breaker again.
//!
//! Used without a gate, it wants a clock that does not step back: a gate sees to that, a breaker keeps no reading.

mod config;
mod window;

pub use config::{AfterClosing, BreakerConfig, BreakerError};
pub use window::{CallWindow, Counts, PeriodWindow, Sample, Window, WindowError};

use crate::{
    backoff::Backoff,
    entropy::Entropy,
    share::Share,
    time::{Instant, Millis},
};

/// What a breaker does with its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum BreakerMode {
    /// Refuses while open.
    Enforce,
    /// Refuses everything until the mode is changed. Nothing is remembered.
    ForcedOpen,
    /// Admits everything. Nothing is remembered.
    ForcedClosed,
    /// Admits everything and remembers, so that [`CircuitBreaker::would_open`] shows what it would have done.
    ObserveOnly,
}

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum BreakerState {
    /// Calls pass.
    Closed {
        /// How many calls may be out at once while it returns to full traffic; `u16::MAX` when it has.
        ramp: u16,
        /// Successes since the ramp last rose.
        clean: u16,
    },
    /// Nothing passes before `until`.
    Open {
        /// When the first probe may go.
        until: Instant,
        /// Failed calls when it opened, or slow ones where these opened it …
        bad: u16,
        /// … of so many. Both are 0 where it is open since before a restart.
        calls: u16,
    },
    /// Probes pass.
    HalfOpen {
        /// When the lease of the probes that are out ends.
        lease_end: Instant,
        /// Probes that are out.
        outstanding: u8,
        /// Probes that succeeded.
        succeeded: u8,
    },
}

/// Leave to send one call, to be handed back with what came of it. Not `Clone`: one call, one result.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Clone, Hash))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "settle it, or the breaker learns nothing and a probe's place stays taken until its lease ends"]
pub struct Pass {
    pub(crate) era: u16,
    pub(crate) probe: bool,
}

/// What came of a call, as a breaker sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Verdict {
    /// It was answered well, in time.
    Success,
    /// It was answered well, later than the slow limit.
    Slow,
    /// It failed.
    Failure,
    /// It failed, later than the slow limit.
    SlowFailure,
    /// It says nothing about this kind of call, but the server is there (429, 403): a probe has succeeded.
    Answered,
    /// It says nothing (cancelled, never sent): a probe gives its place back.
    Neutral,
}

/// Why a breaker refused, and when to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "it says when to come back"]
pub enum Rejected {
    /// Open until then.
    Open {
        /// When the first probe may go.
        until: Instant,
        /// Failed calls when it opened, or slow ones where these opened it …
        bad: u16,
        /// … of so many.
        calls: u16,
    },
    /// All probes are out; their lease ends then, and a result may come earlier.
    Probing {
        /// When the places of lost probes are free again.
        until: Instant,
        /// Probes that are out.
        outstanding: u8,
        /// How many may be.
        probes: u8,
    },
    /// Forced open: not before the mode is changed.
    Forced,
}

/// A circuit breaker over a window of calls (by default) or of time.
///
/// Invariant: at most `probes` probes of the present era are out, and a pass of an earlier era changes nothing.
///
/// ```
/// use core::time::Duration;
/// use tidegate_core::{Entropy, Instant, Share, backoff::{BackoffConfig, Growth, Jitter}};
/// use tidegate_core::breaker::{BreakerConfig, CircuitBreaker, Rejected, Verdict};
///
/// // Opens for 60 s after 5 failures in a row.
/// let minute = Duration::from_secs(60);
/// let config = BreakerConfig {
///     window: 5,
///     calls_min: 5,
///     failed: Share::of(5, 5),
///     open: BackoffConfig { growth: Growth::Constant, base: minute, cap: minute, jitter: Jitter::None },
///     ..BreakerConfig::DEFAULT
/// };
/// let mut breaker = CircuitBreaker::new(config).expect("valid");
/// let now = Instant::from_secs(10);
/// for _ in 0..5 {
///     let pass = breaker.try_acquire(now).expect("closed");
///     breaker.settle(now, pass, Verdict::Failure, Entropy::new(0));
/// }
/// let rejected = Rejected::Open { until: Instant::from_secs(70), bad: 5, calls: 5 };
/// assert_eq!(breaker.try_acquire(now).unwrap_err(), rejected);
/// ```
#[derive(Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(Clone))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct CircuitBreaker<W = CallWindow> {
    pub(crate) state: BreakerState,
    window: W,
    open: Backoff,
    pub(crate) lease: Millis,
    pub(crate) era: u16,
    calls_min: u16,
    failed: Share,
    slow: Option<Share>,
    probes: u8,
    successes: u8,
    /// Times it opened since it last was at full traffic: the open time grows with it.
    pub(crate) trips: u8,
    mode: BreakerMode,
    after_closing: AfterClosing,
}

impl CircuitBreaker<CallWindow> {
    /// A closed breaker over the last `config.window` calls. Checks the settings.
    ///
    /// # Errors
    /// See [`BreakerError`].
    pub const fn new(config: BreakerConfig) -> Result<Self, BreakerError> {
        let window = match CallWindow::last(config.window) {
            Ok(window) => window,
            Err(error) => return Err(BreakerError::Window(error)),
        };
        if config.calls_min > window.size() as u16 {
            return Err(BreakerError::CallsMinAboveWindow);
        }
        Self::over(window, config)
    }
}

impl CircuitBreaker<PeriodWindow> {
    /// A closed breaker over the last stretch of time; `config.window` is not used. Checks the settings.
    ///
    /// # Errors
    /// See [`BreakerError`].
    pub const fn over_period(window: PeriodWindow, config: BreakerConfig) -> Result<Self, BreakerError> {
        Self::over(window, config)
    }
}

impl<W: Copy> CircuitBreaker<W> {
    const fn over(window: W, config: BreakerConfig) -> Result<Self, BreakerError> {
        match config.checked_open() {
            Ok((open, lease)) => Ok(Self {
                state: BreakerState::Closed { ramp: u16::MAX, clean: 0 },
                window,
                open,
                lease,
                era: 0,
                calls_min: config.calls_min,
                failed: config.failed,
                slow: config.slow,
                probes: config.probes,
                successes: config.successes,
                trips: 0,
                mode: config.mode,
                after_closing: config.after_closing,
            }),
            Err(error) => Err(error),
        }
    }
}

impl<W: Window> CircuitBreaker<W> {
    /// Leave to send one call now, or when to come back.
    ///
    /// # Errors
    /// While open, while all probes are out, and while forced open.
    pub fn try_acquire(&mut self, now: Instant) -> Result<Pass, Rejected> {
        self.check(now)?;
        Ok(self.take(now))
    }

    /// What came of the call that `pass` admitted.
    pub fn settle(&mut self, now: Instant, pass: Pass, verdict: Verdict, entropy: Entropy) {
        if pass.era != self.era
            || (matches!(verdict, Verdict::Success) && self.is_clear() && self.settle_beside_good(pass.era))
        {
            return;
        }
        match self.mode {
            BreakerMode::ForcedOpen | BreakerMode::ForcedClosed => {}
            BreakerMode::ObserveOnly => self.remember(now, verdict),
            BreakerMode::Enforce => match self.state {
                BreakerState::Closed { ramp, clean } => self.settle_closed(now, ramp, clean, verdict, entropy),
                // Only the transition to open begins this era, and nothing was admitted in it.
                BreakerState::Open { .. } => {}
                BreakerState::HalfOpen { lease_end, outstanding, succeeded } => {
                    let outstanding = outstanding.saturating_sub(1);
                    self.state = BreakerState::HalfOpen { lease_end, outstanding, succeeded };
                    self.settle_probe(now, lease_end, outstanding, succeeded, verdict, entropy);
                }
            },
        }
    }

    /// The common case of [`CircuitBreaker::settle`], on the shortest way: a success where it [is clear](CircuitBreaker::is_clear) and
    /// only successes are remembered. False where it is another case, and nothing is done.
    #[inline]
    pub(crate) fn settle_beside_good(&mut self, era: u16) -> bool {
        debug_assert!(self.is_clear(), "the breaker may have more to do");
        era == self.era && self.window.record_good()
    }

    /// So many calls are out for longer than the slow limit: they count as slow although they have not returned.
    ///
    /// Without entropy to draw from, a breaker that opens here opens for the full time.
    pub fn count_overdue(&mut self, now: Instant, overdue: u16) {
        let (BreakerMode::Enforce, BreakerState::Closed { ramp, clean: _ }, Some(slow)) =
            (self.mode, self.state, self.slow)
        else {
            return;
        };
        let counts = self.window.counts(now);
        let [bad, calls] = [counts.slow, counts.calls].map(|count| count.saturating_add(u32::from(overdue)));
        if overdue > 0 && calls >= self.evidence(ramp) && slow.is_reached(bad, calls) {
            self.trip(now, bad, calls, Entropy::new(u32::MAX));
        }
    }

    /// Forces the breaker open or closed, makes it observe, or lets it enforce again: then it starts closed, with
    /// nothing remembered.
    pub fn set_mode(&mut self, mode: BreakerMode) {
        if mode != self.mode {
            self.mode = mode;
            self.reset();
        }
    }

    /// Closes the breaker at full traffic and forgets everything.
    pub fn reset(&mut self) {
        self.trips = 0;
        self.window.clear();
        self.enter(BreakerState::Closed { ramp: u16::MAX, clean: 0 });
    }

    /// What it remembers.
    #[must_use = "a query"]
    pub fn counts(&mut self, now: Instant) -> Counts {
        self.window.counts(now)
    }

    /// Whether what it remembers is enough to open it.
    #[must_use = "a query"]
    pub fn would_open(&mut self, now: Instant) -> bool {
        let counts = self.window.counts(now);
        counts.calls >= u32::from(self.calls_min) && self.too_many(counts).is_some()
    }

    /// The longest that it can be open at a time.
    pub(crate) const fn longest_open_ns(&self) -> u64 {
        self.open.longest_ns(u32::MAX)
    }

    /// Stands where another one stood, with its own settings and nothing remembered.
    pub(crate) fn succeed(&mut self, other: &Self) {
        (self.state, self.era, self.trips, self.mode) = (other.state, other.era, other.trips, other.mode);
    }

    /// Starts open, or on the ramp, as it was left, unless it is stricter already. The open time is cut to the longest that
    /// the settings give.
    pub(crate) fn restore(&mut self, now: Instant, open_ns: Option<u64>, ramp: u16, trips: u8) {
        if self.mode != BreakerMode::Enforce {
            return;
        }
        self.trips = self.trips.max(trips);
        if let Some(open_ns) = open_ns {
            let left = now.plus_ns(open_ns.min(self.longest_open_ns()));
            let until = match self.state {
                BreakerState::Open { until, .. } => until.max(left),
                // Its probes are out: nothing that was saved is stricter.
                BreakerState::HalfOpen { .. } if open_ns == 0 => return,
                // No further one before their lease ends.
                BreakerState::HalfOpen { lease_end, .. } => left.max(lease_end),
                // As many as there may be probes, but none beside what is in flight.
                BreakerState::Closed { ramp: present, clean: _ } if open_ns == 0 && present < u16::MAX => {
                    return self.enter(BreakerState::Closed { ramp: present.min(self.probes.into()), clean: 0 });
                }
                BreakerState::Closed { .. } => left,
            };
            self.enter(BreakerState::Open { until, bad: 0, calls: 0 });
        } else if let BreakerState::Closed { ramp: present, clean: _ } = self.state
            && ramp < present
        {
            self.enter(BreakerState::Closed { ramp: ramp.max(1), clean: 0 });
        }
    }

    /// Whether a call may go now. Time alone may make an open breaker half-open here, and end a lost probe's lease.
    pub(crate) fn check(&mut self, now: Instant) -> Result<(), Rejected> {
        match self.mode {
            BreakerMode::Enforce => {}
            BreakerMode::ForcedOpen => return Err(Rejected::Forced),
            BreakerMode::ForcedClosed | BreakerMode::ObserveOnly => return Ok(()),
        }
        match self.state {
            BreakerState::Closed { .. } => Ok(()),
            BreakerState::Open { until, bad, calls } if now < until => Err(Rejected::Open { until, bad, calls }),
            BreakerState::HalfOpen { outstanding, .. } if outstanding < self.probes => Ok(()),
            BreakerState::HalfOpen { lease_end, outstanding, .. } if now < lease_end => {
                Err(Rejected::Probing { until: lease_end, outstanding, probes: self.probes })
            }
            // The open time is over, or all probes were lost: a new era, in which lost ones no longer count.
            BreakerState::Open { .. } | BreakerState::HalfOpen { .. } => {
                self.enter(BreakerState::HalfOpen { lease_end: now, outstanding: 0, succeeded: 0 });
                Ok(())
            }
        }
    }

    /// Takes what [`CircuitBreaker::check`] allowed.
    pub(crate) fn take(&mut self, now: Instant) -> Pass {
        let probe = match self.state {
            BreakerState::HalfOpen { outstanding, succeeded, lease_end } => {
                // Beside one that is out already, which may be lost, it does not last longer.
                let lease_end = if outstanding == 0 { now.plus(self.lease) } else { lease_end };
                self.state =
                    BreakerState::HalfOpen { lease_end, outstanding: outstanding.saturating_add(1), succeeded };
                debug_assert!(outstanding < self.probes, "one probe too many");
                true
            }
            BreakerState::Closed { .. } | BreakerState::Open { .. } => false,
        };
        Pass { era: self.era, probe }
    }

    fn settle_closed(&mut self, now: Instant, ramp: u16, clean: u16, verdict: Verdict, entropy: Entropy) {
        self.remember(now, verdict);
        match verdict {
            Verdict::Success => self.rise(ramp, clean),
            // Slow is no fault where it is not judged.
            Verdict::Slow if self.slow.is_none() => self.rise(ramp, clean),
            Verdict::Slow | Verdict::Failure | Verdict::SlowFailure => {
                let counts = self.window.counts(now);
                if counts.calls >= self.evidence(ramp)
                    && let Some(bad) = self.too_many(counts)
                {
                    self.trip(now, bad, counts.calls, entropy);
                }
            }
            Verdict::Answered | Verdict::Neutral => {}
        }
    }

    fn settle_probe(
        &mut self,
        now: Instant,
        lease_end: Instant,
        outstanding: u8,
        succeeded: u8,
        verdict: Verdict,
        entropy: Entropy,
    ) {
        let good = match verdict {
            Verdict::Success | Verdict::Answered => true,
            Verdict::Slow => self.slow.is_none(),
            Verdict::Failure | Verdict::SlowFailure => false,
            Verdict::Neutral => return,
        };
        let judged = succeeded.saturating_add(1);
        if !good {
            self.trip(now, 1, u32::from(judged), entropy);
        } else if judged < self.successes {
            self.state = BreakerState::HalfOpen { lease_end, outstanding, succeeded: judged };
        } else {
            self.close();
        }
    }

    fn close(&mut self) {
        self.window.clear();
        let ramp = match self.after_closing {
            AfterClosing::Ramp => u16::from(self.probes) * 2,
            AfterClosing::FullTraffic => {
                self.trips = 0;
                u16::MAX
            }
        };
        self.enter(BreakerState::Closed { ramp, clean: 0 });
    }

    /// After a success: a clean round of `ramp` calls doubles the ramp, and from 256 on it is over.
    fn rise(&mut self, ramp: u16, clean: u16) {
        if ramp == u16::MAX {
            return;
        }
        let clean = clean.saturating_add(1);
        self.state = if clean < ramp {
            BreakerState::Closed { ramp, clean }
        } else if ramp < RAMP_END {
            BreakerState::Closed { ramp: ramp * 2, clean: 0 }
        } else {
            self.trips = 0;
            BreakerState::Closed { ramp: u16::MAX, clean: 0 }
        };
    }

    fn trip(&mut self, now: Instant, bad: u32, calls: u32, entropy: Entropy) {
        self.trips = self.trips.saturating_add(1);
        let open_ns = self.open.delay_ns(u32::from(self.trips), 0, entropy);
        self.enter(BreakerState::Open { until: now.plus_ns(open_ns), bad: saturated(bad), calls: saturated(calls) });
    }

    /// The one place where an era begins.
    fn enter(&mut self, state: BreakerState) {
        self.state = state;
        self.era = self.era.wrapping_add(1);
    }

    fn remember(&mut self, now: Instant, verdict: Verdict) {
        let (failed, slow) = match verdict {
            Verdict::Success => (false, false),
            Verdict::Slow => (false, true),
            Verdict::Failure => (true, false),
            Verdict::SlowFailure => (true, true),
            Verdict::Answered | Verdict::Neutral => return,
        };
        self.window.record(now, Sample { failed, slow });
    }

    /// How many calls it takes to open: fewer during the ramp, so that a relapse costs less than the first fall.
    fn evidence(&self, ramp: u16) -> u32 {
        u32::from(self.calls_min.min(ramp.max(RAMP_EVIDENCE_MIN)))
    }

    /// The failed calls where they are too many, else the slow ones where those are.
    fn too_many(&self, counts: Counts) -> Option<u32> {
        if self.failed.is_reached(counts.failed, counts.calls) {
            return Some(counts.failed);
        }
        self.slow.filter(|slow| slow.is_reached(counts.slow, counts.calls)).map(|_| counts.slow)
    }
}

impl<W> CircuitBreaker<W> {
    /// Where it stands. An open breaker stays `Open` until somebody asks after its time.
    pub const fn state(&self) -> BreakerState {
        self.state
    }

    /// Whether it is closed and past its ramp, and not forced.
    pub(crate) const fn is_clear(&self) -> bool {
        matches!(self.mode, BreakerMode::Enforce)
            && matches!(self.state, BreakerState::Closed { ramp: u16::MAX, clean: _ })
    }

    /// What it does with its verdict.
    pub const fn mode(&self) -> BreakerMode {
        self.mode
    }

    /// How many calls may be out at once: the ramp after closing, otherwise `u16::MAX`. A breaker that stands alone does
    /// not count its calls; whoever does (a [`Gate`](crate::Gate)) keeps to this.
    #[must_use = "a query"]
    pub const fn calls_at_once(&self) -> u16 {
        match self.state {
            BreakerState::Closed { ramp, clean: _ } => ramp,
            BreakerState::Open { .. } | BreakerState::HalfOpen { .. } => u16::MAX,
        }
    }
}

const fn saturated(count: u32) -> u16 {
    if count > u16::MAX as u32 { u16::MAX } else { count as u16 }
}

/// Where the ramp ends: a fetcher has rarely more than this in flight.
const RAMP_END: u16 = 256;
/// During the ramp at least so many calls are judged: one random fault is no relapse.
const RAMP_EVIDENCE_MIN: u16 = 4;

const _: () =
    assert!(size_of::<CircuitBreaker<CallWindow>>() == 64 && size_of::<CircuitBreaker<PeriodWindow>>() <= 128);

#[cfg(test)]
mod tests;
