//! What the order of the layers is for: retry → gate → rate → attach → client.

use std::convert::Infallible;
use std::future::ready;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Method, Request, Response};
use http_body_util::Full;
use tokio::time::{Instant, sleep};
use tollgate::auth::{Auth, Grant, Slot, SourceError, source_fn};
use tollgate::context::{BoxError, NeverLeft, Refusal};
use tollgate::{MINUTE, PeekLayer, Quota, RateLayer, RetryLayer, Route, Stack, Window};
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

type Body = Full<Bytes>;

/// The margin of a minute: a thousandth of it.
const MARGIN: Duration = Duration::from_millis(60);

/// What the server saw: when, and with which credential.
type Seen = Arc<Mutex<Vec<(Duration, String)>>>;

/// A server that answers at once, with a status that it works out from the number of the request and its credential.
fn server(
    seen: &Seen,
    status: impl Fn(usize, &str) -> u16 + Clone + Send + Sync + 'static,
) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static {
    let (seen, start) = (Arc::clone(seen), Instant::now());
    service_fn(move |request: Request<Body>| {
        let header = request.headers().get(AUTHORIZATION);
        let credential = header.and_then(|value| value.to_str().ok());
        let credential = credential.unwrap_or("none").trim_start_matches("Bearer ");
        let mut seen = seen.lock().expect("no test panics with it");
        seen.push((start.elapsed(), credential.to_owned()));
        let response = Response::builder().status(status(seen.len(), credential));
        ready(Ok(response.body(Body::default()).expect("a response")))
    })
}

fn get(path: &str) -> Request<Body> {
    let uri = format!("https://api.example.com{path}");
    Request::get(uri).body(Body::default()).expect("a request")
}

/// Tokens named token-1, token-2, …
fn counting(lifetime: Duration) -> impl tollgate::auth::Source {
    let fetched = AtomicU32::new(0);
    source_fn(move |_| {
        let n = fetched.fetch_add(1, Ordering::Relaxed) + 1;
        ready(Ok(Grant::new(format!("token-{n}")).lifetime(lifetime)))
    })
}

fn seen_of(seen: &Seen) -> Vec<(Duration, String)> {
    seen.lock().expect("no test panics with it").clone()
}

#[tokio::test(start_paused = true)]
async fn a_replay_after_a_401_is_counted() {
    let seen = Seen::default();
    let window = Window::new(Quota::rolling(2, MINUTE));
    let stack = Stack::new("https://api.example.com".parse().expect("an origin"))
        .token(counting(900 * Duration::from_secs(1)))
        .limit(window.clone())
        .build()
        .expect("a stack");
    // The server has forgotten the first token.
    let api = server(&seen, |_, token| if token == "token-1" { 401 } else { 200 });
    let client = ServiceBuilder::new().layer(stack).service(api);

    let first = client.clone().oneshot(get("/a")).await.expect("a response");
    assert_eq!(first.status(), 200);
    assert_eq!(window.snapshot().used, 2, "both attempts have a place");

    let second = client.oneshot(get("/b")).await.expect("a response");
    assert_eq!(second.status(), 200);
    let seen = seen_of(&seen);
    let tokens: Vec<&str> = seen.iter().map(|(_, token)| token.as_str()).collect();
    assert_eq!(tokens, ["token-1", "token-2", "token-2"]);
    assert_eq!(seen[2].0 - seen[0].0, MINUTE + MARGIN);
}

#[tokio::test(start_paused = true)]
async fn the_token_is_put_on_after_the_wait_for_a_place() {
    let seen = Seen::default();
    let slot =
        Slot::token("token", counting(Duration::from_secs(100))).soft(Duration::from_secs(20));
    let stack = Stack::new("https://api.example.com".parse().expect("an origin"))
        .slot(slot)
        .limit(Quota::rolling(1, MINUTE))
        .build()
        .expect("a stack");
    let client = ServiceBuilder::new()
        .layer(stack)
        .service(server(&seen, |_, _| 200));
    let call = |path| tokio::spawn(client.clone().oneshot(get(path)));

    call("/first").await.expect("no panic").expect("a response");
    // A place comes free each minute. Renewals start 80 to 85 s after one another, also while nobody is at the gate: calls
    // wait in the queue, and each departs with the newest token.
    let waiting = call("/waits-from-the-start");
    sleep(Duration::from_secs(40)).await;
    let early = call("/another");
    waiting.await.expect("no panic").expect("a response");
    sleep(Duration::from_secs(45)).await;
    let late = call("/the-last");
    early.await.expect("no panic").expect("a response");
    late.await.expect("no panic").expect("a response");

    let tokens: Vec<String> = seen_of(&seen).into_iter().map(|(_, token)| token).collect();
    assert_eq!(tokens, ["token-1", "token-1", "token-2", "token-3"]);
}

type Client = BoxCloneSyncService<Request<Body>, u16, BoxError>;

