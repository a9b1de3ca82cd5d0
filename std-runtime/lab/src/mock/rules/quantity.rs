//! Durations, sizes and shares as people write them.

use std::time::Duration;

use super::RuleError;

/// Reads a whole number with a unit: `20ms`, `2s`, `5m`; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, RuleError> {
    let wrong = || RuleError::Duration { text: text.to_owned() };
    let (digits, unit) = number_and_unit(text);
    let count: u64 = digits.parse().map_err(|_| wrong())?;
    let nanos_each: u64 = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "" | "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        _ => return Err(wrong()),
    };
    count.checked_mul(nanos_each).map(Duration::from_nanos).ok_or_else(wrong)
}

/// Writes a duration in the largest unit that holds it without a fraction.
pub(crate) fn show_duration(span: Duration) -> String {
    let nanos = span.as_nanos();
    let units = [
        (86_400_000_000_000, "d"),
        (3_600_000_000_000, "h"),
        (60_000_000_000, "m"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1_000, "us"),
    ];
    match units.iter().find(|(size, _)| nanos >= *size && nanos.is_multiple_of(*size)) {
        Some((size, unit)) => format!("{}{unit}", nanos / size),
        None if nanos == 0 => "0s".to_owned(),
        None => format!("{nanos}ns"),
    }
}

/// Reads a number of bytes: `512`, `8KiB`, `1MiB`.
pub(super) fn bytes(text: &str) -> Result<u64, RuleError> {
    let wrong = || RuleError::Size { text: text.to_owned() };
    let (digits, unit) = number_and_unit(text);
    let count: u64 = digits.parse().map_err(|_| wrong())?;
    let (_, size) = SIZES.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    count.checked_mul(*size).ok_or_else(wrong)
}

/// Writes a number of bytes in the largest unit that holds it without a fraction.
pub(super) fn show_bytes(bytes: u64) -> String {
    match SIZES.iter().rev().find(|(_, size)| bytes >= *size && bytes.is_multiple_of(*size)) {
        Some((unit, size)) if *size > 1 => format!("{}{unit}", bytes / size),
        _ => bytes.to_string(),
    }
}

/// Reads a percentage with at most four decimals as millionths: `0.5%` is 5,000.
pub(crate) fn millionths(text: &str) -> Result<u32, RuleError> {
    let wrong = || RuleError::Share { text: text.to_owned() };
    let number = text.trim().strip_suffix('%').ok_or_else(wrong)?.trim_end();
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(whole) || !are_digits(decimals) || whole.len() > 3 || decimals.len() > 4 {
        return Err(wrong());
    }
    // Four decimals of a percentage are millionths: the digits put together are the number itself.
    let share: u32 = format!("{whole}{decimals:0<4}").parse().map_err(|_| wrong())?;
    if share <= WHOLE && !whole.is_empty() { Ok(share) } else { Err(wrong()) }
}

/// Writes millionths as a percentage.
pub(super) fn show_millionths(share: u32) -> String {
    let (whole, decimals) = (share / 10_000, share % 10_000);
    match decimals {
        0 => format!("{whole}%"),
        _ => format!("{whole}.{}%", format!("{decimals:04}").trim_end_matches('0')),
    }
}

/// A number of digits alone; `parse` would take a sign as well.
pub(super) fn digits(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn number_and_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    (number, unit.trim_start())
}

/// A share of one in millionths.
pub(super) const WHOLE: u32 = 1_000_000;

const SIZES: [(&str, u64); 5] = [("", 1), ("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, nanos, again) in [
            ("20ms", 20_000_000, "20ms"),
            ("2", 2_000_000_000, "2s"),
            ("120 s", 120_000_000_000, "2m"),
            ("1500ms", 1_500_000_000, "1500ms"),
            ("0", 0, "0s"),
            ("7ns", 7, "7ns"),
            ("3us", 3_000, "3us"),
            ("1h", 3_600_000_000_000, "1h"),
            ("2d", 172_800_000_000_000, "2d"),
            ("48h", 172_800_000_000_000, "2d"),
        ] {
            let span = duration(text).expect("a good duration");
            assert_eq!(span.as_nanos(), nanos, "{text}");
            assert_eq!(show_duration(span), again);
        }
        for text in ["", "ms", "-1s", "1.5s", "1w", "99999999999999999999", "18446744073709551615h"] {
            assert_eq!(duration(text), Err(RuleError::Duration { text: text.to_owned() }));
        }
    }

    #[test]
    fn sizes_are_read_and_written() {
        for (text, count, again) in [
            ("512", 512, "512"),
            ("8KiB", 8_192, "8KiB"),
            ("1024", 1_024, "1KiB"),
            ("2 MiB", 2 << 20, "2MiB"),
            ("0", 0, "0"),
        ] {
            assert_eq!(bytes(text), Ok(count));
            assert_eq!(show_bytes(count), again);
        }
        for text in ["", "8KB", "1.5MiB", "99999999999GiB"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shares_are_exact_to_the_millionth() {
        for (text, millionths_of_one) in
            [("10%", 100_000), ("0.5%", 5_000), ("100%", 1_000_000), ("0.0001%", 1), ("0%", 0), ("33.3333 %", 333_333)]
        {
            assert_eq!(millionths(text), Ok(millionths_of_one), "{text}");
            let shown = show_millionths(millionths_of_one);
            assert_eq!(millionths(&shown), Ok(millionths_of_one), "{text} came back as {shown}");
        }
        assert_eq!(show_millionths(5_000), "0.5%");
        for text in ["10", "", "%", ".5%", "100.0001%", "-1%", "0.00001%", "1e1%", "+1%"] {
            let read = millionths(text);
            assert!(read.is_err(), "{text} was read as {read:?}");
        }
    }
}
