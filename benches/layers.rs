//! Each limiter in front of the service that answers at once, at a [`Pace`].
//!
//! Whatever may wait is told to wait as long as it takes, with room for all who do. `ratelimit` is not here: it never waits.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use rate_layer::{RateLayer, Window};
use throttle_net::tower::ThrottleLayer;
use tower::buffer::Buffer;
use tower::limit::RateLimit;
use tower::limit::rate::Rate;
use tower::{Layer, service_fn};
use tower_resilience_ratelimiter::{RateLimiterConfigBuilder, RateLimiterLayer, WindowType};

use crate::limiters;
use crate::pace::Pace;
use crate::requests::{Client, answer};

/// As many as may wait.
const QUEUE: usize = 8192;
/// As long as it takes.
const PATIENCE: Duration = Duration::from_secs(3600);

/// No limiter: what the others add to.
pub fn bare() -> impl Client {
    service_fn(answer)
}

/// Ours.
pub fn tollgate(pace: Pace) -> impl Client {
    ours(limiters::tollgate(pace))
}

/// Ours by the processor's counter.
pub fn tollgate_quanta(pace: Pace) -> impl Client {
    ours(limiters::tollgate_quanta(pace))
}

fn ours(window: Window) -> impl Client {
    RateLayer::new(window)
        .queue(QUEUE)
        .max_wait(PATIENCE)
        .layer(service_fn(answer))
}

/// `governor` has no layer: its `until_ready` before each request.
pub fn governor(pace: Pace) -> impl Client {
    let limiter = Arc::new(limiters::governor(pace));
    service_fn(move |request: Request<()>| {
        let limiter = Arc::clone(&limiter);
        async move {
            limiter.until_ready().await;
            answer(request).await
        }
    })
}

/// The same on its default clock.
pub fn governor_quanta(pace: Pace) -> impl Client {
    let limiter = Arc::new(limiters::governor_quanta(pace));
    service_fn(move |request: Request<()>| {
        let limiter = Arc::clone(&limiter);
        async move {
            limiter.until_ready().await;
            answer(request).await
        }
    })
}

/// `leaky-bucket` has no layer either: its `acquire_one` before each request.
pub fn leaky_bucket(pace: Pace) -> impl Client {
    let limiter = Arc::new(limiters::leaky_bucket(pace));
    service_fn(move |request: Request<()>| {
        let limiter = Arc::clone(&limiter);
        async move {
            limiter.acquire_one().await;
            answer(request).await
        }
    })
}

/// `throttle-net`'s layer over its sliding log. It admits in `poll_ready`.
pub fn throttle_net(pace: Pace) -> impl Client {
    ThrottleLayer::new(limiters::throttle_net(pace)).layer(service_fn(answer))
}

/// `tower-resilience-ratelimiter` with its sliding log. It admits in the future that `call` returns, as ours does.
pub fn tower_resilience(pace: Pace) -> impl Client {
    resilience(pace)
        .build()
        .expect("a limiter")
        .layer(service_fn(answer))
}

/// The same, told to admit in `poll_ready`: cheaper, and a ready service hoards its permit.
pub fn tower_resilience_backpressure(pace: Pace) -> impl Client {
    // The handle's variant shares one log among all services of the layer.
    let (layer, _) = resilience(pace)
        .backpressure()
        .build_with_handle()
        .expect("a limiter");
    layer.layer(service_fn(answer))
}

fn resilience(pace: Pace) -> RateLimiterConfigBuilder {
    RateLimiterLayer::builder()
        .limit_for_period(usize::try_from(pace.limit).expect("a small number"))
        .refresh_period(pace.window)
        .timeout_duration(PATIENCE)
        .window_type(WindowType::SlidingLog)
}

/// Tower's own `RateLimit`, behind the `Buffer` that makes it something to share. Make it within a runtime.
pub fn tower_buffer_rate_limit(pace: Pace) -> impl Client {
    let rate = Rate::new(u64::from(pace.limit), pace.window);
    Buffer::new(RateLimit::new(service_fn(answer), rate), QUEUE)
}
