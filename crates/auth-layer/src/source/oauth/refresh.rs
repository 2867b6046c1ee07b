//! Tokens that renew what a person has granted.

mod known;

use std::fmt;
use std::sync::Arc;

use call_context::SlotName;
use parking_lot::Mutex;
use tokio::time::Instant;

use self::known::{Known, Step};
use super::OAuthClient;
use super::answer::read;
use super::ask::Extras;
use super::error::{OAuthError, Why};
use crate::{Fetch, Grant, GrantFuture, LogOut, LogOutFuture, Secret, Source, SourceError};

/// A source that renews what a person has granted (RFC 6749, section 6). Clones share what they know, and serve one slot.
///
/// It begins with the grant of a log-in ([`adopt`](Self::adopt)), or with a refresh token from elsewhere
/// ([`starting_with`](Self::starting_with)). From then on it spends the newest refresh token of its slot. Where the server omits a new
/// one, the old one is kept; a token that the server has replaced is never sent again by this source, also where what came
/// along with the new one could not be used.
///
/// ```
/// # async fn example(server: auth_layer::oauth::OAuthClient) -> Result<(), Box<dyn std::error::Error>> {
/// use auth_layer::{Auth, Slot};
///
/// let login = server.authorization_code("https://id.example.com/authorize")?.scope("offline_access");
/// let source = server.refresh_token();
/// let slot = Slot::token("person", source.clone()).origin("https://api.example.com".parse()?);
/// let auth = Auth::single(slot)?;
///
/// // At the start, and whenever the slot refuses for good because the grant has ended.
/// source.adopt(login.log_in(|url| { println!("Please open {url}"); Ok(()) }).await?);
/// auth.token("person").expect("it was just made").changed();
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RefreshToken {
    client: OAuthClient,
    extras: Extras,
    known: Arc<Mutex<Known>>,
}

impl RefreshToken {
    pub(super) fn new(client: OAuthClient) -> Self {
        Self {
            client,
            extras: Extras::default(),
            known: Arc::default(),
        }
    }

    /// Uses `token` as long as the slot has no refresh token of its own: one from a settings page of the server, say.
    ///
    /// Behind a store, give it to the store instead: each process that shares it would begin with this one, and one that is killed
    /// before the first answer is kept would begin with it again, since of a token that is not in the store no intent is written.
    #[must_use]
    pub fn starting_with(self, token: impl Into<Secret>) -> Self {
        self.known.lock().start_with(token.into());
        self
    }

    /// Takes over the grant of a log-in: the next fetch hands it to the slot, whatever the slot had before. Where it has no refresh token,
    /// none is spent after it: what the slot had before may be another person's.
    ///
    /// Behind a store, give it to [`StoredGrant::put`](crate::store::StoredGrant::put) instead, which is where the next renewal looks.
    /// A grant that is adopted here arrives too: the next fetch that asks this source hands it out, and the store keeps it. Until then
    /// it is known to this process alone, a living token in the store goes before it, and where the store
    /// [needs a human](crate::store::NeedsHuman), this source is not asked.
    ///
    /// Where the slot has refused for good or still has a token, call [`TokenSlot::changed`](crate::TokenSlot::changed) or
    /// [`TokenSlot::invalidate`](crate::TokenSlot::invalidate) afterwards.
    pub fn adopt(&self, grant: Grant) {
        self.known.lock().adopt(grant, Instant::now());
    }

    /// Forgets what this source knows beside the slot: for a log-out. What the slot and a store keep is theirs to forget; to give the
    /// tokens back, see [`OAuthClient::revoke`].
    pub fn forget(&self) {
        let _ = self.known.lock().leave();
    }

