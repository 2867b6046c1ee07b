//! Requests that meet their own first attempt.

use http::StatusCode;

use super::{Exchange, Piece, Verdict};

/// Takes a 409 or 425 to a request with a key for what it is: the first request with that key is still under way.
///
/// A server that honours idempotency keys answers 409 Conflict to a request whose key belongs to one that it has not
/// finished (draft-ietf-httpapi-idempotency-key-header-07, section 2.6), as the replay of an attempt that timed out. The same
/// request meets the kept answer a little later, so the outcome is transient. 425 Too Early asks for the same request
/// again too (RFC 8470, section 5.2); a client that knows the status alone might not. Only where the key is honoured is
/// there an opinion: without one, a 409 is the resource's own conflict and stays final.
///
/// The APIs that answer 409 for other reasons as well are asked again in vain, and harmlessly: put a [`Piece`] that knows
/// their codes in front.
///
/// ```
/// use retry_layer::{Classify, KeyInUse, RetryLayer, StatusClassifier};
///
/// let retry = RetryLayer::new()
///     .keys_honoured_by(["https://api.example.com".parse()?])
///     .classifier(StatusClassifier.unless(KeyInUse));
/// # let _ = retry;
/// # Ok::<(), call_context::OriginError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyInUse;

impl Piece for KeyInUse {
    fn opinion(&self, exchange: &Exchange<'_>) -> Option<Verdict> {
        let waits = matches!(
            exchange.status()?,
            StatusCode::CONFLICT | StatusCode::TOO_EARLY
        );
        (waits && exchange.is_keyed()).then_some(Verdict::TRANSIENT)
    }
}

#[cfg(test)]
mod tests {
    use super::super::support::{opinion_on_error, opinion_on_status};
    use super::*;

    #[test]
    fn a_conflict_is_transient_with_an_honoured_key_alone() {
        for status in 100..600 {
            let waits = matches!(status, 409 | 425);
            let expected = waits.then_some(Verdict::TRANSIENT);
            assert_eq!(opinion_on_status(&KeyInUse, status, true), expected);
            assert_eq!(opinion_on_status(&KeyInUse, status, false), None);
        }
        assert_eq!(opinion_on_error(&KeyInUse), None);
    }
}
