//! What a run on schedule adds: how much was due, how much was sent, and what somebody waited from when it was due.
//!
//! A test that sends the next request when the last one is answered stops asking while the server is slow, and so leaves
//! out what its users would have waited (Gil Tene calls that coordinated omission). Counted from when each was due nothing
//! is left out.

use serde_json::{Value, json};
use tidegate::fetch::{TileOutcome, TileReport};
use tidegate_lab::{
    measure::{
        percentile::{Percentile, Summary},
        text::{Micros, PerSecond, Percent, grouped},
    },
    traffic::Traffic,
};

use super::metrics::{Reservoir, micros};

/// Takes down what a run on schedule adds, while it runs.
#[derive(Debug)]
pub(crate) struct OpenLoop {
    traffic: Traffic,
    alive_max: usize,
    pub(super) not_sent: u64,
    late_us: Reservoir,
    since_due_us: Reservoir,
}

impl OpenLoop {
    /// Of this traffic, with at most so many calls alive.
    pub(crate) fn new(traffic: Traffic, alive_max: usize) -> Self {
        let [late_us, since_due_us] = std::array::from_fn(|_| Reservoir::default());
        Self { traffic, alive_max, not_sent: 0, late_us, since_due_us }
    }

    pub(super) fn record(&mut self, report: &TileReport, chance: &mut fastrand::Rng) {
        self.late_us.push(micros(report.late), chance);
        if report.outcome.tile().is_some() || matches!(report.outcome, TileOutcome::Empty) {
            self.since_due_us.push(micros(report.since_due()), chance);
        }
    }

    pub(super) fn finish(mut self, due: u64) -> OnTime {
        OnTime {
            traffic: self.traffic,
            alive_max: self.alive_max,
            due,
            not_sent: self.not_sent,
            late: Summary::of(&mut self.late_us.kept),
            since_due: Summary::of(&mut self.since_due_us.kept),
            since_due_us: self.since_due_us.kept,
        }
    }
}

/// The figures of a run on schedule.
#[derive(Debug)]
pub(super) struct OnTime {
    pub(super) traffic: Traffic,
    alive_max: usize,
    due: u64,
    not_sent: u64,
    /// How far behind their time requests were begun.
    late: Summary,
    /// From when a tile was due to its verified result.
    pub(super) since_due: Summary,
    /// The same of each, sorted.
    pub(super) since_due_us: Vec<u64>,
}

impl OnTime {
    /// How much was due, and how well the schedule was kept: names and values.
    pub(super) fn rows(&self) -> [(&'static str, String); 3] {
        let Traffic { shape, span, arrivals, .. } = self.traffic;
        let (rate, span) = (PerSecond(self.traffic.per_second_max()), Micros(micros(span)));
        let not_sent = match self.not_sent {
            0 => format!("0; {} may be alive at once", grouped(self.alive_max as u64)),
            count => format!(
                "{} ({}): {} were alive already; they are in no percentile",
                grouped(count),
                Percent(count as f64 / self.due.max(1) as f64),
                grouped(self.alive_max as u64)
            ),
        };
        let late = self.late.max.map_or("–".to_owned(), |us| Micros(us).to_string());
        [
            ("due", format!("{} over {span}: {}, {rate}, {}", grouped(self.due), shape.name(), arrivals.name())),
            ("  not sent", not_sent),
            ("  sent late by", format!("{} (p99), at most {late}", self.late.p99)),
        ]
    }

    /// What the difference between the two ways of counting means, in a sentence; one more where this machine is at fault.
    pub(super) fn meaning(&self, since_sent: &Summary) -> String {
        let Some(Compared { name, due, sent, late }) = self.compared(since_sent) else {
            return "There are too few answers to compare the time since a tile was due with its latency.".to_owned();
        };
        let [shown_due, shown_sent, shown_late] = [due, sent, late].map(Micros);
        if due <= sent + sent / 10 + SAME_US {
            let both = format!("{name} is {shown_due} since tiles were due, and their tile latency {shown_sent}");
            return match self.not_sent {
                0 => format!("{both}: the server kept up, and what was due did not have to wait."),
                _ => {
                    format!("{both}: what was sent did not have to wait, but some of what was due was not sent at all.")
                }
            };
        }
        let mut meaning = format!(
            "{name} is {shown_due} since tiles were due, but their tile latency {shown_sent}: the difference is what they \
             waited to be sent, and a test that waits for one answer before it asks again would not have shown it."
        );
        if late >= (due - sent) / 2 {
            meaning += &format!(" Here this machine itself was late ({name} {shown_late}): ask less of it.");
        }
        meaning
    }

    /// The percentile at which the two differ by the largest factor, of those that all three carry; the highest of equals.
    fn compared(&self, since_sent: &Summary) -> Option<Compared> {
        let from_the_top = |summary: &Summary| [summary.p99, summary.p95, summary.p90, summary.p50].map(Percentile::us);
        let [due, sent, late] = [&self.since_due, since_sent, &self.late].map(from_the_top);
        let named = ["p99", "p95", "p90", "p50"].into_iter().zip(due).zip(sent).zip(late);
        let all = named
            .filter_map(|(((name, due), sent), late)| Some(Compared { name, due: due?, sent: sent?, late: late? }));
        let factor = |it: &Compared| it.due as f64 / it.sent.max(1) as f64;
        all.reduce(|best, other| if factor(&other) > factor(&best) { other } else { best })
    }

    pub(super) fn to_json(&self, since_sent: &Summary) -> Value {
        json!({
            "traffic": self.traffic.shape,
            "arrivals": self.traffic.arrivals,
            "rate_per_second": self.traffic.per_second_max(),
            "duration_seconds": self.traffic.span.as_secs_f64(),
            "due": self.due,
            "sent": self.due - self.not_sent,
            "not_sent": self.not_sent,
            "alive_max": self.alive_max,
            "late_ms": self.late,
            "latency_since_due_ms": self.since_due,
            "uncorrected_latency_ms": since_sent,
            "meaning": self.meaning(since_sent),
        })
    }
}

/// One percentile, in microseconds.
struct Compared {
    name: &'static str,
    due: u64,
    sent: u64,
    late: u64,
}

/// Two latencies this close are the same: timers are no better.
const SAME_US: u64 = 2_000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tidegate_core::rate::Rate;
    use tidegate_lab::traffic::{Arrivals, Shape};

