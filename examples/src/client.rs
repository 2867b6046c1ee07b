//! A client as the runs see it: one call in, one outcome out.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tollgate::context::{BoxError, NeverLeft};
use tower::{Service, ServiceExt};

use crate::tally::Outcome;

/// Something that makes calls.
pub trait Client: Clone + Send + Sync + 'static {
    /// Makes one call, and reads its answer to the end.
    fn call(&self, request: Request<Full<Bytes>>) -> impl Future<Output = Outcome> + Send;
}

/// A Tower service as a client.
#[derive(Clone, Debug)]
pub struct Tower<S>(pub S);

impl<S, R> Client for Tower<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error = BoxError>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
    R: Body + Send,
    R::Data: Send,
{
    async fn call(&self, request: Request<Full<Bytes>>) -> Outcome {
        match self.0.clone().oneshot(request).await {
            Ok(response) => {
                let status = response.status();
                match response.into_body().collect().await {
                    Ok(_) => Outcome::Status(status),
                    Err(_) => Outcome::Unknown,
                }
            }
            Err(error) => failed(&*error),
        }
    }
}

/// What an error says of its call.
#[must_use]
pub fn failed(error: &(dyn std::error::Error + 'static)) -> Outcome {
    match NeverLeft::find(error) {
        Some(_) => Outcome::NeverLeft,
        None => Outcome::Unknown,
    }
}

/// A request with a JSON body.
#[must_use]
pub fn request(method: Method, uri: &str, body: String) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::from(body));
    *request.method_mut() = method;
    *request.uri_mut() = uri.parse().unwrap_or_default();
    let json = HeaderValue::from_static("application/json");
    request.headers_mut().insert(CONTENT_TYPE, json);
    request
}
