use retry_layer::RetryLayer;
use tower::{Layer, ServiceExt};

use super::Client;
use crate::server::Server;

/// Puts this project's layer, as it comes, around `server`.
pub(super) fn around(server: Server, seed: u64) -> Client {
    // Its jitter is drawn from the thread's generator.
    fastrand::seed(seed);
    RetryLayer::new()
        .layer(server)
        .map_response(|response| response.status())
        .boxed_clone()
}
