//! Where the round numbers lie, and which pixel a value falls on.

use super::{Axis, Scale};
use crate::measure::text::three_digits;

/// An axis with its values laid out over pixels.
pub(super) struct Mapping {
    /// The values to name, and their names.
    pub(super) ticks: Vec<(f64, String)>,
    low: f64,
    high: f64,
    log: bool,
    from_px: f64,
    to_px: f64,
}

impl Mapping {
    /// An axis that holds all of `values`, has about `count` ticks, and ends at round numbers if it may `grow`.
    pub(super) fn new(axis: &Axis, values: impl Iterator<Item = f64>, count: usize, grow: bool) -> Self {
        let log = axis.scale == Scale::Log;
        let usable = |v: &f64| is_drawable(*v) && (!log || *v >= SMALLEST);
        let given = axis.range.filter(|(low, high)| usable(low) && usable(high) && low < high);
        let fitted = values.filter(usable).fold(None, |range: Option<(f64, f64)>, v| match range {
            None => Some((v, v)),
            Some((low, high)) => Some((low.min(v), high.max(v))),
        });
        let (low, high) = given.or(fitted).unwrap_or(if log { (1.0, 10.0) } else { (0.0, 1.0) });
        let (low, high) = widened(low, high, axis.scale, given.is_some());
        let (ticks, low, high) = match axis.scale {
            Scale::Log => log_ticks(low, high, count, grow && given.is_none()),
            Scale::Time => time_ticks(low, high, count),
            Scale::Linear | Scale::FromZero => linear_ticks(low, high, count, grow && given.is_none()),
        };
        Self { ticks, low, high, log, from_px: 0.0, to_px: 1.0 }
    }

    /// The same over these pixels.
    pub(super) fn over(self, from_px: f64, to_px: f64) -> Self {
        Self { from_px, to_px, ..self }
    }

    /// The pixel of a value; `None` for one that cannot be drawn. Far outside it is cut off.
    pub(super) fn px(&self, value: f64) -> Option<f64> {
        if !is_drawable(value) || (self.log && value < SMALLEST) {
            return None;
        }
        let along = if self.log {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        Some(self.from_px + along.clamp(-9.0, 10.0) * (self.to_px - self.from_px))
    }

    /// The pixel of zero, or of the lower end where zero is out of sight: where bars stand.
    pub(super) fn floor_px(&self) -> f64 {
        let zero = if self.log { self.low } else { 0.0_f64.clamp(self.low, self.high) };
        self.px(zero).unwrap_or(self.from_px)
    }
}

/// Beyond this the difference of two values may not be one.
pub(super) fn is_drawable(value: f64) -> bool {
    value.is_finite() && value.abs() < 1e100
}

/// A range that is not a point, with zero in it where the scale asks for it.
fn widened(low: f64, high: f64, scale: Scale, given: bool) -> (f64, f64) {
    let (low, high) = match scale {
        Scale::FromZero if !given => (low.min(0.0), high.max(0.0)),
        Scale::FromZero | Scale::Linear | Scale::Log | Scale::Time => (low, high),
    };
    match scale {
        Scale::Log if high / low < 1.01 => (low / 2.0, high * 2.0),
        // A spread lost in rounding is none.
        _ if high - low > high.abs().max(low.abs()) * 1e-9 => (low, high),
        Scale::FromZero | Scale::Time => (low, low + 1.0 + low.abs() / 2.0),
        Scale::Linear | Scale::Log => (low - low.abs() / 2.0 - 0.5, high + high.abs() / 2.0 + 0.5),
    }
}

type Ticks = (Vec<(f64, String)>, f64, f64);

/// Multiples of 1, 2 or 5 times a power of ten; the range grows to the next ones if it may.
fn linear_ticks(low: f64, high: f64, count: usize, grow: bool) -> Ticks {
    let rough = (high - low) / count.max(1) as f64;
    let power = rough.log10().floor() as i32;
    let (digit, power) = match rough / 10f64.powi(power) {
        x if x <= 1.0 => (1.0, power),
        x if x <= 2.0 => (2.0, power),
        x if x <= 5.0 => (5.0, power),
        _ => (1.0, power + 1),
    };
    let step = digit * 10f64.powi(power);
    let (low, high) = if grow {
        // Down and up: the data end at a round number or before it. A billionth of a step beyond one is rounding.
        ((low / step + 1e-9).floor() * step, (high / step - 1e-9).ceil() * step)
    } else {
        (low, high)
    };
    let decimals = usize::try_from(-power).unwrap_or(0);
    let largest = low.abs().max(high.abs());
    let name = |value: f64| match largest {
        _ if decimals > 6 => format!("{value:e}"),
        _ if value == 0.0 && largest >= 1e4 => "0".to_owned(),
        1e4..1e6 => format!("{}k", trimmed(value / 1e3, 3)),
        1e6..1e9 => format!("{}M", trimmed(value / 1e6, 3)),
        1e9..1e12 => format!("{}G", trimmed(value / 1e9, 3)),
        1e12.. => format!("{value:e}"),
        _ => format!("{value:.decimals$}"),
    };
    (multiples(step, low, high).map(|value| (value, name(value))).collect(), low, high)
}

/// Powers of ten and, where there is room, their doubles and fives; the range grows to the next ones if it may.
fn log_ticks(low: f64, high: f64, count: usize, grow: bool) -> Ticks {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let round = || (first..=last).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power)));
    let (low, high) = if grow {
        let below = round().take_while(|&value| value <= low * (1.0 + 1e-9)).last().unwrap_or(low);
        (below, round().find(|&value| value >= high * (1.0 - 1e-9)).unwrap_or(high))
    } else {
        (low, high)
    };
    let within = |value: &f64| (low * (1.0 - 1e-9)..=high * (1.0 + 1e-9)).contains(value);
    let every = usize::try_from((last - first) / 8 + 1).unwrap_or(1);
    let powers: Vec<f64> = (first..=last).step_by(every).map(|power| 10f64.powi(power)).filter(within).collect();
    let roomy = 3.0 * (high / low).log10() <= 2.0 * count as f64;
    let all = if roomy || powers.len() < 2 { round().filter(within).collect() } else { powers };
    (all.into_iter().map(|value| (value, name_of_size(value))).collect(), low, high)
}

