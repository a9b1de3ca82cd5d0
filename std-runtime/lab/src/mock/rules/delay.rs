//! How long an answer takes.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::RuleError;
use super::quantity::{duration, show_duration};

/// A distribution of times. No draw exceeds a minute, whatever the tail.
///
/// Real servers are rarely uniform: their times are close to log-normal, and the rare slow ones follow a power law.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Delay {
    /// `20ms`: always the same.
    Fixed(Duration),
    /// `uniform:10ms..50ms`: evenly between two times.
    Uniform {
        /// The least time.
        min: Duration,
        /// The greatest time.
        max: Duration,
    },
    /// `exponential:20ms`: without memory, as times between unrelated events are.
    Exponential {
        /// The mean. The 99th percentile is 4.6 means.
        mean: Duration,
    },
    /// `lognormal:20ms/0.5`: the logarithm is normal.
    LogNormal {
        /// Half of the draws are below it.
        median: Duration,
        /// The standard deviation of the natural logarithm, from 0 to 10. At 0.5 the 99th percentile is 3.2 medians.
        sigma: f64,
    },
    /// `pareto:10ms/1.5`: a power-law tail.
    Pareto {
        /// The least time.
        min: Duration,
        /// The exponent of the tail, from 0.1 to 100. At 1.5 the 99th percentile is 22 times the least; at 1 or below
        /// the mean is infinite but for the cap.
        shape: f64,
    },
}

impl Delay {
    /// The time for two independent draws, each above 0 and at most 1.
    ///
    /// The same bits on every machine: `libm` is one piece of software, while the functions of the standard library are
    /// those of the platform and differ in the last digit.
    pub(crate) fn sample(self, draws: (f64, f64)) -> Duration {
        let span = match self {
            Self::Fixed(span) => span,
            Self::Uniform { min, max } => min + max.saturating_sub(min).mul_f64(draws.0),
            Self::Exponential { mean } => scaled(mean, -libm::log(draws.0)),
            Self::LogNormal { median, sigma } => {
                // Box and Muller, "A note on the generation of random normal deviates", 1958.
                let normal = libm::sqrt(-2.0 * libm::log(draws.0)) * libm::cos(std::f64::consts::TAU * draws.1);
                scaled(median, libm::exp(sigma * normal))
            }
            Self::Pareto { min, shape } => scaled(min, libm::pow(draws.0, -1.0 / shape)),
        };
        span.min(DELAY_MAX)
    }
}

impl FromStr for Delay {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let wrong = || RuleError::Delay { text: text.to_owned() };
        let bounded = |part: &str| match duration(part).map_err(|_| wrong())? {
            span if span <= DELAY_MAX => Ok(span),
            _ => Err(RuleError::DelayTooLong { text: part.to_owned() }),
        };
        let Some((kind, arguments)) = text.split_once(':') else {
            return Ok(Self::Fixed(bounded(text)?));
        };
        let split = |mark| arguments.split_once(mark).ok_or_else(wrong);
        match kind {
            "fixed" => Ok(Self::Fixed(bounded(arguments)?)),
            "uniform" => {
                let (min, max) = split("..")?;
                let (min, max) = (bounded(min)?, bounded(max)?);
                if min > max { Err(wrong()) } else { Ok(Self::Uniform { min, max }) }
            }
            "exponential" => Ok(Self::Exponential { mean: bounded(arguments)? }),
            "lognormal" => {
                let (median, sigma) = split("/")?;
                Ok(Self::LogNormal { median: bounded(median)?, sigma: within(sigma, 0.0, 10.0).ok_or_else(wrong)? })
            }
            "pareto" => {
                let (min, shape) = split("/")?;
                Ok(Self::Pareto { min: bounded(min)?, shape: within(shape, 0.1, 100.0).ok_or_else(wrong)? })
            }
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(span) => out.write_str(&show_duration(*span)),
            Self::Uniform { min, max } => write!(out, "uniform:{}..{}", show_duration(*min), show_duration(*max)),
            Self::Exponential { mean } => write!(out, "exponential:{}", show_duration(*mean)),
            Self::LogNormal { median, sigma } => write!(out, "lognormal:{}/{sigma}", show_duration(*median)),
            Self::Pareto { min, shape } => write!(out, "pareto:{}/{shape}", show_duration(*min)),
        }
    }
}

