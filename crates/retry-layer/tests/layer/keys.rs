//! Idempotency keys: one a call, the same in all its attempts, and trusted only where they are honoured.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use call_context::{BoxError, CallContext, Class, Guard, NeverLeft, Refusal, Route, Routes};
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use retry_layer::{
    IdempotencyHeaderMismatch, IdempotencyKeyError, IdempotencyKeyLayer, ReplayBody, RetryLayer,
    Stop,
};
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use crate::support::*;

const KEY: &str = "idempotency-key";

fn honoured() -> RetryLayer {
    let origin = "https://api.example.com".parse().expect("an origin");
    prompt().keys_honoured_by([origin])
}

/// Sends `request` once, with the layer of keys alone, and says which keys the server saw.
async fn keys(layer: &IdempotencyKeyLayer, request: Request<Full<Bytes>>) -> Vec<HeaderValue> {
    let script = Script::new([status(200)]);
    let outcome = layer.layer(script.clone()).oneshot(request).await;
    assert_eq!(outcome.expect("a response").status(), 200);
    seen_keys(&script, 0)
}

fn seen_keys(script: &Script, attempt: usize) -> Vec<HeaderValue> {
    let headers = &script.seen()[attempt].headers;
    headers.get_all(KEY).iter().cloned().collect()
}

#[tokio::test(start_paused = true)]
async fn key_and_body_are_identical_over_all_attempts_and_each_call_has_its_own() {
    let mut calls = Vec::new();
    for _ in 0..2 {
        let script = Script::new([status(503), renewed(), broken(), status(200)]);
        let client = ServiceBuilder::new()
            .layer(IdempotencyKeyLayer::new())
            .layer(honoured())
            .service(script.clone());
        let outcome = client.oneshot(post()).await;
        assert_eq!(outcome.expect("a response").status(), 200);
        assert_eq!(script.calls(), 4);
        let first = seen_keys(&script, 0);
        assert_eq!(first.len(), 1);
        for attempt in 1..4 {
            assert_eq!(seen_keys(&script, attempt), first);
            assert_eq!(script.seen()[attempt].body, "an order");
        }
        calls.push(first);
    }
    assert_ne!(calls[0], calls[1]);
}

#[tokio::test(start_paused = true)]
async fn key_and_body_are_identical_also_where_the_body_streams() {
    let seen = std::sync::Mutex::new(Vec::new());
    let busy = service_fn(async |request: Request<ReplayBody<_>>| {
        let key = request.headers()[KEY].clone();
        let body = request.into_body().collect().await?.to_bytes();
        let mut seen = seen.lock().expect("no panic");
        seen.push((key, body));
        let response = Response::builder().status(if seen.len() < 3 { 503 } else { 200 });
        Ok::<_, BoxError>(response.body(Full::<Bytes>::default())?)
    });
    let pieces = ["an ", "order"].map(|piece| {
        let data = Bytes::from_static(piece.as_bytes());
        Ok::<_, std::convert::Infallible>(http_body::Frame::data(data))
    });
    let body = ReplayBody::new(StreamBody::new(futures_util::stream::iter(pieces)));
    let client = ServiceBuilder::new()
        .layer(IdempotencyKeyLayer::new())
        .layer(honoured())
        .service(busy);
    let response = client.oneshot(post().map(|_| body)).await;
    assert_eq!(response.expect("a response").status(), 200);
    let seen = seen.lock().expect("no panic");
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|attempt| attempt == &seen[0]));
    assert_eq!(seen[0].1, "an order");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_no_server_is_known_to_honour_makes_nothing_repeatable() {
    let layer = prompt();
    let script = Script::new([status(503)]);
    let client = IdempotencyKeyLayer::new().layer(layer.layer(script.clone()));
    let outcome = client.oneshot(post()).await;
    assert_eq!(outcome.expect("a response").status(), 503);
    assert_eq!(seen_keys(&script, 0).len(), 1);
    assert_eq!(layer.counters().stopped(Stop::NotSafe), 1);
}

#[tokio::test]
async fn a_callers_own_key_is_left_alone_whatever_it_is() {
    for own in [&["mine"][..], &[""], &["one", "two"]] {
        let mut request = post();
        for key in own {
            let key = HeaderValue::from_static(key);
            request.headers_mut().append(KEY, key);
        }
        assert_eq!(keys(&IdempotencyKeyLayer::new(), request).await, own);
    }
}