/// Divisions that clocks know. Below a second they are decimal, and the range is left as it is.
fn time_ticks(low: f64, high: f64, count: usize) -> Ticks {
    const MINUTE: f64 = 60.0;
    const HOUR: f64 = 60.0 * MINUTE;
    const DAY: f64 = 24.0 * HOUR;
    const STEPS: [(f64, f64, &str); 4] =
        [(1.0, MINUTE, "s"), (MINUTE, HOUR, "min"), (HOUR, DAY, "h"), (DAY, f64::INFINITY, "d")];
    const COUNTS: [f64; 9] = [1.0, 2.0, 3.0, 5.0, 6.0, 10.0, 12.0, 15.0, 30.0];
    let rough = (high - low) / count.max(1) as f64;
    if rough < 1.0 {
        let (ticks, ..) = linear_ticks(low, high, count, false);
        return (ticks.into_iter().map(|(value, name)| (value, format!("{name} s"))).collect(), low, high);
    }
    let divides = |part: f64, (unit, next, _): (f64, f64, &str)| !next.is_finite() || (next / unit) % part == 0.0;
    let steps = STEPS.iter().flat_map(|&unit| COUNTS.iter().map(move |&part| (part, unit)));
    let fitting = steps.filter(|&(part, unit)| divides(part, unit)).find(|&(part, unit)| part * unit.0 >= rough);
    let (step, unit, name) = match fitting {
        Some((part, (unit, _, name))) => (part * unit, unit, name),
        None => ((rough / DAY).ceil() * DAY, DAY, "d"),
    };
    let named = |value: f64| (value, if value == 0.0 { "0".to_owned() } else { format!("{} {name}", value / unit) });
    (multiples(step, low, high).map(named).collect(), low, high)
}

/// The multiples of `step` from `low` to `high`, each computed from its own count so that errors do not add up.
fn multiples(step: f64, low: f64, high: f64) -> impl Iterator<Item = f64> {
    let (first, last) = ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
    (first..=last).take(TICKS_MAX).map(move |count| count as f64 * step)
}

fn name_of_size(value: f64) -> String {
    match value {
        1e-4..1.0 => trimmed(value, 4),
        1.0..1e4 => trimmed(value, 0),
        1e4..1e6 => format!("{}k", trimmed(value / 1e3, 0)),
        1e6..1e9 => format!("{}M", trimmed(value / 1e6, 0)),
        _ => format!("{value:e}"),
    }
}

