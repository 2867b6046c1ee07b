//! A server that keeps a list of when each request departed and was answered, and the checks on it.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses a part of it"
)]

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use tokio::time::Instant;
use tower::Service;

pub const MS: Duration = Duration::from_millis(1);

/// When a request departed, and the last moment at which the server may have counted it.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// The request's [`Label`], 0 without one.
    pub label: u32,
    pub departed: Instant,
    pub counted_by: Option<Instant>,
}

/// Tells requests apart, as an extension of theirs.
#[derive(Clone, Copy, Debug)]
pub struct Label(pub u32);

/// A server that answers each request after a latency from a script, the last entry again and again.
#[derive(Clone)]
pub struct Server {
    state: Arc<Mutex<State>>,
    respond: Arc<Respond>,
}

type Respond = dyn Fn(&Request<()>) -> Response<()> + Send + Sync;

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(&self.state).finish()
    }
}

#[derive(Debug)]
struct State {
    latencies: VecDeque<Duration>,
    /// How late a request may be counted that was given up.
    grace: Duration,
    seen: Vec<Seen>,
}

impl Server {
    pub fn with_latency(latency: Duration) -> Self {
        Self::with_latencies([latency])
    }

    pub fn with_latencies(latencies: impl IntoIterator<Item = Duration>) -> Self {
        let state = State {
            latencies: latencies.into_iter().collect(),
            grace: Duration::from_secs(10),
            seen: Vec::new(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            respond: Arc::new(|_| Response::new(())),
        }
    }

    /// Makes each response by `respond`, at the moment at which it is sent.
    pub fn responding(
        mut self,
        respond: impl Fn(&Request<()>) -> Response<()> + Send + Sync + 'static,
    ) -> Self {
        self.respond = Arc::new(respond);
        self
    }

    /// Counts requests that were given up within `grace`, which is the quota's.
    pub fn grace(self, grace: Duration) -> Self {
        self.state.lock().unwrap().grace = grace;
        self
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    /// Forgets the script: from now on there is no latency.
    pub fn answer_at_once(&self) {
        self.state.lock().unwrap().latencies = VecDeque::from([Duration::ZERO]);
    }

    pub fn departures(&self) -> Vec<Instant> {
        self.seen().iter().map(|seen| seen.departed).collect()
    }

    /// When each request with a label departed, since `start`, by label.
    pub fn departed(&self, start: Instant) -> Vec<(u32, Duration)> {
        let mut departed: Vec<_> = self
            .seen()
            .iter()
            .map(|seen| (seen.label, seen.departed - start))
            .collect();
        departed.sort();
        departed
    }

    /// The labels, in the order in which the requests departed.
    pub fn order(&self) -> Vec<u32> {
        self.seen().iter().map(|seen| seen.label).collect()
    }

    /// The most requests that the server can have counted in any half-open window, whatever the moments were.
    ///
    /// It may count a request at any moment from departure to `counted_by`; so a window may hold every request whose span
    /// touches it.
    pub fn worst_window(&self, window: Duration, grace: Duration) -> usize {
        let spans: Vec<(Instant, Instant)> = self
            .seen()
            .iter()
            .map(|seen| {
                let end = seen.counted_by.unwrap_or_else(|| Instant::now() + grace);
                (seen.departed, end)
            })
            .collect();
        spans
            .iter()
            .map(|&(_, start)| {
                spans
                    .iter()
                    .filter(|&&(departed, counted_by)| {
                        departed < start + window && counted_by >= start
                    })
                    .count()
            })
            .max()
            .unwrap_or(0)
    }
}

/// Notes when its request ended, also when it is dropped before.
struct Span {
    state: Arc<Mutex<State>>,
    index: usize,
    grace: Duration,
}

impl Drop for Span {
    fn drop(&mut self) {
        let ended = Instant::now() + self.grace;
        self.state.lock().unwrap().seen[self.index].counted_by = Some(ended);
    }
}

impl Service<Request<()>> for Server {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<()>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let label = request.extensions().get().map_or(0, |&Label(label)| label);
        let respond = Arc::clone(&self.respond);
        let mut state = self.state.lock().unwrap();
        let latency = match state.latencies.len() {
            1 => state.latencies[0],
            _ => state.latencies.pop_front().expect("a latency is left"),
        };
        state.seen.push(Seen {
            label,
            departed: Instant::now(),
            counted_by: None,
        });
        let span = Span {
            state: Arc::clone(&self.state),
            index: state.seen.len() - 1,
            grace: state.grace,
        };
        drop(state);
        Box::pin(async move {
            let mut span = span;
            if !latency.is_zero() {
                tokio::time::sleep(latency).await;
            }
            span.grace = Duration::ZERO;
            Ok(respond(&request))
        })
    }
}

pub fn request() -> Request<()> {
    Request::new(())
}

pub fn request_of(slot: &str) -> Request<()> {
    let mut request = request();
    call_context::CallContext::of(request.extensions_mut()).set_slot(slot.into());
    request
}

/// A request that goes by `label`.
pub fn labelled(label: u32) -> Request<()> {
    let mut request = request();
    request.extensions_mut().insert(Label(label));
    request
}

/// Lets every task that can go on do so, while the clock stands still.
pub async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}
