//! The response headers that the fetcher has a use for, in one small allocation.
//!
//! A tile's response carries ten to thirty headers; eleven of all there are matter here, and those about quotas, which
//! are read at once. Keeping the library's own map would cost kilobytes per tile in flight, and tie every caller and
//! every test to that library.

use std::fmt;
use std::time::Duration;

use tidegate_core::Quota;
use tidegate_core::http::{QuotaReader, retry_after};

/// A response header that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// `Age`: how long a shared cache has held it, in seconds.
    Age,
    /// `Cache-Control`.
    CacheControl,
    /// `Content-Encoding`: `gzip` where the body is still packed.
    ContentEncoding,
    /// `Content-Length` of the body as sent.
    ContentLength,
    /// `Content-Type`.
    ContentType,
    /// `Date`: the server's clock.
    Date,
    /// `ETag`.
    ETag,
    /// `Expires`.
    Expires,
    /// `Last-Modified`.
    LastModified,
    /// `Retry-After`: seconds or a date.
    RetryAfter,
    /// `Vary`.
    Vary,
}

/// How many fields there are.
const FIELDS: usize = 11;

impl Field {
    /// Every field.
    pub const ALL: [Self; FIELDS] = [
        Self::Age,
        Self::CacheControl,
        Self::ContentEncoding,
        Self::ContentLength,
        Self::ContentType,
        Self::Date,
        Self::ETag,
        Self::Expires,
        Self::LastModified,
        Self::RetryAfter,
        Self::Vary,
    ];

    /// The name on the wire, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::CacheControl => "cache-control",
            Self::ContentEncoding => "content-encoding",
            Self::ContentLength => "content-length",
            Self::ContentType => "content-type",
            Self::Date => "date",
            Self::ETag => "etag",
            Self::Expires => "expires",
            Self::LastModified => "last-modified",
            Self::RetryAfter => "retry-after",
            Self::Vary => "vary",
        }
    }

    /// The field of a header's name, in any case; `None` for one that is not kept.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name().eq_ignore_ascii_case(name))
    }

    /// Whether a second line of the same name continues the list (RFC 9110 §5.3). Of the others the first one counts.
    const fn is_list(self) -> bool {
        matches!(self, Self::CacheControl | Self::ContentEncoding | Self::Vary)
    }
}

/// The kept headers of one response, made from its lines in their order.
///
/// A value that is not visible ASCII is left out as if it had not been sent.
///
/// ```
/// use std::time::Duration;
/// use tidegate::transport::{Field, Headers};
///
/// let headers = Headers::from_iter([
///     ("Content-Type", "image/png"),
///     ("Content-Length", "1024"),
///     ("Retry-After", "7"),
///     ("X-RateLimit-Remaining", "3"),
///     ("X-RateLimit-Reset", "60"),
/// ]);
/// assert_eq!(headers.get(Field::ContentType), Some("image/png"));
/// assert_eq!(headers.content_length(), Some(1024));
/// assert_eq!(headers.retry_after(), Some(Duration::from_secs(7)));
/// assert_eq!(headers.quota().unwrap().remaining, 3);
/// ```
#[derive(Clone, Default)]
pub struct Headers {
    text: String,
    /// Start and end in `text`; an empty span is an absent header.
    spans: [(u16, u16); FIELDS],
    quota: Option<Quota>,
}

impl Headers {
    /// The value of `field`.
    #[must_use]
    pub fn get(&self, field: Field) -> Option<&str> {
        let (start, end) = self.spans[field as usize];
        if start == end { None } else { self.text.get(usize::from(start)..usize::from(end)) }
    }

