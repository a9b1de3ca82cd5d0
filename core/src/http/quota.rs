//! How much a server says may still be asked of it, from whichever fields it says so in.

use core::time::Duration;

use super::{
    HttpDate,
    cursor::{trim, whole_number},
    rate_limit::{RateLimit, saturate},
    structured::{bare_item, list, parameter},
};
use crate::outcome::Quota;

/// Gathers a response's fields about quotas, one at a time and in any order, without keeping them.
///
/// | fields | from |
/// |---|---|
/// | `RateLimit`, `RateLimit-Policy` | draft-ietf-httpapi-ratelimit-headers-10 |
/// | `RateLimit-Limit`, `-Remaining`, `-Reset` | the same draft, up to 06 |
/// | `X-RateLimit-Limit`, `-Remaining`, `-Reset` | practice |
/// | `X-Rate-Limit-Limit`, `-Remaining`, `-Reset` | practice |
///
/// The first row that says enough is used: what remains, and until when. A reset above 10^9 is a Unix time, taken against
/// the response's `Date`, and unknown without one; above 10^11 it is neither, and ignored. The numbers of the older fields
/// are integers, and a field with a fraction is ignored; of a list the first member counts.
///
/// Of several policies, up to four, the tightest one counts, which a gate has to heed before the others: one of which
/// nothing is left; then the one of which the fewest requests are left before what remains is little, an eighth of it, or
/// 10 where its limit is not known; of those with little left the one that allows the fewest requests per second. One that
/// resets in no time comes last.
///
/// What comes out is the server's word. It is a promise in one direction only: more than what remains will be refused,
/// but fewer may be too. Numbers saturate, a reset may be in no time or in years, and where the response has a
/// `Retry-After`, that one counts.
///
/// A response out of a cache says nothing about the present: where `Age` is above zero there is no quota (section 7.3
/// of the draft). Nor is the Dictionary of draft 07 read (`RateLimit: limit=100, remaining=50, reset=5`).
///
/// ```
/// use core::time::Duration;
/// use tidegate_core::{Quota, http::QuotaReader};
///
/// let mut reader = QuotaReader::new();
/// for (name, value) in [
///     ("content-type", "image/png"),
///     ("ratelimit-policy", r#""hour";q=1000;w=3600, "day";q=5000;w=86400"#),
///     ("ratelimit", r#""hour";r=900;t=1800, "day";r=100;t=36000"#),
/// ] {
///     reader.header(name.as_bytes(), value.as_bytes());
/// }
/// let day = Quota { remaining: 100, limit: Some(5000), resets_in: Duration::from_secs(36_000) };
/// assert_eq!(reader.finish(None), Some(day));
/// ```
#[derive(Clone, Debug)]
pub struct QuotaReader {
    draft: RateLimit,
    older: [Older; 3],
    from_cache: bool,
}

impl QuotaReader {
    /// A reader for one response.
    pub const fn new() -> Self {
        Self { draft: RateLimit::new(), older: [Older::NONE; 3], from_cache: false }
    }

    /// Takes one field line. Names may be of any case; those that have nothing to do with quotas are ignored.
    pub fn header(&mut self, name: &[u8], value: &[u8]) {
        if name.eq_ignore_ascii_case(b"ratelimit") {
            self.draft.limit_line(value);
        } else if name.eq_ignore_ascii_case(b"ratelimit-policy") {
            self.draft.policy_line(value);
        } else if name.eq_ignore_ascii_case(b"age") {
            self.from_cache |= whole_number(trim(value)).is_some_and(|seconds| seconds > 0);
        } else {
            for (older, prefix) in self.older.iter_mut().zip(OLDER_PREFIXES) {
                if let Some(rest) = strip_prefix_of_any_case(name, prefix) {
                    older.field(rest, value);
                }
            }
        }
    }

