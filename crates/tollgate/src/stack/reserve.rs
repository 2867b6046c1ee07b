//! Whether places are reserved that nobody can ever take.

use std::any::Any;

use rate_layer::{Limit, Quota, Quotas, Tier};

/// Whether `rule`, by which all requests of a stack are limited alike, keeps places back for requests that go first.
///
/// Of quotas alone it is known that nobody else's requests go first in their window, since the stack makes it. A
/// [`Window`](rate_layer::Window) may be another layer's as well, in which some do.
pub(super) fn is_for_nobody(rule: &dyn Any) -> bool {
    let quotas = || rule.downcast_ref::<Quotas>();
    let in_limit = || match rule.downcast_ref::<Limit>() {
        Some(Limit::Quotas(quotas)) => Some(quotas),
        _ => None,
    };
    match rule.downcast_ref::<Quota>() {
        Some(quota) => reserves(quota),
        None => quotas().or_else(in_limit).is_some_and(|quotas| {
            let mut tiers = quotas.tiers().iter();
            tiers.any(|tier| matches!(tier, Tier::Window(quota) if reserves(quota)))
        }),
    }
}

fn reserves(quota: &Quota) -> bool {
    *quota != quota.reserve(0)
}
