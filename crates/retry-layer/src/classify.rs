//! What happened to an attempt, and who says so.

mod exchange;
mod grpc;
#[cfg(feature = "json")]
mod json_code;
mod key_in_use;
mod should_retry;
mod status;
#[cfg(test)]
mod support;
mod verdict;

use std::fmt;

pub use self::exchange::{Exchange, Facts};
pub use self::grpc::Grpc;
#[cfg(feature = "json")]
pub use self::json_code::JsonCode;
pub use self::key_in_use::KeyInUse;
pub use self::should_retry::ShouldRetry;
pub use self::status::StatusClassifier;
pub use self::verdict::Verdict;

/// Names what happened to an attempt.
///
/// The engine keeps the last word: a verdict can ask for a retry, and can never make an unsafe one happen. Any
/// function from an [`Exchange`] to a [`Verdict`] will do, and [pieces](Piece) can be put in front of any classifier.
///
/// ```
/// use http::StatusCode;
/// use retry_layer::{Classify, Exchange, RetryLayer, StatusClassifier, Verdict};
///
/// // This API answers 403 to those who come too often, and 500 for good.
/// let retry = RetryLayer::new().classifier(|exchange: &Exchange<'_>| match exchange.status() {
///     Some(StatusCode::FORBIDDEN) if exchange.headers().is_some_and(|h| h.contains_key("retry-after")) => {
///         Verdict::THROTTLED
///     }
///     Some(StatusCode::INTERNAL_SERVER_ERROR) => Verdict::Final,
///     _ => StatusClassifier.classify(exchange),
/// });
/// # let _ = retry;
/// ```
pub trait Classify: Send + Sync + 'static {
    /// The verdict on one attempt.
    fn classify(&self, exchange: &Exchange<'_>) -> Verdict;

    /// This classifier, unless `piece` has an opinion. Of several pieces the one that was added last is asked first.
    ///
    /// ```
    /// use retry_layer::{Classify, KeyInUse, RetryLayer, ShouldRetry, StatusClassifier};
    ///
    /// // What the server says of retries comes first, then the conflict of two requests with one key, then the status.
    /// let classifier = StatusClassifier.unless(KeyInUse).unless(ShouldRetry::default());
    /// let retry = RetryLayer::new().classifier(classifier);
    /// # let _ = retry;
    /// ```
    #[must_use]
    fn unless<P: Piece>(self, piece: P) -> Unless<Self, P>
    where
        Self: Sized,
    {
        Unless { base: self, piece }
    }
}

impl<F> Classify for F
where
    F: Fn(&Exchange<'_>) -> Verdict + Send + Sync + 'static,
{
    fn classify(&self, exchange: &Exchange<'_>) -> Verdict {
        self(exchange)
    }
}

/// An opinion on some attempts and none on all others: a part of a classifier, put together by [`Classify::unless`].
///
/// Ready-made are [`JsonCode`](crate::JsonCode) (feature `json`), [`ShouldRetry`], [`KeyInUse`] and [`Grpc`]. Any function from
/// an [`Exchange`] to an `Option<Verdict>` is one too, of the body's first bytes for example:
///
/// ```
/// use retry_layer::{Classify, Exchange, StatusClassifier, Verdict};
///
/// let busy = |exchange: &Exchange<'_>| {
///     let prefix = exchange.body_prefix()?;
///     prefix.starts_with(b"BUSY").then_some(Verdict::THROTTLED)
/// };
/// let classifier = StatusClassifier.unless(busy);
/// # let _ = retry_layer::RetryLayer::new().classifier(classifier);
/// ```
pub trait Piece: Send + Sync + 'static {
    /// The verdict on one attempt; `None` where that is not this piece's business.
    fn opinion(&self, exchange: &Exchange<'_>) -> Option<Verdict>;
}

impl<F> Piece for F
where
    F: Fn(&Exchange<'_>) -> Option<Verdict> + Send + Sync + 'static,
{
    fn opinion(&self, exchange: &Exchange<'_>) -> Option<Verdict> {
        self(exchange)
    }
}

/// A classifier with a [`Piece`] in front of it. Made by [`Classify::unless`].
#[derive(Clone, Copy)]
pub struct Unless<C, P> {
    base: C,
    piece: P,
}

impl<C: Classify, P: Piece> Classify for Unless<C, P> {
    fn classify(&self, exchange: &Exchange<'_>) -> Verdict {
        let opinion = self.piece.opinion(exchange);
        opinion.unwrap_or_else(|| self.base.classify(exchange))
    }
}

// Either may be a function.
impl<C, P> fmt::Debug for Unless<C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unless").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::support::verdict;
    use super::*;

    #[test]
    fn the_piece_that_was_added_last_is_asked_first_and_the_base_last() {
        let says = |status: u16, verdict: Verdict| {
            move |exchange: &Exchange<'_>| {
                (exchange.status().map(|s| s.as_u16()) == Some(status)).then_some(verdict)
            }
        };
        let classifier = StatusClassifier
            .unless(says(418, Verdict::TRANSIENT))
            .unless(says(418, Verdict::THROTTLED))
            .unless(says(500, Verdict::Final));
        assert_eq!(verdict(&classifier, 418, &[], ""), Verdict::THROTTLED);
        assert_eq!(verdict(&classifier, 500, &[], ""), Verdict::Final);
        assert_eq!(verdict(&classifier, 502, &[], ""), Verdict::TRANSIENT);
        assert_eq!(verdict(&classifier, 204, &[], ""), Verdict::Success);
    }
}
