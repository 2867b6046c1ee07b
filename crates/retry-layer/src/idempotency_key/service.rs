//! The service that the layer of keys makes, and its future.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use call_context::{BoxError, CallContext, Guard};
use http::Request;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::error::IdempotencyKeyError;
use super::{KeyHeader, Settings};

/// A service that puts one idempotency key on each call. Made by an
/// [`IdempotencyKeyLayer`](crate::IdempotencyKeyLayer).
///
/// # Errors
///
/// The inner service's own, boxed and otherwise as it was; [`IdempotencyKeyError`](crate::IdempotencyKeyError).
#[derive(Clone)]
pub struct IdempotencyKey<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> IdempotencyKey<S> {
    pub(super) fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }

    /// Puts a key on `request`, where it wants one and has none, and notes for the retry layer where the key is.
    fn put<B>(&self, request: &mut Request<B>) -> Result<(), IdempotencyKeyError> {
        let settings = &self.settings;
        if request.headers().contains_key(&settings.header) {
            KeyHeader::note(&settings.header, request.extensions_mut());
            return Ok(());
        }
        let class = settings.class(request);
        if !settings.wants(request.method(), class.as_ref()) {
            return Ok(());
        }
        let context = CallContext::get(request.extensions());
        if context.is_some_and(|context| context.inside(Guard::Retry)) {
            return Err(IdempotencyKeyError::below_retry_layer());
        }
        let key = settings.mint.key()?;
        request.headers_mut().insert(settings.header.clone(), key);
        KeyHeader::note(&settings.header, request.extensions_mut());
        Ok(())
    }
}

impl<S, B> Service<Request<B>> for IdempotencyKey<S>
where
    S: Service<Request<B>> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = IdempotencyKeyFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let state = match self.put(&mut request) {
            Ok(()) => State::Called {
                future: self.inner.call(request),
            },
            Err(error) => {
                // The inner service is ready for a call that does not come, and may sit on a permit.
                let fresh = self.inner.clone();
                self.inner = fresh;
                State::Refused { error: Some(error) }
            }
        };
        IdempotencyKeyFuture { state }
    }
}

impl<S: fmt::Debug> fmt::Debug for IdempotencyKey<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyKey")
            .field("inner", &self.inner)
            .field("header", &self.settings.header)
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// The response future of [`IdempotencyKey`].
    ///
    /// # Cancellation
    ///
    /// Dropping it drops the inner future, and does nothing else.
    #[must_use = "futures do nothing unless polled"]
    pub struct IdempotencyKeyFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Called { #[pin] future: F },
        Refused { error: Option<IdempotencyKeyError> },
    }
}

impl<F, R, E> Future for IdempotencyKeyFuture<F>
where
    F: Future<Output = Result<R, E>>,
    E: Into<BoxError>,
{
    type Output = Result<R, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Called { future } => future.poll(cx).map_err(Into::into),
            StateProj::Refused { error } => {
                let error = error.take().expect("not polled after the error");
                Poll::Ready(Err(error.into()))
            }
        }
    }
}
