//! Whether an answer may be kept, for how long it is good, and what may be done with it after that.
//!
//! The rules are those of a private cache in RFC 9111, with the one directive of RFC 5861 that a fetcher has a use for.
//! Lifetime: `max-age`; else `Expires` less `Date`; else a tenth of the time since `Last-Modified`, at most a week; else what
//! the caller's [`Lifetimes`] say. Age: the larger of `Age` plus the time on the way and of the time since `Date`, plus the time
//! it was kept.
//!
//! Whatever cannot be read makes an answer old, not eternal: a `max-age` that is no number is none at all, and of two the
//! smaller one counts.
//!
//! # Why not a library
//! http-cache-semantics 3, the one that others use, was tried first; a test compares both where they agree. It has no
//! `stale-if-error`; takes an answer that comes with an old `Date` for new; knows directives in lower case only; takes a 304
//! that repeats no validator for a new answer without a body, though the request named one version alone; and forgets a
//! `Cache-Control` that the first answer did not have yet.

use std::time::Duration;

use tidegate::transport::{Field, Headers};
use tidegate_core::http::HttpDate;

/// How long answers are good that say nothing about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Tiles without `Cache-Control`, `Expires` and `Last-Modified`.
    pub tile: Duration,
    /// That there is no tile: 204, 404, 410, or a body of no bytes.
    pub nothing: Duration,
}

impl Lifetimes {
    /// # Default
    /// - `tile`: 7 days, as the tile usage policy of OpenStreetMap asks where its headers cannot be read
    /// - `nothing`: 1 hour
    pub const DEFAULT: Self = Self { tile: Duration::from_secs(7 * 86_400), nothing: Duration::from_secs(3_600) };
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// When an answer was asked for and received, in seconds since 1970, or what its cache takes for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) asked: i64,
    pub(super) received: i64,
}

/// What may be done with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// How long it is past its time; `None` while it is not.
    pub(super) past: Option<Duration>,
    /// Not to be used past its time without asking.
    pub(super) must_ask: bool,
    /// How long past its time it may be used while its server cannot answer.
    pub(super) on_error: Duration,
}

/// Whether an answer may be kept at all.
pub(super) fn may_be_kept(status: u16, headers: &Headers) -> bool {
    // What depends on everything matches nothing.
    let depends_on_everything = headers.get(Field::Vary).is_some_and(|vary| list(vary).any(|name| name == "*"));
    matches!(status, 200 | 204 | 404 | 410) && !depends_on_everything && !Directives::of(headers).no_store
}

/// Where an answer stands at `now`.
pub(super) fn standing(is_tile: bool, headers: &Headers, times: Times, now: i64, lifetimes: Lifetimes) -> Standing {
    let directives = Directives::of(headers);
    let lifetime = lifetime(is_tile, headers, &directives, times, lifetimes);
    let age = age(headers, times, now);
    let past = if directives.no_cache || age >= lifetime { Some(age.saturating_sub(lifetime)) } else { None };
    Standing { past, must_ask: directives.no_cache || directives.must_revalidate, on_error: directives.stale_if_error }
}

/// The head of an answer after a 304: what that says anew replaces what was there. What describes the body stays with it, and
/// the time on the way is that of the new answer alone.
pub(super) fn updated(old: &Headers, new: &Headers) -> Headers {
    let value = |field| match field {
        Field::ContentEncoding | Field::ContentLength | Field::ContentType => old.get(field),
        Field::Age | Field::Date | Field::RetryAfter => new.get(field),
        Field::CacheControl | Field::ETag | Field::Expires | Field::LastModified | Field::Vary => {
            new.get(field).or(old.get(field))
        }
    };
    Field::ALL.into_iter().filter_map(|field| Some((field.name(), value(field)?))).collect()
}

fn lifetime(is_tile: bool, headers: &Headers, directives: &Directives, times: Times, lifetimes: Lifetimes) -> Duration {
    let date =
        |field| HttpDate::parse(headers.get(field)?.as_bytes(), Some(HttpDate::from_unix_seconds(times.received)));
    let sent = date(Field::Date).unwrap_or(HttpDate::from_unix_seconds(times.received));
    if let Some(max_age) = directives.max_age {
        return max_age;
    }
    if headers.get(Field::Expires).is_some() {
        // What cannot be read, "0" above all, is over.
        return date(Field::Expires).map_or(Duration::ZERO, |expires| expires.saturating_since(sent));
    }
    match date(Field::LastModified) {
        // Down: rather asked too early.
        Some(modified) if is_tile => (sent.saturating_since(modified) / 10).min(HEURISTIC_MAX),
        Some(_) | None if is_tile => lifetimes.tile,
        Some(_) | None => lifetimes.nothing,
    }
}

fn age(headers: &Headers, Times { asked, received }: Times, now: i64) -> Duration {
    let seconds = |span: i64| Duration::from_secs(span.max(0) as u64);
    let sent = headers
        .get(Field::Date)
        .and_then(|date| HttpDate::parse(date.as_bytes(), Some(HttpDate::from_unix_seconds(received))));
    let apparent = sent.map_or(0, |sent| received.saturating_sub(sent.unix_seconds()));
    let on_the_way = headers.get(Field::Age).and_then(number).unwrap_or_default();
    let corrected = on_the_way.saturating_add(seconds(received.saturating_sub(asked)));
    seconds(apparent).max(corrected).saturating_add(seconds(now.saturating_sub(received)))
}

/// What `Cache-Control` says, as far as it concerns a private cache.
#[derive(Debug, Default, PartialEq, Eq)]
struct Directives {
    max_age: Option<Duration>,
    stale_if_error: Duration,
    no_store: bool,
    no_cache: bool,
    must_revalidate: bool,
}

impl Directives {
    fn of(headers: &Headers) -> Self {
        let mut found = Self::default();
        for directive in headers.get(Field::CacheControl).into_iter().flat_map(list) {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            let value = number(value.trim().trim_matches('"')).unwrap_or_default();
            match name.trim().to_ascii_lowercase().as_str() {
                "max-age" => found.max_age = Some(found.max_age.map_or(value, |earlier| earlier.min(value))),
                "stale-if-error" => found.stale_if_error = value,
                "no-store" => found.no_store = true,
                // Also where it names fields: it then concerns those alone, and asking is never wrong.
                "no-cache" => found.no_cache = true,
                "must-revalidate" => found.must_revalidate = true,
                _ => {}
            }
        }
        found
    }
}

/// The members of a list, commas in quotes not counted.
pub(super) fn list(text: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    let at_comma = move |character| {
        is_quoted ^= character == '"';
        character == ',' && !is_quoted
    };
    text.split(at_comma).map(str::trim).filter(|member| !member.is_empty())
}

/// Seconds in digits; too many are as many as there are.
fn number(text: &str) -> Option<Duration> {
    let digits = text.trim();
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Duration::from_secs(digits.parse().unwrap_or(SECONDS_MAX).min(SECONDS_MAX)))
}

/// As RFC 9111 has it: more than anybody means.
const SECONDS_MAX: u64 = 1 << 31;
/// How long a tile is good at most that says only when it was made.
const HEURISTIC_MAX: Duration = Duration::from_secs(7 * 86_400);

#[cfg(test)]
mod tests;