    /// What the fields say; `date` is the response's `Date` field. `None` where they say too little.
    #[must_use = "the quota is what the fields were read for"]
    pub fn finish(&self, date: Option<&[u8]>) -> Option<Quota> {
        if self.from_cache {
            return None;
        }
        let draft = self.draft.limits().map(|(remaining, reset_s, limit)| Quota {
            remaining,
            limit,
            resets_in: Duration::from_secs(u64::from(reset_s)),
        });
        let tightest = draft.reduce(|tightest, quota| if is_tighter(&quota, &tightest) { quota } else { tightest });
        tightest.or_else(|| {
            let date = date.and_then(|date| HttpDate::parse(date, None));
            self.older.iter().find_map(|older| older.quota(date))
        })
    }
}

impl Default for QuotaReader {
    fn default() -> Self {
        Self::new()
    }
}

/// Three fields that belong together. Where one is repeated the last one counts.
#[derive(Clone, Copy, Debug)]
struct Older {
    limit: Option<u64>,
    remaining: Option<u64>,
    reset: Option<u64>,
}

impl Older {
    const NONE: Self = Self { limit: None, remaining: None, reset: None };

    fn field(&mut self, name: &[u8], value: &[u8]) {
        if name.eq_ignore_ascii_case(b"limit") {
            self.limit = first_count(value);
        } else if name.eq_ignore_ascii_case(b"remaining") {
            self.remaining = first_count(value);
        } else if name.eq_ignore_ascii_case(b"reset") {
            self.reset = first_count(value);
        }
    }

    fn quota(&self, date: Option<HttpDate>) -> Option<Quota> {
        let resets_in = match self.reset? {
            seconds @ 0..=SPAN_MAX => Duration::from_secs(seconds),
            unix @ ..=UNIX_MAX => HttpDate::from_unix_seconds(i64::try_from(unix).ok()?).saturating_since(date?),
            _ => return None,
        };
        Some(Quota { remaining: saturate(self.remaining?), limit: self.limit.map(saturate), resets_in })
    }
}

/// Whether a gate has to heed one quota before another.
///
/// By pace alone a long window would hide a short one that is almost used up: it nearly always allows fewer per second.
fn is_tighter(one: &Quota, other: &Quota) -> bool {
    let rank = |quota: &Quota| (quota.resets_in.is_zero(), quota.remaining > 0, quota.spare());
    // remaining / resets_in, compared crosswise: no division.
    let pace = |quota: &Quota, by: &Quota| u64::from(quota.remaining) * u64::from(seconds(by.resets_in));
    let by_pace = || pace(one, other).cmp(&pace(other, one));
    // Of equal ones the one that lasts longer.
    rank(one).cmp(&rank(other)).then_with(by_pace).then(other.resets_in.cmp(&one.resets_in)).is_lt()
}

/// The first member of a list of integers; early drafts put the policies after it.
fn first_count(value: &[u8]) -> Option<u64> {
    let mut first = None;
    list(value, |text| {
        let count = bare_item(text)?.count()?;
        while parameter(text)?.is_some() {}
        first = first.or(Some(count));
        Some(())
    })?;
    first
}

fn strip_prefix_of_any_case<'a>(name: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = name.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Whole seconds; saturates at 136 years.
fn seconds(span: Duration) -> u32 {
    saturate(span.as_secs())
}

