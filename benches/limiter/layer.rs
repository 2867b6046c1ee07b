//! A request passes through the layer to a service that answers at once.

use benches::{Harness, Pace, layers};

pub(crate) fn measure(harness: &mut impl Harness) {
    const GROUP: &str = "layer";
    const PACE: Pace = Pace::OPEN;

    harness.request(GROUP, "bare", layers::bare);
    harness.request(GROUP, "tollgate", || layers::tollgate(PACE));
    harness.request(GROUP, "tollgate_quanta", || layers::tollgate_quanta(PACE));
    harness.request(GROUP, "governor", || layers::governor(PACE));
    harness.request(GROUP, "governor_quanta", || layers::governor_quanta(PACE));
    harness.request(GROUP, "leaky_bucket", || layers::leaky_bucket(PACE));
    harness.request(GROUP, "throttle_net", || layers::throttle_net(PACE));
    harness.request(GROUP, "tower_resilience", || layers::tower_resilience(PACE));
    harness.request(GROUP, "tower_resilience_backpressure", || {
        layers::tower_resilience_backpressure(PACE)
    });
    harness.request(GROUP, "tower_buffer_rate_limit", || {
        layers::tower_buffer_rate_limit(PACE)
    });
}
