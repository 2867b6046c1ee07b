//! The mark of a call that never reached the wire.

use std::error::Error;
use std::fmt;

use crate::{BoxError, chain};

/// Why a call never left, as far as a second try is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The same request will be refused again: its origin, route or credential is wrong.
    Permanent,
    /// Something in this process is full, closed or not ready yet: a queue, a token that is backing off.
    Local,
    /// Something outside failed before the request was sent, and may pass: no connection, a service that was not ready.
    Transient,
}

/// An error, or a link in an error's chain, that says: this call never reached the wire.
///
/// A layer that refuses a call puts it at the end of its error's chain ([`NeverLeft::new`]); a layer whose inner service
/// failed to become ready wraps that failure ([`NeverLeft::wrap`]). Readers use [`NeverLeft::find`].
///
/// ```
/// use std::{error::Error, fmt};
/// use call_context::{NeverLeft, Refusal};
///
/// #[derive(Debug)]
/// struct QueueFull(NeverLeft);
/// impl fmt::Display for QueueFull {
///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
///         f.write_str("the queue is full")
///     }
/// }
/// impl Error for QueueFull {
///     fn source(&self) -> Option<&(dyn Error + 'static)> {
///         Some(&self.0)
///     }
/// }
///
/// let error = QueueFull(NeverLeft::new(Refusal::Local));
/// assert_eq!(NeverLeft::find(&error), Some(Refusal::Local));
/// ```
#[derive(Debug)]
pub struct NeverLeft {
    refusal: Refusal,
    source: Option<BoxError>,
}

impl NeverLeft {
    /// The last link of a chain: nothing but the fact.
    pub const fn new(refusal: Refusal) -> Self {
        Self {
            refusal,
            source: None,
        }
    }

    /// Marks `error` as the reason for which a call never left.
    pub fn wrap(refusal: Refusal, error: impl Into<BoxError>) -> Self {
        Self {
            refusal,
            source: Some(error.into()),
        }
    }

    /// How the call was refused.
    pub fn refusal(&self) -> Refusal {
        self.refusal
    }

    /// Says whether `error` proves that its call never reached the wire, and how the call was refused.
    ///
    /// Looks through the chain of sources, and stops at an error that the user's own code raised below the client, such
    /// as a failing request body: that one may contain anything, and the server may have seen half of the request. With
    /// the feature `hyper`, a failed connection attempt of hyper-util's legacy client counts as [`Refusal::Transient`],
    /// unless the connector itself has left a mark.
    ///
    /// The proof rests on two things that no error shows. Nothing below the layers may have sent the request elsewhere
    /// first: a client that follows redirects on its own breaks it. And a layer that calls elsewhere *after* sending must
    /// not put that call's failure into its error's chain.
    pub fn find(error: &(dyn Error + 'static)) -> Option<Refusal> {
        let mark = chain::links(error).find_map(|link| link.downcast_ref::<Self>());
        let connect = || chain::links(error).any(chain::is_connect);
        mark.map(Self::refusal)
            .or_else(|| connect().then_some(Refusal::Transient))
    }
}

impl fmt::Display for NeverLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request never left")
    }
}

impl Error for NeverLeft {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|e| &**e as _)
    }
}
