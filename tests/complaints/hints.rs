//! `Retry-After`, from its bytes to the next attempt.

use std::collections::BTreeSet;

use tidegate_core::{Call, CallConfig, CallPolicy, End, Next, Step, http};

use super::*;

fn policy() -> CallPolicy {
    let backoff = exactly(Duration::from_secs(1));
    CallPolicy::new(CallConfig { attempts: 5, backoff, throttled: backoff, patience: None }).expect("valid settings")
}

/// What follows a 429 with this field in a response of this date: the next attempt's start, or the call's end.
fn after_429(field: &[u8], date: Option<&[u8]>, deadline: Instant, entropy: Entropy) -> Result<Instant, End> {
    let (policy, mut gate) = (policy(), gate(config()));
    let mut call = Call::new(&policy, deadline);
    let Step::Attempt(ticket) = call.poll(START, &mut gate) else { panic!("nothing is in the way") };
    let outcome = http::outcome(429, http::retry_after(field, date));
    let mut now = match call.settle(START, &mut gate, ticket, outcome, entropy) {
        Next::Retry { at } => at,
        Next::Done(end) => return Err(end),
    };
    loop {
        match call.poll(now, &mut gate) {
            Step::Attempt(ticket) => return Ok(ticket.started()),
            Step::Wait { until, .. } | Step::Full { until, .. } => now = until,
            Step::Done(end) => return Err(end),
        }
    }
}

const NEVER: Instant = Instant::MAX;

#[test]
fn a_wish_for_a_minute_is_a_minute() {
    for word in [0, 1, u32::MAX / 2, u32::MAX] {
        let started = after_429(b"60", None, NEVER, Entropy::new(word)).expect("there is time");
        assert!(started >= secs(60), "asked for 60 s, came back at {started:?}");
        assert!(started <= secs(60 + 8), "and not much later either: {started:?}");
    }
    let date = Some(&b"Mon, 23 Nov 2026 12:00:00 GMT"[..]);
    let started = after_429(b"Mon, 23 Nov 2026 12:01:00 GMT", date, NEVER, ENTROPY).expect("there is time");
    assert!(started >= secs(60), "as a date: {started:?}");
}

#[test]
fn a_wish_beyond_all_numbers_is_not_an_instant_retry() {
    for field in
        [&b"18446744073709551616"[..], b"99999999999999999999999999999999", b"9223372036854775807", b"4294967296"]
    {
        match after_429(field, None, secs(86_400 * 30), ENTROPY) {
            Err(End::OutOfTime { resume_at }) => assert!(resume_at > secs(86_400 * 30)),
            other => panic!("{}: {other:?}", String::from_utf8_lossy(field)),
        }
    }
}

#[test]
fn a_date_in_the_past_is_a_plain_backoff() {
    let date = Some(&b"Mon, 23 Nov 2026 12:00:00 GMT"[..]);
    for field in [&b"Mon, 23 Nov 2026 11:59:00 GMT"[..], b"Thu, 01 Jan 1970 00:00:00 GMT", b"0"] {
        let started = after_429(field, date, NEVER, ENTROPY).expect("there is time");
        assert_eq!(
            started,
            secs(1),
            "{}: neither an age of waiting nor an instant retry",
            String::from_utf8_lossy(field)
        );
    }
}

#[test]
fn a_field_that_cannot_be_read_is_a_backoff_of_its_own() {
    for field in [&b""[..], b"-5", b"1.5", b"soon", b"5, 10", b"0x10"] {
        let started = after_429(field, None, NEVER, ENTROPY).expect("there is time");
        assert_eq!(started, secs(1), "{}", String::from_utf8_lossy(field));
    }
}

#[test]
fn clients_told_the_same_second_come_back_apart() {
    let starts: BTreeSet<u128> = (0..1_000)
        .map(|client| after_429(b"60", None, NEVER, Entropy::mix(1, client, 0)).expect("there is time"))
        .map(|started| started.saturating_since(secs(60)).as_millis() / 100)
        .collect();
    // The spread is an eighth of the wish: 7.5 s.
    assert!(starts.len() >= 60, "a thousand clients come back within {} tenths of a second", starts.len());
}

#[test]
fn a_wish_beyond_the_deadline_ends_the_call_at_once() {
    let end = after_429(b"600", None, secs(60), ENTROPY).expect_err("ten minutes do not fit into one");
    assert_eq!(end, End::OutOfTime { resume_at: secs(601) }, "with the instant at which it is worth coming back");
}
