//! A server made of a script: it answers with what it has been given, in order, and remembers what it was asked.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use call_context::{BoxError, CallContext, NeverLeft, Refusal, Renewed};
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use retry_layer::{Retry, RetryBody, RetryLayer};
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceExt};

pub(crate) type Answer = Result<Response<Full<Bytes>>, BoxError>;
pub(crate) type Outcome = Result<Response<RetryBody<Full<Bytes>>>, BoxError>;

/// What one attempt looked like to the server.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) at: Duration,
    pub(crate) attempt: u32,
    pub(crate) class: Option<String>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

struct Shared {
    answers: VecDeque<(Duration, Answer)>,
    seen: Vec<Seen>,
    start: Instant,
    not_ready: Option<(usize, BoxError)>,
    ready_after: Option<usize>,
    ready_again_at: Option<Instant>,
}

#[derive(Clone)]
pub(crate) struct Script(Arc<Mutex<Shared>>);

impl Script {
    pub(crate) fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::slow(answers.into_iter().map(|answer| (Duration::ZERO, answer)))
    }

    /// Answers, each after a while.
    pub(crate) fn slow(answers: impl IntoIterator<Item = (Duration, Answer)>) -> Self {
        Self(Arc::new(Mutex::new(Shared {
            answers: answers.into_iter().collect(),
            seen: Vec::new(),
            start: Instant::now(),
            not_ready: None,
            ready_after: None,
            ready_again_at: None,
        })))
    }

    /// Fails to become ready once `calls` calls have been made.
    pub(crate) fn break_readiness_after(&self, calls: usize, error: impl Into<BoxError>) {
        self.0.lock().expect("no test panics with it").not_ready = Some((calls, error.into()));
    }

    /// Never becomes ready again once `calls` calls have been made.
    pub(crate) fn hang_readiness_after(&self, calls: usize) {
        self.0.lock().expect("no test panics with it").ready_after = Some(calls);
    }

    /// Becomes ready again, after the first call, no sooner than then.
    pub(crate) fn ready_again_at(&self, at: Instant) {
        let mut shared = self.0.lock().expect("no test panics with it");
        shared.ready_after = Some(1);
        shared.ready_again_at = Some(at);
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.0.lock().expect("no test panics with it").seen.clone()
    }

    pub(crate) fn calls(&self) -> usize {
        self.0.lock().expect("no test panics with it").seen.len()
    }

    /// How many clones of it are alive.
    pub(crate) fn alive(&self) -> usize {
        Arc::strong_count(&self.0)
    }
}

impl Service<Request<Full<Bytes>>> for Script {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let mut shared = self.0.lock().expect("no test panics with it");
        let calls = shared.seen.len();
        let again = shared.ready_again_at.is_some_and(|at| at <= Instant::now());
        if shared.ready_after.is_some_and(|after| calls >= after) && !again {
            return Poll::Pending;
        }
        match shared.not_ready.take_if(|(after, _)| calls >= *after) {
            Some((_, error)) => Poll::Ready(Err(error)),
            None => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let shared = Arc::clone(&self.0);
        let (parts, body) = request.into_parts();
        let context = CallContext::get(&parts.extensions);
        let mut guard = shared.lock().expect("no test panics with it");
        let seen = Seen {
            at: guard.start.elapsed(),
            attempt: context.map_or(0, CallContext::attempt),
            class: context.and_then(CallContext::class).map(|c| c.to_string()),
            deadline: context
                .and_then(CallContext::deadline)
                .map(Instant::from_std),
            method: parts.method,
            uri: parts.uri,
            headers: parts.headers,
            body: body.into_inner().unwrap_or_default(),
        };
        guard.seen.push(seen);
        let (delay, answer) = guard.answers.pop_front().expect("the script goes on");
        drop(guard);
        Box::pin(async move {
            if !delay.is_zero() {
                sleep(delay).await;
            }
            answer
        })
    }
}

pub(crate) fn status(status: u16) -> Answer {
    Ok(response(status, "").expect("a response"))
}

pub(crate) fn response(status: u16, body: &'static str) -> Answer {
    let response = Response::builder().status(status);
    Ok(response.body(Full::from(body))?)
}

pub(crate) fn with_header(status: u16, name: &'static str, value: &'static str) -> Answer {
    let response = Response::builder().status(status).header(name, value);
    Ok(response.body(Full::from("said by the server"))?)
}

pub(crate) fn renewed() -> Answer {
    let mut response = response(401, "refused")?;
    response.extensions_mut().insert(Renewed);
    Ok(response)
}

pub(crate) fn never_left(refusal: Refusal) -> Answer {
    Err(NeverLeft::new(refusal).into())
}

pub(crate) fn broken() -> Answer {
    Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into())
}

pub(crate) fn get() -> Request<Full<Bytes>> {
    request(Method::GET)
}

pub(crate) fn post() -> Request<Full<Bytes>> {
    request(Method::POST)
}

pub(crate) fn request(method: Method) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri("https://api.example.com/execute/trades?x=1")
        .header("x-caller", "me")
        .body(Full::from("an order"))
        .expect("a request")
}

pub(crate) async fn run(
    layer: &RetryLayer,
    script: &Script,
    request: Request<Full<Bytes>>,
) -> Outcome {
    let service: Retry<Script> = layer.layer(script.clone());
    service.oneshot(request).await
}

pub(crate) async fn text(response: Response<RetryBody<Full<Bytes>>>) -> String {
    let body = response.into_body().collect().await;
    let body: Result<_, Infallible> = body;
    String::from_utf8(body.expect("infallible").to_bytes().to_vec()).expect("text")
}

/// A layer whose pauses are zero unless the server asks for one.
pub(crate) fn prompt() -> RetryLayer {
    RetryLayer::new()
        .base(Duration::ZERO)
        .throttle_base(Duration::ZERO)
}
