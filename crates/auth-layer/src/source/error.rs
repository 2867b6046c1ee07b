//! Why a source has no token.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use call_context::{BoxError, NeverLeft};

/// Why a source has no token: for now, or for good.
///
/// The text and the chain of the error inside are shown to callers as they are, so nothing secret belongs there: beware of
/// errors that quote the body of a token response.
#[derive(Debug)]
pub struct SourceError {
    permanent: bool,
    retry_after: Option<Duration>,
    invalid_grant: bool,
    unspent: bool,
    /// Permanent, and yet an answer that may have used up the refresh token.
    unclear: bool,
    error: BoxError,
}

impl SourceError {
    /// A failure that may pass. The slot backs off and tries again.
    pub fn temporary(error: impl Into<BoxError>) -> Self {
        Self::new(false, error.into())
    }

    /// A refusal that will be repeated: wrong credentials, a revoked grant. The slot remembers it, and fetches nothing
    /// until [`TokenSlot::changed`](crate::TokenSlot::changed) is called.
    pub fn permanent(error: impl Into<BoxError>) -> Self {
        Self::new(true, error.into())
    }

    /// The server's `invalid_grant` (RFC 6749, section 5.2): the refresh token is not good any more. Permanent; behind
    /// [`Stored`](crate::store::Stored), the store is looked at again first.
    pub fn invalid_grant(error: impl Into<BoxError>) -> Self {
        Self {
            invalid_grant: true,
            ..Self::permanent(error)
        }
    }

    fn new(permanent: bool, error: BoxError) -> Self {
        Self {
            permanent,
            retry_after: None,
            invalid_grant: false,
            unspent: false,
            unclear: false,
            error,
        }
    }

    /// States that the server has certainly not used up the refresh token: it has answered, and refused (with a 429 or an OAuth
    /// error, say). Of a permanent failure, and of one whose chain says that the request
    /// [never left](call_context::NeverLeft), that is known without it.
    ///
    /// Where it is not known, [`Stored`](crate::store::Stored) does not send that refresh token again.
    #[must_use]
    pub fn unspent(mut self) -> Self {
        self.unspent = true;
        self
    }

    /// Asks for a pause of at least `pause`, as a server's `Retry-After` does. Obeyed up to five minutes.
    #[must_use]
    pub fn retry_after(mut self, pause: Duration) -> Self {
        self.retry_after = Some(pause);
        self
    }

    /// Takes back what a permanent failure says of the refresh token: the server has answered with success, and with what cannot be
    /// used.
    #[cfg(feature = "oauth2")]
    pub(crate) fn unclear(mut self) -> Self {
        self.unclear = true;
        self
    }

    /// Whether the refusal is for good.
    pub fn is_permanent(&self) -> bool {
        self.permanent
    }

    /// Whether the server said `invalid_grant`.
    pub fn is_invalid_grant(&self) -> bool {
        self.invalid_grant
    }

    /// Whether the refresh token that went with the fetch can still be sent.
    pub(crate) fn is_unspent(&self) -> bool {
        let refused = self.permanent && !self.unclear;
        self.unspent || refused || NeverLeft::find(self).is_some()
    }

    pub(crate) fn pause(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.permanent {
            "the token source refuses for good"
        } else {
            "the token source failed for now"
        })
    }
}

impl Error for SourceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.error)
    }
}
