//! A route's handler without its types.

use std::{future::Future, sync::Arc};

use axum::{body::Body, handler::Handler};
use futures_util::{FutureExt, future::BoxFuture};
use http::Request;

use crate::answer::Answer;

/// Serves one route. All routes of all systems are of this one type, so axum's machinery is compiled once and not once
/// a route: the first build is waited for.
#[derive(Clone)]
pub(crate) struct Endpoint(Arc<dyn Fn(Request<Body>) -> BoxFuture<'static, Answer> + Send + Sync>);

impl Endpoint {
    pub(crate) fn new<S, F, Fut>(app: &Arc<S>, serve: F) -> Self
    where
        S: Send + Sync + 'static,
        F: Fn(Arc<S>, Request<Body>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Answer> + Send + 'static,
    {
        let app = Arc::clone(app);
        Self(Arc::new(move |request| {
            serve(Arc::clone(&app), request).boxed()
        }))
    }
}

impl Handler<(), ()> for Endpoint {
    type Future = BoxFuture<'static, Answer>;

    fn call(self, request: Request<Body>, (): ()) -> Self::Future {
        (self.0)(request)
    }
}
