//! The headers that name the client. They authenticate nothing.

use std::task::{Context, Poll};

use http::header::USER_AGENT;
use http::{HeaderName, HeaderValue, Request};
use tower_layer::Layer;
use tower_service::Service;

const CLIENT: HeaderName = HeaderName::from_static("x-toromarket-client");

/// A layer that names the client in `User-Agent` and `x-toromarket-client`, where a request does not do so itself.
#[derive(Clone, Debug)]
pub struct SessionLayer {
    name: HeaderValue,
}

impl SessionLayer {
    /// Names the client `name`, such as `my-bot/1.0`.
    pub fn new(name: HeaderValue) -> Self {
        Self { name }
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = Session<S>;

    fn layer(&self, inner: S) -> Session<S> {
        Session {
            inner,
            name: self.name.clone(),
        }
    }
}

/// The service that [`SessionLayer`] makes.
#[derive(Clone, Debug)]
pub struct Session<S> {
    inner: S,
    name: HeaderValue,
}

impl<S, B> Service<Request<B>> for Session<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        for header in [USER_AGENT, CLIENT] {
            let entry = request.headers_mut().entry(header);
            entry.or_insert_with(|| self.name.clone());
        }
        self.inner.call(request)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tower::{ServiceExt, service_fn};

    use super::*;

    #[tokio::test]
    async fn a_client_is_named_unless_the_request_does_so() {
        let echo = service_fn(|request: Request<()>| {
            let text = |name: &HeaderName| {
                let value = request.headers().get(name)?.to_str().ok()?;
                Some(value.to_owned())
            };
            std::future::ready(Ok::<_, Infallible>([text(&USER_AGENT), text(&CLIENT)]))
        });
        let layer = SessionLayer::new(HeaderValue::from_static("bot/1"));
        let Ok(headers) = layer.layer(echo).oneshot(Request::new(())).await;
        assert_eq!(headers, [Some("bot/1".into()), Some("bot/1".into())]);

        let mut own = Request::new(());
        let name = HeaderValue::from_static("other/2");
        own.headers_mut().insert(USER_AGENT, name);
        let Ok(headers) = layer.layer(echo).oneshot(own).await;
        assert_eq!(headers, [Some("other/2".into()), Some("bot/1".into())]);
    }
}
