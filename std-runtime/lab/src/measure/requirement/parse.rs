use super::{CLASSES, COMPARISONS, Clause, Comparison, FIGURES, Figure};

/// Why a `--require` was not understood: the clause, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("in --require, `{clause}`: {problem}")]
pub struct RequirementError {
    /// The clause as it was written.
    pub clause: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a clause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Nothing between two commas, or nothing at all.
    #[error("there is no clause here: write one like p99<200ms, or take the comma out")]
    Empty,
    /// A word alone that is no class.
    #[error("needs a comparison (< <= > >=) like p99<200ms, or one of the classes {classes}", classes = class_names())]
    NoComparison,
    /// Not a figure that is known.
    #[error("there is no figure `{name}`: use one of {figures}", figures = figure_names())]
    UnknownFigure {
        /// What was written for it.
        name: String,
    },
    /// Not a number, or one too large or too fine to be exact.
    #[error(
        "`{value}` is no number that can be compared exactly: write digits with at most {decimals} decimals in {unit}"
    )]
    BadNumber {
        /// What was written for it.
        value: String,
        /// How many digits after the point are kept.
        decimals: u32,
        /// The unit in which it was written.
        unit: &'static str,
    },
    /// A number without its unit, or with another kind of unit.
    #[error("`{value}` needs a unit: {units}, for example {example}")]
    BadUnit {
        /// What was written for it.
        value: String,
        /// The units that this figure has.
        units: &'static str,
        /// One that works.
        example: &'static str,
    },
    /// A bound that no run can meet.
    #[error("no run can meet this: {advice}")]
    Impossible {
        /// What to write instead.
        advice: &'static str,
    },
}

pub(super) fn requirements(text: &str) -> Result<Vec<Clause>, RequirementError> {
    let mut clauses = Vec::new();
    for written in text.split(',') {
        let class = CLASSES.iter().find(|(name, _)| name.eq_ignore_ascii_case(written.trim()));
        let meant = class.map_or(written, |(_, meant)| meant);
        for clause in meant.split(',') {
            clauses.push(
                parse(clause.trim())
                    .map_err(|problem| RequirementError { clause: written.trim().to_owned(), problem })?,
            );
        }
    }
    Ok(clauses)
}

fn parse(clause: &str) -> Result<Clause, Problem> {
    if clause.is_empty() {
        return Err(Problem::Empty);
    }
    let at = clause.find(['<', '>']).ok_or(Problem::NoComparison)?;
    let (name, rest) = clause.split_at(at);
    let signs = COMPARISONS.iter().find_map(|&(sign, comparison)| Some((rest.strip_prefix(sign)?, comparison)));
    let (value, comparison) = signs.ok_or(Problem::NoComparison)?;
    let (name, value) = (name.trim(), value.trim());
    let figure = FIGURES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|&(_, figure)| figure);
    let figure = figure.ok_or_else(|| Problem::UnknownFigure { name: name.to_owned() })?;
    let bound = bound(figure, value)?;
    reject_impossible(figure, comparison, bound)?;
    Ok(Clause { figure, comparison, bound })
}

