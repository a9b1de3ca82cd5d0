//! Splitting an area between workers.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// Which part of an area this worker does: number K of N, written `K/N`.
///
/// Each zoom's tiles, in Hilbert order, are cut into N runs whose sizes differ by one at the most, and worker K does
/// the K-th run of every zoom. So shards are disjoint and complete, and each one is a patch of land at all its zooms.
///
/// ```
/// # use tidegate_store::area::Shard;
/// let shard: Shard = "2/3".parse()?;
/// assert_eq!(shard.of(10), 3..6);
/// # Ok::<(), tidegate_store::area::ShardError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    number: u32,
    of: u32,
}

/// A shard that is not `K/N` with K from 1 to N.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a shard; write K/N with K from 1 to N, for example 2/5 for the second of five workers")]
pub struct ShardError(String);

impl Shard {
    /// The whole area.
    pub const ALL: Self = Self { number: 1, of: 1 };

    /// Number `number` (from 1) of `of` shards.
    ///
    /// # Errors
    /// When `number` is 0 or greater than `of`.
    pub fn new(number: u32, of: u32) -> Result<Self, ShardError> {
        let valid = 1 <= number && number <= of;
        if valid { Ok(Self { number, of }) } else { Err(ShardError(format!("{number}/{of}"))) }
    }

    /// Which of `count` things in a row are this shard's.
    pub fn of(&self, count: u64) -> Range<u64> {
        // Rounds down on both sides, so one shard ends exactly where the next begins. The quotient fits: k <= n.
        let cut = |k: u32| (u128::from(count) * u128::from(k) / u128::from(self.of)) as u64;
        cut(self.number - 1)..cut(self.number)
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let parsed = text.split_once('/').and_then(|(k, n)| Self::new(k.parse().ok()?, n.parse().ok()?).ok());
        parsed.ok_or_else(|| ShardError(text.to_owned()))
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_refused_with_the_value() {
        for text in ["0/3", "4/3", "1/0", "1", "a/b", "", "-1/2"] {
            let message = text.parse::<Shard>().unwrap_err().to_string();
            assert!(message.starts_with(&format!("`{text}` is not a shard")), "{message}");
        }
    }

    #[test]
    fn runs_are_adjacent_complete_and_even() {
        for (count, of) in [(0, 3), (1, 3), (10, 3), (u64::MAX, 7)] {
            let runs: Vec<_> = (1..=of).map(|number| Shard::new(number, of).unwrap().of(count)).collect();
            assert_eq!((runs[0].start, runs[runs.len() - 1].end), (0, count));
            assert!(runs.windows(2).all(|pair| pair[0].end == pair[1].start));
            let sizes = runs.iter().map(|run| run.end - run.start);
            assert!(sizes.clone().max().unwrap() - sizes.min().unwrap() <= 1);
        }
    }
}
