//! Another credential for one request, through replays and redirects: it stays on that request, and with its origins.

use std::convert::Infallible;
use std::future::ready;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, LOCATION};
use http::{Request, Response};
use http_body_util::Full;
use tollgate::auth::{Auth, AuthBuilder, Elsewhere, Override, Reason, Slot, source_fn};
use tollgate::{AuthError, BoxError, Grant, NeverLeft, RetryLayer, Stack, find};
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_http::follow_redirect::policy::{FilterCredentials, Limited, Policy, PolicyExt};

type Body = Full<Bytes>;
type Caller = BoxCloneSyncService<Request<Body>, u16, BoxError>;

const HOME: &str = "https://api.example.com";
const AWAY: &str = "https://evil.example";

/// What the servers have seen: where, and which credential.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("not poisoned"))
    }

    /// Servers that answer the n-th request to a URI, counted from 1, with a status and a place to go to.
    fn servers(
        &self,
        answer: fn(&str, usize) -> (u16, &'static str),
    ) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static {
        let seen = self.clone();
        let uris = Arc::new(Mutex::new(Vec::new()));
        service_fn(move |request: Request<Body>| {
            let uri = request.uri().to_string();
            let values = request.headers().get_all(AUTHORIZATION).iter();
            let values: Vec<_> = values.map(|value| value.to_str().expect("text")).collect();
            let credential = values.join(" and ").replace("Bearer ", "");
            let line = format!("{uri} {credential}").trim_end().replace(HOME, "");
            seen.0.lock().expect("not poisoned").push(line);
            let mut uris = uris.lock().expect("not poisoned");
            uris.push(uri.clone());
            let n = uris.iter().filter(|&seen| *seen == uri).count();
            let (status, location) = answer(&uri, n);
            let response = Response::builder()
                .status(status)
                .header(LOCATION, location);
            ready(Ok(response.body(Body::default()).expect("a response")))
        })
    }
}

/// A slot whose tokens are `own-1`, `own-2` and so on, and how many were fetched.
fn slot() -> (Slot, Arc<AtomicU32>) {
    let fetches = Arc::new(AtomicU32::new(0));
    let fetched = Arc::clone(&fetches);
    let source = source_fn(move |_| {
        let n = fetched.fetch_add(1, Ordering::SeqCst) + 1;
        ready(Ok(Grant::new(format!("own-{n}")).expires_in(3600)))
    });
    let slot = Slot::token("key", source).origin(HOME.parse().expect("an origin"));
    (slot, fetches)
}

fn stack(slot: Slot, elsewhere: Elsewhere) -> Stack {
    let stack = Stack::new(HOME.parse().expect("an origin"));
    let stack = stack.slot(slot).elsewhere(elsewhere);
    stack.build().expect("a stack")
}

fn auth(slot: Slot, elsewhere: Elsewhere) -> Auth {
    let builder: AuthBuilder = Auth::builder().slot(slot).elsewhere(elsewhere);
    builder.build().expect("a valid slot")
}

fn caller<S, E>(service: S) -> Caller
where
    S: Service<Request<Body>, Error = E> + Clone + Send + Sync + 'static,
    S::Response: Status,
    S::Future: Send,
    E: Into<BoxError> + 'static,
{
    let service = service.map_response(|response: S::Response| response.code());
    BoxCloneSyncService::new(service.map_err(Into::into))
}

trait Status {
    fn code(&self) -> u16;
}

impl<B> Status for Response<B> {
    fn code(&self) -> u16 {
        self.status().as_u16()
    }
}

fn get(path: &str) -> Request<Body> {
    let uri = format!("{HOME}{path}");
    Request::get(uri).body(Body::default()).expect("a request")
}

fn mine(path: &str) -> Request<Body> {
    let mut request = get(path);
    request.extensions_mut().insert(Override::secret("mine"));
    request
}

/// How a call ends: the status, or the reason of the refusal.
async fn outcome(caller: &Caller, request: Request<Body>) -> Result<u16, Reason> {
    caller.clone().oneshot(request).await.map_err(|error| {
        assert!(NeverLeft::find(&*error).is_some(), "{error}");
        find::<AuthError>(&*error).expect("a refusal").reason()
    })
}