fn bound(figure: Figure, value: &str) -> Result<u64, Problem> {
    // A unit and how many decimals of it the bound's own unit keeps. Longer units first: `ms` ends in `s`.
    let (units, spelled, example): (&[(&'static str, u32)], _, _) = match figure {
        Figure::P50 | Figure::P90 | Figure::P95 | Figure::P99 | Figure::Max | Figure::Mean => {
            (&[("us", 3), ("µs", 3), ("μs", 3), ("ms", 6), ("s", 9)], "us, ms or s", "200ms")
        }
        Figure::Success | Figure::Error => (&[("%", 4)], "%", "99.9%"),
        Figure::Throughput => (&[("/s", 3), ("", 3)], "none or /s", "50/s"),
    };
    let found = units.iter().find_map(|&(unit, decimals)| {
        let number = value.strip_suffix(unit)?.trim_end();
        number.chars().all(|c| c.is_ascii_digit() || c == '.').then_some((number, unit, decimals))
    });
    let wrong_unit = || Problem::BadUnit { value: value.to_owned(), units: spelled, example };
    let (number, unit, decimals) = found.ok_or_else(wrong_unit)?;
    decimal(number, decimals).ok_or_else(|| Problem::BadNumber { value: value.to_owned(), decimals, unit })
}

/// `text` as a whole number of 10^−digits; `None` if it is none, or has more digits than that.
fn decimal(text: &str, digits: u32) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = fraction.trim_end_matches('0');
    let written = u32::try_from(fraction.len()).ok().filter(|&written| written <= digits)?;
    let whole: u64 = whole.parse().ok()?;
    let fraction: u64 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let scaled = fraction.checked_mul(10_u64.checked_pow(digits - written)?)?;
    whole.checked_mul(10_u64.checked_pow(digits)?)?.checked_add(scaled)
}

/// A gate that can never pass is a typing error, and better found before an hour of measuring than after it.
fn reject_impossible(figure: Figure, comparison: Comparison, bound: u64) -> Result<(), Problem> {
    const ALL: u64 = 1_000_000;
    let advice = match (figure, comparison) {
        (Figure::Success | Figure::Error, Comparison::AtLeast) if bound > ALL => "a share is at most 100%",
        (Figure::Success | Figure::Error, Comparison::Above) if bound >= ALL => {
            "nothing is above 100%; for all of them write success>=100%"
        }
        (_, Comparison::Below) if bound == 0 => "nothing is below 0; for none at all write <=0",
        _ => return Ok(()),
    };
    Err(Problem::Impossible { advice })
}

fn figure_names() -> String {
    FIGURES.map(|(name, _)| name).join(" ")
}

fn class_names() -> String {
    CLASSES.map(|(name, _)| name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::Requirements;

    #[track_caller]
    fn refused(text: &str) -> String {
        match text.parse::<Requirements>() {
            Ok(parsed) => panic!("{text} was understood as {parsed:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn an_error_names_the_clause_and_what_to_write_instead() {
        let cases = [
            ("", "``", "there is no clause here: write one like p99<200ms"),
            ("p99<200ms,,rps>5", "``", "take the comma out"),
            ("p99<200ms,fast", "`fast`", "one of the classes interactive, navigation, safety"),
            ("p99=200ms", "`p99=200ms`", "needs a comparison (< <= > >=)"),
            ("p42 < 10ms", "`p42 < 10ms`", "there is no figure `p42`: use one of p50 p90 p95 p99 max mean success"),
            ("<10ms", "`<10ms`", "there is no figure ``"),
            ("p99<200", "`p99<200`", "`200` needs a unit: us, ms or s, for example 200ms"),
            ("p99<", "`p99<`", "`` needs a unit"),
            ("p99<-5ms", "`p99<-5ms`", "`-5ms` needs a unit"),
            ("p99==5ms", "`p99==5ms`", "needs a comparison"),
            ("p99<=>5ms", "`p99<=>5ms`", "`>5ms` needs a unit"),
            ("success>0.999", "`success>0.999`", "`0.999` needs a unit: %, for example 99.9%"),
            ("rps>5ms", "`rps>5ms`", "`5ms` needs a unit: none or /s, for example 50/s"),
            ("p99<ms", "`p99<ms`", "`ms` is no number that can be compared exactly"),
            ("p99<1.2.3ms", "`p99<1.2.3ms`", "at most 6 decimals in ms"),
            ("p99<0.0001us", "`p99<0.0001us`", "at most 3 decimals in us"),
            ("p99<99999999999999s", "`p99<99999999999999s`", "is no number that can be compared exactly"),
            ("success>100%", "`success>100%`", "write success>=100%"),
            ("success>=101%", "`success>=101%`", "a share is at most 100%"),
            ("error<0%", "`error<0%`", "for none at all write <=0"),
        ];
        for (text, clause, words) in cases {
            let message = refused(text);
            assert!(message.contains(clause) && message.contains(words), "{text}: {message}");
        }
    }
}
