//! One value: where it came from, and how its text is read.

use std::{fmt, time::Duration};

use thiserror::Error;

/// Where a setting came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Given on the command line, or by the program that uses the library.
    Flag,
    /// Given in the environment.
    Environment,
    /// Given in a file, for the host.
    File,
    /// Nobody gave it.
    Preset,
}

impl Origin {
    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Environment => "environment",
            Self::File => "file",
            Self::Preset => "preset",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A value and where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value in force.
    pub value: T,
    /// Where it came from.
    pub origin: Origin,
}

/// A value that cannot be used: which, why, and what to give instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{name}={value}: {problem}; {fix}")]
pub struct BadValue {
    /// The flag or variable.
    pub name: String,
    /// What was given.
    pub value: String,
    /// What is wrong with it.
    pub problem: &'static str,
    /// What to give instead.
    pub fix: String,
}

/// A whole number from `least` to `most`.
///
/// # Errors
/// Where it is none, or out of range.
pub fn parse_count(name: &str, value: &str, least: u64, most: u64) -> Result<u64, BadValue> {
    let bad = |problem| BadValue {
        name: name.to_owned(),
        value: value.to_owned(),
        problem,
        fix: format!("give {least} to {most}"),
    };
    let count: u64 = value.trim().parse().map_err(|_| bad("not a whole number"))?;
    if count < least || count > most { Err(bad("out of range")) } else { Ok(count) }
}

/// A span of time: `500ms`, `10s`, `2m`, `1h`; a bare number is seconds. Fractions are fine: `2.5`, `1.5m`.
///
/// # Errors
/// Where it is none, or out of range.
pub fn parse_duration(name: &str, value: &str, least: Duration, most: Duration) -> Result<Duration, BadValue> {
    let bad = |problem| BadValue {
        name: name.to_owned(),
        value: value.to_owned(),
        problem,
        fix: format!("give {least:?} to {most:?}, as in 500ms, 10s, 2m; a bare number is seconds"),
    };
    let text = value.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds_per_unit = match unit.trim() {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return Err(bad("not a span of time")),
    };
    let number: f64 = number.parse().map_err(|_| bad("not a span of time"))?;
    let span = Duration::try_from_secs_f64(number * seconds_per_unit).map_err(|_| bad("out of range"))?;
    if span < least || span > most { Err(bad("out of range")) } else { Ok(span) }
}

/// A share from 0 to 1, also as a percentage: `0.05`, `5%`.
///
/// # Errors
/// Where it is none, or out of range.
pub fn parse_share(name: &str, value: &str) -> Result<f64, BadValue> {
    let bad = |problem| BadValue {
        name: name.to_owned(),
        value: value.to_owned(),
        problem,
        fix: "give 0 to 1, or 0% to 100%".to_owned(),
    };
    let (number, scale) = match value.trim().strip_suffix('%') {
        Some(percent) => (percent.trim_end(), 0.01),
        None => (value.trim(), 1.0),
    };
    let share = number.parse::<f64>().map_err(|_| bad("not a share"))? * scale;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(bad("out of range")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_and_without_unit() {
        let parse = |text| parse_duration("--timeout", text, Duration::ZERO, Duration::from_secs(86_400));
        for (text, millis) in [
            ("10", 10_000),
            ("0.5", 500),
            ("500ms", 500),
            ("10s", 10_000),
            ("1.5m", 90_000),
            ("1h", 3_600_000),
            ("0.5d", 43_200_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "-1", "1w", "1e3", "nan", "inf", "10 000", "0x10", "99999999999h"] {
            let error = parse(text).expect_err(text).to_string();
            assert!(
                error.starts_with(&format!("--timeout={text}: ")) && error.contains("give 0ns to 86400s"),
                "{error}"
            );
        }
    }

    #[test]
    fn counts_and_shares_say_their_range() {
        assert_eq!(parse_count("--retries", " 2 ", 0, 254), Ok(2));
        let error = parse_count("--retries", "300", 0, 254).expect_err("too many");
        assert_eq!(error.to_string(), "--retries=300: out of range; give 0 to 254");
        assert_eq!(parse_share("--max-errors", "5%"), Ok(0.05));
        assert!(parse_share("--max-errors", "5").is_err());
    }
}
