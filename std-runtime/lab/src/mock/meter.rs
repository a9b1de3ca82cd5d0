//! Counting requests against a rate limit.

use std::collections::VecDeque;
use std::time::Duration;

use super::rules::{RateKind, RateLimit};

/// The state of a rate limit.
#[derive(Debug)]
pub(crate) struct Meter {
    limit: RateLimit,
    state: State,
}

#[derive(Debug)]
enum State {
    /// When the bucket will be full again.
    Bucket {
        full_at: Duration,
        burst: u32,
    },
    Fixed {
        window: u128,
        used: u32,
    },
    /// When the requests of the last period arrived, at most the limit.
    Sliding {
        arrivals: VecDeque<Duration>,
    },
}

/// What the limit says to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) is_allowed: bool,
    /// How many more could follow at once.
    pub(crate) remaining: u32,
    /// How long until the next one is allowed if this one was not, else until the quota grows.
    pub(crate) reset: Duration,
}

impl Meter {
    pub(crate) fn new(limit: RateLimit) -> Self {
        let state = match limit.kind {
            RateKind::Bucket { burst } => State::Bucket { full_at: Duration::ZERO, burst },
            RateKind::Fixed => State::Fixed { window: 0, used: 0 },
            RateKind::Sliding => State::Sliding { arrivals: VecDeque::new() },
        };
        Self { limit, state }
    }

    /// Takes one request if it is allowed.
    pub(crate) fn take(&mut self, now: Duration) -> Reading {
        let RateLimit { requests, period, .. } = self.limit;
        match &mut self.state {
            State::Bucket { full_at, burst } => {
                let each = period / requests;
                let capacity = each * *burst;
                // What is missing in the bucket, as the time that it takes to fill.
                let missing = full_at.saturating_sub(now);
                let is_allowed = missing + each <= capacity;
                if is_allowed {
                    *full_at = now.max(*full_at) + each;
                }
                let missing = full_at.saturating_sub(now);
                let free = capacity.saturating_sub(missing);
                // Down: only whole requests can follow.
                let remaining = u32::try_from(free.as_nanos() / each.as_nanos().max(1)).unwrap_or(u32::MAX);
                let next = each * (remaining + 1).min(*burst);
                Reading { is_allowed, remaining, reset: next.saturating_sub(free) }
            }
            State::Fixed { window, used } => {
                let current = now.as_nanos() / period.as_nanos();
                if current > *window {
                    (*window, *used) = (current, 0);
                }
                let is_allowed = *used < requests;
                *used += u32::from(is_allowed);
                // Below the period, which is at most an hour.
                let gone = Duration::from_nanos((now.as_nanos() % period.as_nanos()) as u64);
                Reading { is_allowed, remaining: requests - *used, reset: period - gone }
            }
            State::Sliding { arrivals } => {
                while arrivals.front().is_some_and(|arrival| *arrival + period <= now) {
                    arrivals.pop_front();
                }
                let used = arrivals.len() as u32;
                let is_allowed = used < requests;
                if is_allowed {
                    arrivals.push_back(now);
                }
                let oldest = arrivals.front().copied().unwrap_or(now);
                Reading {
                    is_allowed,
                    remaining: requests - used - u32::from(is_allowed),
                    reset: (oldest + period).saturating_sub(now),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(text: &str) -> Meter {
        Meter::new(text.parse().expect("a good limit"))
    }

    /// Which of these instants, in milliseconds, are allowed.
    fn allowed(text: &str, at_ms: &[u64]) -> Vec<bool> {
        let mut meter = meter(text);
        at_ms.iter().map(|ms| meter.take(Duration::from_millis(*ms)).is_allowed).collect()
    }

    const Y: bool = true;
    const N: bool = false;

    #[test]
    fn a_bucket_lets_its_burst_pass_and_then_the_rate() {
        assert_eq!(
            allowed("10/s,burst=3", &[0, 0, 0, 0, 99, 100, 100, 400, 400, 400, 400]),
            [Y, Y, Y, N, N, Y, N, Y, Y, Y, N]
        );
        assert_eq!(allowed("10/s", &[0, 50, 100, 199, 200]), [Y, N, Y, N, Y]);
    }

    #[test]
    fn a_fixed_window_lets_twice_the_limit_pass_around_its_edge() {
        assert_eq!(allowed("2/s,kind=fixed", &[900, 950, 999, 1_000, 1_001, 1_002, 5_000]), [Y, Y, N, Y, Y, N, Y]);
    }

    #[test]
    fn a_sliding_window_never_lets_more_than_the_limit_pass_in_any_period() {
        assert_eq!(allowed("2/s,kind=sliding", &[900, 950, 999, 1_899, 1_900, 1_949, 1_950]), [Y, Y, N, N, Y, N, Y]);
    }

    #[test]
    fn who_comes_back_when_told_is_allowed_and_not_before() {
        for text in ["7/s,burst=3", "7/s,kind=fixed", "7/s,kind=sliding", "3/100ms", "1000000/s"] {
            let mut meter = meter(text);
            let mut now = Duration::from_millis(300);
            let refused = loop {
                match meter.take(now) {
                    refused @ Reading { is_allowed: false, .. } => break refused,
                    _ => now += Duration::from_nanos(100),
                }
            };
            assert_eq!(refused.remaining, 0, "{text}");
            let early = now + refused.reset - Duration::from_nanos(1);
            assert!(!meter.take(early).is_allowed, "{text}: allowed before the time it gave");
            assert!(meter.take(now + refused.reset).is_allowed, "{text}: refused at the time it gave");
        }
    }

    #[test]
    fn remaining_is_what_can_follow_at_once() {
        for text in ["5/s,burst=4", "5/s,kind=fixed", "5/s,kind=sliding"] {
            let mut meter = meter(text);
            let first = meter.take(Duration::ZERO);
            let follow = (0..10).take_while(|_| meter.take(Duration::ZERO).is_allowed).count();
            assert_eq!(follow, first.remaining as usize, "{text}");
        }
    }

    #[test]
    fn time_running_backwards_admits_nothing_more() {
        for text in ["2/s", "2/s,burst=2", "2/s,kind=fixed", "2/s,kind=sliding"] {
            let mut meter = meter(text);
            while meter.take(Duration::from_secs(10)).is_allowed {}
            assert!(!meter.take(Duration::from_secs(9)).is_allowed, "{text}");
        }
    }
}
