//! The user's own client, behind one function.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use call_context::BoxError;
use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use oauth2::AsyncHttpClient;
use parking_lot::Mutex;
use tower_service::Service;

use super::error::{OAuthError, Why};
use super::retry_after::retry_after;
use crate::SourceError;
use crate::clock::Clock;

/// The most that is read of an answer, in bytes.
const LARGEST: usize = 256 * 1024;

type Answered = Result<Response<Vec<u8>>, Failed>;
pub(super) type Sending = Pin<Box<dyn Future<Output = Answered> + Send>>;

/// Sends a token request; hands up what has status 200.
#[derive(Clone)]
pub(super) struct Transport(Arc<dyn Fn(Request<Vec<u8>>) -> Sending + Send + Sync>);

impl Transport {
    pub(super) fn over<S, B, R>(client: S) -> Self
    where
        S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        B: From<Bytes> + Send + 'static,
        R: Body + Send + 'static,
        R::Data: Send,
        R::Error: Into<BoxError>,
    {
        // The lock makes up for clients that cannot be shared between threads.
        let client = Mutex::new(client);
        Self(Arc::new(move |request| {
            let client = client.lock().clone();
            Box::pin(send(client, request))
        }))
    }
}

impl<'c> AsyncHttpClient<'c> for Transport {
    type Error = Failed;
    type Future = Sending;

    fn call(&'c self, request: Request<Vec<u8>>) -> Sending {
        (self.0)(request)
    }
}

async fn send<S, B, R>(mut client: S, request: Request<Vec<u8>>) -> Answered
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    B: From<Bytes>,
    R: Body,
    R::Error: Into<BoxError>,
{
    let no_answer = |error: S::Error| Failed::before(Why::NoAnswer(error.into()));
    let (mut parts, body) = request.into_parts();
    if let Some(credential) = parts.headers.get_mut(AUTHORIZATION) {
        credential.set_sensitive(true);
    }
    let request = Request::from_parts(parts, B::from(Bytes::from(body)));
    poll_fn(|cx| client.poll_ready(cx))
        .await
        .map_err(no_answer)?;
    let response = client.call(request).await.map_err(no_answer)?;

    let (parts, body) = response.into_parts();
    let status = parts.status;
    let failed = |why| Failed {
        error: OAuthError::new(why, Some(status)),
        retry_after: retry_after(&parts.headers, Clock::default().now().wall),
    };
    if status.is_redirection() {
        return Err(failed(Why::Redirect));
    }
    let body = Limited::new(body, LARGEST).collect().await;
    let body = body.map(|body| Vec::from(body.to_bytes()));
    if status != StatusCode::OK {
        let why = body.ok().and_then(|body| Why::of_body(&body));
        return Err(failed(why.unwrap_or(Why::Status)));
    }
    match body {
        // A token response is an object; serde would read a list of the same values as well.
        Ok(body) if body.trim_ascii_start().first() == Some(&b'[') => Err(failed(Why::Malformed)),
        Ok(body) => Ok(Response::from_parts(parts, body)),
        Err(error) if error.is::<LengthLimitError>() => Err(failed(Why::TooLarge)),
        Err(error) => Err(failed(Why::Body(error))),
    }
}

/// What `oauth2` carries up where there is nothing for it to read.
#[derive(Debug)]
pub(super) struct Failed {
    error: OAuthError,
    retry_after: Option<Duration>,
}

impl Failed {
    fn before(why: Why) -> Self {
        Self {
            error: OAuthError::new(why, None),
            retry_after: None,
        }
    }

    pub(super) fn into_source_error(self) -> SourceError {
        self.error.into_source_error(self.retry_after)
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for Failed {}
