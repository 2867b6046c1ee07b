use std::cell::Cell;
use std::time::{Duration, SystemTime};

use ::reqwest_retry::policies::ExponentialBackoff;
use ::reqwest_retry::{Jitter, RetryDecision, RetryPolicy, RetryTransientMiddleware};
use async_trait::async_trait;
use fastrand::Rng;
use http::{Extensions, Request};
use parking_lot::Mutex;
use reqwest::{Body, Method, Response, Url};
use reqwest_middleware::{ClientBuilder, Middleware, Next};
use tokio::time::sleep;
use tower::{BoxError, ServiceExt, service_fn};

use super::Client;
use crate::server::{CallId, Server};

/// As in the documentation of the crate.
const RETRIES: u32 = 3;

tokio::task_local! {
    /// How long the call that is under way is to pause before its next attempt.
    static PAUSE: Cell<Duration>;
}

/// Puts reqwest-retry's middleware in front of `server`, which stands where reqwest would send.
///
/// The middleware is the published one, and so is its judgement of answers. Its pause is the difference of two
/// readings of the wall clock, and its jitter comes from a generator that cannot be seeded; so that runs can be
/// repeated, [`Virtual`] stands between it and its policy, and the pause is made in virtual time, by [`Wire`].
pub(super) fn around(server: Server, seed: u64) -> Client {
    let policy = Virtual {
        // The default but for the jitter, which is full, and drawn by `Virtual`.
        policy: ExponentialBackoff::builder()
            .jitter(Jitter::None)
            .build_with_max_retries(RETRIES),
        rng: Mutex::new(Rng::with_seed(seed)),
    };
    let client = ClientBuilder::new(reqwest::Client::new())
        .with(RetryTransientMiddleware::new_with_policy(policy))
        .with(Wire(server))
        .build();
    let url: Url = "http://server.invalid/".parse().expect("a URL");
    let send = move |request: Request<()>| {
        let (client, url) = (client.clone(), url.clone());
        PAUSE.scope(Cell::default(), async move {
            let (mut parts, ()) = request.into_parts();
            let request = reqwest::Request::new(Method::GET, url);
            let sent = client.execute_with_extensions(request, &mut parts.extensions);
            Ok::<_, BoxError>(sent.await?.status())
        })
    };
    service_fn(send).boxed_clone()
}

/// A policy whose pauses are fully jittered from a seed, and left to [`Wire`].
struct Virtual {
    policy: ExponentialBackoff,
    rng: Mutex<Rng>,
}

impl RetryPolicy for Virtual {
    fn should_retry(&self, started: SystemTime, retries: u32) -> RetryDecision {
        let pause = longest_pause(&self.policy, started, retries);
        let Some(pause) = pause else {
            return RetryDecision::DoNotRetry;
        };
        let jittered = pause.mul_f64(self.rng.lock().f64());
        PAUSE.with(|pause| pause.set(jittered));
        // Long ago: at once.
        RetryDecision::Retry {
            execute_after: SystemTime::UNIX_EPOCH,
        }
    }
}

/// The pause that `policy` asks for, without jitter, in whole seconds; `None` where it gives up.
#[expect(
    clippy::disallowed_methods,
    reason = "the policy says when, by the wall clock; whole seconds hide the moment that its reading takes"
)]
fn longest_pause(policy: &impl RetryPolicy, started: SystemTime, retries: u32) -> Option<Duration> {
    let before = SystemTime::now();
    match policy.should_retry(started, retries) {
        RetryDecision::Retry { execute_after } => {
            let pause = execute_after.duration_since(before).unwrap_or_default();
            Some(Duration::from_secs(pause.as_secs()))
        }
        RetryDecision::DoNotRetry => None,
    }
}

/// The innermost middleware: sends to the server, after the pause that is due.
struct Wire(Server);

#[async_trait]
impl Middleware for Wire {
    async fn handle(
        &self,
        _: reqwest::Request,
        extensions: &mut Extensions,
        _: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let pause = PAUSE.with(Cell::take);
        if !pause.is_zero() {
            sleep(pause).await;
        }
        let id = extensions.get::<CallId>().copied();
        let id = id.expect("each attempt carries the number of its request");
        let mut response = http::Response::new(Body::default());
        *response.status_mut() = self.0.attempt(id).await?;
        Ok(response.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_asked_for_its_pauses_and_for_its_end() {
        let policy = ExponentialBackoff::builder()
            .jitter(Jitter::None)
            .build_with_max_retries(RETRIES);
        let pauses =
            (0..=RETRIES).map(|retries| longest_pause(&policy, SystemTime::UNIX_EPOCH, retries));
        let seconds: Vec<_> = pauses.map(|pause| Some(pause?.as_secs())).collect();
        assert_eq!(seconds, [Some(1), Some(2), Some(4), None]);
    }

    #[test]
    fn full_jitter_and_one_second_are_the_policys_own_default() {
        let default = ExponentialBackoff::builder().build_with_max_retries(RETRIES);
        assert_eq!(default.jitter, Jitter::Full);
        assert_eq!(default.min_retry_interval, Duration::from_secs(1));
    }
}
