//! Whether idempotency keys have the effect that somebody wants of them.

use auth_layer::Auth;
use call_context::{Class, Route};
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

/// Which classes the methods of their routes make repeatable.
#[derive(Debug)]
pub(super) struct ByMethod {
    /// Those with a route whose method is not idempotent; `None` without routes, where callers say of which class a request is.
    others: Option<Vec<Class>>,
}

impl ByMethod {
    pub(super) fn of(routes: &[Route]) -> Self {
        let others = routes
            .iter()
            .filter(|route| !route.method().is_idempotent())
            .flat_map(|route| route.classes().cloned());
        Self {
            others: (!routes.is_empty()).then(|| others.collect()),
        }
    }

    /// Whether all requests of `class` are idempotent by RFC 9110, section 9.2.2.
    fn is_idempotent(&self, class: &Class) -> bool {
        let others = self.others.as_ref();
        others.is_some_and(|others| !others.contains(class))
    }
}

/// Keys, or what is said of them, that would make no request repeatable are a slip that would never show.
pub(super) fn have_effect(
    keys: Option<&IdempotencyKeyLayer>,
    retry: &RetryLayer,
    auth: &Auth,
    passes_bare: bool,
    by_method: &ByMethod,
) -> Result<(), Fault> {
    if retry.key_origins().next().is_none() {
        if let Some(class) = retry.keyed_classes().next() {
            return Err(Fault::KeyedWithoutOrigin(class.clone()));
        }
        return match keys {
            Some(keys) if retry.repeats() && !are_repeated_anyway(keys, retry, by_method) => {
                Err(Fault::KeysForNobody)
            }
            _ => Ok(()),
        };
    }
    if let Some(class) = keys.and_then(|keys| left_out(keys, retry, by_method)) {
        return Err(Fault::KeysOnOtherClass {
            given: class.clone(),
            honoured: retry.keyed_classes().cloned().collect(),
        });
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

/// A class that is given keys, where the retry layer is told that they are honoured on the routes of others alone.
fn left_out<'a>(
    keys: &'a IdempotencyKeyLayer,
    retry: &RetryLayer,
    by_method: &ByMethod,
) -> Option<&'a Class> {
    retry.keyed_classes().next()?;
    keys.classes().find(|given| {
        let is_honoured = retry.keyed_classes().any(|class| class == *given);
        !is_honoured && needs_a_key(given, retry, by_method)
    })
}

/// Whether requests of `class` would be repeated for their key, and not without one.
fn needs_a_key(class: &Class, retry: &RetryLayer, by_method: &ByMethod) -> bool {
    retry.repeats_class(class)
        && !by_method.is_idempotent(class)
        && !retry.idempotent_classes().any(|free| free == class)
}

/// Whether nothing that is given a key is left unrepeated for the lack of one that is honoured.
fn are_repeated_anyway(
    keys: &IdempotencyKeyLayer,
    retry: &RetryLayer,
    by_method: &ByMethod,
) -> bool {
    let mut classes = keys.classes().peekable();
    classes.peek().is_some() && !classes.any(|keyed| needs_a_key(keyed, retry, by_method))
}
