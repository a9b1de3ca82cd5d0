//! Values with options: `50%,window=32,open=5s`.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use tidegate_core::Share;
use tidegate_core::rate::Rate;

use crate::mock::rules::quantity;
use crate::sim::Episode;

/// What is wrong with a value, and what to write instead.
pub(super) type Problem = String;

/// A head and the options behind it, each to be taken once.
pub(super) struct Parts<'t> {
    pub(super) head: &'t str,
    options: Vec<(&'t str, &'t str)>,
    /// What was asked for, for the message about what is left.
    known: Vec<&'static str>,
}

impl<'t> Parts<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let mut parts = text.split(',').map(str::trim);
        let head = parts.next().unwrap_or_default();
        let options =
            parts.map(|part| part.split_once('=').map_or((part, ""), |(key, value)| (key.trim(), value.trim())));
        Self { head, options: options.collect(), known: Vec::new() }
    }

    /// The value of an option, read; the one given here where it is not there.
    pub(super) fn take<T>(
        &mut self,
        key: &'static str,
        otherwise: T,
        read: impl Fn(&str) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        self.known.push(key);
        let Some((_, value)) = self.only(key)? else { return Ok(otherwise) };
        read(value).map_err(|problem| format!("{key}: {problem}"))
    }

    /// Whether a word is there.
    pub(super) fn has(&mut self, word: &'static str) -> Result<bool, Problem> {
        self.known.push(word);
        match self.only(word)? {
            None => Ok(false),
            Some((_, "")) => Ok(true),
            Some((_, value)) => {
                Err(format!("`{word}={value}`: it takes no value; write {word} alone, or leave it out"))
            }
        }
    }

    /// Takes out an option that may be there once.
    fn only(&mut self, key: &str) -> Result<Option<(&'t str, &'t str)>, Problem> {
        let is_it = |(name, _): &(&str, &str)| *name == key;
        let found = self.options.iter().position(is_it).map(|at| self.options.remove(at));
        match self.options.iter().find(|option| is_it(option)) {
            None => Ok(found),
            Some(_) => Err(format!("`{key}` is given twice; keep one of them")),
        }
    }

    /// Nothing may be left, or it would silently mean nothing.
    pub(super) fn end(self) -> Result<(), Problem> {
        match self.options.first() {
            None => Ok(()),
            Some((key, _)) if self.known.is_empty() => Err(format!("`{key}` means nothing here; leave it out")),
            Some((key, _)) => Err(format!("`{key}` means nothing here; there are {}", self.known.join(", "))),
        }
    }
}

pub(super) fn span(text: &str) -> Result<Duration, Problem> {
    quantity::duration(text).map_err(|error| error.to_string())
}

/// A span of time in a range.
pub(super) fn span_within(text: &str, range: RangeInclusive<Duration>) -> Result<Duration, Problem> {
    let span = span(text)?;
    if range.contains(&span) {
        return Ok(span);
    }
    let [least, most] = [range.start(), range.end()].map(|end| quantity::show_duration(*end));
    Err(format!("`{text}` is out of range; write {least} to {most}"))
}

/// `50/s`, `600/m`, `1/30s`.
pub(super) fn rate(text: &str) -> Result<Rate, Problem> {
    let wrong = || format!("`{text}` is no rate; write a count of at least 1 in a time, as in 50/s, 600/m or 1/30s");
    let (count, period) = text.split_once('/').ok_or_else(wrong)?;
    let period =
        if period.starts_with(|first: char| first.is_ascii_digit()) { period.to_owned() } else { format!("1{period}") };
    let period = quantity::duration(&period).map_err(|_| wrong())?;
    let count = count.trim().parse().map_err(|_| wrong())?;
    if count == 0 || period.is_zero() { Err(wrong()) } else { Ok(Rate { count, period }) }
}

/// A whole number in a range.
pub(super) fn count<T>(text: &str, range: RangeInclusive<T>) -> Result<T, Problem>
where
    T: FromStr + PartialOrd + Display,
{
    let within = text.parse().ok().filter(|number| range.contains(number));
    within.ok_or_else(|| format!("`{text}` is no whole number from {} to {}; write one", range.start(), range.end()))
}

/// `1/3`, or a whole percentage.
pub(super) fn share(text: &str) -> Result<Share, Problem> {
    let wrong = || format!("`{text}` is no share; write a fraction or a whole percentage, as in 1/3 or 50%");
    let (part, whole) = match text.strip_suffix('%') {
        Some(percent) => (percent.trim_end(), "100"),
        None => text.split_once('/').ok_or_else(wrong)?,
    };
    match (part.parse(), whole.parse()) {
        (Ok(part), Ok(whole)) if 0 < part && part <= whole => Ok(Share::of(part, whole)),
        _ => Err(wrong()),
    }
}

pub(super) fn millionths(text: &str) -> Result<u32, Problem> {
    quantity::millionths(text).map_err(|error| error.to_string())
}

/// `10s..20s`.
pub(super) fn stretch(text: &str) -> Result<(Duration, Duration), Problem> {
    let wrong = || format!("`{text}` is no stretch of time; write when it begins and ends, as in 10s..20s");
    let (from, until) = text.split_once("..").ok_or_else(wrong)?;
    let (from, until) =
        (quantity::duration(from).map_err(|_| wrong())?, quantity::duration(until).map_err(|_| wrong())?);
    if from < until { Ok((from, until)) } else { Err(wrong()) }
}

/// `60s..90s=300%`.
pub(super) fn episode(text: &str) -> Result<Episode, Problem> {
    let wrong = || format!("`{text}` is no change; write when and to how much, as in 60s..90s=300%");
    let (when, percent) = text.split_once('=').ok_or_else(wrong)?;
    let (from, until) = stretch(when.trim())?;
    let percent =
        percent.trim().strip_suffix('%').and_then(|number| number.trim_end().parse().ok()).ok_or_else(wrong)?;
    Ok(Episode { from, until, percent })
}

/// One of these words.
pub(super) fn one_of<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, Problem> {
    match words.iter().find(|(word, _)| *word == text) {
        Some(&(_, meaning)) => Ok(meaning),
        None => {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            Err(format!("`{text}` is none of {}; write one of them", words.join(", ")))
        }
    }
}
