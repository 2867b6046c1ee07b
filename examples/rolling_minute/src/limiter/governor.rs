//! governor keeps no time of its own: it asks the clock that it is given, and says how long to wait.

use std::num::NonZeroU32;
use std::ops::Add;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, Reference};
use governor::nanos::Nanos;
use governor::{Quota, RateLimiter};
use http::Request;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};
use tower::{ServiceExt, service_fn};

use super::{Client, LIMIT};
use crate::network::Network;

/// Puts a governor with `burst` around `network`.
///
/// Waits as governor's own `until_ready` does (asks, sleeps for what it is told, and asks again) but by tokio's clock. Those
/// who wait stand in line, so that one asks at a time instead of all: which request goes first makes no difference to a count.
pub(super) fn around(network: Network, burst: NonZeroU32) -> Client {
    let quota = Quota::per_minute(LIMIT).allow_burst(burst);
    let limiter = Arc::new(RateLimiter::direct_with_clock(quota, VirtualClock));
    let line = Arc::new(Mutex::new(()));
    service_fn(move |request: Request<()>| {
        let limiter = Arc::clone(&limiter);
        let line = Arc::clone(&line);
        let network = network.clone();
        async move {
            let turn = line.lock().await;
            while let Err(not_until) = limiter.check() {
                sleep(not_until.wait_time_from(VirtualClock.now())).await;
            }
            drop(turn);
            network.oneshot(request).await
        }
    })
    .map_err(Into::into)
    .boxed_clone()
}

/// Reads tokio's clock, which is paused here.
#[derive(Clone, Copy, Debug)]
struct VirtualClock;

impl Clock for VirtualClock {
    type Instant = Moment;

    fn now(&self) -> Moment {
        Moment(Instant::now())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Moment(Instant);

impl Add<Nanos> for Moment {
    type Output = Self;

    fn add(self, nanos: Nanos) -> Self {
        Self(self.0 + Duration::from(nanos))
    }
}

impl Reference for Moment {
    fn duration_since(&self, earlier: Self) -> Nanos {
        self.0.saturating_duration_since(earlier.0).into()
    }

    fn saturating_sub(&self, duration: Nanos) -> Self {
        let earlier = self.0.checked_sub(duration.into());
        Self(earlier.unwrap_or(self.0))
    }
}
