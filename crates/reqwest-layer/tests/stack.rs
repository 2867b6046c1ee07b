//! The layers of a whole stack over reqwest, in both directions, against real sockets.

#![cfg(feature = "middleware")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use call_context::{BoxError, ClassOverride, NeverLeft, Origin, Refusal, Renewed, Route};
use http::{Method, Request};
use http_body_util::Full;
use reqwest_layer::{Body, LayerMiddleware, Reqwest, into_response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use support::{Server, answer, builder, dead_address, find, refusing_server};
use tollgate::auth::{AuthError, Grant, Reason, Slot, source_fn};
use tollgate::rate::{RateError, RateErrorKind};
use tollgate::retry::{Exchange, RetryInfo, Stop, Verdict};
use tollgate::{MINUTE, Quota, RateLayer, RetryLayer, Stack, Window};
use tower::{Layer, ServiceExt};

/// A whole stack: retry, gate, rate, peek, attach. Its tokens are `token-1`, `token-2` and so on.
struct Layers {
    stack: Stack,
    window: Window,
    fetched: Arc<AtomicUsize>,
}

fn layers(origin: &str, limit: u32) -> Layers {
    let fetched = Arc::new(AtomicUsize::new(0));
    let count = fetched.clone();
    let slot = Slot::token(
        "wallet",
        source_fn(move |_| {
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            async move { Ok(Grant::new(format!("token-{number}")).expires_in(3600)) }
        }),
    );
    let window = Window::new(Quota::rolling(limit, MINUTE));
    let origin: Origin = origin.parse().expect("an origin");
    let stack = Stack::new(origin)
        // One renewal a second is the default.
        .slot(slot.backoff(Duration::from_millis(1), Duration::from_millis(1)))
        .rate(RateLayer::new(window.clone()).refuse())
        .retry(RetryLayer::new().base(Duration::from_millis(1)))
        .build()
        .expect("a stack");
    Layers {
        stack,
        window,
        fetched,
    }
}

/// The same layers below code that speaks `http`, and inside of a client that speaks reqwest.
struct Clients {
    service: tower::util::BoxCloneSyncService<Request<Body>, reqwest::Response, BoxError>,
    middleware: ClientWithMiddleware,
}

fn clients(stack: &Stack, builder: impl Fn() -> reqwest::ClientBuilder) -> Clients {
    let service = stack.layer(Reqwest::new(builder()).expect("a client"));
    let service = tower::util::MapResponse::new(service, into_response);
    Clients {
        service: tower::util::BoxCloneSyncService::new(service),
        middleware: reqwest_layer::client(builder(), stack.clone()).expect("a client"),
    }
}

impl Clients {
    /// Sends a POST through one of them; errors as their callers see them.
    async fn post(
        &self,
        direction: Direction,
        url: &str,
        body: &[u8],
    ) -> Result<reqwest::Response, BoxError> {
        match direction {
            Direction::Service => {
                let body = Body::Left(Full::new(Bytes::copy_from_slice(body)));
                let request = Request::post(url).body(body)?;
                self.service.clone().oneshot(request).await
            }
            Direction::Middleware => {
                let request = self.middleware.post(url).body(body.to_vec());
                Ok(request.send().await?)
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Direction {
    Service,
    Middleware,
}

const BOTH: [Direction; 2] = [Direction::Service, Direction::Middleware];

/// A server that takes the first token for one request, and the second one from then on.
async fn strict() -> Server {
    Server::start(|number, seen| {
        let stale = seen.header("authorization") == Some("Bearer token-1") && number > 1;
        Some(answer(if stale { 401 } else { 200 }, "", "hello"))
    })
    .await
}

#[tokio::test]
async fn a_401_leads_to_a_renewal_and_a_replay_of_the_same_bytes() {
    let body: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    for direction in BOTH {
        let server = strict().await;
        let layers = layers(&server.url(""), 100);
        let clients = clients(&layers.stack, builder);
        let url = server.url("/execute/trades?a=b");
        let first = clients.post(direction, &url, &body).await;
        assert_eq!(first.expect("an answer").status(), 200);
        let response = clients.post(direction, &url, &body).await;
        let response = response.expect("an answer");
        assert_eq!(response.status(), 200, "{direction:?}");
        assert_eq!(response.url().as_str(), url, "{direction:?}");
        assert_eq!(response.remote_addr(), Some(server.address()));
        assert_eq!(response.text().await.expect("a body"), "hello");

        let seen = server.seen();
        let tokens: Vec<_> = seen.iter().map(|s| s.header("authorization")).collect();
        let expected = ["Bearer token-1", "Bearer token-1", "Bearer token-2"];
        assert_eq!(tokens, expected.map(Some));
        assert!(seen.iter().all(|seen| seen.body == body));
        assert!(
            seen.iter()
                .all(|s| s.header("content-length") == Some("70000"))
        );
        assert_eq!(layers.fetched.load(Ordering::SeqCst), 2);
        assert_eq!(layers.stack.retry().counters().replays_after_401(), 1);
        assert_eq!(layers.window.snapshot().used, 3, "{direction:?}");
    }
}

#[tokio::test]
async fn a_token_is_fetched_once_for_all_requests() {
    for direction in BOTH {
        let server = Server::hello().await;
        let layers = layers(&server.url(""), 100);
        let clients = clients(&layers.stack, builder);
        for _ in 0..5 {
            let response = clients.post(direction, &server.url("/"), b"x").await;
            assert_eq!(response.expect("an answer").status(), 200);
        }
        assert_eq!(layers.fetched.load(Ordering::SeqCst), 1, "{direction:?}");
    }
}

#[tokio::test]
async fn a_stream_that_meets_401_is_sent_once_and_the_401_is_the_answer() {
    let server = strict().await;
    let layers = layers(&server.url(""), 100);
    let clients = clients(&layers.stack, builder);
    let first = clients.middleware.get(server.url("/")).send().await;
    assert_eq!(first.expect("an answer").status(), 200);
    let parts = ["in ", "parts"].map(Ok::<_, BoxError>);
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(parts));
    let request = clients.middleware.post(server.url("/")).body(body);
    let response = request.send().await.expect("an answer");
    assert_eq!(response.status(), 401);
    assert_eq!(response.extensions().get(), Some(&Renewed));
    assert_eq!(server.seen().len(), 2);
    assert_eq!(server.seen()[1].body, b"in parts");
}

#[tokio::test]
async fn a_refusal_can_be_found_outside() {
    for direction in BOTH {
        let server = Server::hello().await;
        let layers = layers("https://api.example.com", 100);
        let clients = clients(&layers.stack, builder);
        let error = clients.post(direction, &server.url("/"), b"x").await;
        let error = error.expect_err("another origin");
        assert_eq!(NeverLeft::find(&*error), Some(Refusal::Permanent));
        let refused = find::<AuthError>(&*error).expect("the gate's own");
        assert_eq!(refused.reason(), Reason::Elsewhere, "{direction:?}");
        assert!(server.seen().is_empty());
    }
}

#[tokio::test]
async fn a_redirect_takes_no_token_elsewhere() {
    for direction in BOTH {
        let other = Server::hello().await;
        let location = format!("location: {}\r\n", other.url("/"));
        let server = Server::start(move |_, _| Some(answer(307, &location, ""))).await;
        let layers = layers(&server.url(""), 100);
        let clients = clients(&layers.stack, builder);
        let response = clients.post(direction, &server.url("/"), b"x").await;
        assert_eq!(response.expect("an answer").status(), 307);
        assert_eq!(server.seen().len(), 1, "{direction:?}");
        assert!(other.seen().is_empty());
    }
}

#[tokio::test]
async fn a_post_is_sent_again_where_no_connection_could_be_made() {
    for direction in BOTH {
        let url = format!("http://{}", dead_address());
        let layers = layers(&url, 100);
        let clients = clients(&layers.stack, builder);
        let error = clients.post(direction, &url, b"x").await;
        let error = error.expect_err("nobody listens");
        let reqwests = find::<reqwest::Error>(&*error).or_else(|| match error
            .downcast_ref::<reqwest_middleware::Error>(
        ) {
            Some(reqwest_middleware::Error::Reqwest(error)) => Some(error),
            _ => None,
        });
        assert!(reqwests.expect("reqwest's own").is_connect(), "{error:?}");
        assert_eq!(
            layers.stack.retry().counters().retries(),
            2,
            "{direction:?}"
        );
    }
}

#[tokio::test]
async fn what_the_retry_layer_tells_is_found_and_leaves_reqwests_error_as_it_was_inside_of_it() {
    let url = format!("http://{}/", dead_address());
    let layers = layers(&url, 100);
    let clients = clients(&layers.stack, builder);
    let error = clients.post(Direction::Service, &url, b"x").await;
    let info = RetryInfo::find(&*error.expect_err("nobody listens"));
    assert_eq!(info.map(|info| info.attempts()), Some(3));

    let error = clients.middleware.post(&url).body("x").send().await;
    let error = error.expect_err("nobody listens");
    assert!(error.is_connect());
    assert_eq!(error.url().map(reqwest::Url::as_str), Some(&*url));
}

#[tokio::test]
async fn what_the_retry_layer_tells_of_another_layers_error_is_found_outside() {
    let server = Server::hello().await;
    let layers = layers(&server.url(""), 1);
    let clients = clients(&layers.stack, builder);
    for direction in BOTH {
        // The one place is taken by the first call, and the queue is closed.
        let _ = clients.post(direction, &server.url("/"), b"x").await;
        let error = clients.post(direction, &server.url("/"), b"x").await;
        let error = error.expect_err("no place");
        assert!(find::<RateError>(&*error).is_some(), "{direction:?}");
        let told = RetryInfo::find(&*error).and_then(|info| info.stop());
        assert_eq!(told, Some(Stop::Refused), "{direction:?}");
    }
}

#[tokio::test]
async fn what_the_retry_layer_tells_of_reqwests_error_is_found_outside_where_remarks_are_kept() {
    let send = async |keep: bool, layer: RetryLayer| {
        let mut layer = LayerMiddleware::over_send_once(layer.base(Duration::from_millis(1)));
        if keep {
            layer = layer.keep_remarks();
        }
        let client = reqwest_layer::send_once(builder()).build();
        let client = ClientBuilder::new(client.expect("a client")).with(layer);
        let url = format!("http://{}/?secret", dead_address());
        let outcome = client.build().post(url).body("42").send().await;
        outcome.expect_err("nobody listens")
    };
    let error = send(true, RetryLayer::new()).await;
    let info = RetryInfo::find(&error).expect("kept");
    assert_eq!((info.attempts(), info.stop()), (3, Some(Stop::Attempts)));
    assert_eq!(NeverLeft::find(&error), Some(Refusal::Transient));
    let of_reqwest = call_context::find::<reqwest::Error>(&error);
    assert!(of_reqwest.is_some_and(|error| error.is_connect() && error.url().is_none()));
    assert!(!support::chain(&error).contains("secret"));
    assert_eq!(
        error.to_string(),
        "the client failed, and a layer has something to say about it"
    );

    // As it was: by default, and where there is nothing to tell.
    for (keep, layer) in [
        (false, RetryLayer::new()),
        (true, RetryLayer::new().attempts(1)),
    ] {
        let error = send(keep, layer).await;
        assert!(matches!(&error, reqwest_middleware::Error::Reqwest(e) if e.is_connect()));
        assert!(error.url().is_some());
    }
}

#[tokio::test]
async fn a_redirect_to_a_dead_port_takes_one_place_and_sends_a_post_once() {
    for direction in BOTH {
        let location = format!("location: http://{}/\r\n", dead_address());
        let server = Server::start(move |_, _| Some(answer(307, &location, ""))).await;
        let layers = layers(&server.url(""), 3);
        let clients = clients(&layers.stack, builder);
        let response = clients.post(direction, &server.url("/"), b"x").await;
        assert_eq!(response.expect("an answer").status(), 307);
        assert_eq!(server.seen().len(), 1, "{direction:?}");
        assert_eq!(layers.stack.retry().counters().retries(), 0);
        assert_eq!(layers.window.snapshot().used, 1, "{direction:?}");
    }
}

#[tokio::test]
async fn a_post_that_http2_refuses_is_seen_once() {
    for direction in BOTH {
        let (address, count) = refusing_server().await;
        let url = format!("http://{address}");
        let layers = layers(&url, 100);
        let clients = clients(&layers.stack, || builder().http2_prior_knowledge());
        let error = clients.post(direction, &url, b"once").await;
        error.expect_err("refused");
        assert_eq!(*count.borrow(), 1, "{direction:?}");
    }
}

#[tokio::test]
async fn a_caller_picks_a_class_by_an_extension() {
    let server = Server::hello().await;
    let stack = Stack::new(server.url("").parse().expect("an origin"))
        .slot(Slot::key("business", "sk_live_1"))
        .slot(Slot::key("wallet", "a.b.c"))
        .route(Route::new(Method::POST, "/execute/{*rest}", "execute").alternative("merchant"))
        .class("execute", "wallet")
        .class("merchant", "business")
        .build()
        .expect("a stack");
    let clients = clients(&stack, builder);

    let url = server.url("/execute/trades");
    let request = clients.middleware.post(&url);
    request.send().await.expect("an answer");
    let request = clients.middleware.post(&url);
    let request = request.with_extension(ClassOverride::new("merchant"));
    request.send().await.expect("an answer");
    let seen = server.seen();
    assert_eq!(seen[0].header("authorization"), Some("Bearer a.b.c"));
    assert_eq!(seen[1].header("authorization"), Some("Bearer sk_live_1"));
}

#[tokio::test]
async fn a_timeout_of_the_request_bounds_each_attempt() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let silent = silent.expect("a port");
    let url = format!("http://{}", silent.local_addr().expect("an address"));
    let layers = layers(&url, 100);
    let clients = clients(&layers.stack, builder);
    let request = clients.middleware.get(&url);
    let error = request.timeout(Duration::from_millis(20)).send().await;
    assert!(error.expect_err("a timeout").is_timeout());
    assert_eq!(layers.stack.retry().counters().retries(), 2);
}

#[tokio::test]
async fn a_limit_is_kept_across_requests_and_clients() {
    for direction in BOTH {
        let server = Server::hello().await;
        let layers = layers(&server.url(""), 3);
        let clients = clients(&layers.stack, builder);
        for earlier in [Direction::Service, Direction::Middleware, direction] {
            let response = clients.post(earlier, &server.url("/"), b"x").await;
            assert_eq!(response.expect("an answer").status(), 200);
        }
        let error = clients.post(direction, &server.url("/"), b"x").await;
        let error = error.expect_err("no place is left");
        assert_eq!(NeverLeft::find(&*error), Some(Refusal::Local));
        let refused = find::<RateError>(&*error).expect("the rate layer's own");
        assert_eq!(refused.kind(), RateErrorKind::WouldWait);
        assert_eq!(server.seen().len(), 3, "{direction:?}");
    }
}

#[tokio::test]
async fn a_call_that_never_left_gives_its_place_back() {
    for direction in BOTH {
        let url = format!("http://{}", dead_address());
        let layers = layers(&url, 3);
        let clients = clients(&layers.stack, builder);
        for _ in 0..3 {
            let error = clients.post(direction, &url, b"x").await;
            error.expect_err("nobody listens");
        }
        let snapshot = layers.window.snapshot();
        assert_eq!((snapshot.used, snapshot.in_flight), (0, 0), "{direction:?}");
        assert_eq!(layers.stack.retry().counters().retries(), 6);
    }
}

#[tokio::test]
async fn a_retry_layer_keeps_to_the_earlier_deadline_of_one_in_a_middleware_below() {
    let later = |_: &Exchange<'_>| Verdict::Transient {
        after: Duration::from_secs(2),
    };
    for keep in [false, true] {
        let outer = RetryLayer::new().attempts(2).classifier(later);
        let inner = RetryLayer::new().deadline(Duration::from_secs(1));
        let mut below = LayerMiddleware::over_send_once(inner);
        if keep {
            below = below.keep_remarks();
        }
        let client = reqwest_layer::send_once(builder()).build();
        let client = ClientBuilder::new(client.expect("a client"))
            .with(LayerMiddleware::over_send_once(outer.clone()))
            .with(below);
        let url = format!("http://{}/", dead_address());
        let error = client.build().get(url).send().await;
        let error = error.expect_err("nobody listens");
        // The pause would end after it, so there is none.
        assert_eq!(outer.counters().stopped(Stop::Deadline), 1, "{keep}");
        assert_eq!(outer.counters().retries(), 0, "{keep}");
        // Outside it is reqwest's own as before.
        assert_eq!(error.is_connect(), !keep);
    }
}
