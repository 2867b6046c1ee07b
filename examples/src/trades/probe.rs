//! What is known of each attempt below all layers.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use http::Request;
use hyper_util::client::legacy;
use tollgate::context::{BoxError, Unprocessed};
use tower::Service;
use tower::timeout::error::Elapsed;

/// The number of a trade, which travels in the extensions of its requests.
#[derive(Clone, Copy, Debug)]
pub struct TradeNumber(pub u32);

/// Attempts by trade.
#[derive(Debug)]
pub struct Wire {
    attempts: Box<[Attempts]>,
    undispatched: AtomicU64,
    timed_out: AtomicU64,
    claimed: AtomicU64,
}

#[derive(Debug, Default)]
struct Attempts {
    made: AtomicU32,
    never_left: AtomicU32,
}

impl Wire {
    /// For the trades 0 to `trades`, the last one excluded.
    #[must_use]
    pub fn new(trades: u32) -> Self {
        Self {
            attempts: (0..trades).map(|_| Attempts::default()).collect(),
            undispatched: AtomicU64::new(0),
            timed_out: AtomicU64::new(0),
            claimed: AtomicU64::new(0),
        }
    }

    /// How often `trade` was handed to the client, and how often it provably never left.
    #[must_use]
    pub fn attempts(&self, trade: u32) -> (u32, u32) {
        let attempts = self.attempts.get(trade as usize);
        attempts.map_or((0, 0), |attempts| {
            (
                attempts.made.load(Relaxed),
                attempts.never_left.load(Relaxed),
            )
        })
    }

    /// Attempts for which there was a connection, which took no more requests.
    #[must_use]
    pub fn undispatched(&self) -> u64 {
        self.undispatched.load(Relaxed)
    }

    /// Attempts that took too long.
    #[must_use]
    pub fn timed_out(&self) -> u64 {
        self.timed_out.load(Relaxed)
    }

    /// Attempts of which the peer said that it had not processed them.
    #[must_use]
    pub fn claimed(&self) -> u64 {
        self.claimed.load(Relaxed)
    }

    fn failed(&self, trade: u32, error: &BoxError) {
        if error.is::<Elapsed>() {
            self.timed_out.fetch_add(1, Relaxed);
        }
        let claimed = Unprocessed::judge(&**error).is_some_and(Unprocessed::is_claim);
        self.claimed.fetch_add(claimed.into(), Relaxed);
        let Some(error) = error.downcast_ref::<legacy::Error>() else {
            return;
        };
        // Hyper's own words, read off the client's own error: no walk, so nothing to be fooled by.
        let undispatched = error
            .source()
            .and_then(|source| source.downcast_ref::<hyper::Error>())
            .is_some_and(hyper::Error::is_canceled);
        self.undispatched.fetch_add(undispatched.into(), Relaxed);
        if (undispatched || error.is_connect())
            && let Some(attempts) = self.attempts.get(trade as usize)
        {
            attempts.never_left.fetch_add(1, Relaxed);
        }
    }
}

/// Notes what becomes of attempts.
#[derive(Clone, Debug)]
pub struct Probe<S> {
    inner: S,
    wire: Arc<Wire>,
}

impl<S> Probe<S> {
    /// Notes them in `wire`.
    #[must_use]
    pub fn new(inner: S, wire: Arc<Wire>) -> Self {
        Self { inner, wire }
    }
}

impl<S, B> Service<Request<B>> for Probe<S>
where
    S: Service<Request<B>, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let trade = request.extensions().get::<TradeNumber>().copied();
        let wire = Arc::clone(&self.wire);
        if let Some(attempts) = trade.and_then(|trade| wire.attempts.get(trade.0 as usize)) {
            attempts.made.fetch_add(1, Relaxed);
        }
        let call = self.inner.call(request);
        Box::pin(async move {
            let outcome = call.await;
            if let (Some(TradeNumber(trade)), Err(error)) = (trade, &outcome) {
                wire.failed(trade, error);
            }
            outcome
        })
    }
}
