//! Tower layers as reqwest middleware, against real sockets.

#![cfg(feature = "middleware")]

mod support;

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use call_context::{BoxError, CallContext, ClassOverride, NeverLeft, Refusal, Renewed};
use http::{Extensions, Request, Response};
use reqwest_layer::{
    Body, LayerError, LayerMiddleware, LayeredService, NextService, UrlError, send_once,
};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use support::{Server, answer, builder, chain, dead_address, find};
use tower::{Layer, Service, ServiceBuilder};

fn layered<L>(layer: L) -> ClientWithMiddleware
where
    L: for<'a> Layer<NextService<'a>> + Send + Sync + 'static,
    for<'a> <L as Layer<NextService<'a>>>::Service: LayeredService,
{
    reqwest_layer::client(builder(), layer).expect("a client")
}

/// A layer that shows each request and outcome to its functions, and asks nothing of what it wraps.
#[derive(Clone)]
struct Look<Q, A> {
    request: Q,
    outcome: A,
}

impl<S, Q: Clone, A: Clone> Layer<S> for Look<Q, A> {
    type Service = Looking<S, Q, A>;

    fn layer(&self, inner: S) -> Self::Service {
        Looking {
            inner,
            look: self.clone(),
        }
    }
}

#[derive(Clone)]
struct Looking<S, Q, A> {
    inner: S,
    look: Look<Q, A>,
}

type Outcome = Result<Response<reqwest::Body>, BoxError>;

impl<S, Q, A> Service<Request<Body>> for Looking<S, Q, A>
where
    S: Service<Request<Body>, Response = Response<reqwest::Body>, Error = BoxError>,
    Q: Fn(&mut Request<Body>),
    A: Fn(Outcome) -> Outcome + Clone,
{
    type Response = Response<reqwest::Body>;
    type Error = BoxError;
    type Future = futures_util::future::Map<S::Future, A>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        (self.look.request)(&mut request);
        futures_util::FutureExt::map(self.inner.call(request), self.look.outcome.clone())
    }
}

fn look<Q, A>(request: Q, outcome: A) -> Look<Q, A>
where
    Q: Fn(&mut Request<Body>) + Clone,
    A: Fn(Outcome) -> Outcome + Clone,
{
    Look { request, outcome }
}

/// Repeats a request that met 401, once.
#[derive(Clone)]
struct Again(bool);

impl tower::retry::Policy<Request<Body>, Response<reqwest::Body>, BoxError> for Again {
    type Future = std::future::Ready<()>;

    fn retry(&mut self, _: &mut Request<Body>, outcome: &mut Outcome) -> Option<Self::Future> {
        let refused = outcome.as_ref().is_ok_and(|r| r.status() == 401);
        (refused && std::mem::take(&mut self.0)).then(|| std::future::ready(()))
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        let http_body_util::Either::Left(full) = request.body() else {
            return None;
        };
        let mut copy = Request::new(http_body_util::Either::Left(full.clone()));
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.headers_mut() = request.headers().clone();
        *copy.extensions_mut() = request.extensions().clone();
        Some(copy)
    }
}