#[tokio::test]
async fn requests_that_are_idempotent_by_their_method_get_no_key() {
    let layer = IdempotencyKeyLayer::new();
    for (method, count) in [
        (Method::GET, 0),
        (Method::PUT, 0),
        (Method::DELETE, 0),
        (Method::PATCH, 1),
        (Method::POST, 1),
    ] {
        assert_eq!(keys(&layer, request(method)).await.len(), count);
    }
}

#[tokio::test]
async fn classes_choose_who_gets_a_key_by_routes_or_by_the_context() {
    let layer = IdempotencyKeyLayer::new().class("execute");
    let of_class = |class: &'static str, method| {
        let mut request = request(method);
        let context = CallContext::of(request.extensions_mut());
        context.set_class(Some(Class::from(class)));
        request
    };
    assert_eq!(keys(&layer, post()).await.len(), 0);
    assert_eq!(keys(&layer, of_class("read", Method::POST)).await.len(), 0);
    assert_eq!(
        keys(&layer, of_class("execute", Method::PUT)).await.len(),
        1
    );

    let routes = [Route::new(Method::POST, "/execute/{*rest}", "execute")];
    let layer = layer.routes(Routes::new(routes).expect("routes"));
    assert_eq!(keys(&layer, post()).await.len(), 1);
    // The routes have the last word, and none about a path that no two programs read alike.
    let mut ambiguous = of_class("execute", Method::POST);
    let uri = "https://api.example.com/execute/%2e%2e/x";
    *ambiguous.uri_mut() = uri.parse().expect("a URI");
    assert_eq!(keys(&layer, ambiguous).await.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_header_has_the_name_that_the_layer_of_keys_is_told() {
    let name = HeaderName::from_static("x-request-id");
    for retry in [honoured(), honoured().idempotency_header(name.clone())] {
        let script = Script::new([status(503), status(200)]);
        let client = ServiceBuilder::new()
            .layer(IdempotencyKeyLayer::new().header(name.clone()))
            .layer(retry)
            .service(script.clone());
        let outcome = client.oneshot(post()).await;
        assert_eq!(outcome.expect("a response").status(), 200);
        let seen = script.seen();
        assert!(!seen[0].headers.contains_key(KEY));
        assert_eq!(seen[0].headers[&name], seen[1].headers[&name]);
    }
}

/// A request with a key of the caller's in the header `name`.
fn with_key(name: &'static str) -> Request<Full<Bytes>> {
    let mut request = post();
    let key = HeaderValue::from_static("mine");
    request.headers_mut().insert(name, key);
    request
}

#[tokio::test(start_paused = true)]
async fn a_callers_own_key_counts_in_the_header_of_the_layer_of_keys() {
    let script = Script::new([status(503), status(200)]);
    let client = ServiceBuilder::new()
        .layer(IdempotencyKeyLayer::new().header(HeaderName::from_static("x-own")))
        .layer(honoured())
        .service(script.clone());
    let outcome = client.oneshot(with_key("x-own")).await;
    assert_eq!(outcome.expect("a response").status(), 200);
    // Where that layer has no part in a call, the caller's key counts in the header by default.
    let script = Script::new([status(503), status(200)]);
    let client = ServiceBuilder::new()
        .layer(
            IdempotencyKeyLayer::new()
                .header(HeaderName::from_static("x-own"))
                .class("other"),
        )
        .layer(honoured())
        .service(script.clone());
    let outcome = client.oneshot(with_key(KEY)).await;
    assert_eq!(outcome.expect("a response").status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_key_in_another_header_than_the_retry_layer_was_told_of_is_an_error_where_it_matters() {
    let told = |layer: RetryLayer| layer.idempotency_header(HeaderName::from_static("x-told"));
    let keys = || IdempotencyKeyLayer::new();
    let script = Script::new([status(200)]);
    let client = keys().layer(told(honoured()).layer(script.clone()));
    for request in [post(), with_key(KEY)] {
        let error = client.clone().oneshot(request).await.expect_err("refused");
        assert!(error.is::<IdempotencyHeaderMismatch>());
        assert_eq!(
            error.to_string(),
            "the idempotency key is in `idempotency-key`, but the retry layer was told of `x-told`; name the header at the layer of \
             keys alone (`IdempotencyKeyLayer::header`)"
        );
        assert_eq!(NeverLeft::find(&*error), Some(Refusal::Permanent));
        assert_eq!(script.calls(), 0);
    }

    // No key, keys that make nothing repeatable, a request that needs none, or a key of the caller's where the retry layer looks for it.
    let mut idempotent = get();
    let key = HeaderValue::from_static("mine");
    idempotent.headers_mut().insert(KEY, key);
    for (retry, request) in [
        (honoured(), idempotent),
        (honoured(), get()),
        (prompt(), post()),
        (
            honoured().attempts(1).deadline(Duration::from_secs(1)),
            post(),
        ),
        (honoured(), with_key("x-told")),
    ] {
        let script = Script::new([status(200)]);
        let client = keys().layer(told(retry).layer(script.clone()));
        client.oneshot(request).await.expect("a response");
        assert_eq!(script.calls(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_layer_of_keys_notes_does_not_go_further_down() {
    let below = service_fn(async |request: Request<Full<Bytes>>| {
        assert_eq!(request.extensions().len(), 1, "nothing but the context");
        status(200)
    });
    let client = IdempotencyKeyLayer::new().layer(honoured().layer(below));
    client.oneshot(post()).await.expect("a response");
}

#[tokio::test]
async fn keys_are_plain_or_quoted_uuids_or_what_a_generator_makes() {
    let layer = IdempotencyKeyLayer::new();
    let text = |keys: Vec<HeaderValue>| keys[0].to_str().expect("text").to_owned();
    assert_eq!(text(keys(&layer, post()).await).len(), 36);
    let quoted = text(keys(&layer.clone().quoted(), post()).await);
    assert!(quoted.len() == 38 && quoted.starts_with('"') && quoted.ends_with('"'));

    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let layer = layer.generator(move || HeaderValue::from(count.fetch_add(1, SeqCst)));
    for expected in ["0", "1"] {
        assert_eq!(text(keys(&layer, post()).await), expected);
    }
    keys(&layer, get()).await;
    assert_eq!(made.load(SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn below_a_retry_layer_no_key_is_made_and_the_call_is_refused() {
    let layer = honoured();
    let script = Script::new([status(200), status(200)]);
    let client = layer.layer(IdempotencyKeyLayer::new().layer(script.clone()));
    let error = client.clone().oneshot(post()).await.expect_err("refused");
    let why = error.downcast_ref::<IdempotencyKeyError>();
    assert!(why.is_some_and(IdempotencyKeyError::is_below_retry_layer));
    assert_eq!(
        error.to_string(),
        "each attempt would get an idempotency key of its own; put the idempotency key layer above the retry layer"
    );
    assert_eq!(NeverLeft::find(&*error), Some(Refusal::Permanent));
    assert_eq!(script.calls(), 0);

    // Where it has nothing to do, it does no harm there.
    let mut keyed = post();
    keyed
        .headers_mut()
        .insert(KEY, HeaderValue::from_static("mine"));
    for request in [keyed, get()] {
        let outcome = client.clone().oneshot(request).await;
        assert_eq!(outcome.expect("a response").status(), 200);
    }
}

#[tokio::test]
async fn below_a_retry_layer_that_repeats_nothing_a_key_is_made() {
    let script = Script::new([status(200)]);
    let off = RetryLayer::new().attempts(1);
    let client = off.layer(IdempotencyKeyLayer::new().layer(script.clone()));
    client.oneshot(post()).await.expect("a response");
    assert_eq!(seen_keys(&script, 0).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_gives_its_permit_back() {
    let script = Script::new([status(200)]);
    let limited = ConcurrencyLimit::new(script, 1);
    let client = IdempotencyKeyLayer::new().layer(limited);
    let mut idle = client.clone();
    let mut below = post();
    CallContext::of(below.extensions_mut()).enter(Guard::Retry);
    let refused = idle.ready().await.expect("the permit").call(below);
    let other = tokio::time::timeout(Duration::from_secs(60), client.oneshot(get()));
    let outcome = other.await.expect("the permit is free");
    assert_eq!(outcome.expect("a response").status(), 200);
    assert!(refused.await.is_err());
}

/// Borrows, is not `Send`, and so are its future and its error.
#[derive(Clone)]
struct Borrowing<'a>(&'a Cell<u32>);

impl<'a> Service<Request<()>> for Borrowing<'a> {
    type Response = Response<()>;
    type Error = std::fmt::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + 'a>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let calls = self.0;
        Box::pin(async move {
            assert!(request.headers().contains_key(KEY));
            calls.set(calls.get() + 1);
            Ok(Response::new(()))
        })
    }
}

#[tokio::test]
async fn an_inner_service_that_borrows_gets_keys_as_well() {
    let calls = Cell::new(0);
    let client = IdempotencyKeyLayer::new().layer(Borrowing(&calls));
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    client.oneshot(request).await.expect("a response");
    assert_eq!(calls.get(), 1);
}
