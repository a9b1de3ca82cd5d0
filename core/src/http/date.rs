//! The dates of HTTP: three forms, one of them with a year of two digits.

use core::time::Duration;

use super::cursor::{Cursor, trim};

/// An instant as HTTP writes it, to the second.
///
/// Invariant: it is in the years 0 to 9999, which four digits can write.
///
/// It is the server's time and no [`Instant`](crate::Instant): only the difference of two of the same server means
/// anything here.
///
/// ```
/// use core::time::Duration;
/// use tidegate_core::http::HttpDate;
///
/// // The three forms of RFC 9110, section 5.6.7, of one instant.
/// let date = HttpDate::parse(b"Sun, 06 Nov 1994 08:49:37 GMT", None).unwrap();
/// assert_eq!(HttpDate::parse(b"Sunday, 06-Nov-94 08:49:37 GMT", None), Some(date));
/// assert_eq!(HttpDate::parse(b"Sun Nov  6 08:49:37 1994", None), Some(date));
/// assert_eq!(date.unix_seconds(), 784_111_777);
///
/// let later = HttpDate::from_unix_seconds(784_111_800);
/// assert_eq!(later.saturating_since(date), Duration::from_secs(23));
/// assert_eq!(date.saturating_since(later), Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct HttpDate {
    unix_seconds: i64,
}

impl HttpDate {
    /// The beginning of the year 0.
    pub const MIN: Self = Self { unix_seconds: -62_167_219_200 };
    /// The last second of the year 9999.
    pub const MAX: Self = Self { unix_seconds: 253_402_300_799 };

    /// The instant this many seconds after the beginning of 1970, in Greenwich; saturates at [`HttpDate::MIN`] and
    /// [`HttpDate::MAX`].
    pub const fn from_unix_seconds(unix_seconds: i64) -> Self {
        if unix_seconds < Self::MIN.unix_seconds {
            Self::MIN
        } else if unix_seconds > Self::MAX.unix_seconds {
            Self::MAX
        } else {
            Self { unix_seconds }
        }
    }

    /// Seconds since the beginning of 1970, in Greenwich; negative before.
    pub const fn unix_seconds(self) -> i64 {
        self.unix_seconds
    }

    /// How long after `earlier` this is; zero where it is not.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        let seconds = self.unix_seconds.saturating_sub(earlier.unix_seconds);
        if seconds > 0 { Duration::from_secs(seconds as u64) } else { Duration::ZERO }
    }

    /// Reads an IMF-fixdate, an RFC 850 date or the output of C's `asctime`; `None` for anything else.
    ///
    /// The RFC 850 form gives two digits of the year. They are read as the RFC asks: a date that appears to be more
    /// than 50 years after `relative_to` is the most recent one before it with these digits. Pass the response's
    /// `Date`. Without it, as when reading that very field, 69 to 99 are 1969 to 1999 and 00 to 68 are 2000 to 2068, as
    /// POSIX has it.
    ///
    /// The day of the month has to exist. A leap second is read where one can be, at 23:59:60, as the second after it.
    /// The day of the week has to be the name of one, but not the right one: it adds nothing, and a wrong one is no
    /// reason to ignore the rest. Letters may be of any case, as caches have to allow (RFC 9111, section 4.2).
    pub fn parse(value: &[u8], relative_to: Option<Self>) -> Option<Self> {
        let mut text = Cursor::new(trim(value));
        let weekday = text.take_while(|byte| byte.is_ascii_alphabetic());
        let civil = if is_one_of(weekday, &WEEKDAYS) {
            match text.next()? {
                b',' => imf_fixdate(&mut text)?,
                b' ' => asctime(&mut text)?,
                _ => return None,
            }
        } else if is_one_of(weekday, &LONG_WEEKDAYS) {
            rfc_850(&mut text, relative_to)?
        } else {
            return None;
        };
        if text.is_empty() { Some(Self::from_unix_seconds(civil.unix_seconds())) } else { None }
    }
}

/// A date of the Gregorian calendar. The order of the fields makes them compare as time does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Civil {
    year: i32,
    /// From 1.
    month: u8,
    /// From 1.
    day: u8,
    second_of_day: u32,
}

impl Civil {
    /// A date that exists.
    fn new(year: u16, month: u8, day: u16, second_of_day: u32) -> Option<Self> {
        let year = i32::from(year);
        let day = u8::try_from(day).ok()?;
        let exists = (1..=days_in(year, month)).contains(&day);
        exists.then_some(Self { year, month, day, second_of_day })
    }

