//! The response headers that the fetcher has a use for, in one small allocation.
//!
//! A tile's response carries ten to thirty headers; sixteen of all there are matter here. Keeping the library's own
//! map would cost kilobytes per tile in flight, and tie every caller and every test to that library.

use std::fmt;

/// A response header that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
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
    /// `RateLimit` of draft-ietf-httpapi-ratelimit-headers.
    RateLimit,
    /// `RateLimit-Limit` of that draft's earlier versions, and `X-RateLimit-Limit`.
    RateLimitLimit,
    /// `RateLimit-Policy`.
    RateLimitPolicy,
    /// `RateLimit-Remaining`, and `X-RateLimit-Remaining`.
    RateLimitRemaining,
    /// `RateLimit-Reset`, `X-RateLimit-Reset` and `X-Rate-Limit-Reset`: seconds, or an epoch.
    RateLimitReset,
    /// `Retry-After`: seconds or a date.
    RetryAfter,
    /// `Vary`.
    Vary,
}

/// How many fields there are.
const FIELDS: usize = 16;
/// The kept headers of a tile together; more than that is a second allocation.
const TYPICAL_BYTES: usize = 256;

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
        Self::RateLimit,
        Self::RateLimitLimit,
        Self::RateLimitPolicy,
        Self::RateLimitRemaining,
        Self::RateLimitReset,
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
            Self::RateLimit => "ratelimit",
            Self::RateLimitLimit => "ratelimit-limit",
            Self::RateLimitPolicy => "ratelimit-policy",
            Self::RateLimitRemaining => "ratelimit-remaining",
            Self::RateLimitReset => "ratelimit-reset",
            Self::RetryAfter => "retry-after",
            Self::Vary => "vary",
        }
    }

    /// The field of a header name in lower case, as HTTP libraries hand it out; `None` for one that is not kept.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "x-ratelimit-limit" => Self::RateLimitLimit,
            "x-ratelimit-remaining" => Self::RateLimitRemaining,
            "x-ratelimit-reset" | "x-rate-limit-reset" => Self::RateLimitReset,
            _ => return Self::ALL.into_iter().find(|field| field.name() == name),
        })
    }

    /// Whether a second line of the same name continues the list (RFC 9110 §5.3). Of the others the first one counts.
    const fn is_list(self) -> bool {
        matches!(
            self,
            Self::CacheControl | Self::ContentEncoding | Self::RateLimit | Self::RateLimitPolicy | Self::Vary
        )
    }
}

/// The kept headers of one response.
///
/// A value that is not visible ASCII is left out as if it had not been sent.
///
/// ```
/// use tidegate::transport::{Field, Headers};
///
/// let headers = Headers::from_iter([("content-type", "image/png"), ("x-unknown", "1"), ("content-length", "1024")]);
/// assert_eq!(headers.get(Field::ContentType), Some("image/png"));
/// assert_eq!(headers.content_length(), Some(1024));
/// assert_eq!(headers.get(Field::RetryAfter), None);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    text: String,
    /// Start and end in `text`; an empty span is an absent header.
    spans: [(u16, u16); FIELDS],
}

impl Headers {
    /// Keeps one header line, `name` in any case; does nothing for a name that is not kept.
    pub fn add(&mut self, name: &str, value: &str) {
        if let Some(field) = Field::from_name(&name.to_ascii_lowercase()) {
            self.set(field, value);
        }
    }

    pub(crate) fn set(&mut self, field: Field, value: &str) {
        let value = value.trim();
        if value.is_empty() || !value.bytes().all(|b| b == b'\t' || (b' '..0x7f).contains(&b)) {
            return;
        }
        let already = self.get(field).map(str::len);
        if already.is_some() && !field.is_list() {
            return;
        }
        // Room for the value, for what it continues, and for ", ". A head that large is refused before it comes here.
        let start = self.text.len();
        let end = start + already.map_or(0, |length| length + 2) + value.len();
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
}

impl<'a> FromIterator<(&'a str, &'a str)> for Headers {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(lines: I) -> Self {
        let mut headers = Self::default();
        for (name, value) in lines {
            headers.add(name, value);
        }
        headers
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let present = Field::ALL.into_iter().filter_map(|field| Some((field.name(), self.get(field)?)));
        f.debug_map().entries(present).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found_by_its_own_name_and_at_its_own_place() {
        for (index, field) in Field::ALL.into_iter().enumerate() {
            assert_eq!(Field::from_name(field.name()), Some(field));
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
    fn older_names_of_rate_limit_headers_are_read_as_the_new_ones() {
        let headers = Headers::from_iter([("X-RateLimit-Remaining", "3"), ("X-Rate-Limit-Reset", "1700000000")]);
        assert_eq!(headers.get(Field::RateLimitRemaining), Some("3"));
        assert_eq!(headers.get(Field::RateLimitReset), Some("1700000000"));
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
