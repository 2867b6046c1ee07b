//! The server: a Tower service that answers quickly, and fails as the load says.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};
use tower::{BoxError, Service};

use crate::load::{Failure, Load};
use crate::log::Log;
use crate::nowhere::Nowhere;

/// The number of a request, in its extensions: all its attempts carry it.
#[derive(Clone, Copy, Debug)]
pub struct CallId(pub usize);

/// A server and the log of what it saw. Cloning gives another handle to the same.
///
/// A failure is a 503 without `Retry-After`, or an attempt that finds no connection. Whether an attempt fails, where chance decides, and how long it takes, is
/// drawn from the seed, the request's number and the attempt's: whatever a policy does, the same attempt meets the same luck.
#[derive(Clone)]
pub struct Server {
    load: Load,
    seed: u64,
    start: Instant,
    nowhere: Nowhere,
    log: Arc<Mutex<Log>>,
}

/// What comes back, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answer {
    status: StatusCode,
    after: Duration,
}

impl Server {
    /// Starts now.
    #[must_use]
    pub fn start(load: Load, seed: u64) -> Self {
        Self {
            load,
            seed,
            start: Instant::now(),
            nowhere: Nowhere::new(),
            log: Arc::default(),
        }
    }

    /// Takes note of a request that arrives now.
    #[must_use]
    pub fn arrive(&self) -> CallId {
        CallId(self.log.lock().arrive(self.start.elapsed()))
    }

    /// Takes note of a request's outcome, which is there now.
    pub fn end(&self, CallId(call): CallId, succeeded: bool) {
        self.log.lock().end(call, self.start.elapsed(), succeeded);
    }

    /// Takes the log; a new one is begun.
    #[must_use]
    pub fn finish(&self) -> Log {
        std::mem::take(&mut self.log.lock())
    }

    /// Makes an attempt now, and waits for its answer.
    ///
    /// # Errors
    ///
    /// That of reqwest where no connection comes about.
    pub async fn attempt(&self, CallId(call): CallId) -> reqwest::Result<StatusCode> {
        let at = self.start.elapsed();
        let attempt = self.log.lock().depart(call, at);
        let Answer { status, after } = answer(self.load.failing(at), self.luck(call, attempt));
        sleep(after).await;
        match self.load.failure() {
            Failure::NoConnection if !status.is_success() => Err(self.nowhere.connect().await),
            _ => Ok(status),
        }
    }

    fn luck(&self, call: usize, attempt: u32) -> Rng {
        // An odd factor, so that neighbours get seeds that have little in common.
        let number = (call as u64) << 8 | u64::from(attempt);
        Rng::with_seed(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}

/// Failures are quick: 1 to 5 ms. Successes take 10 to 30 ms.
fn answer(failing: f64, mut luck: Rng) -> Answer {
    let (status, millis) = if luck.f64() < failing {
        (StatusCode::SERVICE_UNAVAILABLE, luck.u64(1..=5))
    } else {
        (StatusCode::OK, luck.u64(10..=30))
    };
    let after = Duration::from_millis(millis);
    Answer { status, after }
}

impl Service<Request<()>> for Server {
    type Response = Response<Empty<Bytes>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    /// # Panics
    ///
    /// If the request has lost its [`CallId`]: a layer would not have copied its extensions.
    fn call(&mut self, request: Request<()>) -> Self::Future {
        let server = self.clone();
        let id = request.extensions().get::<CallId>().copied();
        let id = id.expect("each attempt carries the number of its request");
        Box::pin(async move {
            let mut response = Response::new(Empty::new());
            *response.status_mut() = server.attempt(id).await?;
            Ok(response)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::LOADS;

    #[tokio::test(start_paused = true)]
    async fn the_same_attempt_meets_the_same_luck_and_another_one_its_own() {
        let server = Server::start(LOADS[3], 7);
        let draws = |server: &Server| -> Vec<_> {
            let attempts = (0..500).flat_map(|call| [(call, 0), (call, 1)]);
            attempts
                .map(|(call, attempt)| answer(0.2, server.luck(call, attempt)))
                .collect()
        };
        assert_eq!(draws(&server), draws(&Server::start(LOADS[3], 7)));
        assert_ne!(draws(&server), draws(&Server::start(LOADS[3], 8)));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_as_frequent_as_the_load_says_and_independent_of_each_other() {
        const CALLS: usize = 100_000;
        let server = Server::start(LOADS[2], 7);
        let fails =
            |call, attempt| answer(0.1, server.luck(call, attempt)).status != StatusCode::OK;
        let first = (0..CALLS).filter(|&call| fails(call, 0)).count();
        let twice = (0..CALLS).filter(|&call| fails(call, 0) && fails(call, 1));
        let neighbours = (1..CALLS).filter(|&call| fails(call - 1, 0) && fails(call, 0));
        assert!((9_700..10_300).contains(&first), "{first}");
        for both in [twice.count(), neighbours.count()] {
            assert!((880..1_120).contains(&both), "{both}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_takes_its_time_and_is_logged() {
        let server = Server::start(LOADS[0], 7);
        let id = server.arrive();
        let mut request = Request::new(());
        request.extensions_mut().insert(id);
        let began = Instant::now();
        let response = server.clone().call(request).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK);
        let took = began.elapsed();
        assert!((10..=30).contains(&took.as_millis()), "{took:?}");
        server.end(id, true);
        let log = server.finish();
        assert_eq!((log.calls()[0].attempts, log.calls()[0].took), (1, took));
    }
}
