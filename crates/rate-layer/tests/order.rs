//! What layers in a wrong order can see of one another, and what this one refuses.
#![cfg(not(loom))]

mod support;

use std::error::Error;

use call_context::{CallContext, Guard, NeverLeft, Refusal};
use http::{Request, Response};
use rate_layer::{Limit, Quota, RateError, RateErrorKind, RateLayer, SECOND, Window};
use support::{Server, request, request_of};
use tower::{BoxError, Layer, ServiceExt, service_fn};

fn five() -> Window {
    Window::new(Quota::rolling(5, SECOND))
}

#[tokio::test(start_paused = true)]
async fn what_is_below_sees_that_a_rate_layer_was_passed_and_whether_a_place_is_held() {
    let seen = service_fn(|request: Request<()>| async move {
        let context = CallContext::get(request.extensions()).expect("a context");
        let seen = [Guard::Rate, Guard::Place].map(|guard| context.inside(guard));
        Ok::<_, BoxError>(Response::new(seen))
    });
    let by_slot = RateLayer::by_slot()
        .slot("business", five())
        .unlimited("wallet")
        .otherwise(Limit::Unlimited);
    for (layer, request, place) in [
        (RateLayer::new(five()), request(), true),
        (by_slot.clone(), request_of("business"), true),
        (by_slot.clone(), request_of("wallet"), false),
        (by_slot.clone(), request_of("other"), false),
        (
            by_slot.clone().without_slot(Limit::Unlimited),
            request(),
            false,
        ),
        (by_slot, request(), false),
    ] {
        let response = layer.layer(seen).oneshot(request).await.expect("served");
        assert_eq!(response.into_body(), [true, place]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_carries_its_credential_already_is_refused_limited_or_not() {
    let window = five();
    let server = Server::with_latency(SECOND);
    for layer in [
        RateLayer::new(window.clone()),
        RateLayer::by_slot().otherwise(Limit::Unlimited),
        RateLayer::by_slot(),
    ] {
        let mut request = request();
        CallContext::of(request.extensions_mut()).enter(Guard::Attach);
        let outcome = layer.layer(server.clone()).oneshot(request).await;
        let error = outcome.expect_err("the wrong order");
        assert_eq!(NeverLeft::find(&*error), Some(Refusal::Permanent));
        let error = error.downcast_ref::<RateError>().expect("ours");
        assert_eq!(error.kind(), RateErrorKind::WrongOrder);
        assert_eq!(error.retry_in(), None);
        assert!(error.source().is_some());
        assert_eq!(
            error.to_string(),
            "the credential is on the request already, and would grow stale in the queue: put `attach` below the rate \
             layer and `gate` above it, not a layer that does both"
        );
    }
    assert!(server.seen().is_empty());
    assert_eq!(window.snapshot().counts.admitted, 0);
}