/// A stack whose token comes through the stack itself, under another slot that counts in the same `window`.
fn delegating(seen: &Seen, window: &Window) -> Client {
    let itself: Arc<OnceLock<Client>> = Arc::default();
    let exchange = Arc::clone(&itself);
    let source = source_fn(move |_| {
        let client = exchange.get().expect("the stack is built").clone();
        async move {
            let asked = client.oneshot(get("/token")).await;
            asked.map_err(SourceError::temporary)?;
            Ok(Grant::new("delegated").expires_in(900))
        }
    });
    let stack = Stack::new("https://api.example.com".parse().expect("an origin"))
        .slot(Slot::key("business", "key"))
        .slot(Slot::token("delegated", source.through("business")))
        .route(Route::new(Method::GET, "/token", "exchange"))
        .route(Route::new(Method::GET, "/read", "exchange"))
        .route(Route::new(Method::GET, "/trade", "execute"))
        .class("exchange", "business")
        .class("execute", "delegated")
        .rate(
            RateLayer::by_slot()
                .slot("business", window.clone())
                .slot("delegated", window.clone()),
        )
        .build()
        .expect("a stack");
    let client = ServiceBuilder::new()
        .layer(stack)
        .service(server(seen, |_, _| 200))
        .map_response(|response: Response<_>| response.status().as_u16());
    let client = BoxCloneSyncService::new(client);
    assert!(itself.set(client.clone()).is_ok());
    client
}

/// Sends ten calls at once, which all finish.
async fn ten_trades(client: &Client) {
    let calls: Vec<_> = (0..10)
        .map(|_| tokio::spawn(client.clone().oneshot(get("/trade"))))
        .collect();
    for call in calls {
        let status = call.await.expect("no panic").expect("a response");
        assert_eq!(status, 200);
    }
}

fn credentials(seen: &[(Duration, String)]) -> Vec<&str> {
    let credentials = seen.iter().map(|(_, credential)| credential.as_str());
    credentials.collect()
}

#[tokio::test(start_paused = true)]
async fn ten_callers_over_ten_places_whose_token_needs_a_place_all_finish() {
    let seen = Seen::default();
    let start = Instant::now();
    let client = delegating(&seen, &Window::new(Quota::rolling(10, MINUTE)));
    ten_trades(&client).await;
    assert_eq!(
        start.elapsed(),
        MINUTE + MARGIN,
        "the tenth waits for the exchange's place"
    );
    let seen = seen_of(&seen);
    assert_eq!(seen.len(), 11);
    assert_eq!(seen[0].0, Duration::ZERO);
    assert_eq!(credentials(&seen[..1]), ["key"]);
    assert_eq!(credentials(&seen[1..]), ["delegated"; 10]);
}

