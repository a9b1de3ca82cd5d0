//! What can be wrong with a rule.

use super::fault::PLAIN;
use super::quantity::show_millionths;

/// A rule that cannot be obeyed: what was written, and what may be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Not a duration.
    #[error("`{text}` is not a duration; write a whole number with ns, us, ms, s, m, h or d, as in 20ms")]
    Duration {
        /// What was written.
        text: String,
    },
    /// Not a number of bytes.
    #[error("`{text}` is not a size; write a whole number of bytes, KiB, MiB or GiB, as in 8KiB")]
    Size {
        /// What was written.
        text: String,
    },
    /// Not a percentage.
    #[error("`{text}` is not a share; write a percentage from 0% to 100% with at most four decimals, as in 0.5%")]
    Share {
        /// What was written.
        text: String,
    },
    /// Shares that leave no room for each other.
    #[error("the shares of all faults add up to {}; make it at most 100%", show_millionths(*.total))]
    SharesTooHigh {
        /// The sum in millionths, at most `u32::MAX`.
        total: u32,
    },
    /// No such fault.
    #[error(
        "there is no fault `{text}`; write a status from 201 to 599 as in 503 or 429:2, drip:16/10ms, or one of {}",
        plain_names()
    )]
    Fault {
        /// What was written.
        text: String,
    },
    /// An argument where none belongs.
    #[error("the fault `{name}` takes nothing behind a colon; write `{name}` alone")]
    NoArgument {
        /// The fault's name.
        name: String,
    },
    /// Not a value of `Retry-After`.
    #[error(
        "`{text}` is not a Retry-After; write seconds as in 429:2, a date as in 429:date+2, or other text in \
         quotes as in 429:\"soon\""
    )]
    RetryAfter {
        /// What was written.
        text: String,
    },
    /// Not a pace.
    #[error("`{text}` is not a pace; write bytes at a time and a pause of at most a minute, as in drip:16/10ms")]
    Pace {
        /// What was written.
        text: String,
    },
    /// Not a distribution of times.
    #[error(
        "`{text}` is not a delay; write 20ms, uniform:10ms..50ms, exponential:MEAN, lognormal:MEDIAN/SIGMA (0 to \
         10) or pareto:LEAST/SHAPE (0.1 to 100)"
    )]
    Delay {
        /// What was written.
        text: String,
    },
    /// A delay above the longest one.
    #[error("a delay of `{text}` is too long; write at most a minute, or the fault `hang` for no answer at all")]
    DelayTooLong {
        /// What was written.
        text: String,
    },
    /// Not a script.
    #[error(
        "`{text}` is not a script; write at most 1,000 faults with commas between them, each with `*N` for N \
         times, as in 503*3,200"
    )]
    Script {
        /// What was written.
        text: String,
    },
    /// Not a tile.
    #[error(
        "`{text}` is not a tile; write zoom/column/row with a zoom of at most 30 and the rest below 2^zoom, as \
         in 3/1/2"
    )]
    Tile {
        /// What was written.
        text: String,
    },
    /// Not a rate limit.
    #[error(
        "`{text}` is not a rate limit; write 50/s (at most 1000000 in 1ms to 1h, at least 1us each), then as needed \
         burst=10, kind=bucket|fixed|sliding, retry-after=seconds|date|none, headers=none|draft|legacy; \
         burst is for a bucket"
    )]
    Rate {
        /// What was written.
        text: String,
    },
    /// Not a pool of workers.
    #[error(
        "`{text}` is not a pool; write the number of workers (1 to 10000), service=DELAY and as needed queue=N, \
         as in 4,service=20ms,queue=16"
    )]
    Pool {
        /// What was written.
        text: String,
    },
    /// Not a limit of connections.
    #[error(
        "`{text}` is not a limit of connections; write a number of at least 1 and as needed \
         excess=reset|503|wait, as in 20,excess=503"
    )]
    Connections {
        /// What was written.
        text: String,
    },
    /// Not an outage.
    #[error(
        "`{text}` is not an outage; write FROM..UNTIL:refuse or FROM..UNTIL:FAULT, as in 5s..10s:refuse or \
         5s..10s:503:2"
    )]
    Outage {
        /// What was written.
        text: String,
    },
    /// Not a bandwidth.
    #[error("`{text}` is not a bandwidth; write bytes a second, at least 1, as in 100KiB/s")]
    Bandwidth {
        /// What was written.
        text: String,
    },
    /// Not a seed.
    #[error("`{text}` is not a seed; write a whole number from 0 to 18446744073709551615")]
    Seed {
        /// What was written.
        text: String,
    },
    /// Neither a fault with a share nor a setting.
    #[error(
        "`{text}` is not a rule; write FAULT=SHARE as in 503=10%, or one of seed=N, latency=DELAY, bandwidth=SIZE/s, \
         rate=LIMIT, pool=POOL, connections=LIMIT, outage=OUTAGE, script=SCRIPT, tile/Z/X/Y=SCRIPT"
    )]
    Rule {
        /// What was written.
        text: String,
    },
    /// A file that is not TOML, or has a key or value that does not belong there.
    #[error("the file of faults cannot be used: {message}")]
    Toml {
        /// The parser's own words, with the place.
        message: String,
    },
}

fn plain_names() -> String {
    PLAIN.map(|fault| fault.name()).join(", ")
}
