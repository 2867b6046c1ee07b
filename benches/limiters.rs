//! Each limiter by itself, at a [`Pace`].
//!
//! All read the system's monotonic clock through `std::time::Instant`, but for those whose names say `quanta`.
//!
//! `tower` and `tower-resilience-ratelimiter` are not here: their limiters cannot be asked without a service.

use std::hash::Hash;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::{Duration, Instant};

use governor::RateLimiter;
use governor::clock::{Clock, DefaultClock, MonotonicClock, QuantaInstant};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use rate_layer::{MINUTE, Quota, Window, Windows};
use ratelimit::Ratelimiter;
use throttle_net::{PerKey, SlidingWindowLog};

use crate::pace::Pace;

/// `governor` on `Instant`.
pub type Governor = RateLimiter<NotKeyed, InMemoryState, MonotonicClock, NoOpMiddleware<Instant>>;
/// `governor` on `quanta`, its default.
pub type GovernorQuanta =
    RateLimiter<NotKeyed, InMemoryState, DefaultClock, NoOpMiddleware<QuantaInstant>>;
/// `governor` with a state for each key.
pub type GovernorKeyed<K, C> =
    RateLimiter<K, DashMapStateStore<K>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// Ours: exact rolling, with the place held until the answer. No margin, so that its pace is the others'.
pub fn tollgate(pace: Pace) -> Window {
    Window::new(Quota::rolling(pace.limit, pace.window).margin(Duration::ZERO))
}

/// The same by the processor's counter, between looks at the clock.
pub fn tollgate_quanta(pace: Pace) -> Window {
    Window::quick(Quota::rolling(pace.limit, pace.window).margin(Duration::ZERO))
}

/// A window for each key.
pub fn tollgate_keyed(pace: Pace, keys: usize) -> Windows {
    let quota = Quota::rolling(pace.limit, pace.window).margin(Duration::ZERO);
    let most = NonZeroUsize::new(keys).expect("some keys");
    Windows::bounded(quota, most, MINUTE)
}

/// `governor`: GCRA, one atomic, no queue.
pub fn governor(pace: Pace) -> Governor {
    RateLimiter::direct_with_clock(governor_quota(pace), MonotonicClock)
}

/// The same on its default clock.
pub fn governor_quanta(pace: Pace) -> GovernorQuanta {
    RateLimiter::direct_with_clock(governor_quota(pace), DefaultClock::default())
}

/// `governor` with a state for each key, in its default store, a `DashMap`.
pub fn governor_keyed<K, C>(pace: Pace, clock: C) -> GovernorKeyed<K, C>
where
    K: Hash + Eq + Clone,
    C: Clock,
{
    RateLimiter::dashmap_with_clock(governor_quota(pace), clock)
}

fn governor_quota(pace: Pace) -> governor::Quota {
    let burst = NonZeroU32::new(pace.limit).expect("not zero");
    governor::Quota::with_period(pace.spacing())
        .expect("not zero")
        .allow_burst(burst)
}

/// `leaky-bucket`, fair, as is its default: tickets in order of arrival.
///
/// It fills in steps of a millisecond at least; with a shorter window, by as much more a step.
pub fn leaky_bucket(pace: Pace) -> leaky_bucket::RateLimiter {
    let step = pace.window.max(Duration::from_millis(1));
    let steps = usize::try_from(step.as_nanos() / pace.window.as_nanos()).expect("a small number");
    let limit = usize::try_from(pace.limit).expect("a small number") * steps;
    leaky_bucket::RateLimiter::builder()
        .interval(step)
        .refill(limit)
        .max(limit)
        .initial(limit)
        .build()
}

/// `ratelimit`: a token bucket of atomics; it never waits.
pub fn ratelimit(pace: Pace) -> Ratelimiter {
    let limit = u64::from(pace.limit);
    Ratelimiter::builder(limit)
        .period(pace.window)
        .max_tokens(limit)
        .initial_available(limit)
        .build()
        .expect("a limiter")
}

/// `throttle-net`'s sliding log, the shape of its that is exact as ours is.
pub fn throttle_net(pace: Pace) -> SlidingWindowLog {
    SlidingWindowLog::new(pace.limit, pace.window)
}

/// `throttle-net` with a bucket for each key: it keeps no log by key.
pub fn throttle_net_keyed<K>(pace: Pace, keys: usize) -> PerKey<K>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    PerKey::per_duration(pace.limit, pace.window)
        .with_eviction(throttle_net::Eviction::capacity(4 * keys))
}