    /// Days from civil: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms". Years begin in March, so that
    /// the leap day comes last, and are counted in eras of 400.
    const fn unix_seconds(self) -> i64 {
        let (early, month) = if self.month > 2 { (0, self.month - 3) } else { (1, self.month + 9) };
        let year = self.year as i64 - early;
        let era = year.div_euclid(YEARS_PER_ERA);
        let year_of_era = year.rem_euclid(YEARS_PER_ERA);
        let day_of_year = (153 * month as i64 + 2) / 5 + self.day as i64 - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        (era * DAYS_PER_ERA + day_of_era - DAYS_TO_1970) * SECONDS_PER_DAY + self.second_of_day as i64
    }

    /// The inverse, from the same source.
    const fn from_unix_seconds(unix_seconds: i64) -> Self {
        let day = unix_seconds.div_euclid(SECONDS_PER_DAY) + DAYS_TO_1970;
        let day_of_era = day.rem_euclid(DAYS_PER_ERA);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march = (5 * day_of_year + 2) / 153;
        let month = if march < 10 { march + 3 } else { march - 9 };
        let next_year = if month > 2 { 0 } else { 1 };
        Self {
            // Four digits, by the invariant of HttpDate.
            year: (day.div_euclid(DAYS_PER_ERA) * YEARS_PER_ERA + year_of_era + next_year) as i32,
            month: month as u8,
            day: (day_of_year - (153 * march + 2) / 5 + 1) as u8,
            second_of_day: unix_seconds.rem_euclid(SECONDS_PER_DAY) as u32,
        }
    }

    /// This date in the year that two digits mean, as seen from `now`.
    fn in_century(self, two_digits: u16, now: Self) -> Self {
        // Years of four digits are nowhere near the ends; saturating is what shows it.
        let ahead = i32::from(two_digits).saturating_sub(now.year).rem_euclid(100);
        let future = Self { year: now.year.saturating_add(ahead), ..self };
        let limit = Self { year: now.year.saturating_add(50), ..now };
        if future > limit { Self { year: future.year.saturating_sub(100), ..self } } else { future }
    }
}

/// What follows `Sun,`: ` 06 Nov 1994 08:49:37 GMT`.
fn imf_fixdate(text: &mut Cursor<'_>) -> Option<Civil> {
    text.eat(b' ')?;
    let day = text.digits::<2>()?;
    text.eat(b' ')?;
    let month = month(text)?;
    text.eat(b' ')?;
    let year = text.digits::<4>()?;
    text.eat(b' ')?;
    let second = time_of_day(text)?;
    greenwich(text)?;
    Civil::new(year, month, day, second)
}

/// What follows `Sun `: `Nov  6 08:49:37 1994`.
fn asctime(text: &mut Cursor<'_>) -> Option<Civil> {
    let month = month(text)?;
    text.eat(b' ')?;
    let day = if text.eat(b' ').is_some() { text.digits::<1>()? } else { text.digits::<2>()? };
    text.eat(b' ')?;
    let second = time_of_day(text)?;
    text.eat(b' ')?;
    Civil::new(text.digits::<4>()?, month, day, second)
}

/// What follows `Sunday`: `, 06-Nov-94 08:49:37 GMT`.
fn rfc_850(text: &mut Cursor<'_>, relative_to: Option<HttpDate>) -> Option<Civil> {
    text.eat(b',')?;
    text.eat(b' ')?;
    let day = text.digits::<2>()?;
    text.eat(b'-')?;
    let month = month(text)?;
    text.eat(b'-')?;
    let two_digits = text.digits::<2>()?;
    text.eat(b' ')?;
    let second = time_of_day(text)?;
    greenwich(text)?;
    // In a leap year for now: whether the day exists is known once the year is.
    let date = Civil::new(2000, month, day, second)?;
    let date = match relative_to {
        Some(now) => date.in_century(two_digits, Civil::from_unix_seconds(now.unix_seconds)),
        None => Civil { year: i32::from(two_digits) + if two_digits < 69 { 2000 } else { 1900 }, ..date },
    };
    (date.day <= days_in(date.year, date.month)).then_some(date)
}

/// `08:49:37`, in seconds since midnight.
fn time_of_day(text: &mut Cursor<'_>) -> Option<u32> {
    let hour = text.digits::<2>()?;
    text.eat(b':')?;
    let minute = text.digits::<2>()?;
    text.eat(b':')?;
    let second = text.digits::<2>()?;
    let leap = (hour, minute, second) == (23, 59, 60);
    let exists = hour < 24 && minute < 60 && second < 60;
    (exists || leap).then_some(u32::from(hour) * 3_600 + u32::from(minute) * 60 + u32::from(second))
}

