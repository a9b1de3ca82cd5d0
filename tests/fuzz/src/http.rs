//! What a response says about the next request.

use std::time::Duration;

use tidegate_core::{
    Outcome,
    http::{HttpDate, QuotaReader, outcome, retry_after},
};

/// Lines of `name: value`; one of them may be the `Date`.
pub fn run(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let date = lines.next();
    let now = date.and_then(|date| HttpDate::parse(date, None));
    let mut quota = QuotaReader::new();
    for line in lines {
        let (name, value) = match line.iter().position(|byte| *byte == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (&b"retry-after"[..], line),
        };
        quota.header(name, value);
        let hint = retry_after(value, date);
        let seconds =
            std::str::from_utf8(value).ok().and_then(|text| text.trim_matches([' ', '\t']).parse::<u64>().ok());
        if let (Some(hint), Some(seconds)) = (hint, seconds) {
            assert_eq!(hint, Duration::from_secs(seconds), "{value:?}");
        }
        if let (Some(then), Some(now)) = (HttpDate::parse(value, now), now) {
            assert_eq!(retry_after(value, date), Some(then.saturating_since(now)), "{value:?} seen at {now:?}");
        }
        for status in [100, 200, 204, 304, 403, 404, 429, 503, 599, 600, u16::MAX] {
            let meant = outcome(status, hint);
            assert_eq!(matches!(meant, Outcome::Success), matches!(status, 200 | 304), "{status}: {meant:?}");
        }
    }
    let _quota = quota.finish(date);
}
