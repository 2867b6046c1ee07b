//! What a source hands over.

use std::fmt;
use std::time::Duration;

use crate::Secret;

/// A token, how long it lives, and what came with it.
///
/// ```
/// use auth_layer::Grant;
/// use std::time::Duration;
///
/// let grant = Grant::new("a.b.c").lifetime(Duration::from_secs(3600));
/// assert!(!format!("{grant:?}").contains("a.b.c"));
/// ```
#[derive(Clone)]
pub struct Grant {
    pub(crate) token: Secret,
    pub(crate) lifetime: Option<Duration>,
    pub(crate) refresh_token: Option<Secret>,
}

impl Grant {
    /// A token whose lifetime is not known.
    ///
    /// If it is a JWT, its `exp` claim serves as a hint for when to renew it: unverified, ignored where it is malformed
    /// or past, and never set against a lifetime that the grant states. A token of unknown lifetime is used until the
    /// server refuses it.
    pub fn new(token: impl Into<Secret>) -> Self {
        Self {
            token: token.into(),
            lifetime: None,
            refresh_token: None,
        }
    }

    /// A refresh token without an access token that can be used: from a settings page of the server, or of another program. The
    /// next fetch spends it.
    ///
    /// It is for [`StoredGrant::put`](crate::store::StoredGrant::put) and for a source that takes grants over; from a source
    /// itself it is a failed fetch, since there is no token to send.
    ///
    /// ```
    /// # async fn example(stored: auth_layer::store::Stored) -> Result<(), Box<dyn std::error::Error>> {
    /// use auth_layer::Grant;
    ///
    /// stored.grant().put(Grant::refresh_only("r0")).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn refresh_only(refresh_token: impl Into<Secret>) -> Self {
        Self::new("")
            .lifetime(Duration::ZERO)
            .refresh_token(refresh_token)
    }

    /// States how long the token lives, counted from the start of the fetch. Believed up to one year.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// States the lifetime in seconds, as OAuth's `expires_in` does (RFC 6749, section 5.1).
    #[must_use]
    pub fn expires_in(self, seconds: u64) -> Self {
        self.lifetime(Duration::from_secs(seconds))
    }

    /// Adds the refresh token that came with it, which the next [`Fetch`](crate::Fetch) carries.
    ///
    /// Where a grant has none, the earlier one is kept (RFC 6749, section 6).
    #[must_use]
    pub fn refresh_token(mut self, token: impl Into<Secret>) -> Self {
        self.refresh_token = Some(token.into());
        self
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}
