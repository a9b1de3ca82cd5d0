//! What an HTTP response means.

use core::time::Duration;

use tidegate_core::{
    Outcome, Quota,
    http::{self, HttpDate, QuotaReader},
};

#[unsafe(no_mangle)]
pub fn proven_http_outcome(status: u16, retry_after: Option<Duration>) -> Outcome {
    http::outcome(status, retry_after)
}

#[unsafe(no_mangle)]
pub fn proven_http_retry_after(value: &[u8], date: Option<&[u8]>) -> Option<Duration> {
    http::retry_after(value, date)
}

#[unsafe(no_mangle)]
pub fn proven_http_date_parse(value: &[u8], relative_to: Option<HttpDate>) -> Option<HttpDate> {
    HttpDate::parse(value, relative_to)
}

#[unsafe(no_mangle)]
pub fn proven_http_date_look(date: HttpDate, unix_seconds: i64) -> (i64, Duration) {
    let earlier = HttpDate::from_unix_seconds(unix_seconds);
    (HttpDate::unix_seconds(date), HttpDate::saturating_since(date, earlier))
}

#[unsafe(no_mangle)]
pub fn proven_quota_new() -> QuotaReader {
    QuotaReader::new()
}

#[unsafe(no_mangle)]
pub fn proven_quota_header(reader: &mut QuotaReader, name: &[u8], value: &[u8]) {
    QuotaReader::header(reader, name, value);
}

#[unsafe(no_mangle)]
pub fn proven_quota_finish(reader: &QuotaReader, date: Option<&[u8]>) -> Option<Quota> {
    QuotaReader::finish(reader, date)
}
