//! The rest of a middleware chain as a Tower service.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use call_context::{BoxError, CallContext};
use http::{Extensions, Request, Response};
use http_body::Body as HttpBody;
use reqwest_middleware::Next;
use tower_service::Service;

use super::error::BelowError;
use super::redirect::Followed;
use super::remarks;
use crate::{response, url};

/// The rest of a middleware chain, down to the client, as a Tower service.
///
/// What the layers of a [`LayerMiddleware`](crate::LayerMiddleware) wrap. It borrows the chain for `'a`, is always
/// ready, and may be cloned and called as often as the layers like.
#[derive(Clone)]
pub struct NextService<'a> {
    next: Next<'a>,
    extensions: Arc<Extensions>,
    handed_back: HandedBack,
    followed: Followed,
}

impl<'a> NextService<'a> {
    pub(super) fn new(next: Next<'a>, extensions: Extensions, followed: Followed) -> Self {
        Self {
            next,
            extensions: Arc::new(extensions),
            handed_back: HandedBack::default(),
            followed,
        }
    }

    pub(super) fn handed_back(&self) -> HandedBack {
        self.handed_back.clone()
    }

    /// What middleware below sees: the caller's extensions, and what the layers know about the call.
    fn extensions_below(&self, request: &Extensions) -> Extensions {
        let mut extensions = (*self.extensions).clone();
        if let Some(context) = CallContext::get(request) {
            extensions.insert(context.clone());
        }
        extensions
    }
}

impl<'a, B> Service<Request<B>> for NextService<'a>
where
    B: HttpBody<Data: Into<Bytes>, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<reqwest::Body>;
    type Error = BoxError;
    type Future =
        Pin<Box<dyn Future<Output = Result<Response<reqwest::Body>, BoxError>> + Send + 'a>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut extensions = self.extensions_below(request.extensions());
        let request = url::into_reqwest(request);
        let Self {
            next,
            extensions: callers,
            handed_back,
            followed,
        } = self.clone();
        Box::pin(async move {
            let request = request?;
            followed.refuse_if_known()?;
            let url = request.url().clone();
            let outcome = next.run(request, &mut extensions).await;
            let outcome = match outcome {
                Ok(response) => {
                    // Something in between may have answered instead of an error.
                    remarks::forget(&mut extensions);
                    let checked = followed.check(&url, response.url());
                    checked
                        .map(|()| response::from_reqwest(response))
                        .map_err(Into::into)
                }
                Err(error) => {
                    let elsewhere = error.url().map(|failed| followed.check(&url, failed));
                    let believed = elsewhere.is_none_or(|checked| checked.is_ok());
                    let error = BelowError::new(error, believed).into();
                    Err(remarks::take_up(error, &mut extensions))
                }
            };
            handed_back.put(extensions, &callers);
            outcome
        })
    }
}

impl fmt::Debug for NextService<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NextService").finish_non_exhaustive()
    }
}

/// The extensions as middleware below left them, after the attempt that ended last.
#[derive(Clone, Default)]
pub(super) struct HandedBack(Arc<Mutex<Option<Extensions>>>);

impl HandedBack {
    fn put(&self, mut extensions: Extensions, callers: &Extensions) {
        // A context belongs to one call: left behind, it would make the layers refuse the caller's next one.
        extensions.remove::<CallContext>();
        if let Some(context) = CallContext::get(callers) {
            extensions.insert(context.clone());
        }
        *self.lock() = Some(extensions);
    }

    pub(super) fn take(&self) -> Option<Extensions> {
        self.lock().take()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Extensions>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