#[tokio::test(start_paused = true)]
async fn ten_callers_finish_though_the_window_is_used_up_when_they_come() {
    let seen = Seen::default();
    let start = Instant::now();
    let client = delegating(&seen, &Window::new(Quota::rolling(10, MINUTE)));
    for _ in 0..10 {
        let status = client.clone().oneshot(get("/read")).await;
        assert_eq!(status.expect("a response"), 200);
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    ten_trades(&client).await;
    // The exchange waits for the first minute to pass, and so do nine callers; the tenth for the exchange's place.
    assert_eq!(start.elapsed(), (MINUTE + MARGIN) * 2);
    let seen = seen_of(&seen);
    assert_eq!(seen.len(), 21);
    assert_eq!(credentials(&seen[..11]), ["key"; 11]);
    assert_eq!(credentials(&seen[11..]), ["delegated"; 10]);
    assert_eq!(seen[10].0, MINUTE + MARGIN);
}

#[tokio::test(start_paused = true)]
async fn a_token_fetch_keeps_its_turn_for_as_long_as_the_rate_layer_lets_it_wait() {
    let seen = Seen::default();
    let start = Instant::now();
    let client = delegating(&seen, &Window::new(Quota::rolling(10, MINUTE)));
    let reads: Vec<_> = (0..20)
        .map(|_| tokio::spawn(client.clone().oneshot(get("/read"))))
        .collect();
    // The last ten wait for a minute, and the exchange for all but two: a fetch that gave up would rejoin at the end.
    sleep(Duration::from_secs(1)).await;
    let status = client.oneshot(get("/trade")).await;
    assert_eq!(status.expect("a response"), 200);
    assert_eq!(start.elapsed(), (MINUTE + MARGIN) * 2);
    for read in reads {
        read.await.expect("no panic").expect("a response");
    }
    assert_eq!(seen_of(&seen).len(), 22);
}

#[tokio::test(start_paused = true)]
async fn a_gate_below_a_rate_layer_is_refused() {
    let seen = Seen::default();
    let slot = Slot::token("token", counting(MINUTE))
        .origin("https://api.example.com".parse().expect("an origin"));
    let auth = Auth::single(slot).expect("a slot");
    let client = ServiceBuilder::new()
        .layer(RetryLayer::new())
        .layer(RateLayer::new(Quota::rolling(10, MINUTE)))
        .layer(auth.gate())
        .layer(PeekLayer::new())
        .layer(auth.attach())
        .service(server(&seen, |_, _| 200));
    let error = client
        .oneshot(get("/a"))
        .await
        .expect_err("the wrong order");
    assert_eq!(NeverLeft::find(&*error), Some(Refusal::Permanent));
    assert!(error.to_string().contains("rate"), "{error}");
    assert!(seen_of(&seen).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_leaves_its_place() {
    let seen = Seen::default();
    let window = Window::new(Quota::rolling(1, MINUTE));
    let key = Slot::key("key", "secret");
    let stack = Stack::new("https://api.example.com".parse().expect("an origin"))
        .slot(key)
        .limit(window.clone())
        .build()
        .expect("a stack");
    let client = ServiceBuilder::new()
        .layer(stack)
        .service(server(&seen, |_, _| 200));
    let elsewhere = Request::get("https://evil.example/").body(Body::default());
    let refused = client.clone().oneshot(elsewhere.expect("a request")).await;
    assert!(refused.is_err());
    assert_eq!(window.snapshot().used + window.snapshot().in_flight, 0);
    let response = client.oneshot(get("/a")).await.expect("a response");
    assert_eq!(response.status(), 200);
    assert_eq!(seen_of(&seen), [(Duration::ZERO, "secret".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_retry_layer_below_a_rate_layer_is_refused() {
    let seen = Seen::default();
    let window = Window::new(Quota::rolling(1, MINUTE));
    let client = ServiceBuilder::new()
        .layer(RateLayer::new(window.clone()))
        .layer(RetryLayer::new())
        .service(server(&seen, |_, _| 503));
    let error = client
        .oneshot(get("/a"))
        .await
        .expect_err("the wrong order");
    assert_eq!(NeverLeft::find(&*error), Some(Refusal::Permanent));
    let text = "put the retry layer above the rate layer";
    assert!(error.to_string().contains(text), "{error}");
    assert!(seen_of(&seen).is_empty());
    assert_eq!(window.snapshot().used + window.snapshot().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_credential_put_on_above_a_rate_layer_is_refused() {
    let seen = Seen::default();
    let slot = Slot::token("token", counting(Duration::from_secs(50)));
    let auth = Auth::builder()
        .origin("https://api.example.com".parse().expect("an origin"))
        .slot(slot)
        .build()
        .expect("a slot");
    let window = Window::new(Quota::rolling(1, MINUTE));
    let limited = ServiceBuilder::new()
        .layer(RateLayer::new(window.clone()))
        .service(server(&seen, |_, _| 200));
    let halves = ServiceBuilder::new()
        .layer(auth.gate())
        .layer(auth.attach());
    let outcomes = [
        auth.layer().layer(limited.clone()).oneshot(get("/a")).await,
        halves.service(limited).oneshot(get("/a")).await,
    ];
    for outcome in outcomes {
        let error = outcome.expect_err("the wrong order");
        assert_eq!(NeverLeft::find(&*error), Some(Refusal::Permanent));
        let text = "put `attach` below the rate layer";
        assert!(error.to_string().contains(text), "{error}");
    }
    assert!(seen_of(&seen).is_empty());
    assert_eq!(window.snapshot().used + window.snapshot().in_flight, 0);
}

/// Answers one request, and is never ready for a second one.
#[derive(Clone, Default)]
struct NeverReadyAgain(Arc<AtomicU32>);

impl Service<Request<Body>> for NeverReadyAgain {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        match self.0.load(Ordering::Relaxed) {
            0 => Poll::Ready(Ok(())),
            _ => Poll::Pending,
        }
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        self.0.fetch_add(1, Ordering::Relaxed);
        let response = Response::builder().status(503).body(Body::default());
        ready(Ok(response.expect("a response")))
    }
}

#[tokio::test(start_paused = true)]
async fn a_replay_that_never_departed_by_the_deadline_leaves_the_earlier_outcome_and_no_place_taken()
 {
    let window = Window::new(Quota::rolling(10, MINUTE));
    let stack = Stack::new("https://api.example.com".parse().expect("an origin"))
        .key("secret")
        .limit(window.clone())
        .retry(RetryLayer::new().deadline(Duration::from_secs(5)))
        .build()
        .expect("a stack");
    let start = Instant::now();
    let outcome = stack
        .layer(NeverReadyAgain::default())
        .oneshot(get("/a"))
        .await;
    assert_eq!(outcome.expect("the earlier response").status(), 503);
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    let snapshot = window.snapshot();
    assert_eq!((snapshot.used, snapshot.in_flight), (1, 0));
    assert_eq!(snapshot.counts.given_back, 1);
}
