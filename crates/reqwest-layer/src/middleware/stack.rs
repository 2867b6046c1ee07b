//! What the service of a stack must be able to do, in one bound.

use std::future::{Future, poll_fn};
use std::pin::Pin;

use bytes::Bytes;
use call_context::BoxError;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tower_service::Service;

use crate::{Body, body};

/// A service that reqwest middleware can run: what the layers make of a [`NextService`](crate::NextService).
///
/// Implemented for every [`Service`] over `http::Request<`[`Body`](crate::Body)`>` that answers `http::Response<B>`,
/// where the service and its future are `Send`, its error converts into a boxed error, and `B` is a `Send + 'static`
/// body of bytes. There is nothing to implement by hand.
pub trait LayeredService: sealed::Stack {}

impl<S: sealed::Stack> LayeredService for S {}

type Sending<'a> =
    Pin<Box<dyn Future<Output = Result<Response<reqwest::Body>, BoxError>> + Send + 'a>>;

pub(super) mod sealed {
    use super::*;

    pub trait Stack: Send {
        /// Waits until the service is ready, and calls it. Boxed: an opaque future would not be known to be `Send` for
        /// *every* lifetime of the borrowed chain.
        fn send<'a>(self, request: Request<Body>) -> Sending<'a>
        where
            Self: Sized + 'a;
    }

    impl<S, B> Stack for S
    where
        S: Service<Request<Body>, Response = Response<B>, Error: Into<BoxError>, Future: Send>
            + Send,
        B: HttpBody<Data: Into<Bytes>, Error: Into<BoxError>> + Send + 'static,
    {
        fn send<'a>(self, request: Request<Body>) -> Sending<'a>
        where
            Self: Sized + 'a,
        {
            Box::pin(drive(self, request))
        }
    }
}

/// Generic over the request, because inside of a future the compiler forgets which lifetime the error in [`Body`] has,
/// and then asks that the service's future be `Send` for all of them.
async fn drive<S, R, B>(mut service: S, request: R) -> Result<Response<reqwest::Body>, BoxError>
where
    S: Service<R, Response = Response<B>, Error: Into<BoxError>>,
    B: HttpBody<Data: Into<Bytes>, Error: Into<BoxError>> + Send + 'static,
{
    let ready = poll_fn(|cx| service.poll_ready(cx)).await;
    ready.map_err(Into::into)?;
    let response = service.call(request).await.map_err(Into::into)?;
    Ok(response.map(body::into_reqwest))
}
