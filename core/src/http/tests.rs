//! Inputs that nobody would send, given to every reader of this module: none may panic, and none may go on for ever.

extern crate std;
use super::*;
use std::vec::Vec;

const GOOD: [(&str, &str); 14] = [
    ("retry-after", "120"),
    ("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT"),
    ("retry-after", "Friday, 31-Dec-99 23:59:59 GMT"),
    ("retry-after", "Fri Dec 31 23:59:59 1999"),
    ("age", "0"),
    ("ratelimit", r#""default";r=50;t=30"#),
    ("ratelimit", r#""a";r=1;t=2;pk=:cHsdsRa894==:, "b\"\\";r=3;t=4"#),
    ("ratelimit-policy", r#""permin";q=50;w=60,"perhr";q=1000;w=3600"#),
    ("ratelimit-policy", r#""u";q=5;qu="content-bytes";x=?1;y=@1659578233;z=%"%c3%bc";v=1.5;t=*a/b"#),
    ("ratelimit-limit", r#"100, 100;w=60;comment="sliding window""#),
    ("ratelimit-remaining", "50"),
    ("ratelimit-reset", "50"),
    ("x-ratelimit-reset", "1700006460"),
    ("x-rate-limit-remaining", "7"),
];
/// Bytes that mean something to one reader or another.
const SPECIAL: &[u8] = b" \t,;\"\\:=-09?@%*(Gg\0\xff";
const DATES: [Option<&[u8]>; 3] =
    [None, Some(b"Fri, 31 Dec 1999 23:57:59 GMT"), Some(b"Friday, 31-Dec-99 23:57:59 GMT")];

/// Reads the value as every field there is, and as the date too.
fn read_everything(value: &[u8]) {
    for date in DATES.into_iter().chain([Some(value)]) {
        let wait = retry_after(value, date);
        for (name, _) in GOOD {
            let mut reader = QuotaReader::new();
            reader.header(name.as_bytes(), value);
            reader.header(value, name.as_bytes());
            reader.header(b"ratelimit-remaining", value);
            reader.header(b"ratelimit-reset", value);
            let _ = reader.finish(date);
        }
        // What was read has to be usable: a wait and a status always make an outcome.
        let _ = outcome(503, wait);
    }
}

#[test]
fn all_values_of_one_byte_and_of_two_do_no_harm() {
    read_everything(b"");
    for first in 0..=u8::MAX {
        read_everything(&[first]);
    }
    // Two bytes: the readers themselves, once each, as all combinations of the above would take minutes.
    for first in 0..=u8::MAX {
        for second in 0..=u8::MAX {
            let value = [first, second];
            let digits = value.iter().all(u8::is_ascii_digit);
            let trimmed = matches!(value, [b'0'..=b'9', b' ' | b'\t'] | [b' ' | b'\t', b'0'..=b'9']);
            assert_eq!(retry_after(&value, DATES[1]).is_some(), digits || trimmed, "{value:?}");
            assert_eq!(HttpDate::parse(&value, None), None);
            let mut reader = QuotaReader::new();
            reader.header(b"ratelimit", &value);
            reader.header(b"ratelimit-policy", &value);
            reader.header(&value, &value);
            assert_eq!(reader.finish(None), None, "{value:?}");
            reader.header(b"x-ratelimit-reset", &value);
            reader.header(b"x-ratelimit-remaining", &value);
            assert_eq!(reader.finish(None).is_some(), digits || trimmed || is_signed_zero(&value), "{value:?}");
        }
    }
}

/// "-0" is an integer of a structured field, and zero.
fn is_signed_zero(value: &[u8]) -> bool {
    value == b"-0"
}

#[test]
fn good_values_with_bytes_changed_removed_added_and_doubled_do_no_harm() {
    let mut word = 0x5eed_u64;
    let mut next = |below: usize| {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (word >> 33) as usize % below
    };
    for round in 0..1_000 {
        let mut value: Vec<u8> = GOOD[round % GOOD.len()].1.bytes().collect();
        for _ in 0..=next(4) {
            let at = next(value.len() + 1);
            match next(4) {
                0 if at < value.len() => value[at] = next(256) as u8,
                1 if at < value.len() => drop(value.remove(at)),
                2 => value.insert(at, SPECIAL[next(SPECIAL.len())]),
                _ => value.extend_from_within(..at),
            }
        }
        read_everything(&value);
    }
}

#[test]
fn long_values_take_a_time_that_grows_with_their_length_only() {
    // A quadratic reader would need minutes for these.
    for unit in [r#""a";r=1;t=1,"#, "\"", "\\", "\"\\", ";a", "1", " ", ",", ":", "%\"", "Sun", "1;a=\"\",", "x-"] {
        let value = unit.repeat(500_000 / unit.len());
        let _ = retry_after(value.as_bytes(), Some(value.as_bytes()));
        let mut reader = QuotaReader::new();
        for name in ["ratelimit", "ratelimit-policy", "x-ratelimit-limit", "age"] {
            reader.header(name.as_bytes(), value.as_bytes());
        }
        let _ = reader.finish(Some(value.as_bytes()));
    }
}
