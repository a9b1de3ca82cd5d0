//! What comes from the sources, and what is waited for, while a run goes on.
//!
//! A ledger counts tiles at their end. A source that answers nothing brings none to its end, so what is known until then is
//! here: how often it was tried again, what went wrong last, and since when nothing has come.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use tidegate::{
    fetch::{Attempt, Fault, TileReport, Watch},
    upstream::{Status, Upstream},
};
use tidegate_core::{Admission, Instant, Try, Why};
use tidegate_store::health::Health;

use crate::fetch::lock;

/// Hears of every attempt as it ends, and passes it on to whoever serves health and metrics.
#[derive(Debug)]
pub(crate) struct Pulse {
    health: Arc<Health>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    retries: u64,
    /// Whether any attempt brought a tile, or that there is none.
    has_given: bool,
    /// Attempts that went wrong …
    faults: u64,
    /// … when the first one did, and how the last one.
    failing: Option<(Instant, Fault)>,
    /// Until when tiles are left alone, before which attempt of how many. Bounded by how many calls are alive.
    back_offs: BTreeSet<(Instant, u8, u8)>,
}

impl Pulse {
    pub(crate) fn new(health: Arc<Health>) -> Self {
        Self { health, state: Mutex::default() }
    }

    /// Where things stand with these sources.
    pub(crate) fn standing<'u>(&self, now: Instant, sources: impl Iterator<Item = &'u Upstream>) -> Standing {
        let sources: Vec<_> = sources.map(|source| (source.status(), wait_for(source, now))).collect();
        // As long as one of them can be asked nothing is waited for but what each tile waits for by itself.
        let waits: Option<Vec<Wait>> = sources.iter().map(|(_, wait)| *wait).collect();
        let at_gates = waits.and_then(|waits| waits.into_iter().min_by_key(|wait| wait.span));
        let is_idle = sources.iter().all(|(status, _)| status.in_flight == 0);
        let state = lock(&self.state);
        let next = state.back_offs.range((now, 0, 0)..).next().filter(|_| is_idle);
        let backing_off = next.map(|&(until, attempt, attempts)| Wait {
            span: until.saturating_since(now),
            why: Why::Backoff { attempt, attempts },
        });
        Standing {
            status: sources.first().map(|(status, _)| *status),
            retries: state.retries,
            has_given: state.has_given,
            last: state.failing.map(|(_, last)| last),
            wait: at_gates.or(backing_off),
        }
    }

    /// Whether any attempt brought a tile, or that there is none.
    pub(crate) fn has_given(&self) -> bool {
        lock(&self.state).has_given
    }

    /// What is to be said of sources that have given nothing at all for `bound`, pauses that they asked for not counted.
    pub(crate) fn silence(&self, now: Instant, paused_until: Instant, bound: Duration) -> Option<Silence> {
        let state = lock(&self.state);
        let (since, last) = state.failing.filter(|_| !state.has_given && state.faults >= FAULTS_MIN)?;
        let lasted = now.saturating_since(since.max(paused_until));
        (lasted >= bound).then_some(Silence { lasted, last })
    }
}

impl Watch for Pulse {
    fn attempt(&self, now: Instant, attempt: &Attempt) {
        self.health.attempt(now, attempt);
        let mut state = lock(&self.state);
        state.retries += u64::from(attempt.again);
        match attempt.fault {
            None => state.has_given = true,
            // What its own caller cut off says nothing.
            Some(Fault::CutOff | Fault::Overtaken) => {}
            Some(fault) => {
                state.faults += 1;
                state.failing = Some((state.failing.map_or(now, |(since, _)| since), fault));
            }
        }
    }

    fn tile(&self, now: Instant, report: &TileReport) {
        self.health.tile(now, report);
    }

    fn backs_off(&self, now: Instant, until: Instant, attempt: u8, attempts: u8) {
        let back_offs = &mut lock(&self.state).back_offs;
        *back_offs = back_offs.split_off(&(now, 0, 0));
        back_offs.insert((until, attempt, attempts));
    }
}

