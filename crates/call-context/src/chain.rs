//! The walk along an error's sources, and the places where it must stop.

use std::error::Error;
use std::{io, iter};

use crate::Remarked;

/// Longest chain that is read. Real ones have a handful of links; a cycle must not hang the caller.
const LONGEST: usize = 32;

/// The links of a chain, up to and including the first one behind which nothing is about this call alone.
pub(crate) fn links<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&link| next(link)).take(LONGEST)
}

/// Finds an error of type `E` in the chain of `error`.
///
/// Layers box their errors, and clients wrap them: this looks through all that, at [remarks](Remarked) too, and stops where
/// [`NeverLeft::find`](crate::NeverLeft::find) stops.
///
/// ```
/// use std::io;
/// use call_context::{BoxError, NeverLeft, Refusal, find};
///
/// let error: BoxError = NeverLeft::wrap(Refusal::Transient, io::Error::other("no route")).into();
/// assert!(find::<io::Error>(&*error).is_some());
/// assert!(find::<std::fmt::Error>(&*error).is_none());
/// ```
pub fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    links(error).find_map(|link| {
        let remark = || link.downcast_ref::<Remarked>()?.remark().downcast_ref();
        link.downcast_ref().or_else(remark)
    })
}

fn next<'a>(link: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if is_from_a_connection(link) {
        return None;
    }
    match link.downcast_ref::<io::Error>() {
        // Its source is that of the error inside, which would be left out.
        Some(error) => error.get_ref().map(|inner| inner as _),
        None => link.source(),
    }
}

/// Whether `link` comes from an open connection, so that its sources may be anybody's. A request body that failed may
/// have any error inside, also one that looks like a proof, while the server has already seen the first half of the
/// request; so may a transport that is itself a stream of another connection, as in a tunnel.
#[cfg(feature = "hyper")]
fn is_from_a_connection(link: &(dyn Error + 'static)) -> bool {
    link.is::<hyper::Error>()
}

#[cfg(not(feature = "hyper"))]
fn is_from_a_connection(_: &(dyn Error + 'static)) -> bool {
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
