//! One program, as an OAuth server knows it.

use std::fmt;

use bytes::Bytes;
use call_context::{BoxError, SlotName};
use http::{Request, Response};
use http_body::Body;
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
};
use oauth2::url::Url;
use oauth2::{
    AuthType, Client, ClientId, ClientSecret, EndpointNotSet, EndpointSet, StandardRevocableToken,
    TokenUrl,
};
use tower_service::Service;

use super::answer::Answer;
use super::transport::Transport;
use super::url::endpoint;
use super::{AuthorizationCode, ClientCredentials, RefreshToken, UrlError};
use crate::Secret;

pub(super) type Asking = Client<
    BasicErrorResponse,
    Answer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// One program, as an OAuth 2.0 server knows it: its id and secret, the token endpoint, and the client that reaches it.
///
/// Makes the sources; cloning it costs little. See the [module](super) for what is asked of the client.
#[derive(Clone)]
pub struct OAuthClient {
    token_url: Url,
    revocation_url: Option<Url>,
    id: String,
    secret: Option<Secret>,
    in_body: bool,
    through: Option<SlotName>,
    transport: Transport,
}

impl OAuthClient {
    /// The program `client_id` at the server whose token endpoint is `token_url`, reached over `client`.
    ///
    /// # Errors
    ///
    /// Where the URL is neither https nor on this machine, has user information or a fragment, or cannot be read.
    pub fn new<S, B, R>(
        token_url: &str,
        client_id: impl Into<String>,
        client: S,
    ) -> Result<Self, UrlError>
    where
        S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        B: From<Bytes> + Send + 'static,
        R: Body + Send + 'static,
        R::Data: Send,
        R::Error: Into<BoxError>,
    {
        Ok(Self {
            token_url: endpoint(token_url)?,
            revocation_url: None,
            id: client_id.into(),
            secret: None,
            in_body: false,
            through: None,
            transport: Transport::over(client),
        })
    }

    /// The program's own secret, sent as HTTP Basic (RFC 6749, section 2.3.1). Without one only the id is sent, in the body.
    #[must_use]
    pub fn secret(mut self, secret: impl Into<Secret>) -> Self {
        self.secret = Some(secret.into());
        self
    }

    /// Sends id and secret in the body, for servers that take them nowhere else.
    #[must_use]
    pub fn secret_in_body(mut self) -> Self {
        self.in_body = true;
        self
    }

    /// Gives tokens back at `url` when they are [revoked](Self::revoke) (RFC 7009).
    ///
    /// # Errors
    ///
    /// Where the URL is neither https nor on this machine, has user information or a fragment, or cannot be read.
    pub fn revocation_url(mut self, url: &str) -> Result<Self, UrlError> {
        self.revocation_url = Some(endpoint(url)?);
        Ok(self)
    }

    /// Declares that `client` is a stack over the same [`Auth`](crate::Auth), in which token requests take `slot`: see
    /// [`Source::through`](crate::Source::through). With a secret in the header that slot is a [`Slot::none`](crate::Slot::none)
    /// which [keeps](crate::CallersOwn::Keep) it.
    #[must_use]
    pub fn through(mut self, slot: impl Into<SlotName>) -> Self {
        self.through = Some(slot.into());
        self
    }

    /// A source that asks for tokens in the program's own name (RFC 6749, section 4.4).
    pub fn client_credentials(&self) -> ClientCredentials {
        ClientCredentials::new(self.clone())
    }

    /// A source that renews what a person has granted (RFC 6749, section 6).
    pub fn refresh_token(&self) -> RefreshToken {
        RefreshToken::new(self.clone())
    }

    /// Lets a person log in at `authorize_url` (RFC 6749, section 4.1).
    ///
    /// # Errors
    ///
    /// Where the URL is neither https nor on this machine, has user information or a fragment, or cannot be read.
    pub fn authorization_code(&self, authorize_url: &str) -> Result<AuthorizationCode, UrlError> {
        Ok(AuthorizationCode::new(
            self.clone(),
            endpoint(authorize_url)?,
        ))
    }

    pub(super) fn asking(&self) -> Asking {
        let client = Client::new(ClientId::new(self.id.clone()))
            .set_token_uri(TokenUrl::from_url(self.token_url.clone()))
            .set_auth_type(match self.in_body {
                true => AuthType::RequestBody,
                false => AuthType::BasicAuth,
            });
        match &self.secret {
            Some(secret) => client.set_client_secret(ClientSecret::new(secret.expose().into())),
            None => client,
        }
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.transport
    }

    pub(super) fn gives_back_at(&self) -> Option<&Url> {
        self.revocation_url.as_ref()
    }

    pub(super) fn goes_through(&self) -> Option<SlotName> {
        self.through.clone()
    }
}

impl fmt::Debug for OAuthClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthClient")
            .field("server", &self.token_url.origin().ascii_serialization())
            .field("id", &self.id)
            .field("through", &self.through)
            .finish_non_exhaustive()
    }
}
