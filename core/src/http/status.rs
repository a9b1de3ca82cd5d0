//! What a status says about the next attempt.

use core::time::Duration;

use crate::outcome::{Outcome, Refusal};

/// What came of an attempt that was answered with `status`, and with `Retry-After` as
/// [`retry_after`](super::retry_after) reads it. Every number has its place:
///
/// | status | outcome | because |
/// |---|---|---|
/// | 204, 205 | [`Empty`](Outcome::Empty) | an answer without a body, by definition |
/// | other 2xx | [`Success`](Outcome::Success) | whether the body is whole is for its reader to say, 206 included |
/// | 304 | [`Success`](Outcome::Success) | what is stored is good |
/// | other 3xx | [`Refused(Request)`](Refusal::Request) | a redirect that was not followed leads nowhere the next time either |
/// | 401, 403 | [`Refused(Access)`](Refusal::Access) | the client is not welcome |
/// | 404, 410 | [`Empty`](Outcome::Empty) | there is nothing there, and that is an answer |
/// | 408, 425 | [`Failure`](Outcome::Failure) | too slow, or too early: the same request may well succeed |
/// | 429 | [`Throttled`](Outcome::Throttled) | with the hint, if there is one |
/// | other 4xx | [`Refused(Request)`](Refusal::Request) | this request is wrong, and will be |
/// | 503 with a hint above zero | [`Throttled`](Outcome::Throttled) | the server says when it will be back |
/// | 501, 505 to 508, 510, 511 | [`Refused(Request)`](Refusal::Request) | the server, or the network before it, cannot do this at all |
/// | other 5xx | [`Failure`](Outcome::Failure) | 500, 502, 503, 504; and unknown ones count as 500 |
/// | below 200, from 600 | [`Failure`](Outcome::Failure) | not the status of an answer: something is broken between here and there |
///
/// A number that is not in the registry counts as the first of its class (RFC 9110, section 15). So the 520s with which
/// proxies report a dead origin are failures that a breaker sees. A 503 whose hint is zero asks for no pause; it is
/// the breaker's business, or a server that always says so could never trip it.
pub const fn outcome(status: u16, retry_after: Option<Duration>) -> Outcome {
    match status {
        204 | 205 => Outcome::Empty,
        200..=299 | 304 => Outcome::Success,
        300..=399 => Outcome::Refused(Refusal::Request),
        401 | 403 => Outcome::Refused(Refusal::Access),
        404 | 410 => Outcome::Empty,
        408 | 425 => Outcome::Failure,
        429 => Outcome::Throttled { retry_after },
        400..=499 => Outcome::Refused(Refusal::Request),
        503 => match retry_after {
            Some(hint) if !hint.is_zero() => Outcome::Throttled { retry_after },
            Some(_) | None => Outcome::Failure,
        },
        501 | 505..=508 | 510 | 511 => Outcome::Refused(Refusal::Request),
        500..=599 => Outcome::Failure,
        0..=199 | 600.. => Outcome::Failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every number there is, in order. `None` where the hint decides.
    const TABLE: [(u16, Option<Outcome>); 31] = {
        use Outcome::{Empty, Failure, Refused, Success};
        const ACCESS: Option<Outcome> = Some(Refused(Refusal::Access));
        const REQUEST: Option<Outcome> = Some(Refused(Refusal::Request));
        [
            (199, Some(Failure)), // The last number of each row.
            (203, Some(Success)),
            (205, Some(Empty)),
            (299, Some(Success)),
            (303, REQUEST),
            (304, Some(Success)),
            (400, REQUEST),
            (401, ACCESS),
            (402, REQUEST),
            (403, ACCESS),
            (404, Some(Empty)),
            (407, REQUEST),
            (408, Some(Failure)),
            (409, REQUEST),
            (410, Some(Empty)),
            (424, REQUEST),
            (425, Some(Failure)),
            (428, REQUEST),
            (429, None),
            (499, REQUEST),
            (500, Some(Failure)),
            (501, REQUEST),
            (502, Some(Failure)),
            (503, None),
            (504, Some(Failure)),
            (508, REQUEST),
            (509, Some(Failure)),
            (511, REQUEST),
            (599, Some(Failure)),
            (999, Some(Failure)),
            (u16::MAX, Some(Failure)),
        ]
    };

    #[test]
    fn every_number_has_the_outcome_that_a_plain_list_says() {
        for hint in [None, Some(Duration::ZERO), Some(Duration::from_nanos(1)), Some(Duration::MAX)] {
            let mut rows = TABLE.iter();
            let mut row = rows.next().expect("the table has rows");
            for status in 0..=u16::MAX {
                if status > row.0 {
                    row = rows.next().expect("the table ends with the last number");
                }
                let expected = row.1.unwrap_or(match (status, hint) {
                    (503, None | Some(Duration::ZERO)) => Outcome::Failure,
                    _ => Outcome::Throttled { retry_after: hint },
                });
                assert_eq!(outcome(status, hint), expected, "{status} with {hint:?}");
            }
        }
    }

    #[test]
    fn what_is_retried_is_what_the_documentation_names() {
        let retried = (200..600).filter(|&status| {
            matches!(outcome(status, None), Outcome::Failure | Outcome::Timeout | Outcome::Throttled { .. })
        });
        let registered = retried.filter(|&status| status < 512 && status != 509);
        assert!(registered.eq([408, 425, 429, 500, 502, 503, 504]));
    }
}
