//! How long a server asks to be left alone.

use core::time::Duration;

use super::{
    HttpDate,
    cursor::{trim, whole_number},
};

/// The wait that a `Retry-After` field asks for (RFC 9110, section 10.2.3); `date` is the same response's `Date` field.
///
/// - **Seconds**: digits and nothing else. A sign, a fraction or a list is not of this form, and no wait is guessed
///   from it: `None`. Too many digits saturate.
/// - **A date**, in any of the three forms, is taken against the server's own clock, its `Date`: right also where this
///   side's clock is wrong, or where there is none. A date in the past is a wait of zero.
/// - **A date without a readable `Date`** is `None`, since the core has no clock. A caller that has one can read the
///   field with [`HttpDate::parse`] and subtract its own time.
///
/// The wait is a floor: jitter only adds to it. How much of it to believe is for the caller to say; a server may ask
/// for years.
pub fn retry_after(value: &[u8], date: Option<&[u8]>) -> Option<Duration> {
    let value = trim(value);
    if let Some(seconds) = whole_number(value) {
        return Some(Duration::from_secs(seconds));
    }
    let sent = HttpDate::parse(date?, None)?;
    let until = HttpDate::parse(value, Some(sent))?;
    Some(until.saturating_since(sent))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: Option<&[u8]> = Some(b"Fri, 31 Dec 1999 23:57:59 GMT");

    fn seconds(value: &[u8], date: Option<&[u8]>) -> Option<u64> {
        retry_after(value, date).map(|wait| wait.as_secs())
    }

    #[test]
    fn the_examples_of_the_rfc_come_out() {
        assert_eq!(seconds(b"120", None), Some(120));
        assert_eq!(seconds(b"Fri, 31 Dec 1999 23:59:59 GMT", SENT), Some(120));
    }

    #[test]
    fn all_three_date_forms_are_taken_against_the_date_of_the_response() {
        assert_eq!(seconds(b"Friday, 31-Dec-99 23:59:59 GMT", SENT), Some(120));
        assert_eq!(seconds(b"Fri Dec 31 23:59:59 1999", SENT), Some(120));
        // Across the century, where the two digits get smaller.
        assert_eq!(seconds(b"Saturday, 01-Jan-00 00:00:00 GMT", SENT), Some(121));
        assert_eq!(
            seconds(b"Saturday, 01-Jan-00 00:00:00 GMT", Some(b"Friday, 31-Dec-99 23:59:59 GMT")),
            Some(1),
            "both with two digits"
        );
        assert_eq!(
            seconds(b"Tuesday, 01-Jan-75 00:00:09 GMT", Some(b"Tue, 01 Jan 2075 00:00:00 GMT")),
            Some(9),
            "not 1975"
        );
        assert_eq!(seconds(b"Sat Jan  1 00:00:00 2000", Some(b"Fri Dec 31 23:59:59 1999")), Some(1));
    }

    #[test]
    fn a_date_in_the_past_is_no_wait() {
        assert_eq!(seconds(b"Fri, 31 Dec 1999 23:57:58 GMT", SENT), Some(0));
        assert_eq!(seconds(b"Thu, 01 Jan 1970 00:00:00 GMT", SENT), Some(0));
        assert_eq!(seconds(b"Friday, 31-Dec-98 23:59:59 GMT", SENT), Some(0));
    }

    #[test]
    fn a_date_without_the_servers_clock_is_not_guessed() {
        assert_eq!(seconds(b"Fri, 31 Dec 1999 23:59:59 GMT", None), None);
        assert_eq!(seconds(b"Fri, 31 Dec 1999 23:59:59 GMT", Some(b"yesterday")), None);
        assert_eq!(seconds(b"120", Some(b"yesterday")), Some(120), "seconds need no clock");
    }

    #[test]
    fn spaces_around_are_trimmed_and_huge_numbers_saturate() {
        assert_eq!(seconds(b" \t120\t ", None), Some(120));
        assert_eq!(seconds(b"\t Fri, 31 Dec 1999 23:59:59 GMT ", SENT), Some(120));
        assert_eq!(seconds(b"99999999999999999999999999", None), Some(u64::MAX));
        assert_eq!(seconds(b"00000000000000000000000000000000007", None), Some(7));
    }

    #[test]
    fn what_is_neither_form_is_no_hint() {
        for value in ["", " ", "-1", "+1", "1.5", "1,2", "120 s", "1e3", "0x10", "٣", "soon", "Fri"] {
            assert_eq!(retry_after(value.as_bytes(), SENT), None, "{value:?}");
        }
    }
}
