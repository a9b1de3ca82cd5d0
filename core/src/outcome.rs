//! What came of an attempt, in the words that every policy understands.

use core::time::Duration;

/// What came of one attempt. Total: each policy defines what it does with each.
///
/// | outcome | breaker | retry budget | rate | concurrency limit | latency | retried |
/// |---|---|---|---|---|---|---|
/// | [`Success`](Self::Success) | success | deposit | may rise | may rise | recorded | – |
/// | [`Empty`](Self::Empty) | success | deposit | may rise | may rise | recorded | no |
/// | [`Failure`](Self::Failure) | failure | – | – | cut beyond a tolerance | apart | yes |
/// | [`Timeout`](Self::Timeout) | failure | – | – | cut | apart, censored | yes |
/// | [`Throttled`](Self::Throttled) | neutral; a probe's success | – | cut beyond a tolerance; with a hint the gate pauses | – | – | not before the hint |
/// | [`Refused`](Self::Refused) | neutral; a probe's success | – | – | – | apart | no |
/// | [`Cancelled`](Self::Cancelled) | neutral; beyond the slow limit as `Timeout` | – | – | slot only | – | no |
/// | [`Unsent`](Self::Unsent) | neutral | refund | refund | slot only | – | no |
///
/// Neutral leaves the window as it is and gives a probe its place back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Outcome {
    /// A verified answer, or 304.
    Success,
    /// 404, 410, 204 or 205 for a tile: there is nothing there, and that is an answer.
    Empty,
    /// 500, 502 to 504 and what stands for them, a transport error, an incomplete or corrupt body.
    Failure,
    /// The attempt's clock ran out.
    Timeout,
    /// 429, or 503 with a hint.
    Throttled {
        /// How long the server asked to be left alone (`Retry-After`). A floor: jitter only adds to it.
        retry_after: Option<Duration>,
    },
    /// The server will not answer this, however often it is asked.
    Refused(Refusal),
    /// The caller gave up after the attempt was sent.
    Cancelled,
    /// Admitted, but never sent.
    Unsent,
}

/// Why a server refused for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Refusal {
    /// 401 or 403: the client is not welcome. Three without an answer in between stop the gate, because going
    /// on would look like an attack.
    Access,
    /// 400 and the other 4xx, 501, 505 to 508, 510, 511, a redirect that is not followed: this one request is wrong.
    Request,
}

/// What a server says is left of what it allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Quota {
    /// Requests that are left.
    pub remaining: u32,
    /// Of how many, where it says so.
    pub limit: Option<u32>,
    /// When there will be more, counted from the response.
    pub resets_in: Duration,
}

impl Quota {
    /// How many may still be used before what remains is little: an eighth of the limit, or 10 where the limit is not known.
    pub(crate) fn spare(&self) -> u32 {
        self.remaining.saturating_sub(self.limit.map_or(LITTLE_OF_UNKNOWN, |limit| limit / 8))
    }
}

/// "Little" where a server does not say of how much.
const LITTLE_OF_UNKNOWN: u32 = 10;
