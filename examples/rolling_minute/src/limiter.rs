//! The limiters: published crates, set to a hundred a minute as their documentation says.
//!
//! All tell the time by tokio's clock, or by one that they are given, so virtual time holds for all of them.

mod governor;
mod throttle_net;
mod tollgate;
mod tower;
mod tower_resilience;

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use ::tower::BoxError;
use ::tower::util::BoxCloneService;
use http::{Request, Response};
use rate_layer::{MINUTE, Pace, Quota, SECOND};

use crate::network::Network;

/// A service that waits its turn and then sends. Clones share the limiter.
pub type Client = BoxCloneService<Request<()>, Response<()>, BoxError>;

/// The limit that all are set to.
const LIMIT: NonZeroU32 = NonZeroU32::new(100).expect("100 is not 0");

/// The exact rolling minute.
const ROLLING: Quota = Quota::rolling(LIMIT.get(), MINUTE);

/// A minute's requests, evenly spread.
const SPACED: Pace = Pace::every(Duration::from_millis(600));

/// A limiter: its name, and how it is put around a service.
#[derive(Clone, Copy)]
pub struct Limiter {
    /// Its name in the JSON.
    pub name: &'static str,
    /// What it is, in a few words.
    pub what: &'static str,
    around: fn(Network) -> Client,
}

impl Limiter {
    /// Puts a new limiter around `network`. Must run inside of the runtime that will drive it.
    #[must_use]
    pub fn around(&self, network: Network) -> Client {
        (self.around)(network)
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// All limiters, the ones of this project first.
pub const LIMITERS: &[Limiter] = &[
    Limiter {
        name: "tollgate",
        what: "RateLayer, Quota::rolling(100, MINUTE)",
        around: |network| tollgate::around(network, ROLLING),
    },
    Limiter {
        name: "tollgate_tick",
        what: "the same with .tick(SECOND), for stamps in whole seconds",
        around: |network| tollgate::around(network, ROLLING.tick(SECOND)),
    },
    Limiter {
        name: "tollgate_paced",
        what: "the same with one each 600 ms",
        around: |network| tollgate::around(network, ROLLING.and(SPACED)),
    },
    Limiter {
        name: "governor",
        what: "governor, 100 a minute, burst 100",
        around: |network| governor::around(network, LIMIT),
    },
    Limiter {
        name: "governor_burst_1",
        what: "governor, 100 a minute, burst 1: one each 600 ms",
        around: |network| governor::around(network, NonZeroU32::MIN),
    },
    Limiter {
        name: "tower_rate_limit",
        what: "tower's RateLimit, 100 a minute, behind its Buffer",
        around: tower::around,
    },
    Limiter {
        name: "throttle_net",
        what: "throttle-net's SlidingWindowLog in its ThrottleLayer",
        around: throttle_net::around,
    },
    Limiter {
        name: "tower_resilience",
        what: "tower-resilience-ratelimiter's SlidingLog in its layer",
        around: tower_resilience::around,
    },
];
