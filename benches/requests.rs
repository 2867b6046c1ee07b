//! The service that answers at once, and what is sent to it.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::pin;

use call_context::CallContext;
use http::{Extensions, Request, Response};
use tower::{BoxError, Service, ServiceExt};

/// A client of the service that answers at once, with or without a limiter in between.
pub trait Client:
    Service<
        Request<()>,
        Response = Response<Extensions>,
        Error: Into<BoxError> + Send,
        Future: Send + 'static,
    > + Clone
    + Send
    + 'static
{
}

impl<S> Client for S where
    S: Service<
            Request<()>,
            Response = Response<Extensions>,
            Error: Into<BoxError> + Send,
            Future: Send + 'static,
        > + Clone
        + Send
        + 'static
{
}

/// Answers at once.
///
/// The request's extensions come back as the body, one pointer: so nothing of a request is freed while the clock runs, which
/// would cost more than some of the limiters do.
pub fn answer(request: Request<()>) -> Ready<Result<Response<Extensions>, Infallible>> {
    ready(Ok(Response::new(request.into_parts().0.extensions)))
}

/// `count` requests as the outermost layer of a stack leaves them: their [`CallContext`] is there.
pub fn requests(count: usize) -> Vec<Request<()>> {
    let request = || {
        let mut request = Request::new(());
        CallContext::of(request.extensions_mut());
        request
    };
    std::iter::repeat_with(request).take(count).collect()
}

/// Sends `requests` through `client`, one after the other, each when it is ready. What comes back goes into `kept`.
///
/// # Panics
///
/// If one is not answered.
pub async fn send_all<C: Client>(
    client: &mut C,
    requests: &mut Vec<Request<()>>,
    kept: &mut Vec<Extensions>,
) {
    for request in requests.drain(..) {
        if let Err(error) = client.ready().await {
            panic!("not ready: {}", error.into());
        }
        // Pinned where it is made, as a box would be: an `.await` by itself moves a future about.
        let response = pin!(client.call(request)).await;
        let response = response.map_err(Into::into).expect("an answer");
        kept.push(response.into_body());
    }
}
