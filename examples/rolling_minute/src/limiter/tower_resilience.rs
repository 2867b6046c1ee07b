use tower::{Layer, ServiceExt};
use tower_resilience_ratelimiter::{RateLimiterLayer, WindowType};

use super::{Client, LIMIT};
use crate::network::Network;
use crate::run::PATIENCE;
use crate::server::MINUTE;

/// Puts the rate limiter of tower-resilience around `network`, with its sliding log.
pub(super) fn around(network: Network) -> Client {
    RateLimiterLayer::builder()
        .window_type(WindowType::SlidingLog)
        .limit_for_period(LIMIT.get() as usize)
        .refresh_period(MINUTE)
        .timeout_duration(PATIENCE)
        .build()
        .expect("limit and period are not zero")
        .layer(network)
        .map_err(Into::into)
        .boxed_clone()
}
