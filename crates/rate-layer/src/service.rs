//! The service: always ready, since what it waits for depends on the request.

use std::sync::Arc;
use std::task::{Context, Poll};

use call_context::BoxError;
use http::{Request, Response};
use tower_service::Service;

use crate::future::ResponseFuture;
use crate::settings::Settings;

/// A service whose requests keep within the server's limit; made by [`RateLayer`](crate::RateLayer).
///
/// It is ready at once. The future that `call` returns waits for a place, makes a clone of the inner service ready and
/// calls it.
///
/// # Errors
///
/// A [`RateError`](crate::RateError) where the request was turned away or given up, else the inner service's own. Where
/// the inner service fails to become ready, the error is marked [`NeverLeft`](call_context::NeverLeft).
///
/// # Cancellation
///
/// A future that is dropped while it waits leaves the queue without a trace; before the inner service is called, it gives
/// its place back; after that, its place stays taken for the window and the [grace](crate::Quota::grace), since the server
/// may count the request yet.
#[derive(Clone, Debug)]
pub struct RateLimit<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> RateLimit<S> {
    pub(crate) fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }
}

impl<S, B, R> Service<Request<B>> for RateLimit<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The request last, so that it is moved once, to where it stays.
        let (settings, inner) = (Arc::clone(&self.settings), self.inner.clone());
        ResponseFuture::new(inner, request, settings)
    }
}
