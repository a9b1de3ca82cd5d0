//! How a figure reads: three significant digits and a unit.

use std::fmt;

/// A length of time in microseconds, shown in the unit that suits it: `850 µs`, `12.3 ms`, `1.25 s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Micros(pub u64);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The bounds sit where rounding to three digits would spill into the next unit.
        match self.0 {
            0..1_000 => write!(f, "{} µs", self.0),
            1_000..999_500 => write!(f, "{} ms", three_digits(self.0 as f64 / 1e3)),
            _ => write!(f, "{} s", three_digits(self.0 as f64 / 1e6)),
        }
    }
}

/// A rate per second: `0.25/s`, `812/s`, `12,400/s`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PerSecond(pub f64);

impl fmt::Display for PerSecond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", three_digits(self.0))
    }
}

/// A share from 0 to 1 as a percentage: `0.025 %`, `37 %`, `99.9 %`. Never rounded up to 100 % or down to 0 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percent(pub f64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.0 * 100.0;
        if !percent.is_finite() {
            return f.write_str("– %");
        }
        for decimals in 0..=6 {
            let text = format!("{percent:.decimals$}");
            let shown: f64 = text.parse().unwrap_or(percent);
            let hides = (shown >= 100.0 && percent < 100.0) || (shown == 0.0 && percent > 0.0);
            let close = (shown - percent).abs() <= percent.abs().min((100.0 - percent).abs()) * 0.005;
            if (close || decimals == 6) && !hides {
                return write!(f, "{text} %");
            }
        }
        // Closer to none or to all than a millionth of a per cent, but neither.
        f.write_str(if percent < 50.0 { "0.000001 %" } else { "99.999999 %" })
    }
}

/// Three significant digits, thousands grouped: `1.14e-12`, `0.0123`, `1.25`, `12.3`, `123`, `12,300`.
pub fn three_digits(value: f64) -> String {
    let size = value.abs();
    if !size.is_finite() {
        return "–".to_owned();
    }
    if size >= 999.5 {
        let unit = 10f64.powi(size.log10().floor() as i32 - 2);
        let text = grouped(((size / unit).round() * unit).round() as u64);
        return if value < 0.0 { format!("-{text}") } else { text };
    }
    if size > 0.0 && size < 1e-6 {
        return format!("{value:.2e}");
    }
    let decimals = if size >= 99.95 || size == 0.0 {
        0
    } else if size >= 9.995 {
        1
    } else if size >= 0.9995 {
        2
    } else {
        (2 - size.log10().floor() as i32).clamp(3, 8) as usize
    };
    format!("{value:.decimals$}")
}

/// A count with its thousands grouped: `12,345`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_and_never_read_as_a_thousand_of_a_unit() {
        let shown = |us| Micros(us).to_string();
        assert_eq!(shown(0), "0 µs");
        assert_eq!(shown(999), "999 µs");
        assert_eq!(shown(1_000), "1.00 ms");
        assert_eq!(shown(9_996), "10.0 ms");
        assert_eq!(shown(12_345), "12.3 ms");
        assert_eq!(shown(999_499), "999 ms");
        assert_eq!(shown(999_500), "1.00 s"); // not "1000 ms"
        assert_eq!(shown(61_000_000), "61.0 s");
    }

    #[test]
    fn rates_keep_three_digits_at_any_size() {
        let shown = |rate| PerSecond(rate).to_string();
        assert_eq!(shown(0.0), "0/s");
        assert_eq!((shown(0.012345), shown(1.14e-12)), ("0.0123/s".into(), "1.14e-12/s".into()));
        assert_eq!(shown(49.96), "50.0/s");
        assert_eq!(shown(812.4), "812/s");
        assert_eq!(shown(12_345.0), "12,300/s");
        assert_eq!(shown(-1_234.0), "-1,230/s");
        assert_eq!(shown(f64::NAN), "–/s");
    }

    #[test]
    fn a_percentage_never_hides_the_last_failure_or_the_first_success() {
        let shown = |share| Percent(share).to_string();
        assert_eq!(shown(1.0), "100 %");
        assert_eq!(shown(0.0), "0 %");
        assert_eq!(shown(0.999), "99.9 %");
        assert_eq!(shown(0.999_99), "99.999 %");
        assert_eq!(shown(0.375), "37.5 %");
        assert_eq!(shown(0.000_25), "0.025 %");
        assert_eq!((shown(1.0 - 1e-12), shown(1e-12)), ("99.999999 %".to_owned(), "0.000001 %".to_owned()));
        assert_eq!(shown(1.23e-7), "0.000012 %");
        assert_eq!((shown(1.0 / 3.0), shown(1.25), shown(-0.04)), ("33.3 %".into(), "125 %".into(), "-4 %".into()));
        assert_eq!(shown(f64::NAN), "– %");
    }
}
