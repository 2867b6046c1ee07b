//! Giving tokens back (RFC 7009).

use http::{Request, Uri};
use oauth2::url::Url;
use oauth2::{
    AccessToken, AsyncHttpClient, RefreshToken, RequestTokenError, RevocationUrl,
    StandardRevocableToken,
};

use super::OAuthClient;
use super::error::{OAuthError, Why};
use super::transport::{Failed, Sending, Transport};
use crate::{Secret, SourceError};

impl OAuthClient {
    /// Gives a refresh token back where the server takes it ([`revocation_url`](Self::revocation_url)), and an access token after it. Without
    /// such an endpoint nothing happens: the tokens live on until they end.
    ///
    /// A token that the server does not know is given back already (RFC 7009, section 2.2).
    ///
    /// # Errors
    ///
    /// Where the server does not answer, or refuses. The access token is tried all the same.
    pub async fn revoke(
        &self,
        refresh_token: Option<&Secret>,
        token: Option<&Secret>,
    ) -> Result<(), SourceError> {
        let Some(url) = self.gives_back_at() else {
            return Ok(());
        };
        let mut outcome = Ok(());
        if let Some(token) = refresh_token {
            let token = RefreshToken::new(token.expose().into());
            outcome = self.give_back(url, token.into()).await;
        }
        // A grant of a refresh token alone has an empty one.
        if let Some(token) = token.filter(|token| !token.expose().is_empty()) {
            let token = AccessToken::new(token.expose().into());
            outcome = outcome.and(self.give_back(url, token.into()).await);
        }
        outcome
    }

    async fn give_back(&self, url: &Url, token: StandardRevocableToken) -> Result<(), SourceError> {
        let unusable = || OAuthError::new(Why::Malformed, None).into_source_error(None);
        let uri: Uri = url.as_str().parse().map_err(|_| unusable())?;
        // `oauth2` builds such a request for https alone, and not for this machine. The true URL is put in as it departs.
        let mut https = url.clone();
        https.set_scheme("https").map_err(|()| unusable())?;
        let asking = self
            .asking()
            .set_revocation_url(RevocationUrl::from_url(https));
        let request = asking.revoke_token(token).map_err(|_| unusable())?;
        let transport = At {
            uri,
            transport: self.transport(),
        };
        match request.request_async(&transport).await {
            Ok(()) => Ok(()),
            Err(RequestTokenError::Request(failed)) => Err(failed.into_source_error()),
            Err(_) => Err(unusable()),
        }
    }
}

/// Sends to one URI, whatever the request says.
struct At<'a> {
    uri: Uri,
    transport: &'a Transport,
}

impl<'c> AsyncHttpClient<'c> for At<'_> {
    type Error = Failed;
    type Future = Sending;

    fn call(&'c self, mut request: Request<Vec<u8>>) -> Sending {
        request.uri_mut().clone_from(&self.uri);
        self.transport.call(request)
    }
}
