use tower::buffer::Buffer;
use tower::limit::RateLimit;
use tower::limit::rate::Rate;
use tower::{BoxError, ServiceExt};

use super::{Client, LIMIT};
use crate::load::BURST;
use crate::network::Network;
use crate::server::MINUTE;

/// Puts tower's [`RateLimit`] around `network`, and a [`Buffer`] around that, since it cannot be cloned.
pub(super) fn around(network: Network) -> Client {
    let rate = Rate::new(u64::from(LIMIT.get()), MINUTE);
    Buffer::new(RateLimit::new(network, rate), BURST)
        .map_err(BoxError::from)
        .boxed_clone()
}
