//! The calls that give a token.

mod error;
mod login;
mod registration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tollgate::BaseUrl;
use tollgate::auth::Secret;
use tollgate::context::BoxError;
use tower::ServiceExt;
use tower_service::Service;

pub use self::error::AccountError;
use self::error::Fault;
pub use self::login::Login;
pub use self::registration::{Registered, Registration};

/// No answer of these calls is longer.
const LONGEST_ANSWER: usize = 64 * 1024;

/// The calls that give a token, over a client of the user's: a bare one, or a stack.
///
/// They carry a password or a shared secret, so the client must not follow redirects.
///
/// # Cancellation
///
/// A registration that is dropped half-way may have happened; the account can then be reached by [`login`](Self::login).
#[derive(Clone, Debug)]
pub struct Accounts<S> {
    client: S,
    base: BaseUrl,
}

impl<S> Accounts<S> {
    /// Calls the API at `base` through `client`.
    pub fn new(client: S, base: &BaseUrl) -> Self {
        Self {
            client,
            base: base.clone(),
        }
    }

    /// A source of tokens: logs in whenever a new one is needed.
    pub fn login(&self, email: impl Into<String>, password: impl Into<Secret>) -> Login<S>
    where
        S: Clone,
    {
        Login::new(self.clone(), email.into(), password.into())
    }
}

impl<S, R> Accounts<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    R: Body,
    R::Error: Into<BoxError>,
{
    /// Registers a new agent, which can trade at once. The operator claims it at [`Registered::claim_url`].
    ///
    /// # Errors
    ///
    /// Where the server refuses: among others 403 with `Retry-After` when too many agents register from one address.
    pub async fn self_register(&self, who: &Registration) -> Result<Registered, AccountError> {
        let answer: Envelope<registration::Answer> =
            self.post("/agents/self-register", who, &[]).await?;
        Ok(answer.into_data().into())
    }

    /// Registers an agent that its operator has approved beforehand: for existing integrations.
    ///
    /// `client` is the value of `x-toromarket-client`, `secret` the shared secret of `x-agent-secret`.
    ///
    /// # Errors
    ///
    /// Where the server refuses, or `client` or `secret` cannot stand in a header.
    pub async fn register_approved(
        &self,
        who: &Registration,
        client: &str,
        secret: &Secret,
    ) -> Result<(), AccountError> {
        let headers = [
            ("x-toromarket-client", client),
            ("x-agent-secret", secret.expose()),
        ];
        self.post::<_, serde::de::IgnoredAny>("/auth/register", who, &headers)
            .await?;
        Ok(())
    }

    async fn post<T: Serialize, A: DeserializeOwned>(
        &self,
        path: &str,
        body: &T,
        headers: &[(&str, &str)],
    ) -> Result<A, AccountError> {
        let body = serde_json::to_vec(body).map_err(|_| Fault::Request)?;
        let mut request =
            Request::post(self.base.uri(path)).header(CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            let mut value = http::HeaderValue::from_str(value).map_err(|_| Fault::Request)?;
            value.set_sensitive(true);
            request = request.header(*name, value);
        }
        let request = request.body(Full::from(body)).map_err(|_| Fault::Request)?;
        let sent = self.client.clone().oneshot(request).await;
        let response = sent.map_err(|error| Fault::Failed(error.into()))?;
        let status = response.status();
        if !status.is_success() {
            let after = response.headers().get(RETRY_AFTER);
            let after = after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
            return Err(Fault::Refused { status, after }.into());
        }
        // The answer holds secrets: what cannot be read is not shown.
        let answer = read(response.into_body()).await?;
        serde_json::from_slice(&answer).map_err(|_| Fault::Answer.into())
    }
}

async fn read<R>(body: R) -> Result<Bytes, AccountError>
where
    R: Body,
    R::Error: Into<BoxError>,
{
    let mut body = std::pin::pin!(Limited::new(body, LONGEST_ANSWER));
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(Fault::Failed)?;
        if let Ok(data) = frame.into_data() {
            use bytes::{Buf, BufMut};
            debug_assert!(data.remaining() <= LONGEST_ANSWER);
            bytes.put(data);
        }
    }
    Ok(bytes.freeze())
}

/// Toromarket wraps what it says in `data`; where that is not published, both forms are read.
#[derive(serde::Deserialize)]
#[serde(untagged)]
pub(crate) enum Envelope<T> {
    Wrapped { data: T },
    Bare(T),
}

impl<T> Envelope<T> {
    pub(crate) fn into_data(self) -> T {
        match self {
            Self::Wrapped { data } | Self::Bare(data) => data,
        }
    }
}

/// Whether another try may go better.
fn may_pass(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
        )
}
