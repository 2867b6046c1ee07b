use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use http::{Request, Response};
use tokio::time::Sleep;
use tower::retry::backoff::{Backoff, ExponentialBackoff, ExponentialBackoffMaker, MakeBackoff};
use tower::retry::budget::{Budget, TpsBudget};
use tower::retry::{Policy, Retry};
use tower::util::rng;
use tower::{BoxError, ServiceExt};

use super::Client;
use crate::server::Server;

/// The first pause, the longest one and the jitter's share of [`ExponentialBackoffMaker`]'s default.
const MIN: Duration = Duration::from_millis(50);
const MAX: Duration = Duration::from_millis(u64::MAX);
const JITTER: f64 = 0.99;

/// As many as this project's layer makes: tower leaves the number to the policy, which has to be written.
const RETRIES: u32 = 2;

/// Puts tower's [`Retry`] around `server`, with the policy that the documentation of its budget shows.
pub(super) fn around(server: Server, seed: u64) -> Client {
    let rng = Seeded(Rng::with_seed(seed));
    let backoff = ExponentialBackoffMaker::new(MIN, MAX, JITTER, rng);
    let policy = Budgeted {
        budget: Arc::new(TpsBudget::default()),
        backoff: backoff.expect("tower's own values").make_backoff(),
        left: RETRIES,
    };
    Retry::new(policy, server)
        .map_response(|response: Response<_>| response.status())
        .boxed_clone()
}

/// Stands in for tower's generator, whose seed cannot be chosen. Like it, it is cloned with the policy for each request.
#[derive(Clone)]
struct Seeded(Rng);

impl rng::Rng for Seeded {
    fn next_u64(&mut self) -> u64 {
        self.0.u64(..)
    }
}

#[derive(Clone)]
struct Budgeted {
    budget: Arc<TpsBudget>,
    backoff: ExponentialBackoff<Seeded>,
    left: u32,
}

impl<B> Policy<Request<()>, Response<B>, BoxError> for Budgeted {
    type Future = Sleep;

    fn retry(
        &mut self,
        _: &mut Request<()>,
        result: &mut Result<Response<B>, BoxError>,
    ) -> Option<Sleep> {
        let answered = result.as_ref();
        if answered.is_ok_and(|response| !response.status().is_server_error()) {
            self.budget.deposit();
            return None;
        }
        // The attempts first: a request that has none left takes nothing from the others.
        self.left = self.left.checked_sub(1)?;
        self.budget.withdraw().then(|| self.backoff.next_backoff())
    }

    fn clone_request(&mut self, request: &Request<()>) -> Option<Request<()>> {
        Some(request.clone())
    }
}
