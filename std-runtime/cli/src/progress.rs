//! How far a run is: a bar that rewrites itself on a terminal, a line every few seconds elsewhere.

use std::time::{Duration, Instant};

use smol::stream::StreamExt;
use tidegate::{
    fetch::{Fault, TileReport, TileStream},
    ledger::Ledger,
    transport::TransportError,
};
use tidegate_core::{TileId, breaker::BreakerState};

use crate::{
    output::{Output, bytes},
    pulse::Standing,
    source::Source,
};

/// How far a run is. A retry never counts as work, so it never shows more than there is.
pub(crate) struct Progress {
    wanted: u64,
    quiet: bool,
    started: Instant,
    /// How long it takes, where that is known from the start.
    span: Option<Duration>,
    shown: Option<Instant>,
}

impl Progress {
    pub(crate) fn start(wanted: u64, quiet: bool) -> Self {
        Self { wanted, quiet, started: Instant::now(), span: None, shown: None }
    }

    /// So many tiles are to come in all.
    pub(crate) const fn expect(&mut self, wanted: u64) {
        self.wanted = wanted;
    }

    /// It begins its last tile after that time.
    pub(crate) fn ending_after(self, span: Duration) -> Self {
        Self { span: Some(span), ..self }
    }

    /// Shows where things stand, if it is time to.
    pub(crate) fn show(&mut self, ledger: &Ledger, source: &Source, output: &mut Output) {
        let since = self.shown.unwrap_or(self.started);
        let interval = if output.has_terminal() { TICK } else { ELSEWHERE };
        if self.quiet || since.elapsed() < interval {
            return;
        }
        self.shown = Some(Instant::now());
        let standing = source.standing();
        let line = self.line(ledger, &standing, self.started.elapsed());
        // A wait is worth its place.
        let bar = (output.has_terminal() && standing.wait.is_none()).then(|| bar(ledger.accounted(), self.wanted));
        output.progress(&(bar.unwrap_or_default() + &line));
    }

    /// Leaves the line as it is.
    pub(crate) fn end(&self, output: &mut Output) {
        if self.shown.is_some() {
            output.end_progress();
        }
    }

    fn line(&self, ledger: &Ledger, standing: &Standing, elapsed: Duration) -> String {
        let (done, wanted) = (ledger.accounted(), self.wanted);
        let pace = match standing.wait {
            Some(wait) => format!("| {wait}{}", standing.last.map(in_short).unwrap_or_default()),
            None => format!("{}% {}", done * 100 / wanted.max(1), self.pace(done, standing, elapsed)),
        };
        let gate = standing.status.map(|status| {
            let breaker = match status.breaker {
                BreakerState::Closed { ramp: u16::MAX, .. } => "closed",
                BreakerState::Closed { .. } => "recovering",
                BreakerState::Open { .. } => "open",
                BreakerState::HalfOpen { .. } => "half-open",
            };
            format!(" | in flight {}/{} | breaker {breaker}", status.in_flight, status.limit)
        });
        // What matters most comes first: a narrow terminal cuts the rest off. A sweep has had other sources before this one.
        format!(
            "{done}/{wanted} tiles {pace} | retries {}{} | ok {} there {} empty {} failed {} | {}",
            ledger.retries.max(standing.retries),
            gate.unwrap_or_default(),
            ledger.fetched,
            ledger.revalidated,
            ledger.empty,
            ledger.failed,
            bytes(ledger.bytes),
        )
    }

    /// How fast it is, and how long it will take.
    fn pace(&self, done: u64, standing: &Standing, elapsed: Duration) -> String {
        let per_second = done as f64 / elapsed.as_secs_f64().max(0.001);
        let left = match self.span {
            Some(span) => span.saturating_sub(elapsed).as_secs_f64(),
            None => self.wanted.saturating_sub(done) as f64 / per_second,
        };
        // Before the first tile nobody knows.
        let eta = Duration::try_from_secs_f64(left.ceil()).map_or("?".to_owned(), |eta| format!("{}s", eta.as_secs()));
        let nothing = standing.last.filter(|_| !standing.has_given);
        let nothing = nothing.map(|last| format!(" | nothing has come yet{}", in_short(last))).unwrap_or_default();
        format!("{per_second:.0} t/s ETA {eta}{nothing}")
    }
}

/// What went wrong last, without the advice that follows a colon.
fn in_short(last: Fault) -> String {
    let text = match last {
        Fault::Transport(TransportError::Connect(kind)) => kind.to_string(),
        last => last.to_string(),
    };
    format!("; last: {}", text.split(": ").next().unwrap_or_default())
}

/// Twenty columns and a blank.
fn bar(done: u64, wanted: u64) -> String {
    let filled = (u128::from(done.min(wanted)) * u128::from(BAR_WIDTH) / u128::from(wanted.max(1))) as usize;
    let empty = usize::from(BAR_WIDTH) - filled;
    format!("[{}{}] ", "#".repeat(filled), "-".repeat(empty))
}

