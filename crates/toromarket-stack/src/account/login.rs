//! Logging in, as a source of tokens.

use std::fmt;
use std::sync::Mutex;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use serde::{Deserialize, Serialize};
use tollgate::auth::{Fetch, Grant, GrantFuture, Secret, Source, SourceError};
use tollgate::context::{BoxError, SlotName};
use tower_service::Service;

use super::{AccountError, Accounts, Envelope, Registered};

/// A source of tokens that logs in whenever a new one is needed.
///
/// The tokens are JWTs that live for seven days; their own `exp` says when they are due. Logging in again leaves the old token
/// valid.
pub struct Login<S> {
    accounts: Accounts<S>,
    email: String,
    password: Secret,
    first: Mutex<Option<Secret>>,
    through: Option<SlotName>,
}

#[derive(Serialize)]
struct Ask<'a> {
    email: &'a str,
    password: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    token: String,
}

impl<S> Login<S> {
    pub(super) fn new(accounts: Accounts<S>, email: String, password: Secret) -> Self {
        Self {
            accounts,
            email,
            password,
            first: Mutex::new(None),
            through: None,
        }
    }

    /// Begins with the token of a registration, and logs in when that one ends.
    #[must_use]
    pub fn starting_with(self, registered: &Registered) -> Self {
        Self {
            first: Mutex::new(Some(registered.token().clone())),
            ..self
        }
    }

    /// Declares that the client is a stack over the same credentials, in which logins take `slot`.
    #[must_use]
    pub fn through(mut self, slot: impl Into<SlotName>) -> Self {
        self.through = Some(slot.into());
        self
    }

    fn take_first(&self) -> Option<Secret> {
        match self.first.lock() {
            Ok(mut first) => first.take(),
            Err(poisoned) => poisoned.into_inner().take(),
        }
    }
}

impl<S, R> Login<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    R: Body,
    R::Error: Into<BoxError>,
{
    async fn grant(&self) -> Result<Grant, SourceError> {
        if let Some(first) = self.take_first() {
            return Ok(Grant::new(first));
        }
        let ask = Ask {
            email: &self.email,
            password: self.password.expose(),
        };
        let answer: Envelope<Answer> = self
            .accounts
            .post("/auth/login", &ask, &[])
            .await
            .map_err(source_error)?;
        Ok(Grant::new(answer.into_data().token))
    }
}

fn source_error(error: AccountError) -> SourceError {
    let after = error.retry_after();
    let error = if error.is_temporary() {
        SourceError::temporary(error)
    } else {
        SourceError::permanent(error)
    };
    match after {
        Some(after) => error.retry_after(after),
        None => error,
    }
}

impl<S, R> Source for Login<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<BoxError> + Send,
    R: Body + Send + 'static,
    R::Data: Send,
    R::Error: Into<BoxError>,
{
    fn fetch(&self, _: Fetch) -> GrantFuture<'_> {
        Box::pin(self.grant())
    }

    fn through(&self) -> Option<SlotName> {
        self.through.clone()
    }
}

impl<S> fmt::Debug for Login<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").finish_non_exhaustive()
    }
}