fn greenwich(text: &mut Cursor<'_>) -> Option<()> {
    text.take::<4>()?.eq_ignore_ascii_case(b" GMT").then_some(())
}

/// The number of a month, from 1.
fn month(text: &mut Cursor<'_>) -> Option<u8> {
    let name = text.take::<3>()?;
    (1..=12).zip(MONTHS).find(|(_, month)| name.eq_ignore_ascii_case(month)).map(|(number, _)| number)
}

fn is_one_of(name: &[u8], names: &[&[u8]]) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// The number of days in a month; none in a month that does not exist.
const fn days_in(year: i32, month: u8) -> u8 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 0,
    }
}

const SECONDS_PER_DAY: i64 = 86_400;
const YEARS_PER_ERA: i64 = 400;
const DAYS_PER_ERA: i64 = 146_097;
/// From the first of March of the year 0.
const DAYS_TO_1970: i64 = 719_468;

const MONTHS: [[u8; 3]; 12] =
    [*b"Jan", *b"Feb", *b"Mar", *b"Apr", *b"May", *b"Jun", *b"Jul", *b"Aug", *b"Sep", *b"Oct", *b"Nov", *b"Dec"];
const WEEKDAYS: [&[u8]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];
const LONG_WEEKDAYS: [&[u8]; 7] = [b"Monday", b"Tuesday", b"Wednesday", b"Thursday", b"Friday", b"Saturday", b"Sunday"];

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::{format, string::String};

    fn unix(text: &str) -> Option<i64> {
        HttpDate::parse(text.as_bytes(), None).map(HttpDate::unix_seconds)
    }

    #[test]
    fn every_day_from_1600_to_2800_has_the_number_that_counting_gives() {
        // Three whole eras; the first year and the last are in another test. Counted from 1 January 1600.
        let mut days = -135_140;
        for year in 1_600..2_800 {
            for month in 1..=12 {
                for day in 1..=days_in(i32::from(year), month) {
                    let date = Civil::new(year, month, u16::from(day), 0).expect("a day that exists");
                    assert_eq!(date.unix_seconds(), days * 86_400, "{year}-{month}-{day}");
                    let back = Civil::from_unix_seconds(days * 86_400 + 86_399);
                    assert!(back == Civil { second_of_day: 86_399, ..date }, "{year}-{month}-{day} and back");
                    days += 1;
                }
            }
        }
        assert_eq!(days, 303_151, "1 January 2800");
        assert!(Civil::new(1970, 1, 1, 0).is_some_and(|epoch| epoch.unix_seconds() == 0));
    }

    #[test]
    fn days_of_eight_centuries_are_read_in_all_three_forms() {
        for day in (-135_140i64..157_054).step_by(11) {
            // From 1600 to 2400; the time of day wanders too.
            let seconds = day * 86_400 + (day * 7_919).rem_euclid(86_400);
            let Civil { year, month, day, second_of_day } = Civil::from_unix_seconds(seconds);
            let name = MONTHS.get(usize::from(month) - 1).map(|name| String::from_utf8_lossy(name).into_owned());
            let name = name.expect("one of twelve");
            let time = format!("{:02}:{:02}:{:02}", second_of_day / 3_600, second_of_day / 60 % 60, second_of_day % 60);
            assert_eq!(unix(&format!("Mon, {day:02} {name} {year:04} {time} GMT")), Some(seconds));
            assert_eq!(unix(&format!("Mon {name} {day:2} {time} {year:04}")), Some(seconds));
            let short = format!("Monday, {day:02}-{name}-{:02} {time} GMT", year % 100);
            let near = HttpDate::from_unix_seconds(seconds + 1_000_000_000);
            let read = HttpDate::parse(short.as_bytes(), Some(near)).map(HttpDate::unix_seconds);
            assert_eq!(read, Some(seconds), "{short}, seen from 31 years later");
        }
    }

    #[test]
    fn two_digits_mean_at_most_fifty_years_ahead_and_otherwise_the_past() {
        let now = HttpDate::parse(b"Sun, 06 Nov 1994 08:49:37 GMT", None);
        let year = |text: &str| {
            let date = HttpDate::parse(text.as_bytes(), now).expect("a date");
            Civil::from_unix_seconds(date.unix_seconds()).year
        };
        assert_eq!(year("Sunday, 06-Nov-94 08:49:37 GMT"), 1994);
        assert_eq!(year("Monday, 31-Dec-94 23:59:59 GMT"), 1994);
        assert_eq!(year("Monday, 01-Jan-94 00:00:00 GMT"), 1994, "this year's past is not 2094");
        assert_eq!(year("Monday, 01-Jan-00 00:00:00 GMT"), 2000);
        assert_eq!(year("Monday, 06-Nov-44 08:49:37 GMT"), 2044, "fifty years to the second");
        assert_eq!(year("Monday, 06-Nov-44 08:49:38 GMT"), 1944, "and one second more");
        assert_eq!(year("Monday, 01-Jan-93 00:00:00 GMT"), 1993);
        // Without a reference, as POSIX reads them.
        assert_eq!(unix("Thursday, 01-Jan-70 00:00:00 GMT"), Some(0));
        assert_eq!(unix("Wednesday, 01-Jan-69 00:00:00 GMT"), Some(-365 * 86_400));
        assert_eq!(unix("Sunday, 01-Jan-68 00:00:00 GMT"), unix("Sun, 01 Jan 2068 00:00:00 GMT"));
    }

    #[test]
    fn a_leap_second_is_the_second_after_it() {
        assert_eq!(unix("Sat, 31 Dec 2016 23:59:60 GMT"), unix("Sun, 01 Jan 2017 00:00:00 GMT"));
        for impossible in ["00:00:60", "23:58:60", "22:59:60", "23:59:61", "24:00:00", "23:60:00"] {
            assert_eq!(unix(&format!("Sat, 31 Dec 2016 {impossible} GMT")), None, "{impossible}");
        }
    }

    #[test]
    fn days_that_do_not_exist_are_refused_and_a_wrong_weekday_is_not() {
        for day in ["00 Jan 2024", "32 Jan 2024", "30 Feb 2024", "29 Feb 2023", "29 Feb 1900", "31 Apr 2024"] {
            assert_eq!(unix(&format!("Sat, {day} 00:00:00 GMT")), None, "{day}");
        }
        assert!(unix("Thu, 29 Feb 2024 00:00:00 GMT").is_some());
        // 29 February exists in 2000 but not in 1900, and two digits do not say which.
        let year_1900 = Some(HttpDate::from_unix_seconds(-2_208_988_800));
        assert_eq!(HttpDate::parse(b"Tuesday, 29-Feb-00 00:00:00 GMT", year_1900), None);
        assert!(unix("Tuesday, 29-Feb-00 00:00:00 GMT").is_some());
        assert_eq!(unix("Mon, 06 Nov 1994 08:49:37 GMT"), unix("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(unix("sun, 06 nov 1994 08:49:37 gmt"), unix("Sun, 06 Nov 1994 08:49:37 GMT"));
    }

    #[test]
    fn garbage_is_refused() {
        let good = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert!(unix(good).is_some());
        for cut in 0..good.len() {
            assert_eq!(unix(&good[..cut]), None, "cut after {cut}");
        }
        for bad in [
            "Sun, 06 Nov 1994 08:49:37 GMT.",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 +0000",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun,  6 Nov 1994 08:49:37 GMT",
            "Sun, 06-Nov-94 08:49:37 GMT",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sunday, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-1994 08:49:37 GMT",
            "Sun Nov 6 08:49:37 1994",
            "Sun Nov  6 08:49:37 1994 GMT",
            "Xyz, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Xyz 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 8:49:37 GMT",
            "Sun, 06 Nov -994 08:49:37 GMT",
            "1994-11-06T08:49:37Z",
            "784111777",
            "",
        ] {
            assert_eq!(unix(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn references_at_the_ends_of_time_do_no_harm() {
        assert_eq!(HttpDate::from_unix_seconds(i64::MIN), HttpDate::MIN);
        assert_eq!(HttpDate::from_unix_seconds(i64::MAX), HttpDate::MAX);
        assert_eq!(HttpDate::parse(b"Sat, 01 Jan 0000 00:00:00 GMT", None), Some(HttpDate::MIN));
        assert_eq!(HttpDate::parse(b"Fri, 31 Dec 9999 23:59:60 GMT", None), Some(HttpDate::MAX), "saturates");
        assert_eq!(HttpDate::MAX.saturating_since(HttpDate::MIN).as_secs(), 315_569_519_999);
        let short = |date| HttpDate::parse(b"Sunday, 06-Nov-94 08:49:37 GMT", Some(date));
        assert_eq!(short(HttpDate::MIN), Some(HttpDate::MIN), "the year -6");
        assert_eq!(short(HttpDate::MAX), HttpDate::parse(b"Sun, 06 Nov 9994 08:49:37 GMT", None));
    }
}