    use super::*;

    fn summary(us: u64) -> Summary {
        Summary::of(&mut vec![us; 1_000])
    }

    fn on_time(since_due_us: u64, late_us: u64, not_sent: u64) -> OnTime {
        OnTime {
            traffic: Traffic {
                shape: Shape::Steady,
                rate: Rate::per_second(50),
                span: Duration::from_secs(30),
                arrivals: Arrivals::Even,
            },
            alive_max: 400,
            due: 1_500,
            not_sent,
            late: summary(late_us),
            since_due: summary(since_due_us),
            since_due_us: Vec::new(),
        }
    }

    #[test]
    fn where_nobody_waited_the_two_ways_of_counting_are_the_same() {
        let meaning = on_time(21_500, 100, 0).meaning(&summary(20_000));
        assert!(
            meaning.starts_with("p99 is 21.5 ms since tiles were due, and their tile latency 20.0 ms"),
            "{meaning}"
        );
        assert!(meaning.contains("kept up"), "{meaning}");
    }

    #[test]
    fn where_they_waited_the_sentence_says_who_made_them() {
        let meaning = on_time(1_200_000, 100, 0).meaning(&summary(20_000));
        assert!(meaning.starts_with("p99 is 1.20 s since tiles were due, but their tile latency 20.0 ms"), "{meaning}");
        assert!(!meaning.contains("this machine"), "{meaning}");
        let meaning = on_time(1_200_000, 900_000, 0).meaning(&summary(20_000));
        assert!(meaning.ends_with("Here this machine itself was late (p99 900 ms): ask less of it."), "{meaning}");
    }

    #[test]
    fn what_was_not_sent_is_counted_and_said() {
        let [due, not_sent, late] = on_time(20_000, 1_000, 300).rows();
        assert_eq!(due, ("due", "1,500 over 30.0 s: steady, 50.0/s, even".to_owned()));
        assert_eq!(not_sent.1, "300 (20 %): 400 were alive already; they are in no percentile");
        assert_eq!(late.1, "1.00 ms (p99), at most 1.00 ms");
        let json = on_time(20_000, 1_000, 300).to_json(&summary(20_000));
        assert_eq!((&json["due"], &json["sent"], &json["not_sent"]), (&json!(1_500), &json!(1_200), &json!(300)));
        assert_eq!((&json["traffic"], &json["arrivals"]), (&json!("steady"), &json!("even")));
        let quiet = on_time(20_000, 1_000, 0).rows();
        assert_eq!(quiet[1].1, "0; 400 may be alive at once");
    }

    #[test]
    fn a_wait_that_only_the_median_shows_is_told() {
        // Retries made the slowest as slow either way.
        let mut since_due = vec![400_000; 900];
        since_due.extend([3_400_000; 100]);
        let mut since_sent = vec![38_000; 900];
        since_sent.extend([3_300_000; 100]);
        let on_time = OnTime { since_due: Summary::of(&mut since_due), ..on_time(1, 1, 0) };
        let meaning = on_time.meaning(&Summary::of(&mut since_sent));
        assert!(meaning.starts_with("p90 is 400 ms since tiles were due, but their tile latency 38.0 ms"), "{meaning}");
    }

    #[test]
    fn a_server_did_not_keep_up_where_something_was_not_sent() {
        let meaning = on_time(20_000, 100, 3).meaning(&summary(20_000));
        assert!(meaning.ends_with("some of what was due was not sent at all."), "{meaning}");
    }

    #[test]
    fn nothing_is_said_of_what_nothing_is_known_of() {
        let nothing = Summary::of(&mut []);
        assert!(on_time(1, 1, 0).meaning(&nothing).starts_with("There are too few answers"));
    }
}
