//! The failures that the layer of keys adds.

use std::error::Error;
use std::fmt;

use call_context::{BoxError, NeverLeft, Refusal};

/// A call was not sent, since it could have no idempotency key that means anything.
///
/// Carries [`NeverLeft`] as its source: [permanent](Refusal::Permanent) where the layer stands below a retry layer, and
/// [local](Refusal::Local) where the operating system gave no random bytes.
#[derive(Debug)]
pub struct IdempotencyKeyError {
    never_left: NeverLeft,
}

impl IdempotencyKeyError {
    pub(super) fn below_retry_layer() -> Self {
        Self {
            never_left: NeverLeft::new(Refusal::Permanent),
        }
    }

    pub(super) fn without_randomness(error: impl Into<BoxError>) -> Self {
        Self {
            never_left: NeverLeft::wrap(Refusal::Local, error),
        }
    }

    /// Whether the layer stands below a retry layer; otherwise there was no random key to be had.
    pub fn is_below_retry_layer(&self) -> bool {
        self.never_left.refusal() == Refusal::Permanent
    }
}

impl fmt::Display for IdempotencyKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_below_retry_layer() {
            "each attempt would get an idempotency key of its own; put the idempotency key layer above the retry layer"
        } else {
            "the operating system gave no random bytes for an idempotency key"
        })
    }
}

impl Error for IdempotencyKeyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.never_left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_without_randomness_never_left_and_may_be_tried_again() {
        let error = IdempotencyKeyError::without_randomness("no entropy");
        assert_eq!(NeverLeft::find(&error), Some(Refusal::Local));
        assert!(!error.is_below_retry_layer());
    }
}
