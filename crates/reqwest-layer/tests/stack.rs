//! The layers of a whole stack over reqwest, in both directions, against real sockets.

#![cfg(feature = "middleware")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use auth_layer::{AttachLayer, Auth, AuthError, GateLayer, Grant, Reason, Slot, source_fn};
use bytes::Bytes;
use call_context::{BoxError, ClassOverride, NeverLeft, Origin, Refusal, Renewed, Route, Routes};
use http::{Method, Request};
use http_body_util::Full;
use reqwest_layer::{Body, LayerMiddleware, Reqwest, into_response, send_once};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use retry_layer::RetryLayer;
use support::{Server, answer, builder, dead_address, find, refusing_server};
use tower::{Layer, ServiceExt};

/// Outermost first. The whole order is retry, gate, rate, attach.
type Layers = (RetryLayer, GateLayer, AttachLayer);

/// A stack whose tokens are `token-1`, `token-2` and so on.
struct Stack {
    layers: Layers,
    retry: RetryLayer,
    fetched: Arc<AtomicUsize>,
}

fn stack(origin: &str) -> Stack {
    let fetched = Arc::new(AtomicUsize::new(0));
    let count = fetched.clone();
    let slot = Slot::token(
        "wallet",
        source_fn(move |_| {
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            async move { Ok(Grant::new(format!("token-{number}")).expires_in(3600)) }
        }),
    );
    // One renewal a second is the default.
    let slot = slot.backoff(Duration::from_millis(1), Duration::from_millis(1));
    let origin: Origin = origin.parse().expect("an origin");
    let auth = Auth::single(slot.origin(origin)).expect("one slot");
    let retry = RetryLayer::new().base(Duration::from_millis(1));
    Stack {
        layers: (retry.clone(), auth.gate(), auth.attach()),
        retry,
        fetched,
    }
}

/// The same layers below code that speaks `http`, and inside of a client that speaks reqwest.
struct Clients {
    service: tower::util::BoxCloneSyncService<Request<Body>, reqwest::Response, BoxError>,
    middleware: ClientWithMiddleware,
}

fn clients(layers: Layers, builder: impl Fn() -> reqwest::ClientBuilder) -> Clients {
    let service = layers.layer(Reqwest::new(builder()).expect("a client"));
    let service = tower::util::MapResponse::new(service, into_response);
    let client = send_once(builder()).build().expect("a client");
    Clients {
        service: tower::util::BoxCloneSyncService::new(service),
        middleware: ClientBuilder::new(client)
            .with(LayerMiddleware::new(layers).sends_once())
            .build(),
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
        let stack = stack(&server.url(""));
        let clients = clients(stack.layers, builder);
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
        assert_eq!(stack.fetched.load(Ordering::SeqCst), 2);
        assert_eq!(stack.retry.counters().replays_after_401(), 1);
    }
}

#[tokio::test]
async fn a_token_is_fetched_once_for_all_requests() {
    for direction in BOTH {
        let server = Server::hello().await;
        let stack = stack(&server.url(""));
        let clients = clients(stack.layers, builder);
        for _ in 0..5 {
            let response = clients.post(direction, &server.url("/"), b"x").await;
            assert_eq!(response.expect("an answer").status(), 200);
        }
        assert_eq!(stack.fetched.load(Ordering::SeqCst), 1, "{direction:?}");
    }
}

#[tokio::test]
async fn a_stream_that_meets_401_is_sent_once_and_the_401_is_the_answer() {
    let server = strict().await;
    let stack = stack(&server.url(""));
    let clients = clients(stack.layers, builder);
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
        let stack = stack("https://api.example.com");
        let clients = clients(stack.layers, builder);
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
        let stack = stack(&server.url(""));
        let clients = clients(stack.layers, builder);
        let response = clients.post(direction, &server.url("/"), b"x").await;
        assert_eq!(response.expect("an answer").status(), 307);
        assert_eq!(server.seen().len(), 1, "{direction:?}");
        assert!(other.seen().is_empty());
    }
}

#[tokio::test]
async fn a_post_is_sent_again_where_no_connection_could_be_made() {
    for direction in BOTH {
        let url = format!("http://{}", dead_address().await);
        let stack = stack(&url);
        let clients = clients(stack.layers, builder);
        let error = clients.post(direction, &url, b"x").await;
        let error = error.expect_err("nobody listens");
        let reqwests = find::<reqwest::Error>(&*error).or_else(|| match error
            .downcast_ref::<reqwest_middleware::Error>(
        ) {
            Some(reqwest_middleware::Error::Reqwest(error)) => Some(error),
            _ => None,
        });
        assert!(reqwests.expect("reqwest's own").is_connect(), "{error:?}");
        assert_eq!(stack.retry.counters().retries(), 2, "{direction:?}");
    }
}

#[tokio::test]
async fn a_post_behind_a_redirect_to_a_dead_port_is_not_sent_again() {
    let location = format!("location: http://{}/\r\n", dead_address().await);
    let server = Server::start(move |_, _| Some(answer(307, &location, ""))).await;
    let stack = stack(&server.url(""));
    // A client that follows redirects, and of which nothing else was declared.
    let client = ClientBuilder::new(builder().build().expect("a client"))
        .with(LayerMiddleware::new(stack.layers))
        .build();
    let error = client.post(server.url("/")).body("x").send().await;
    assert!(error.expect_err("nobody listens").is_connect());
    assert_eq!(server.seen().len(), 1);
    assert_eq!(stack.retry.counters().retries(), 0);
}

#[tokio::test]
async fn a_post_that_http2_refuses_is_seen_once() {
    for direction in BOTH {
        let (address, count) = refusing_server().await;
        let url = format!("http://{address}");
        let stack = stack(&url);
        let clients = clients(stack.layers, || builder().http2_prior_knowledge());
        let error = clients.post(direction, &url, b"once").await;
        error.expect_err("refused");
        assert_eq!(*count.borrow(), 1, "{direction:?}");
    }
}

#[tokio::test]
async fn a_caller_picks_a_class_by_an_extension() {
    let server = Server::hello().await;
    let route = Route::new(Method::POST, "/execute/{*rest}", "execute").alternative("merchant");
    let routes = Arc::new(Routes::new([route]).expect("a table"));
    let origin: Origin = server.url("").parse().expect("an origin");
    let auth = Auth::builder()
        .routes(routes)
        .slot(Slot::key("business", "sk_live_1").origin(origin.clone()))
        .slot(Slot::key("wallet", "a.b.c").origin(origin))
        .class("execute", "wallet")
        .class("merchant", "business")
        .build()
        .expect("a table of slots");
    let layers = (RetryLayer::new(), auth.gate(), auth.attach());
    let clients = clients(layers, builder);

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
    let stack = stack(&url);
    let clients = clients(stack.layers, builder);
    let request = clients.middleware.get(&url);
    let error = request.timeout(Duration::from_millis(20)).send().await;
    assert!(error.expect_err("a timeout").is_timeout());
    assert_eq!(stack.retry.counters().retries(), 2);
}
