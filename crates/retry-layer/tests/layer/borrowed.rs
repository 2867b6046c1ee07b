//! Nothing is asked of the inner service but `Clone`.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, Service, ServiceExt};

use crate::support::prompt;

/// Borrows, is not `Send`, and so are its future, its error and its bodies.
#[derive(Clone)]
struct Borrowing<'a>(&'a Cell<u32>);

impl<'a> Service<Request<()>> for Borrowing<'a> {
    type Response = Response<Full<Bytes>>;
    type Error = std::fmt::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + 'a>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        let calls = self.0;
        let not_send = Rc::new(503);
        Box::pin(async move {
            calls.set(calls.get() + 1);
            let status = if calls.get() < 3 { *not_send } else { 200 };
            let response = Response::builder().status(status);
            Ok(response.body(Full::default()).expect("a response"))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn an_inner_service_that_borrows_is_retried() {
    let layer = prompt();
    let calls = Cell::new(0);
    let response = layer
        .layer(Borrowing(&calls))
        .oneshot(Request::new(()))
        .await
        .expect("a response");
    assert_eq!(response.status(), 200);
    assert_eq!(calls.get(), 3);
}

#[tokio::test]
async fn the_future_of_a_sendable_stack_is_sendable() {
    fn assert_send<T: Send>(value: T) -> T {
        value
    }
    let script = crate::support::Script::new([crate::support::status(200)]);
    let mut service = assert_send(prompt().layer(script));
    let response = assert_send(service.call(crate::support::get())).await;
    assert_send(response.expect("a response"));
}

#[test]
fn services_and_bodies_are_as_shareable_as_what_is_inside() {
    fn assert_shareable<T: Send + Sync + Unpin>() {}
    assert_shareable::<retry_layer::RetryLayer>();
    assert_shareable::<retry_layer::Retry<crate::support::Script>>();
    assert_shareable::<retry_layer::RetryBody<hyper::body::Incoming>>();
}
