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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::LATENCIES;
    use crate::limiter::LIMITERS;
    use crate::server::SERVERS;

    const TIME: Duration = Duration::from_secs(600);

    fn run(name: &str, load: Load) -> Run {
        let limiter = LIMITERS.iter().find(|limiter| limiter.name == name);
        Run {
            limiter: *limiter.expect("a limiter of that name"),
            server: SERVERS[0],
            latency: LATENCIES[1],
            load,
        }
    }

    #[test]
    fn in_ten_minutes_tollgate_draws_no_429_and_a_window_stamped_at_departure_does() {
        for load in [Load::Steady, Load::Bursts] {
            let seen = run("tollgate", load).over(TIME, 7).expect("a run");
            assert_eq!((seen.rejected(), seen.peak()), (0, 100), "{load:?}");
        }
        let seen = run("tower_rate_limit", Load::Steady).over(TIME, 7);
        let seen = seen.expect("a run");
        assert!(seen.rejected() > 0);
        assert!(seen.peak() > 100);
    }

    #[test]
    fn the_same_seed_gives_the_same_run_and_another_seed_another() {
        for limiter in LIMITERS {
            let run = run(limiter.name, Load::Bursts);
            let seen = [7, 7, 8].map(|seed| run.over(TIME, seed).expect("a run"));
            assert_eq!(seen[0], seen[1], "{limiter:?}");
            assert_ne!(seen[0], seen[2], "{limiter:?}");
        }
    }

    #[test]
    fn every_limiter_keeps_sending() {
        for limiter in LIMITERS {
            let seen = run(limiter.name, Load::Steady).over(TIME, 7);
            let accepted = seen.expect("a run").accepted_from(Duration::ZERO);
            assert!(accepted > 900, "{limiter:?}: {accepted}");
        }
    }
}
