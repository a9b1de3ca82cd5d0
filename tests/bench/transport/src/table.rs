//! What is printed: medians, and ratios to the reference.

use std::fmt::Write as _;

use super::compare::{LEVELS, Measured, REFERENCE};

/// Three tables, each with a column for each level: value, and in brackets the ratio to the reference.
pub fn text(clients: &[&str], measured: &[Measured]) -> String {
    let mut text = String::new();
    table(&mut text, "tiles per second", 0, clients, measured, |cell| cell.rate);
    table(&mut text, "CPU seconds of the client per 10,000 tiles", 2, clients, measured, |cell| cell.cpu);
    table(&mut text, "peak memory in MiB", 1, clients, measured, |cell| cell.peak_mib);
    text
}

fn table(
    text: &mut String,
    title: &str,
    decimals: usize,
    clients: &[&str],
    measured: &[Measured],
    value: fn(&Measured) -> f64,
) {
    let _ = write!(text, "\n{title} (× {REFERENCE})\n{:<20}", "at once");
    for level in LEVELS {
        let _ = write!(text, "{level:>18}");
    }
    text.push('\n');
    for client in clients {
        let _ = write!(text, "{client:<20}");
        for level in LEVELS {
            let values = measured.iter().filter(|cell| cell.client == *client && cell.level == level).map(value);
            let cell =
                format!("{:.decimals$} ({:.2})", median(values.collect()), ratio(measured, client, level, value));
            let _ = write!(text, "{cell:>18}");
        }
        text.push('\n');
    }
}

/// The median over the rounds of the ratio within a round.
pub fn ratio(measured: &[Measured], client: &str, level: usize, value: fn(&Measured) -> f64) -> f64 {
    let of = |name: &str, round: usize| {
        measured.iter().find(|cell| cell.client == name && cell.level == level && cell.round == round).map(value)
    };
    let rounds = measured.iter().map(|cell| cell.round).max().map_or(0, |last| last + 1);
    median((0..rounds).filter_map(|round| Some(of(client, round)? / of(REFERENCE, round)?)).collect())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[odd / 2],
        even => f64::midpoint(values[even / 2 - 1], values[even / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(client: &'static str, round: usize, rate: f64) -> Measured {
        Measured { client, level: 10, round, rate, cpu: 1.0, peak_mib: 1.0 }
    }

    #[test]
    fn a_ratio_is_taken_within_each_round() {
        // The machine was half as fast in the second round; that says nothing about the two.
        let measured = [
            cell("tidegate", 0, 200.0),
            cell(REFERENCE, 0, 100.0),
            cell("tidegate", 1, 100.0),
            cell(REFERENCE, 1, 50.0),
        ];
        assert_eq!(ratio(&measured, "tidegate", 10, |cell| cell.rate), 2.0);
        assert!(ratio(&measured, "tidegate", 50, |cell| cell.rate).is_nan(), "nothing was measured there");
    }

    #[test]
    fn the_median_of_an_even_number_is_between_the_two() {
        assert_eq!([median(vec![3.0, 1.0, 2.0]), median(vec![4.0, 1.0, 2.0, 3.0])], [2.0, 2.5]);
    }
}