/// Middleware below the layers, which notes what it sees and puts something into the extensions.
#[derive(Clone, Default)]
struct Below {
    clonable: Arc<Mutex<Vec<bool>>>,
    extensions: Arc<Mutex<Option<Extensions>>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Mark(&'static str);

#[async_trait::async_trait]
impl Middleware for Below {
    async fn handle(
        &self,
        request: reqwest::Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        let clonable = request.try_clone().is_some();
        self.clonable.lock().expect("unpoisoned").push(clonable);
        *self.extensions.lock().expect("unpoisoned") = Some(extensions.clone());
        extensions.insert(Mark("from below"));
        next.run(request, extensions).await
    }
}

fn stream(parts: &[&'static str]) -> reqwest::Body {
    let parts: Vec<_> = parts.iter().map(|&p| Ok::<_, BoxError>(p)).collect();
    reqwest::Body::wrap_stream(futures_util::stream::iter(parts))
}

#[tokio::test]
async fn layers_run_over_the_borrowed_chain_and_their_state_outlives_a_request() {
    let server = Server::hello().await;
    let paths = Arc::new(Mutex::new(Vec::new()));
    let noted = paths.clone();
    let layer = look(
        move |request| {
            let mut noted = noted.lock().expect("unpoisoned");
            noted.push(request.uri().path().to_owned());
        },
        |outcome| outcome,
    );
    let client = layered(layer);
    for path in ["/a", "/b", "/c"] {
        let response = client.get(server.url(path)).send().await.expect(path);
        assert_eq!(response.text().await.expect("a body"), "hello");
    }
    assert_eq!(*paths.lock().expect("unpoisoned"), ["/a", "/b", "/c"]);
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_request_looks_on_the_wire_as_it_would_without_layers() {
    let server = Server::hello().await;
    let plain = ClientWithMiddleware::from(builder().build().expect("a client"));
    let layered = layered(look(|_| (), |outcome| outcome));
    let url = server.url("/a/%2F;x?q=%27a%27&b");
    for client in [plain, layered] {
        for request in [
            client.get(&url),
            client.get(&url).body(""),
            client.post(&url),
            client.post(&url).body(""),
            client.post(&url).header("x-a", "b").body("twelve bytes"),
            client.post(&url).body(stream(&["in ", "parts"])),
        ] {
            request.send().await.expect("an answer");
        }
    }
    let mut seen = server.seen();
    // Their order may differ: `Host` is written early.
    seen.iter_mut().for_each(|seen| seen.headers.sort());
    assert_eq!(seen.len(), 12);
    assert_eq!(seen[..6], seen[6..]);
    assert_eq!(seen[5].body, b"in parts");
}

#[tokio::test]
async fn a_post_is_replayed_byte_for_byte_and_stays_clonable_below() {
    let server = Server::start(|n, _| Some(answer(if n == 1 { 401 } else { 200 }, "", ""))).await;
    let below = Below::default();
    let layers = tower::retry::RetryLayer::new(Again(true));
    let client = ClientBuilder::new(send_once(builder()).build().expect("a client"))
        .with(LayerMiddleware::over_send_once(layers))
        .with(below.clone())
        .build();
    let body: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let response = client.post(server.url("/")).body(body.clone()).send().await;
    assert_eq!(response.expect("an answer").status(), 200);

    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0].body, body);
    assert_eq!(*below.clonable.lock().expect("unpoisoned"), [true, true]);
}

#[tokio::test]
async fn a_stream_is_sent_once() {
    let server = Server::start(|_, _| Some(answer(401, "", ""))).await;
    let layers = tower::retry::RetryLayer::new(Again(true));
    let client = layered(layers);
    let request = client.post(server.url("/")).body(stream(&["in ", "parts"]));
    assert_eq!(request.send().await.expect("an answer").status(), 401);
    assert_eq!(server.seen().len(), 1);
    assert_eq!(server.seen()[0].body, b"in parts");
}

#[tokio::test]
async fn a_response_keeps_its_url_and_address() {
    let server = Server::start(|_, _| Some(answer(404, "x-a: b\r\n", "hello"))).await;
    let client = layered(look(|_| (), |outcome| outcome));
    let url = server.url("/a/b?c=d");
    let response = client.get(&url).send().await.expect("an answer");
    assert_eq!(response.url().as_str(), url);
    assert_eq!(response.remote_addr(), Some(server.address()));
    assert_eq!(response.version(), http::Version::HTTP_11);
    assert_eq!(response.headers()["x-a"], "b");
    assert_eq!(response.content_length(), Some(5));
    let error = response.error_for_status().expect_err("404");
    assert_eq!(error.url().expect("a URL").as_str(), url);
}

#[tokio::test]
async fn a_response_that_a_layer_made_has_the_url_of_the_request() {
    let client = layered(look(
        |_| (),
        |_| Ok(Response::new(reqwest::Body::from("made up"))),
    ));
    let url = format!("http://{}/a", dead_address());
    let response = client.get(&url).send().await.expect("an answer");
    assert_eq!(response.url().as_str(), url);
    assert_eq!(response.text().await.expect("a body"), "made up");
}

#[tokio::test]
async fn a_timeout_of_the_request_reaches_the_client() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let silent = silent.expect("a port");
    let url = format!("http://{}/", silent.local_addr().expect("an address"));
    let client = layered(look(|_| (), |outcome| outcome));
    let request = client.get(&url).timeout(Duration::from_millis(20));
    let error = request.send().await.expect_err("a timeout");
    assert!(error.is_timeout(), "{error:?}");
}

#[tokio::test]
async fn an_error_of_the_client_comes_out_as_it_was() {
    let server = Server::start(|_, _| None).await;
    let url = server.url("/?canary");
    let within = Arc::new(Mutex::new(String::new()));
    let noted = within.clone();
    let layer = look(
        |_| (),
        move |outcome| {
            if let Err(error) = &outcome {
                *noted.lock().expect("unpoisoned") = chain(&**error);
            }
            outcome
        },
    );
    let error = layered(layer).get(&url).send().await;
    let reqwest_middleware::Error::Reqwest(error) = error.expect_err("no answer") else {
        panic!("not reqwest's own");
    };
    assert!(error.is_request());
    assert_eq!(error.url().expect("a URL").as_str(), url);
    // The layers could log what they see.
    let within = std::mem::take(&mut *within.lock().expect("unpoisoned"));
    assert!(within.contains("error sending request"), "{within}");
    assert!(!within.contains("canary"), "{within}");
}

#[derive(Debug)]
struct Refused(NeverLeft);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused by a layer")
    }
}

