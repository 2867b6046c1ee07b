//! Letting a person log in: authorization code with PKCE.

mod callback;
mod error;
mod listener;
mod talks;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use call_context::BoxError;
use oauth2::url::Url;
use oauth2::{AuthUrl, CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl};
use tokio::time::{Instant, timeout};

use self::callback::{Expected, is_plain_path};
use self::error::LoginError;
use self::listener::Listener;
use super::answer::{read, sendable};
use super::ask::Extras;
use super::{OAuthClient, UrlError};
use crate::{Grant, Secret, SourceError};

/// The longest that a person is waited for.
const PERSON: Duration = Duration::from_secs(300);

/// The longest that the exchange of a code for tokens may take.
const EXCHANGE: Duration = Duration::from_secs(30);

/// Lets a person log in with their browser: authorization code (RFC 6749, section 4.1) with PKCE S256 (RFC 7636), for programs on
/// the person's own machine (RFC 8252).
///
/// The browser comes back to a listener on a literal address of this machine, on a free port, which is closed after one answer. An
/// answer must carry this log-in's own random `state`, and arrive at the exact path; anything else is turned away and ends nothing.
/// Where the [`issuer`](Self::issuer) is set, the answer must name it (RFC 9207), so that one server's answer cannot be taken for
/// another's.
///
/// A log-in needs a person, so it is no source: call [`log_in`](Self::log_in) where a browser may open, and hand what it gives to a
/// [`RefreshToken`](super::RefreshToken).
#[derive(Clone)]
pub struct AuthorizationCode {
    client: OAuthClient,
    url: Url,
    extras: Extras,
    issuer: Option<String>,
    address: SocketAddr,
    path: String,
    person: Duration,
}

impl AuthorizationCode {
    pub(super) fn new(client: OAuthClient, url: Url) -> Self {
        Self {
            client,
            url,
            extras: Extras::default(),
            issuer: None,
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            path: "/callback".into(),
            person: PERSON,
        }
    }

    /// Asks for `scope`. May be called several times; the scopes are sent in one parameter.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.extras.scope(scope.into());
        self
    }

    /// Adds a parameter to the URL that the browser opens, such as `audience` or `prompt`. It is no place for secrets.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extras.param(name.into(), Secret::from(value.into()));
        self
    }

    /// Demands that the answer names this issuer in its `iss` parameter, character for character (RFC 9207, section 2.4). Set it for each
    /// server that does; without it the parameter is not looked at.
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Listens at `address` and `path`, for servers that want the whole callback registered. Default: `127.0.0.1`, a free port,
    /// `/callback`. Port 0 is a free one.
    ///
    /// # Errors
    ///
    /// Where the address is not of this machine, or the path does not begin with `/` or holds more than letters, digits and `/-._~`.
    pub fn callback(
        mut self,
        address: SocketAddr,
        path: impl Into<String>,
    ) -> Result<Self, UrlError> {
        self.address = address;
        self.path = path.into();
        if self.address.ip().is_loopback() && is_plain_path(&self.path) {
            Ok(self)
        } else {
            Err(UrlError::callback())
        }
    }

    /// Waits for the person this long. Default: 5 min.
    #[must_use]
    pub fn wait(mut self, longest: Duration) -> Self {
        self.person = longest;
        self
    }

    /// Lets a person log in, and exchanges what the browser brings for a grant.
    ///
    /// `open` is given the URL and opens it in the person's browser, or shows it, without blocking. The URL is https, or on this
    /// machine.
    ///
    /// # Errors
    ///
    /// Where no port is free, `open` fails, nobody comes in time, the person declines, the answer is not what it must be, or the token
    /// endpoint gives no token.
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes the listener; a code that was on its way is lost, and the person has to begin again.
    pub async fn log_in<F>(&self, open: F) -> Result<Grant, SourceError>
    where
        F: FnOnce(&str) -> Result<(), BoxError>,
    {
        let until = Instant::now() + self.person.min(Duration::from_secs(24 * 3600));
        let listener = Listener::bind(self.address).await?;
        let redirect = listener.url(&self.path);
        let redirect = RedirectUrl::new(redirect).map_err(|_| LoginError::Callback)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, state) = self.url(redirect.clone(), challenge);
        open(url.as_str()).map_err(LoginError::Open)?;

        let expected = Expected {
            host: listener.host().to_owned(),
            path: self.path.clone(),
            state: Secret::from(state.into_secret()),
            issuer: self.issuer.clone(),
        };
        // One shot: the listener is gone before the code is spent.
        let code = listener.answer(expected, until).await?;
        timeout(EXCHANGE, self.exchange(&code, redirect, verifier))
            .await
            .unwrap_or_else(|_| Err(LoginError::Exchange.into()))
    }

    fn url(&self, redirect: RedirectUrl, challenge: PkceCodeChallenge) -> (Url, CsrfToken) {
        let client = self.client.asking();
        let client = client.set_auth_uri(AuthUrl::from_url(self.url.clone()));
        let client = client.set_redirect_uri(redirect);
        let request = client.authorize_url(CsrfToken::new_random);
        let mut request = request.set_pkce_challenge(challenge);
        for scope in self.extras.scopes() {
            request = request.add_scope(scope);
        }
        for (name, value) in self.extras.params() {
            request = request.add_extra_param(name, value);
        }
        request.url()
    }

    async fn exchange(
        &self,
        code: &Secret,
        redirect: RedirectUrl,
        verifier: PkceCodeVerifier,
    ) -> Result<Grant, SourceError> {
        let asking = self.client.asking().set_redirect_uri(redirect);
        let code = oauth2::AuthorizationCode::new(code.expose().into());
        let asked = Instant::now();
        let request = asking.exchange_code(code).set_pkce_verifier(verifier);
        let mut grant = read(request.request_async(self.client.transport()).await).grant?;
        // The server may have begun to count at any time since.
        grant.lifetime = grant
            .lifetime
            .map(|lifetime| lifetime.saturating_sub(asked.elapsed()));
        sendable(grant)
    }
}

impl fmt::Debug for AuthorizationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationCode")
            .field("client", &self.client)
            .field("server", &self.url.origin().ascii_serialization())
            .field("issuer", &self.issuer)
            .field("address", &self.address)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
