//! Whether idempotency keys have the effect that somebody wants of them.

use auth_layer::Auth;
use http::HeaderName;
use retry_layer::{IdempotencyKeyLayer, RetryLayer};

use super::error::Fault;

/// The retry layer, told that keys are in the header `written`.
pub(super) fn reading(retry: RetryLayer, written: &HeaderName) -> Result<RetryLayer, Fault> {
    match retry.idempotency_header_name() {
        Some(read) if read != written => Err(Fault::KeyHeaders {
            written: written.clone(),
            read: read.clone(),
        }),
        _ => Ok(retry.idempotency_header(written.clone())),
    }
}

/// Keys, or what is said of them, that would make no request repeatable are a slip that would never show.
pub(super) fn have_effect(
    keys: Option<&IdempotencyKeyLayer>,
    retry: &RetryLayer,
    auth: &Auth,
    passes_bare: bool,
) -> Result<(), Fault> {
    if retry.key_origins().next().is_none() {
        if let Some(class) = retry.keyed_classes().next() {
            return Err(Fault::KeyedWithoutOrigin(class.clone()));
        }
        return match keys {
            Some(keys) if retry.repeats() && !are_repeated_anyway(keys, retry) => {
                Err(Fault::KeysForNobody)
            }
            _ => Ok(()),
        };
    }
    let is_ours = |honoured| auth.origins().any(|bound| bound == honoured);
    if passes_bare || retry.key_origins().any(is_ours) {
        return Ok(());
    }
    Err(Fault::KeysElsewhere {
        honoured: retry.key_origins().cloned().collect(),
        bound: auth.origins().next().cloned(),
    })
}

/// Whether all that is given a key may be repeated without one.
fn are_repeated_anyway(keys: &IdempotencyKeyLayer, retry: &RetryLayer) -> bool {
    let mut classes = keys.classes().peekable();
    classes.peek().is_some() && classes.all(|keyed| retry.idempotent_classes().any(|c| c == keyed))
}