impl Error for Refused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

fn refusing() -> impl Fn(Outcome) -> Outcome + Clone {
    |_| Err(Refused(NeverLeft::new(Refusal::Local)).into())
}

#[tokio::test]
async fn an_error_of_a_layer_can_be_found_outside() {
    let server = Server::hello().await;
    let client = layered(look(|_| (), refusing()));
    let error = client.get(server.url("/")).send().await;
    let error = error.expect_err("refused");
    assert_eq!(NeverLeft::find(&error), Some(Refusal::Local));
    assert!(find::<Refused>(&error).is_some());
    let reqwest_middleware::Error::Middleware(outer) = &error else {
        panic!("not of a layer");
    };
    assert!(outer.downcast_ref::<LayerError>().is_some());
    assert_eq!(outer.to_string(), "a layer of the client ended the call");
}

#[tokio::test]
async fn layers_in_two_middlewares_still_understand_each_other() {
    let seen = Arc::new(Mutex::new(None));
    let noted = seen.clone();
    let outer = look(
        |request| CallContext::of(request.extensions_mut()).set_attempt(7),
        move |outcome: Outcome| {
            let error = outcome.expect_err("refused below");
            *noted.lock().expect("unpoisoned") = NeverLeft::find(&*error);
            Err(error)
        },
    );
    let attempt = Arc::new(Mutex::new(0));
    let noted = attempt.clone();
    let inner = look(
        move |request: &mut Request<Body>| {
            let context = CallContext::get(request.extensions()).expect("a context");
            *noted.lock().expect("unpoisoned") = context.attempt();
        },
        refusing(),
    );
    let client = ClientBuilder::new(send_once(builder()).build().expect("a client"))
        .with(LayerMiddleware::over_send_once(outer))
        .with(LayerMiddleware::over_send_once(inner))
        .build();
    let url = format!("http://{}/", dead_address());
    let error = client.get(&url).send().await.expect_err("refused");
    assert_eq!(*seen.lock().expect("unpoisoned"), Some(Refusal::Local));
    assert_eq!(*attempt.lock().expect("unpoisoned"), 7);
    assert_eq!(NeverLeft::find(&error), Some(Refusal::Local));
}

#[tokio::test]
async fn a_dead_port_proves_to_the_layers_that_a_call_never_left() {
    let seen = Arc::new(Mutex::new(None));
    let noted = seen.clone();
    let layer = look(
        |_| (),
        move |outcome: Outcome| {
            let error = outcome.expect_err("a failure");
            *noted.lock().expect("unpoisoned") = NeverLeft::find(&*error);
            Err(error)
        },
    );
    let url = format!("http://{}/", dead_address());
    let error = layered(layer).get(url).send().await.expect_err("a failure");
    assert!(error.is_connect(), "{error:?}");
    assert_eq!(*seen.lock().expect("unpoisoned"), Some(Refusal::Transient));
}

/// Middleware that reports a dead port behind a redirect the way reqwest did up to 0.12: by the URL of the last hop.
struct OtherUrl;

#[async_trait::async_trait]
impl Middleware for OtherUrl {
    async fn handle(
        &self,
        request: reqwest::Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        let other = "http://127.0.0.1:9/elsewhere".parse().expect("a URL");
        let outcome = next.run(request, extensions).await;
        outcome.map_err(|error| error.with_url(other))
    }
}

