//! Whether places are reserved that nobody can ever take.

use rate_layer::{Limit, Quota, Tier};

/// Whether `limit`, to which all requests of a stack are held alike, keeps places back for requests that go first.
///
/// Of quotas alone it is known that nobody else's requests go first in their window, since the stack makes it. A
/// [`Window`](rate_layer::Window) may be another layer's as well, in which some do.
pub(super) fn is_for_nobody(limit: &Limit) -> bool {
    let Limit::Quotas(quotas) = limit else {
        return false;
    };
    let mut tiers = quotas.tiers().iter();
    tiers.any(|tier| matches!(tier, Tier::Window(quota) if reserves(quota)))
}

fn reserves(quota: &Quota) -> bool {
    *quota != quota.reserve(0)
}
