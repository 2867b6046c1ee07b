//! Both halves in one.

use std::task::{Context, Poll};

use call_context::BoxError;
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::attach::Halves;
use crate::{Attach, Auth, Gate, GateFuture};

/// Makes [`Authorize`], a [`Gate`] right above an [`Attach`], for stacks without a rate layer.
///
/// Between the halves nothing waits, and still a token can be thrown away there, by another request's 401: such a call is
/// refused as [`Reason::NotUsable`](crate::Reason::NotUsable), and a retry layer above sends it again.
///
/// With a rate layer, use [`Auth::gate`] above it and [`Auth::attach`] below.
#[derive(Clone, Debug)]
pub struct AuthLayer {
    auth: Auth,
}

impl AuthLayer {
    pub(crate) fn new(auth: Auth) -> Self {
        Self { auth }
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = Authorize<S>;

    fn layer(&self, inner: S) -> Authorize<S> {
        let halves = self.auth.gate().layer(self.auth.attach().layer(inner));
        let auth = self.auth.clone();
        Authorize { halves, auth }
    }
}

/// Waits for a usable credential, and puts it on at once.
///
/// All that [`Gate`] and [`Attach`] do, in that order. A request that neither has to wait nor is refused, which is almost every one, is
/// looked at once instead of twice, as nothing can change it between the halves.
#[derive(Clone, Debug)]
pub struct Authorize<S> {
    halves: Gate<Attach<S>>,
    auth: Auth,
}

impl<S, B, R> Service<Request<B>> for Authorize<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = GateFuture<Attach<S>, Request<B>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.halves.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.auth.put_on_plain(&mut request, Halves::Both) {
            Some(departure) => self.halves.call_attached(request, departure),
            None => self.halves.call(request),
        }
    }
}
