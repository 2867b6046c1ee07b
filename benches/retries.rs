//! Each layer that retries, in front of the service that answers at once, as its authors would have it used.

use std::convert::Infallible;
use std::future;
use std::sync::Arc;

use async_trait::async_trait;
use http::{Extensions, Request, Response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use reqwest_retry::RetryTransientMiddleware;
use reqwest_retry::policies::ExponentialBackoff;
use retry_layer::RetryLayer;
use tower::retry::budget::{Budget as _, TpsBudget};
use tower::retry::{Policy, RetryLayer as TowerRetryLayer};
use tower::{BoxError, Layer, Service, service_fn};

use crate::calls::{Body, answer_call};

/// A client of the service that answers at once, with or without a layer in between.
pub trait Caller: Service<Request<Body>, Error: Into<BoxError>> + Clone {}

impl<S: Service<Request<Body>, Error: Into<BoxError>> + Clone> Caller for S {}

/// No layer: what the others add to.
pub fn bare() -> impl Caller {
    service_fn(answer_call)
}

/// Ours.
pub fn tollgate() -> impl Caller {
    RetryLayer::new().layer(service_fn(answer_call))
}

/// Ours, told to send each request once.
pub fn tollgate_off() -> impl Caller {
    RetryLayer::new().attempts(1).layer(service_fn(answer_call))
}

/// Tower's, with a policy as the documentation of its budgets shows it.
pub fn tower_retry_clone() -> impl Caller {
    let policy = AsDocumented {
        budget: Arc::new(TpsBudget::default()),
        clones: true,
    };
    TowerRetryLayer::new(policy).layer(service_fn(answer_call))
}

/// The same with a policy that keeps no copy, and so repeats nothing.
pub fn tower_retry_no_clone() -> impl Caller {
    let policy = AsDocumented {
        budget: Arc::new(TpsBudget::default()),
        clones: false,
    };
    TowerRetryLayer::new(policy).layer(service_fn(answer_call))
}

/// `tower-resilience-retry` as it comes, three attempts.
pub fn tower_resilience() -> impl Caller {
    tower_resilience_retry::RetryLayer::<Request<Body>, Response<Body>, Infallible>::builder()
        .max_attempts(3)
        .build()
        .layer(service_fn(answer_call))
}

/// `reqwest-middleware` with nothing but the answer: what `reqwest_retry` adds to.
pub fn reqwest_bare() -> ClientWithMiddleware {
    ClientBuilder::new(reqwest::Client::new())
        .with(AnswersAtOnce)
        .build()
}

/// `reqwest-retry` as it comes, three attempts.
pub fn reqwest_retry() -> ClientWithMiddleware {
    let policy = ExponentialBackoff::builder().build_with_max_retries(2);
    ClientBuilder::new(reqwest::Client::new())
        .with(RetryTransientMiddleware::new_with_policy(policy))
        .with(AnswersAtOnce)
        .build()
}

/// Deposits for a success, withdraws for a failure, and does not pause.
#[derive(Clone, Debug)]
struct AsDocumented {
    budget: Arc<TpsBudget>,
    clones: bool,
}

impl<R, E> Policy<Request<Body>, R, E> for AsDocumented {
    type Future = future::Ready<()>;

    fn retry(&mut self, _: &mut Request<Body>, outcome: &mut Result<R, E>) -> Option<Self::Future> {
        if outcome.is_ok() {
            self.budget.deposit();
            return None;
        }
        self.budget.withdraw().then(|| future::ready(()))
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        self.clones.then(|| request.clone())
    }
}

/// The last middleware: nothing goes on to the client.
struct AnswersAtOnce;

#[async_trait]
impl Middleware for AnswersAtOnce {
    async fn handle(
        &self,
        _: reqwest::Request,
        _: &mut Extensions,
        _: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        Ok(Response::new(reqwest::Body::default()).into())
    }
}
