//! A source and a server that tests steer, and the requests between them.

use std::error::Error;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use auth_layer::{Auth, AuthError, AuthLayer, Fetch, Grant, Reason, Slot, SourceError, source_fn};
use call_context::{BoxError, NeverLeft, Origin, Refusal};
use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};
use tokio::time::Instant;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt, service_fn};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Grant, SourceError>> + Send>>;
pub(crate) type Client = BoxCloneSyncService<Request<String>, Response<String>, BoxError>;

pub(crate) fn origin() -> Origin {
    "https://api.example.com".parse().expect("an origin")
}

pub(crate) fn request() -> Request<String> {
    to("https://api.example.com/a")
}

pub(crate) fn to(uri: &str) -> Request<String> {
    Request::get(uri).body(String::new()).expect("a request")
}

/// Counts its fetches and answers the n-th, counted from 1, as the script says.
#[derive(Clone, Default)]
pub(crate) struct Supply {
    fetches: Arc<AtomicU64>,
}

impl Supply {
    pub(crate) fn fetches(&self) -> u64 {
        self.fetches.load(Ordering::SeqCst)
    }

    pub(crate) fn slot<F>(&self, script: F) -> Slot
    where
        F: Fn(u64, Fetch) -> Answer + Send + Sync + 'static,
    {
        let supply = self.clone();
        let source = source_fn(move |fetch| {
            let n = supply.fetches.fetch_add(1, Ordering::SeqCst) + 1;
            script(n, fetch)
        });
        Slot::token("wallet", source).origin(origin())
    }

    /// Tokens `t1`, `t2` and so on, each after `latency`.
    pub(crate) fn steady(&self, latency: Duration, lifetime: Duration) -> Slot {
        self.slot(move |n, _| after(latency, Ok(token(n).lifetime(lifetime))))
    }
}

pub(crate) fn token(n: u64) -> Grant {
    Grant::new(format!("t{n}"))
}

pub(crate) fn at_once(answer: Result<Grant, SourceError>) -> Answer {
    Box::pin(async move { answer })
}

pub(crate) fn after(latency: Duration, answer: Result<Grant, SourceError>) -> Answer {
    Box::pin(async move {
        tokio::time::sleep(latency).await;
        answer
    })
}

pub(crate) fn never() -> Answer {
    Box::pin(std::future::pending())
}

/// Answers by the credential it sees; the body of its answer is that credential.
#[derive(Clone, Default)]
pub(crate) struct Server {
    seen: Arc<Mutex<Vec<String>>>,
    refused: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers 401 to the bearer `token` from now on.
    pub(crate) fn refuse(&self, token: &str) {
        lock(&self.refused).push(format!("Bearer {token}"));
    }

    pub(crate) fn seen(&self) -> Vec<String> {
        lock(&self.seen).clone()
    }

    pub(crate) fn behind(&self, layer: AuthLayer) -> Client {
        let server = self.clone();
        let service = service_fn(move |request: Request<String>| {
            let answer = server.answer(&request);
            async move { Ok::<_, BoxError>(answer) }
        });
        BoxCloneSyncService::new(layer.layer(service))
    }

    fn answer(&self, request: &Request<String>) -> Response<String> {
        let credential = request.headers().get(AUTHORIZATION);
        let credential = credential.map_or("", |value| value.to_str().expect("visible ASCII"));
        lock(&self.seen).push(credential.to_owned());
        let refused = lock(&self.refused).iter().any(|r| r == credential);
        let mut response = Response::new(credential.to_owned());
        if refused {
            *response.status_mut() = StatusCode::UNAUTHORIZED;
        }
        response
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A wall clock that runs with the monotonic one, paused or not, and jumps by so many seconds.
pub(crate) fn wall() -> (
    Arc<AtomicI64>,
    impl Fn() -> SystemTime + Send + Sync + 'static,
) {
    let jumped = Arc::new(AtomicI64::new(0));
    let start = Instant::now();
    let read = Arc::clone(&jumped);
    let now = move || {
        let seconds = 1_700_000_000 + read.load(Ordering::SeqCst);
        let seconds = u64::try_from(seconds).expect("after 1970");
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + start.elapsed()
    };
    (jumped, now)
}

/// One slot, both halves, before a fresh server.
pub(crate) fn client(slot: Slot) -> (Auth, Server, Client) {
    let auth = Auth::single(slot).expect("a valid slot");
    let server = Server::default();
    let client = server.behind(auth.layer());
    (auth, server, client)
}

/// Sends one plain request and gives the credential that the server saw.
pub(crate) async fn send(client: &Client) -> Result<String, BoxError> {
    let response = client.clone().oneshot(request()).await?;
    Ok(response.into_body())
}

pub(crate) async fn reason(client: &Client) -> Reason {
    refused(&send(client).await.expect_err("a refusal")).reason()
}

/// The refusal that `error` is, which must agree with its mark.
pub(crate) fn refused(error: &BoxError) -> &AuthError {
    let refused = error.downcast_ref::<AuthError>().expect("a refusal");
    let mark = NeverLeft::find(refused).expect("a mark");
    assert_eq!(mark, refused.reason().refusal());
    refused
}

pub(crate) fn reason_of<T>(outcome: Result<T, BoxError>) -> Reason {
    match outcome {
        Ok(_) => panic!("not refused"),
        Err(error) => refused(&error).reason(),
    }
}

pub(crate) fn is_permanent(reason: Reason) -> bool {
    reason.refusal() == Refusal::Permanent
}

/// An error and all its causes, one after the other.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let links = std::iter::successors(Some(error), |&link| link.source());
    links
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
