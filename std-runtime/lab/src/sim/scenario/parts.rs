//! Values with options: `50%,window=32,open=5s`.

use std::fmt;
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
        match self.options.iter().position(|(name, _)| *name == key) {
            None => Ok(otherwise),
            Some(at) => {
                let (_, value) = self.options.remove(at);
                read(value).map_err(|problem| format!("{key}: {problem}"))
            }
        }
    }

    /// Whether a word is there.
    pub(super) fn has(&mut self, word: &'static str) -> bool {
        self.known.push(word);
        let at = self.options.iter().position(|(name, value)| *name == word && value.is_empty());
        at.map(|at| self.options.remove(at)).is_some()
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

/// `50/s`, `600/m`, `1/30s`.
pub(super) fn rate(text: &str) -> Result<Rate, Problem> {
    let wrong = || format!("`{text}` is no rate; write a count and a time, as in 50/s, 600/m or 1/30s");
    let (count, period) = text.split_once('/').ok_or_else(wrong)?;
    let period =
        if period.starts_with(|first: char| first.is_ascii_digit()) { period.to_owned() } else { format!("1{period}") };
    let period = quantity::duration(&period).map_err(|_| wrong())?;
    let count = count.trim().parse().map_err(|_| wrong())?;
    Ok(Rate { count, period })
}

/// A whole number in the range of its type.
pub(super) fn count<T: FromStr + Bounds>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| format!("`{text}` is no number; write a whole one from 0 to {}", T::MOST))
}

/// The largest number of a type.
pub(super) trait Bounds {
    const MOST: u64;
}

impl Bounds for u8 {
    const MOST: u64 = Self::MAX as u64;
}

impl Bounds for u16 {
    const MOST: u64 = Self::MAX as u64;
}

impl Bounds for u32 {
    const MOST: u64 = Self::MAX as u64;
}

impl Bounds for u64 {
    const MOST: u64 = Self::MAX;
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

/// A text, or a whole number where that is more natural to write.
#[derive(Debug)]
pub(super) struct Text(pub(super) String);

impl<'de> serde::Deserialize<'de> for Text {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrNumber;
        impl serde::de::Visitor<'_> for TextOrNumber {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text in quotes, or a whole number")
            }

            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }
        }
        deserializer.deserialize_any(TextOrNumber)
    }
}
