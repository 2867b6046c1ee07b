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
    /// Looks through the chain of sources, and stops at an error that hyper raised on an open connection: such as a
    /// failing request body, that one may contain anything, and the server may have seen half of the request. With the
    /// feature `hyper`, a failed connection attempt of hyper-util's legacy client counts as [`Refusal::Transient`],
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

#[cfg(test)]
mod tests {
    use super::*;

    /// An error that says nothing, around another one.
    #[derive(Debug)]
    struct Around(BoxError);

    impl fmt::Display for Around {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("around")
        }
    }

    impl Error for Around {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&*self.0)
        }
    }

    fn around(error: impl Into<BoxError>, times: usize) -> BoxError {
        (0..times).fold(error.into(), |error, _| Around(error).into())
    }

    #[test]
    fn a_mark_is_found_below_other_errors() {
        for refusal in [Refusal::Permanent, Refusal::Local, Refusal::Transient] {
            for times in [0, 1, 5] {
                let error = around(NeverLeft::new(refusal), times);
                assert_eq!(NeverLeft::find(&*error), Some(refusal));
            }
        }
    }

    #[test]
    fn the_outermost_mark_counts() {
        let inner = around(NeverLeft::new(Refusal::Permanent), 1);
        let error = around(NeverLeft::wrap(Refusal::Local, inner), 1);
        assert_eq!(NeverLeft::find(&*error), Some(Refusal::Local));
    }

    #[test]
    fn an_error_without_a_mark_proves_nothing() {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        for error in [around("no connection", 1), around(refused, 0)] {
            assert_eq!(NeverLeft::find(&*error), None);
        }
    }

    #[test]
    fn a_mark_inside_of_an_io_error_is_found() {
        let error = std::io::Error::other(NeverLeft::new(Refusal::Permanent));
        assert_eq!(NeverLeft::find(&error), Some(Refusal::Permanent));
        let error = around(
            std::io::Error::other(around(NeverLeft::new(Refusal::Local), 2)),
            2,
        );
        assert_eq!(NeverLeft::find(&*error), Some(Refusal::Local));
    }

    #[test]
    fn a_chain_without_end_is_left() {
        /// Its own source, as a careless implementation may have it.
        #[derive(Debug)]
        struct Circle;
        impl fmt::Display for Circle {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("circle")
            }
        }
        impl Error for Circle {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(self)
            }
        }
        assert_eq!(NeverLeft::find(&Circle), None);
        assert_eq!(crate::Unprocessed::judge(&Circle), None);
    }

    #[test]
    fn the_mark_says_its_part_and_leaves_the_reason_to_its_source() {
        let mark = NeverLeft::wrap(Refusal::Transient, "the pool is closed");
        assert_eq!(mark.to_string(), "the request never left");
        assert_eq!(mark.refusal(), Refusal::Transient);
        let source = mark.source().map(ToString::to_string);
        assert_eq!(source.as_deref(), Some("the pool is closed"));
        assert!(NeverLeft::new(Refusal::Local).source().is_none());
    }
}
