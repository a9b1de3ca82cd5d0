//! Colours and how things are drawn.
//!
//! The five colours were searched for as far apart as they get, in each theme, for readers with and without each kind of
//! colour blindness, under the condition that each stands out from its background. The tests measure both. In the
//! style sheet each light colour is written out before the variable that replaces it, for viewers that know none.

/// The style sheet of all figures: in the head of a page once, or within a picture that stands alone.
pub const STYLE: &str = include_str!("style.css");

/// How many colours there are for series.
pub(super) const COLORS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    /// Red, green and blue, linear, 0 to 1.
    type Rgb = [f64; 3];

    fn rgb(hex: &str) -> Rgb {
        [1, 3, 5].map(|at| {
            let c = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        })
    }

    /// The value of a variable: the fallback in light, the assignment in dark.
    fn color(variable: &str, dark: bool) -> Rgb {
        let before = if dark { format!("--tg-{variable}:") } else { format!("var(--tg-{variable},") };
        let at = STYLE.find(&before).unwrap_or_else(|| panic!("{before} is not in the style sheet")) + before.len();
        rgb(&STYLE[at..at + 7])
    }

    /// Contrast ratio as WCAG 2 defines it.
    fn contrast(a: Rgb, b: Rgb) -> f64 {
        let luminance = |[r, g, b]: Rgb| 0.2126 * r + 0.7152 * g + 0.0722 * b;
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn everything_stands_out_from_the_background() {
        for dark in [false, true] {
            let background = color("bg", dark);
            for (variable, least) in [("ink", 7.0), ("soft", 4.5), ("bad", 3.0), ("warn", 3.0)] {
                let ratio = contrast(color(variable, dark), background);
                assert!(ratio >= least, "{variable} in {}: {ratio}", if dark { "dark" } else { "light" });
            }
            for series in 0..COLORS {
                let ratio = contrast(color(&series.to_string(), dark), background);
                assert!(ratio >= 3.0, "series {series} in {}: {ratio}", if dark { "dark" } else { "light" });
            }
        }
    }

    /// Normal sight, then Machado, Oliveira and Fernandes 2009 at full severity: no red, no green, no blue cones.
    const SIGHTS: [[Rgb; 3]; 4] = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ];

    /// CIELAB as seen by `sight`, where a distance of 2 is just noticeable.
    fn lab(color: Rgb, sight: [Rgb; 3]) -> Rgb {
        let dot = |row: Rgb, c: Rgb| row.iter().zip(c).map(|(a, b)| a * b).sum::<f64>();
        let seen = sight.map(|row| dot(row, color).clamp(0.0, 1.0));
        let white = [0.95047, 1.0, 1.08883];
        let to_xyz =
            [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]];
        let [x, y, z] = [0, 1, 2].map(|i| {
            let t = dot(to_xyz[i], seen) / white[i];
            if t > 0.008856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 }
        });
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    #[test]
    fn the_series_stay_apart_for_every_kind_of_sight() {
        for dark in [false, true] {
            for sight in SIGHTS {
                let seen: Vec<Rgb> = (0..COLORS).map(|i| lab(color(&i.to_string(), dark), sight)).collect();
                for (i, a) in seen.iter().enumerate() {
                    for (j, b) in seen.iter().enumerate().skip(i + 1) {
                        let distance = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                        assert!(distance >= 20.0, "{i} and {j} are {distance} apart, dark {dark}, sight {sight:?}");
                    }
                }
            }
        }
    }
}