/// Where things stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// The first source's gate.
    pub(crate) status: Option<Status>,
    /// Attempts beyond the first of their tile, so far.
    pub(crate) retries: u64,
    /// Whether anything has come.
    pub(crate) has_given: bool,
    /// What went wrong last.
    pub(crate) last: Option<Fault>,
    /// What every source waits for.
    pub(crate) wait: Option<Wait>,
}

/// A wait, for so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) span: Duration,
    pub(crate) why: Why,
}

/// What a source lets nobody pass for.
fn wait_for(source: &Upstream, now: Instant) -> Option<Wait> {
    let of = |attempt| match source.refusal(attempt) {
        Some(Admission::Wait { until, why }) => Some(Wait { span: until.saturating_since(now), why }),
        Some(Admission::Go(_) | Admission::Full { .. } | Admission::Never { .. }) | None => None,
    };
    // Retries alone are held back by an empty budget, and nobody waits for that while others are under way.
    let wait = of(Try::First).or_else(|| of(Try::Again).filter(|_| source.status().in_flight == 0));
    wait.filter(|wait| !matches!(wait.why, Why::Rate { .. }) || wait.span >= WORTH_SAYING)
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Up: what is over by then was not said to be over before.
        let seconds = self.span.as_secs().saturating_add(u64::from(self.span.subsec_nanos() > 0));
        match (self.why, seconds) {
            (Why::Probing { .. }, _) => return f.write_str("waiting for what becomes of a probe"),
            (_, ..120) => write!(f, "waiting {seconds} s: ")?,
            (_, FOR_EVER_S..) => f.write_str("waiting: ")?,
            (_, _) => write!(f, "waiting {} min: ", seconds.div_ceil(60))?,
        }
        match self.why {
            Why::Paused { .. } => f.write_str("the server asked for a pause"),
            // Short, so that a terminal of 80 columns has room for what went wrong.
            Why::Open { bad: 0, calls: 0 } => f.write_str("breaker open"),
            Why::Open { bad, calls } => write!(f, "breaker open ({bad}/{calls} bad)"),
            why => why.fmt(f),
        }
    }
}

/// Sources that have given nothing at all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Silence {
    lasted: Duration,
    last: Fault,
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing at all came from the source for {} s: {}", self.lasted.as_secs(), self.last)
    }
}

/// How long nothing at all may come from a source before a run that is there to fetch tiles ends.
///
/// A breaker that opened asks again after 5 s, 10, 20, 40 and 60, or up to half of that earlier: the server was asked five
/// times more, and had the time in which services start again. One that has given something is waited for however long
/// it is away.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(3 * 60);
/// A few attempts are no trial, however long they took.
const FAULTS_MIN: u64 = 5;
/// Shorter waits between requests come and go faster than they are read.
const WORTH_SAYING: Duration = Duration::from_secs(1);
/// Nothing that ends by itself lasts so long.
const FOR_EVER_S: u64 = 30 * 86_400;

#[cfg(test)]
mod tests {
    use tidegate::transport::TransportError;
    use tidegate_core::{Gate, GateConfig, drive::Clock};

    use super::*;

    const REFUSED: Fault = Fault::Transport(TransportError::Connect(std::io::ErrorKind::ConnectionRefused));

    fn pulse() -> Pulse {
        Pulse::new(Arc::new(Health::start(Instant::ORIGIN, 1)))
    }

    fn ended(pulse: &Pulse, at_s: u64, fault: Option<Fault>) {
        let attempt = Attempt { source: 0, latency: Duration::ZERO, fault, again: at_s > 0, hedge: false };
        pulse.attempt(Instant::from_secs(at_s), &attempt);
    }

    fn is_silent(pulse: &Pulse, now_s: u64, paused_until_s: u64) -> bool {
        pulse.silence(Instant::from_secs(now_s), Instant::from_secs(paused_until_s), SILENCE_MAX).is_some()
    }

