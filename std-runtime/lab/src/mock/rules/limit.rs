//! What a server allows: requests per second, work at a time, connections.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::quantity::{digits, duration, show_duration};
use super::{Delay, RuleError};

/// A hard limit of requests in a time. What is above it is answered 429 at once.
///
/// As text: `50/s`, then as needed `,burst=10` (of a bucket), `,kind=bucket|fixed|sliding`,
/// `,retry-after=seconds|date|none` and `,headers=none|draft|legacy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests allowed in each period, 1 to 1,000,000.
    pub requests: u32,
    /// The period, 1 ms to an hour; at least a microsecond for each request.
    pub period: Duration,
    /// How they are counted. Default: a bucket that holds one request.
    pub kind: RateKind,
    /// What a 429 says about coming back. Default: seconds.
    pub retry_after: RetryForm,
    /// What every answer says about the quota. Default: nothing.
    pub headers: RateHeaders,
}

/// How a rate limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateKind {
    /// A token bucket that holds `burst` requests, 1 to 1,000,000, and fills evenly.
    Bucket {
        /// How many it holds.
        burst: u32,
    },
    /// Windows that follow each other; twice the limit can pass around their edge.
    Fixed,
    /// Never more than the limit in any window, wherever it begins.
    Sliding,
}

/// The form of `Retry-After` in a 429.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryForm {
    /// Whole seconds, rounded up.
    Seconds,
    /// An HTTP date, rounded up to the second.
    Date,
    /// The field is left out.
    None,
}

/// The fields that tell the client its quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateHeaders {
    /// None.
    None,
    /// `RateLimit` and `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers-10.
    Draft,
    /// `X-RateLimit-Limit`, `X-RateLimit-Remaining`, `X-RateLimit-Reset` in seconds from now.
    Legacy,
}

/// A pool of workers behind a bounded queue, which is what makes a server slow when it has too much to do.
///
/// As text: `4,service=lognormal:20ms/0.5,queue=16`. What does not fit into the queue is answered 503 at once. Work
/// that was taken on is done, even when the client has left in the meantime: that is what keeps an overloaded
/// server overloaded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pool {
    /// How many requests are worked on at a time, 1 to 10,000.
    pub workers: u32,
    /// How long the work on one takes.
    pub service: Delay,
    /// How many more may wait, 0 to 1,000,000. Default 0.
    pub queue: u32,
}

/// A limit of connections. As text: `20`, or `20,excess=503`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimit {
    /// How many may be open at a time, at least 1.
    pub max: u32,
    /// What happens to one more. Default: it is reset.
    pub excess: Excess,
}

/// What happens to a connection above the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// It is accepted and reset.
    Reset,
    /// Its first request is answered 503 and it is closed.
    Unavailable,
    /// It is not accepted until another one ends; to the client it looks open, but nobody answers.
    Wait,
}

impl FromStr for RateLimit {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let wrong = || RuleError::Rate { text: text.to_owned() };
        let (first, options) = first_and_options(text).ok_or_else(wrong)?;
        let (requests, period) = first.split_once('/').ok_or_else(wrong)?;
        let period = if period.starts_with(|first: char| first.is_ascii_digit()) {
            duration(period)?
        } else {
            duration(&format!("1{period}"))?
        };
        let requests = count(requests, 1..=1_000_000).ok_or_else(wrong)?;
        let mut limit = Self {
            requests,
            period,
            kind: RateKind::Bucket { burst: 1 },
            retry_after: RetryForm::Seconds,
            headers: RateHeaders::None,
        };
        for (key, value) in options {
            match key {
                "burst" if matches!(limit.kind, RateKind::Bucket { .. }) => {
                    limit.kind = RateKind::Bucket { burst: count(value, 1..=1_000_000).ok_or_else(wrong)? };
                }
                "kind" if value == "bucket" => {}
                "kind" => {
                    limit.kind = *named(&[("fixed", RateKind::Fixed), ("sliding", RateKind::Sliding)], value)
                        .ok_or_else(wrong)?
                }
                "retry-after" => limit.retry_after = *named(&RETRY_FORMS, value).ok_or_else(wrong)?,
                "headers" => limit.headers = *named(&RATE_HEADERS, value).ok_or_else(wrong)?,
                _ => return Err(wrong()),
            }
        }
        let longest = Duration::from_secs(3_600);
        let evenly = Duration::from_micros(u64::from(requests));
        if period < Duration::from_millis(1) || period < evenly || period > longest { Err(wrong()) } else { Ok(limit) }
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let period = show_duration(self.period);
        write!(out, "{}/{}", self.requests, if period == "1s" { "s" } else { &period })?;
        match self.kind {
            RateKind::Bucket { burst } => write!(out, ",burst={burst}")?,
            RateKind::Fixed => out.write_str(",kind=fixed")?,
            RateKind::Sliding => out.write_str(",kind=sliding")?,
        }
        if let Some(name) = name_of(&RETRY_FORMS, &self.retry_after) {
            write!(out, ",retry-after={name}")?;
        }
        name_of(&RATE_HEADERS, &self.headers).map_or(Ok(()), |name| write!(out, ",headers={name}"))
    }
}

