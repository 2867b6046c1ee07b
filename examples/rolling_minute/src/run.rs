//! One run: a limiter, a server, a latency, a load, and some hours.

use std::time::Duration;

use fastrand::Rng;
use tokio::runtime::Builder;
use tokio::time::Instant;
use tower::BoxError;

use crate::arrivals::Arrivals;
use crate::latency::Latency;
use crate::limiter::Limiter;
use crate::load::{Load, WORKERS};
use crate::network::Network;
use crate::server;

/// How long a limiter that can be told may let a request wait: longer than any does.
pub const PATIENCE: Duration = Duration::from_secs(30 * 24 * 3600);

/// What is run.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The limiter.
    pub limiter: Limiter,
    /// The server.
    pub server: server::Kind,
    /// How long round trips take.
    pub latency: Latency,
    /// How the work comes.
    pub load: Load,
}

impl Run {
    /// Lets `time` pass, virtually, and says what the server has seen.
    ///
    /// The same `seed` gives the same run; and all limiters meet the same latencies, as far as they send alike.
    ///
    /// # Errors
    ///
    /// If no runtime can be had, if the limiter turned a request away instead of waiting, or if the steady load was none because
    /// all workers were in flight at once.
    pub fn over(&self, time: Duration, seed: u64) -> Result<Arrivals, BoxError> {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()?;
        let mut rng = Rng::with_seed(seed);
        let arrivals = runtime.block_on(async {
            let end = Instant::now() + time;
            let network = Network::start(self.server.start(), self.latency, rng.fork());
            let client = self.limiter.around(network.clone());
            self.load.send(client, end, rng).await?;
            if self.load == Load::Steady && network.most_in_flight() >= WORKERS {
                return Err("all workers were in flight at once: nobody waited".into());
            }
            Ok::<_, BoxError>(network.finish(time))
        });
        arrivals.map_err(|error| {
            let Self {
                limiter,
                server,
                latency,
                load,
            } = self;
            let (latency, load) = (latency.name, load.name());
            format!("{limiter:?} at {server:?}, {latency}, {load}: {error}").into()
        })
    }
}
