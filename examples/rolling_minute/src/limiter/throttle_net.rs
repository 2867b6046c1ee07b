use throttle_net::tower::ThrottleLayer;
use throttle_net::{SlidingWindowLog, TokioClock};
use tower::{Layer, ServiceExt};

use super::{Client, LIMIT};
use crate::network::Network;
use crate::server::MINUTE;

/// Puts throttle-net's layer around `network`, with its sliding log on the tokio clock that it brings.
pub(super) fn around(network: Network) -> Client {
    let log = SlidingWindowLog::new(LIMIT.get(), MINUTE).with_clock(TokioClock::new());
    ThrottleLayer::new(log).layer(network).boxed_clone()
}
