//! Tokens in a program's own name.

use std::fmt;

use call_context::SlotName;

use super::OAuthClient;
use super::answer::read;
use super::ask::Extras;
use crate::{Fetch, Grant, GrantFuture, LogOut, LogOutFuture, Secret, Source, SourceError};

/// A source that asks for tokens in the program's own name (RFC 6749, section 4.4).
///
/// A refresh token that comes along is not used: the server has no need to give one (section 4.4.3).
#[derive(Clone)]
pub struct ClientCredentials {
    client: OAuthClient,
    extras: Extras,
}

impl ClientCredentials {
    pub(super) fn new(client: OAuthClient) -> Self {
        Self {
            client,
            extras: Extras::default(),
        }
    }

    /// Asks for `scope`. May be called several times; the scopes are sent in one parameter.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.extras.scope(scope.into());
        self
    }

    /// Adds a parameter that the server asks for beyond the standard, such as `audience` or `resource`.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.extras.param(name.into(), value.into());
        self
    }

    async fn grant(&self) -> Result<Grant, SourceError> {
        let asking = self.client.asking();
        let mut request = asking.exchange_client_credentials();
        request = request.add_scopes(self.extras.scopes());
        for (name, value) in self.extras.params() {
            request = request.add_extra_param(name, value);
        }
        let mut grant = read(request.request_async(self.client.transport()).await).grant?;
        grant.refresh_token = None;
        Ok(grant)
    }
}

impl Source for ClientCredentials {
    fn fetch(&self, _: Fetch) -> GrantFuture<'_> {
        Box::pin(self.grant())
    }

    fn log_out(&self, log_out: LogOut) -> LogOutFuture {
        let client = self.client.clone();
        Box::pin(async move {
            let tokens = log_out.tokens().await;
            client.revoke(None, tokens.token.as_ref()).await
        })
    }

    fn through(&self) -> Option<SlotName> {
        self.client.goes_through()
    }
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentials")
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

    #[tokio::test]
    async fn a_refresh_token_that_comes_along_goes_no_further() {
        let server = tower::service_fn(|_: Request<Full<Bytes>>| async {
            let body = r#"{"access_token":"a","token_type":"Bearer","refresh_token":"r1"}"#;
            Ok::<_, BoxError>(Response::new(Full::new(Bytes::from(body))))
        });
        let client = OAuthClient::new("https://id.example.com/token", "id", server);
        let source = client.expect("an https URL").client_credentials();
        let grant = source.grant().await.expect("a grant");
        assert!(grant.refresh_token.is_none());
    }
}