impl FromStr for Pool {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let wrong = || RuleError::Pool { text: text.to_owned() };
        let (workers, options) = first_and_options(text).ok_or_else(wrong)?;
        let workers = count(workers, 1..=10_000).ok_or_else(wrong)?;
        let (mut service, mut queue) = (None, 0);
        for (key, value) in options {
            match key {
                "service" => service = Some(value.parse()?),
                "queue" => queue = count(value, 0..=1_000_000).ok_or_else(wrong)?,
                _ => return Err(wrong()),
            }
        }
        Ok(Self { workers, service: service.ok_or_else(wrong)?, queue })
    }
}

impl fmt::Display for Pool {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{},service={},queue={}", self.workers, self.service, self.queue)
    }
}

impl FromStr for ConnectionLimit {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let wrong = || RuleError::Connections { text: text.to_owned() };
        let (max, options) = first_and_options(text).ok_or_else(wrong)?;
        let mut limit = Self { max: count(max, 1..=u32::MAX).ok_or_else(wrong)?, excess: Excess::Reset };
        for (key, value) in options {
            match key {
                "excess" => limit.excess = *named(&EXCESSES, value).ok_or_else(wrong)?,
                _ => return Err(wrong()),
            }
        }
        Ok(limit)
    }
}

impl fmt::Display for ConnectionLimit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{},excess={}", self.max, name_of(&EXCESSES, &self.excess).unwrap_or_default())
    }
}

/// `first,key=value,key=value` in its parts.
fn first_and_options(text: &str) -> Option<(&str, Vec<(&str, &str)>)> {
    let mut items = text.split(',').map(str::trim);
    let first = items.next()?;
    let options = items.map(|item| item.split_once('=')).collect::<Option<_>>()?;
    Some((first, options))
}

fn count(text: &str, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
    digits(text).filter(|number| range.contains(number))
}

fn named<'a, T>(table: &'a [(&str, T)], name: &str) -> Option<&'a T> {
    table.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
}

fn name_of<'a, T: PartialEq>(table: &'a [(&str, T)], value: &T) -> Option<&'a str> {
    table.iter().find(|(_, known)| known == value).map(|(name, _)| *name)
}

const RETRY_FORMS: [(&str, RetryForm); 3] =
    [("seconds", RetryForm::Seconds), ("date", RetryForm::Date), ("none", RetryForm::None)];
const RATE_HEADERS: [(&str, RateHeaders); 3] =
    [("none", RateHeaders::None), ("draft", RateHeaders::Draft), ("legacy", RateHeaders::Legacy)];
const EXCESSES: [(&str, Excess); 3] = [("reset", Excess::Reset), ("503", Excess::Unavailable), ("wait", Excess::Wait)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_with_their_defaults_and_written_in_full() {
        for (text, full) in [
            ("50/s", "50/s,burst=1,retry-after=seconds,headers=none"),
            ("50/1s,burst=10", "50/s,burst=10,retry-after=seconds,headers=none"),
            ("100/m, kind=fixed, retry-after=date", "100/1m,kind=fixed,retry-after=date,headers=none"),
            (
                "5/100ms,kind=sliding,retry-after=none,headers=draft",
                "5/100ms,kind=sliding,retry-after=none,headers=draft",
            ),
            ("5/s,kind=bucket,burst=2,headers=legacy", "5/s,burst=2,retry-after=seconds,headers=legacy"),
        ] {
            let limit: RateLimit = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(limit.to_string(), full);
            assert_eq!(full.parse(), Ok(limit));
        }
        let pool: Pool = "4,service=lognormal:20ms/0.5,queue=16".parse().expect("a good pool");
        assert_eq!(pool.to_string(), "4,service=lognormal:20ms/0.5,queue=16");
        assert_eq!("1,service=5ms".parse::<Pool>().map(|pool| pool.queue), Ok(0));
        for (text, full) in
            [("20", "20,excess=reset"), ("20,excess=503", "20,excess=503"), ("1,excess=wait", "1,excess=wait")]
        {
            assert_eq!(text.parse::<ConnectionLimit>().map(|limit| limit.to_string()), Ok(full.to_owned()));
        }
    }

    #[test]
    fn nonsense_is_rejected() {
        for text in [
            "",
            "50",
            "0/s",
            "1000001/s",
            "50/day",
            "50/s,burst=0",
            "50/s,kind=fixed,burst=3",
            "50/s,kind=leaky",
            "50/s,retry-after=soon",
            "50/s,headers=all",
            "50/s,what",
            "50/s,what=1",
            "10/0s",
            "10/2h",
            "10/1us",
            "100000/10ms",
        ] {
            assert!(text.parse::<RateLimit>().is_err(), "`{text}` was read as a rate limit");
        }
        for text in
            ["", "4", "0,service=1ms", "4,service=fast", "4,queue=3", "4,service=1ms,queue=-1", "4,service=1ms,x=1"]
        {
            assert!(text.parse::<Pool>().is_err(), "`{text}` was read as a pool");
        }
        for text in ["", "0", "-1", "20,excess=drop", "20,503"] {
            assert!(text.parse::<ConnectionLimit>().is_err(), "`{text}` was read as a connection limit");
        }
    }
}
