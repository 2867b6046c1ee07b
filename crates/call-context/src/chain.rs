//! The walk along an error's sources, and the places where it must stop.

use std::error::Error;
use std::iter;

/// Longest chain that is read. Real ones have a handful of links; a cycle must not hang the caller.
const LONGEST: usize = 32;

/// The links of a chain, up to and including the first one behind which the user's own code speaks.
pub(crate) fn links<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&link| {
        if is_users_own(link) {
            None
        } else {
            link.source()
        }
    })
    .take(LONGEST)
}

/// Whether the sources of `link` are the user's: a request body that failed may have any error inside, also one that
/// looks like a proof, while the server has already seen the first half of the request.
#[cfg(feature = "hyper")]
fn is_users_own(link: &(dyn Error + 'static)) -> bool {
    link.downcast_ref::<hyper::Error>()
        .is_some_and(hyper::Error::is_user)
}

#[cfg(not(feature = "hyper"))]
fn is_users_own(_: &(dyn Error + 'static)) -> bool {
    false
}

/// Whether `link` is a failed attempt to connect.
#[cfg(feature = "hyper")]
pub(crate) fn is_connect(link: &(dyn Error + 'static)) -> bool {
    link.downcast_ref::<hyper_util::client::legacy::Error>()
        .is_some_and(hyper_util::client::legacy::Error::is_connect)
}

#[cfg(not(feature = "hyper"))]
pub(crate) fn is_connect(_: &(dyn Error + 'static)) -> bool {
    false
}