#[tokio::test(start_paused = true)]
async fn an_override_goes_with_each_replay_of_its_request_and_with_no_other() {
    let seen = Seen::default();
    let (slot, fetches) = slot();
    let stack = stack(slot, Elsewhere::Refuse);
    let auth = stack.auth().clone();
    let servers = seen.servers(|uri, n| match uri.ends_with("/busy") {
        true if n < 3 => (503, ""),
        _ => (200, ""),
    });
    let client = caller(ServiceBuilder::new().layer(stack).service(servers));
    let calling = client.clone();
    let call = tokio::spawn(async move { outcome(&calling, mine("/busy")).await });
    tokio::task::yield_now().await;
    assert_eq!(seen.take(), ["/busy mine"]);
    assert_eq!(fetches.load(Ordering::SeqCst), 0, "it waits for no token");
    // Another one while the first is between two attempts.
    assert_eq!(outcome(&client, get("/plain")).await, Ok(200));
    assert_eq!(seen.take(), ["/plain own-1"]);
    assert_eq!(call.await.expect("no panic"), Ok(200));
    assert_eq!(seen.take(), ["/busy mine", "/busy mine"]);
    assert_eq!(outcome(&client, get("/busy")).await, Ok(200));
    assert_eq!(seen.take(), ["/busy own-1"]);
    let usable = auth.token("key").and_then(|token| token.current());
    assert_eq!(usable.expect("a token").token().expose(), "own-1");
    assert_eq!(fetches.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_401_to_an_override_is_the_callers_and_replays_and_renews_nothing() {
    let seen = Seen::default();
    let (slot, fetches) = slot();
    let stack = stack(slot, Elsewhere::Refuse);
    let servers = seen.servers(|uri, _| match uri.ends_with("/locked") {
        true => (401, ""),
        false => (200, ""),
    });
    let client = caller(ServiceBuilder::new().layer(stack).service(servers));
    assert_eq!(outcome(&client, get("/plain")).await, Ok(200));
    assert_eq!(outcome(&client, mine("/locked")).await, Ok(401));
    assert_eq!(outcome(&client, get("/plain")).await, Ok(200));
    assert_eq!(
        seen.take(),
        ["/plain own-1", "/locked mine", "/plain own-1"]
    );
    assert_eq!(fetches.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_replay_that_is_sent_elsewhere_takes_no_override_along() {
    // What the server has said is not replaced by a refusal of the replay.
    for (elsewhere, ended, expected) in [
        (Elsewhere::Refuse, Ok(503), &["/busy mine"][..]),
        (
            Elsewhere::PassBare,
            Ok(200),
            &["/busy mine", "https://evil.example/busy"],
        ),
    ] {
        let seen = Seen::default();
        let (slot, _) = slot();
        let servers = seen.servers(|uri, _| match uri.starts_with(HOME) {
            true => (503, ""),
            false => (200, ""),
        });
        // A layer that looks for another host where the first one was busy.
        let attempts = Arc::new(AtomicU32::new(0));
        let another = move |mut request: Request<Body>| {
            if attempts.fetch_add(1, Ordering::SeqCst) > 0 {
                *request.uri_mut() = format!("{AWAY}/busy").parse().expect("a URI");
            }
            request
        };
        let client = ServiceBuilder::new()
            .layer(RetryLayer::new().base(Duration::from_millis(1)))
            .map_request(another)
            .layer(auth(slot, elsewhere).layer())
            .service(servers);
        let client = caller(client);
        assert_eq!(outcome(&client, mine("/busy")).await, ended);
        assert_eq!(seen.take(), expected);
    }
}

/// Follows redirects, and keeps the override over a foreign hop where it `remembers`.
fn following(
    remembers: bool,
) -> FollowRedirectLayer<impl Policy<Body, BoxError> + Clone + Send + Sync + 'static> {
    let filter = match remembers {
        true => FilterCredentials::new().allow_extension::<Override>(),
        false => FilterCredentials::new(),
    };
    let policy = Limited::default().and::<_, Body, BoxError>(filter);
    FollowRedirectLayer::with_policy(policy)
}

/// Where redirects are followed, above and between the halves.
fn places(elsewhere: Elsewhere, remembers: bool, seen: &Seen) -> Vec<(&'static str, Caller)> {
    let servers = || {
        let servers = seen.servers(|uri, n| match uri.strip_prefix(HOME) {
            Some("/0") => (302, "https://evil.example/1"),
            Some("/home") => (302, "/busy"),
            Some("/busy") if n % 2 == 1 => (503, ""),
            None => (302, "https://api.example.com/2"),
            _ => (200, ""),
        });
        servers.map_err(BoxError::from)
    };
    let follow = || following(remembers);
    let layers = ServiceBuilder::new;
    let auth = || auth(slot().0, elsewhere);
    let halves = auth();
    vec![
        (
            "above a stack",
            caller(
                layers()
                    .layer(follow())
                    .layer(stack(slot().0, elsewhere))
                    .service(servers()),
            ),
        ),
        (
            "above the layer",
            caller(
                layers()
                    .layer(follow())
                    .layer(auth().layer())
                    .service(servers()),
            ),
        ),
        (
            "between the halves",
            caller(
                layers()
                    .layer(halves.gate())
                    .layer(follow())
                    .layer(halves.attach())
                    .service(servers()),
            ),
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn no_redirect_takes_an_override_elsewhere_and_it_is_put_on_again_at_home() {
    for (elsewhere, remembers, ended, expected) in [
        (
            Elsewhere::Refuse,
            true,
            Err(Reason::Elsewhere),
            &["/0 mine"][..],
        ),
        (
            Elsewhere::Refuse,
            false,
            Err(Reason::Elsewhere),
            &["/0 mine"],
        ),
        (
            Elsewhere::PassBare,
            true,
            Ok(200),
            &["/0 mine", "https://evil.example/1", "/2 mine"],
        ),
        (
            Elsewhere::PassBare,
            false,
            Ok(200),
            &["/0 mine", "https://evil.example/1", "/2 own-1"],
        ),
    ] {
        let seen = Seen::default();
        for (place, client) in places(elsewhere, remembers, &seen) {
            let outcome = outcome(&client, mine("/0")).await;
            let context = format!("{place} {elsewhere:?} {remembers}");
            let seen = seen.take();
            // Where the gate stands above, it has not waited for the token that the last hop needs.
            if place == "between the halves" && !remembers && elsewhere == Elsewhere::PassBare {
                assert_eq!(outcome, Err(Reason::NotUsable), "{context}");
                assert_eq!(seen, expected[..2], "{context}");
                continue;
            }
            assert_eq!(outcome, ended, "{context}");
            assert_eq!(seen, expected, "{context}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_override_goes_with_the_replays_of_where_a_redirect_at_home_leads() {
    let seen = Seen::default();
    let [(_, client), ..] = &places(Elsewhere::Refuse, false, &seen)[..] else {
        unreachable!("three places");
    };
    assert_eq!(outcome(client, mine("/home")).await, Ok(200));
    assert_eq!(seen.take(), ["/home mine", "/busy mine", "/busy mine"]);
    assert_eq!(outcome(client, get("/home")).await, Ok(200));
    assert_eq!(seen.take(), ["/home own-1", "/busy own-1", "/busy own-1"]);
}
