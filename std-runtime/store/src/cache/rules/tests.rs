//! Freshness by literal cases, and against another implementation where that is right.

use std::time::{Duration, SystemTime};

use http_cache_semantics::{CacheOptions, CachePolicy};
use proptest::prelude::*;
use tidegate::transport::Headers;

use super::*;

const DATE: &str = "Wed, 15 Nov 2023 00:00:00 GMT";
const SECOND: i64 = 1_700_006_400;
const AT_ONCE: Times = Times { asked: SECOND, received: SECOND };

/// For how many seconds a tile with this head is good that came at once.
fn good_for(lines: &[(&str, &str)]) -> u64 {
    let headers = lines.iter().copied().collect::<Headers>();
    let at = |now| standing(true, &headers, AT_ONCE, SECOND + now, Lifetimes::DEFAULT).past.is_none();
    let (mut good, mut over) = (0, 1 << 33);
    if !at(0) {
        return 0;
    }
    while over - good > 1 {
        let middle = (good + over) / 2;
        if at(middle) { good = middle } else { over = middle }
    }
    over as u64
}

fn of(lines: &[(&str, &str)], times: Times, now: i64) -> Standing {
    standing(true, &lines.iter().copied().collect::<Headers>(), times, now, Lifetimes::DEFAULT)
}

#[test]
fn lifetimes_are_what_the_server_says_and_the_better_word_first() {
    let date = ("date", DATE);
    for (seconds, lines) in [
        (60, vec![date, ("cache-control", "max-age=60"), ("expires", "Wed, 15 Nov 2023 09:00:00 GMT")]),
        (9 * 3_600, vec![date, ("expires", "Wed, 15 Nov 2023 09:00:00 GMT")]),
        (0, vec![date, ("expires", "0"), ("last-modified", "Wed, 15 Nov 2022 00:00:00 GMT")]),
        (3_600, vec![date, ("expires", "Wednesday, 15-Nov-23 01:00:00 GMT")]),
        (8_640, vec![date, ("last-modified", "Tue, 14 Nov 2023 00:00:00 GMT")]),
        (7 * 86_400, vec![date, ("last-modified", "Wed, 15 Nov 2000 00:00:00 GMT")]),
        (7 * 86_400, vec![date]),
        (7 * 86_400, vec![]),
        (50, vec![("cache-control", "max-age=60"), ("age", "10")]),
        (60, vec![("Cache-Control", "Public, MAX-AGE=60, immutable")]),
        (60, vec![("cache-control", "max-age=\"60\"")]),
        (60, vec![("cache-control", "max-age=600"), ("cache-control", "max-age=60")]),
        (0, vec![("cache-control", "max-age=soon")]),
        (0, vec![("cache-control", "max-age=-1")]),
        (0, vec![("cache-control", "max-age")]),
        (60, vec![("cache-control", "s-maxage=5, max-age=60")]),
        (60, vec![("cache-control", "private=\"a, max-age=1\", max-age=60")]),
        (1 << 31, vec![("cache-control", "max-age=99999999999999999999999")]),
        (0, vec![("cache-control", "no-cache, max-age=60")]),
    ] {
        assert_eq!(good_for(&lines), seconds, "{lines:?}");
    }
}

#[test]
fn an_answer_that_was_long_on_its_way_is_that_much_older() {
    let lines = [("cache-control", "max-age=60")];
    let slow = Times { asked: SECOND - 20, received: SECOND };
    assert_eq!(of(&lines, slow, SECOND + 39).past, None);
    assert_eq!(of(&lines, slow, SECOND + 40).past, Some(Duration::ZERO));
    let old = [("cache-control", "max-age=60"), ("date", "Tue, 14 Nov 2023 23:59:30 GMT")];
    assert_eq!(of(&old, AT_ONCE, SECOND + 45).past, Some(Duration::from_secs(15)), "its date says so");
    let from_a_clock_ahead = [("cache-control", "max-age=60"), ("date", "Wed, 15 Nov 2023 09:00:00 GMT")];
    assert_eq!(of(&from_a_clock_ahead, AT_ONCE, SECOND + 60).past, Some(Duration::ZERO), "no younger than new");
}

#[test]
fn a_clock_that_steps_back_makes_nothing_younger_than_it_came() {
    let lines = [("cache-control", "max-age=60"), ("age", "59")];
    assert_eq!(of(&lines, AT_ONCE, SECOND - 1_000_000).past, None);
    assert_eq!(of(&[("cache-control", "max-age=60"), ("age", "60")], AT_ONCE, i64::MIN).past, Some(Duration::ZERO));
    let far = of(&lines, Times { asked: i64::MAX, received: i64::MIN }, i64::MAX);
    assert!(far.past.is_some_and(|past| past > Duration::from_secs(1 << 40)), "{far:?}");
}

#[test]
fn what_must_be_asked_about_is_known() {
    let standing = |text| of(&[("cache-control", text)], AT_ONCE, SECOND + 100);
    assert_eq!(
        standing("max-age=60, must-revalidate"),
        Standing { past: Some(Duration::from_secs(40)), must_ask: true, on_error: Duration::ZERO }
    );
    assert!(standing("no-cache").must_ask && standing("no-cache=\"set-cookie\"").must_ask);
    assert!(!standing("max-age=60, proxy-revalidate").must_ask, "this cache is nobody else's");
    assert_eq!(standing("max-age=60, stale-if-error=86400").on_error, Duration::from_secs(86_400));
}