    /// Asks for `scope`, which must lie within what was granted. May be called several times. Without it, all that was granted.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.extras.scope(scope.into());
        self
    }

    /// Adds a parameter that the server asks for beyond the standard.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.extras.param(name.into(), value.into());
        self
    }

    async fn grant(&self, fetch: Fetch) -> Result<Grant, SourceError> {
        let slots = fetch.refresh_token();
        let (step, era) = {
            let mut known = self.known.lock();
            (known.next(slots, Instant::now()), known.era())
        };
        let spent = match step {
            Step::Hand(grant) => return Ok(grant),
            Step::Ask(token) => token,
            Step::Nothing => {
                return Err(OAuthError::new(Why::NoRefreshToken, None).into_source_error(None));
            }
        };
        let asking = self.client.asking();
        let token = oauth2::RefreshToken::new(spent.expose().into());
        let mut request = asking.exchange_refresh_token(&token);
        request = request.add_scopes(self.extras.scopes());
        for (name, value) in self.extras.params() {
            request = request.add_extra_param(name, value);
        }
        let answer = read(request.request_async(self.client.transport()).await);
        let newest = answer.refresh_token.clone();
        if let Some(newest) = &newest {
            self.known.lock().replaced(era, slots, &spent, newest);
        }
        let mut grant = answer.grant?;
        // The slot judges the token itself, once the refresh token is safe. Where the server omits a new one, the slot may not
        // know the one that was spent.
        grant.refresh_token = newest.or(Some(spent));
        Ok(grant)
    }
}

impl Source for RefreshToken {
    fn fetch(&self, fetch: Fetch) -> GrantFuture<'_> {
        Box::pin(self.grant(fetch))
    }

    /// Gives back what the slot had, and what this source alone knows: a newer refresh token, or a log-in that was not taken yet.
    fn log_out(&self, log_out: LogOut) -> LogOutFuture {
        let client = self.client.clone();
        let left = (!log_out.is_late()).then(|| self.known.lock().leave());
        Box::pin(async move {
            let tokens = log_out.tokens().await;
            let (newest, login) = match left {
                Some(left) => left.end(tokens.refresh_token.as_ref()),
                None => (tokens.refresh_token, None),
            };
            let given = client.revoke(newest.as_ref(), tokens.token.as_ref()).await;
            let Some(login) = login else { return given };
            let (refresh_token, token) = (login.refresh_token.as_ref(), &login.token);
            given.and(client.revoke(refresh_token, Some(token)).await)
        })
    }

    fn through(&self) -> Option<SlotName> {
        self.client.goes_through()
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshToken")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use call_context::BoxError;
    use http::{Request, Response};
    use http_body_util::Full;

    use super::*;
    use crate::events::Teller;

    /// The refresh token of the grant that a slot gets, which has `slots` itself.
    async fn granted(body: &'static str, slots: Option<&str>) -> Option<String> {
        let server = tower::service_fn(move |_: Request<Full<Bytes>>| async move {
            Ok::<_, BoxError>(Response::new(Full::new(Bytes::from(body))))
        });
        let client = OAuthClient::new("https://id.example.com/token", "id", server);
        let source = client.expect("an https URL").refresh_token();
        let fetch = Fetch {
            slot: "person".into(),
            refresh_token: slots.map(Secret::from),
            teller: Teller::default(),
        };
        let source = source.starting_with("r0");
        let grant = source.fetch(fetch).await.expect("a grant");
        grant.refresh_token.map(|token| token.expose().to_owned())
    }

    #[tokio::test]
    async fn a_slot_is_told_which_refresh_token_to_keep_also_where_the_server_omits_it() {
        let omitted = r#"{"access_token":"a","token_type":"Bearer"}"#;
        assert_eq!(granted(omitted, None).await.as_deref(), Some("r0"));
        assert_eq!(granted(omitted, Some("r7")).await.as_deref(), Some("r7"));
        let new = r#"{"access_token":"a","token_type":"Bearer","refresh_token":"r8"}"#;
        assert_eq!(granted(new, Some("r7")).await.as_deref(), Some("r8"));
    }
}
