//! What a program may ask of a renewing token outside of any request.

use std::fmt;
use std::time::Duration;

use super::TokenSlot;
use crate::{AuthError, Secret};

/// A token that can be used now, and for how long.
#[derive(Clone)]
pub struct UsableToken {
    token: Secret,
    remaining: Option<Duration>,
}

impl UsableToken {
    /// The token, without `Bearer`. Whoever exposes it answers for where it goes.
    #[must_use]
    pub fn token(&self) -> &Secret {
        &self.token
    }

    /// How much longer it can be used, from when it was read: to its end less the slot's [`leeway`](crate::Slot::leeway).
    ///
    /// `None` where nobody has said when it ends.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        self.remaining
    }
}

impl fmt::Debug for UsableToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsableToken")
            .field("remaining", &self.remaining)
            .finish_non_exhaustive()
    }
}

impl TokenSlot {
    /// The token in use, if there is one that has not ended. Fetches nothing.
    #[must_use]
    pub fn current(&self) -> Option<UsableToken> {
        let now = self.shared.clock.now();
        let current = self.shared.current.load();
        let current = current.as_deref().filter(|c| c.is_usable(now))?;
        let remaining = current.expiry.map(|expiry| expiry.hard.until(now));
        let token = self.shared.scheme.secret(&current.value)?;
        Some(UsableToken { token, remaining })
    }

    /// Waits for a token that can be used, and reads it: for what no layer reaches, such as the first message on a websocket.
    ///
    /// Starts a fetch where there is none, and a renewal behind a token that is due, as a request at the gate does.
    ///
    /// ```
    /// use auth_layer::{Auth, Grant, Slot, source_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let source = source_fn(|_| async { Ok(Grant::new("a.b.c").expires_in(3600)) });
    /// let slot = Slot::token("wallet", source).origin("https://api.example.com".parse()?);
    /// let auth = Auth::single(slot)?;
    /// let wallet = auth.token("wallet").expect("a renewing token");
    /// let usable = wallet.usable_token().await?;
    /// assert_eq!(usable.token().expose(), "a.b.c");
    /// assert!(usable.remaining().is_some_and(|left| left.as_secs() > 3590));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As a request at the gate: no token within [`Slot::wait`](crate::Slot::wait), a source that refuses for good, no runtime.
    ///
    /// # Cancellation
    ///
    /// Cancels the wait, and no fetch.
    pub async fn usable_token(&self) -> Result<UsableToken, AuthError> {
        loop {
            if self.is_ready()
                && let Some(usable) = self.current()
            {
                return Ok(usable);
            }
            self.wait(0, None).await?;
        }
    }

    /// Fetches a new token though the one in use may be fresh, and waits until it is in use.
    ///
    /// The one in use serves requests meanwhile, and goes on doing so where the fetch fails. A fetch that runs already counts; a
    /// pause after a failed one is kept to.
    ///
    /// # Errors
    ///
    /// As [`usable_token`](Self::usable_token).
    ///
    /// # Cancellation
    ///
    /// Cancels the wait, and no fetch.
    pub async fn renew(&self) -> Result<(), AuthError> {
        let current = self.shared.current.load();
        let generation = current.as_deref().map_or(0, |current| current.generation);
        drop(current);
        self.wait(generation, None).await
    }
}
