//! Why a source has no token.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use call_context::BoxError;

/// Why a source has no token: for now, or for good.
///
/// The text and the chain of the error inside are shown to callers as they are, so nothing secret belongs there: beware of
/// errors that quote the body of a token response.
#[derive(Debug)]
pub struct SourceError {
    permanent: bool,
    invalid_grant: bool,
    unspent: bool,
    retry_after: Option<Duration>,
    error: BoxError,
}

impl SourceError {
    /// A failure that may pass. The slot backs off and tries again.
    pub fn temporary(error: impl Into<BoxError>) -> Self {
        Self {
            permanent: false,
            invalid_grant: false,
            unspent: false,
            retry_after: None,
            error: error.into(),
        }
    }

    /// A refusal that will be repeated: wrong credentials, a revoked grant. The slot remembers it, and fetches nothing
    /// until [`TokenSlot::changed`](crate::TokenSlot::changed) is called.
    pub fn permanent(error: impl Into<BoxError>) -> Self {
        Self {
            permanent: true,
            invalid_grant: false,
            unspent: false,
            retry_after: None,
            error: error.into(),
        }
    }

    /// A refusal for good of the refresh token that the [`Fetch`](crate::Fetch) carried, as `invalid_grant` is (RFC 6749, section 5.2).
    /// Whoever shares that token may have spent it: a newer one is worth a look.
    pub fn invalid_grant(error: impl Into<BoxError>) -> Self {
        Self {
            invalid_grant: true,
            ..Self::permanent(error)
        }
    }

    /// States that the server has certainly not used up the refresh token: it has answered, and refused.
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

    /// Whether the refusal is for good.
    pub fn is_permanent(&self) -> bool {
        self.permanent
    }

    /// Whether it is the refresh token that was refused.
    pub fn is_invalid_grant(&self) -> bool {
        self.invalid_grant
    }

    /// Whether the server has certainly not used up the refresh token.
    pub fn is_unspent(&self) -> bool {
        self.unspent
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