    /// `Content-Length` as a number; `None` where absent or not one.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.get(Field::ContentLength)?.parse().ok()
    }

    /// The media type of `Content-Type` without parameters, as sent.
    #[must_use]
    pub fn media_type(&self) -> Option<&str> {
        self.get(Field::ContentType)?.split(';').next().map(str::trim)
    }

    /// How long the server asks to be left alone: [`retry_after`] of its `Retry-After` and `Date`.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        retry_after(self.get(Field::RetryAfter)?.as_bytes(), self.get(Field::Date).map(str::as_bytes))
    }

    /// What the server says may still be asked of it: what [`QuotaReader`] makes of the rate limit headers.
    #[must_use]
    pub fn quota(&self) -> Option<Quota> {
        self.quota
    }

    fn set(&mut self, field: Field, value: &str) {
        let value = value.trim();
        if value.is_empty() || !value.bytes().all(|b| b == b'\t' || (b' '..0x7f).contains(&b)) {
            return;
        }
        let already = self.get(field).map(str::len);
        if already.is_some() && !field.is_list() {
            return;
        }
        // Room for the value, for what it continues, and for ", ".
        let start = self.text.len();
        let end = start + already.map_or(0, |length| length + 2) + value.len();
        // The transport refuses a head that large before it comes here.
        let (Ok(start_16), Ok(end_16)) = (u16::try_from(start), u16::try_from(end)) else {
            return;
        };
        if self.text.is_empty() {
            self.text.reserve(TYPICAL_BYTES);
        }
        if let (Some(_), (from, to)) = (already, self.spans[field as usize]) {
            self.text.extend_from_within(usize::from(from)..usize::from(to));
            self.text.push_str(", ");
        }
        self.text.push_str(value);
        self.spans[field as usize] = (start_16, end_16);
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Headers {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(lines: I) -> Self {
        let mut headers = Self::default();
        let mut quota = QuotaReader::new();
        for (name, value) in lines {
            quota.header(name.as_bytes(), value.as_bytes());
            if let Some(field) = Field::from_name(name) {
                headers.set(field, value);
            }
        }
        headers.quota = quota.finish(headers.get(Field::Date).map(str::as_bytes));
        headers
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let present = Field::ALL.into_iter().filter_map(|field| Some((field.name(), self.get(field)?)));
        f.debug_map().entries(present).finish()
    }
}

/// The kept headers of a tile together; more than that is a second allocation.
const TYPICAL_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found_by_its_own_name_and_at_its_own_place() {
        for (index, field) in Field::ALL.into_iter().enumerate() {
            assert_eq!(Field::from_name(&field.name().to_ascii_uppercase()), Some(field));
            assert_eq!(field as usize, index);
        }
    }

    #[test]
    fn the_first_line_counts_and_lists_are_joined() {
        let headers = Headers::from_iter([
            ("Cache-Control", "max-age=60"),
            ("ETag", "W/\"a\""),
            ("cache-control", "public"),
            ("etag", "\"b\""),
            ("CACHE-CONTROL", "stale-if-error=9"),
        ]);
        assert_eq!(headers.get(Field::CacheControl), Some("max-age=60, public, stale-if-error=9"));
        assert_eq!(headers.get(Field::ETag), Some("W/\"a\""));
    }

    #[test]
    fn a_quota_is_read_against_the_date_wherever_that_stands() {
        let headers = Headers::from_iter([
            ("x-ratelimit-remaining", "3"),
            ("x-ratelimit-reset", "1700006460"),
            ("date", "Wed, 15 Nov 2023 00:00:00 GMT"),
        ]);
        let quota = Quota { remaining: 3, limit: None, resets_in: Duration::from_secs(60) };
        assert_eq!(headers.quota(), Some(quota));
    }

    #[test]
    fn values_that_cannot_be_text_are_left_out_and_oversized_ones_do_not_panic() {
        let long = "x".repeat(70_000);
        let headers = Headers::from_iter([("etag", "caf\u{e9}"), ("vary", long.as_str()), ("age", " 7 ")]);
        assert_eq!(headers.get(Field::ETag), None);
        assert_eq!(headers.get(Field::Vary), None);
        assert_eq!(headers.get(Field::Age), Some("7"));
    }

    #[test]
    fn the_media_type_has_no_parameters() {
        let headers = Headers::from_iter([("content-type", "text/html; charset=utf-8")]);
        assert_eq!(headers.media_type(), Some("text/html"));
    }
}