#[tokio::test]
async fn an_error_about_another_url_proves_nothing() {
    let seen = Arc::new(Mutex::new(Some(Refusal::Permanent)));
    let noted = seen.clone();
    let layer = look(
        |_| (),
        move |outcome: Outcome| {
            let error = outcome.expect_err("a failure");
            *noted.lock().expect("unpoisoned") = NeverLeft::find(&*error);
            Err(error)
        },
    );
    let client = ClientBuilder::new(send_once(builder()).build().expect("a client"))
        .with(LayerMiddleware::over_send_once(layer))
        .with(OtherUrl)
        .build();
    let url = format!("http://{}/", dead_address());
    let error = client.get(&url).send().await.expect_err("nobody listens");
    assert_eq!(*seen.lock().expect("unpoisoned"), None);
    assert_eq!(error.url().expect("a URL").path(), "/elsewhere");
}

#[tokio::test]
async fn extensions_flow_down_and_back() {
    let server = Server::hello().await;
    let asked = Arc::new(Mutex::new(None));
    let noted = asked.clone();
    let layer = look(
        move |request: &mut Request<Body>| {
            let extensions = request.extensions_mut();
            *noted.lock().expect("unpoisoned") = extensions.get::<ClassOverride>().cloned();
            CallContext::of(extensions).set_attempt(2);
            extensions.insert(Mark("a layer's own"));
        },
        |outcome| {
            outcome.map(|mut response| {
                response.extensions_mut().insert(Renewed);
                response
            })
        },
    );
    let below = Below::default();
    let client = ClientBuilder::new(send_once(builder()).build().expect("a client"))
        .with(LayerMiddleware::over_send_once(layer))
        .with(below.clone())
        .build();

    let mut extensions = Extensions::new();
    extensions.insert(ClassOverride::new("merchant"));
    let request = client.get(server.url("/")).build().expect("a request");
    let response = client
        .execute_with_extensions(request, &mut extensions)
        .await;
    let response = response.expect("an answer");

    let merchant = Some(ClassOverride::new("merchant"));
    assert_eq!(*asked.lock().expect("unpoisoned"), merchant);
    let seen_below = below.extensions.lock().expect("unpoisoned").take();
    let seen_below = seen_below.expect("it was called");
    assert_eq!(seen_below.get::<ClassOverride>().cloned(), merchant);
    let context = CallContext::get(&seen_below).expect("a context");
    assert_eq!(context.attempt(), 2);
    assert_eq!(seen_below.get::<Mark>(), None);

    assert_eq!(response.extensions().get(), Some(&Renewed));
    assert_eq!(extensions.get(), Some(&Mark("from below")));
    assert_eq!(extensions.get::<ClassOverride>().cloned(), merchant);
    // Left behind, the context of this call would be taken for that of the caller's next one.
    assert!(CallContext::get(&extensions).is_none());
}

#[tokio::test]
async fn a_url_that_a_layer_made_ambiguous_never_leaves() {
    let server = Server::hello().await;
    let layer = look(
        |request: &mut Request<Body>| {
            let uri = request.uri().to_string() + "read/%2e%2e/execute";
            *request.uri_mut() = uri.parse().expect("a URI");
        },
        |outcome| outcome,
    );
    let client = layered(layer);
    let error = client.get(server.url("/")).send().await;
    let error = error.expect_err("refused");
    assert!(find::<UrlError>(&error).is_some());
    assert_eq!(NeverLeft::find(&error), Some(Refusal::Permanent));
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn calls_can_be_spawned_and_run_side_by_side() {
    let server = Server::hello().await;
    let layers = ServiceBuilder::new()
        .layer(look(|_| (), |outcome| outcome))
        .layer(tower::retry::RetryLayer::new(Again(true)))
        .into_inner();
    let client = layered(layers);
    let tasks: Vec<_> = (0..16)
        .map(|n| tokio::spawn(client.post(server.url("/")).body(n.to_string()).send()))
        .collect();
    for task in tasks {
        let response = task.await.expect("no panic").expect("an answer");
        assert_eq!(response.status(), 200);
    }
    let mut bodies: Vec<_> = server.seen().into_iter().map(|seen| seen.body).collect();
    bodies.sort();
    let mut expected: Vec<_> = (0..16).map(|n| n.to_string().into_bytes()).collect();
    expected.sort();
    assert_eq!(bodies, expected);
}