/// In the order of preference.
const OLDER_PREFIXES: [&[u8]; 3] = [b"ratelimit-", b"x-ratelimit-", b"x-rate-limit-"];
/// Above it a reset is a Unix time: as a span it would be 31 years, as a time it is September 2001.
const SPAN_MAX: u64 = 1_000_000_000;
/// Above it a reset cannot be a Unix time in seconds: it would be the year 5138. Some servers send milliseconds.
const UNIX_MAX: u64 = 100_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: Option<&[u8]> = Some(b"Wed, 15 Nov 2023 00:00:00 GMT");
    const DATE_UNIX: &str = "1700006460"; // 60 s after it.

    fn read(fields: &[(&str, &str)], date: Option<&[u8]>) -> Option<(u32, Option<u32>, u64)> {
        let mut reader = QuotaReader::new();
        fields.iter().for_each(|(name, value)| reader.header(name.as_bytes(), value.as_bytes()));
        reader.finish(date).map(|quota| (quota.remaining, quota.limit, quota.resets_in.as_secs()))
    }

    #[test]
    fn every_family_is_read_in_any_case_and_order() {
        for prefix in ["RateLimit-", "X-RateLimit-", "x-ratelimit-", "X-Rate-Limit-", "RATELIMIT-"] {
            let name = |rest: &str| {
                let mut name = heapless::String::<32>::new();
                name.push_str(prefix).and_then(|()| name.push_str(rest)).expect("fits");
                name
            };
            let (limit, remaining, reset) = (name("Limit"), name("REMAINING"), name("reset"));
            let fields = [(reset.as_str(), "7"), (remaining.as_str(), " 99 "), (limit.as_str(), "100")];
            assert_eq!(read(&fields, None), Some((99, Some(100), 7)), "{prefix}");
            assert_eq!(read(&fields[..2], None), Some((99, None, 7)), "{prefix} without a limit");
            assert_eq!(read(&fields[1..], None), None, "{prefix} without a reset");
            assert_eq!(read(&[fields[0], fields[2]], None), None, "{prefix} without what remains");
        }
    }

    #[test]
    fn of_two_quotas_with_as_much_to_spare_the_slower_one_is_heeded() {
        let quota = |remaining, seconds| Quota { remaining, limit: None, resets_in: Duration::from_secs(seconds) };
        for (slower, faster) in [(quota(10, 5), quota(5, 2)), (quota(5, 2), quota(10, 3)), (quota(5, 9), quota(5, 8))] {
            assert!(is_tighter(&slower, &faster) && !is_tighter(&faster, &slower), "{slower:?} {faster:?}");
        }
        // Nothing that is left for a short time is less than little for a long one.
        let little = quota(1, 1_000);
        for none in [quota(0, 1), Quota { resets_in: Duration::from_millis(500), ..quota(0, 0) }] {
            assert!(is_tighter(&none, &little) && !is_tighter(&little, &none), "{none:?}");
        }
    }

    #[test]
    fn the_examples_of_draft_03_come_out() {
        let fields = [("RateLimit-Limit", "100"), ("RateLimit-Remaining", "50"), ("RateLimit-Reset", "50")];
        assert_eq!(read(&fields, None), Some((50, Some(100), 50)));
        let listed = [
            ("RateLimit-Limit", r#"100, 100;w=60;burst=1000;comment="sliding window", 5000;w=3600;burst=0"#),
            ("RateLimit-Remaining", "0"),
            ("RateLimit-Reset", "20"),
        ];
        assert_eq!(read(&listed, None), Some((0, Some(100), 20)));
    }

    #[test]
    fn a_reset_that_is_a_time_is_taken_against_the_date() {
        let reset = |value| read(&[("X-RateLimit-Remaining", "5"), ("X-RateLimit-Reset", value)], DATE);
        assert_eq!(reset(DATE_UNIX), Some((5, None, 60)));
        assert_eq!(reset("1700006399"), Some((5, None, 0)), "in the past");
        assert_eq!(reset("1000000000"), Some((5, None, 1_000_000_000)), "10^9 is still a span");
        assert_eq!(reset("1000000001"), Some((5, None, 0)), "September 2001");
        assert_eq!(reset("100000000000"), Some((5, None, 98_299_993_600)));
        assert_eq!(reset("100000000001"), None, "neither");
        assert_eq!(reset("1700006460000"), None, "milliseconds");
        let undated = |date| read(&[("X-RateLimit-Remaining", "5"), ("X-RateLimit-Reset", DATE_UNIX)], date);
        assert_eq!((undated(None), undated(Some(b"now".as_slice()))), (None, None));
    }

    #[test]
    fn numbers_that_are_not_counts_are_ignored() {
        for bad in ["", "-1", "1.5", "five", "5 per minute", "0x5", "5,", "\"5\"", "5, x"] {
            assert_eq!(read(&[("X-RateLimit-Remaining", bad), ("X-RateLimit-Reset", "1")], None), None, "{bad:?}");
        }
        let large = [("X-RateLimit-Remaining", "999999999999999"), ("X-RateLimit-Reset", "1")];
        assert_eq!(read(&large, None), Some((u32::MAX, None, 1)));
    }

    #[test]
    fn the_newest_family_that_says_enough_is_used() {
        let draft = ("RateLimit", r#""default";r=1;t=9"#);
        let old = [("RateLimit-Remaining", "2"), ("RateLimit-Reset", "9")];
        let x = [("X-RateLimit-Remaining", "3"), ("X-RateLimit-Reset", "9")];
        assert_eq!(read(&[x[0], old[0], draft, old[1], x[1]], None), Some((1, None, 9)));
        assert_eq!(read(&[x[0], old[0], ("RateLimit", "broken"), old[1], x[1]], None), Some((2, None, 9)));
        assert_eq!(read(&[x[0], old[0], x[1]], None), Some((3, None, 9)));
        // The policies of drafts 03 to 06 have the name of today's field, and another form.
        assert_eq!(read(&[old[0], ("RateLimit-Policy", "10;w=1, 50;w=60"), old[1]], None), Some((2, None, 9)));
        assert_eq!(read(&[("X-RateLimit-Remaining-Minute", "3"), ("X-RateLimit-Reset", "9")], None), None);
    }

    #[test]
    fn of_several_policies_the_tightest_counts() {
        let tightest = |value| read(&[("RateLimit", value)], None).map(|(remaining, _, reset)| (remaining, reset));
        assert_eq!(tightest(r#""a";r=100;t=10, "b";r=100;t=20"#), Some((100, 20)));
        assert_eq!(tightest(r#""a";r=9;t=10, "b";r=10;t=100"#), Some((10, 100)), "0.1/s, not 0.9/s");
        assert_eq!(tightest(r#""a";r=1;t=10, "b";r=10;t=100"#), Some((10, 100)), "the longer of equal ones");
        assert_eq!(tightest(r#""a";r=0;t=10, "b";r=0;t=20, "c";r=1;t=3600"#), Some((0, 20)));
        assert_eq!(tightest(r#""a";r=5;t=0, "b";r=1000;t=1"#), Some((1_000, 1)), "no time is no limit");
        assert_eq!(tightest(r#""a";r=0;t=0, "b";r=5;t=10"#), Some((5, 10)));
        assert_eq!(
            tightest(r#""a";r=999999999999999;t=999999999999999, "b";r=1;t=999999999999999"#),
            Some((1, u64::from(u32::MAX)))
        );
    }

    #[test]
    fn a_short_window_that_is_almost_used_up_counts_before_a_long_one_that_is_not() {
        let policy = ("RateLimit-Policy", r#""burst";q=100;w=10, "hour";q=1000;w=3600"#);
        let tightest = |limits| read(&[policy, ("RateLimit", limits)], None).map(|(remaining, _, _)| remaining);
        assert_eq!(tightest(r#""burst";r=2;t=10, "hour";r=600;t=3600"#), Some(2));
        // Little is 12 of the one and 125 of the other.
        assert_eq!(tightest(r#""burst";r=2;t=10, "hour";r=125;t=3600"#), Some(125), "both are to be heeded: by pace");
        assert_eq!(tightest(r#""burst";r=2;t=10, "hour";r=126;t=3600"#), Some(2));
        // Neither is as it stands; beside eight others in flight the nearer one would be.
        assert_eq!(tightest(r#""burst";r=20;t=10, "hour";r=134;t=3600"#), Some(20));
        assert_eq!(tightest(r#""burst";r=20;t=10, "hour";r=132;t=3600"#), Some(132));
    }

    #[test]
    fn a_response_out_of_a_cache_has_no_quota() {
        let limit = ("RateLimit", r#""default";r=1;t=9"#);
        assert_eq!(read(&[limit, ("Age", "1")], None), None);
        assert_eq!(read(&[("age", " 3600 "), limit], None), None);
        assert_eq!(read(&[("Age", "0"), limit], None), Some((1, None, 9)));
        assert_eq!(read(&[("Age", "old"), limit], None), Some((1, None, 9)));
    }

    #[test]
    fn nothing_comes_from_nothing() {
        assert_eq!(read(&[], DATE), None);
        assert_eq!(read(&[("", ""), ("x-rate-limit-", "1"), ("x-ratelimi", "1"), ("\u{fe}", "\u{ff}")], DATE), None);
    }
}
