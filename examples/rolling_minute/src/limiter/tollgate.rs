use rate_layer::{RateLayer, Rule};
use tower::{Layer, ServiceExt};

use super::Client;
use crate::network::Network;
use crate::run::PATIENCE;

/// Puts a [`RateLayer`] around `network`, with room for every backlog that a load makes.
///
/// The simulated 429s carry no `Retry-After`, so they cause no pause: what the numbers show is the window alone.
pub(super) fn around(network: Network, limit: impl Into<Rule>) -> Client {
    RateLayer::new(limit)
        .max_wait(PATIENCE)
        .queue(1 << 20)
        .layer(network)
        .boxed_clone()
}
