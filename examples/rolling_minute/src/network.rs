//! The way to the server and back: a Tower service that answers after a round trip.

mod wire;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use fastrand::Rng;
use http::{Request, Response, StatusCode};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};
use tower::Service;

use crate::arrivals::Arrivals;
use crate::latency::Latency;
use crate::server::{Server, Verdict};
use wire::Wire;

/// A server and the way to it. Cloning gives another handle to the same.
///
/// Timers tick in milliseconds, so answers arrive on whole ones; the server's stamps are as fine as they are drawn. A
/// 429 carries no `Retry-After`.
#[derive(Clone)]
pub struct Network {
    start: Instant,
    wire: Arc<Mutex<Wire>>,
}

impl Network {
    /// Starts now. What is random comes from `rng`.
    #[must_use]
    pub fn start(server: Box<dyn Server>, latency: Latency, rng: Rng) -> Self {
        Self {
            start: Instant::now(),
            wire: Arc::new(Mutex::new(Wire::new(server, latency, rng))),
        }
    }

    /// Ends the run at `end`, and takes what the server had seen by then.
    #[must_use]
    pub fn finish(&self, end: Duration) -> Arrivals {
        self.wire.lock().finish(end)
    }

    /// How many requests were under way at once, at most.
    #[must_use]
    pub fn most_in_flight(&self) -> usize {
        self.wire.lock().most_in_flight()
    }
}

impl Service<Request<()>> for Network {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<()>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        let Self { start, wire } = self.clone();
        let (ticket, answer_at) = wire.lock().depart(start.elapsed());
        Box::pin(async move {
            sleep_until(start + answer_at).await;
            let verdict = wire.lock().answer(start.elapsed(), ticket);
            let mut response = Response::new(());
            if verdict == Verdict::Rejected {
                *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            }
            Ok(response)
        })
    }
}
