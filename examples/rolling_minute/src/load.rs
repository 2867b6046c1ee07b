//! When the program has something to send.

use std::convert::Infallible;
use std::time::Duration;

use fastrand::Rng;
use http::Request;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};
use tower::{BoxError, ServiceExt};

use crate::limiter::Client;

/// How the work comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// There is always more: [`WORKERS`] each send one request after the other, and some of them always wait for the limiter.
    Steady,
    /// [`BURST`] requests at once, at random: [`BETWEEN_BURSTS`] apart on average, exponentially distributed, so that the number
    /// of bursts in a time follows Poisson.
    Bursts,
}

/// All loads.
pub const LOADS: [Load; 2] = [Load::Steady, Load::Bursts];

/// How many send at once in the steady load. More than can be in flight, as each run verifies.
pub const WORKERS: usize = 160;

/// How many requests a burst has: more than the limit, so that the rest must wait.
pub const BURST: usize = 150;

/// The mean time from burst to burst: at 60 requests a minute the limiter catches up.
pub const BETWEEN_BURSTS: Duration = Duration::from_secs(150);

impl Load {
    /// Its name in the JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Bursts => "bursts",
        }
    }

    /// Sends through `client` until `end`. What is under way then is dropped.
    ///
    /// A 429 is an answer like any other: the next request takes its turn, and none is sent again.
    ///
    /// # Errors
    ///
    /// The first error of the client: limiters here may wait as long as it takes, so there should be none.
    pub async fn send(self, client: Client, end: Instant, rng: Rng) -> Result<(), BoxError> {
        match self {
            Self::Steady => steady(client, end).await,
            Self::Bursts => bursts(client, end, rng).await,
        }
    }
}

async fn steady(client: Client, end: Instant) -> Result<(), BoxError> {
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        workers.spawn(work(client.clone()));
    }
    match timeout_at(end, workers.join_next()).await {
        Ok(Some(stopped)) => match stopped? {
            Err(error) => Err(error),
        },
        Ok(None) | Err(_) => Ok(()),
    }
}

async fn work(client: Client) -> Result<Infallible, BoxError> {
    loop {
        client.clone().oneshot(Request::new(())).await?;
    }
}

async fn bursts(client: Client, end: Instant, mut rng: Rng) -> Result<(), BoxError> {
    let mut calls = JoinSet::new();
    let mut next = Instant::now();
    while next < end {
        next += BETWEEN_BURSTS.mul_f64(-(1.0 - rng.f64()).ln());
        let until = next.min(end);
        while let Ok(Some(answered)) = timeout_at(until, calls.join_next()).await {
            answered??;
        }
        sleep_until(until).await;
        for _ in 0..BURST {
            calls.spawn(client.clone().oneshot(Request::new(())));
        }
    }
    Ok(())
}