    #[test]
    fn a_source_that_never_gave_anything_is_silent_after_the_bound() {
        let pulse = pulse();
        assert!(!is_silent(&pulse, 1_000, 0), "nobody was asked yet");
        (0..4).for_each(|at| ended(&pulse, at, Some(REFUSED)));
        assert!(!is_silent(&pulse, 1_000, 0), "four attempts are no trial");
        ended(&pulse, 100, Some(REFUSED));
        assert!(!is_silent(&pulse, 179, 0));
        assert!(is_silent(&pulse, 180, 0));
        let said = pulse.silence(Instant::from_secs(180), Instant::ORIGIN, SILENCE_MAX).map(|it| it.to_string());
        assert!(said.is_some_and(|said| said.contains("for 180 s: could not connect (connection refused)")));
        assert!(!is_silent(&pulse, 1_000, 821), "a pause that the server asked for is no silence");
        assert!(is_silent(&pulse, 1_001, 821));
        assert_eq!(pulse.standing(Instant::ORIGIN, std::iter::empty()).retries, 4);
    }

    #[test]
    fn a_source_that_gave_something_may_be_away_for_long() {
        let pulse = pulse();
        ended(&pulse, 0, None);
        (1..40).for_each(|at| ended(&pulse, at, Some(REFUSED)));
        assert!(!is_silent(&pulse, 86_400, 0));
    }

    #[test]
    fn what_is_cut_off_is_no_fault_of_the_source() {
        let pulse = pulse();
        (0..10).for_each(|at| ended(&pulse, at, Some(Fault::CutOff)));
        assert!(!is_silent(&pulse, 1_000, 0));
        assert_eq!(pulse.standing(Instant::ORIGIN, std::iter::empty()).last, None);
    }

    #[test]
    fn a_wait_says_how_long_and_for_what() {
        let wait = |span, why| Wait { span, why }.to_string();
        let open = Why::Open { bad: 16, calls: 16 };
        assert_eq!(wait(Duration::from_millis(11_200), open), "waiting 12 s: breaker open (16/16 bad)");
        let paused = Why::Paused { remaining_us: u32::MAX };
        assert_eq!(wait(Duration::from_secs(3_599), paused), "waiting 60 min: the server asked for a pause");
        assert_eq!(wait(Duration::MAX, Why::ForcedOpen), "waiting: breaker forced open");
    }

    #[test]
    fn only_where_every_source_waits_there_is_a_wait_and_the_first_to_end_is_said() {
        let upstream = || Upstream::new(Gate::new(GateConfig::DEFAULT).expect("the default is valid"));
        let paused = |seconds| {
            let upstream = upstream();
            let until = upstream.deadline_in(Duration::from_secs(seconds));
            upstream.control(|gate| gate.pause_until(Instant::ORIGIN, until));
            upstream
        };
        let wait = |sources: &[Upstream]| {
            let now = sources.first().map_or(Instant::ORIGIN, |source| source.clock().now());
            pulse().standing(now, sources.iter()).wait.map(|wait| wait.span.as_secs())
        };
        assert_eq!(wait(&[upstream()]), None);
        assert_eq!(wait(&[paused(601), upstream()]), None);
        assert_eq!(wait(&[paused(601), paused(301)]), Some(300));
    }

    #[test]
    fn where_no_gate_is_in_the_way_the_tile_that_is_tried_again_first_says_what_is_waited_for() {
        let pulse = pulse();
        for (until, attempt) in [(9, 4), (7, 5), (3, 2)] {
            pulse.backs_off(Instant::ORIGIN, Instant::from_secs(until), attempt, 9);
        }
        let wait = |now| pulse.standing(Instant::from_secs(now), std::iter::empty()).wait.map(|wait| wait.to_string());
        assert_eq!(wait(4).as_deref(), Some("waiting 3 s: backing off before attempt 5 of 9"));
        assert_eq!(wait(10), None);
        pulse.backs_off(Instant::from_secs(10), Instant::from_secs(11), 6, 9);
        assert_eq!(lock(&pulse.state).back_offs.len(), 1, "what is over is forgotten");
    }

    #[test]
    fn help_and_readme_say_how_long() {
        let minutes = format!("{} minutes", SILENCE_MAX.as_secs() / 60);
        let unbroken = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let readme = unbroken(include_str!("../../../README.md"));
        assert!(readme.contains(&format!("nothing at all for {minutes}")), "README.md");
        assert!(unbroken(crate::exit::HELP).contains(&format!("nothing at all for {minutes}")), "--help");
    }
}
