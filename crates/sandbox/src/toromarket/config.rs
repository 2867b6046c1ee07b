//! What a Toromarket can be told before it starts.

use std::time::Duration;

use crate::faults::Faults;

/// How a Toromarket starts.
#[derive(Clone)]
pub struct ToromarketConfig {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Requests of one agent in any window, until it is claimed.
    pub limit: u32,
    /// The same, once it is claimed.
    pub claimed_limit: u32,
    /// Requests to routes without a credential in any window, from all callers together: they share one address here.
    pub public_limit: u32,
    /// The window's length. The real one's algorithm is unpublished; this one is an exact rolling window.
    pub window: Duration,
    /// Rejected requests take a place in the window too.
    pub count_rejected: bool,
    /// Lifetime of a token.
    pub token_lifetime: Duration,
    /// Self-registrations that succeed in an hour.
    pub self_registrations: u32,
    /// Legacy registrations that succeed in an hour.
    pub registrations: u32,
    /// What `x-agent-secret` must say on the legacy registration.
    pub agent_secret: String,
    /// What goes wrong from the start.
    pub faults: Faults,
    /// Seed of everything random but keys and nonces.
    pub seed: u64,
}

impl Default for ToromarketConfig {
    fn default() -> Self {
        Self {
            port: 0,
            limit: 10,
            claimed_limit: 100,
            public_limit: 300,
            window: Duration::from_secs(60),
            count_rejected: false,
            token_lifetime: Duration::from_secs(7 * 86_400),
            self_registrations: 5,
            registrations: 1,
            agent_secret: "sandbox-secret".into(),
            faults: Faults::none(),
            seed: 1,
        }
    }
}