/// Fetches `tiles` and hands each report to `take` as it comes; in between `None`, several times a second: it may be time to show
/// where things stand.
pub(crate) fn each(
    source: &Source,
    tiles: impl Iterator<Item = TileId> + Send + 'static,
    mut take: impl FnMut(Option<TileReport>),
) -> TileStream {
    let stream = source.fetcher.stream(source.runtime.executor(), tiles, source.deadline_at());
    follow(stream, |_stream, report| take(report))
}

/// The same of a stream that has begun, which is handed over each time, too.
pub(crate) fn follow(mut stream: TileStream, mut take: impl FnMut(&TileStream, Option<TileReport>)) -> TileStream {
    let mut ticks = smol::Timer::interval(TICK);
    smol::block_on(async {
        loop {
            let report = async { stream.next().await.map(Some) };
            let tick = async { ticks.next().await.map(|_| None) };
            let Some(event) = smol::future::or(report, tick).await else { break };
            take(&stream, event);
        }
    });
    stream
}

/// How often it is looked at where things stand, and on a terminal shown.
const TICK: Duration = Duration::from_millis(200);
const ELSEWHERE: Duration = Duration::from_secs(5);
const BAR_WIDTH: u16 = 20;

#[cfg(test)]
mod tests {
    use tidegate::upstream::Status;
    use tidegate_core::Why;

    use super::*;
    use crate::pulse::Wait;

    const STATUS: Status = Status {
        breaker: BreakerState::Closed { ramp: u16::MAX, clean: 0 },
        limit: 10,
        in_flight: 7,
        in_flight_max: 9,
        interval: Duration::ZERO,
        retries_available: None,
        paused_until: tidegate_core::Instant::ORIGIN,
        opened: 0,
        half_opened: 0,
        closed: 0,
        rate_cuts: 0,
        limit_cuts: 0,
    };
    const STANDING: Standing = Standing { status: Some(STATUS), retries: 0, has_given: true, last: None, wait: None };

    #[test]
    fn a_line_says_how_far_and_how_long_and_counts_no_retry_as_work() {
        let ledger = Ledger { requested: 200, fetched: 40, empty: 8, failed: 2, retries: 1_000, ..Ledger::default() };
        let line = Progress::start(200, false).line(&ledger, &STANDING, Duration::from_secs(5));
        assert!(
            line.starts_with("50/200 tiles 25% 10 t/s ETA 15s | retries 1000 | in flight 7/10 | breaker closed "),
            "{line}"
        );
    }

    #[test]
    fn what_goes_by_a_schedule_ends_with_it_however_little_is_done() {
        let progress = Progress::start(1_000, false).ending_after(Duration::from_secs(30));
        let line = progress.line(&Ledger { fetched: 1, ..Ledger::default() }, &STANDING, Duration::from_secs(12));
        assert!(line.starts_with("1/1000 tiles 0% 0 t/s ETA 18s |"), "{line}");
        let line = progress.line(&Ledger::default(), &STANDING, Duration::from_secs(31));
        assert!(line.contains(" ETA 0s |"), "{line}");
    }

    #[test]
    fn before_the_first_tile_nobody_knows_how_long_it_takes() {
        let line = Progress::start(200, false).line(&Ledger::default(), &STANDING, Duration::from_secs(5));
        assert!(line.starts_with("0/200 tiles 0% 0 t/s ETA ? |"), "{line}");
    }

    #[test]
    fn a_wait_is_said_with_its_end_its_reason_and_what_went_wrong_and_retries_are_those_made() {
        let wait = Some(Wait { span: Duration::from_secs(12), why: Why::Open { bad: 16, calls: 16 } });
        let last = Some(Fault::Transport(TransportError::Connect(std::io::ErrorKind::ConnectionRefused)));
        let standing = Standing { retries: 12, has_given: false, last, wait, ..STANDING };
        let line = Progress::start(4, false).line(&Ledger::default(), &standing, Duration::from_secs(5));
        assert!(
            line.starts_with(
                "0/4 tiles | waiting 12 s: breaker open (16/16 bad); last: connection refused | retries 12 |"
            ),
            "{line}"
        );
        let line = Progress::start(4, false).line(
            &Ledger::default(),
            &Standing { wait: None, ..standing },
            Duration::from_secs(5),
        );
        assert!(line.contains(" ETA ? | nothing has come yet; last: connection refused |"), "{line}");
    }

    #[test]
    fn a_bar_is_full_at_the_end_and_never_longer() {
        assert_eq!(bar(0, 200), "[--------------------] ");
        assert_eq!(bar(50, 200), "[#####---------------] ");
        assert_eq!((bar(200, 200), bar(300, 200)), (bar(7, 7), bar(7, 7)));
        assert_eq!(bar(u64::MAX, u64::MAX), "[####################] ");
        assert_eq!(bar(0, 0), "[--------------------] ");
    }
}
