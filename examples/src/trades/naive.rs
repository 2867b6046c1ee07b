//! The control: a policy that repeats whatever fails.

use std::time::Duration;

use http::{Request, Response};
use tokio::time::{Sleep, sleep};
use tollgate::context::BoxError;
use tower::retry::Policy;

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(20);

/// For `tower::retry::Retry`: repeats each error and each 5xx, whatever the method.
#[derive(Clone, Copy, Debug)]
pub struct Stubborn {
    retries_left: u32,
}

impl Stubborn {
    /// Sends a request `attempts` times at most.
    #[must_use]
    pub fn new(attempts: u32) -> Self {
        Self {
            retries_left: attempts.saturating_sub(1),
        }
    }
}

impl<B: Clone, R> Policy<Request<B>, Response<R>, BoxError> for Stubborn {
    type Future = Sleep;

    fn retry(
        &mut self,
        _: &mut Request<B>,
        outcome: &mut Result<Response<R>, BoxError>,
    ) -> Option<Sleep> {
        let failed = match outcome {
            Ok(response) => response.status().is_server_error(),
            Err(_) => true,
        };
        self.retries_left = self.retries_left.checked_sub(u32::from(failed))?;
        failed.then(|| sleep(PAUSE))
    }

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        Some(request.clone())
    }
}
