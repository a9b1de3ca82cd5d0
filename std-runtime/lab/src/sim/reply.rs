//! What a server says, as far as a client can tell.

use std::time::Duration;

use tidegate_core::{Outcome, Refusal, http};

use crate::mock::rules::{Fault, RetryAfter};

/// An answer on its way. Eight bytes, since there are many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Good,
    Nothing,
    /// An error, a connection that was cut, a body that is not what it should be.
    Bad,
    Denied,
    Wrong,
    Throttled {
        hint_ms: Option<HintMs>,
    },
}

/// Milliseconds plus one, so that "no hint" needs no byte of its own.
pub(super) type HintMs = std::num::NonZeroU32;

impl Reply {
    /// What a status means to the fetcher.
    pub(super) fn of_status(code: u16, hint: Option<Duration>) -> Self {
        if code == 304 {
            // Nobody here keeps a tile: what has not changed is not told.
            return Self::Bad;
        }
        match http::outcome(code, hint) {
            Outcome::Success => Self::Good,
            Outcome::Empty => Self::Nothing,
            Outcome::Refused(Refusal::Access) => Self::Denied,
            Outcome::Refused(Refusal::Request) => Self::Wrong,
            Outcome::Throttled { retry_after } => Self::throttled(retry_after),
            Outcome::Failure | Outcome::Timeout | Outcome::Cancelled | Outcome::Unsent => Self::Bad,
        }
    }

    /// What a fault does to an answer; nothing comes of one that hangs.
    pub(super) fn of_fault(fault: &Fault) -> Option<Self> {
        match fault {
            Fault::Hang => None,
            // The simulator has no bodies, and so none that comes slowly.
            Fault::None | Fault::Drip(_) => Some(Self::Good),
            Fault::Status { code, retry_after } => {
                let hint = match retry_after {
                    Some(RetryAfter::Seconds(seconds)) => Some(Duration::from_secs(*seconds)),
                    // A date in the past asks for no time at all, which is not the same as not asking.
                    Some(RetryAfter::Date(seconds)) => Some(Duration::from_secs(u64::try_from(*seconds).unwrap_or(0))),
                    Some(RetryAfter::Verbatim(text)) => http::retry_after(text.as_bytes(), None),
                    None => None,
                };
                Some(Self::of_status(*code, hint))
            }
            Fault::Close
            | Fault::Reset
            | Fault::ResetBody
            | Fault::Truncate
            | Fault::Short
            | Fault::Chunk
            | Fault::Html
            | Fault::Empty
            | Fault::Magic
            | Fault::Gzip
            | Fault::WrongTile => Some(Self::Bad),
        }
    }

    pub(super) fn throttled(hint: Option<Duration>) -> Self {
        // Saturating at 49 days, which is longer than any run.
        let hint_ms = hint.map(|hint| u32::try_from(hint.as_millis()).unwrap_or(u32::MAX).saturating_add(1));
        Self::Throttled { hint_ms: hint_ms.and_then(HintMs::new) }
    }

    pub(super) fn outcome(self) -> Outcome {
        match self {
            Self::Good => Outcome::Success,
            Self::Nothing => Outcome::Empty,
            Self::Bad => Outcome::Failure,
            Self::Denied => Outcome::Refused(Refusal::Access),
            Self::Wrong => Outcome::Refused(Refusal::Request),
            Self::Throttled { hint_ms } => {
                let retry_after = hint_ms.map(|ms| Duration::from_millis(u64::from(ms.get()) - 1));
                Outcome::Throttled { retry_after }
            }
        }
    }
}

const _: () = assert!(size_of::<Reply>() == 8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_survives_the_journey() {
        for hint in [None, Some(0), Some(1), Some(2_000), Some(u64::from(u32::MAX) - 1)] {
            let hint = hint.map(Duration::from_millis);
            assert_eq!(Reply::throttled(hint).outcome(), Outcome::Throttled { retry_after: hint });
        }
    }

    #[test]
    fn a_status_is_judged_as_by_the_core_and_its_fetcher() {
        let second = Duration::from_secs(1);
        let denied = Outcome::Refused(Refusal::Access);
        let wrong = Outcome::Refused(Refusal::Request);
        for (codes, outcome) in [
            (&[200, 201, 206, 299][..], Outcome::Success),
            (&[204, 205, 404, 410], Outcome::Empty),
            (&[304, 408, 425, 500, 502, 503, 504, 509, 520, 599], Outcome::Failure),
            (&[401, 403], denied),
            (&[301, 308, 400, 402, 405, 418, 451, 501, 505, 506, 507, 508, 510, 511], wrong),
            (&[429], Outcome::Throttled { retry_after: None }),
        ] {
            for &code in codes {
                assert_eq!(Reply::of_status(code, None).outcome(), outcome, "{code}");
            }
        }
        for hint in [None, Some(Duration::ZERO), Some(second)] {
            for code in (100..=599).filter(|code| *code != 304) {
                assert_eq!(Reply::of_status(code, hint).outcome(), http::outcome(code, hint), "{code}, {hint:?}");
            }
        }
        // A 503 that asks for no time is a failure, or a server that always says so could never open a breaker.
        let of_503 = |hint| Reply::of_status(503, Some(hint)).outcome();
        assert_eq!(of_503(Duration::ZERO), Outcome::Failure);
        assert_eq!(of_503(second), Outcome::Throttled { retry_after: Some(second) });
    }

    #[test]
    fn faults_mean_what_the_fetcher_makes_of_them() {
        let meaning = |text: &str| Reply::of_fault(&text.parse().expect("a fault")).map(Reply::outcome);
        let after = |seconds| Some(Outcome::Throttled { retry_after: Some(Duration::from_secs(seconds)) });
        assert_eq!(meaning("200"), Some(Outcome::Success));
        assert_eq!(meaning("404"), Some(Outcome::Empty));
        assert_eq!(meaning("403"), Some(Outcome::Refused(Refusal::Access)));
        assert_eq!(meaning("400"), Some(Outcome::Refused(Refusal::Request)));
        assert_eq!(meaning("503"), Some(Outcome::Failure));
        assert_eq!(meaning("429"), Some(Outcome::Throttled { retry_after: None }));
        assert_eq!((meaning("503:2"), meaning("429:date+3")), (after(2), after(3)));
        assert_eq!((meaning("429:date-3"), meaning("429:0")), (after(0), after(0)), "no time at all, but asked for");
        assert_eq!((meaning("429:\"7\""), meaning("429:\"soon\"")), (after(7), meaning("429")));
        assert_eq!(meaning("reset"), Some(Outcome::Failure));
        assert_eq!(meaning("hang"), None);
    }
}
