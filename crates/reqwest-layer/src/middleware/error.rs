//! Errors of the chain below on their way up through the stack, and errors of the stack on their way out.

use std::error::Error as StdError;
use std::{fmt, iter};

use call_context::{BoxError, Remarked};
use http::Extensions;
use reqwest::Url;
use reqwest_middleware::Error;

use super::remarks;

/// The longest chain of causes that is written out. Real ones have a handful of links.
const LONGEST: usize = 32;

/// An error that a layer raised, on its way out of the middleware. Its source is the layer's own error.
///
/// Where [remarks are kept](crate::LayerMiddleware::keep_remarks), also one of the client that a layer has said something about: the
/// sources are the remark, and then the client's error.
#[derive(Debug)]
pub struct LayerError {
    source: BoxError,
}

impl fmt::Display for LayerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if below(&*self.source).is_some() {
            "the client failed, and a layer has something to say about it"
        } else {
            "a layer of the client ended the call"
        })
    }
}

impl StdError for LayerError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}

/// What the error of a stack looks like outside: one that came from below as it was, whatever the layers have remarked about
/// it, unless that is to be kept; one of a layer as a [`LayerError`].
///
/// Remarks that it cannot carry go into `extensions`, for layers in a middleware above.
pub(super) fn into_middleware(
    error: BoxError,
    keep_remarks: bool,
    extensions: &mut Extensions,
) -> Error {
    if below(&*error).is_none() || (keep_remarks && error.is::<Remarked>()) {
        return Error::middleware(LayerError { source: error });
    }
    match remarks::leave(error, extensions).downcast::<BelowError>() {
        Ok(below) => below.into_inner(),
        Err(source) => Error::middleware(LayerError { source }),
    }
}

/// The error from below behind nothing but remarks.
fn below<'a>(mut error: &'a (dyn StdError + 'static)) -> Option<&'a BelowError> {
    while let Some(remarked) = error.downcast_ref::<Remarked>() {
        error = remarked.error();
    }
    error.downcast_ref()
}

/// An error of the client, or of middleware below, as the layers see it.
///
/// Without its URL, whose query might hold a secret that a layer would log; [`into_inner`](Self::into_inner) puts it
/// back.
pub(super) struct BelowError {
    error: Error,
    url: Option<Url>,
    believed: bool,
}

impl BelowError {
    /// An error that is about another URL than the one that was called came after a redirect, and is not `believed`.
    pub(super) fn new(error: Error, believed: bool) -> Self {
        Self {
            url: error.url().cloned(),
            error: error.without_url(),
            believed,
        }
    }

    fn into_inner(self) -> Error {
        match self.url {
            Some(url) => self.error.with_url(url),
            None => self.error,
        }
    }

    fn cause(&self) -> &(dyn StdError + 'static) {
        match &self.error {
            Error::Reqwest(error) => error,
            Error::Middleware(error) => &**error,
        }
    }
}

impl fmt::Display for BelowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client or a middleware below failed")?;
        if self.believed {
            return Ok(());
        }
        // The chain ends here, so what it would have said is said here.
        iter::successors(Some(self.cause()), |&error| error.source())
            .take(LONGEST)
            .try_for_each(|error| write!(f, ": {error}"))
    }
}

impl fmt::Debug for BelowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BelowError")
            .field("error", &self.error)
            .field("believed", &self.believed)
            .finish_non_exhaustive()
    }
}

impl StdError for BelowError {
    /// Nothing where the error must not be believed: layers look for proofs along the sources.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.believed.then(|| self.cause())
    }
}
