//! What the layer allocates where the first attempt goes well: the copy's one buffer, and the call's context.
//!
//! The counting allocator is this whole program's, and counts by thread.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use allocation_counter::measure;
use bytes::Bytes;
use call_context::CallContext;
use http::{Method, Request, Response};
use http_body_util::Full;
use retry_layer::RetryLayer;
use tower::{Layer, Service, service_fn};

type Body = Full<Bytes>;

/// With eight headers, half of them values that nobody else shares.
fn request(method: Method, body: Bytes) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri("https://api.example.com/v1/orders?status=open")
        .header("accept", "application/json")
        .header("accept-encoding", "gzip, br")
        .header("content-type", "application/json")
        .header("user-agent", "trading-desk/2.3.1");
    for name in ["x-request-id", "traceparent", "x-account-id", "if-match"] {
        request = request.header(name, format!("the value of {name}"));
    }
    request.body(Full::new(body)).expect("a valid request")
}

fn get() -> Request<Body> {
    request(Method::GET, Bytes::new())
}

fn answer(_: Request<Body>) -> Ready<Result<Response<Body>, Infallible>> {
    ready(Ok(Response::new(Body::default())))
}

fn allocations(act: impl FnOnce()) -> u64 {
    measure(act).count_total
}

/// How many allocations the call of `request` costs, from the layer's `call` to the drop of the answer.
fn calling(layer: &RetryLayer, request: Request<Body>) -> u64 {
    let mut client = layer.layer(service_fn(answer));
    allocations(|| {
        let mut call = pin!(client.call(request));
        let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(Ok(_))));
    })
}

/// How many allocations the context is: a box, and the map that it is in.
fn context() -> u64 {
    let mut extensions = http::Extensions::new();
    allocations(|| {
        CallContext::of(&mut extensions);
    })
}

#[test]
fn a_call_costs_one_buffer_and_the_context() {
    let layer = RetryLayer::new();
    for round in 0..3 {
        assert_eq!(calling(&layer, get()), 1 + context(), "round {round}");
    }
}

#[test]
fn a_call_that_has_its_context_costs_one_buffer() {
    let mut request = get();
    CallContext::of(request.extensions_mut());
    assert_eq!(calling(&RetryLayer::new(), request), 1);
}

#[test]
fn a_body_costs_what_another_handle_of_it_costs() {
    let layer = RetryLayer::new();
    let shared = Bytes::from_static(b"order");
    let cost = calling(&layer, request(Method::POST, shared));
    assert_eq!(cost, 1 + context());

    // A buffer that nobody shares yet gets the count that it is shared by.
    let own = || Bytes::from(vec![b'x'; 1024]);
    let handle = allocations(|| drop(own().clone())) - allocations(|| drop(own()));
    assert_eq!(handle, 1);
    let cost = calling(&layer, request(Method::POST, own()));
    assert_eq!(cost, 1 + context() + handle);
}

#[test]
fn extensions_of_the_callers_cost_what_their_copy_costs() {
    #[derive(Clone)]
    struct Mark;

    let mut request = get();
    CallContext::of(request.extensions_mut());
    request.extensions_mut().insert(Mark);
    let copy = allocations(|| drop(request.extensions().clone()));
    assert_eq!(calling(&RetryLayer::new(), request), 1 + copy);
}

#[test]
fn a_layer_that_repeats_nothing_allocates_nothing() {
    let layer = RetryLayer::new().attempts(1);
    assert_eq!(calling(&layer, get()), 0);
    let order = Bytes::from(vec![b'x'; 1024]);
    assert_eq!(calling(&layer, request(Method::POST, order)), 0);
}