#[test]
fn what_may_not_be_kept_is_not() {
    let may = |status, lines: &[(&str, &str)]| may_be_kept(status, &lines.iter().copied().collect::<Headers>());
    for status in [200, 204, 404, 410] {
        assert!(may(status, &[]));
        assert!(!may(status, &[("cache-control", "max-age=60, No-Store")]));
    }
    assert!(may(200, &[("cache-control", "private")]) && may(200, &[("vary", "Accept-Encoding, User-Agent")]));
    assert!(!may(200, &[("vary", "accept-encoding, *")]));
    for status in [100, 206, 301, 302, 304, 400, 401, 403, 429, 500, 503] {
        assert!(!may(status, &[("cache-control", "max-age=60")]), "{status}");
    }
}

#[test]
fn that_there_is_nothing_is_believed_for_an_hour_where_nobody_says_for_how_long() {
    let at = |seconds, lines: &[(&str, &str)]| {
        standing(false, &lines.iter().copied().collect::<Headers>(), AT_ONCE, SECOND + seconds, Lifetimes::DEFAULT).past
    };
    assert_eq!((at(3_599, &[]), at(3_600, &[])), (None, Some(Duration::ZERO)));
    assert_eq!(at(0, &[("cache-control", "max-age=0")]), Some(Duration::ZERO));
    assert_eq!(at(3_600, &[("cache-control", "max-age=86400")]), None);
}

#[test]
fn a_304_brings_the_head_up_to_date_and_leaves_what_describes_the_body() {
    let old: Headers = [
        ("etag", "\"a\""),
        ("date", DATE),
        ("age", "500"),
        ("content-type", "image/png"),
        ("content-length", "10"),
        ("last-modified", "Tue, 14 Nov 2023 00:00:00 GMT"),
    ]
    .into_iter()
    .collect();
    let new: Headers = [
        ("etag", "W/\"a\""),
        ("date", "Thu, 16 Nov 2023 00:00:00 GMT"),
        ("cache-control", "max-age=60"),
        ("content-type", "text/plain"),
        ("content-length", "0"),
    ]
    .into_iter()
    .collect();
    let updated = updated(&old, &new);
    let value = |field| updated.get(field);
    assert_eq!(value(Field::ETag), Some("W/\"a\""));
    assert_eq!(value(Field::CacheControl), Some("max-age=60"), "also where there was none before");
    assert_eq!(value(Field::Date), Some("Thu, 16 Nov 2023 00:00:00 GMT"));
    assert_eq!(value(Field::Age), None, "that of the old answer is not that of the new one");
    assert_eq!(value(Field::LastModified), Some("Tue, 14 Nov 2023 00:00:00 GMT"));
    assert_eq!((value(Field::ContentType), value(Field::ContentLength)), (Some("image/png"), Some("10")));
}

/// The heads about which both are of one mind: lower case, one of each, a date that is now.
fn agreed() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let flags = prop::sample::subsequence(vec!["public", "private", "no-cache", "must-revalidate"], 0..=4);
    let date = |second: i64| httpdate(SECOND + second);
    (
        prop::option::of(0_u32..5_000),
        flags,
        prop::option::of(-5_000_i64..5_000),
        prop::option::of(-400_000_i64..0),
        prop::option::of(0_u32..5_000),
    )
        .prop_map(move |(max_age, flags, expires, modified, age)| {
            let mut control: Vec<String> = flags.into_iter().map(str::to_owned).collect();
            control.extend(max_age.map(|max_age| format!("max-age={max_age}")));
            let mut lines = vec![("date", date(0)), ("cache-control", control.join(", "))];
            lines.extend(expires.map(|expires| ("expires", date(expires))));
            // Without any word about time the two have settings of their own.
            let modified = modified.or((max_age.is_none() && expires.is_none()).then_some(-86_400));
            lines.extend(modified.map(|modified| ("last-modified", date(modified))));
            lines.extend(age.map(|age| ("age", age.to_string())));
            lines
        })
}

fn httpdate(second: i64) -> String {
    let day = second.div_euclid(86_400);
    let (hour, minute, rest) =
        (second.rem_euclid(86_400) / 3_600, second.rem_euclid(3_600) / 60, second.rem_euclid(60));
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][day.rem_euclid(7) as usize];
    // All within eleven days of 15 November 2023, which was day 19,676.
    let of_month = day - 19_676 + 15;
    let (of_month, month) = if of_month > 30 { (of_month - 30, "Dec") } else { (of_month, "Nov") };
    format!("{weekday}, {of_month:02} {month} 2023 {hour:02}:{minute:02}:{rest:02} GMT")
}

proptest! {
    #[test]
    fn freshness_is_what_another_implementation_makes_of_it(lines in agreed(), later in 0_i64..10_000) {
        let request = http::Request::get("http://tiles.test/0/0/0.png").body(()).expect("a request");
        let mut response = http::Response::builder().status(200);
        for (name, value) in &lines {
            response = response.header(*name, value);
        }
        let response = response.body(()).expect("a response");
        let received = SystemTime::UNIX_EPOCH + Duration::from_secs(SECOND as u64);
        let options = CacheOptions { shared: false, ..CacheOptions::default() };
        let policy = CachePolicy::new_options(&request, &response, received, options);
        let now = received + Duration::from_secs(later as u64);
        let theirs = policy.before_request(&request, now).satisfies_without_revalidation();
        let headers: Headers = lines.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let ours = standing(true, &headers, AT_ONCE, SECOND + later, Lifetimes::DEFAULT).past.is_none();
        prop_assert_eq!(ours, theirs);
        prop_assert_eq!(may_be_kept(200, &headers), policy.is_storable());
    }
}
