//! Attempts that are given up when they take too long, and what they were for is carried out all the same.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use fastrand::Rng;
use http::Request;
use tokio::time::timeout;
use tollgate::context::BoxError;
use tower::Service;
use tower::timeout::error::Elapsed;

use crate::trades::weather::{IMPATIENT, PATIENT, impatient};

/// A timeout of each attempt, short for some by chance. Fails as tower's `Timeout` does.
///
/// What tells the short from the long ones is a die and not how fast the machine is, so that on a busy one a run is not
/// made of timeouts.
#[derive(Clone, Debug)]
pub struct Patience<S> {
    inner: S,
    dice: Arc<Mutex<Rng>>,
}

impl<S> Patience<S> {
    /// Loses patience by `dice`.
    #[must_use]
    pub fn new(inner: S, dice: Rng) -> Self {
        Self {
            inner,
            dice: Arc::new(Mutex::new(dice)),
        }
    }
}

impl<S, B> Service<Request<B>> for Patience<S>
where
    S: Service<Request<B>, Error: Into<BoxError>, Future: Send + 'static>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let hurried = impatient(&mut self.dice.lock().unwrap_or_else(PoisonError::into_inner));
        let longest = if hurried { IMPATIENT } else { PATIENT };
        let call = timeout(longest, self.inner.call(request));
        Box::pin(async move {
            match call.await {
                Ok(outcome) => outcome.map_err(Into::into),
                Err(_) => Err(Elapsed::new().into()),
            }
        })
    }
}