fn within(text: &str, min: f64, max: f64) -> Option<f64> {
    text.parse().ok().filter(|number| (min..=max).contains(number))
}

/// `span` times `factor`, which may be infinite.
fn scaled(span: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(span.as_secs_f64() * factor).unwrap_or(DELAY_MAX)
}

/// No request is held longer than this by a latency.
const DELAY_MAX: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mock::dice::{Dice, Lane};

    /// The given quantiles of 20,000 draws, in milliseconds.
    fn quantiles<const N: usize>(text: &str, at: [usize; N]) -> [u128; N] {
        let delay: Delay = text.parse().expect("a good delay");
        let mut draws: Vec<_> =
            (0..20_000).map(|key| delay.sample(Dice::new(3, key, 0).pair(Lane::Latency)).as_micros()).collect();
        draws.sort_unstable();
        at.map(|percent| draws[(percent * 200).min(19_999)] / 1_000)
    }

    #[test]
    fn every_delay_comes_back_from_its_text() {
        for text in ["20ms", "uniform:10ms..50ms", "exponential:20ms", "lognormal:20ms/0.5", "pareto:10ms/1.5", "0s"] {
            assert_eq!(text.parse::<Delay>().map(|delay| delay.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("fixed:20ms".parse(), Ok(Delay::Fixed(Duration::from_millis(20))));
    }

    #[test]
    fn nonsense_is_rejected() {
        for text in [
            "",
            "fast",
            "normal:20ms",
            "uniform:50ms..10ms",
            "uniform:10ms",
            "lognormal:20ms",
            "lognormal:20ms/NaN",
            "lognormal:20ms/-1",
            "pareto:10ms/0",
            "61s",
            "pareto:2m/1",
        ] {
            assert!(text.parse::<Delay>().is_err(), "`{text}` was read as a delay");
        }
    }

    #[test]
    fn fixed_is_always_the_same() {
        assert_eq!(quantiles("20ms", [0, 50, 100]), [20, 20, 20]);
    }

    #[test]
    fn uniform_is_even_between_its_ends() {
        let [min, median, max] = quantiles("uniform:100ms..500ms", [0, 50, 100]);
        assert!((100..=101).contains(&min) && (292..=308).contains(&median) && (498..=500).contains(&max));
    }

    #[test]
    fn exponential_has_its_mean_and_its_tail() {
        // −ln 0.99 = 0.01005, ln 2 = 0.693 and ln 100 = 4.605 means.
        let [low, median, high] = quantiles("exponential:10s", [1, 50, 99]);
        assert!((88..=113).contains(&low) && (6_780..=7_080).contains(&median) && (44_400..=47_700).contains(&high));
    }

    #[test]
    fn lognormal_has_its_median_and_its_tail() {
        // exp(0.5 × 2.326) = 3.20 medians at the 99th percentile.
        let [low, median, high] = quantiles("lognormal:1s/0.5", [1, 50, 99]);
        assert!((295..=330).contains(&low) && (980..=1_020).contains(&median) && (3_040..=3_360).contains(&high));
    }

    #[test]
    fn pareto_has_its_least_and_its_tail() {
        // 2^(1/1.5) = 1.587 and 100^(1/1.5) = 21.5 times the least.
        let [min, median, high] = quantiles("pareto:100ms/1.5", [0, 50, 99]);
        assert!((100..=101).contains(&min) && (155..=163).contains(&median) && (1_950..=2_400).contains(&high));
    }

    #[test]
    fn no_tail_exceeds_a_minute() {
        assert_eq!("pareto:10ms/0.1".parse().map(|delay: Delay| delay.sample((1e-300, 0.5))), Ok(DELAY_MAX));
        assert_eq!("lognormal:1s/10".parse().map(|delay: Delay| delay.sample((1e-300, 1.0))), Ok(DELAY_MAX));
    }
}