/// At most so many decimals, without trailing zeros.
fn trimmed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// How a single value is told, for a tooltip.
pub(super) fn told(value: f64) -> String {
    if value == value.round() && value.abs() < 1e4 { trimmed(value, 0) } else { three_digits(value) }
}

/// On a logarithmic axis anything below is 0.
const SMALLEST: f64 = 1e-100;
/// More names than that fit nowhere, whatever the numbers say.
const TICKS_MAX: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    fn names(axis: Axis, values: &[f64]) -> Vec<String> {
        Mapping::new(&axis, values.iter().copied(), 5, true).ticks.into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn a_linear_axis_is_divided_at_round_numbers() {
        assert_eq!(names(Axis::from_zero(""), &[1.0, 50.0]), ["0", "10", "20", "30", "40", "50"]);
        assert_eq!(names(Axis::from_zero(""), &[0.3]), ["0.0", "0.1", "0.2", "0.3"]);
        assert_eq!(names(Axis::from_zero(""), &[47_000.0]), ["0", "10k", "20k", "30k", "40k", "50k"]);
        assert_eq!(names(Axis::linear(""), &[-12.0, 31.0]), ["-20", "-10", "0", "10", "20", "30", "40"]);
        assert_eq!(names(Axis::from_zero(""), &[2.4e6]), ["0", "0.5M", "1M", "1.5M", "2M", "2.5M"]);
    }

    #[test]
    fn a_logarithmic_axis_is_divided_at_powers_of_ten() {
        assert_eq!(names(Axis::log(""), &[1.0, 50.0]), ["1", "2", "5", "10", "20", "50"]);
        assert_eq!(names(Axis::log(""), &[0.1, 30_000.0]), ["0.1", "1", "10", "100", "1000", "10k"]);
        assert_eq!(names(Axis::log(""), &[0.0, -3.0, 20.0, 200.0]), ["20", "50", "100", "200"]);
    }

    #[test]
    fn a_time_axis_is_divided_as_clocks_are() {
        assert_eq!(names(Axis::time(""), &[0.0, 2.0]), ["0.0 s", "0.5 s", "1.0 s", "1.5 s", "2.0 s"]);
        assert_eq!(names(Axis::time(""), &[0.0, 60.0]), ["0", "12 s", "24 s", "36 s", "48 s", "60 s"]);
        assert_eq!(names(Axis::time(""), &[0.0, 900.0]), ["0", "3 min", "6 min", "9 min", "12 min", "15 min"]);
        assert_eq!(names(Axis::time(""), &[0.0, 86_400.0]), ["0", "6 h", "12 h", "18 h", "24 h"]);
        assert_eq!(names(Axis::time(""), &[0.0, 30.0 * 86_400.0]), ["0", "6 d", "12 d", "18 d", "24 d", "30 d"]);
    }

    #[test]
    fn any_data_give_a_usable_axis() {
        let values = [0.0, -0.0, 1e-12, 1.0, -7.0, 1e9, 1e99, -1e99, 1e300, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE];
        for scale in [Scale::Linear, Scale::FromZero, Scale::Log, Scale::Time] {
            for a in values {
                for b in values {
                    let axis = Axis { label: String::new(), scale, range: None };
                    let mapping = Mapping::new(&axis, [a, b].into_iter(), 5, true).over(0.0, 100.0);
                    assert!(mapping.low < mapping.high, "{scale:?} of {a} and {b}");
                    assert!(mapping.ticks.len() <= TICKS_MAX);
                    for value in [a, b] {
                        let px = mapping.px(value);
                        assert!(px.is_none_or(|px| (-0.1..=100.1).contains(&px)), "{scale:?}: {value} at {px:?}");
                    }
                    assert!((0.0..=100.0).contains(&mapping.floor_px()));
                }
            }
        }
    }

    #[test]
    fn a_given_range_is_kept_and_what_lies_far_outside_is_cut_off() {
        let axis = Axis { range: Some((10.0, 20.0)), ..Axis::from_zero("") };
        let mapping = Mapping::new(&axis, [1e9].into_iter(), 5, true).over(0.0, 100.0);
        assert_eq!((mapping.px(10.0), mapping.px(20.0)), (Some(0.0), Some(100.0)));
        assert_eq!(mapping.px(1e9), Some(1_000.0));
        let senseless = Axis { range: Some((20.0, f64::NAN)), ..Axis::from_zero("") };
        assert_eq!(Mapping::new(&senseless, [4.0].into_iter(), 4, true).over(0.0, 100.0).px(4.0), Some(100.0));
    }
}
